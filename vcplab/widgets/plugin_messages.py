"""What the plugin panel tells the browser: rows, forms, runs and results as plain JSON."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vcplab.core.display import SafeHtml, html_table, style_block
from vcplab.core.display.cells import showable
from vcplab.core.errors import VCPError
from vcplab.plugins.tasks import ENDED
from vcplab.protocol.requests import VCPProtocolParser
from vcplab.protocol.results import ImagePart, Part, TextPart, part_from_wire

__all__ = [
    "Run",
    "command_message",
    "cut_text",
    "error_text",
    "parameter_messages",
    "preview",
    "row_message",
    "shown_parts",
    "static_table",
]

_TEXT = 200_000
_PREVIEW = 300
_IMAGE = 16_000_000
_META = frozenset({"MaidName", "timestamp"})
_IMAGE_URL = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml)[;,]", re.IGNORECASE)
_LONG_NAME = re.compile(r"(^|_|\b)(content|text|body|code|script|prompt|markdown|html)s?$", re.I)
_COLUMNS = ("plugin", "type", "dialect", "host", "state", "calls", "p95 (ms)", "problem")


@dataclass(slots=True)
class Run:
    """One run that was started in the panel; ``task`` is None where it could not be started."""

    id: str
    name: str
    arguments: str
    task: Any
    began: float
    problem: str = ""
    sent: str = ""
    took_ms: float | None = None

    @property
    def state(self) -> str:
        """The task's state, but ended only once its result can be read, too."""
        if self.task is None:
            return "failed"
        state = str(self.task.state)
        return "running" if state in ENDED and self.took_ms is None else state

    def end(self) -> None:
        """Note how long it took."""
        self.took_ms = (time.monotonic() - self.began) * 1000


def static_table(rows: Iterable[Any]) -> SafeHtml:
    """The rows as an escaped HTML table, for a page without widgets."""
    cells = [
        (r.name, r.type, r.dialect, r.host, r.state, r.calls, r.p95, cut_text(r.problem, 1_000))
        for r in rows
    ]
    return style_block() + html_table(_COLUMNS, cells, caption="Plugins")


def row_message(key: str, row: Any) -> dict[str, Any]:
    """One row of the table."""
    texts = ("name", "display_name", "description", "version", "type", "dialect", "host", "state")
    return {
        "key": key,
        **{name: cut_text(getattr(row, name), 4_000) for name in texts},
        "problem": cut_text(row.problem, 4_000),
        "source": cut_text(row.source, 4_000),
        "calls": int(row.calls),
        "errors": int(row.errors),
        "p95": _plain(row.p95),
        "callable": bool(row.callable),
        "watched": bool(row.watched),
    }


def command_message(command: Any) -> dict[str, Any]:
    """One command, as the picker shows it."""
    return {
        "label": cut_text(command.command or command.identifier, _PREVIEW),
        "word": _word(command),
        "description": cut_text(command.description),
        "example": cut_text(command.example),
        "parameters": parameter_messages(command.parameters),
    }


def _word(command: Any) -> str | None:
    """What the example gives as ``command``; None where it gives none."""
    for request in VCPProtocolParser().parse_tool_requests(command.example or ""):
        if "command" in request.args:
            return cut_text(request.args["command"], _PREVIEW)
    return None


def parameter_messages(parameters: Iterable[Any]) -> list[dict[str, Any]]:
    """Parameters, as the form is made from them."""
    return [
        {
            "name": showable(parameter.name),
            "description": cut_text(parameter.description),
            "type": parameter.type,
            "required": bool(parameter.required),
            "declared": bool(parameter.declared),
            "has_default": bool(parameter.has_default),
            "default": _plain(parameter.default),
            "choices": [_plain(choice) for choice in parameter.choices],
            "long": _is_long(parameter),
            **{
                bound: value
                for bound in ("minimum", "maximum")
                if isinstance(value := (parameter.schema or {}).get(bound), int | float)
            },
        }
        for parameter in parameters
    ]


