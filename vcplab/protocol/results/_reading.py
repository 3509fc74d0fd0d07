"""Results found in text or message content, whatever dialect wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from vcplab.core.errors import InvalidInputError
from vcplab.protocol.messages import Message
from vcplab.protocol.results._blocks import Block, Found, find_blocks, placed
from vcplab.protocol.results._forms import read_cherry, read_markdown, read_summary, read_verbose
from vcplab.protocol.results._json import Document, at_line_end, load_at, skip_space
from vcplab.protocol.results._texts import (
    ARCHERY,
    LEGACY,
    NAME_LIMIT,
    read_error,
    read_legacy,
    read_text,
)
from vcplab.protocol.results._values import ToolResult, is_part, part_from_wire
from vcplab.protocol.results._writing import CONTENT, FAILED, PAYLOAD, RESULTS

__all__ = ["parse_tool_results"]

Fields = dict[str, Any]


def parse_tool_results(text: str | Sequence[Any] | Mapping[str, Any] | Message) -> list[ToolResult]:
    """Find the tool results in a text or in the content of a message.

    Recognised, in any mixture: the toolbox payload (as a text or as a list of parts), Cherry's
    ``<<<[TOOL_RESULT]>>>`` block, IntelliCore's ``Result from tool "X":`` and its Markdown
    section, the ``来自工具 "X" 的结果:`` form of 2025-10, the notice of a failed archery call, the
    verbose block, and the summary of a turn (status only) (facts/vcp-protocol §0, §1.3, §1.4;
    facts/sdk-and-neko A1). What is broken or unfinished is text, not an error. Time is linear in
    the length of the text.

    A toolbox payload does not say which part belongs to which call: every text counts as a
    result of its own, except that texts and images which follow each other are the parts of one.

    Args:
        text: A text, a list of parts, or a whole message (ours or in wire form).

    Returns:
        The results in order. In a text each has ``raw_text`` and ``span``; results that stood
        in a list of parts have no span.

    Raises:
        InvalidInputError: The argument is none of these.
    """
    content: Any = text
    if isinstance(content, Message):
        content = content.content
    elif isinstance(content, Mapping):
        content = content.get("content")
    if content is None:
        return []
    if isinstance(content, str):
        return _in_text(content)
    if isinstance(content, Sequence) and not isinstance(content, bytes | bytearray):
        return _in_parts(content)
    raise InvalidInputError(
        f"Tool results are read from text or message content, not from {type(content).__name__}.",
        where="text",
        next_step="pass the message, its content, or str(...)",
    )


def _in_text(text: str) -> list[ToolResult]:
    document = Document(text)
    results: list[ToolResult] = []
    done = 0
    for block in find_blocks(document):
        if block.start < done:
            continue
        found = _READERS[block.kind](document, block)
        if found is not None:
            results += found.results
            done = found.end
    return results


def _in_parts(content: Sequence[Any]) -> list[ToolResult]:
    texts = [part["text"] if is_part(part) and part["type"] == "text" else part for part in content]
    if texts and texts[0] == f"{PAYLOAD}\n{RESULTS}":
        wires = [part for part in content[1:] if is_part(part)]
        return [
            ToolResult(**{"tool": None, **fields}, raw_text=_joined(wires[first:last]))
            for fields, first, last in _grouped(wires)
        ]
    return [
        replace(result, span=None)
        for text in texts
        if isinstance(text, str)
        for result in _in_text(text)
    ]


def _joined(wires: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(wire["text"] for wire in wires if wire["type"] == "text")


def _grouped(wires: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Fields, int, int]]:
    """The results among a payload's parts: fields, first part, the part after the last."""
    first = 0  # of the run of bare texts and media that is not yet given out
    for index, wire in enumerate(wires):
        if wire["type"] != "text":
            continue
        fields = read_text(wire["text"])
        if fields == {"value": wire["text"]}:
            continue
        yield from _run(wires, first, index)
        yield fields, index, index + 1
        first = index + 1
    yield from _run(wires, first, len(wires))


def _run(
    wires: Sequence[Mapping[str, Any]], first: int, last: int
) -> Iterator[tuple[Fields, int, int]]:
    if all(wire["type"] == "text" for wire in wires[first:last]):
        for index in range(first, last):
            yield {"value": wires[index]["text"]}, index, index + 1
    else:
        yield {"parts": tuple(map(part_from_wire, wires[first:last]))}, first, last


