"""Texts cut at the ends of spans, so that a browser can mark them without counting characters.

Offsets of samples count code points, a browser's count UTF-16 units, and what is shown may differ
from what was judged by characters that must not reach a page. So texts are cut here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from vcplab.core.display.cells import showable

__all__ = ["diff_pieces", "marked_pieces"]

_SHOWN = 20_000


def marked_pieces(
    text: str,
    spans: Iterable[tuple[int, int, str, object]],
    limit: int = _SHOWN,
) -> list[dict[str, Any]]:
    """The text in pieces, each with the marks that lie on it.

    Args:
        text: Any text.
        spans: (start, end, kind, mark); those that lie outside the text are left out.
        limit: Characters that are shown; a last piece says how many are not.

    Returns:
        Pieces in order: ``text``, and per kind the marks, each once.
    """
    shown = text[:limit]
    kept = [
        (max(0, start), min(end, len(shown)), kind, mark)
        for start, end, kind, mark in spans
        if 0 <= start < end <= len(text) and start < len(shown)
    ]
    edges = sorted({0, len(shown), *(s[0] for s in kept), *(s[1] for s in kept)})
    pieces: list[dict[str, Any]] = []
    for start, end in pairwise(edges):
        piece: dict[str, Any] = {"text": showable(shown[start:end])}
        for first, last, kind, mark in kept:
            if first <= start and end <= last:
                marks = piece.setdefault(kind, [])
                if mark not in marks:
                    marks.append(mark)
        pieces.append(piece)
    if len(text) > limit:
        pieces.append({"text": f"… ({len(text):,} characters in all)", "cut": True})
    return pieces


def diff_pieces(
    before: str, after: str, patches: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One text that shows what was taken out and what was put in.

    Args:
        before: The text as it was.
        after: The text as it became.
        patches: ``start`` and ``end`` in the text as it was, ``old`` and ``new``.

    Returns:
        Pieces in order: ``text``, ``op`` ("same", "out" or "in") and, where it is a change, ``n``,
        the place of its patch. Where the patches do not lead from one text to the other, both
        texts whole.
    """
    pieces: list[dict[str, Any]] = []
    at, made = 0, []
    for n, patch in enumerate(patches):
        start, end, old, new = (patch[key] for key in ("start", "end", "old", "new"))
        if start < at or before[start:end] != old:
            break
        pieces.append({"text": before[at:start], "op": "same"})
        made += [before[at:start], new]
        pieces += [{"text": old, "op": "out", "n": n}, {"text": new, "op": "in", "n": n}]
        at = end
    pieces.append({"text": before[at:], "op": "same"})
    if "".join([*made, before[at:]]) != after:
        pieces = [{"text": before, "op": "out"}, {"text": after, "op": "in"}]
    return [{**piece, "text": showable(piece["text"])} for piece in pieces if piece["text"]]
