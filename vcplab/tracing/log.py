"""VCPLog: every tool call, what went in and came out, and the lines written meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from vcplab.core.display import html_table, style_block
from vcplab.core.errors import NotFoundError, VCPError
from vcplab.core.events import EventBus, Subscription
from vcplab.core.names import checked_choice
from vcplab.core.trace import RemoteSpan, Span, span
from vcplab.protocol.channels import Channels
from vcplab.tracing.calls import (
    CALL_KIND,
    CallUpdate,
    LogWritten,
    ToolCall,
    ToolStatistics,
    ToolType,
    TraceStatistics,
    call_of,
    statistics_of,
)
from vcplab.tracing.handles import Handles
from vcplab.tracing.recorder import Recorder
from vcplab.tracing.records import Level, LogRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VCPLog"]


class VCPLog(Channels):
    """Calls and log lines (seed 002 §5.2; facts/vcp-agents §9).

    A call is a span of the kind ``tool``; so what other rooms trace as such shows here by itself.
    Inputs and outputs are kept whole, without secrets.

    Args:
        recorder: Where spans are recorded.
    """

    CHANNELS: ClassVar[Mapping[str, str]] = {
        "VCPLog_GetRecentCalls": "get_recent_calls",
        "VCPLog_GetRecentLogs": "get_recent_logs",
        "VCPLog_GetTraceCalls": "get_trace_calls",
        "VCPLog_GetCall": "get_call",
        "VCPLog_Clear": "clear",
        "VCPLog_Write": "write",
    }

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._handles = Handles("call")
        self.bus = EventBus()
        self._unwatch = recorder.watch(self._moment, (CALL_KIND,))

    # --- writing ----------------------------------------------------------------------------------

    def start_call(
        self,
        tool_name: str,
        params: Any = None,
        tool_type: ToolType = "plugin",
        *,
        trace_id: str | None = None,
        parent_call_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Begin a call.

        Args:
            tool_name: The tool.
            params: What it is given.
            tool_type: ``"mcp"``, ``"builtin"``, ``"plugin"`` or ``"workflow"``.
            trace_id: The trace it belongs to, where its parent is not open here.
            parent_call_id: The call or span around it; else the one that is open here.
            metadata: Further facts.

        Returns:
            Its id, for `end_call` or `fail_call`.

        Raises:
            InvalidInputError: The type is unknown.
        """
        problem = f"A tool cannot be of the type {tool_type!r}."
        checked_choice(tool_type, get_args(ToolType), "tool_type", problem)
        facts = _facts(tool_name, params, tool_type, metadata)
        parent = self._around(parent_call_id, trace_id)
        return self._handles.start(tool_name, CALL_KIND, parent, **facts).span_id

    def end_call(self, call_id: str, result: Any = None) -> None:
        """End a call that succeeded.

        Raises:
            NotFoundError: The call is over or unknown.
        """
        self._handles.end(call_id, output=result)

    def fail_call(
        self, call_id: str, error: BaseException | str | Mapping[str, Any], result: Any = None
    ) -> None:
        """End a call that failed.

        Args:
            call_id: The call.
            error: What went wrong; the seed's ``{"message", "code"}`` too.
            result: What it gave all the same.

        Raises:
            NotFoundError: The call is over or unknown.
        """
        if isinstance(error, Mapping):
            error = VCPError(str(error.get("message", "")), details=dict(error))
        facts = {} if result is None else {"output": result}
        self._handles.end(call_id, "error", error, **facts)

    @contextmanager
    def call(
        self,
        tool_name: str,
        params: Any = None,
        tool_type: ToolType = "plugin",
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Span]:
        """A call as a block; what is set as ``output`` on the span is its result.

        ::

            with log.call("SuperDice", {"notation": "2d6"}) as call:
                call.set(output=roll("2d6"))
        """
        facts = _facts(tool_name, params, tool_type, metadata)
        with span(tool_name, CALL_KIND, **facts) as opened:
            yield opened

    def write(
        self,
        message: str,
        level: Level = "info",
        category: str = "vcplab",
        data: Any = None,
        *,
        trace_id: str | None = None,
        call_id: str | None = None,
    ) -> LogRecord:
        """Write a line.

        Args:
            message: The text.
            level: ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
            category: What it is about.
            data: Further facts.
            trace_id: The trace it belongs to, where that is not open here.
            call_id: The call it belongs to; else the span that is open here.

        Returns:
            The line.

        Raises:
            InvalidInputError: The level is unknown.
        """
        checked_choice(level, get_args(Level), "level", f"A line cannot have the level {level!r}.")
        around = self._around(call_id, trace_id)
        line = self._recorder.log(level, category, message, data, call=around)
        self.bus.publish(LogWritten(log=line))
        return line

    # --- live -------------------------------------------------------------------------------------

    def on_call_update(self, callback: Callable[[CallUpdate], object]) -> Subscription:
        """Have a function called when a call begins, ends or fails."""
        return self.bus.subscribe(CallUpdate, callback)

    def on_log(self, callback: Callable[[LogWritten], object]) -> Subscription:
        """Have a function called with every line."""
        return self.bus.subscribe(LogWritten, callback)

    def _moment(self, moment: str, span: Span) -> None:
        # Cleaning a call of secrets is dear; the trace does it in a thread of its own.
        if moment == "event" or not self.bus.has_subscribers(CallUpdate):
            return
        call = call_of(self._recorder.record(span))
        if moment == "start":
            self.bus.publish(CallUpdate(type="start", call=call))
        else:
            self.bus.publish(CallUpdate(type="error" if call.error else "end", call=call))

    # --- looking back -----------------------------------------------------------------------------

    def get_recent_calls(self, limit: int = 50) -> list[ToolCall]:
        """The latest calls, running or over, latest first.

        Args:
            limit: How many at most.
        """
        return self._calls(since_ns=self._recorder.store.setting("log.cleared"), limit=limit)

    def get_trace_calls(self, trace_id: str) -> list[ToolCall]:
        """The calls of one trace, in order."""
        return self._calls(trace_id=trace_id)[::-1]

    def get_call(self, call_id: str) -> ToolCall:
        """One call, input and output whole.

        Raises:
            NotFoundError: No such call was recorded.
        """
        return call_of(self._recorder.find(call_id, (CALL_KIND,), "call"))

    def get_recent_logs(self, limit: int = 100, level: Level | None = None) -> list[LogRecord]:
        """The latest lines, latest first.

        Args:
            limit: How many at most.
            level: Only those of this level.
        """
        self._recorder.flush()
        since = self._recorder.store.setting("log.cleared")
        return self._recorder.store.logs(limit=limit, level=level, since_ns=since)

    def clear(self) -> None:
        """Show nothing from before now; the trace itself keeps it."""
        self._recorder.flush()
        store = self._recorder.store
        calls = store.spans(kinds=(CALL_KIND,), limit=1)
        logs = store.logs(limit=1)
        latest = [call.start_ns for call in calls]
        latest += [int(line.time.timestamp() * 1e6) * 1000 + 999 for line in logs]
        if latest:
            store.set_setting("log.cleared", max(latest))

    def statistics(self, limit: int | None = None) -> dict[str, ToolStatistics]:
        """Counts, errors and times of each tool over the latest calls.

        Args:
            limit: Over how many calls at most; None for all that are kept.

        Returns:
            By the tool's name.
        """
        since = self._recorder.store.setting("log.cleared")
        return statistics_of(self._calls(since_ns=since, limit=limit, whole=False))

    def trace_statistics(self, trace_id: str) -> TraceStatistics:
        """What happened in one trace.

        Raises:
            NotFoundError: No such trace was recorded.
        """
        spans = self._recorder.trace(trace_id)
        calls = [call_of(record) for record in spans if record.kind == CALL_KIND]
        first, start = spans[0].start_ns, spans[0].start
        ends = [r.start_ns + r.duration_ns for r in spans if r.duration_ns is not None]
        took = max(ends) - first if len(ends) == len(spans) else None
        return TraceStatistics(
            trace_id=trace_id,
            start_time=start,
            end_time=None if took is None else start + timedelta(microseconds=took // 1000),
            total_duration=None if took is None else took / 1e6,
            call_count=len(calls),
            success_count=sum(call.status == "success" for call in calls),
            error_count=sum(call.status == "error" for call in calls),
            tools=statistics_of(calls),
        )

    def to_frame(self, limit: int | None = None) -> pd.DataFrame:
        """The latest calls as a frame.

        Returns:
            A frame with ``id``, ``trace_id``, ``tool_name``, ``tool_type``, ``status``,
            ``start_time``, ``duration`` (ms), ``input``, ``output`` and ``error``, latest first.
        """
        import pandas as pd

        names = [
            *("id", "trace_id", "tool_name", "tool_type", "status", "start_time", "duration"),
            *("input", "output", "error"),
        ]
        calls = self._calls(since_ns=self._recorder.store.setting("log.cleared"), limit=limit)
        return pd.DataFrame([[getattr(c, name) for name in names] for c in calls], columns=names)

    def close(self) -> None:
        """Stop listening to spans."""
        self._unwatch()

    # --- inside -----------------------------------------------------------------------------------

    def _calls(
        self,
        *,
        since_ns: int | None = None,
        trace_id: str | None = None,
        limit: int | None = None,
        whole: bool = True,
    ) -> list[ToolCall]:
        self._recorder.flush()
        store = self._recorder.store
        records = store.spans(kinds=(CALL_KIND,), since_ns=since_ns, trace_id=trace_id, limit=limit)
        return [call_of(store.whole(record) if whole else record) for record in records]

    def _around(self, call_id: str | None, trace_id: str | None) -> Span | RemoteSpan | None:
        if call_id is None:
            return None if trace_id is None else RemoteSpan.of(trace_id, "0" * 16)
        found = self._handles.find(call_id)
        if found is not None:
            return found
        if trace_id is not None:
            return RemoteSpan.of(trace_id, call_id)
        self._recorder.flush()
        record = self._recorder.store.span(call_id)
        if record is None:
            raise NotFoundError(
                f"There is no call {call_id!r}.",
                where="call_id",
                next_step="give its trace_id too, or the id of a recorded call",
            )
        return RemoteSpan.of(record.trace_id, record.span_id)

    def __repr__(self) -> str:
        return f"<VCPLog {len(self._handles.all())} running>"

    def _repr_html_(self) -> str:
        rows = [
            (tool.tool_name, tool.count, tool.errors, tool.p50, tool.p95, tool.longest)
            for tool in self.statistics().values()
        ]
        header = ["tool", "calls", "errors", "p50 ms", "p95 ms", "longest ms"]
        return style_block() + html_table(header, rows, caption="VCPLog: tools")


def _facts(
    tool_name: str, params: Any, tool_type: ToolType, metadata: Mapping[str, Any] | None
) -> dict[str, Any]:
    facts: dict[str, Any] = {"tool": tool_name, "tool_type": tool_type, "input": params}
    return {**facts, "metadata": dict(metadata)} if metadata else facts
