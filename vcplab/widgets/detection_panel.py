"""The detection panel: thresholds and their cost, curves, errors one by one, labels of one's own.

The threshold moves in the browser, which has the operating points; the kernel is asked for what
needs the samples: tables at a threshold, one page of a list, one sample. Of what is asked while it
still works the newest counts. Whatever a sample or a detector says is text, here and in the
browser.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anywidget

from vcplab.core.display import html_table
from vcplab.core.display.cells import showable
from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.core.files import write_atomic
from vcplab.core.loop import submit, to_worker
from vcplab.widgets.detection_labels import Relabel, Relabels
from vcplab.widgets.detection_messages import BoardReader
from vcplab.widgets.detection_sample import difference_message, sample_message
from vcplab.widgets.plugin_messages import cut_text, error_text

if TYPE_CHECKING:
    from vcplab.evaluation.detection.board import DetectionBoard
    from vcplab.evaluation.samples import GroundingData

__all__ = ["DetectionPanel", "detection_panel"]

_STATIC = Path(__file__).parent / "static"
_ID = re.compile(r"[a-z0-9-]{1,64}")
_NEWEST = frozenset({"ready", "system", "at", "sample", "difference"})
_VIEWERS = 20
_STATIC_ERRORS = 10


class DetectionPanel(anywidget.AnyWidget):
    """The widget; made by ``board.panel()``.

    Args:
        board: The comparison of detectors.
        system: The detector that is shown first: its name or position.
        labels: A JSONL file for labels of one's own: read if it exists, written at each change.
            None: they live as long as the panel.
        page: Samples in the list at once.

    Attributes:
        labels: Sample id → what was said of it in the panel.

    Raises:
        NotFoundError: There is no such detector.
        InvalidInputError: ``page`` is not from 5 to 200.
        InvalidDataError: The file holds something else.
        OSError: It cannot be read.
    """

    _esm = _STATIC / "detection_panel.js"
    _css = _STATIC / "detection_panel.css"

    def __init__(
        self,
        board: DetectionBoard,
        system: str | int = 0,
        labels: str | Path | None = None,
        page: int = 25,
    ) -> None:
        if not 5 <= page <= 200:
            raise InvalidInputError(
                f"The panel cannot list {page} samples at once.",
                where="page",
                next_step="give a number from 5 to 200",
            )
        super().__init__()
        self._made_in = copy_context()
        self._board = board
        self._reader = BoardReader(board, page)
        names = board.names
        board.per_sample(system)  # complains if there is none
        self._first = names.index(system) if isinstance(system, str) else system % len(names)
        self.labels = Relabels(board.data, labels)
        self._lock = threading.Lock()  # of what follows
        self._wanted: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._pumping = False
        self._closed = False
        self.on_msg(self._asked)

    def close(self) -> None:
        """Remove it from the notebook; labels stay."""
        self._closed = True
        super().close()

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to the browser, as from the cell that made the panel.

        A comm's clicks go to the subshell from which it last sent (ipykernel 7.4): sent from within
        a click, it would be luck whether the next one waits for a cell that runs.
        """
        self._made_in.copy().run(super().send, content, buffers)

    # What is left of a reader's work

    def relabelled(self) -> GroundingData:
        """The data with the labels that were given here, to compare on again."""
        return self.labels.relabelled()

    def export(self, path: str | Path) -> Path:
        """Write the labels that were given here.

        Args:
            path: ``.jsonl`` has everything; ``.csv`` is for people.

        Returns:
            The path.

        Raises:
            InvalidInputError: The name ends otherwise.
            OSError: It cannot be written.
        """
        file = Path(path)
        if file.suffix.lower() not in (".jsonl", ".csv"):
            raise InvalidInputError(
                f"Labels are not written as {file.suffix or 'a file without ending'!r}.",
                where="path",
                next_step="name it ….jsonl or ….csv",
            )
        is_csv = file.suffix.lower() == ".csv"
        write_atomic(file, self.labels.to_csv() if is_csv else self.labels.to_jsonl())
        return file

    # What the browser asks

    def _asked(self, _: Any, message: Any, buffers: Any = None) -> None:
        if not isinstance(message, Mapping) or self._closed:
            return
        kind, viewer = str(message.get("kind"))[:40], message.get("viewer")
        if not isinstance(viewer, str) or not _ID.fullmatch(viewer):
            return
        if kind not in _NEWEST:
            submit(to_worker(self._answer, kind, message))
            return
        with self._lock:
            if len(self._wanted) >= _VIEWERS * len(_NEWEST):  # pages that went without a word
                self._wanted.clear()
            self._wanted[viewer, kind] = message
            if self._pumping:
                return
            self._pumping = True
        submit(self._pump())

    async def _pump(self) -> None:
        while True:
            with self._lock:
                if not self._wanted or self._closed:
                    self._pumping = False
                    return
                key = next(iter(self._wanted))
                message = self._wanted.pop(key)
            await to_worker(self._answer, key[1], message)

    def _answer(self, kind: str, message: Mapping[str, Any]) -> None:
        """Answer on a worker thread; an error goes back to where it was asked."""
        told = {"viewer": message.get("viewer"), "request": _request(message)}
        buffers: list[bytes] | None = None
        try:
            if kind == "ready":
                answer = {**self._reader.board_message(), "first": self._first}
                answer["labels"] = [self._told(one) for one in self.labels.values()]
            elif kind == "system":
                answer, buffers = self._reader.system_message(self._place(message))
            elif kind == "at":
                answer = self._reader.at_message(
                    self._place(message), _threshold(message), message, self.labels
                )
            elif kind == "sample":
                answer = sample_message(
                    self._reader, self._place(message), self._at(message), _threshold(message)
                )
            elif kind == "difference":
                answer = difference_message(self._reader, self._place(message), self._at(message))
            elif kind == "label":
                answer = self._label(message)
            elif kind == "export":
                answer = self._exported(message)
            else:
                answer = {"kind": "problem", "text": f"The panel does not know {kind!r}."}
        except Exception as error:  # belongs in the panel, whatever it is
            answer = {"kind": "problem", "text": error_text(error)}
        self.send({**answer, "to": kind, **told}, buffers)

    def _place(self, message: Mapping[str, Any]) -> int:
        return _whole(message, "place", len(self._board.systems))

    def _at(self, message: Mapping[str, Any]) -> int:
        return _whole(message, "at", len(self._board.data))

    def _label(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Keep or forget what a reader says; all pages are told."""
        at = self._at(message)
        id = self._board.data[at].id
        if message.get("forget") is True:
            self.labels.take_back(id)
            return {"kind": "labelled", "at": at, "label": None}
        place, label = self._place(message), message.get("label")
        p = self._reader.verdict(self._board.names[place], id).p
        said = Relabel(
            id,
            label if isinstance(label, bool) else None,
            note=str(message.get("note") or ""),
            system=self._board.names[place],
            p=p,
            threshold=_threshold(message),
        )
        return {"kind": "labelled", "at": at, "label": self._told(self.labels.say(said))}

    def _told(self, one: Relabel) -> dict[str, Any]:
        return {
            "at": self._reader.positions[one.id],
            "id": showable(one.id),
            "label": one.label,
            "note": cut_text(one.note, 4_000),
            "was": one.was,
            "time": one.at,
        }

    def _exported(self, message: Mapping[str, Any]) -> dict[str, Any]:
        ending: Literal["csv", "jsonl"] = "csv" if message.get("format") == "csv" else "jsonl"
        text = self.labels.to_csv() if ending == "csv" else self.labels.to_jsonl()
        name = re.sub(r"[^\w-]+", "-", self._board.data.name).strip("-") or "samples"
        return {"kind": "file", "name": f"{name}-labels.{ending}", "text": text}

    # What is left without a browser

    def __repr__(self) -> str:
        return f"<DetectionPanel of {self._board!r}, {len(self.labels)} relabelled>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and tables for where there are none (saved pages, other viewers)."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            with suppress(VCPError):  # the cache is gone: the widget still shows what it has
                data["text/html"] = self._board._repr_html_() + self._static_errors()
        return bundle

    def _static_errors(self) -> str:
        name = self._board.names[self._first]
        errors = self._board.errors(name).head(_STATIC_ERRORS)
        rows = [
            (row.id, row.kind, f"{row.p:.3f}", row.type or "", cut_text(row.response, 300))
            for row in errors.itertuples(index=False)
        ]
        heads = ("sample", "what", "p", "type", "response")
        return str(html_table(heads, rows, caption=f"The surest errors of {name}"))


def _whole(message: Mapping[str, Any], field: str, below: int) -> int:
    value = message.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < below:
        raise InvalidInputError(
            f"{value!r} is none of {below}.",
            where=field,
            next_step="choose one that the panel lists",
        )
    return value


def _threshold(message: Mapping[str, Any]) -> float:
    value = message.get("threshold")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInputError(
            f"{value!r} is no threshold.", where="threshold", next_step="give a number"
        )
    return float(value)


def _request(message: Mapping[str, Any]) -> int:
    request = message.get("request")
    return request if isinstance(request, int) and not isinstance(request, bool) else 0


def detection_panel(board: DetectionBoard, **options: Any) -> DetectionPanel:
    """Draw a comparison of detectors.

    Args:
        board: What ``vl.compare`` returned.
        **options: Of `DetectionPanel`.

    Returns:
        The widget.
    """
    return DetectionPanel(board, **options)
