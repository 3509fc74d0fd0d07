"""What a chat model is asked and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vcplab.protocol.messages import Message, ToolCall, Usage

if TYPE_CHECKING:
    from vcplab.protocol.ports import ChatModel

__all__ = ["ChatPiece", "ChatReply", "ChatRequest", "FinishReason", "complete"]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to be continued, and how.

    Attributes:
        messages: The conversation, oldest first.
        tools: Functions the model may call, as function-calling APIs take them: mappings with
            ``name``, ``description`` and ``parameters`` (JSON Schema).
        schema: JSON Schema that the answer has to follow; None for free text.
        temperature: 0 for the likeliest answer; None for the server's default.
        max_tokens: Tokens that may be written; None for the server's default.
        seed: For servers that draw reproducibly.
        stop: Texts that end the answer.
        extra: Further fields of the request body, for one server's own options.
        agent: Who answers; for ledgers and recordings, never sent.
        purpose: What the call is for (``"speak"``, ``"select"``, ``"position"``, …); never sent.
    """

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    agent: str | None = None
    purpose: str = "speak"


@dataclass(frozen=True, slots=True)
class ChatPiece:
    """A piece of an answer as it arrives.

    Attributes:
        text: Text of the answer.
        reasoning: Text of the model's reasoning, where the server tells it apart.
        tool_calls: Calls that are complete.
        finish_reason: Why the answer ended; None while it goes on.
        usage: What the call consumed; on the last piece.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A whole answer.

    Attributes:
        text: The answer.
        reasoning: The model's reasoning, where the server tells it apart.
        tool_calls: The calls it asks for.
        finish_reason: Why it ended; None if it was cut off.
        usage: What the call consumed.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage = field(default_factory=Usage)

    @property
    def truncated(self) -> bool:
        """Whether the answer is not whole: it met a limit of length or was cut off."""
        return self.finish_reason is None or self.finish_reason == "length"


async def complete(model: ChatModel, request: ChatRequest) -> ChatReply:
    """Have a model continue a conversation, and wait for the whole answer.

    Args:
        model: The model.
        request: The conversation.
    """
    pieces: AsyncIterator[ChatPiece] = model.stream(request)
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    reason: FinishReason | None = None
    usage = Usage()
    async with aclosing(pieces) as stream:  # type: ignore[type-var]
        async for piece in stream:
            text.append(piece.text)
            reasoning.append(piece.reasoning)
            calls.extend(piece.tool_calls)
            reason = piece.finish_reason or reason
            usage = piece.usage or usage
    return ChatReply("".join(text), "".join(reasoning), tuple(calls), reason, usage)
