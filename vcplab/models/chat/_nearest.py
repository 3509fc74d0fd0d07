"""Which recorded request comes nearest to one that is not recorded, and where they part."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from vcplab.models.chat.recording import Exchange

_AROUND = 16
_LONGEST = 60
_ABSENT = object()


def nearest(exchanges: Iterable[Exchange], asked: Mapping[str, Any]) -> Exchange | None:
    """The recorded call most like a request: same agent and purpose, most messages in common.

    Args:
        exchanges: The recorded calls.
        asked: The request in its canonical form.
    """
    messages = {_plain(message) for message in asked["messages"]}

    def likeness(exchange: Exchange) -> tuple[bool, bool, int, int, int]:
        recorded = exchange.request["messages"]
        shared = len(messages & {_plain(message) for message in recorded})
        return (
            exchange.agent == asked.get("agent"),
            exchange.purpose == asked.get("purpose"),
            shared,
            -abs(len(recorded) - len(asked["messages"])),
            -exchange.line,
        )

    return max(exchanges, key=likeness, default=None)


def first_difference(recorded: Any, asked: Any, path: str = "") -> str | None:
    """Where two JSON values part, for a person to read; None if they are equal.

    Args:
        recorded: The one value.
        asked: The other value.
        path: Where the values are.
    """
    if recorded == asked:
        return None
    if isinstance(recorded, Mapping) and isinstance(asked, Mapping):
        for key in sorted({*recorded, *asked}):
            inner = f"{path}.{key}" if path else key
            here, there = recorded.get(key, _ABSENT), asked.get(key, _ABSENT)
            if found := first_difference(here, there, inner):
                return found
    if isinstance(recorded, list) and isinstance(asked, list):
        for number, (here, there) in enumerate(zip(recorded, asked, strict=False)):
            if found := first_difference(here, there, f"{path}[{number}]"):
                return found
        return f"{path}: {len(recorded)} were recorded, {len(asked)} are asked"
    if isinstance(recorded, str) and isinstance(asked, str):
        at = _parting(recorded, asked)
        return (
            f"{path}, from character {at + 1}: recorded {_around(recorded, at)}, "
            f"asked {_around(asked, at)}"
        )
    return f"{path}: recorded {_shown(recorded)}, asked {_shown(asked)}"


def _parting(one: str, other: str) -> int:
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))


def _around(text: str, at: int) -> str:
    start, stop = max(0, at - _AROUND), at + _AROUND
    before = "…" if start else ""
    after = "…" if stop < len(text) else ""
    return repr(before + text[start:stop] + after)


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    text = _plain(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
