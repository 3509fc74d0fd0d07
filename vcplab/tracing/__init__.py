"""The trace: spans on disk, and the three views that the seeds name.

::

    with Recorder(TraceStore("trace.sqlite3")) as recorder:
        log = VCPLog(recorder)
        with log.call("SuperDice", {"notation": "2d6"}) as call:
            call.set(output=7)
        log.get_recent_calls()

`vcplab.Lab(path).trace` wires it to a lab folder.
"""

from __future__ import annotations

from vcplab.tracing.calls import CallUpdate, LogWritten, ToolCall, ToolStatistics, TraceStatistics
from vcplab.tracing.export import read_jsonl, to_opentelemetry, write_jsonl
from vcplab.tracing.info import VCPInfo
from vcplab.tracing.log import VCPLog
from vcplab.tracing.recorder import Recorder
from vcplab.tracing.records import LogRecord, SpanRecord
from vcplab.tracing.sessions import ExecutionSession, ExecutionStep, InfoEvent
from vcplab.tracing.show import ShowVCP
from vcplab.tracing.store import TraceStore
from vcplab.tracing.telling import ShownCall, ShownSession, ShowVCPConfig

__all__ = [
    "CallUpdate",
    "ExecutionSession",
    "ExecutionStep",
    "InfoEvent",
    "LogRecord",
    "LogWritten",
    "Recorder",
    "ShowVCP",
    "ShowVCPConfig",
    "ShownCall",
    "ShownSession",
    "SpanRecord",
    "ToolCall",
    "ToolStatistics",
    "TraceStatistics",
    "TraceStore",
    "VCPInfo",
    "VCPLog",
    "read_jsonl",
    "to_opentelemetry",
    "write_jsonl",
]
