"""What the detection panel tells the browser of a board: detectors, operating points, lists.

A detector's operating points go as numbers in buffers, so that the browser can move the threshold
without asking. All else is asked for: tables at a threshold, and one page of a list at a time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vcplab.core.display.cells import showable
from vcplab.core.errors import VCPError
from vcplab.evaluation.detection.metrics import parse_detection_metrics
from vcplab.evaluation.detection.slices import slice_table, slices_of
from vcplab.evaluation.samples import sample_types
from vcplab.evaluation.statistics import confidence_of, risk_coverage

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from vcplab.evaluation.detection.board import DetectionBoard
    from vcplab.protocol.grounding import Verdict

__all__ = ["LISTS", "BoardReader", "kind_of", "number"]

LISTS: Final = (
    "errors", "misses", "false alarms", "hits", "passes", "abstained", "unlabelled", "relabelled",
    "all",
)  # fmt: skip
"""What the list can hold."""

_ORDERS: Final = ("surest", "closest", "data")
_KINDS: Final = {
    "misses": ("miss",),
    "false alarms": ("false alarm",),
    "hits": ("hit",),
    "passes": ("pass",),
    "errors": ("miss", "false alarm"),
    "abstained": ("abstained",),
    "unlabelled": ("unlabelled",),
}
_MEASURES: Final = ("AUROC", "BAcc", "precision", "recall")
_PREVIEW = 150
_POINTS = 160


def number(value: Any) -> float | None:
    """A number that JSON can hold; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    return float(value) if math.isfinite(float(value)) else None


def kind_of(label: float, p: float, threshold: float) -> str:
    """What became of a sample: miss, false alarm, hit, pass, abstained or unlabelled.

    Args:
        label: 1, 0, or NaN where nobody says.
        p: What the detector said; NaN where it abstains.
        threshold: From which p on it is flagged.
    """
    if math.isnan(p):
        return "abstained"
    if math.isnan(label):
        return "unlabelled"
    flagged = p >= threshold
    if flagged:
        return "hit" if label else "false alarm"
    return "miss" if label else "pass"


