"""Names of a response that its source does not have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vcplab.grounding.features.family import Family, share
from vcplab.grounding.features.held import Held, once
from vcplab.grounding.features.terms import word_set
from vcplab.text.words import tagged_words

__all__ = ["ENTITIES", "Entity", "find_entities"]

_JOINING = word_set("of the de la von van der and du del di")
_NAME_TAGS = frozenset(("nr", "ns", "nt", "nz", "nrt", "nrfg"))


@dataclass(frozen=True, slots=True)
class Entity:
    """A name in a response.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        text: The characters.
        support: Share of its words that the source has.
        named: Whether the source has it as a whole, in any case of letters.
        together: Whether its words stand near each other there.
    """

    start: int
    end: int
    text: str
    support: float
    named: bool
    together: bool


@once
def find_entities(held: Held) -> list[Entity]:
    """Capitalised words that do not merely begin a sentence, acronyms, and Chinese names."""
    runs: list[tuple[int, int]] = []
    firsts = {alignment.start for alignment in held.sentence_alignments}
    tokens = held.tokens
    at = 0
    while at < len(tokens):
        if not _is_name(held, at, firsts):
            at += 1
            continue
        last = at
        look = at + 1
        while look < len(tokens) and look - last <= 2:
            gap = held.response[tokens[last].end : tokens[look].start]
            if any(mark in gap for mark in ',.;:!?()"\n') and gap.strip() != ".":
                break
            if _is_name(held, look, firsts):
                last = look
            elif tokens[look].lower not in _JOINING:
                break
            look += 1
        runs.append((at, last + 1))
        at = last + 1
    found = [_entity(held, first, last) for first, last in runs]
    if any(token.kind == "cjk" for token in tokens):
        found += [
            Entity(word.start, word.end, word.text, 1.0 if known else 0.0, known, known)
            for word in tagged_words(held.response)
            if word.tag in _NAME_TAGS and len(word.text) > 1
            for known in (word.text in held.source.lower,)
        ]
        found.sort(key=lambda entity: entity.start)
    return found


def _is_name(held: Held, at: int, firsts: set[int]) -> bool:
    token = held.tokens[at]
    if not token.capital or token.kind != "word" or not token.content:
        return False
    if token.start not in firsts:
        return True
    text = held.response[token.start : token.end]
    if len(text) > 1 and text.isupper():
        return True
    following = held.tokens[at + 1] if at + 1 < len(held.tokens) else None
    # The first word of a sentence: a name if the source has it as one, or a name follows.
    return token.key in held.source.names or (
        following is not None and following.capital and following.content
    )


def _entity(held: Held, first: int, last: int) -> Entity:
    own = [at for at in range(first, last) if held.tokens[at].content]
    start, end = held.tokens[first].start, held.tokens[last - 1].end
    text = held.response[start:end]
    support = sum(held.support[at] for at in own) / len(own)
    named = text.lower().replace("’", "'") in held.source.lower
    links = [held.near[a][1] for a in own[:-1]]
    return Entity(start, end, text, support, named, all(link > 0.8 for link in links))


def _measure(held: Held) -> tuple[float, ...]:
    found = find_entities(held)
    absent = [entity for entity in found if entity.support < 0.5]
    partial = [entity for entity in found if 0.5 <= entity.support < 0.95]
    apart = [entity for entity in found if entity.support >= 0.95 and not entity.together]
    return (
        math.log1p(len(found)),
        math.log1p(len(absent)),
        share(len(absent), len(found)),
        math.log1p(len(partial)),
        math.log1p(len(apart)),
        share(sum(entity.named for entity in found), len(found), empty=1.0),
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = [(0.0, 0.0, 0.0, 0.0)] * len(held.tokens)
    for entity in find_entities(held):
        row = (
            1.0, 1.0 - entity.support, float(not entity.named),
            float(entity.support >= 0.95 and not entity.together),
        )  # fmt: skip
        for at in held.tokens_in(entity.start, entity.end):
            rows[at] = row
    return rows


ENTITIES = Family(
    "entities",
    (
        "entities", "entities_absent", "entities_absent_share", "entities_partial",
        "entities_apart", "entities_named",
    ),
    _measure,
    ("is_entity", "entity_missing", "entity_unnamed", "entity_apart"),
    _tokens,
)  # fmt: skip
"""Unsupported capitalised and Chinese names."""
