"""The four strategies; each gives the ranges of a text that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vcplab.prompt.purifier.offsets import Edit
from vcplab.prompt.purifier.protect import Protected
from vcplab.prompt.purifier.truncating.budget import Budget
from vcplab.prompt.purifier.truncating.cuts import Cuts
from vcplab.prompt.purifier.truncating.smart import smart_ranges
from vcplab.protocol.ports import Retriever

if TYPE_CHECKING:
    from vcplab.prompt.purifier.options import TruncateStrategy

__all__ = ["OMITTED", "kept_ranges", "truncate_edits"]

#: What stands between two pieces that are kept, where something was left out.
OMITTED: Final = "…"


def truncate_edits(
    text: str,
    protected: Sequence[Protected],
    budget: Budget,
    strategy: TruncateStrategy,
    *,
    query: str | None = None,
    retriever: Retriever | None = None,
) -> list[Edit]:
    """Leave out as much as the budget asks for; nothing protected is split.

    A protected piece that is larger than the budget is left out as a whole. Where a strategy
    would then keep nothing at all, ``"smart"`` is used.

    Args:
        text: The text.
        protected: What is never split.
        budget: The limits, which hold for the result including the marks of omission.
        strategy: What is kept.
        query: What ``"smart"`` keeps first.
        retriever: Where it looks that up.

    Returns:
        The edits, none if the text fits.
    """
    if budget.fits(text):
        return []
    ranges = kept_ranges(text, protected, budget, strategy, query=query, retriever=retriever)
    if not ranges and strategy != "smart":
        ranges = kept_ranges(text, protected, budget, "smart")
    while ranges and not budget.fits(_joined(text, ranges)):
        # Parts may count more tokens than they had inside the whole, or the marks too many.
        ranges = _shorter(text, protected, ranges)
    return _edits(text, ranges)


def kept_ranges(
    text: str,
    protected: Sequence[Protected],
    budget: Budget,
    strategy: TruncateStrategy,
    *,
    query: str | None = None,
    retriever: Retriever | None = None,
) -> list[tuple[int, int]]:
    """The ranges that a strategy keeps, in order, without spaces at their edges."""
    cuts = Cuts(text, protected)
    if strategy == "head":
        return _trimmed(text, [(0, cuts.end_of_head(budget))])
    if strategy == "tail":
        return _trimmed(text, [(cuts.start_of_tail(budget), len(text))])
    if strategy == "middle":
        room = budget.less(f"\n{OMITTED}\n")
        end = cuts.end_of_head(room.part(0.5))
        start = cuts.start_of_tail(room.less(text[:end]), end)
        return _trimmed(text, [(0, end), (start, len(text))])
    room = budget.less(f"\n{OMITTED}\n")
    return _trimmed(text, smart_ranges(text, protected, room, query, retriever))


def _trimmed(text: str, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    trimmed: list[tuple[int, int]] = []
    for start, end in ranges:
        piece = text[start:end]
        # Spaces before a line's first word are its indentation and stay.
        start += len(piece) - len(piece.lstrip("\r\n")) if start else 0
        end = start + len(text[start:end].rstrip())
        if start >= end:
            continue
        if trimmed and not text[trimmed[-1][1] : start].strip():
            trimmed[-1] = trimmed[-1][0], end
        else:
            trimmed.append((start, end))
    return trimmed


def _shorter(
    text: str, protected: Sequence[Protected], ranges: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The ranges without a few characters of the longest one, or without the shortest range."""
    longest = max(range(len(ranges)), key=lambda place: ranges[place][1] - ranges[place][0])
    start, end = ranges[longest]
    shorter = Cuts(text, protected).whole(max(start, end - max(1, (end - start) // 50)), "head")
    if shorter <= start:
        return ranges[:longest] + ranges[longest + 1 :]
    return _trimmed(text, [*ranges[:longest], (start, shorter), *ranges[longest + 1 :]])


def _edits(text: str, ranges: list[tuple[int, int]]) -> list[Edit]:
    edits: list[Edit] = []
    at = 0
    for start, end in ranges:
        if at < start:
            edits.append(Edit(at, start, _mark(text[at:start]) if at else ""))
        at = end
    if at < len(text):
        edits.append(Edit(at, len(text), ""))
    return edits


def _joined(text: str, ranges: list[tuple[int, int]]) -> str:
    at = 0
    parts: list[str] = []
    for edit in _edits(text, ranges):
        parts += (text[at : edit.start], edit.text)
        at = edit.end
    return "".join([*parts, text[at:]])


def _mark(gap: str) -> str:
    return f"\n{OMITTED}\n" if any(end in gap for end in "\n\r") else f" {OMITTED} "
