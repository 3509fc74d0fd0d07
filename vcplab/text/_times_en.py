"""English times, and dates in digits. Private: see `vcplab.text.time_expressions`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vcplab.text._clocks_en import CLOCK, DURATION, HOURS, SMALL, read_clock, read_duration
from vcplab.text._times import CONNECTOR, Found, Rule, iso_date
from vcplab.text.english_numbers import ORDINALS

__all__ = ["EN_RULES", "english_candidates"]

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun",
            "july jul", "august aug", "september sept sep", "october oct", "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_FULL = (
    "January|February|March|April|May|June|July|August|September|October|November|December|"
    "JANUARY|FEBRUARY|MARCH|APRIL|MAY|JUNE|JULY|AUGUST|SEPTEMBER|OCTOBER|NOVEMBER|DECEMBER|"
    "january|february|april|june|july|august|september|october|november|december"
)
_MONTH = rf"(?:{_FULL}|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
_YEAR = "(?:1[0-9]{3}|20[0-9]{2})(?![0-9])"
_DAY = "(?:3[01]|[12][0-9]|0?[1-9])"
_ORDINAL_WORDS = "|".join(sorted(ORDINALS, key=len, reverse=True))
_NTH = (
    f"(?:{_DAY}(?:st|nd|rd|th)?|(?:twenty|thirty)-(?:{_ORDINAL_WORDS})|{_ORDINAL_WORDS}|thirtieth)"
)
_DASH = rf"(?:{CONNECTOR}|[ ]and[ ])"

_MONTH_FIRST: Final = re.compile(
    rf"""\b(?P<month>{_MONTH})[ ]?(?:the[ ])?(?:(?<=[ ])|(?<=\.))
    (?P<day>{_NTH})(?![0-9:]|[ ]?(?:am|pm|a\.m|p\.m|%))\b
    (?:{_DASH}(?P<to>{_NTH})(?![0-9:]|[ ]?(?:am|pm|a\.m|p\.m|%|days|weeks|years))\b)?
    (?:,?[ ](?:in[ ]|of[ ])?(?P<year>{_YEAR}))?""",
    re.VERBOSE,
)
_DAY_FIRST: Final = re.compile(
    rf"""(?<![0-9.:/,-])\b(?:(?P<from>{_NTH})(?:[ ]of)?{_DASH}(?:the[ ])?)?(?P<day>{_NTH})
    (?:[ ]day)?[ ](?:of[ ])?(?P<month>{_MONTH})(?:,?[ ](?:in[ ])?(?P<year>{_YEAR}))?""",
    re.VERBOSE,
)
_MONTH_YEAR: Final = re.compile(
    rf"\b(?:(?P<from>{_MONTH}){_DASH})?(?P<month>{_MONTH})(?:,?[ ](?:of[ ])?|"
    rf"[-/ ])(?P<year>{_YEAR})"
)
_MONTH_ALONE: Final = re.compile(rf"\b(?P<month>{_FULL})\b")
_MODAL_MONTHS = frozenset(("May", "March", "MAY", "MARCH", "August", "august"))
_MONTH_BEFORE = re.compile(
    r"\b(?:in|by|since|of|until|till|from|to|through|during|before|after|every|each|last|next|"
    r"this|early|mid|late|for|and|between|or)[ -]$",
    re.IGNORECASE,
)
_YEAR_FIRST: Final = re.compile(
    r"(?<![0-9.,/:-])(?P<year>[0-9]{4})(?P<sep>[-/.])(?P<month>1[0-2]|0?[1-9])(?P=sep)"
    r"(?P<day>3[01]|[12][0-9]|0?[1-9])(?![0-9]|[-/.][0-9])"
)
_YEAR_MONTH: Final = re.compile(
    r"(?<![0-9.,/:-])(?P<year>1[5-9][0-9]{2}|20[0-9]{2})[-/](?P<month>1[0-2]|0[1-9])"
    r"(?![0-9]|[-/.:][0-9])"
)
_YEAR_LAST: Final = re.compile(
    r"(?<![0-9.,/:-])(?P<a>[0-9]{1,2})(?P<sep>[-/.])(?P<b>[0-9]{1,2})(?P=sep)"
    r"(?P<year>1[5-9][0-9]{2}|20[0-9]{2})(?![0-9]|[-/.][0-9])"
)
_QUARTER: Final = re.compile(
    rf"""\b(?:
      Q(?P<q1>[1-4])(?:[ ]?(?:of[ ])?,?(?:FY)?(?P<y1>{_YEAR}))?
    | (?P<y2>{_YEAR})[ -]?Q(?P<q2>[1-4])
    | H(?P<h1>[12])[ ](?P<y3>{_YEAR})|(?P<y6>{_YEAR})[ -]?H(?P<h3>[12])
    | (?P<nth>first|second|third|fourth|last|1st|2nd|3rd|4th)[ -](?P<what>quarter|half)
      (?:[ ]of[ ](?:the[ ]year[ ])?(?P<y4>{_YEAR})|(?=[ ]of[ ]the[ ]year)|(?<=quarter))
    | (?P<season>[Ss]pring|[Ss]ummer|[Aa]utumn|[Ff]all|[Ww]inter)[ ](?:of[ ])?(?P<y5>{_YEAR})
    )(?![A-Za-z0-9])""",
    re.VERBOSE,
)
_NTHS: Final = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4,
    "last": 4,
}  # fmt: skip
_DECADE: Final = re.compile(
    r"(?<![0-9.,$€£])\b(?P<year>1[0-9]{2}0|20[0-9]0)['’]?s\b|"
    r"(?<![A-Za-z0-9])['’](?P<short>[1-9]0)s\b|"
    r"(?:(?<=the[ ])|(?<=rly[ ])|(?<=ate[ ])|(?<=[Mm]id[ -]))(?P<bare>[2-9]0)s\b|"
    r"\b(?P<word>twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties)\b|"
    rf"\b(?P<century>[0-9]{{1,2}}(?:st|nd|rd|th)|twenty-first|{_ORDINAL_WORDS})[ -]"
    r"(?:century|c\.)(?P<bc>[ ]B\.?C\.?(?:E\.?)?)?"
)
_DECADE_WORDS = [
    "twenties",
    "thirties",
    "forties",
    "fifties",
    "sixties",
    "seventies",
    "eighties",
    "nineties",
]
_BC: Final = re.compile(
    r"(?<![0-9.,])(?P<bc>[0-9]{1,4})[ ]?B\.?C\.?(?:E\b\.?)?(?![A-Za-z])|"
    r"\bA\.?D\.?[ ](?P<ad>[0-9]{1,4})\b|(?<![0-9.,])(?P<ad2>[0-9]{1,4})[ ](?:A\.?D\.?|"
    r"C\.?E\.?)(?![A-Za-z])"
)
_YEAR_ALONE: Final = re.compile(
    r"(?<![0-9A-Za-z.,$€£¥#%:/_+×*-])(?P<from>(?:1[0-9]{3}|20[0-9]{2})[-–—])?"
    r"(?P<year>1[5-9][0-9]{2}|20[0-9]{2}|(?<=[-–—])[0-9]{2})(?![0-9A-Za-z%°$€£_*×]|[.,:/][0-9]|"
    r"-[0-9])"
)
_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|by|until|till|during|circa|ca\.|year|years|early|mid|late|fiscal|summer|winter|"
    r"spring|autumn|fall|born|dated|class[ ]of|through|from|between|season|edition|before|after|of|"
    r"on|to|and|or|for|the|an?|as[ ]of)[ -]?$|[(（]$|[一-龥][ ]?$",
    re.IGNORECASE,
)
_COUNTED_AFTER = re.compile(
    r"[ -]?(?:people|persons|men|women|children|students|users|members|workers|employees|soldiers|"
    r"cases|deaths|copies|units|pages|words|lines|items|samples|rows|points|votes|seats|species|"
    r"patients|participants|studies|papers|articles|houses|homes|jobs|tons?|tonnes|kg|kilograms?|"
    r"grams?|g|mg|pounds?|lbs?|ounces?|oz|km|kilomet(?:er|re)s?|m|met(?:er|re)s|miles?|feet|ft|"
    r"inches|cm|mm|acres|hectares|lit(?:er|re)s|gallons|ml|degrees|dollars|euros|yen|yuan|pesos|"
    r"rupees|francs|percent|per[ ]cent|times|years|months|weeks|days|hours|minutes|seconds|ms|MB|"
    r"GB|"
    r"KB|TB|kB|bytes|bits|tokens|calories|kcal|watts?|kW|MW|volts?|rpm|mph|Hz|kHz|MHz|GHz|hp|cc|nm|"
    r"million|billion|thousand|or[ ]more|others|more|different|such|"
    r"[个名位人元块米克吨斤只张件台条字"
    r"页次册套辆艘家户万亿多余公千毫平立]|度(?!过))(?![A-Za-z])"
)
_WEEKDAY: Final = re.compile(
    r"\b(?P<day>Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day(?:s|'s)?\b|"
    r"\b(?P<short>Mon|Tue|Wed|Thu|Thur|Fri|Sat|Sun)\b\.?(?=,?[ ](?:[0-9]|at\b|morning|afternoon|"
    r"evening))"
)
_DAYS: Final = {"mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6, "sun": 7}


def _month(name: str) -> int:
    return _MONTHS[name.rstrip(".").lower()]


def _day(text: str) -> int | None:
    lowered = text.lower()
    if lowered[0].isdigit():
        return int(re.sub("[a-z]", "", lowered))
    if lowered in ORDINALS:
        return ORDINALS[lowered]
    tens, _, ones = lowered.partition("-")
    if lowered == "thirtieth":
        return 30
    value = {"twenty": 20, "thirty": 30}[tens] + ORDINALS[ones]
    return value if value <= 31 and ORDINALS[ones] < 10 else None


def _date(match: re.Match[str]) -> Found | None:
    groups = match.groupdict()
    year = int(groups["year"]) if groups["year"] else None
    month, day = _month(groups["month"]), _day(groups["day"])
    if day is None:
        return None
    bare = groups["month"] in ("May", "March", "Mar") and not year
    if bare and groups["day"][0].isalpha() and " of " not in match[0]:
        # "the second May be": words for days need the context of a date.
        return None
    first = _day(groups["from"]) if groups.get("from") else None
    last = _day(groups["to"]) if groups.get("to") else None
    if first is not None or last is not None:
        ends = (first, day) if first is not None else (day, last)
        if ends[0] is None or ends[1] is None or ends[0] >= ends[1]:
            return None
        value = "/".join(iso_date(year, month, end) for end in ends)
        return Found(*match.span(), "range", value, "day")
    return Found(*match.span(), "date", iso_date(year, month, day), "day")


def _month_year(match: re.Match[str]) -> Found | None:
    year, last = int(match["year"]), _month(match["month"])
    if match["from"]:
        first = _month(match["from"])
        value = f"{iso_date(year, first)}/{iso_date(year, last)}"
        return Found(*match.span(), "range", value, "month") if first < last else None
    return Found(*match.span(), "date", iso_date(year, last), "month")


def _month_alone(match: re.Match[str]) -> Found | None:
    start = match.start()
    if match["month"] in _MODAL_MONTHS and not _MONTH_BEFORE.search(
        match.string, max(0, start - 9), start
    ):
        return None
    return Found(*match.span(), "date", iso_date(None, _month(match["month"])), "month")


def _numeric(match: re.Match[str]) -> Found | None:
    groups = match.groupdict()
    year = int(groups["year"])
    if groups.get("a"):
        a, b = int(groups["a"]), int(groups["b"])
        month, day = (b, a) if a > 12 or groups["sep"] == "." else (a, b)
    else:
        month, day = int(groups["month"]), int(groups.get("day") or 0)
    if not 1 <= month <= 12 or day > 31 or (groups.get("a") and day < 1):
        return None
    if not day:
        return Found(*match.span(), "date", iso_date(year, month), "month")
    return Found(*match.span(), "date", iso_date(year, month, day), "day")


def _quarter(match: re.Match[str]) -> Found | None:
    year = next((match[name] for name in ("y1", "y2", "y3", "y4", "y5", "y6") if match[name]), None)
    head = year or "XXXX"
    if match["season"]:
        season = match["season"].lower().replace("fall", "autumn")
        code = 21 + ("spring", "summer", "autumn", "winter").index(season)
        return Found(*match.span(), "date", f"{head}-{code}", "season")
    half = match["h1"] or match["h3"]
    if match["nth"]:
        number = _NTHS[match["nth"]]
        if match["what"] == "half":
            if number > 2 and match["nth"] != "last":
                return None
            half = str(min(number, 2))
    if half:
        return Found(*match.span(), "date", f"{head}-H{half}", "half")
    number = int(match["q1"] or match["q2"] or _NTHS[match["nth"]])
    return Found(*match.span(), "date", f"{head}-Q{number}", "quarter")


def _decade(match: re.Match[str]) -> Found | None:
    if match["century"]:
        name = match["century"].lower()
        number = 21 if name == "twenty-first" else _day(name)
        if number is None or not 1 <= number <= 22:
            number = int(re.sub("[a-z]", "", name)) if name[0].isdigit() else 0
            if not 1 <= number <= 22:
                return None
        sign = "-" if match["bc"] else ""
        return Found(*match.span(), "date", f"{sign}{number - 1:02d}XX", "century")
    if match["year"]:
        if match["year"].endswith("00"):
            # The 1900s are a century, the 2000s a decade to most who write it.
            precision = "decade" if match["year"] == "2000" else "century"
            head = match["year"][:2]
            return Found(
                *match.span(), "date", head + ("0X" if precision == "decade" else "XX"), precision
            )
        return Found(*match.span(), "date", match["year"][:3] + "X", "decade")
    if match["word"]:
        tens = _DECADE_WORDS.index(match["word"].lower()) + 2
        # "in her thirties" is an age.
        start = match.start()
        if re.search(
            r"\b(?:his|her|their|my|your|our)[ ](?:[a-z]+-?[ ]?)?$",
            match.string[max(0, start - 14) : start],
        ):
            return None
    else:
        tens = int((match["short"] or match["bare"])[0])
    return Found(*match.span(), "date", f"{'19' if tens > 2 else '20'}{tens}X", "decade")


def _bc(match: re.Match[str]) -> Found | None:
    year = 1 - int(match["bc"]) if match["bc"] else int(match["ad"] or match["ad2"])
    return Found(*match.span(), "date", iso_date(year), "year")


def _year_alone(match: re.Match[str]) -> Found | None:
    start, end = match.span()
    text, year = match.string, int(match["year"])
    if _COUNTED_AFTER.match(text, end):
        return None
    if match["from"]:
        first = int(match["from"][:4])
        if year < 100:
            year += first // 100 * 100
        if not 0 < year - first < 300:
            return None
        return Found(start, end, "range", f"{first}/{year}", "year")
    if not 1800 <= year <= 2099 and not _YEAR_BEFORE.search(text, max(0, start - 10), start):
        return None
    return Found(start, end, "date", iso_date(year), "year")


def _weekday(match: re.Match[str]) -> Found | None:
    number = _DAYS[(match["day"] or match["short"])[:3].lower()]
    return Found(*match.span(), "date", f"XXXX-WXX-{number}", "weekday")


#: In order of precedence where two begin at the same place and are equally long.
EN_RULES: Final[tuple[Rule, ...]] = (
    (_YEAR_FIRST, _numeric),
    (_YEAR_LAST, _numeric),
    (_YEAR_MONTH, _numeric),
    (_YEAR_ALONE, _year_alone),
    (_MONTH_FIRST, _date),
    (_DAY_FIRST, _date),
    (_MONTH_YEAR, _month_year),
    (_QUARTER, _quarter),
    (_DECADE, _decade),
    (_BC, _bc),
    (CLOCK, read_clock),
    (DURATION, read_duration),
    (_WEEKDAY, _weekday),
    (_MONTH_ALONE, _month_alone),
)
_DIGIT_RULES = (0, 1, 2, 3, 5, 7, 8, 9, 10, 11)


def _rules_by_word() -> dict[str, tuple[int, ...]]:
    """The rules that may begin with a word: most words begin none, and cost nothing."""
    starts: dict[str, set[int]] = {}
    hours = HOURS.split("|")
    small = list(re.findall("[a-z]+", SMALL))
    groups: tuple[tuple[Iterable[str], tuple[int, ...]], ...] = (
        (_MONTHS, (4, 6, 13)),
        (ORDINALS, (5, 7, 8)),
        (("twenty", "thirty", "thirtieth"), (5, 8)),
        (("q", "h", "last", "spring", "summer", "autumn", "fall", "winter"), (7,)),
        (_DECADE_WORDS, (8,)),
        (("ad", "a"), (9,)),
        ((*hours, "half", "quarter", "twenty", "noon", "midday", "midnight"), (10,)),
        ((*hours, *small, "a", "an", "half", "three"), (11,)),
        ([f"{day}day" for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun")], (12,)),
        (
            [f"{day}days" for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun")],
            (12,),
        ),
        ((*_DAYS, "tues", "thur", "thurs"), (12,)),
    )
    for words, rules in groups:
        for word in words:
            starts.setdefault(word, set()).update(rules)
    return {word: tuple(sorted(rules)) for word, rules in starts.items()}


_BY_WORD: Final = _rules_by_word()
_TOKEN: Final = re.compile("[A-Za-z]+|[0-9]+")


def english_candidates(text: str) -> Iterator[tuple[int, int]]:
    """Where in a text which rule may begin, by its number."""
    for token in _TOKEN.finditer(text):
        word, start = token[0], token.start()
        if word[0] <= "9":
            if start and text[start - 1] in "'’":
                yield start - 1, 8
            for rule in _DIGIT_RULES:
                yield start, rule
        else:
            for rule in _BY_WORD.get(word.lower(), ()):
                yield start, rule
