"""Numbers in English words: ``twenty-five``, ``two million``, ``three and a half``, ``1.2 bn``."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from vcplab.text.numerals import Number, NumberSpan, find_numbers

__all__ = ["ORDINALS", "english_value", "find_all_numbers", "find_english_numbers"]

ORDINALS: Final = {
    word: number
    for number, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
        ],
        start=1,
    )
}
"""Ordinal words up to the twentieth, and their numbers."""

_ONES: Final = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS: Final = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES: Final = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "mn": 10**6, "mln": 10**6, "bn": 10**9, "bln": 10**9, "tn": 10**12, "trn": 10**12,
    "dozen": 12, "crore": 10**7, "lakh": 10**5,
}  # fmt: skip
_PARTS: Final = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4,
    "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7,
    "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip

_UNITS = "|".join(sorted((*_ONES, *_TENS), key=len, reverse=True))
_SCALE_WORDS = "hundreds?|thousands?|millions?|billions?|trillions?|dozens?|crore|lakh"
_ARABIC = r"[0-9]{1,3}+(?:,[0-9]{3})++|[0-9]{1,16}+(?:\.[0-9]{1,16}+)?"
_SMALL_WORD = re.compile(f"(?:{_UNITS})", re.IGNORECASE)
# Twenty words are more than any number has: a longer run is cut into several.
_PATTERN: Final = re.compile(
    rf"""(?<![A-Za-z0-9_.,])(?<![A-Za-z0-9]['’-])(?:
      (?P<fraction>(?:an?|one|two|three|four|five|six|seven|eight|nine|[0-9])[ -]
        (?:thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?)
        (?=[ ]of\b|[ ](?:the|its|their|all|as|more|less|full|empty)\b))
    | (?P<half>half(?=[ ](?:of|the|its|their|his|her|our|my|your|all|as|a|an)\b))
    | (?P<words>(?:{_UNITS}|an?[ ](?:hundred|thousand|million|billion|trillion|dozen))
        (?:(?:[ ]+|[ ]?-[ ]?|[ ]and[ ]|,[ ])(?:{_UNITS}|{_SCALE_WORDS})(?![A-Za-z])){{0,20}}
        (?:[ -]and[ -](?:a[ -])?(?P<plus>half|quarter)|
        [ ]point(?P<point>(?:[ ](?:{_UNITS})){{1,6}}))?
      )
    | (?P<arabic>{_ARABIC})
        (?:[ -]?(?P<scale>hundred|thousand|million|billion|trillion|dozen|crore|lakh|bn|mn|mln|bln|
        tn|trn)
          |[ ]and[ ]a[ ](?P<part>half|quarter))
    )(?![A-Za-z0-9_])""",
    re.VERBOSE | re.IGNORECASE,
)
_WORD = re.compile("[A-Za-z]+")
_TOKEN: Final = re.compile("[A-Za-z]+|[0-9]+")
_STARTS: Final = frozenset((*_ONES, *_TENS, "a", "an", "half"))
# "One" is as often a pronoun as a number.
_PRONOUN_AFTER = re.compile(
    r"[ ](?:of|another|can|could|must|should|would|may|might|has|is|was|who|that|which|day|way|"
    r"thing|by[ ]one)\b|['’]s\b|[.,;:!?]|$",
    re.IGNORECASE,
)
_PRONOUN_BEFORE = re.compile(
    r"\b(?:no|any|some|every|each|which|this|that|the|another|only|good|bad|new|old|last|next|"
    r"loved|little|big|right|wrong|first|best|other)[ -]$",
    re.IGNORECASE,
)


def find_english_numbers(text: str) -> list[NumberSpan]:
    """The numbers of a text that take English words to say.

    ``twenty-five``, ``one hundred and five``, ``a dozen``, ``three and a half``, ``two thirds of``,
    ``half the``, ``1.2 million`` and ``3bn``; a ``one`` that is a pronoun is left out.  Numbers in
    digits alone are those of `vcplab.text.numerals.find_numbers`.

    Args:
        text: Any string.

    Returns:
        The numbers in order; spans do not overlap.
    """
    found: list[NumberSpan] = []
    at = 0
    for token in _TOKEN.finditer(text):
        start = token.start()
        if start < at or (token[0][0] > "9" and token[0].lower() not in _STARTS):
            continue
        match = _PATTERN.match(text, start)
        if match is None:
            continue
        end = match.end()
        if match["words"]:
            end, value = _words(text, match)
        else:
            value = _other(match)
        at = max(end, start + 1)
        if value is None or (
            value == 1
            and match["words"]
            and text[start:end].lower() == "one"
            and _is_pronoun(text, start, end)
        ):
            continue
        found.append(NumberSpan(start, end, value, text[start:end]))
    return found


def find_all_numbers(text: str) -> list[NumberSpan]:
    """The numbers of a text in digits, Chinese numerals and English words, in order.

    Args:
        text: Any string.

    Returns:
        The numbers; where two readings overlap, the longer one.
    """
    words = find_english_numbers(text) if re.search("[A-Za-z]", text) else []
    digits = find_numbers(text)
    if not words:
        return digits
    merged: list[NumberSpan] = []
    for span in sorted([*words, *digits], key=lambda found: (found.start, -found.end)):
        if merged and span.start < merged[-1].end:
            if span.end - span.start > merged[-1].end - merged[-1].start:
                merged[-1] = span
            continue
        merged.append(span)
    return merged


def english_value(text: str) -> Number | None:
    """The value of a text that is one number in English words; None if it is none."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        return None
    if not match["words"]:
        return _other(match)
    end, value = _words(text.strip(), match)
    return value if end == match.end() else None


def _number(value: Fraction) -> Number:
    return value.numerator if value.denominator == 1 else float(value)


def _other(match: re.Match[str]) -> Number | None:
    if match["half"]:
        return 0.5
    if match["fraction"]:
        above, below = (
            _WORD.findall(match["fraction"])[-2:]
            if not match["fraction"][0].isdigit()
            else (match["fraction"][0], _WORD.findall(match["fraction"])[-1])
        )
        count = (
            int(above)
            if above.isdigit()
            else 1
            if above.lower() in ("a", "an")
            else _ONES[above.lower()]
        )
        return Fraction(count, _PARTS[below.lower()])
    value = Fraction(match["arabic"].replace(",", ""))
    if match["scale"]:
        return _number(value * _SCALES[match["scale"].lower()])
    return _number(value + Fraction(1, _PARTS[match["part"].lower()]))


def _words(text: str, match: re.Match[str]) -> tuple[int, Number | None]:
    """The end and value of the longest beginning of the words that is one number."""
    start = match.start()
    body_end = match.end()
    if match["plus"]:
        body_end = text.rfind("and", start, match.start("plus"))
    elif match["point"]:
        body_end = match.start("point") - len("point")
    total, group = 0, 0
    smallest = 10**18  # what a scale has to stay below
    last = ""
    end = start
    complete = True
    for word in _WORD.finditer(text, start, body_end):
        name = word[0].lower()
        if name == "and":
            # 105 is one hundred and five; two and three are two numbers.
            if last != "hundred" and last not in ("thousand", "million"):
                complete = False
                break
            continue
        if name in ("a", "an"):
            group, last, end = 1, "one", word.end()
            continue
        glue = text[end : word.start()]
        if "," in glue and last not in ("thousand", "million", "billion"):
            complete = False
            break
        step = _step(name, group, last)
        if step is None:
            complete = False
            break
        if name in _ONES or name in _TENS:
            group += step
        elif step == 100 or step == 12:
            group = (group or 1) * step
        else:
            if step >= smallest:
                complete = False
                break
            total, group, smallest = total + (group or 1) * step, 0, step
        last, end = name.rstrip("s") if name.rstrip("s") in _SCALES else name, word.end()
    value = Fraction(total + group)
    if complete and match["plus"]:
        value += Fraction(1, _PARTS[match["plus"].lower()])
        end = match.end()
    elif complete and match["point"]:
        digits = [_ONES.get(word[0].lower(), 10) for word in _WORD.finditer(match["point"])]
        if all(digit < 10 for digit in digits):
            value += Fraction(int("".join(map(str, digits))), 10 ** len(digits))
            end = match.end()
    return end, _number(value)


def _step(name: str, group: int, last: str) -> int | None:
    """What a word adds or multiplies; None where it begins another number."""
    if name in _ONES:
        value = _ONES[name]
        if last in _ONES or (last in _TENS and not 0 < value < 10):
            return None
        return value
    if name in _TENS:
        return None if last in _ONES or last in _TENS else _TENS[name]
    singular = name.rstrip("s")
    if name.endswith("s"):
        # "Two thousands" is rare; "hundreds of" has no value and never gets here.
        return None
    scale = _SCALES[singular]
    if scale == 100 and (group == 0 or group >= 100):
        return None
    return scale


def _is_pronoun(text: str, start: int, end: int) -> bool:
    return (
        _PRONOUN_AFTER.match(text, end) is not None
        or _PRONOUN_BEFORE.search(text, max(0, start - 12), start) is not None
    )
