"""Reading a model's answer to a policy's question: one JSON object, nothing else. Private."""

from __future__ import annotations

import json
from typing import Any

from vcplab.protocol.completions import ChatReply

__all__ = ["Unreadable", "read_object"]

_SHOWN = 80


class Unreadable(Exception):
    """An answer cannot be used; says why, as the model is told. It never leaves a policy."""


def read_object(reply: ChatReply) -> dict[str, Any]:
    """The JSON object that an answer is.

    A leading ``<think>…</think>`` and one code fence around the whole are taken off; anything
    else beside the object makes the answer unreadable.

    Args:
        reply: The answer.

    Raises:
        Unreadable: It is no JSON object.
    """
    text = reply.text.strip()
    if text.startswith("<think>"):
        text = text.partition("</think>")[2].strip()
    if text.startswith("```") and text.endswith("```") and len(text) > 6:
        head, _, body = text[3:-3].partition("\n")
        if head.strip().lower() in ("", "json"):
            text = body.strip()
    if not text:
        raise Unreadable("it was empty")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable(f"it was no JSON, but began {text[:_SHOWN]!r}") from None
    if not isinstance(value, dict):
        raise Unreadable(f"it was JSON, but no object: {text[:_SHOWN]!r}")
    return value
