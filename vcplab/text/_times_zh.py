"""Chinese times. Private: see `vcplab.text.time_expressions`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vcplab.text._times import (
    CONNECTOR,
    SECONDS,
    Found,
    Rule,
    clock,
    iso_date,
    seconds_text,
    zh_number,
)

__all__ = ["ZH_RULES", "chinese_candidates"]

_DIGITS = "〇零○一二三四五六七八九"
# A point, comma or colon bars only what goes on with a number: 1.3月, not 会后,3月5日.
_NOT_AFTER = f"(?<![0-9{_DIGITS}十百千万亿第])(?<![0-9][.,:/])(?<!/)"
_YEAR = f"(?:[12][0-9]{{3}}|[一二][{_DIGITS}]{{3}})"
_MONTH = "(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九]|元|正)"
_ONES = "一二三四五六七八九"
_DAY = f"(?:3[01]|[12][0-9]|0?[1-9]|三十一?|[二廿]十?[{_ONES}]?|十[{_ONES}]?|[{_ONES}])"

_DATE: Final = re.compile(
    rf"""{_NOT_AFTER}(?:公元|西元)?(?:(?P<from>{_YEAR})[ ]?年?{CONNECTOR})?
    (?P<year>{_YEAR}|[0-9]{{2}}(?=[ ]?年[ ]?{_MONTH}[ ]?月))
    [ ]?年(?!代|级|龄|轮)度?
    (?:[ ]?的?[ ]?(?:
        (?:(?P<month_from>{_MONTH})[ ]?月?{CONNECTOR})?(?P<month>{_MONTH})[ ]?月份?
          (?:[ ]?(?:(?P<day_from>{_DAY})[ ]?[日号號]?{CONNECTOR})?(?P<day>{_DAY})[ ]?[日号號])?
      | 第?(?P<quarter>[1-4一二三四])[ ]?季度?
      | (?P<half>[上下])半年
      | (?P<season>[春夏秋冬])(?:天|季|节)?
    ))?""",
    re.VERBOSE,
)
_ERA: Final = re.compile(
    r"(?:公|西)元(?P<bc>前)?[ ]?(?P<year>[0-9]{1,4}|"
    r"[零〇一二三四五六七八九十百千]{1,8})[ ]?年(?!代)"
)
_MONTH_DAY: Final = re.compile(
    rf"""(?<![0-9年个{_DIGITS}十百千万几数第])(?<![0-9][.,:/])(?<!/)
    (?:(?P<month_from>{_MONTH})[ ]?月?{CONNECTOR})?(?P<month>{_MONTH})[ ]?月(?!球|亮|饼|票|台|光|
    刊|经|薪)份?
    (?:[ ]?(?:(?P<day_from>{_DAY})[ ]?[日号號]?{CONNECTOR})?(?P<day>{_DAY})[ ]?[日号號])?""",
    re.VERBOSE,
)
_BARE_DAY: Final = re.compile(
    rf"""{_NOT_AFTER}(?<![个月A-Za-z])(?P<day>{_DAY})[ ]?
    (?:日(?!内|之内|后|之后|以来|本|元|圆|语|游|常|均|记|益|程|期|夜|子)
      |号(?!楼|线|房|店|机|门|选|球|文|院|馆|桌|位|员|厅|岛|车|馆|仓|库|码|公路|大街|染色|元素|服|
      会议|
      种子|实验|样|电池|作|坑|井|墓|方案|议|令|航站|站|出口|口|柜|窗|病|主|提|决|台|铺|船|舱|字|床|
      教|
      办公|住|馆|弄|室|节点|服务器|任务|工单))""",
    re.VERBOSE,
)
_QUARTER: Final = re.compile(
    r"(?:第(?P<a>[1-4一二三四])|(?<![年第0-9一二三四五六七八九十])(?P<b>[一二三四]))季度|"
    r"(?<!年)(?P<half>[上下])半年"
)
_DECADE: Final = re.compile(
    rf"(?:(?P<century>[0-9]{{1,2}}|二?十[{_ONES}]?)[ ]?世纪|(?P<last>上世纪|上个世纪))?"
    rf"(?P<decade>(?<![0-9])[0-9]{{2}}|[{_ONES}]十)[ ]?年代|"
    rf"(?P<full>{_YEAR})[ ]?年代|"
    rf"(?P<bc>公元前|西元前)?(?<![0-9{_ONES}])(?P<alone>[0-9]{{1,2}}|二?十[{_ONES}]?|"
    rf"[{_ONES}])[ ]?世纪"
)
_WEEKDAY: Final = re.compile(
    r"(?:(?<![0-9一二三四五六七八九十两几半])周|星期|礼拜)"
    r"(?P<day>[一二三四五六日天])(?!个|[年岁月周])"
)
_PERIODS = (
    "凌晨|清晨|清早|早上|早晨|大早|一早|上午|中午|正午|午间|下午|午后|傍晚|晚上|晚间|夜里|夜间|"
    "深夜|午夜|半夜|今晚|昨晚|明晚|当晚|今早|明早|早|晚"
)
_HOUR = (
    "(?:2[0-4]|1[0-9]|0?[0-9]|二十[一二三四]?|十[一二三四五六七八九]?|[零〇一二两三四五六七八九])"
)
_SIXTY = f"(?:[0-5]?[0-9]|[二三四五]?十[{_ONES}]?|[零〇]?[{_ONES}])"
_CLOCK: Final = re.compile(
    rf"""(?:(?P<period>{_PERIODS})[ ]?的?)?(?<![0-9{_DIGITS}十百第])(?<![0-9][.:])
    (?P<hour>{_HOUR})[ ]?
    (?:(?P<point>[点點])(?!儿)|(?P<shi>时)(?!候|代|间|期|刻|常|尚|节|空|隔|长|光|针|装|速|区|而))
    [ ]?(?:(?P<half>半)(?!天|个|年|月)|(?P<quarter>[一三])刻|
    (?P<minute>{_SIXTY})[ ]?(?:分(?!之|钟|数)|
    (?<=[0-9])(?![0-9.个])|(?<=[零〇十][一二三四五六七八九])(?![一-龥])|(?<=十)(?![一-龥]))
       (?:[ ]?(?P<second>{_SIXTY})[ ]?秒)?
     |(?P<whole>钟|整))?(?P<sharp>整|钟)?""",
    re.VERBOSE,
)
_NOT_CLOCK_AFTER = re.compile(
    r"[ ]?(?:[个种]|[^，。；、,.;\s]{0,4}?(?:原因|建议|意见|理由|要求|看法|注意|内容|问题|好处|"
    r"不同|区别|优势|"
    r"结论|经验|体会|启示|补充|说明|想法|发现|收获|变化|进展|教训|共识|改进|缺点|优点|事实|声明|"
    r"感想|疑问))|"
    r"[0-9零〇一二三四五六七八九十]|[点钱心赞评火头名菜燃儿滴]"
)
_CLOCK_AFTER = re.compile(
    r"[ ]?(?:左右|前|之前|以前|后|之后|以后|多|许|到|至|开|结束|出|起|睡|集合|见|准|才|就|在|的|"
    r"整|抵|吃|下|上|回|关|醒|"
    r"[，。；,.;!！?？）)]|$)"
)
_CLOCK_BEFORE = re.compile(
    r"(?:[在到从至于约是每了近天周早晚日号午晨夜间]|星期.|礼拜.|直到|过了|[-–~—])[ ]?$"
)
_COLON_PERIOD: Final = re.compile(
    rf"(?P<period>{_PERIODS})[ ]?(?P<hour>[0-9]{{1,2}})[:：](?P<minute>[0-9]{{2}})(?![0-9])"
)

_N = (
    "(?:[0-9]{1,9}(?:,[0-9]{3})*(?:\\.[0-9]{1,6})?(?:[ ]?[万亿千百])?|"
    "[零〇一二两兩三四五六七八九十百千万亿廿卅]{1,12}(?:点[零一二三四五六七八九]{1,4})?)"
)
_UNIT_NAMES: Final = {
    "个世纪": "century", "世纪": "century", "年": "year", "周年": "year", "载": "year",
    "个季度": "quarter", "季度": "quarter", "个月": "month", "月": "month", "周": "week",
    "个星期": "week", "星期": "week", "个礼拜": "week", "礼拜": "week", "个周": "week",
    "天": "day", "日": "day", "昼夜": "day", "个昼夜": "day", "个工作日": "day", "个小时": "hour",
    "小时": "hour", "个钟头": "hour", "钟头": "hour", "个钟": "hour", "分钟": "minute",
    "分": "minute", "刻钟": "quarter hour", "秒钟": "second", "秒": "second",
    "毫秒": "millisecond", "微秒": "microsecond", "个时辰": "double hour", "时": "hour",
}  # fmt: skip
_COARSE: Final = {
    "quarter hour": "minute", "double hour": "hour", "millisecond": "second",
    "microsecond": "second",
}  # fmt: skip
_FACTORS: Final = {
    **SECONDS, "quarter hour": 900, "millisecond": 1e-3, "microsecond": 1e-6, "double hour": 7200,
}  # fmt: skip
_UNIT = (
    "个?世纪|周年(?!庆典?号)|年(?!代|级|轮|龄|度|份|货|糕|终|会|薪|初|底|末|纪|轻)|"
    "载(?=[，。,.\\s]|$)|"
    "个?季度|个月|周(?!年|岁|[一二三四五六日](?![个天年月小分]))|个?(?:星期|"
    "礼拜)(?![一二三四五六日天])|"
    "天(?!津|空|气|文|才(?:少年|儿童|们|$)|堂|性|下|地|涯|线|使|鹅|然|真|赋|坛|山|花|窗|桥|王)|日(?=内|之内|后|之后|"
    "以来|游|之久|夜)|"
    "个?昼夜|个工作日|个?小时|个?钟头|个钟(?!头)|分钟|刻钟|秒钟?|毫秒|微秒|个时辰"
)
_DURATION: Final = re.compile(
    rf"(?<![0-9{_DIGITS}十百千万亿第几数某前上])(?<![0-9][.,:])(?:"
    rf"(?P<lone>半)个?(?P<lone_unit>世纪|年|月(?=$|[^一-龥]|[后前内以之的左多])|小时|钟头|天|星期|"
    rf"礼拜)|"
    rf"(?:(?P<from>{_N})[ ]?{CONNECTOR})?(?P<n>{_N})(?:个半(?P<half_unit>世纪|小时|钟头|月|星期|"
    rf"礼拜|钟)|"
    rf"[ ]?(?P<unit>{_UNIT})(?P<half>半(?![径数价夜天]))?))"
)
#: Minutes without 钟, which only mean a duration after hours: 1小时20分.
_MINUTES: Final = re.compile(rf"(?<=时|头)(?P<n>{_N})[ ]?分(?!之|数|钟)")
# 有一天, 同一天 and 三天两头 say nothing of how long.
_NOT_DURATION_BEFORE = re.compile(
    r"(?:有|同|每|那|这|哪|头|另|某|任何|终|总有|新的|又是|又|成|当)$"
)
_IDIOMS: Final = re.compile(
    "三天两头|一时半会儿?|百年好合|千年虫|一天到晚|一天天|一年到头|一年四季|一天比一天|一年比一年|"
    "一日三餐|三年五载|百年树人|十年树木|一周岁|半天(?=才|没|也|都|不)|一日千里|一秒钟也|半年报|"
    "一年一度|一天一夜|三天三夜|七天七夜|两天两夜"
)
_NIGHTS: Final = {"一天一夜": 1, "两天两夜": 2, "三天三夜": 3, "七天七夜": 7}


def _int(text: str) -> int:
    value = zh_number(text)
    if text in ("元", "正"):
        return 1
    return int(value) if value is not None else 0


def _year(match: re.Match[str]) -> int:
    year = _int(match["year"])
    if year < 100:
        return year + (2000 if year < 50 else 1900)
    return year


def _era(match: re.Match[str]) -> Found | None:
    year = _int(match["year"])
    return Found(*match.span(), "date", iso_date(1 - year if match["bc"] else year), "year")


def _range(first: str, last: str) -> str:
    return f"{first}/{last}"


def _date(match: re.Match[str]) -> Found | None:
    year = _year(match)
    start, end = match.span()
    if match["from"]:
        if match["month"] or match["quarter"] or match["half"] or match["season"]:
            # 2019-2023年5月: the first end has no month of its own.
            return None
        value = _range(iso_date(_int(match["from"])), iso_date(year))
        return Found(start, end, "range", value, "year")
    if match["quarter"]:
        return Found(start, end, "date", f"{iso_date(year)}-Q{_int(match['quarter'])}", "quarter")
    if match["half"]:
        return Found(
            start, end, "date", f"{iso_date(year)}-H{'上下'.index(match['half']) + 1}", "half"
        )
    if match["season"]:
        code = 21 + "春夏秋冬".index(match["season"])
        return Found(start, end, "date", f"{iso_date(year)}-{code}", "season")
    if not match["month"]:
        return Found(start, end, "date", iso_date(year), "year")
    return _in_year(match, year)


def _in_year(match: re.Match[str], year: int | None) -> Found | None:
    start, end = match.span()
    month = _int(match["month"])
    day = _int(match["day"]) if match["day"] else None
    if day is not None and not 1 <= day <= 31:
        return None
    last = iso_date(year, month, day)
    precision = "month" if day is None else "day"
    if match["month_from"]:
        if day is not None:
            return None
        first = iso_date(year, _int(match["month_from"]))
        return Found(start, end, "range", _range(first, last), precision)
    if match["day_from"]:
        first = iso_date(year, month, _int(match["day_from"]))
        return Found(start, end, "range", _range(first, last), precision)
    return Found(start, end, "date", last, precision)


def _month_day(match: re.Match[str]) -> Found | None:
    return _in_year(match, None)


def _bare_day(match: re.Match[str]) -> Found | None:
    return Found(*match.span(), "date", iso_date(None, None, _int(match["day"])), "day")


def _quarter(match: re.Match[str]) -> Found | None:
    if match["half"]:
        value, precision = f"XXXX-H{'上下'.index(match['half']) + 1}", "half"
    else:
        value, precision = f"XXXX-Q{_int(match['a'] or match['b'])}", "quarter"
    return Found(*match.span(), "date", value, precision)


def _decade(match: re.Match[str]) -> Found | None:
    if match["full"]:
        return Found(*match.span(), "date", f"{_int(match['full']) // 10}X", "decade")
    if match["alone"]:
        century = _int(match["alone"])
        if not 1 <= century <= 22:
            return None
        sign = "-" if match["bc"] else ""
        return Found(*match.span(), "date", f"{sign}{century - 1:02d}XX", "century")
    decade = _int(match["decade"])
    if decade % 10:
        return None
    if match["century"]:
        hundreds = _int(match["century"]) - 1
    elif match["last"] or decade >= 30:
        hundreds = 19
    else:
        hundreds = 20
    return Found(*match.span(), "date", f"{hundreds:02d}{decade // 10}X", "decade")


def _weekday(match: re.Match[str]) -> Found | None:
    number = "一二三四五六日".find(match["day"].replace("天", "日")) + 1
    return Found(*match.span(), "date", f"XXXX-WXX-{number}", "weekday")


def _shift(period: str | None, hour: int) -> int:
    """The hour of the day; 晚上12点 is midnight."""
    if period is None:
        return hour
    if period in ("下午", "午后", "傍晚") and hour < 12:
        return hour + 12
    if period in ("中午", "正午", "午间"):
        return hour + 12 if hour < 10 else hour
    if "晚" in period or period in ("夜里", "夜间", "深夜", "午夜", "半夜"):
        if hour == 12:
            return 0
        return hour + 12 if 5 <= hour < 12 else hour
    if period == "凌晨" and hour == 12:
        return 0
    return hour


def _clock(match: re.Match[str]) -> Found | None:
    text, end = match.string, match.end()
    period = match["period"]
    sure = period or match["half"] or match["quarter"] or match["minute"] or match["whole"]
    if not sure:
        if match["shi"] and not match["hour"].isdigit():
            return None
        if _NOT_CLOCK_AFTER.match(text, end):
            return None
        before = _CLOCK_BEFORE.search(text, max(0, match.start() - 4), match.start())
        if not before and not (match["hour"].isdigit() and _CLOCK_AFTER.match(text, end)):
            return None
        if match["hour"] in ("一", "半") and not before:
            return None
    minute = 0
    if match["half"]:
        minute = 30
    elif match["quarter"]:
        minute = 15 if match["quarter"] == "一" else 45
    elif match["minute"]:
        minute = _int(match["minute"].lstrip("零〇") or "零")
    second = _int(match["second"]) if match["second"] else None
    hour = _int(match["hour"])
    value = clock(_shift(period, hour), minute, second)
    if value is None:
        return None
    precision = "second" if match["second"] else "minute" if minute or match["minute"] else "hour"
    return Found(*match.span(), "time", value, precision, not period and hour <= 12)


def _colon(match: re.Match[str]) -> Found | None:
    value = clock(_shift(match["period"], int(match["hour"])), int(match["minute"]))
    return None if value is None else Found(*match.span(), "time", value, "minute")


def _duration(match: re.Match[str]) -> Found | None:
    text, start = match.string, match.start()
    if match["lone"]:
        unit = _UNIT_NAMES[match["lone_unit"]]
        return Found(*match.span(), "duration", 0.5 * _FACTORS[unit], unit)
    if text[start] == "一" and _NOT_DURATION_BEFORE.search(text, max(0, start - 3), start):
        return None
    amount = zh_number(match["n"].replace(" ", ""))
    unit = _UNIT_NAMES[(match["half_unit"] or match["unit"]).replace("钟头", "小时")]
    if match["half_unit"] == "钟":
        unit = "hour"
    if amount is None or (
        unit == "year" and re.fullmatch(f"[12][0-9]{{3}}|[{_DIGITS}]{{4}}", match["n"])
    ):
        return None
    size = _FACTORS[unit]
    precision = _COARSE.get(unit, unit)
    total = (amount + (0.5 if match["half_unit"] or match["half"] else 0.0)) * size
    if match["from"]:
        first = zh_number(match["from"].replace(" ", ""))
        if first is not None and first < amount:
            value = f"{seconds_text(first * size)}/{seconds_text(total)}"
            return Found(start, match.end(), "range", value, precision)
    return Found(match.start("n"), match.end(), "duration", total, precision)


def _minutes(match: re.Match[str]) -> Found | None:
    amount = zh_number(match["n"])
    return None if amount is None else Found(*match.span(), "duration", amount * 60.0, "minute")


def _idiom(match: re.Match[str]) -> Found | None:
    days = _NIGHTS.get(match[0])
    if days is None:
        return Found(*match.span(), "", "", "")
    return Found(*match.span(), "duration", days * 86_400.0, "day")


#: In order of precedence where two begin at the same place and are equally long.
ZH_RULES: Final[tuple[Rule, ...]] = (
    (_IDIOMS, _idiom),
    (_DATE, _date),
    (_MONTH_DAY, _month_day),
    (_DECADE, _decade),
    (_QUARTER, _quarter),
    (_CLOCK, _clock),
    (_DURATION, _duration),
    (_MINUTES, _minutes),
    (_BARE_DAY, _bare_day),
    (_COLON_PERIOD, _colon),
    (_ERA, _era),
    (_WEEKDAY, _weekday),
)
_BY_KIND: Final = {
    "number": tuple(range(9)), "period": (5, 9), "era": (1, 3, 10), "other": (3, 4), "week": (11,),
}  # fmt: skip
_HAN: Final = re.compile("[\u4e00-\u9fff〇]")
_START: Final = re.compile(
    rf"(?P<number>[0-9]+|[{_DIGITS}十百千万亿两半廿卅]+|[元正](?=月))|(?P<period>{_PERIODS})|"
    r"(?P<era>[公西]元)|(?P<other>第|上个?世纪|[上下]半年)|(?P<week>周|星期|礼拜)"
)


def chinese_candidates(text: str) -> Iterator[tuple[int, int]]:
    """Where in a text which rule may begin, by its number."""
    for found in _START.finditer(text):
        start, kind = found.start(), found.lastgroup or ""
        # A number in the middle of English words begins nothing Chinese.
        if found[0][0] <= "9" and not _HAN.search(text, start, found.end() + 8):
            continue
        for rule in _BY_KIND[kind]:
            yield start, rule
