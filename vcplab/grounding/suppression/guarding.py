"""A chat model whose answers pass through a suppressor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError
from vcplab.core.loop import to_worker
from vcplab.core.uncopied import Uncopied
from vcplab.grounding.suppression.sources import Knowledge, Sources, history_texts
from vcplab.protocol.completions import ChatPiece, ChatRequest
from vcplab.protocol.ports import ChatModel

if TYPE_CHECKING:
    from vcplab.grounding.suppression.result import Suppression
    from vcplab.grounding.suppression.streaming import SentenceRun
    from vcplab.grounding.suppression.suppressor import HallucinationSuppressor

__all__ = ["GuardedModel"]


class GuardedModel(Uncopied):
    """A chat model whose spoken answers are suppressed, sentence by sentence as they arrive.

    Args:
        suppressor: What they pass through.
        model: The model.
        knowledge_base: What its answers should follow from.
        on_suppression: Called, in a worker thread, with what was found in each sentence.

    Raises:
        InvalidInputError: The model is none, or the knowledge base holds something without text.
    """

    _instead = "guard the model once more"

    def __init__(
        self,
        suppressor: HallucinationSuppressor,
        model: ChatModel,
        knowledge_base: Any = (),
        on_suppression: Callable[[Suppression], object] | None = None,
    ) -> None:
        if not isinstance(model, ChatModel):
            raise InvalidInputError(
                f"{type(model).__name__} is no chat model.",
                where="model",
                next_step="give a ChatModel (name, stream)",
            )
        self.suppressor = suppressor
        self.model = model
        self._knowledge = Knowledge.of(knowledge_base)
        self._on_suppression = on_suppression

    def __repr__(self) -> str:
        return f"GuardedModel({self.model!r})"

    @property
    def name(self) -> str:
        """The model's own name, so that price lists know it."""
        return self.model.name

    @property
    def is_traced(self) -> bool:
        """Whether the model opens a span of its own for each call."""
        return bool(getattr(self.model, "is_traced", False))

    @property
    def fingerprint(self) -> str | None:
        """Changes whenever some answer would change; None where the model has none."""
        own = getattr(self.model, "fingerprint", None)
        return None if own is None else f"{own}|{self.suppressor.fingerprint}"

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatPiece]:
        """Pieces of the answer; its text comes in whole sentences.

        Args:
            request: The conversation. Its messages are what the answer is held against; an answer
                by a schema, or for another purpose than speaking, passes as it is.
        """
        pieces: AsyncIterator[ChatPiece] = self.model.stream(request)
        async with aclosing(pieces) as stream:  # type: ignore[type-var]
            if request.schema is not None or request.purpose != "speak":
                async for piece in stream:
                    yield piece
                return
            sources = Sources(history_texts(request.messages), self._knowledge)
            run = self.suppressor.run(sources, self._on_suppression)
            try:
                async for piece in stream:
                    text = await _done(run, run.feed(piece.text)) if piece.text else ""
                    if piece.finish_reason is not None:
                        text += await _done(run, run.rest())
                    if text or piece.text == "" or piece.usage or piece.reasoning:
                        yield replace(piece, text=text)
            except Exception:
                # What the model had said before it failed is not lost.
                text = await _done(run, run.rest())
                if text:
                    yield ChatPiece(text)
                raise
            text = await _done(run, run.rest())
            if text:
                yield ChatPiece(text)


async def _done(run: SentenceRun, whole: list[tuple[str, bool]]) -> str:
    return "".join([await to_worker(run.done, one) for one in whole])
