"""The lab's trace: what happened in which call, from all rooms, in one tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcplab.core.display import html_table, style_block, view
from vcplab.core.redaction import Redactor
from vcplab.core.settings import Settings
from vcplab.core.workspace import Workspace
from vcplab.tracing.export import to_opentelemetry, write_jsonl
from vcplab.tracing.info import VCPInfo
from vcplab.tracing.log import VCPLog
from vcplab.tracing.recorder import Recorder
from vcplab.tracing.records import SpanRecord
from vcplab.tracing.show import ShowVCP
from vcplab.tracing.store import TraceStore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TraceFacet"]

_COLUMNS = (
    "span_id", "trace_id", "parent_id", "name", "kind", "status", "start", "duration_ms",
    "attributes", "error_message",
)  # fmt: skip


class TraceFacet:
    """``lab.trace``: the recorder, its file and its views.

    Attributes:
        store: The file of spans and log lines.
        recorder: What writes it.
        info: VCPInfo, sessions and steps.
        log: VCPLog, calls and lines.
        show: ShowVCP, requests told to a person.

    Args:
        workspace: The lab's folder.
        settings: Its settings, whose secrets are never written.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        path = workspace.private / "trace.sqlite3"
        if not workspace.read_only:
            self.store = TraceStore(path)
        elif path.exists():
            self.store = TraceStore(path, read_only=True)
        else:  # the owner has traced nothing yet
            self.store = TraceStore()
        self.recorder = Recorder(self.store, redactor=Redactor(settings=settings))
        self.info = VCPInfo(self.recorder)
        self.log = VCPLog(self.recorder)
        self.show = ShowVCP(self.recorder)

    def spans(
        self,
        *,
        trace_id: str | None = None,
        kinds: Sequence[str] | None = None,
        roots: bool = False,
        status: str | None = None,
        search: str | None = None,
        limit: int | None = 1000,
    ) -> list[SpanRecord]:
        """Recorded spans, latest first; see `TraceStore.spans`.

        Args:
            trace_id: Only those of one trace.
            kinds: Only those of these kinds, e.g. ``("tool",)``.
            roots: Only requests, which have no parent.
            status: Only ``"open"``, ``"ok"``, ``"error"`` or ``"cancelled"``.
            search: Only those that hold this text in name, attributes or error, in any case.
            limit: How many at most; None for all.
        """
        self.recorder.flush()
        return self.store.spans(
            trace_id=trace_id, kinds=kinds, roots=roots, status=status, search=search, limit=limit
        )

    def to_frame(self, **filters: Any) -> pd.DataFrame:
        """Recorded spans as a frame.

        Args:
            **filters: As of `spans`.

        Returns:
            A frame with ``span_id``, ``trace_id``, ``parent_id``, ``name``, ``kind``, ``status``,
            ``start`` (UTC), ``duration_ms``, ``attributes`` and ``error_message``, latest first.
        """
        import pandas as pd

        rows = [[getattr(record, name) for name in _COLUMNS] for record in self.spans(**filters)]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def tree(self, trace_id: str | None = None) -> str:
        """One trace as text, a line per span.

        Args:
            trace_id: The trace; the latest request's if None.

        Raises:
            NotFoundError: No such trace was recorded.
        """
        if trace_id is None:
            latest = self.spans(roots=True, limit=1)
            trace_id = latest[0].trace_id if latest else ""
        records = self.recorder.trace(trace_id)
        known = {record.span_id for record in records}
        children: dict[str | None, list[SpanRecord]] = {}
        for record in records:
            parent = record.parent_id if record.parent_id in known else None
            children.setdefault(parent, []).append(record)
        lines: list[str] = []
        waiting = [(record, 0) for record in reversed(children[None])]
        while waiting:
            record, depth = waiting.pop()
            lines.append("  " * depth + _line(record))
            inside = children.get(record.span_id, [])
            waiting.extend((child, depth + 1) for child in reversed(inside))
        return "\n".join(lines)

    def export_jsonl(self, path: str | Path, **filters: Any) -> Path:
        """Write spans to a file, a JSON object per line, large attributes put back.

        Args:
            path: The file; an existing one is replaced.
            **filters: As of `spans`; all spans without any.

        Returns:
            The path.
        """
        return write_jsonl(self._whole(filters), path)

    def to_opentelemetry(self, exporter: Any = None, **filters: Any) -> list[Any]:
        """Spans as OpenTelemetry knows them; see `vcplab.tracing.to_opentelemetry`.

        Args:
            exporter: A ``SpanExporter`` that is given them; None to only convert.
            **filters: As of `spans`; all spans without any.

        Raises:
            MissingDependencyError: ``opentelemetry-sdk`` is not installed.
        """
        return to_opentelemetry(self._whole(filters), exporter)

    def panel(self, **options: Any) -> Any:
        """The live tree: timings, search, details and requests.

        Args:
            **options: ``limit``, how many spans it holds at most (20,000).

        Returns:
            A widget; show it as the last value of a cell.

        Raises:
            MissingDependencyError: anywidget is not installed.
        """
        return view("panel", "TraceFacet")(self, **options)

    def flush(self) -> None:
        """Write what waits; `spans` and the views do so by themselves."""
        self.recorder.flush()

    def close(self) -> None:
        """Stop tracing into this lab; closing twice is allowed."""
        self.recorder.close()
        self.info.close()
        self.log.close()
        self.show.close()
        self.store.close()

    def _whole(self, filters: dict[str, Any]) -> Iterable[SpanRecord]:
        return [self.store.whole(record) for record in self.spans(**{"limit": None, **filters})]

    def __repr__(self) -> str:
        return f"<TraceFacet {self.store.count()} spans in {self.store.path or 'memory'}>"

    def _repr_html_(self) -> str:
        rows = [
            (record.name, record.kind, record.status, record.duration_ms, record.error_message)
            for record in self.spans(roots=True, limit=20)
        ]
        header = ["request", "kind", "status", "ms", "error"]
        return style_block() + html_table(header, rows, caption="Latest requests")


def _line(record: SpanRecord) -> str:
    took = "…" if record.duration_ms is None else f"{record.duration_ms:.1f} ms"
    error = f" ! {record.error_type}: {record.error_message}" if record.error_type else ""
    return f"{record.name} [{record.status}] {took}{error}"
