"""The trace panel: a live tree of spans that stays quick under load.

The tree lives in the browser: search, expanding and scrolling ask the kernel nothing, so they
answer while a cell runs. The kernel only sends what was recorded, in batches, and on request the
details of one span.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from vcplab.core.errors import InvalidInputError, StateError, VCPError
from vcplab.tracing.records import SpanRecord

if TYPE_CHECKING:
    from vcplab.lab.trace import TraceFacet

__all__ = ["TracePanel", "trace_panel"]

_STATIC = Path(__file__).parent / "static"
_PREVIEW = 240
_PER_MESSAGE = 2000
_DETAILS = 100_000


class TracePanel(anywidget.AnyWidget):
    """The widget; made by ``lab.trace.panel()``.

    Args:
        facet: The lab's trace.
        limit: How many spans it holds at most; the oldest requests go first.

    Raises:
        InvalidInputError: ``limit`` is not from 100 to 200,000.
    """

    _esm = _STATIC / "trace_panel.js"
    _css = _STATIC / "trace_panel.css"
    limit = traitlets.Int(20_000).tag(sync=True)

    def __init__(self, facet: TraceFacet, limit: int = 20_000) -> None:
        if not 100 <= limit <= 200_000:
            raise InvalidInputError(
                f"The panel cannot hold {limit} spans.",
                where="limit",
                next_step="give a number from 100 to 200,000",
            )
        super().__init__(limit=limit)
        self._facet = facet
        self._kept: deque[list[Any]] = deque(maxlen=limit)
        self._sending = threading.Lock()
        facet.flush()
        self._kept.extend(_row(record) for record in reversed(facet.spans(limit=limit)))
        self._stop = facet.recorder.listen(self._recorded)
        self.on_msg(self._asked)

    def close(self) -> None:
        """Stop listening and remove it from the notebook."""
        stop = getattr(self, "_stop", None)
        if stop is not None:
            stop()
        super().close()

    def _recorded(self, batch: Iterable[SpanRecord]) -> None:
        rows = [_row(record) for record in batch]
        with self._sending:
            self._kept.extend(rows)
            self._send_rows(rows)

    def _send_rows(self, rows: list[list[Any]]) -> None:
        for start in range(0, len(rows), _PER_MESSAGE):
            self.send({"kind": "spans", "rows": rows[start : start + _PER_MESSAGE]})

    def _asked(self, _: Any, message: Any, buffers: Any = None) -> None:
        if not isinstance(message, Mapping):
            return
        if message.get("kind") == "ready":
            with self._sending:
                self._send_rows(list(self._kept))
        elif message.get("kind") == "details":
            self.send({"kind": "details", **self._details(str(message.get("id", "")))})

    def _details(self, span_id: str) -> dict[str, Any]:
        try:
            record = self._facet.store.span(span_id)
        except StateError as error:
            return {"id": span_id, "text": f"The lab was closed. {error}", "request": ""}
        if record is None:
            return {"id": span_id, "text": "This span is no longer kept.", "request": ""}
        text = json.dumps(record.to_dict(), ensure_ascii=False, indent=2)
        if len(text) > _DETAILS:
            text = f"{text[:_DETAILS]}\n… ({len(text)} characters; store.span({span_id!r}) has all)"
        try:
            request = self._facet.show.format_session(record.trace_id, "detailed")
        except VCPError:
            request = ""
        return {"id": span_id, "text": text, "request": request}

    def __repr__(self) -> str:
        return f"<TracePanel {len(self._kept)} spans of {self._facet!r}>"


def trace_panel(facet: TraceFacet, **options: Any) -> TracePanel:
    """Draw ``lab.trace``.

    Args:
        facet: The lab's trace.
        **options: Of `TracePanel`.

    Returns:
        The widget.
    """
    return TracePanel(facet, **options)


def _row(record: SpanRecord) -> list[Any]:
    """A span as the panel needs it: the order is that of `FIELDS` in trace_panel.js."""
    facts = dict(record.attributes)
    preview = json.dumps(facts, ensure_ascii=False)[:_PREVIEW] if facts else ""
    error = "" if record.error_type is None else f"{record.error_type}: {record.error_message}"
    return [
        record.span_id,
        record.trace_id,
        record.parent_id,
        record.name[:_PREVIEW],
        record.kind,
        record.status,
        record.start_ns / 1e6,
        record.duration_ms,
        error[:_PREVIEW],
        preview,
    ]
