"""Where the sources speak of what a claim says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.claims.clauses import Claim
from vcplab.grounding.claims.windows import (
    IndexCache,
    SourceIndex,
    sentence_scores,
    weights,
    window_score,
)
from vcplab.protocol.grounding import Evidence
from vcplab.protocol.ports import Retriever
from vcplab.text.analysis import Analyzer, default_analyzer

__all__ = ["HISTORY", "KNOWLEDGE", "EvidenceFinder"]

#: ``Evidence.source`` of what was said before, and of a knowledge base.
HISTORY: Final = -1
KNOWLEDGE: Final = -2

# The rest of a claim's sentence names its subject, but is not what is asked about.
_CONTEXT_WEIGHT: Final = 0.3


class EvidenceFinder:
    """Finds the sentences of long contexts, histories and knowledge bases that a claim is about.

    Sources are cut into sentences and indexed once; the index is kept for the next claim and the
    next response about the same source.  Windows of one to ``width`` sentences are ranked by BM25
    over the claim's terms (zh, en; `vcplab.text.analysis`), the rest of its sentence counting for
    less; longer ones are tried around the best sentences.  Of windows that overlap only the best
    is returned.  A history and a knowledge base are held in the same cache.

    Args:
        k: How many pieces of evidence a claim gets at most, from 1.
        width: Most sentences of a window, from 1.
        analyzer: How texts become terms; the default analyser if None.
        cached: How many sources are kept indexed.

    Raises:
        InvalidInputError: A number is below 1.
    """

    def __init__(
        self,
        *,
        k: int = 3,
        width: int = 2,
        analyzer: Analyzer | None = None,
        cached: int = 256,
    ) -> None:
        for name, value in (("k", k), ("width", width), ("cached", cached)):
            if value < 1:
                raise InvalidInputError(
                    f"{name} is {value}.", where=name, next_step="Pass a whole number from 1."
                )
        self.k = k
        self.width = width
        self.analyzer = analyzer or default_analyzer()
        self._indices = IndexCache(self.analyzer, size=cached)

    @property
    def fingerprint(self) -> str:
        """Changes whenever some evidence would change."""
        return f"evidence-1:{self.k}:{self.width}:{self.analyzer.fingerprint}"

    def index(self, source: str) -> SourceIndex:
        """The sentences and terms of a source, from the cache if they are there."""
        return self._indices[source]

    def find(
        self,
        claim: Claim | str,
        context: Sequence[str] = (),
        *,
        history: Sequence[str] = (),
        retriever: Retriever | None = None,
        k: int | None = None,
    ) -> list[Evidence]:
        """The evidence for or against a claim, best first.

        Args:
            claim: A claim of a response, or any text.
            context: The texts it should follow from; ``Evidence.source`` counts them.
            history: What was said before, oldest first; source -1, ``docno`` the message's
                place from 0.
            retriever: A knowledge base; source -2, offsets count in the passage's text.
            k: How many pieces at most; the finder's own number if None.

        Returns:
            The pieces, none of which overlap; empty where no source shares a word with the claim.
        """
        wanted = self.k if k is None else k
        query, beside = _texts(claim)
        sources = [(number, None, text) for number, text in enumerate(context)]
        said = [(HISTORY, str(number), text) for number, text in enumerate(history)]
        passages: list[tuple[int, str | None, str]] = []
        if retriever is not None:
            question = claim.sentence.text if isinstance(claim, Claim) else claim
            passages = [
                (KNOWLEDGE, passage.docno, passage.text)
                for passage in retriever.search(question, max(wanted, 5))
            ]
        everything: list[tuple[int, str | None, str]] = [*sources, *said, *passages]
        indices = [self._indices[text] for _, _, text in everything]
        weight = weights(self.analyzer.analyze_query(query), indices)
        if beside:
            extra = weights(self.analyzer.analyze_query(beside), indices)
            for term, value in extra.items():
                weight.setdefault(term, _CONTEXT_WEIGHT * value)
        found: list[Evidence] = []
        used: dict[int, list[tuple[int, int]]] = {}
        for negative, place, first, last in self._ranked(indices, weight, wanted):
            if any(first < end and start < last for start, end in used.get(place, ())):
                continue
            used.setdefault(place, []).append((first, last))
            source, docno, text = everything[place]
            start, end = indices[place].span(first, last)
            found.append(Evidence(text[start:end], source, start, end, -negative, docno))
            if len(found) == wanted:
                break
        return found

    def _ranked(
        self, indices: Sequence[SourceIndex], weight: Mapping[str, float], wanted: int
    ) -> list[tuple[float, int, int, int]]:
        """Windows, best first: the best sentences, alone and with their neighbours."""
        alone = sorted(
            (-score, place, number)
            for place, index in enumerate(indices)
            for number, score in sentence_scores(index, weight).items()
        )
        ranked = [(negative, place, number, number + 1) for negative, place, number in alone]
        seen: set[tuple[int, int, int]] = set()
        for _, place, number in alone[: 4 * wanted]:
            index = indices[place]
            for size in range(2, self.width + 1):
                for first in range(max(0, number - size + 1), number + 1):
                    last = first + size
                    if last > len(index.sentences) or (place, first, last) in seen:
                        continue
                    seen.add((place, first, last))
                    ranked.append((-window_score(index, weight, first, last), place, first, last))
        ranked.sort()
        return ranked

    def find_all(
        self,
        claims: Sequence[Claim | str],
        context: Sequence[str] = (),
        *,
        history: Sequence[str] = (),
        retriever: Retriever | None = None,
        k: int | None = None,
    ) -> list[list[Evidence]]:
        """The evidence of each claim, in order; see :meth:`find`."""
        return [
            self.find(claim, context, history=history, retriever=retriever, k=k) for claim in claims
        ]


def _texts(claim: Claim | str) -> tuple[str, str]:
    """What a claim says, and the rest of its sentence."""
    if isinstance(claim, str):
        return claim, ""
    sentence = claim.sentence
    low, high = claim.start - sentence.start, claim.end - sentence.start
    return claim.text, f"{sentence.text[:low]} {sentence.text[high:]}".strip()
