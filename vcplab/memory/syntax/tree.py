"""The parts of a query, as values. Their text parses back to an equal tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["AnyOf", "Boosted", "Excluded", "Item", "Part", "Phrase", "QueryTree", "Span", "Word"]

# Where a part stands in the source: its first character, and the one behind its last.
Span = tuple[int, int]

_SPECIAL = re.compile(r'([\\"“”「」『』＂()（）\[\]［］{}｛｝,，:：|｜]|\s)')
_QUOTED = re.compile(r'([\\"])')


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a run of text without spaces: found wherever one of its terms is.

    Attributes:
        text: The word as it was written, without escapes.
        span: Where it stands; not part of its identity.
    """

    text: str
    span: Span = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        return _SPECIAL.sub(r"\\\1", self.text)


@dataclass(frozen=True, slots=True)
class Phrase:
    """``"text in quotes"``: its terms in a row.

    Attributes:
        text: What stands between the quotes.
        span: Where it stands.
    """

    text: str
    span: Span = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        return '"' + _QUOTED.sub(r"\\\1", self.text) + '"'


Item = Word | Phrase


@dataclass(frozen=True, slots=True)
class Boosted:
    """``(words:1.5)``: words and phrases that weigh more, or less.

    Attributes:
        items: At least one.
        weight: ≥ 0; by convention up to 2, 0 switches the part off.
        span: Where it stands.
    """

    items: tuple[Item, ...]
    weight: float = 1.0
    span: Span = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        return f"({' '.join(map(str, self.items))}:{self.weight!r})"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``{a|b:1.3}``: alternatives; each that occurs counts.

    Attributes:
        options: At least one; an option of several words is several items.
        weight: ≥ 0.
        span: Where it stands.
    """

    options: tuple[tuple[Item, ...], ...]
    weight: float = 1.0
    span: Span = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        options = "|".join(" ".join(map(str, option)) for option in self.options)
        return f"{{{options}:{self.weight!r}}}"


@dataclass(frozen=True, slots=True)
class Excluded:
    """``[word]``: what has it is not found. Several words exclude each by itself.

    Attributes:
        items: At least one.
        span: Where it stands.
    """

    items: tuple[Item, ...]
    span: Span = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        return f"[{' '.join(map(str, self.items))}]"


Part = Word | Phrase | Boosted | AnyOf | Excluded


@dataclass(frozen=True, slots=True)
class QueryTree:
    """A whole query: a document is found if one part finds it and no excluded one does.

    Attributes:
        parts: In the order of the text.
        source: The text it was parsed from; not part of its identity.
    """

    parts: tuple[Part, ...]
    source: str = field(default="", compare=False)

    def __add__(self, other: QueryTree) -> QueryTree:
        """Both queries in one, as with a preset query that goes with every query."""
        return QueryTree(self.parts + other.parts, f"{self.source}, {other.source}")

    def __str__(self) -> str:
        return ", ".join(map(str, self.parts))
