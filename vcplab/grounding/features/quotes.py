"""Quotations of a response that its source does not have."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from vcplab.grounding.features.family import Family
from vcplab.grounding.features.held import Held, once

__all__ = ["QUOTES", "Quote", "find_quotes"]

_QUOTED: Final = re.compile(
    r"“(?P<a>[^“”\n]{2,400})”|\"(?P<b>[^\"\n]{2,400})\"|「(?P<c>[^「」\n]{2,400})」|"
    r"『(?P<d>[^『』\n]{2,400})』|《(?P<e>[^《》\n]{1,100})》|(?<!\w)['‘](?P<f>[^'’‘\n]{3,200})['’](?!\w)"
)
_SPACE: Final = re.compile(r"[\s\W]+")


@dataclass(frozen=True, slots=True)
class Quote:
    """A quotation or title in a response.

    Attributes:
        start: Offset of its first character, inside the marks.
        end: Offset after its last.
        text: The characters.
        found: Whether the source has it, case, space and punctuation aside.
    """

    start: int
    end: int
    text: str
    found: bool


@once
def find_quotes(held: Held) -> list[Quote]:
    """The quotations and titles of a response."""
    found: list[Quote] = []
    plain: str | None = None
    for match in _QUOTED.finditer(held.response):
        group = match.lastgroup
        assert group is not None
        if plain is None:
            plain = _SPACE.sub(" ", held.source.lower)
        words = _SPACE.sub(" ", match[group].lower()).strip()
        found.append(Quote(match.start(group), match.end(group), match[group], words in plain))
    return found


def _measure(held: Held) -> tuple[float, ...]:
    found = find_quotes(held)
    return (
        float(bool(found)),
        math.log1p(sum(not quote.found for quote in found)),
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = [(0.0, 0.0)] * len(held.tokens)
    for quote in find_quotes(held):
        for at in held.tokens_in(quote.start, quote.end):
            rows[at] = (1.0, float(not quote.found))
    return rows


QUOTES = Family(
    "quotes", ("has_quotes", "quotes_absent"), _measure, ("is_quoted", "quote_absent"), _tokens
)
"""Quotations that are not in the source."""
