"""Model calls of a chat: streamed, limited in time, and whole or broken with what had come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, nullcontext
from typing import Any

from vcplab.agents.chat.heads import HeadStripper
from vcplab.core.clock import current_clock
from vcplab.core.errors import OperationTimeoutError
from vcplab.core.trace import Span, current_span, span
from vcplab.models.chat.counting import estimate_usage
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest, FinishReason
from vcplab.protocol.messages import ToolCall, Usage
from vcplab.protocol.ports import ChatModel

__all__ = ["BrokenCall", "call_model", "streamer"]


class BrokenCall(Exception):
    """A model call that did not end by itself.

    Attributes:
        cause: What ended it: an error, or the cancelling.
        reply: What had come until then; its usage is estimated.
        seconds: How long it took.
    """

    def __init__(self, cause: BaseException, reply: ChatReply, seconds: float) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.reply = reply
        self.seconds = seconds


async def call_model(
    model: ChatModel,
    request: ChatRequest,
    *,
    on_piece: Callable[[ChatPiece], object] | None = None,
    timeout: float | None = None,
) -> tuple[ChatReply, float]:
    """Have a model answer.

    Args:
        model: The model.
        request: What it is asked.
        on_piece: Called with every piece as it arrives.
        timeout: Seconds that the whole call may take.

    Returns:
        The reply, and the seconds it took.

    Raises:
        BrokenCall: It failed, took too long or was cancelled.
    """
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    finish: FinishReason | None = None
    usage: Usage | None = None
    clock = current_clock()
    begun = clock.monotonic()
    # Models that make requests open a span of their own, which knows more.
    traced = getattr(model, "is_traced", False)
    here = None if traced else _opened(model, request)
    try:
        limit = nullcontext() if timeout is None else asyncio.timeout(timeout)
        async with limit, aclosing(model.stream(request)) as stream:  # type: ignore[type-var]
            async for piece in stream:
                if piece.text:
                    text.append(piece.text)
                if piece.reasoning:
                    reasoning.append(piece.reasoning)
                if piece.tool_calls:
                    calls.extend(piece.tool_calls)
                if piece.finish_reason is not None:
                    finish = piece.finish_reason
                if piece.usage is not None:
                    usage = piece.usage
                if on_piece is not None:
                    on_piece(piece)
    except (Exception, asyncio.CancelledError) as error:
        cause: BaseException = error
        if here is not None:
            here.end("cancelled" if isinstance(error, asyncio.CancelledError) else "error", error)
        if isinstance(error, TimeoutError) and not isinstance(error, OperationTimeoutError):
            cause = OperationTimeoutError(
                f"The model took longer than {timeout:g} s."
                if timeout is not None
                else "The model took too long.",
                where=model.name,
                next_step="allow more with call_timeout=…, or ask for less with max_tokens=…",
            )
        said = "".join(text)
        # Nothing came: nothing is known to have been consumed, and nothing is made up.
        spent = usage or (estimate_usage(request, said, calls) if said or calls else Usage())
        broken = ChatReply(said, "".join(reasoning), (), None, spent)
        raise BrokenCall(cause, broken, clock.monotonic() - begun) from error
    said = "".join(text)
    if usage is None:
        usage = estimate_usage(request, said, calls)
    reply = ChatReply(said, "".join(reasoning), tuple(calls), finish, usage)
    if here is not None:
        here.set(
            finish_reason=finish, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens
        )
        here.end()
    return reply, clock.monotonic() - begun


def _opened(model: ChatModel, request: ChatRequest) -> Span:
    opened = span("model.call", "model", model=model.name, purpose=request.purpose)
    if request.agent is not None:
        opened.set(agent=request.agent)
    return opened.begin(current_span())


def streamer(
    tell: Callable[[str, Mapping[str, Any]], object],
    stripper: HeadStripper,
    facts: Mapping[str, Any],
) -> Callable[[ChatPiece], None]:
    """What publishes the pieces of a reply as ``agent:stream``.

    Args:
        tell: Publishes an event: its type and its data.
        stripper: Takes echoed heads out.
        facts: What every event says.
    """

    def stream(piece: ChatPiece) -> None:
        chunk = stripper.feed(piece.text) if piece.text else ""
        if piece.finish_reason is not None:
            chunk += stripper.finish()
        if chunk:
            tell("agent:stream", {**facts, "chunk": chunk})
        if piece.reasoning:
            tell("agent:stream", {**facts, "chunk": "", "reasoning": piece.reasoning})

    return stream
