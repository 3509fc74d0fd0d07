"""How one result's text is read, wherever it stands: in a payload part, a block or a body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vcplab.protocol.results._json import load, try_dump

__all__ = [
    "ARCHERY",
    "EMPTY",
    "ERROR",
    "EXECUTION",
    "LEGACY",
    "MARKDOWN",
    "NAME_LIMIT",
    "UNKNOWN",
    "failure_payload",
    "read_error",
    "read_failure",
    "read_legacy",
    "read_text",
]

EMPTY: Final = "(无返回内容)"
ERROR: Final = "[错误] "
EXECUTION: Final = "执行错误: "
UNKNOWN: Final = ('未找到名为 "', '" 的插件')
LEGACY: Final = ('来自工具 "', '" 的结果:\n')
ARCHERY: Final = ('[异步工具 "', '" 返回了错误，请注意]:\n')
MARKDOWN: Final = "### 🛠️ 工具执行结果:"
# A name ends on its own line and is not a novel; without a bound the search for its end would
# run over the whole text again and again.
NAME_LIMIT: Final = 256
_SIMPLE: Final = frozenset({"plugin_error", "result", "MaidName", "timestamp"})

Fields = dict[str, Any]


def read_text(text: str) -> Fields:
    """Read a result's text into the fields of a ``ToolResult``, without ``tool`` if unknown."""
    if text == EMPTY:
        return {}
    if text.startswith(ERROR):
        rest = text[len(ERROR) :]
        if rest.startswith(EXECUTION):
            return read_failure(rest[len(EXECUTION) :])
        return {"success": False, "error": rest, **_unknown(rest)}
    for marks, read in ((LEGACY, read_legacy), (ARCHERY, read_error)):
        if text.startswith(marks[0]):
            name_end = text.find(marks[1], len(marks[0]), len(marks[0]) + NAME_LIMIT)
            if name_end >= 0:
                body = text[name_end + len(marks[1]) :]
                return {**read(body), "tool": text[len(marks[0]) : name_end]}
    try:
        value = load(text)
    except ValueError:
        return {"value": text}
    return {"value": value, **_meta(value)}


def read_legacy(body: str) -> Fields:
    """Read the body of ``来自工具 "X" 的结果:`` (servers of 2025-10, facts/vcp-protocol §0)."""
    for mark in ("执行错误：", EXECUTION):
        if body.startswith(mark):
            return read_failure(body[len(mark) :])
    if body.startswith("错误：" + UNKNOWN[0]):
        rest = body.removeprefix("错误：").removesuffix("。")
        return {"success": False, "error": rest, **_unknown(rest)}
    if body.startswith((LEGACY[0], ARCHERY[0])):
        return {"value": body}  # one heading per result: a tool that answers with one is quoted
    return read_text(body)


def read_error(body: str) -> Fields:
    """Read a text that is known to tell of a failure (facts/vcp-protocol §1.3, §1.4)."""
    fields = read_legacy(body)
    return fields if fields.get("success") is False else read_failure(body)


def read_failure(text: str) -> Fields:
    """Read the JSON of a thrown error (facts/vcp-protocol §1.5), or any other error text."""
    try:
        payload = load(text)
    except ValueError:
        return {"success": False, "error": text}
    if not isinstance(payload, dict) or not _is_thrown(payload):
        return {"success": False, "error": text}
    fields = {"success": False, "error": _message(payload), **_meta(payload)}
    fields["value"] = payload.get("result") if _is_simple(payload) else payload
    return fields


def failure_payload(
    error: str | None, value: Any, maid: str | None, timestamp: str | None
) -> dict[str, Any]:
    """Build the object that ``read_failure`` reads back into these fields.

    A value that is itself a thrown error with more than the plain entries is sent as it came.
    """
    if (
        error is not None
        and isinstance(value, Mapping)
        and _is_thrown(value)
        and not _is_simple(value)
        and _message(value) == error
    ):
        payload = dict(value)
    else:
        payload = {"plugin_error": error}
        if value is not None:
            payload["result"] = value
    if maid is not None:
        payload.setdefault("MaidName", maid)
    if timestamp is not None:
        payload.setdefault("timestamp", timestamp)
    return payload


def _is_thrown(payload: Mapping[str, Any]) -> bool:
    return "plugin_error" in payload or "plugin_execution_error" in payload


def _is_simple(payload: Mapping[str, Any]) -> bool:
    error = payload.get("plugin_error", ...)
    return payload.keys() <= _SIMPLE and (error is None or isinstance(error, str))


def _message(payload: Mapping[str, Any]) -> str | None:
    key = "plugin_error" if "plugin_error" in payload else "plugin_execution_error"
    error = payload[key]
    return error if error is None or isinstance(error, str) else try_dump(error)


def _meta(value: Any) -> Fields:
    """Who called and when, which servers write into the result object itself."""
    if not isinstance(value, dict):
        return {}
    found = {"maid": value.get("MaidName"), "timestamp": value.get("timestamp")}
    return {name: text for name, text in found.items() if isinstance(text, str)}


def _unknown(message: str) -> Fields:
    head, tail = UNKNOWN
    if message.startswith(head) and message.endswith(tail) and len(message) >= len(head + tail):
        return {"tool": message[len(head) : -len(tail)]}
    return {}
