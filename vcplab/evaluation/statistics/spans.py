"""Spans against gold spans, counted in characters (code points).

Overlapping spans of one side count once. Micro scores sum characters over responses. Never
read the mean IoU alone: predicting nothing wins it where most responses are clean
(facts/hallucination §4).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

from vcplab.core.errors import InvalidInputError

__all__ = ["Span", "SpanCounts", "SpanScores", "char_scores", "iou", "span_counts"]

#: Start, end, and a type (None for none).
Span: TypeAlias = tuple[int, int, Hashable]


@dataclass(frozen=True, slots=True)
class SpanCounts:
    """Characters of one response, or of several added up.

    Attributes:
        predicted: Characters that some span covers.
        gold: Characters that some gold span covers.
        both: Characters that both cover.
        typed_predicted: The same, each type counted by itself; untyped spans are a type too.
        typed_gold: The same of gold spans.
        typed_both: Characters that both cover with the same type; untyped never agrees.
    """

    predicted: int = 0
    gold: int = 0
    both: int = 0
    typed_predicted: int = 0
    typed_gold: int = 0
    typed_both: int = 0

    def __add__(self, other: SpanCounts) -> SpanCounts:
        return SpanCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Micro scores in characters.

    Attributes:
        precision: Share of predicted characters that are gold; nan if nothing was predicted.
        recall: Share of gold characters that were predicted; nan if nothing is gold.
        f1: Their harmonic mean; nan if neither side has a character.
        type_f1: The same where type and place must agree.
        iou: Mean over responses of overlap over union; 1 where both sides are empty.
        counts: What was added up.
        n: Number of responses.
    """

    precision: float
    recall: float
    f1: float
    type_f1: float
    iou: float
    counts: SpanCounts
    n: int


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged


def _size(spans: Sequence[tuple[int, int]]) -> int:
    return sum(end - start for start, end in spans)


def _overlap(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> int:
    total = i = j = 0
    while i < len(a) and j < len(b):
        total += max(0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] <= b[j][1]:
            i += 1
        else:
            j += 1
    return total


def _by_type(
    spans: Iterable[Sequence[Hashable]],
) -> dict[Hashable, list[tuple[int, int]]]:
    found: dict[Hashable, list[tuple[int, int]]] = defaultdict(list)
    for span in spans:
        start, end = span[0], span[1]
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end:
            raise InvalidInputError(
                f"{span!r} is no span.",
                where="spans",
                next_step="Give (start, end) or (start, end, type), with 0 <= start <= end.",
            )
        found[span[2] if len(span) > 2 else None].append((start, end))
    return {kind: _merged(several) for kind, several in found.items()}


def span_counts(
    predicted: Iterable[Sequence[Hashable]], gold: Iterable[Sequence[Hashable]]
) -> SpanCounts:
    """Count the characters of one response.

    Args:
        predicted: Spans, each (start, end) or (start, end, type).
        gold: The gold spans, likewise.

    Raises:
        InvalidInputError: Something is no span.
    """
    ours, theirs = _by_type(predicted), _by_type(gold)
    all_ours = _merged(span for spans in ours.values() for span in spans)
    all_theirs = _merged(span for spans in theirs.values() for span in spans)
    return SpanCounts(
        _size(all_ours),
        _size(all_theirs),
        _overlap(all_ours, all_theirs),
        sum(map(_size, ours.values())),
        sum(map(_size, theirs.values())),
        sum(
            _overlap(ours[kind], theirs[kind])
            for kind in ours
            if kind is not None and kind in theirs
        ),
    )


def iou(counts: SpanCounts) -> float:
    """Overlap over union of one response's characters; 1 where both sides are empty.

    Args:
        counts: Of :func:`span_counts`.
    """
    union = counts.predicted + counts.gold - counts.both
    return counts.both / union if union else 1.0


def char_scores(responses: Iterable[SpanCounts]) -> SpanScores:
    """Micro precision, recall and F1 over responses.

    Args:
        responses: The counts of each.
    """
    several = list(responses)
    total = SpanCounts(*(sum(getattr(c, f.name) for c in several) for f in fields(SpanCounts)))
    return SpanScores(
        precision=_ratio(total.both, total.predicted),
        recall=_ratio(total.both, total.gold),
        f1=_ratio(2 * total.both, total.predicted + total.gold),
        type_f1=_ratio(2 * total.typed_both, total.typed_predicted + total.typed_gold),
        iou=sum(map(iou, several)) / len(several) if several else math.nan,
        counts=total,
        n=len(several),
    )


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan
