"""Where a query matches a text: exact fragments, best windows, and escaped HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from vcplab.core.errors import InvalidInputError
from vcplab.text.analysis import Analyzer, Token, default_analyzer

__all__ = ["Fragment", "highlight", "highlight_html"]


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a text that matches a query, or lies between matches.

    Attributes:
        text: The characters, ``original[start:end]``.
        start: Offset of its first character.
        end: Offset after its last character.
        hit: Whether it matches.
    """

    text: str
    start: int
    end: int
    hit: bool


def highlight(
    text: str,
    query: str | Iterable[str],
    analyzer: Analyzer | None = None,
    *,
    window: int | None = None,
) -> list[Fragment]:
    """Cut a text into matching and other stretches.

    What matches is decided by the terms that the index stores, so stems, full-width letters and
    Chinese bigrams are marked exactly where they stand in the original text.  Overlapping and
    touching matches are one fragment.

    Args:
        text: The text.
        query: A query, or terms as ``analyzer.analyze_query`` gives them.
        analyzer: The index's analyser; the default one if None.
        window: At most so many characters, placed where most distinct terms stand (then most
            matches, then earliest); None for the whole text.

    Returns:
        Ordered fragments without gaps that cover the text, or the window.

    Raises:
        InvalidInputError: ``window`` is not positive.
    """
    if window is not None and window < 1:
        raise InvalidInputError(
            f"A window of {window} characters shows nothing.",
            where="window",
            next_step="Use a positive number, or None for the whole text.",
        )
    analyzer = analyzer or default_analyzer()
    terms = frozenset(analyzer.analyze_query(query) if isinstance(query, str) else query)
    hits = [token for token in analyzer.spans(text) if token.term in terms] if terms else []
    hits.sort(key=lambda token: (token.start, token.end))
    low, high = (0, len(text)) if window is None else _best_window(text, hits, window)
    fragments: list[Fragment] = []
    at = low
    for start, end in _merged(hits, low, high):
        if at < start:
            fragments.append(Fragment(text[at:start], at, start, False))
        fragments.append(Fragment(text[start:end], start, end, True))
        at = end
    if at < high:
        fragments.append(Fragment(text[at:high], at, high, False))
    return fragments


def highlight_html(
    text: str,
    query: str | Iterable[str],
    analyzer: Analyzer | None = None,
    *,
    window: int | None = None,
) -> str:
    """:func:`highlight` as HTML: escaped, matches in ``<mark>``, ``…`` where the window cuts.

    Args:
        text: The text; nothing in it is taken as markup.
        query: A query, or terms as ``analyzer.analyze_query`` gives them.
        analyzer: The index's analyser; the default one if None.
        window: At most so many characters of the text; None for all.

    Returns:
        HTML for the inside of an element.
    """
    fragments = highlight(text, query, analyzer, window=window)
    parts = [
        f"<mark>{escape(fragment.text)}</mark>" if fragment.hit else escape(fragment.text)
        for fragment in fragments
    ]
    if fragments and fragments[0].start > 0:
        parts.insert(0, "…")
    if fragments and fragments[-1].end < len(text):
        parts.append("…")
    return "".join(parts)


def _merged(hits: Sequence[Token], low: int, high: int) -> list[tuple[int, int]]:
    """Matches inside the window; overlapping and touching ones joined."""
    merged: list[tuple[int, int]] = []
    for token in hits:
        start, end = max(token.start, low), min(token.end, high)
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _best_window(text: str, hits: Sequence[Token], window: int) -> tuple[int, int]:
    """The window with most distinct terms, its matches in the middle, edges between words."""
    if len(text) <= window:
        return 0, len(text)
    first = last = 0
    best = (0, 0)
    counts: dict[str, int] = {}
    left = 0
    for right, token in enumerate(hits):
        counts[token.term] = counts.get(token.term, 0) + 1
        while left < right and token.end - hits[left].start > window:
            term = hits[left].term
            counts[term] -= 1
            if not counts[term]:
                del counts[term]
            left += 1
        score = (len(counts), right - left + 1)
        if score > best:
            best, first, last = score, hits[left].start, min(token.end, hits[left].start + window)
    spare = window - (last - first)
    low = max(0, min(first - spare // 2, len(text) - window))
    high = low + window
    return _to_word(text, low, first, 1), _to_word(text, high, max(last, low + 1), -1)


def _to_word(text: str, edge: int, limit: int, step: int) -> int:
    """Move an edge that cuts a Latin word inwards to the next space, within reason."""
    at = edge
    for _ in range(24):
        if not 0 < at < len(text) or text[at - 1].isspace() or text[at].isspace():
            return at
        if not (text[at - 1].isascii() and text[at].isascii()) or at == limit:
            return at
        at += step
    return edge
