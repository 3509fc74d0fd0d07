"""The suppressor: finds hallucinations in a text and does what its policies say about them."""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, overload

from vcplab.core.loop import to_worker
from vcplab.core.names import snake_keys
from vcplab.grounding.suppression.guarding import GuardedModel
from vcplab.grounding.suppression.judging import OFF, RuleDetectors, judge
from vcplab.grounding.suppression.options import SuppressorOptions
from vcplab.grounding.suppression.result import Suppression
from vcplab.grounding.suppression.rewriting import Rewriter
from vcplab.grounding.suppression.running import suppression_of
from vcplab.grounding.suppression.sources import Sources, checked_text
from vcplab.grounding.suppression.streaming import (
    SentenceRun,
    stream_sentences,
    stream_sentences_async,
)
from vcplab.protocol.grounding import Sample, Verdict
from vcplab.protocol.ports import ChatModel, Detector

__all__ = ["HallucinationSuppressor"]


class HallucinationSuppressor:
    """Finds what a text says without or against its sources, and marks or mends it (seed 002 §3.2).

    ::

        suppressor = HallucinationSuppressor()
        result = suppressor.suppress(answer, conversation_history=messages, knowledge_base=notes)
        result.processed_text, result.overall_confidence, result.detections

    By default numbers that a source gives otherwise are replaced, sentences that a source denies
    get a word of caution, other findings a mark; nothing is deleted, and no model is asked unless
    a `Regenerate` policy names one. Code, blocks of the VCP
    protocol and quotations keep their bytes. Suppressing a result again, with the same sources,
    changes nothing. It keeps nothing between calls and may be used from several threads, if its
    detector may.

    It is a detector, too: what it finds in samples is measured as any other's.

    Args:
        detector: What looks for hallucinations; lexical, temporal and citation rules if None.
        options: Options by the seed's names or ours (`SuppressorOptions`).
        **single: Single options; they win.

    Raises:
        InvalidInputError: An option is unknown or impossible.
    """

    name = "suppressor"

    def __init__(
        self,
        detector: Detector | None = None,
        options: SuppressorOptions | Mapping[str, Any] | None = None,
        **single: Any,
    ) -> None:
        if detector is not None:
            single["detector"] = detector
        self._options = SuppressorOptions.of(options, **single)
        self._detector: Detector = self._options.detector or RuleDetectors()

    def __repr__(self) -> str:
        default = SuppressorOptions()
        changed = ", ".join(
            f"{name}={getattr(self._options, name)!r}"
            for name in SuppressorOptions.__dataclass_fields__
            if getattr(self._options, name) != getattr(default, name)
        )
        return f"HallucinationSuppressor({changed})"

    @property
    def options(self) -> SuppressorOptions:
        """What it does."""
        return self._options

    @property
    def detector(self) -> Detector:
        """What looks for hallucinations."""
        return self._detector

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict or some change of a text would change."""
        told = self._options.to_dict()
        told.pop("detector")
        return f"suppressor-1:{self._detector.fingerprint}:{told}"

    @property
    def calibrated(self) -> bool:
        """Whether its probabilities were fitted to labelled texts."""
        return bool(getattr(self._detector, "calibrated", True))

    @property
    def threshold(self) -> float | None:
        """The probability from which a text counts as hallucinated; None for no own one."""
        return getattr(self._detector, "threshold", None)

    def get_config(self) -> SuppressorOptions:
        """``getConfig``: what it does."""
        return self._options

    def update_config(
        self, options: SuppressorOptions | Mapping[str, Any] | None = None, **single: Any
    ) -> None:
        """``updateConfig``: change some options for the calls that follow.

        Raises:
            InvalidInputError: An option is unknown or impossible; nothing is changed.
        """
        given = {} if isinstance(options, SuppressorOptions) else dict(options or {})
        base = options if isinstance(options, SuppressorOptions) else self._options
        made = SuppressorOptions.of(base, **{**snake_keys(given), **snake_keys(single)})
        if made.detector is not self._options.detector:
            self._detector = made.detector or RuleDetectors()
        self._options = made

    def suppress(
        self,
        text: str,
        context: Mapping[str, Any] | None = None,
        *,
        conversation_history: Iterable[Any] = (),
        knowledge_base: Any = (),
        question: str = "",
    ) -> Suppression:
        """Find the hallucinations of a text, and do what the policies say.

        Args:
            text: The text.
            context: The seed's form of the rest: ``{"conversationHistory": […],
                "knowledgeBase": […]}``.
            conversation_history: What was said before, oldest first: texts, `Message` values or
                mappings with ``role`` and ``content``. It can contradict the text, but the text
                need not follow from it.
            knowledge_base: What the text should follow from: texts, documents (mappings or values
                with ``text``, ``content`` or ``page_content``), a `Retriever`, or a list of these.
            question: What was asked.

        Returns:
            The text after, with everything found and done.

        Raises:
            InvalidInputError: An argument is of the wrong kind.
        """
        checked_text(text, "text")
        sources = Sources.of(context, conversation_history, knowledge_base, question)
        return suppression_of(self._options, self._detector, sources, text)

    async def asuppress(
        self,
        text: str,
        context: Mapping[str, Any] | None = None,
        *,
        conversation_history: Iterable[Any] = (),
        knowledge_base: Any = (),
        question: str = "",
    ) -> Suppression:
        """As `suppress`, in a worker thread, for cells and functions that await.

        Args:
            text: The text.
            context: The seed's form of the rest.
            conversation_history: What was said before.
            knowledge_base: What the text should follow from.
            question: What was asked.

        Raises:
            InvalidInputError: An argument is of the wrong kind.
        """
        return await to_worker(
            self.suppress,
            text,
            context,
            conversation_history=conversation_history,
            knowledge_base=knowledge_base,
            question=question,
        )

    @overload
    def stream(
        self,
        pieces: AsyncIterable[str],
        context: Mapping[str, Any] | None = None,
        *,
        conversation_history: Iterable[Any] = (),
        knowledge_base: Any = (),
        question: str = "",
        on_suppression: Callable[[Suppression], object] | None = None,
    ) -> AsyncIterator[str]: ...
    @overload
    def stream(
        self,
        pieces: Iterable[str],
        context: Mapping[str, Any] | None = None,
        *,
        conversation_history: Iterable[Any] = (),
        knowledge_base: Any = (),
        question: str = "",
        on_suppression: Callable[[Suppression], object] | None = None,
    ) -> Iterator[str]: ...
    def stream(
        self,
        pieces: Iterable[str] | AsyncIterable[str],
        context: Mapping[str, Any] | None = None,
        *,
        conversation_history: Iterable[Any] = (),
        knowledge_base: Any = (),
        question: str = "",
        on_suppression: Callable[[Suppression], object] | None = None,
    ) -> Iterator[str] | AsyncIterator[str]:
        """A text as it arrives, suppressed sentence by sentence; code is passed on line by line.

        Joined, it is what `suppress` makes of the whole text wherever no rule looks at what comes
        later. A sentence is held back until it is certain where it ends.

        Args:
            pieces: The text, in pieces of any size; awaited ones give an asynchronous iterator.
            context: The seed's form of the rest.
            conversation_history: What was said before.
            knowledge_base: What the text should follow from.
            question: What was asked.
            on_suppression: Called with what was found in each sentence and done about it.

        Raises:
            InvalidInputError: An argument is of the wrong kind.
        """
        sources = Sources.of(context, conversation_history, knowledge_base, question)
        run = self.run(sources, on_suppression)
        if isinstance(pieces, AsyncIterable):
            return stream_sentences_async(pieces, run)
        return stream_sentences(pieces, run)

    def run(
        self, sources: Sources, on_suppression: Callable[[Suppression], object] | None = None
    ) -> SentenceRun:
        """One text on its way, for those who have its pieces one by one.

        Args:
            sources: What it is held against.
            on_suppression: Called with what was found in each sentence and done about it.
        """
        options, detector, rewriter = self._options, self._detector, Rewriter()

        def one(text: str, before: str) -> Suppression:
            made = suppression_of(options, detector, sources, text, before, rewriter)
            if on_suppression is not None:
                on_suppression(made)
            return made

        return SentenceRun(one, options.marks)

    def guard(
        self,
        model: ChatModel,
        *,
        knowledge_base: Any = (),
        on_suppression: Callable[[Suppression], object] | None = None,
    ) -> GuardedModel:
        """A chat model whose answers pass through this suppressor, for any agent or chat.

        The messages that it is asked with are the conversation. Answers by a schema, and calls that
        are not for speaking, pass as they are.

        Args:
            model: The model.
            knowledge_base: What its answers should follow from.
            on_suppression: Called with what was found in each sentence and done about it.

        Raises:
            InvalidInputError: An argument is of the wrong kind.
        """
        return GuardedModel(self, model, knowledge_base, on_suppression)

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample: its detector's, with the findings that count, typed.

        Args:
            samples: Responses with their contexts.
        """
        if not self._options.enabled:
            return [Verdict(p=None, abstained=OFF) for _ in samples]
        return [
            Verdict(one.p, one.findings, one.features, one.abstained, one.raw, one.ms)
            for one in judge(self._options, self._detector, samples)
        ]
