"""Quotation marks in one shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from vcplab.prompt.purifier.offsets import Edit
from vcplab.prompt.purifier.protect import Protected, free_ranges

__all__ = ["STRAIGHT", "quote_edits"]

#: What becomes straight. Marks that are a language's own (「」, 『』, «», 《》) and primes, which
#: are units, stay; so do ，。：；, which end Chinese clauses and are no quotation marks at all.
STRAIGHT: Final = {
    **dict.fromkeys("“”„‟〝〞〟＂", '"'),
    **dict.fromkeys("‘’‚‛＇", "'"),
}
_RUN: Final = re.compile(f"[{''.join(STRAIGHT)}]+")


def quote_edits(text: str, protected: Sequence[Protected]) -> list[Edit]:
    """Straight marks for curly and full-width ones, character by character."""
    return [
        Edit(at, at + 1, STRAIGHT[text[at]])
        for first, last in free_ranges(text, protected)
        for match in _RUN.finditer(text, first, last)
        for at in range(*match.span())
    ]
