"""Numbers as people write them: Arabic, Chinese, and both at once (``1.2万``, ``百分之三十``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from vcplab.core.errors import InvalidInputError

__all__ = ["Number", "NumberSpan", "find_numbers", "format_chinese", "parse_number"]

#: Whole values are int; ``三分之一`` is an exact Fraction; everything else is float.
Number = int | float | Fraction

_DIGITS = {
    **{character: value for value, character in enumerate("零一二三四五六七八九")},
    **{character: value for value, character in enumerate("〇壹贰叁肆伍陆柒捌玖")},
    "○": 0,
    "两": 2,
    "兩": 2,
    "貳": 2,
    "叄": 3,
    "參": 3,
    "陸": 6,
}
_ZEROS = "零〇○"
_TENS = {"廿": 20, "卅": 30, "卌": 40}
_SMALL = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_LARGE = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}
_SUFFIXES = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}

_D, _L = "".join(_DIGITS), "".join(_LARGE)
_U = "".join((*_TENS, *_SMALL, *_LARGE))
# Possessive throughout: no text makes these patterns slow.
_ARABIC = r"(?:[0-9]{1,3}+(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?+"
_CHINESE = f"[{_D}{_U}]++"
# A decimal point, unless a clock time follows: 十二点五分, 三点十分.
_DECIMALS = f"点[{_D}]++(?![{''.join((*_TENS, *_SMALL))}分刻])[{_L}]*+"
_STEP = f"[{_U}]++(?:{_ARABIC}|[{_D}])?+"
_PLAIN = f"(?:{_ARABIC}(?:[ ]?+(?:{_STEP})++)?+|{_CHINESE}(?:{_DECIMALS})?+)"
_COUNTER = "个|天|年|周|小时|斤|公斤|公里|块|倍|岁|杯|碗|页|层"
_NUMBER = re.compile(
    rf"""(?P<sign>(?<![A-Za-z0-9])[-+−]|[负負])?
    (?:
      (?:(?P<whole>{_CHINESE})又)?(?P<below>{_PLAIN})分之(?P<minus>[负負])?(?P<above>{_PLAIN})
    | (?P<lone>一?半)
    | (?P<plain>{_PLAIN})
      (?:(?P<rate>[ ]?[%‰])|(?P<suffix>[ ]?[kKMB])(?![A-Za-z0-9])|(?P<half>(?:{_COUNTER})半))?
    )""",
    re.VERBOSE,
)
_SIGNS = "-+−负負"
_FIRST = re.compile(f"[0-9{_D}{_U}半]")
_TERM = re.compile(f"{_ARABIC}|.", re.DOTALL)

# Full-width characters of numbers; each is one character, so offsets stay as they are.
_HALF_WIDTH = {
    ord(wide): chr(ord(wide) - 0xFEE0) for wide in "０１２３４５６７８９．％＋－ｋＫＭＢ"
}

# Longer than this nothing is a quantity, and Python refuses to convert very long digit strings.
_LONGEST = 100

# Where numerals are not numbers.  The list is short and open-ended by nature: frequent words and
# set phrases of diaries and chats, tried only where no other numeral stands before them.
_WORDS = (
    "一下子?|一起|一些|一样|一定|一直|一般|一切|一旦|一边|一面|"
    "一点儿?(?![零一二三四五六七八九])|一会儿?|一向|一带|一番|一同|一致|一共|一再|一律|"
    "一度|一时|一路|一连|一概|一味|一齐|一阵|一块儿?(?!钱|半)|一开始|一方面|统一|唯一|"
    "专一|单一|万一|万能|万物|万岁|万分(?!之)|千万|万万|十分(?!钟|之|[0-9])(?<!点十分)|十足|百姓|"
    "百货|百度|百科|百般|千古|千里马|三明治|五金|四季|四处|四周|六神|七夕|八卦|八月节|"
    "九霄|两口子|二手|二话|周[一二三四五六]|星期[一二三四五六]|礼拜[一二三四五六]|"
    "三心二意|一心一意|一模一样|一五一十|三三两两|三番五次|四分五裂|五湖四海|七嘴八舌|"
    "七上八下|乱七八糟|四面八方|五颜六色|五花八门|千方百计|千军万马|千言万语|千辛万苦|"
    "千变万化|万众一心|九牛一毛|十全十美|百发百中|一石二鸟|一举两得|两全其美|半途而废|"
    "百里挑一|独一无二|接二连三|丢三落四|朝三暮四|颠三倒四|推三阻四|低三下四|说三道四|"
    "举一反三|千钧一发|万无一失|一干二净|一清二楚|一刀两断|三言两语|十有八九|半斤八两|"
    "不三不四|七零八落|不管三七二十一|一知半解|一来二去|略知一二|三五成群|三长两短|"
    "零下|零食|零件|零售|零碎|零星|零钱|五光十色|四通八达|七手八脚|横七竖八|杂七杂八"
)
_NOT_NUMBERS = re.compile(_WORDS)
# Versions, addresses, dates and clock times are not quantities.
_NOT_QUANTITIES = re.compile(
    r"(?<![0-9])[0-9]++(?:\.[0-9]++){2,}|[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])|"
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
)
_IN_NAME = re.compile(r"[A-Za-z_⁄][-.]?$|[0-9][.⁄]$")
_NUMERALS = frozenset(f"{_D}{_U}0123456789")
_FORMAL = frozenset("壹贰叁肆伍陆柒捌玖貳叄參陸拾佰仟")
_HALVED = re.compile("个|天|年|小时|月|斤|公斤|公里|里|杯|碗|块|分|瓶|页|盒|成|价|径")
_HINT = re.compile(
    r"[ ]?(?:个半?(?:小时|星期|礼拜|月)|小时|分钟|秒钟?|"
    r"个?(?:公斤|公里|千克|千米|厘米|毫米|毫升|平方米|立方米)|"
    r"[个名位岁年月日号天周点分时刻次遍回条张本篇页章节集部家间层楼件台只支枝把辆艘架座颗粒片块元角毛斤克两吨米升倍成度届期种类"
    r"项步句字行段人口场顿杯碗瓶盒包袋盘份套双对群排束堆滴]|[A-Za-z°℃$€]{1,6}(?![A-Za-z0-9]))"
)


@dataclass(frozen=True, slots=True)
class NumberSpan:
    """A number in a text.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character.
        value: What it says.
        text: The characters, ``original[start:end]``.
        unit: The counter or unit right after it (``"个"``, ``"kg"``), "" for none.
    """

    start: int
    end: int
    value: Number
    text: str
    unit: str = ""


def parse_number(text: str) -> Number:
    """The value of a text that is one number.

    Understands ``35``, ``1,234.5``, ``-3``, ``30%``, ``3.5k``; ``三十五``, ``两百零五``, ``一万二``
    (12,000), ``二〇二五``, ``廿三``, ``壹佰``, ``十二点五``, ``负三``, ``半``, ``两个半``;
    ``1.2万``, ``3亿5千万``; ``百分之三十`` (0.3) and ``三分之一`` (a Fraction).  ``万亿`` and
    ``兆`` are 10¹².

    Args:
        text: The number; space around it and full-width digits do not matter.

    Returns:
        An int where the value is whole, a Fraction for ``…分之…`` (other than per cent, mille and
        ten thousand), else a float.

    Raises:
        InvalidInputError: The text is not one number.
    """
    body = text.strip().translate(_HALF_WIDTH)
    match = _NUMBER.fullmatch(body)
    value = _value(match) if match else None
    if value is None:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise InvalidInputError(
            f"{shown!r} is not a number.",
            where="parse_number",
            next_step="Pass one number alone; find_numbers() finds them inside a text.",
        )
    return value


def find_numbers(text: str) -> list[NumberSpan]:
    """The numbers inside a text, in order.

    Left out: words and set phrases with numerals that mean no number (一起, 万一, 十分, 三心二意
    and some hundred more), weekdays, approximations without a value (三四个, 十几), dates, clock
    times with a colon, versions, and digits inside names (``GPT-4o``).  A formal numeral alone
    (陆, 拾) is a name or a verb.

    Args:
        text: Any string.

    Returns:
        The numbers; spans do not overlap.
    """
    plain = text.translate(_HALF_WIDTH)
    barred = _barred(plain)
    skip: tuple[int, int] = next(barred, (len(plain), len(plain)))
    found: list[NumberSpan] = []
    at = 0
    while match := _next_number(plain, at):
        start, end = match.span()
        while skip[1] <= start < len(plain):
            skip = next(barred, (len(plain), len(plain)))
        if skip[0] < end and start < skip[1]:
            # What stands before the phrase may still be a number.
            if start < skip[0] and (match := _NUMBER.match(plain, start, skip[0])):
                end = match.end()
            else:
                at = max(end if skip[0] <= start and end <= skip[1] else skip[1], start + 1)
                continue
        at = end
        value = _value(match) if _is_quantity(plain, match) else None
        if value is not None:
            hint = _HINT.match(plain, end)
            unit = hint[0].strip() if hint else ""
            found.append(NumberSpan(start, end, value, text[start:end], unit))
    return found


def format_chinese(number: int | float) -> str:
    """Write a number in Chinese numerals.

    Args:
        number: A finite number below 10¹⁶ in size.

    Returns:
        For example ``"一百零五"``, ``"一万二千三百"``, ``"负三点一四"``;
        :func:`parse_number` reads it back.

    Raises:
        InvalidInputError: The number is infinite, not a number, or too large.
    """
    value = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    if not value.is_finite() or abs(value) >= 10**16:
        raise InvalidInputError(
            "Chinese numerals are written for finite numbers below 10¹⁶.",
            where="format_chinese",
            next_step="Write this one in Arabic numerals.",
        )
    sign = "负" if value < 0 else ""
    whole, _, decimals = f"{abs(value):f}".partition(".")
    decimals = decimals.rstrip("0")
    text = sign + _whole(int(whole), leading=True)
    if decimals:
        text += "点" + "".join("零一二三四五六七八九"[int(digit)] for digit in decimals)
    return text


def _whole(number: int, *, leading: bool) -> str:
    for unit, name in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        high, low = divmod(number, unit)
        if not high:
            continue
        text = (
            "十" if unit == 10 and high == 1 and leading else _whole(high, leading=leading) + name
        )
        if low:
            text += ("零" if low < unit // 10 else "") + _whole(low, leading=False)
        return text
    return "零一二三四五六七八九"[number]


def _next_number(plain: str, at: int) -> re.Match[str] | None:
    while first := _FIRST.search(plain, at):
        start = first.start()
        signed = start > at and plain[start - 1] in _SIGNS
        match = _NUMBER.match(plain, start - 1) if signed else None
        if match := match or _NUMBER.match(plain, start):
            return match
        at = start + 1
    return None


def _barred(plain: str) -> Iterator[tuple[int, int]]:
    """Where nothing is a number, in order and disjoint."""
    spans = sorted(
        [match.span() for match in _NOT_QUANTITIES.finditer(plain)]
        + [
            match.span()
            for match in _NOT_NUMBERS.finditer(plain)
            if match.start() == 0 or plain[match.start() - 1] not in _NUMERALS
        ]
    )
    last = 0
    for start, end in spans:
        if start >= last:
            yield start, end
            last = end


def _is_quantity(plain: str, match: re.Match[str]) -> bool:
    """Whether a number in running text means a quantity."""
    start, end, body = match.start(), match.end(), match[0]
    before, after = plain[max(0, start - 2) : start], plain[end : end + 1]
    if match["lone"]:
        return body == "一半" or _HALVED.match(plain, end) is not None
    if body[0] in "0123456789" and _IN_NAME.search(before):
        return False
    if after in ("几", "⁄") or before[-1:] in ("几", "数"):
        return False
    if len(body) == 1:
        return body not in _FORMAL and body not in _SMALL.keys() - {"十"} and body not in _LARGE
    if len(body) == 2 and all(character in _DIGITS for character in body):
        # 三四个 and 三五个 are approximate; 二〇 and 一一 are digits.
        low, high = _DIGITS[body[0]], _DIGITS[body[1]]
        return not (0 < low < high <= low + 2)
    return True


def _value(match: re.Match[str]) -> Number | None:
    """The value of a match of ``_NUMBER``; None where its parts make no number."""
    if match.end() - match.start() > _LONGEST:
        return None
    exact = False
    if match["lone"]:
        value = Fraction(1, 2)
    elif match["below"]:
        below, above = _plain(match["below"]), _plain(match["above"])
        whole = _plain(match["whole"]) if match["whole"] else Fraction(0)
        if below is None or above is None or whole is None or not below:
            return None
        exact = match["below"] not in ("百", "千", "万")
        value = whole + (-1 if match["minus"] else 1) * above / below
    else:
        plain = _plain(match["plain"])
        if plain is None:
            return None
        value = plain
        if match["rate"]:
            value /= 100 if "%" in match["rate"] else 1000
        elif match["suffix"]:
            value *= _SUFFIXES[match["suffix"].strip()]
        elif match["half"]:
            value += Fraction(1, 2)
    if match["sign"] and match["sign"] in "-−负負":
        value = -value
    if value.denominator == 1:
        return value.numerator
    return value if exact else float(value)


def _plain(body: str) -> Fraction | None:
    """The value of numerals without sign, rate or 分之; None for nonsense (十百, 三万万)."""
    whole, point, decimals = body.partition("点")
    if point:
        digits = decimals.rstrip(_L)
        value = _plain(whole)
        if value is None:
            return None
        value += Fraction(int("".join(str(_DIGITS[digit]) for digit in digits)), 10 ** len(digits))
        for unit in decimals[len(digits) :]:
            value *= _LARGE[unit]
        return value
    if all(character in _DIGITS for character in body):
        return Fraction(int("".join(str(_DIGITS[character]) for character in body)))
    return _with_units(_TERM.findall(body.replace(" ", "")))


def _with_units(terms: list[str]) -> Fraction | None:
    total = section = Fraction(0)
    current: Fraction | None = None
    padded = False  # a 零 stands before the current digit, so it is not "一万二" for 12,000
    small = large = trailing = 0
    for index, term in enumerate(terms):
        if term in _ZEROS and len(terms) > 1 and index + 1 < len(terms):
            if current is not None:
                return None
            padded = True
        elif term in _DIGITS or term[0] in "0123456789":
            if current is not None:
                return None
            current = Fraction(_DIGITS[term] if term in _DIGITS else term.replace(",", ""))
        elif term in _LARGE:
            unit = _LARGE[term]
            if unit == large or (index and current is None and not small and unit < large):
                return None
            section += current or 0
            if large and unit > large:
                total = (total + section) * unit
            else:
                total += (section if index else Fraction(1)) * unit
            section, current, padded = Fraction(0), None, False
            small, large, trailing = 0, unit, unit
        else:
            unit = 10 if term in _TENS else _SMALL[term]
            if (small and unit >= small) or (term in _TENS and current is not None):
                return None
            # 一百十五 leaves out a one, and so does a number that begins with its unit.
            if current is None and unit > 10 and index and not padded:
                return None
            section += _TENS[term] if term in _TENS else (1 if current is None else current) * unit
            current, padded, small, trailing = None, False, unit, unit
    if current is not None:
        colloquial = trailing > 10 and not padded and current < 10 and current.denominator == 1
        section += current * trailing / 10 if colloquial else current
    return total + section
