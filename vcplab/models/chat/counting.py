"""What a call consumed, where the server does not say: counted here, and marked as estimated."""

from __future__ import annotations

import json
from collections.abc import Sequence

from vcplab.protocol.completions import ChatRequest
from vcplab.protocol.messages import Message, ToolCall, Usage
from vcplab.text.tokens import ApproximateTokenizer

__all__ = ["estimate_usage"]

# What chat templates put around a message (role, separators), and OpenAI's figure for a picture
# of low detail. Both are part of an estimate that says so.
_PER_MESSAGE = 4
_PER_IMAGE = 85

_count = ApproximateTokenizer().count


def estimate_usage(request: ChatRequest, text: str, tool_calls: Sequence[ToolCall] = ()) -> Usage:
    """Estimate the tokens of a call (facts/agents-mcp-plugins B1, usage dialect 3).

    Args:
        request: What was asked.
        text: What was answered, reasoning included.
        tool_calls: The calls that the answer asks for.

    Returns:
        The usage, with ``estimated=True``.
    """
    read = _PER_MESSAGE * len(request.messages)
    for message in request.messages:
        read += _count(message.content)
        if message.name or message.tool_calls or message.images:
            read += _of_extras(message)
    read += sum(_count(_json(tool)) for tool in request.tools)
    if request.schema is not None:
        read += _count(_json(request.schema))
    written = _count(text) if text else 0
    return Usage(read, written + _of_calls(tool_calls), estimated=True)


def _of_extras(message: Message) -> int:
    tokens = _count(message.name) if message.name else 0
    if message.tool_calls:
        tokens += _of_calls(message.tool_calls)
    return tokens + _PER_IMAGE * len(message.images)


def _of_calls(calls: Sequence[ToolCall]) -> int:
    return sum(_count(call.name) + _count(call.arguments) for call in calls)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
