"""Results as text and as messages, in each dialect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeGuard

from vcplab.core.errors import InvalidInputError
from vcplab.protocol.dialect import Dialect, checked_dialect
from vcplab.protocol.results._json import dump, is_plain
from vcplab.protocol.results._texts import (
    ARCHERY,
    EMPTY,
    ERROR,
    EXECUTION,
    failure_payload,
    read_error,
    read_text,
)
from vcplab.protocol.results._values import (
    ImagePart,
    Part,
    TextPart,
    ToolResult,
    part_from_wire,
    part_to_wire,
    rich_content,
    unknown_tool,
)

__all__ = [
    "CONTENT",
    "FAILED",
    "INTELLICORE",
    "PAYLOAD",
    "RESULTS",
    "STATUSES",
    "SUMMARY",
    "UNNAMED",
    "VERBOSE",
    "archery_failure",
    "format_tool_result",
    "format_tool_results",
    "summary",
    "verbose_block",
]

PAYLOAD: Final = "<!-- VCP_TOOL_PAYLOAD -->"
RESULTS: Final = "Results:"
INTELLICORE: Final = "Result from tool "
FAILED: Final = "Error: "
CONTENT: Final = "Content:\n"
SUMMARY: Final = ("[本轮工具调用摘要:]", "[本轮工具调用摘要结束]")
VERBOSE: Final = ("[[VCP调用结果信息汇总:", "VCP调用结果结束]]")
STATUSES: Final = ("调用成功", "调用失败", "调用超时", "调用拒绝")
UNNAMED: Final = "(未命名)"
_CHERRY_MARK = re.compile(r"<(?=<<\[/?TOOL_(?:RESULT|ERROR)\])")
_VERBOSE_MARK: Final = "VCP调用结果"
_TIMED_OUT = re.compile(r"timed out|timeout|超时", re.IGNORECASE)

AnyResult = ToolResult | Mapping[str, Any]


def format_tool_result(result: AnyResult, dialect: str = "toolbox") -> str:
    """Write one result as text.

    ``parse_tool_results`` reads it back: ``success``, ``value`` and ``error`` always, ``tool``
    in the ``intellicore`` dialect. Where a toolbox result has rich content (``content`` or
    ``data.content``), that stands for the value on the wire and comes back as parts. A maid and
    a timestamp are written into the result object, as servers do, and stay in its value.

    Args:
        result: A ``ToolResult`` or seed 003's mapping.
        dialect: ``toolbox`` (facts/vcp-protocol §1.4), ``cherry`` (seed 001) or ``intellicore``
            (seed 003).

    Returns:
        The text.

    Raises:
        InvalidInputError: No such dialect, not a result, or a value that has no JSON form.
    """
    return _TEXT[checked_dialect(dialect)](ToolResult.of(result))


def format_tool_results(results: Iterable[AnyResult], dialect: str = "toolbox") -> dict[str, Any]:
    """Write the message that brings a turn's results back to the model.

    Args:
        results: The results in the order of their requests; at least one.
        dialect: As in ``format_tool_result``.

    Returns:
        A message in wire form with the role ``user``. Its content is a text; in the ``toolbox``
        dialect it is a list of parts as soon as one part is an image (facts/vcp-protocol §1.4).

    Raises:
        InvalidInputError: There is no result, or as in ``format_tool_result``.
    """
    chosen: Dialect = checked_dialect(dialect)
    checked = [ToolResult.of(result) for result in results]
    if not checked:
        raise InvalidInputError(
            "There is no tool result to send.",
            where="results",
            next_step="send no message for a turn without tool calls",
        )
    content: str | list[dict[str, Any]]
    if chosen == "toolbox":
        parts = _toolbox_parts(checked)
        if any(part["type"] == "image_url" for part in parts):
            dump(parts)  # a list that cannot be sent is refused here, not by the HTTP client
            content = [{"type": "text", "text": f"{PAYLOAD}\n{RESULTS}"}, *parts]
        else:
            content = f"{PAYLOAD}\n{dump(parts)}"
    else:
        gap = "\n" if chosen == "cherry" else "\n\n"
        content = gap.join(_TEXT[chosen](result) for result in checked)
    return {"role": "user", "content": content}


def archery_failure(tool: str, text: str) -> str:
    """The text that tells the model of a fire-and-report call that failed.

    Success of an archery call is not reported at all (facts/vcp-protocol §1.3).

    Args:
        tool: The tool.
        text: What it answered.

    Returns:
        The text.
    """
    return f"{ARCHERY[0]}{_one_line(tool)}{ARCHERY[1]}{text}"


def summary(results: Iterable[AnyResult], *, role_divider: bool = False) -> str:
    """The short account of a turn's calls for the client (facts/vcp-protocol §1.4).

    A failed call counts as timed out or refused where its error says so.

    Args:
        results: The turn's results.
        role_divider: Wrap it in user role marks, as servers with ``EnableRoleDivider`` do.

    Returns:
        The text with its line breaks; empty where there was no call.
    """
    items = []
    for given in results:
        result = ToolResult.of(given)
        name = UNNAMED if result.tool is None else _one_line(result.tool)
        items.append(f"{name} {_status(result)}")
    if not items:
        return ""
    text = f"\n{SUMMARY[0]}\n{'；'.join(items)}。\n{SUMMARY[1]}\n"
    if role_divider:
        text = f"\n<<<[ROLE_DIVIDE_USER]>>>\n{text}\n<<<[END_ROLE_DIVIDE_USER]>>>\n"
    return text


def verbose_block(result: AnyResult) -> str:
    """The block that ``ShowVCP`` shows the client (facts/vcp-protocol §1.4).

    Args:
        result: The result.

    Returns:
        The block, without line breaks around it.

    Raises:
        InvalidInputError: The value has no JSON form.
    """
    checked = ToolResult.of(result)
    status = "✅ SUCCESS" if checked.success else "❌ ERROR"
    name = UNNAMED if checked.tool is None else _one_line(checked.tool)
    return (
        f"{VERBOSE[0]}\n- 工具名称: {name}\n- 执行状态: {status}\n"
        f"- 返回内容: {_verbose_text(checked)}\n{VERBOSE[1]}"
    )


def _toolbox(result: ToolResult) -> str:
    return f"{PAYLOAD}\n{dump(_toolbox_parts([result]))}"


def _toolbox_parts(results: list[ToolResult]) -> list[dict[str, Any]]:
    contents = [
        [dict(wire) for wire in rich_content(result.value)] if result.success else []
        for result in results
    ]
    # Beside the parts of another call a bare text would look like one of them.
    alone = not any(contents) and not any(result.parts for result in results)
    parts: list[dict[str, Any]] = []
    for result, content in zip(results, contents, strict=True):
        if not content:
            content = [part_to_wire(part) for part in result.parts]
            if not content or result.value is not None or not result.success:
                content.insert(0, {"type": "text", "text": _toolbox_text(result, alone)})
        parts += content
    return parts


def _toolbox_text(result: ToolResult, alone: bool) -> str:
    value = result.value
    if not result.success:
        if value is None and result.tool is not None and result == unknown_tool(result.tool):
            return f"{ERROR}{result.error}"
        payload = failure_payload(result.error, value, result.maid, result.timestamp)
        return f"{ERROR}{EXECUTION}{dump(payload)}"
    if value is None:
        return EMPTY
    if isinstance(value, Mapping):
        value = dict(value)
        for key, text in (("MaidName", result.maid), ("timestamp", result.timestamp)):
            if text is not None:
                value.setdefault(key, text)
    return value if alone and _reads_back(value) else dump(value, indent=2)


def _reads_back(value: Any) -> TypeGuard[str]:
    """Whether a text may stand unquoted: it must not be taken for anything else."""
    return isinstance(value, str) and read_text(value) == {"value": value} and is_plain(value)


def _cherry(result: ToolResult) -> str:
    value = result.value
    body: dict[str, Any] = {"success": result.success}
    if value is None:
        body |= {"output": "", "data": None}
    elif not isinstance(value, str):
        body |= {"output": dump(value), "data": value}
    elif value in ("", "{}"):
        body |= {"output": value}  # with an empty `data` these two could not be told apart
    else:
        body |= {"output": value, "data": {}}
    if not result.success:
        body["error"] = result.error
    if result.parts:
        body["richContent"] = [part_to_wire(part) for part in result.parts]
    text = _CHERRY_MARK.sub(r"\\u003c", dump(body, indent=2))
    return f"<<<[TOOL_RESULT]>>>\n{text}\n<<<[/TOOL_RESULT]>>>"


def _intellicore(result: ToolResult) -> str:
    if result.success:
        body = dump(result.value)
    else:
        failure = {"error": result.error}
        if result.value is not None:
            failure["result"] = result.value
        body = f"{FAILED}{dump(failure)}"
    if result.parts:
        body += f"\n{CONTENT}{dump([part_to_wire(part) for part in result.parts])}"
    return f"{INTELLICORE}{dump(result.tool or '')}:\n{body}"


_TEXT: Final[dict[Dialect, Callable[[ToolResult], str]]] = {
    "toolbox": _toolbox,
    "cherry": _cherry,
    "intellicore": _intellicore,
}


def _verbose_text(result: ToolResult) -> str:
    value = result.value
    if not result.success:
        error = result.error
        if value is None and error is not None and _error_reads_back(error):
            return error
        value = failure_payload(error, value, None, None)
    else:
        parts = result.parts or tuple(map(part_from_wire, rich_content(value)))
        if parts and (value is None or not result.parts):
            value = "\n".join(map(_shown, parts))
        if value is None:
            return EMPTY
        if _reads_back(value) and _stands(value):
            return value
    return dump(value, indent=2).replace(_VERBOSE_MARK, "\\u0056" + _VERBOSE_MARK[1:])


def _error_reads_back(error: str) -> bool:
    return read_error(error) == {"success": False, "error": error} and _stands(error)


def _stands(text: str) -> bool:
    """Whether a text survives in a verbose block, which trims it and ends at its mark."""
    return text == text.strip() and _VERBOSE_MARK not in text and is_plain(text)


def _shown(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    return f"![image]({part.url})" if isinstance(part, ImagePart) else dump(dict(part.wire))


def _status(result: ToolResult) -> str:
    if result.success:
        return STATUSES[0]
    value = result.value if isinstance(result.value, Mapping) else {}
    if (
        value.get("rejected_by_user") is True
        or value.get("error_type") == "approval_rejected"
        or result.error == STATUSES[3]
    ):
        return STATUSES[3]
    return STATUSES[2] if _TIMED_OUT.search(result.error or "") else STATUSES[1]


def _one_line(name: str) -> str:
    """A name that cannot end the line or the block it stands in."""
    return " ".join(name.split()).replace("]]", "] ]").replace("[本轮", "[ 本轮")
