"""A response held against its source, token by token and sentence by sentence."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, wraps
from itertools import pairwise
from typing import Any, TypeVar

from vcplab.grounding.claims import claims_of
from vcplab.grounding.features.source import Source
from vcplab.grounding.features.terms import Token, tokenise
from vcplab.text.negation import Cue, find_cues
from vcplab.text.quantities import Quantity, find_quantities, same_quantity
from vcplab.text.sentences import Span, sentences
from vcplab.text.time_expressions import TimeSpan, find_times, supports_time

__all__ = ["Alignment", "Held", "once"]

_T = TypeVar("_T")

_FAR = 25
_FEWEST_SHARED = 4


@dataclass(frozen=True, slots=True)
class Alignment:
    """The part of a source that says most of what a piece of a response says.

    Attributes:
        start: Offset of the piece's first character in the response.
        end: Offset after its last.
        first: Index of the piece's first token.
        last: Index after its last token.
        sentences: Indices of the first source sentence and after the last; equal if none fits.
        coverage: Share of the piece's content that the window holds, weighted by rarity.
        single: The same of the best single sentence.
        second: The same of the best single sentence elsewhere.
        overall: The same of the whole source.
        keys: The keys of the window.
    """

    start: int
    end: int
    first: int
    last: int
    sentences: tuple[int, int]
    coverage: float
    single: float
    second: float
    overall: float
    keys: frozenset[str]


@dataclass(eq=False)
class Held:
    """What all families of features look at.

    Attributes:
        response: The text that is judged.
        source: The index of what it should follow from.
        tokens: The tokens of the response.
        known: What functions marked `once` found.
    """

    response: str
    source: Source
    tokens: list[Token] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.tokens = tokenise(self.response)

    @cached_property
    def spans(self) -> list[Span]:
        """The sentences of the response."""
        return sentences(self.response)

    @cached_property
    def pieces(self) -> list[tuple[int, int]]:
        """The claims of the response; of sentences that make none, the sentences."""
        found: list[tuple[int, int]] = []
        for span in self.spans:
            claims = claims_of(span)
            found += [(claim.start, claim.end) for claim in claims] or [(span.start, span.end)]
        return found

    @cached_property
    def support(self) -> list[float]:
        """For each token 1 if the source has it, less if it has only a kindred word, else 0.

        Numbers and times that the source has in other words (twelve percent, 12%) count as had.
        """
        found = [self._support(token) for token in self.tokens]
        for start, end in self._said_otherwise:
            for at in self.tokens_in(start, end):
                found[at] = 1.0
        return found

    @cached_property
    def _said_otherwise(self) -> list[tuple[int, int]]:
        quantities, times = self.source.quantities, self.source.times
        return [
            (one.start, one.end)
            for one in self.quantities
            if any(same_quantity(other, one) for _, other in quantities)
        ] + [
            (one.start, one.end)
            for one in self.times
            if any(supports_time(other, one) for _, other in times)
        ]

    def _support(self, token: Token) -> float:
        source = self.source
        if token.key in source.positions:
            return 1.0
        if token.kind == "cjk":
            if len(token.key) > 1 and token.key in source.lower:
                return 1.0
            if len(token.key) > 2:
                pairs = [token.key[at : at + 2] for at in range(len(token.key) - 1)]
                return 0.8 * sum(pair in source.lower for pair in pairs) / len(pairs)
            return 0.0
        if token.kind == "number":
            return 0.0
        best = 0.0
        key = token.key
        for other in source.prefixes.get(key[:_FEWEST_SHARED], ()):
            shared = _shared_prefix(key, other)
            best = max(best, shared / max(len(key), len(other)))
        return 0.9 * best if best >= 0.6 else 0.0

    @cached_property
    def weights(self) -> list[float]:
        """How much each token tells; 0 for function words."""
        weight = self.source.weight
        return [weight(token.key) if token.content else 0.0 for token in self.tokens]

    @cached_property
    def sentence_alignments(self) -> list[Alignment]:
        """The alignment of each sentence."""
        return [self._align(span.start, span.end) for span in self.spans]

    @cached_property
    def piece_alignments(self) -> list[Alignment]:
        """The alignment of each claim."""
        return [self._align(start, end) for start, end in self.pieces]

    def _align(self, start: int, end: int) -> Alignment:
        starts = self._starts
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        bits: dict[str, int] = {}
        weights: list[float] = []
        for token, weight in zip(self.tokens[first:last], self.weights[first:last], strict=True):
            if token.content and token.key not in bits:
                bits[token.key] = len(weights)
                weights.append(weight)
        total = sum(weights)
        source = self.source
        masks: dict[int, int] = {}
        everywhere = 0
        for key, bit in bits.items():
            for sentence in source.postings.get(key, ()):
                masks[sentence] = masks.get(sentence, 0) | (1 << bit)
                everywhere |= 1 << bit
        if not total or not masks:
            return Alignment(start, end, first, last, (0, 0), 0.0, 0.0, 0.0, 0.0, frozenset())
        known: dict[int, float] = {}

        def worth(mask: int) -> float:
            value = known.get(mask)
            if value is None:
                value = known[mask] = sum(
                    weight for bit, weight in enumerate(weights) if mask >> bit & 1
                )
            return value

        singles = sorted(((worth(mask), -place) for place, mask in masks.items()), reverse=True)
        single = singles[0][0]
        # Two neighbours count a little less than one sentence that says as much.
        best, window = single, (-singles[0][1], -singles[0][1] + 1)
        top = 0.9 * single
        for place, mask in masks.items():
            following = masks.get(place + 1)
            if following is None or place + 1 >= len(source.sentences):
                continue
            value = worth(mask | following)
            if 0.9 * value > top and value > best:
                best, window, top = value, (place, place + 2), 0.9 * value
        second = next(
            (value for value, place in singles if not window[0] <= -place < window[1]), 0.0
        )
        low, high = source.sentences[window[0]].first, source.sentences[window[1] - 1].last
        keys = frozenset(token.key for token in source.tokens[low:high])
        return Alignment(
            start, end, first, last, window,
            best / total, single / total, second / total, worth(everywhere) / total, keys,
        )  # fmt: skip

    @cached_property
    def aligned(self) -> list[bool]:
        """Whether each token occurs in the window that its claim is aligned with."""
        found = [False] * len(self.tokens)
        for alignment in self.piece_alignments:
            for at in range(alignment.first, alignment.last):
                found[at] = self.tokens[at].key in alignment.keys
        return found

    @cached_property
    def aligned_sentence(self) -> list[bool]:
        """Whether each token occurs in the window that its sentence is aligned with."""
        found = [False] * len(self.tokens)
        for alignment in self.sentence_alignments:
            for at in range(alignment.first, alignment.last):
                found[at] = self.tokens[at].key in alignment.keys
        return found

    @cached_property
    def near(self) -> list[tuple[float, float]]:
        """How near each token stands in the source to the content tokens before and after it.

        1 where they are neighbours, 0 where they never stand within 25 tokens.
        """
        content = [at for at, token in enumerate(self.tokens) if token.content]
        found = [(0.0, 0.0)] * len(self.tokens)
        place = {at: order for order, at in enumerate(content)}
        links = [
            self._nearness(self.tokens[a].key, self.tokens[b].key) for a, b in pairwise(content)
        ]
        at_or_before = -1
        for at in range(len(self.tokens)):
            if at in place:
                order = place[at]
                found[at] = (
                    links[order - 1] if order else 0.5,
                    links[order] if order < len(links) else 0.5,
                )
                at_or_before = order
            elif 0 <= at_or_before < len(links):
                found[at] = (links[at_or_before], links[at_or_before])
        return found

    def _nearness(self, a: str, b: str) -> float:
        positions = self.source.positions
        left, right = positions.get(a), positions.get(b)
        if not left or not right:
            return 0.0
        if len(left) > len(right):
            left, right = right, left
        best = _FAR
        for at in left:
            where = bisect_left(right, at)
            if where < len(right):
                gap = right[where] - at
                if 0 < gap < best:
                    best = gap
            if where and at - right[where - 1] < best:
                best = at - right[where - 1]
        return 1.0 - (best - 1) / (_FAR - 1)

    @cached_property
    def times(self) -> list[TimeSpan]:
        """The times of the response."""
        return find_times(self.response)

    @cached_property
    def quantities(self) -> list[Quantity]:
        """The quantities of the response."""
        return find_quantities(self.response, times=self.times)

    @cached_property
    def cues(self) -> list[Cue]:
        """The negations and modal words of the response."""
        return find_cues(self.response)

    @cached_property
    def _starts(self) -> list[int]:
        return [token.start for token in self.tokens]

    def tokens_in(self, start: int, end: int) -> range:
        """Indices of the tokens that begin in a span of the response."""
        return range(bisect_left(self._starts, start), bisect_left(self._starts, end))


def _shared_prefix(a: str, b: str) -> int:
    count = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        count += 1
    return count


def once(function: Callable[[Held], _T]) -> Callable[[Held], _T]:
    """Keeps what a function finds with the response, for the families that share it."""
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def found(held: Held) -> _T:
        if name not in held.known:
            held.known[name] = function(held)
        value: _T = held.known[name]
        return value

    return found