class BoardReader:
    """Reads a board for the panel; may be called from several threads.

    Args:
        board: The comparison.
        page: Rows of a list that are sent at once.
    """

    def __init__(self, board: DetectionBoard, page: int = 25) -> None:
        self.board = board
        self.page = page
        self._lock = threading.RLock()
        self._frames: dict[str, pd.DataFrame] = {}
        self._verdicts: tuple[str, dict[str, Verdict]] | None = None

    # --- what is asked again and again -----------------------------------------------------

    def frame(self, system: str) -> pd.DataFrame:
        """One row per sample; see `DetectionBoard.per_sample`.

        Raises:
            NotFoundError: There is no such detector.
        """
        with self._lock:
            if system not in self._frames:
                self._frames[system] = self.board.per_sample(system)
            return self._frames[system]

    def verdict(self, system: str, id: str) -> Verdict:
        """What a detector said of a sample.

        Raises:
            NotFoundError: There is no such detector.
        """
        with self._lock:
            if self._verdicts is None or self._verdicts[0] != system:
                self._verdicts = system, self.board.verdicts(system)
            return self._verdicts[1][id]

    @cached_property
    def slices(self) -> dict[str, dict[str, NDArray[np.bool_]]]:
        """Column → value → which samples have it, for columns with few values."""
        found = {}
        for column in self.board.slices:
            try:
                parts = slices_of(self.board.data, column)
            except VCPError:  # too many values for a table
                continue
            if len(parts) > 1:
                found[column] = parts
        return found

    @cached_property
    def positions(self) -> dict[str, int]:
        """Sample id → its position."""
        return {sample.id: place for place, sample in enumerate(self.board.data)}

    # --- messages --------------------------------------------------------------------------

    def board_message(self) -> dict[str, Any]:
        """The comparison as a whole."""
        board, thresholds = self.board, self.board.thresholds
        return {
            "kind": "board",
            "title": showable(board.title),
            "systems": [
                {
                    "name": showable(system.name),
                    "kind": system.kind,
                    "threshold": number(row.threshold),
                    "chosen": showable(str(row.chosen)),
                }
                for system, row in zip(
                    board.systems, thresholds.itertuples(index=False), strict=True
                )
            ],
            "columns": list(map(showable, self.slices)),
            "lists": list(LISTS),
            "orders": list(_ORDERS),
        }

    def system_message(self, place: int) -> tuple[dict[str, Any], list[bytes]]:
        """One detector: what needs no threshold, and its operating points.

        Args:
            place: Its position.

        Returns:
            The message; and buffers: p falling (float64), and from it on the hallucinated and the
            faithful samples that are flagged (uint32 each).
        """
        board, system = self.board, self.board.systems[place]
        frame, curve = self.frame(system.name), board.curve(system.name)
        judged = frame["p"].notna() & frame["label"].notna()
        bins = board.reliability(system.name)
        types = board.type_confusion(system.name)
        auroc, ece = (self._metric(name, frame) for name in ("AUROC", "ECE"))
        message = {
            "kind": "system",
            "place": place,
            "samples": len(frame),
            "judged": int(judged.sum()),
            "abstained": int(frame["p"].isna().sum()),
            "unlabelled": int((frame["p"].notna() & frame["label"].isna()).sum()),
            "hallucinated": int((frame["label"][judged] == 1).sum()),
            "calibrated": bool(system.calibrated),
            "several_thresholds": len(set(frame["threshold"])) > 1,
            "auroc": auroc,
            "ece": ece,
            "reliability": bins[["predicted", "observed", "n"]].to_numpy(float).tolist(),
            "types": {
                "gold": list(types.index),
                "said": list(types.columns),
                "counts": types.to_numpy(int).tolist(),
            },
            "suppresses": callable(getattr(system.value, "suppress", None)),
        }
        buffers = [
            curve["threshold"].to_numpy("<f8").tobytes(),
            curve["tp"].to_numpy().astype("<u4").tobytes(),
            curve["fp"].to_numpy().astype("<u4").tobytes(),
        ]
        return message, buffers

    def _metric(self, name: str, frame: pd.DataFrame) -> float | None:
        return number(parse_detection_metrics(name)[name].of(frame))

    def at_message(
        self,
        place: int,
        threshold: float,
        asked: Mapping[str, Any],
        relabelled: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What a detector does at a threshold: parts of the data, risk–coverage, a page of a list.

        Args:
            place: Its position.
            threshold: From which p on a response is flagged.
            asked: ``by``, ``list``, ``order``, ``query`` and ``page``, as far as they are known.
            relabelled: By id, the samples that a reader labelled.
        """
        system = self.board.systems[place]
        frame = self.frame(system.name)
        frame = frame.assign(threshold=threshold)
        flagged = (frame["p"] >= threshold).astype(float)
        frame["flagged"] = flagged.where(frame["p"].notna())
        return {
            "kind": "at",
            "place": place,
            "threshold": threshold,
            "risk": self._risk(frame, threshold),
            "slices": self._slice_rows(system.name, frame, asked.get("by")),
            "rows": self._page(frame, threshold, asked, relabelled),
        }

    @staticmethod
    def _risk(frame: pd.DataFrame, threshold: float) -> list[list[float]]:
        rows = frame[frame["p"].notna() & frame["label"].notna()]
        if not len(rows):
            return []
        sure = confidence_of(rows["p"].to_numpy(float), threshold)
        points = risk_coverage((rows["flagged"] != rows["label"]).astype(float), sure)
        kept = np.unique(np.linspace(0, len(points) - 1, min(_POINTS, len(points))).astype(int))
        drawn: list[list[float]] = points[["coverage", "risk"]].to_numpy()[kept].tolist()
        return drawn

    def _slice_rows(self, name: str, frame: pd.DataFrame, by: Any) -> dict[str, Any]:
        column = by if isinstance(by, str) and by in self.slices else next(iter(self.slices), None)
        if column is None:
            return {"by": "", "measures": [], "rows": []}
        measures = parse_detection_metrics(list(_MEASURES))
        table = slice_table(
            [name], [frame], measures, self.board.data.groups, self.slices[column], column, None
        )
        shown = ["samples", "hallucinated", *measures]
        rows = [
            [showable(str(row[column])), *(number(row[key]) for key in shown)]
            for row in table.to_dict("records")
        ]
        return {"by": showable(column), "measures": shown, "rows": rows}

    def _page(
        self,
        frame: pd.DataFrame,
        threshold: float,
        asked: Mapping[str, Any],
        relabelled: Mapping[str, Any],
    ) -> dict[str, Any]:
        wanted = asked.get("list") if asked.get("list") in LISTS else "errors"
        order = asked.get("order") if asked.get("order") in _ORDERS else "surest"
        query = str(asked.get("query") or "")[:200].casefold()
        labels, p = frame["label"].to_numpy(float), frame["p"].to_numpy(float)
        kinds = [kind_of(a, b, threshold) for a, b in zip(labels, p, strict=True)]
        data = self.board.data
        places = [
            place
            for place, (kind, sample) in enumerate(zip(kinds, data, strict=True))
            if (
                kind in _KINDS[wanted]
                if wanted in _KINDS
                else wanted == "all" or sample.id in relabelled
            )
            and (not query or query in _searched(sample).casefold())
        ]
        if order != "data":
            distance = np.nan_to_num(np.abs(p - threshold), nan=-1.0)
            sign = -1 if order == "surest" else 1
            places.sort(key=lambda place: sign * distance[place])
        last = max(0, (len(places) - 1) // self.page)
        given = asked.get("page")
        page = min(last, max(0, given)) if isinstance(given, int) else 0
        shown = places[page * self.page : (page + 1) * self.page]
        return {
            "list": wanted,
            "order": order,
            "total": len(places),
            "page": page,
            "pages": last + 1,
            "size": self.page,
            "rows": [
                {
                    "id": showable(data[place].id),
                    "at": place,  # ids may hold what cannot be shown
                    "kind": kinds[place],
                    "p": number(p[place]),
                    "types": " + ".join(map(showable, sample_types(data[place]))),
                    "language": showable(data[place].language),
                    "text": _preview(data[place]),
                    "relabelled": data[place].id in relabelled,
                }
                for place in shown
            ],
        }


def _searched(sample: Any) -> str:
    return f"{sample.id}\n{sample.response}\n{' '.join(sample_types(sample))}\n{sample.group}"


def _preview(sample: Any) -> str:
    """The response from a little before its first gold span on."""
    first = min((span.start for span in sample.spans or ()), default=0)
    begin = max(0, first - 40) if first > 90 else 0
    text = " ".join(sample.response[begin : begin + _PREVIEW + 1].split())
    cut = "…" if len(sample.response) > begin + _PREVIEW else ""
    return showable(f"{'…' if begin else ''}{text[:_PREVIEW]}{cut}")
