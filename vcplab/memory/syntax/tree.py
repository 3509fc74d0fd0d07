"""The parts of a query, as values. Their text parses back to an equal tree."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from itertools import chain

from vcplab.core.errors import InvalidInputError

__all__ = [
    "ESCAPABLE",
    "MAX_WEIGHT",
    "AnyOf",
    "Boosted",
    "Excluded",
    "Item",
    "Part",
    "Phrase",
    "QueryTree",
    "Span",
    "Word",
]

#: What a backslash takes away the meaning of, besides white space.
ESCAPABLE = '\\()（）[]［］{}｛｝,，:：|｜"＂“”「」『』'

#: The largest weight: far beyond any use, and safe in the float32 arithmetic of the indexes.
MAX_WEIGHT = 1e6

# Where a part stands in the source: its first character, and the one behind its last.
Span = tuple[int, int]

_INSIDE = re.compile(rf"([\s{re.escape(ESCAPABLE)}])")
# Outside of brackets colons and bars are text.
_OUTSIDE = re.compile(rf"([\s{re.escape(re.sub('[:：|｜]', '', ESCAPABLE))}])")
_QUOTED = re.compile(r'([\\"＂])')


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a run of text without spaces: found wherever one of its terms is.

    Attributes:
        text: The word without escapes; at least one character.
        span: Where it stands; not part of its identity.
    """

    text: str
    span: Span = field(default=(0, 0), compare=False)

    def __post_init__(self) -> None:
        if not self.text:
            raise _empty("A word")

    def __str__(self) -> str:
        return _OUTSIDE.sub(r"\\\1", self.text)


@dataclass(frozen=True, slots=True)
class Phrase:
    """``"text in quotes"``: its terms in a row.

    Attributes:
        text: What stands between the quotes, without escapes; not blank.
        span: Where it stands.
    """

    text: str
    span: Span = field(default=(0, 0), compare=False)

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise _empty("A phrase")

    def __str__(self) -> str:
        return '"' + _QUOTED.sub(r"\\\1", self.text) + '"'


Item = Word | Phrase


@dataclass(frozen=True, slots=True)
class Boosted:
    """``(words:1.5)``: words and phrases that weigh more, or less.

    Attributes:
        items: At least one.
        weight: 0 to :data:`MAX_WEIGHT`; by convention up to 2, 0 leaves the part out.
        span: Where it stands.
    """

    items: tuple[Item, ...]
    weight: float = 1.0
    span: Span = field(default=(0, 0), compare=False)

    def __post_init__(self) -> None:
        if not self.items:
            raise _empty("A weighted part")
        object.__setattr__(self, "weight", _checked(self.weight))

    def __str__(self) -> str:
        return f"({' '.join(map(_inside, self.items))}{_weight(self.weight)})"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``{a|b:1.3}``: alternatives; each that occurs counts.

    Attributes:
        options: At least one, none empty; an option of several words is several items.
        weight: As for :class:`Boosted`.
        span: Where it stands.
    """

    options: tuple[tuple[Item, ...], ...]
    weight: float = 1.0
    span: Span = field(default=(0, 0), compare=False)

    def __post_init__(self) -> None:
        if not self.options or not all(self.options):
            raise _empty("An alternative")
        object.__setattr__(self, "weight", _checked(self.weight))

    def __str__(self) -> str:
        options = "|".join(" ".join(map(_inside, option)) for option in self.options)
        return f"{{{options}{_weight(self.weight)}}}"


@dataclass(frozen=True, slots=True)
class Excluded:
    """``[word]``: what has it is not found. Several words exclude each by itself.

    Attributes:
        items: At least one; a word of several terms, and a phrase, exclude by all terms in a row.
        span: Where it stands.
    """

    items: tuple[Item, ...]
    span: Span = field(default=(0, 0), compare=False)

    def __post_init__(self) -> None:
        if not self.items:
            raise _empty("An exclusion")

    def __str__(self) -> str:
        return f"[{' '.join(map(_inside, self.items))}]"


Part = Word | Phrase | Boosted | AnyOf | Excluded


@dataclass(frozen=True, slots=True)
class QueryTree:
    """A whole query: a document is found if one part finds it and no excluded one does.

    ``tree + preset`` is both in one, which is how a preset query goes with every query. Only the
    parts make the identity.

    Attributes:
        parts: In the order of the text.
        source: The text it was parsed from; spans count in it.
        notices: What the reader should know, such as what was taken as plain text.
        lenient: Whether problems become notices instead of errors.
    """

    parts: tuple[Part, ...]
    source: str = field(default="", compare=False)
    notices: tuple[str, ...] = field(default=(), compare=False)
    lenient: bool = field(default=False, compare=False)

    def __add__(self, other: QueryTree) -> QueryTree:
        """Both queries in one; the spans of the second move behind the first."""
        begin = len(self.source) + 1 if self.source else 0
        return QueryTree(
            self.parts + tuple(_moved(part, begin) for part in other.parts),
            f"{self.source} {other.source}" if begin else other.source,
            tuple(dict.fromkeys(self.notices + other.notices)),
            self.lenient or other.lenient,
        )

    def __str__(self) -> str:
        return " ".join(map(str, self.parts))

    def plain(self) -> str:
        """What is looked for, without marks, exclusions and parts of weight 0.

        This is what a model should read that knows nothing of the language: an embedder, a
        reranker.
        """
        return " ".join(item.text for part in self.parts for item in _wanted(part))


def _wanted(part: Part) -> tuple[Item, ...]:
    if isinstance(part, Word | Phrase):
        return (part,)
    if isinstance(part, Excluded) or part.weight == 0:
        return ()
    return part.items if isinstance(part, Boosted) else tuple(chain.from_iterable(part.options))


def _moved(part: Part, by: int) -> Part:
    span = (part.span[0] + by, part.span[1] + by)
    if isinstance(part, AnyOf):
        options = tuple(_moved_items(option, by) for option in part.options)
        return dataclasses.replace(part, options=options, span=span)
    if isinstance(part, Boosted | Excluded):
        return dataclasses.replace(part, items=_moved_items(part.items, by), span=span)
    return dataclasses.replace(part, span=span)


def _moved_items(items: tuple[Item, ...], by: int) -> tuple[Item, ...]:
    return tuple(
        dataclasses.replace(item, span=(item.span[0] + by, item.span[1] + by)) for item in items
    )


def _inside(item: Item) -> str:
    """The text of an item between brackets, where colons and bars mean something."""
    return _INSIDE.sub(r"\\\1", item.text) if isinstance(item, Word) else str(item)


def _weight(weight: float) -> str:
    return "" if weight == 1 else f":{weight!r}".removesuffix(".0")


def _checked(weight: float) -> float:
    if not 0 <= weight <= MAX_WEIGHT:
        raise InvalidInputError(
            f"{weight!r} is no weight.",
            where="weight",
            next_step=f"Give a number from 0 to {MAX_WEIGHT:g}; 0 to 2 is usual.",
        )
    return float(weight) + 0.0  # no negative zero


def _empty(what: str) -> InvalidInputError:
    return InvalidInputError(
        f"{what} of a query cannot be empty.", where="query", next_step="Leave it out."
    )