def _is_long(parameter: Any) -> bool:
    """Whether a text parameter usually takes several lines."""
    schema = parameter.schema or {}
    return (
        schema.get("format") in {"multiline", "textarea"}
        or (isinstance(parameter.default, str) and "\n" in parameter.default)
        or _LONG_NAME.search(parameter.name) is not None
    )


def shown_parts(run: Run, state: str) -> list[dict[str, str]]:
    """What is shown of a run: texts and pictures, or its error."""
    try:
        return _outcome(run, state)
    except Exception as error:  # e.g. a value that holds itself
        return [{"kind": "error", "text": f"What it gave cannot be shown. {error_text(error)}"}]


def _outcome(run: Run, state: str) -> list[dict[str, str]]:
    """What came out of a run, as the parts that the browser shows."""
    if run.problem:
        return [{"kind": "error", "text": run.problem}]
    if state not in ENDED:
        # An asynchronous plugin has answered already, and goes on.
        return _result_parts(run.task.reply) if state == "pending" else []
    result = run.task.result
    parts = _result_parts(result.value, result.parts)
    if result.success:
        return parts
    return [{"kind": "error", "text": cut_text(result.error or f"It ended as {state}.")}, *parts]


def _result_parts(value: Any, parts: Sequence[Part] = ()) -> list[dict[str, str]]:
    if isinstance(value, Mapping) and value.keys() - _META == {"original_plugin_output"}:
        value = value["original_plugin_output"]  # the wrapper of facts/vcp-protocol §1.5
    inside, rest = _content(value)
    shown = [_part(part) for part in parts or inside]
    if rest is None or rest == "" or (parts and not inside):
        return shown
    if isinstance(rest, str):
        return [*shown, {"kind": "text", "text": cut_text(rest)}]
    return [*shown, {"kind": "json", "text": cut_text(_pretty(rest))}]


def _content(value: Any) -> tuple[list[Part], Any]:
    """The parts a value brings along (facts/vcp-protocol §1.4), and what it holds beside them."""
    if not isinstance(value, Mapping):
        return [], value
    for holder in (value.get("data"), value):
        if not isinstance(holder, Mapping):
            continue
        content = holder.get("content")
        if isinstance(content, list) and content and all(map(_is_part, content)):
            left = {k: v for k, v in holder.items() if k != "content"}
            rest = left if holder is value else {**value, "data": left}
            told = {k: v for k, v in rest.items() if v and k not in {*_META, "status"}}
            return [part_from_wire(part) for part in content], told or None
    return [], value


def _is_part(wire: object) -> bool:
    if not isinstance(wire, Mapping) or wire.get("type") not in {"text", "image_url"}:
        return False
    return isinstance(wire.get("text"), str) or wire["type"] == "image_url"


def _part(part: Part) -> dict[str, str]:
    if isinstance(part, TextPart):
        return {"kind": "text", "text": cut_text(part.text)}
    if not isinstance(part, ImagePart):
        return {"kind": "json", "text": cut_text(_pretty(dict(part.wire)))}
    # Nothing is fetched: a picture that is only an address would tell its server who looks.
    if not _IMAGE_URL.match(part.url):
        return {"kind": "note", "text": f"Picture, not loaded: {cut_text(part.url, 1_000)}"}
    if len(part.url) > _IMAGE:
        return {"kind": "note", "text": f"Picture of {len(part.url):,} characters: too large here."}
    return {"kind": "image", "text": part.url}


def error_text(error: BaseException) -> str:
    """An error as text, in full."""
    return cut_text(
        str(error) if isinstance(error, VCPError) else f"{type(error).__name__}: {error}"
    )


def cut_text(content: object, limit: int = _TEXT) -> str:
    """Text that can be sent: no lone surrogates, nothing that hides its direction, not endless."""
    text = "" if content is None else str(content)
    cut = f"{text[:limit]}\n… ({len(text):,} characters in all)" if len(text) > limit else text
    return showable(cut)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def preview(value: Any) -> str:
    """The first words of a value."""
    return cut_text(json.dumps(value, ensure_ascii=False, default=str), _PREVIEW)


def _plain(value: Any) -> Any:
    """The value as strict JSON: a message with NaN or a lone surrogate would never be sent."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {showable(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return showable(str(value))
