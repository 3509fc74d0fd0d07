"""ShowVCP: what happened in a request, told to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from vcplab.core.display import html_table, style_block
from vcplab.core.errors import NotFoundError
from vcplab.core.names import checked_choice, named_options
from vcplab.core.trace import RemoteSpan, Span, span
from vcplab.protocol.channels import Channels
from vcplab.tracing.handles import Handles
from vcplab.tracing.recorder import Recorder
from vcplab.tracing.records import SpanRecord
from vcplab.tracing.telling import FormatStyle, ShownCall, ShownSession, ShowVCPConfig, told

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ShowVCP"]

CallType: TypeAlias = Literal[
    "injection", "tool_call", "diary_read", "diary_write", "context", "variable"
]
# Kind of a span → what it is called here.
CALL_TYPES: Mapping[str, CallType] = {
    "tool": "tool_call",
    "injection": "injection",
    "diary_read": "diary_read",
    "diary_write": "diary_write",
    "context": "context",
    "variable": "variable",
}
_KINDS: Mapping[str, str] = {call_type: kind for kind, call_type in CALL_TYPES.items()}
# Said of a request that began while switched off, so that the usual ones bear no mark.
_HIDDEN = "showvcp_hidden"
_STATUS: Mapping[str, str] = {
    "open": "pending",
    "ok": "success",
    "error": "failed",
    "cancelled": "failed",
}


class ShowVCP(Channels):
    """Requests and what happened in each (seed 002 §5.3; facts/vcp-agents §9).

    A request is a root span, a session here; what happened in it are the spans of its trace of the
    kinds ``tool``, ``injection``, ``diary_read``, ``diary_write``, ``context`` and ``variable``. So
    requests that run at the same time never mix.

    Args:
        recorder: Where spans are recorded.
    """

    CHANNELS: ClassVar[Mapping[str, str]] = {
        "ShowVCP_Enable": "enable",
        "ShowVCP_Disable": "disable",
        "ShowVCP_GetConfig": "get_config",
        "ShowVCP_UpdateConfig": "update_config",
        "ShowVCP_GetHistory": "get_history",
        "ShowVCP_ClearHistory": "clear_history",
    }

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._handles = Handles("request or call")
        stored = recorder.store.setting("show.config")
        known = {field.name for field in fields(ShowVCPConfig)}
        self._config = ShowVCPConfig(**{k: v for k, v in (stored or {}).items() if k in known})
        self._unwatch = recorder.watch(self._moment)

    # --- switching --------------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether requests that begin now are shown."""
        return self._config.enabled

    def enable(self) -> None:
        """Show requests from now on."""
        self.update_config(enabled=True)

    def disable(self) -> None:
        """Show no request that begins from now on; the trace itself goes on."""
        self.update_config(enabled=False)

    def get_config(self) -> ShowVCPConfig:
        """The settings."""
        return self._config

    def update_config(self, **changes: Any) -> ShowVCPConfig:
        """Change settings; they are kept with the trace.

        Args:
            **changes: Fields of `ShowVCPConfig`, also in the seed's spelling (``formatStyle``).

        Returns:
            The settings.

        Raises:
            InvalidInputError: A name is unknown, or a value impossible; nothing is changed.
        """
        given = named_options(ShowVCPConfig, None, changes, what="ShowVCP", where="config")
        self._config = replace(self._config, **given)
        if not self._recorder.store.read_only:
            content = asdict(self._config)
            self._recorder.store.set_setting("show.config", content)
        return self._config

    # --- telling it -------------------------------------------------------------------------------

    def start_session(self, name: str = "request", **facts: Any) -> str:
        """Begin a request by hand; a span without a parent begins one by itself.

        Returns:
            Its id: the id of its trace.
        """
        return self._handles.start(name, "request", root=True, **facts).trace_id

    def end_session(self, session_id: str) -> None:
        """End a request that `start_session` began.

        Raises:
            NotFoundError: It is over or unknown.
        """
        self._handles.end(self._root(session_id).span_id)

    def log_call_start(
        self,
        type: CallType,
        name: str,
        args: Any = None,
        session_id: str | None = None,
    ) -> str:
        """Something begins inside a request.

        Args:
            type: ``injection``, ``tool_call``, ``diary_read``, ``diary_write``, ``context`` or
                ``variable``.
            name: What it is.
            args: What it is given.
            session_id: The request; else the one that is open here.

        Returns:
            Its id, for `log_call_end`.

        Raises:
            InvalidInputError: The type is unknown.
            NotFoundError: The request is over or unknown.
        """
        parent = None if session_id is None else self._root(session_id)
        return self._handles.start(name, _kind(type), parent, tool=name, input=args).span_id

    def log_call_end(
        self, call_id: str, result: Any = None, error: BaseException | str | None = None
    ) -> None:
        """It ends, with a result or an error.

        Raises:
            NotFoundError: It is over or unknown.
        """
        self._handles.end(call_id, error=error, output=result)

    def log_injection(
        self, name: str, content: str, session_id: str | None = None, **facts: Any
    ) -> None:
        """Something was put into the prompt.

        Args:
            name: What, e.g. ``"context"``.
            content: The text.
            session_id: The request; else the one that is open here.
            **facts: Further facts.
        """
        if session_id is None:
            with span(name, "injection", tool=name, input=content, **facts):
                pass
            return
        opened = self._handles.start(
            name, "injection", self._root(session_id), tool=name, input=content
        )
        self._handles.end(opened.span_id, **facts)

    # --- looking back -----------------------------------------------------------------------------

    def get_history(self, limit: int | None = None) -> list[ShownSession]:
        """The latest requests that were shown, latest first.

        Args:
            limit: How many at most; the setting ``max_history_sessions`` if None.
        """
        self._recorder.flush()
        store = self._recorder.store
        wanted = self._config.max_history_sessions if limit is None else limit
        found: list[ShownSession] = []
        since = store.setting("show.cleared")
        for record in store.spans(roots=True, since_ns=since, limit=wanted * 20 + 100):
            if len(found) >= wanted:
                break
            if not record.attributes.get(_HIDDEN, False):
                found.append(self._session(record))
        return found

    def clear_history(self) -> None:
        """Show no request from before now; the trace itself keeps them."""
        self._recorder.flush()
        latest = self._recorder.store.spans(roots=True, limit=1)
        if latest:
            self._recorder.store.set_setting("show.cleared", latest[0].start_ns)

    def session(self, session_id: str) -> ShownSession:
        """One request, shown or not.

        Args:
            session_id: The id of its trace.

        Raises:
            NotFoundError: No such request was recorded.
        """
        spans = self._recorder.trace(session_id)
        known = {record.span_id for record in spans}
        root = next((r for r in spans if r.parent_id not in known), spans[0])
        return self._session(root)

    def format_session(
        self, session: str | ShownSession | None = None, style: FormatStyle | None = None
    ) -> str:
        """A request as text.

        Args:
            session: The request or its id; the latest if None.
            style: ``compact``, ``detailed`` or ``markdown``; the setting if None.

        Returns:
            The text; empty where there is no request yet.

        Raises:
            NotFoundError: No such request was recorded.
            InvalidInputError: The style is unknown.
        """
        if session is None:
            latest = self.get_history(1)
            if not latest:
                return ""
            session = latest[0]
        elif isinstance(session, str):
            session = self.session(session)
        config = self._config if style is None else replace(self._config, format_style=style)
        return told(session, config)

    def to_frame(self, limit: int | None = None) -> pd.DataFrame:
        """What happened in the latest requests that were shown, one row each.

        Args:
            limit: Of how many requests; the setting ``max_history_sessions`` if None.

        Returns:
            A frame with ``session_id``, ``session``, ``type``, ``name``, ``status``,
            ``start_time``, ``duration`` (ms), ``args``, ``result``, ``error`` and ``depth``.
        """
        import pandas as pd

        names = [field.name for field in fields(ShownCall) if field.name != "id"]
        rows = [
            {"session_id": session.id, "session": session.name}
            | {name: getattr(call, name) for name in names}
            for session in self.get_history(limit)
            for call in session.calls
        ]
        return pd.DataFrame(rows, columns=["session_id", "session", *names])

    def close(self) -> None:
        """Stop listening to spans."""
        self._unwatch()

    # --- inside -----------------------------------------------------------------------------------

    def _moment(self, moment: str, span: Span) -> None:
        if moment == "start" and not self._config.enabled and span.parent_id is None:
            span.attributes[_HIDDEN] = True

    def _root(self, session_id: str) -> Span | RemoteSpan:
        for opened in self._handles.all():
            if opened.trace_id == session_id and opened.parent_id is None:
                return opened
        raise NotFoundError(
            f"No request {session_id!r} is open.",
            where="session_id",
            next_step="use the id that start_session gave, before end_session",
        )

    def _session(self, root: SpanRecord) -> ShownSession:
        store = self._recorder.store
        spans = store.spans(trace_id=root.trace_id)[::-1]
        depths = {root.span_id: -1}
        calls = []
        for record in spans:
            depth = depths.get(record.parent_id or "", -1)
            shown = record.kind in CALL_TYPES
            depths[record.span_id] = depth + shown
            if shown:
                whole = store.whole(record)
                calls.append(
                    ShownCall(
                        id=record.span_id,
                        type=CALL_TYPES[record.kind],
                        name=str(whole.attributes.get("tool", record.name)),
                        status=_STATUS[record.status],
                        start_time=record.start,
                        duration=record.duration_ms,
                        args=whole.attributes.get("input"),
                        result=whole.attributes.get("output"),
                        error=record.error_message,
                        depth=depth + 1,
                    )
                )
        return ShownSession(
            id=root.trace_id,
            name=root.name,
            status=_STATUS[root.status],
            start_time=root.start,
            duration=root.duration_ms,
            calls=tuple(calls),
        )

    def __repr__(self) -> str:
        return f"<ShowVCP {'on' if self.enabled else 'off'}>"

    def _repr_html_(self) -> str:
        rows = [(told(session, self._config),) for session in self.get_history()]
        state = "on" if self.enabled else "off"
        return style_block() + html_table(["request"], rows, caption=f"ShowVCP: {state}")


def _kind(call_type: str) -> str:
    checked_choice(call_type, _KINDS, "type", f"There is no call of the type {call_type!r}.")
    return _KINDS[call_type]
