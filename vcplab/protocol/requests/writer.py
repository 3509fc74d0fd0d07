"""Writing a request so that every server reads the same again."""

from __future__ import annotations

import re

from vcplab.core.errors import InvalidInputError, VCPErrorCode
from vcplab.protocol.requests.config import JS_SPACE, ParserConfig
from vcplab.protocol.requests.grammar import grammar_of
from vcplab.protocol.requests.pieces import Piece
from vcplab.protocol.requests.request import ToolRequest
from vcplab.protocol.requests.stream import RequestStream

__all__ = ["write_request"]

_KEY = re.compile("[A-Za-z0-9_]+")


def write_request(request: ToolRequest, config: ParserConfig) -> str:
    """The text of a request.

    Values that hold a mark are written as opaque ones. What was written is read once more before
    it is given out, so no text leaves that would be read as something else.

    Args:
        request: The request.
        config: Marks and rules of the reader.

    Returns:
        The block, with a line for each field.

    Raises:
        InvalidInputError: The request cannot be written; code INVALID_PROTOCOL. The error names
            the field and the character.
    """
    for key, value in request.fields():
        _check(key, value, config)
    text = _written(request, config)
    if _reads_as(text, request, config):
        return text
    # Rare, so it may cost: which field is it that does not come back?
    for key, value in request.fields():
        probe = ToolRequest("probe", {"probe": value})
        written = _written(probe, config)
        if not _reads_as(written, probe, config):
            raise _impossible(key, value, config, _culprit(value, config))
    raise _impossible("tool_name", request.name, config, request.name[:1])


def _check(key: str, value: str, config: ParserConfig) -> None:
    bad = _KEY.sub("", key)
    if bad or not key:
        raise InvalidInputError(
            f"The key {key!r} cannot be written: {bad[:1]!r} is not allowed."
            if bad
            else "A key cannot be empty.",
            code=VCPErrorCode.INVALID_PROTOCOL,
            where=f"args[{key!r}]",
            next_step="keys are ASCII letters, digits and '_'",
            details={"key": key, "character": bad[:1]},
        )
    if value != value.strip(JS_SPACE):
        first = value[0] if value[0] in JS_SPACE else value[-1]
        raise InvalidInputError(
            f"The value of {key!r} begins or ends with {first!r}, which every reader trims.",
            code=VCPErrorCode.INVALID_PROTOCOL,
            where=f"args[{key!r}]",
            next_step="strip it, or have the tool add the blanks",
            details={"key": key, "character": first},
        )
    if key == "tool_name" and not value:
        raise InvalidInputError(
            "A request names a tool.",
            code=VCPErrorCode.INVALID_PROTOCOL,
            where="name",
            next_step="give the tool's name",
            details={"key": key, "character": ""},
        )


def _written(request: ToolRequest, config: ParserConfig) -> str:
    lines = [config.tool_request_start_marker]
    for key, value in request.fields():
        lines.append(f"{key}:{_quoted(value, config)},")
    lines[-1] = lines[-1].removesuffix(",")
    return "\n".join([*lines, config.tool_request_end_marker])


def _quoted(value: str, config: ParserConfig) -> str:
    start, end = config.param_start_marker, config.param_end_marker
    blocks = (config.tool_request_start_marker, config.tool_request_end_marker)
    # Also what a lenient reader would take for a mark.
    lenient = (start[:-1], end[:-1], f"{{{end[1:-1]}", f"{{{start[1:-1]}")
    risky = any(mark in value for mark in (*blocks, start, end))
    risky = risky or any(len(mark) > 1 and mark in value for mark in lenient)
    risky = risky or any(mark.strip("<>").lower() in value.lower() for mark in blocks)
    if not risky or grammar_of(config).escape_start is None:
        return f"{start}{value}{end}"
    for mark in blocks:
        if mark.endswith("]>>>"):
            value = value.replace(mark, f"{mark[:-4]}_ESCAPE]>>>")
    return f"{start[:-1]}ESCAPE{start[-1]}{value}{end[:-1]}ESCAPE{end[-1]}"


def _reads_as(text: str, request: ToolRequest, config: ParserConfig) -> bool:
    stream = RequestStream(_quiet(config))
    pieces: list[Piece] = [*stream.feed(text), *stream.close()]
    return pieces == [request]


def _quiet(config: ParserConfig) -> ParserConfig:
    return ParserConfig.of(config, debug=False) if config.debug else config


def _culprit(value: str, config: ParserConfig) -> str:
    """The character at which the shortest beginning that cannot be written ends."""
    low, high = 0, len(value)
    while low < high:
        middle = (low + high) // 2
        probe = ToolRequest("probe", {"probe": value[:middle].strip(JS_SPACE)})
        if _reads_as(_written(probe, config), probe, config):
            low = middle + 1
        else:
            high = middle
    return value[low - 1] if low else value[:1]


def _impossible(key: str, value: str, config: ParserConfig, character: str) -> InvalidInputError:
    next_step = (
        "leave out <think> tags and the forms …_ESCAPE]>>>, 「始ESCAPE」 and 「末ESCAPE」"
        if config.escape
        else "this reader knows no opaque values; leave the marks out of the value"
    )
    return InvalidInputError(
        f"The value of {key!r} would be read as something else because of {character!r}.",
        code=VCPErrorCode.INVALID_PROTOCOL,
        where=f"args[{key!r}]" if key != "tool_name" else "name",
        next_step=next_step,
        details={"key": key, "character": character},
    )
