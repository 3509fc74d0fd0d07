"""The readers of the marked forms: Cherry's block, verbose block, summary, Markdown section."""

from __future__ import annotations

import re
from typing import Any, Final

from vcplab.protocol.results._blocks import Block, Found, placed
from vcplab.protocol.results._json import load, load_at, skip_space, try_dump
from vcplab.protocol.results._texts import read_error, read_text
from vcplab.protocol.results._values import ImagePart, Part, TextPart, is_part, part_from_wire
from vcplab.protocol.results._writing import STATUSES, SUMMARY, UNNAMED, VERBOSE

__all__ = ["read_cherry", "read_markdown", "read_summary", "read_verbose"]

_FIELD = re.compile(r"[\s,]*(tool_name|result|error)\s*:\s*「始」")
_VALUE_MARK: Final = "**返回结果**"
_ERROR_MARK: Final = "**错误信息**"
_PARTS_MARK: Final = "**附加内容**"
_PART_LINE = re.compile(r"^\d+\. \[(\w+)\] (.+)$", re.MULTILINE)

Fields = dict[str, Any]


def read_cherry(text: str, block: Block) -> Found | None:
    """Read seed 001's block: a JSON object between the marks, or the fork's own field lines."""
    closing = text[block.start : block.body].replace("[TOOL", "[/TOOL")
    try:
        body, end = load_at(text, skip_space(text, block.body))
    except ValueError:
        body = None
        close = text.find(closing, block.body, block.again)
        if close < 0:
            return None
        fields = _cherry_fields(text[block.body : close])
    else:
        close = skip_space(text, end)
        if not text.startswith(closing, close):
            return None
        fields = _cherry_object(body)
    if fields is None:
        return None
    if "ERROR" in closing:
        fields["success"] = False
    end = close + len(closing)
    return Found([placed(text, block.start, end, fields)], end)


def _cherry_object(body: Any) -> Fields:
    if not isinstance(body, dict) or not {"success", "output", "data", "error"} & body.keys():
        return {"value": body}
    error = body.get("error")
    if error is not None and not isinstance(error, str):
        error = try_dump(error)
    success = body.get("success")
    if not isinstance(success, bool):
        success = not error
    fields: Fields = {"success": success}
    if not success:
        fields["error"] = error
    output, data = body.get("output"), body.get("data")
    if "data" not in body or (data == {} and output not in (None, "", "{}")):
        fields["value"] = output
    else:
        fields["value"] = data
    rich = body.get("richContent")
    if isinstance(rich, list) and all(map(is_part, rich)):
        fields["parts"] = tuple(map(part_from_wire, rich))
    elif isinstance(output, str) and output and data and output != try_dump(data):
        fields["parts"] = (TextPart(output),)  # a peer that words its data for the model
    for key in ("tool", "tool_name"):
        if isinstance(body.get(key), str):
            fields["tool"] = body[key]
    return fields


def _cherry_fields(body: str) -> Fields | None:
    """``tool_name:「始」X「末」`` and ``result:`` or ``error:``, whose text may hold anything."""
    found: dict[str, str] = {}
    position = 0
    while match := _FIELD.match(body, position):
        last = match[1] != "tool_name"
        end = body.rfind("「末」", match.end()) if last else body.find("「末」", match.end())
        if end < 0:
            return None
        found[match[1]] = body[match.end() : end]
        position = end + len("「末」")
        if last:
            break
    if "error" in found:
        fields = read_error(found["error"])
    elif "result" in found:
        fields = read_text(found["result"])
    else:
        return None
    if "tool_name" in found:
        fields["tool"] = found["tool_name"].strip()
    return fields


def read_verbose(text: str, block: Block) -> Found | None:
    """Read the block of ``ShowVCP`` (facts/vcp-protocol §1.4)."""
    close = text.find(VERBOSE[1], block.body, block.again)
    if close < 0:
        return None
    head, mark, body = text[block.body : close].partition("- 返回内容:")
    lines = dict(
        line.strip()[2:].split(":", 1)
        for line in head.splitlines()
        if line.strip().startswith("- ") and ":" in line
    )
    name = lines.get("工具名称", "").strip()
    if not mark or not name:
        return None
    status = lines.get("执行状态", "")
    succeeded = "SUCCESS" in status or "✅" in status
    fields = (read_text if succeeded else read_error)(body.strip())
    fields["tool"] = None if name == UNNAMED else name
    end = close + len(VERBOSE[1])
    return Found([placed(text, block.start, end, fields)], end)


def read_summary(text: str, block: Block) -> Found | None:
    """Read the account of a turn's calls: names and statuses (facts/vcp-protocol §1.4)."""
    close = text.find(SUMMARY[1], block.body, block.again)
    if close < 0:
        return None
    results = []
    start = block.body
    position = block.body
    for item in text[block.body : close].split("；"):
        position += len(item) + 1
        entry = text[start : position - 1].strip().removesuffix("。")
        status = next((status for status in STATUSES if entry.endswith(f" {status}")), None)
        if status is None:
            continue  # a name with the separator in it: the next piece belongs to it too
        name = entry[: -len(status)].rstrip()
        first = skip_space(text, start)
        fields: Fields = {"tool": None if name == UNNAMED else name}
        if status != STATUSES[0]:
            fields |= {"success": False, "error": status}
        results.append(placed(text, first, first + len(entry), fields))
        start = position
    return Found(results, close + len(SUMMARY[1])) if results else None


def read_markdown(text: str, block: Block) -> Found | None:
    """Read the section that the IntelliCore SDK really writes (facts/sdk-and-neko A1)."""
    section = text[block.body : block.again]
    name, _, body = section.partition("\n")
    head, mark, after = body.partition(_VALUE_MARK)
    failed = "❌" in head
    if not mark or not (failed or "✅" in head):
        return None
    _, fence, after = after.partition("```")
    _, newline, inside = after.partition("\n")
    if not fence or not newline:
        return None
    value, closed, rest = _fenced(inside)
    if closed < 0:
        return None
    fields: Fields = {"tool": name.strip(), "value": value}
    if failed:
        _, _, error = head.partition(_ERROR_MARK)
        fields |= {"success": False, "error": error.lstrip(":： ").strip() or None}
    end = block.body + len(section) - len(rest)
    shown = rest.lstrip()
    if shown.startswith(_PARTS_MARK):
        parts: list[Part] = []
        for match in _PART_LINE.finditer(shown):
            parts.append(ImagePart(match[2]) if match[1] == "image" else TextPart(match[2]))
            end = block.body + len(section) - len(shown) + match.end()
        fields["parts"] = tuple(parts)
    return Found([placed(text, block.start, end, fields)], end)


def _fenced(inside: str) -> tuple[Any, int, str]:
    """The value in a code fence, where the fence closes (-1: nowhere) and what follows it."""
    stop = inside.find(f"\n\n{_PARTS_MARK}")
    close = inside.rfind("\n```", 0, stop if stop >= 0 else len(inside))
    if close < 0:
        return None, -1, ""
    content = inside[:close]
    try:
        value = load(content)
    except ValueError:
        value = None if content == "undefined" else content
    return value, close, inside[close + len("\n```") :]
