"""Role marks in message text: the role divider and the switch that turns tools off."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, Final

from vcplab.protocol.messages import Message, Role

__all__ = ["TOOL_USE_FORBIDDEN", "divide_roles", "tool_use_forbidden"]

TOOL_USE_FORBIDDEN: Final = "[[VCPToolUse=Forbidden]]"
"""In a leading system message it turns tool parsing off (facts/vcp-protocol §1.3)."""

_TAG = re.compile(r"<<<\[(END_)?ROLE_DIVIDE_(SYSTEM|ASSISTANT|USER)\]>>>")
_ROLES: Final[dict[str, Role]] = {"SYSTEM": "system", "ASSISTANT": "assistant", "USER": "user"}
# A role mark inside one of these is an argument or a diary text, not a division.
_PROTECTED: Final = (
    ("<<<[TOOL_REQUEST]>>>", "<<<[END_TOOL_REQUEST]>>>"),
    ("<<<DailyNoteStart>>>", "<<<DailyNoteEnd>>>"),
)


def divide_roles(text: str, role: Role) -> list[Message]:
    """Split a text at its role marks into messages of several roles.

    ``<<<[ROLE_DIVIDE_USER]>>>…<<<[END_ROLE_DIVIDE_USER]>>>`` (SYSTEM, ASSISTANT alike) becomes a
    message of that role; what stands outside keeps ``role`` (facts/vcp-protocol §1.4). The
    pieces are not trimmed, blank ones are left out. Marks inside tool requests and diary blocks
    are plain text. A single opening mark runs to the end and a single closing mark starts at
    the beginning; where marks of both kinds are there but do not pair, they are plain text.
    Time is linear in the length of the text.

    Args:
        text: The content of one message.
        role: Its role.

    Returns:
        The messages in order; one message with the whole text where nothing divides it.
    """
    tags = _open_tags(text)
    closers = _closers(tags)
    first_start = next((i for i, tag in enumerate(tags) if not tag[1]), len(tags))
    last_end = max((i for i, tag in enumerate(tags) if tag[1]), default=-1)
    messages: list[Message] = []

    def put(who: Role, piece: str) -> None:
        if piece.strip():
            messages.append(Message(who, piece))

    begin = index = 0
    while index < len(tags):
        match, is_end, who = tags[index]
        closer = closers[index]
        if is_end:
            if index < first_start and text[begin : match.start()].strip():
                put(who, text[begin : match.start()])
                begin = match.end()
            index += 1
        elif closer is not None:
            put(role, text[begin : match.start()])
            put(who, text[match.end() : tags[closer][0].start()])
            begin = tags[closer][0].end()
            index = closer + 1
        elif index > last_end:
            put(role, text[begin : match.start()])
            put(who, text[match.end() :])
            begin = len(text)
            break
        else:
            index += 1
    put(role, text[begin:])
    return messages or [Message(role, text)]


def tool_use_forbidden(messages: Iterable[Message | Mapping[str, Any]]) -> bool:
    """Whether a request turns tools off for itself (facts/vcp-protocol §1.3).

    Args:
        messages: The request's messages, ours or in wire form; a wire content may be a list of
            parts.

    Returns:
        True where a system message before the first other message holds
        ``[[VCPToolUse=Forbidden]]``.
    """
    for message in messages:
        content: Any
        if isinstance(message, Message):
            is_system, content = message.role == "system", message.content
        else:
            is_system, content = message.get("role") == "system", message.get("content")
        if not is_system:
            return False
        if any(TOOL_USE_FORBIDDEN in text for text in _texts(content)):
            return True
    return False


def _texts(content: Any) -> Iterable[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | tuple):
        for part in content:
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                yield part["text"]


def _open_tags(text: str) -> list[tuple[re.Match[str], bool, Role]]:
    """The role marks outside protected blocks: (match, closes, role)."""
    matches = list(_TAG.finditer(text))
    if not matches:
        return []
    guards = _protected(text)
    starts = [start for start, _ in guards]
    tags = []
    for match in matches:
        at = bisect_right(starts, match.start()) - 1
        if at < 0 or match.start() >= guards[at][1]:
            tags.append((match, match[1] is not None, _ROLES[match[2]]))
    return tags


def _protected(text: str) -> list[tuple[int, int]]:
    spans = []
    for opening, closing in _PROTECTED:
        start = text.find(opening)
        while start >= 0:
            end = text.find(closing, start + len(opening))
            if end < 0:
                break  # no later opening mark can have a closing one either
            spans.append((start, end + len(closing)))
            start = text.find(opening, end + len(closing))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _closers(tags: list[tuple[re.Match[str], bool, Role]]) -> list[int | None]:
    """For every mark the index of the next closing mark of its role."""
    upcoming: dict[Role, int] = {}
    closers: list[int | None] = [None] * len(tags)
    for index in range(len(tags) - 1, -1, -1):
        _, is_end, role = tags[index]
        closers[index] = upcoming.get(role)
        if is_end:
            upcoming[role] = index
    return closers
