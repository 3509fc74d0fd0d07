"""A request as text: compact, detailed or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice

__all__ = ["FormatStyle", "ShowVCPConfig", "ShownCall", "ShownSession", "told"]

FormatStyle: TypeAlias = Literal["compact", "detailed", "markdown"]
_SIGNS: Mapping[str, str] = {"success": "✓", "failed": "✗", "pending": "…"}
_SHORT = 60


@dataclass(frozen=True, slots=True)
class ShowVCPConfig:
    """Settings of ShowVCP.

    Attributes:
        enabled: Whether requests that begin are shown.
        show_timestamp: Whether times are told.
        show_duration: Whether durations are told.
        show_args: Whether arguments are told.
        show_result: Whether results are told.
        max_history_sessions: How many requests the history gives.
        format_style: ``compact``, ``detailed`` or ``markdown``.

    Raises:
        InvalidInputError: A value is impossible.
    """

    enabled: bool = True
    show_timestamp: bool = True
    show_duration: bool = True
    show_args: bool = True
    show_result: bool = False
    max_history_sessions: int = 10
    format_style: FormatStyle = "compact"

    def __post_init__(self) -> None:
        problem = f"There is no style {self.format_style!r}."
        checked_choice(self.format_style, get_args(FormatStyle), "format_style", problem)
        count = self.max_history_sessions
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidInputError(
                f"A history cannot have {count!r} requests.",
                where="max_history_sessions",
                next_step="give a whole number from 1",
            )


@dataclass(frozen=True, slots=True)
class ShownCall:
    """Something that happened in a request.

    Attributes:
        id: Its identifier.
        type: ``injection``, ``tool_call``, ``diary_read``, ``diary_write``, ``context`` or
            ``variable``.
        name: What it is.
        status: ``pending``, ``success`` or ``failed``.
        start_time: When it began.
        duration: Milliseconds; None while it is pending.
        args: What it was given.
        result: What it gave.
        error: What went wrong.
        depth: How many others it lies in.
    """

    id: str
    type: str
    name: str
    status: str
    start_time: datetime
    duration: float | None = None
    args: Any = None
    result: Any = None
    error: str | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A request.

    Attributes:
        id: The id of its trace.
        name: What was asked for.
        status: ``pending``, ``success`` or ``failed``.
        start_time: When it began.
        duration: Milliseconds; None while it is pending.
        calls: What happened, in order.
    """

    id: str
    name: str
    status: str
    start_time: datetime
    duration: float | None = None
    calls: tuple[ShownCall, ...] = ()


def told(session: ShownSession, config: ShowVCPConfig) -> str:
    """A request as text.

    Args:
        session: The request.
        config: Which parts are told, and how.

    Returns:
        The text; times are those of the clock's zone.
    """
    return _STYLES[config.format_style](session, config)


def _compact(session: ShownSession, config: ShowVCPConfig) -> str:
    lines = [f"{_SIGNS[session.status]} {session.name}{_when(session, config)}"]
    for call in session.calls:
        text = f"{'  ' * (call.depth + 1)}{_SIGNS[call.status]} {call.type} {call.name}"
        if config.show_args and call.args not in (None, {}, ""):
            text += f" {_short(call.args)}"
        if config.show_result and call.result is not None:
            text += f" → {_short(call.result)}"
        if call.error:
            text += f" ! {_short(call.error)}"
        lines.append(text + _when(call, config))
    return "\n".join(lines)


def _detailed(session: ShownSession, config: ShowVCPConfig) -> str:
    lines = [f"{session.name} [{session.status}]{_when(session, config)}", f"  trace {session.id}"]
    for call in session.calls:
        inset = "  " * (call.depth + 1)
        lines.append(f"{inset}{call.type} {call.name} [{call.status}]{_when(call, config)}")
        if config.show_args and call.args is not None:
            lines += _block("args", call.args, inset)
        if config.show_result and call.result is not None:
            lines += _block("result", call.result, inset)
        if call.error:
            lines += _block("error", call.error, inset)
    return "\n".join(lines)


def _markdown(session: ShownSession, config: ShowVCPConfig) -> str:
    lines = [f"### {_inline(session.name)} ({session.status}){_when(session, config)}", ""]
    for call in session.calls:
        inset = "  " * call.depth
        head = f"{inset}- **{call.type}** {_inline(call.name)}: {call.status}{_when(call, config)}"
        lines.append(head)
        for label, wanted, value in (
            ("args", config.show_args, call.args),
            ("result", config.show_result, call.result),
            ("error", True, call.error),
        ):
            if wanted and value is not None:
                lines.append(f"{inset}  - {label}: {_inline(_text(value).replace(chr(10), ' '))}")
    return "\n".join(lines)


_STYLES: Mapping[str, Callable[[ShownSession, ShowVCPConfig], str]] = {
    "compact": _compact,
    "detailed": _detailed,
    "markdown": _markdown,
}


def _when(item: ShownCall | ShownSession, config: ShowVCPConfig) -> str:
    parts = []
    if config.show_duration and item.duration is not None:
        parts.append(
            f"{item.duration:.1f} ms" if item.duration < 1000 else f"{item.duration / 1000:.2f} s"
        )
    if config.show_timestamp:
        parts.append(item.start_time.astimezone(current_clock().zone).strftime("%H:%M:%S"))
    return f" ({', '.join(parts)})" if parts else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(value: Any) -> str:
    text = " ".join(_text(value).split())
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _block(label: str, value: Any, inset: str) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    lines = text.split("\n")
    if len(lines) == 1:
        return [f"{inset}  {label}: {text}"]
    return [f"{inset}  {label}:", *(f"{inset}    {line}" for line in lines)]


def _inline(text: str) -> str:
    """As code, so that no text of a model or tool becomes markup."""
    longest = max((len(run) for run in _runs(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _runs(text: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]
