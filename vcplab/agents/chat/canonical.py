"""The canonical form of a chat's log: JSON lines, a header first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from vcplab.agents.chat.events import UNKNOWN, ChatEvent
from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError

__all__ = [
    "HEADER",
    "SCHEMA",
    "VERSION",
    "as_json",
    "jsonl_options",
    "missing",
    "parsed",
    "read_jsonl",
]

SCHEMA: Final = "vcplab-chat"
VERSION: Final = 1
#: First line of a canonical log.
HEADER: Final = f'{{"schema":"{SCHEMA}","version":{VERSION}}}'


def jsonl_options(text: str) -> dict[str, Any]:
    """How a chat is to go that was not started, from its canonical log; else empty.

    Args:
        text: The lines, as `read_jsonl` can read them.
    """
    kept = json.loads(text.partition("\n")[0]).get("options")
    return dict(kept) if isinstance(kept, dict) else {}


def read_jsonl(text: str, *, where: str = "log") -> list[ChatEvent]:
    """Read a canonical log.

    A last line that was torn off while it was written is left out; anything else that is broken
    is refused.

    Args:
        text: The lines.
        where: What an error names.

    Raises:
        SchemaMismatchError: It is something else, or of a newer vcplab.
        InvalidDataError: A line is broken or missing.
    """
    *lines, rest = text.split("\n")
    if rest and lines:
        with suppress(InvalidDataError):
            parsed(rest, len(lines) - 1, where)
            lines.append(rest)  # whole, only without its line end
    try:
        header = json.loads(lines[0]) if lines else {}
    except ValueError:
        header = {}
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise SchemaMismatchError(
            "This is no log of a chat.",
            where=f"{where}, line 1",
            next_step=f'its first line should be {HEADER}; write one with chat.save("chat.jsonl")',
        )
    if not isinstance(header.get("version"), int) or header["version"] > VERSION:
        raise SchemaMismatchError(
            f"This log is of version {header.get('version')}, and this vcplab reads {VERSION}.",
            where=f"{where}, line 1",
            next_step="open it with a newer vcplab",
        )
    return [parsed(line, number, where) for number, line in enumerate(lines[1:])]


def parsed(line: str, seq: int, where: str) -> ChatEvent:
    """One event from its canonical line.

    Args:
        line: The line.
        seq: The number that it has to have.
        where: What an error names.

    Raises:
        InvalidDataError: The line is broken, or another event's.
    """
    try:
        data = json.loads(line)
        type_, number = data.pop("type"), data.pop("seq")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidDataError(
            f"Event {seq} cannot be read.",
            where=f"{where}, line {seq + 2}",
            next_step="restore the file; events before it can be loaded by cutting it there",
        ) from None
    if number != seq:
        raise missing(seq, number, f"{where}, line {seq + 2}")
    return ChatEvent(type=type_, data=data, seq=seq, time=UNKNOWN)


def as_json(facts: Mapping[str, Any], where: str) -> str:
    """Facts as JSON, the same bytes for the same facts.

    Args:
        facts: The facts.
        where: What an error names.

    Raises:
        InvalidInputError: They are not JSON-able.
    """
    try:
        return json.dumps(
            facts, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"The {where} are not JSON: {error}.",
            where=where,
            next_step="give texts, numbers, lists and mappings of these",
        ) from error


def missing(seq: int, found: object, where: str) -> InvalidDataError:
    """The error of a log in which an event is missing."""
    return InvalidDataError(
        f"Event {seq} is missing: the next one is {found}.",
        where=where,
        next_step="restore the file; events before it can be loaded by cutting it there",
    )
