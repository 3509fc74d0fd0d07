"""VCPInfo: what is being done right now, step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vcplab.core.display import html_table, style_block
from vcplab.core.events import EventBus, Subscription
from vcplab.core.names import checked_choice
from vcplab.core.trace import RemoteSpan, Span
from vcplab.protocol.channels import Channels
from vcplab.tracing.handles import Handles
from vcplab.tracing.recorder import Recorder
from vcplab.tracing.records import SpanRecord
from vcplab.tracing.sessions import (
    SESSION_KINDS,
    STATUS,
    STEP_KIND,
    ExecutionSession,
    ExecutionStatus,
    ExecutionStep,
    InfoEvent,
    final_status,
    session_of,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VCPInfo"]


class VCPInfo(Channels):
    """Sessions and their steps, live and recorded (seed 002 §5.1; facts/vcp-agents §9).

    A session is a span of the kind ``tool``, ``plugin``, ``workflow`` or ``agent``, a step one of
    the kind ``step`` inside it; so what other rooms trace shows here by itself.

    Args:
        recorder: Where spans are recorded.
    """

    CHANNELS: ClassVar[Mapping[str, str]] = {
        "VCPInfo_GetActiveSessions": "get_active_sessions",
        "VCPInfo_GetRecentSessions": "get_recent_sessions",
        "VCPInfo_GetSession": "get_session",
        "VCPInfo_ClearSessions": "clear_sessions",
        "VCPInfo_PublishEvent": "publish_event",
    }

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._handles = Handles("session or step")
        self._pending: dict[str, dict[str, ExecutionStep]] = {}
        self._numbers = itertools.count(1)
        self._steps: dict[str, Span] = {}
        self._live: dict[str, Span] = {}  # sessions and steps, whoever opened them
        self.bus = EventBus()
        self._unwatch = recorder.watch(self._moment, (*SESSION_KINDS, STEP_KIND))

    # --- running --------------------------------------------------------------------------------

    def start_session(
        self,
        name: str,
        type: str = "workflow",
        metadata: Mapping[str, Any] | None = None,
        parent_session_id: str | None = None,
    ) -> str:
        """Begin a session.

        Args:
            name: What runs.
            type: ``"tool"``, ``"plugin"``, ``"workflow"`` or ``"agent"``.
            metadata: Further facts.
            parent_session_id: The session around it; else the span that is open here.

        Returns:
            Its id.

        Raises:
            InvalidInputError: The type is unknown.
        """
        checked_choice(type, SESSION_KINDS, "type", f"A session cannot be a {type!r}.")
        parent = None if parent_session_id is None else self._around(parent_session_id)
        session = self._handles.start(name, type, parent, **_given("metadata", metadata))
        return session.span_id

    def add_step(
        self, session_id: str, name: str, metadata: Mapping[str, Any] | None = None
    ) -> str:
        """Announce a step of a session; it is pending until `start_step`.

        Returns:
            Its id.

        Raises:
            NotFoundError: The session is over or unknown.
        """
        self._handles.get(session_id)
        step = ExecutionStep(
            f"step-{next(self._numbers)}", name, "pending", metadata=dict(metadata or {})
        )
        self._pending.setdefault(session_id, {})[step.id] = step
        self._publish("session:update", session_id, name=name)
        return step.id

    def start_step(self, session_id: str, step: str) -> str:
        """Begin a step.

        Args:
            session_id: The session.
            step: A step that was announced, or the name of a new one.

        Returns:
            Its id from now on.

        Raises:
            NotFoundError: The session is over or unknown.
        """
        session = self._handles.get(session_id)
        announced = self._pending.get(session_id, {}).pop(step, None)
        name = step if announced is None else announced.name
        metadata = None if announced is None else announced.metadata or None
        opened = self._handles.start(name, STEP_KIND, session, **_given("metadata", metadata))
        if announced is not None:
            opened.set(step=announced.id)
        step_id = opened.span_id if announced is None else announced.id
        self._steps[step_id] = opened
        return step_id

    def update_step_progress(
        self, session_id: str, step_id: str, progress: float, message: str = ""
    ) -> None:
        """Say how far a step is.

        Args:
            session_id: The session.
            step_id: The step.
            progress: From 0 to 100; others are cut to it.
            message: What it is doing.

        Raises:
            NotFoundError: The session or step is over or unknown.
        """
        step = self._step(step_id)
        step.event("progress", progress=max(0.0, min(100.0, float(progress))), message=message)

    def end_step(
        self, session_id: str, step_id: str, status: ExecutionStatus = "success", message: str = ""
    ) -> None:
        """End a step.

        Raises:
            NotFoundError: The step is over or unknown.
            InvalidInputError: The status is not final.
        """
        step = self._step(step_id)
        error = message or "the step failed" if status == "error" else None
        extra = {"message": message} if message else {}
        self._handles.end(step.span_id, final_status(status), error, **extra)
        self._steps.pop(step_id, None)

    def end_session(
        self,
        session_id: str,
        status: ExecutionStatus = "success",
        error: BaseException | str | None = None,
    ) -> None:
        """End a session; steps that are open or pending are cancelled.

        Raises:
            NotFoundError: The session is over or unknown.
            InvalidInputError: The status is not final.
        """
        final = final_status("error" if error is not None and status == "success" else status)
        session = self._handles.get(session_id)
        for step in self._handles.all():
            if step.kind == STEP_KIND and step.parent_id == session_id:
                self._handles.end(step.span_id, "cancelled")
        self._steps = {
            key: step for key, step in self._steps.items() if step.parent_id != session_id
        }
        for pending in list(self._pending.pop(session_id, {}).values()):
            opened = self._handles.start(pending.name, STEP_KIND, session, step=pending.id)
            self._handles.end(opened.span_id, "cancelled")
        self._handles.end(session_id, final, error)

    # --- events -----------------------------------------------------------------------------------

    def on_event(self, callback: Callable[[InfoEvent], object]) -> Subscription:
        """Have a function called with every event, as ``window.api.vcpInfo.onEvent``.

        Returns:
            The subscription; ``close()`` ends it.
        """
        return self.bus.subscribe(InfoEvent, callback)

    def publish_event(self, type: str, **data: Any) -> InfoEvent:
        """Tell the subscribers something of one's own.

        Args:
            type: Its type.
            **data: What it says; ``session_id`` and ``step_id`` go to the event's own fields.
        """
        own = {name: data.pop(name) for name in ("session_id", "step_id") if name in data}
        event = InfoEvent(type=type, data=self._recorder.redactor.redact(data), **own)
        self.bus.publish(event)
        return event

    def broadcast_event(self, type: str, **data: Any) -> InfoEvent:
        """``broadcastEvent``: the same as `publish_event`."""
        return self.publish_event(type, **data)

    def _moment(self, moment: str, span: Span) -> None:
        is_step = span.kind == STEP_KIND
        if moment == "event":
            latest = span.events[-1]
            if is_step and latest.name == "progress":
                facts = latest.attributes
                self._publish(
                    "step:progress",
                    span.parent_id,
                    span.span_id,
                    name=span.name,
                    progress=facts.get("progress", 0.0),
                    message=str(facts.get("message", "")),
                )
            return
        if moment == "start":
            self._live[span.span_id] = span
        else:
            self._live.pop(span.span_id, None)
        if not self.bus.has_subscribers(InfoEvent):
            return
        self._publish(
            f"{'step' if is_step else 'session'}:{moment}",
            span.parent_id if is_step else span.span_id,
            span.span_id if is_step else None,
            name=span.name,
            status=STATUS[span.status],
            progress=100.0 if span.status == "ok" else 0.0,
            message=span.error_message or "",
        )

    def _publish(
        self, type: str, session_id: str | None, step_id: str | None = None, **facts: Any
    ) -> None:
        if not self.bus.has_subscribers(InfoEvent):
            return
        text = self._recorder.redactor.text
        facts = {
            key: text(value) if isinstance(value, str) and key != "status" else value
            for key, value in facts.items()
        }
        self.bus.publish(InfoEvent(type=type, session_id=session_id, step_id=step_id, **facts))

    # --- looking back -----------------------------------------------------------------------------

    def get_active_sessions(self) -> list[ExecutionSession]:
        """Sessions that run now, oldest first."""
        live = [span for span in list(self._live.values()) if span.kind in SESSION_KINDS]
        live.sort(key=lambda span: span.start_ns)
        return [self._session(self._recorder.record(span)) for span in live]

    def get_recent_sessions(self, limit: int = 20) -> list[ExecutionSession]:
        """The latest sessions, running or over, latest first.

        Args:
            limit: How many at most.
        """
        self._recorder.flush()
        store = self._recorder.store
        since = store.setting("info.cleared")
        records = store.spans(kinds=SESSION_KINDS, since_ns=since, limit=limit)
        return [self._session(record) for record in records]

    def get_session(self, session_id: str) -> ExecutionSession:
        """One session.

        Raises:
            NotFoundError: No such session was recorded.
        """
        return self._session(self._recorder.find(session_id, SESSION_KINDS, "session"))

    def clear_sessions(self) -> None:
        """Show no session that is over by now; the trace itself keeps them."""
        self._recorder.flush()
        latest = self._recorder.store.spans(kinds=SESSION_KINDS, limit=1)
        if latest:
            self._recorder.store.set_setting("info.cleared", latest[0].start_ns)

    def to_frame(self, limit: int = 1000) -> pd.DataFrame:
        """The latest sessions as a frame.

        Returns:
            A frame with ``id``, ``type``, ``name``, ``status``, ``start_time``, ``steps`` and
            ``error``, latest first.
        """
        import pandas as pd

        names = ["id", "type", "name", "status", "start_time", "steps", "error"]
        rows = [
            [
                len(getattr(session, name)) if name == "steps" else getattr(session, name)
                for name in names
            ]
            for session in self.get_recent_sessions(limit)
        ]
        return pd.DataFrame(rows, columns=names)

    def close(self) -> None:
        """Stop listening to spans."""
        self._unwatch()

    # --- inside -----------------------------------------------------------------------------------

    def _around(self, session_id: str) -> Span | RemoteSpan:
        found = self._handles.find(session_id)
        if found is not None:
            return found
        session = self.get_session(session_id)
        return RemoteSpan.of(session.trace_id, session.id)

    def _step(self, step_id: str) -> Span:
        found = self._steps.get(step_id)
        return self._handles.get(step_id if found is None else found.span_id)

    def _session(self, record: SpanRecord) -> ExecutionSession:
        recorded = self._recorder.store.spans(trace_id=record.trace_id, kinds=(STEP_KIND,))
        steps = {s.span_id: s for s in recorded if s.parent_id == record.span_id}
        if record.status == "open":
            for span in list(self._live.values()):
                if span.kind == STEP_KIND and span.parent_id == record.span_id:
                    steps[span.span_id] = self._recorder.record(span)
        pending = list(self._pending.get(record.span_id, {}).values())
        return session_of(record, list(steps.values()), pending)

    def __repr__(self) -> str:
        running = sum(span.kind in SESSION_KINDS for span in list(self._live.values()))
        return f"<VCPInfo {running} running>"

    def _repr_html_(self) -> str:
        rows = [
            (session.name, session.type, session.status, step.name, step.status, step.progress)
            for session in self.get_recent_sessions()
            for step in session.steps or (ExecutionStep("", "", session.status),)
        ]
        header = ["session", "type", "status", "step", "status", "progress"]
        return style_block() + html_table(header, rows, caption="VCPInfo: latest sessions")


def _given(name: str, value: Any) -> dict[str, Any]:
    return {} if not value else {name: dict(value)}
