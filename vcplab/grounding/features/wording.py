"""What kind of words the source lacks: names, numbers, adverbs, verbs, connectives."""

from __future__ import annotations

import math
from typing import Final

from vcplab.grounding.features.family import Family
from vcplab.grounding.features.held import Held
from vcplab.grounding.features.terms import word_set

__all__ = ["WORDING"]

_LOW: Final = 0.5
_NOUNS: Final = (
    "tion", "ment", "ness", "ity", "ance", "ence", "ship", "ism", "tions", "ments",
)  # fmt: skip
_ADJECTIVES: Final = (
    "ous", "ful", "ive", "able", "ible", "al", "ic", "ary", "less", "ant", "ent",
)  # fmt: skip
# Verbs and nouns of reporting: summaries use them whatever their source says.
_REPORTING: Final = word_set(
    "say said tell told state stated report reported mention mentioned describe described "
    "discuss discussed explain explained note noted suggest suggested ask asked request "
    "requested inquire inquired enquire enquired reply replied respond responded answer "
    "answered claim claimed argue argued highlight highlighted emphasize emphasized emphasise "
    "stress stressed present presented propose proposed introduce introduced demonstrate "
    "demonstrated show showed shown reveal revealed indicate indicated express expressed "
    "share shared conclude concluded provide provided offer offered use used utilize utilized "
    "employ employed aim aimed focus focused require required need needed want wanted plan "
    "planned intend intended seek sought try tried attempt attempted decide decided agree "
    "agreed believe believed think thought feel felt author authors paper study article "
    "speaker conversation meeting discussion summary method approach technique result results "
    "company individual people person according various several numerous overall currently "
    "previously additionally furthermore moreover however therefore"
)
_ADDING: Final = word_set(
    "also additionally including include included along additional plus besides furthermore as "
    "well moreover even despite although due because while after following leading resulting "
    "caused thanks through using via"
)
_EXTREME: Final = word_set(
    "all every always never only none no most least best worst first last entire whole complete "
    "completely fully totally entirely exclusively solely unique any nobody nothing everyone "
    "everything must impossible largest smallest highest lowest biggest ever"
)
_AUXILIARY: Final = word_set(
    "is are was were be been being am has have had do does did will would shall should can could "
    "may might must"
)
_PLACING: Final = word_set(
    "in on at by for from of to with into onto over under between among through during before "
    "after since until across against about around near as"
)


def _form(lower: str) -> int:
    """The part of speech that the ending suggests: adverb, gerund, past, noun, adjective, other."""
    if lower.endswith("ly") and len(lower) > 4:
        return 0
    if lower.endswith("ing") and len(lower) > 5:
        return 1
    if lower.endswith("ed") and len(lower) > 4:
        return 2
    if lower.endswith(
        ("tion", "ment", "ness", "ity", "ance", "ence", "ship", "ism", "tions", "ments")
    ):
        return 3
    if lower.endswith(
        ("ous", "ful", "ive", "able", "ible", "al", "ic", "ary", "less", "ant", "ent")
    ):
        return 4
    return 5


def _measure(held: Held) -> tuple[float, ...]:
    forms = [0] * 6
    capital = number = reporting = short = extreme = adding = negative = 0
    for at, token in enumerate(held.tokens):
        if token.lower in _EXTREME and not held.aligned_sentence[at]:
            extreme += 1
        if token.lower in _ADDING and not held.aligned[at]:
            adding += 1
        if not token.content or held.support[at] >= _LOW:
            continue
        if token.kind == "number":
            number += 1
        elif token.lower in _REPORTING:
            reporting += 1
        elif token.capital:
            capital += 1
        else:
            forms[_form(token.lower)] += 1
            short += len(token.lower) <= 5
            negative += token.lower.startswith(("un", "dis", "non", "mis"))
    return (
        *(math.log1p(count) for count in forms),
        math.log1p(capital),
        math.log1p(number),
        math.log1p(reporting),
        math.log1p(short),
        math.log1p(extreme),
        math.log1p(adding),
        math.log1p(negative),
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    count = len(held.tokens)
    rows: list[tuple[float, ...]] = []
    firsts = {alignment.first for alignment in held.sentence_alignments}
    for at, token in enumerate(held.tokens):
        form = _form(token.lower) if token.kind == "word" and token.content else -1
        absent = held.support[at] < _LOW
        gap = held.response[token.end : token.end + 1]
        rows.append(
            (
                *(float(form == one and absent) for one in range(6)),
                *(float(form == one) for one in range(5)),
                float(token.capital and at not in firsts),
                float(token.capital and absent and at not in firsts),
                float(token.kind == "number"),
                float(token.lower in _REPORTING),
                float(token.lower in _EXTREME),
                float(token.lower in _EXTREME and not held.aligned_sentence[at]),
                float(token.lower in _ADDING),
                float(token.lower in _AUXILIARY),
                float(token.lower in _PLACING),
                float(at in firsts),
                at / count,
                float(gap in ",;，、；"),
                min(len(token.lower), 12) / 12,
            )
        )
    return rows


WORDING = Family(
    "wording",
    (
        "absent_adverbs", "absent_gerunds", "absent_past", "absent_nouns", "absent_adjectives",
        "absent_others", "absent_capitals", "absent_numbers", "absent_reporting", "absent_short",
        "extremes", "adding", "absent_negative",
    ),
    _measure,
    (
        "absent_adverb", "absent_gerund", "absent_past", "absent_noun", "absent_adjective",
        "absent_other", "adverb", "gerund", "past", "noun", "adjective", "capital",
        "absent_capital", "number", "reporting", "extreme", "extreme_apart", "adding",
        "auxiliary", "placing", "first", "place", "before_comma", "letters",
    ),
    _tokens,
)  # fmt: skip
"""Kinds of words that the source lacks."""