def _payload(text: str, block: Block) -> Found | None:
    position = skip_space(text, block.body)
    if not text.startswith("[", position):
        return None
    position = skip_space(text, position + 1)
    wires: list[Any] = []
    spans: list[tuple[int, int]] = []
    while True:
        try:
            wire, end = load_at(text, position)
        except ValueError:
            return None
        if not is_part(wire):
            return None
        wires.append(wire)
        spans.append((position, end))
        position = skip_space(text, end)
        if text.startswith("]", position):
            break
        if not text.startswith(",", position):
            return None
        position = skip_space(text, position + 1)
    end = position + 1
    results = []
    for fields, first, last in _grouped(wires):
        # The mark belongs to the first result and the closing bracket to the last.
        start = spans[first][0] if first else block.start
        stop = spans[last - 1][1] if last < len(wires) else end
        results.append(placed(text, start, stop, fields))
    return Found(results, end)


def _intellicore(text: str, block: Block) -> Found | None:
    heading = _intellicore_heading(text, block.body)
    if heading is None:
        return None
    name, body = heading
    fields: Fields
    if text.startswith(FAILED, body):
        fields, end = _intellicore_failure(text, body + len(FAILED), block.rival)
    else:
        fields, end = _json_or_rest(text, body, block.rival)
    content = f"\n{CONTENT}"
    if text.startswith(content, end):
        try:
            wires, after = load_at(text, end + len(content))
        except ValueError:
            wires, after = None, end
        if isinstance(wires, list) and all(map(is_part, wires)) and at_line_end(text, after):
            fields["parts"] = tuple(map(part_from_wire, wires))
            end = after
    return Found([placed(text, block.start, end, {**fields, "tool": name or None})], end)


def _intellicore_heading(text: str, body: int) -> tuple[str, int] | None:
    """The tool's name and where the body starts."""
    quote = body - 1
    try:
        name, end = load_at(text, quote)
    except ValueError:
        end = -1
    if end >= 0 and text.startswith(":\n", end):
        return name, end + 2
    end = text.find('":\n', quote + 1, quote + NAME_LIMIT)  # a name with a bare quote in it
    if end < 0 or text.find("\n", quote, end) >= 0:
        return None
    return text[quote + 1 : end], end + 3


def _intellicore_failure(text: str, start: int, limit: int) -> tuple[Fields, int]:
    try:
        failure, end = load_at(text, start)
    except ValueError:
        failure = end = None
    if isinstance(failure, dict) and end is not None and at_line_end(text, end):
        error = failure.get("error")
        if "error" in failure and (error is None or isinstance(error, str)):
            return {"success": False, "error": error, "value": failure.get("result")}, end
    end = _rest(text, start, limit)
    return {"success": False, "error": text[start:end]}, end


def _json_or_rest(text: str, start: int, limit: int) -> tuple[Fields, int]:
    """The JSON value that fills whole lines from ``start``, else the text up to the next start."""
    try:
        value, end = load_at(text, start)
    except ValueError:
        end = -1
    if end >= 0 and at_line_end(text, end):
        return {"value": value}, end
    end = _rest(text, start, limit)
    return {"value": text[start:end]}, end


def _rest(text: str, start: int, limit: int) -> int:
    """Where the free text from ``start`` ends: at the next start, trailing space left out."""
    return start + len(text[start:limit].rstrip())


def _legacy(text: str, block: Block) -> Found | None:
    return _headed(text, block, LEGACY[1], read_legacy)


def _archery(text: str, block: Block) -> Found | None:
    return _headed(text, block, ARCHERY[1], read_error)


def _headed(text: str, block: Block, mark: str, read: Callable[[str], Fields]) -> Found | None:
    name_end = text.find(mark, block.body, block.body + NAME_LIMIT)
    if name_end < 0 or "\n" in text[block.body : name_end]:
        return None
    start = name_end + len(mark)
    _, end = _json_or_rest(text, start, block.rival)
    if block.rival < len(text) and text.endswith("\n---", start, end):
        end = _rest(text, start, end - len("---"))  # the rule between two results
    fields = read(text[start:end])
    fields["tool"] = text[block.body : name_end]
    return Found([placed(text, block.start, end, fields)], end)


_READERS: Final[dict[str, Callable[[str, Block], Found | None]]] = {
    "payload": _payload,
    "cherry": read_cherry,
    "verbose": read_verbose,
    "summary": read_summary,
    "intellicore": _intellicore,
    "legacy": _legacy,
    "archery": _archery,
    "markdown": read_markdown,
}
