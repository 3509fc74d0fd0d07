"""Units, their dimensions and factors. Private: see `vcplab.text.quantities`."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["CURRENCY_SIGNS", "Unit", "currency", "match_unit"]


class Unit(NamedTuple):
    """A unit: its symbol, what it measures, and how many base units it is."""

    symbol: str
    dimension: str
    factor: Fraction


# Symbol, dimension, factor, names that ignore case (a space is written _), names as they stand.
_TABLE: Final[tuple[tuple[str, str, str, str, str], ...]] = (
    ("km", "length", "1000", "kilometres? kilometers? kms?", "公里 千米 km"),
    ("m", "length", "1", "metres? meters?", "米(?!饭|粉|线|粒|酒|其|兰|勒|色) 公尺 m"),
    ("dm", "length", "1/10", "decimetres? decimeters?", "分米 dm"),
    ("cm", "length", "1/100", "centimetres? centimeters? cms?", "厘米 公分 cm"),
    ("mm", "length", "1/1000", "millimetres? millimeters? mms?", "毫米 mm"),
    ("µm", "length", "1/1000000", "micrometres? micrometers? microns?", "微米 [µμ]m"),
    ("nm", "length", "1/1000000000", "nanometres? nanometers?", "纳米 nm"),
    ("mi", "length", "1609.344", "miles?", "英里 mi"),
    ("nmi", "length", "1852", "nautical_miles?", "海里"),
    ("yd", "length", "0.9144", "yards? yds?", "码(?!头) 碼"),
    ("ft", "length", "0.3048", "feet foot", "英尺 ft"),
    ("in", "length", "0.0254", "inch inches", "英寸 吋"),
    ("里", "length", "500", "", "华里 里(?!程|面|斯|昂|约|拉|氏|边|的)"),
    ("尺", "length", "1/3", "", "市尺 尺(?!寸|度|子)"),
    ("寸", "length", "1/30", "", "寸"),
    ("丈", "length", "10/3", "", "丈(?!夫|母|人)"),
    ("ly", "length", "9460730472580800", "light[-_]years?", "光年"),
    ("AU", "length", "149597870700", "astronomical_units?", "天文单位 AU"),
    ("t", "mass", "1000", "tonnes? metric_tons? tons?", "公吨 吨 噸 t"),
    ("kg", "mass", "1", "kilograms? kilogrammes? kilos? kgs?", "公斤 千克 kg KG Kg"),
    ("斤", "mass", "1/2", "", "市斤 斤(?!斤)"),
    ("两", "mass", "1/20", "",
     "两(?!个|人|年|天|次|者|种|边|位|国|岸|侧|家|只|队|条|周|点|端|口|本|张|句|三|小)"),
    ("g", "mass", "1/1000", "grams? grammes?", "克(?!服|隆|里|拉|制|林|罗|莱|尔|星|扣|斯) g"),
    ("mg", "mass", "1/1000000", "milligrams?", "毫克 mg"),
    ("µg", "mass", "1/1000000000", "micrograms? mcg", "微克 [µμ]g"),
    ("ct", "mass", "0.0002", "carats?", "克拉"),
    ("lb", "mass", "0.45359237", "pounds? lbs?", "磅"),
    ("oz", "mass", "0.028349523125", "ounces? oz", "盎司"),
    ("st", "mass", "6.35029318", "stones?(?=_(?:in_weight|heavy))", "英石"),
    ("m³", "volume", "1", "cubic_met(?:re|er)s?", "立方米 m³ m3 m\\^3 方水"),
    ("L", "volume", "1/1000", "lit(?:re|er)s?", "公升 升(?!级|值|高|温|学|职|降|起|至|到|旗|入) L"),
    ("dL", "volume", "1/10000", "decilit(?:re|er)s?", "dL dl 分升"),
    ("mL", "volume", "1/1000000", "millilit(?:re|er)s? mls?", "毫升 mL ml"),
    ("cm³", "volume", "1/1000000", "cubic_centimet(?:re|er)s? cc", "立方厘米 cm³"),
    ("gal", "volume", "0.003785411784", "gallons?", "加仑"),
    ("qt", "volume", "0.000946352946", "quarts?", "夸脱"),
    ("pt", "volume", "0.000473176473", "pints?", "品脱"),
    ("cup", "volume", "0.0002365882365", "cups?", ""),
    ("tbsp", "volume", "0.00001478676478125", "tablespoons? tbsps?", "汤匙 大勺"),
    ("tsp", "volume", "0.00000492892159375", "teaspoons? tsps?", "茶匙 小勺"),
    ("bbl", "volume", "0.158987294928", "barrels?", ""),
    ("km²", "area", "1000000", "square_kilomet(?:re|er)s? sq\\.?_km",
     "平方公里 平方千米 km² km2 km\\^2"),
    ("m²", "area", "1", "square_met(?:re|er)s? sq\\.?_m",
     "平方米 平米 m² m2 m\\^2 平方(?![公千厘米根])"),
    ("cm²", "area", "1/10000", "square_centimet(?:re|er)s?", "平方厘米 cm²"),
    ("ha", "area", "10000", "hectares?", "公顷 ha"),
    ("亩", "area", "2000/3", "", "亩 畝"),
    ("mi²", "area", "2589988.110336", "square_miles? sq\\.?_mi", "平方英里"),
    ("ft²", "area", "0.09290304", "square_(?:feet|foot) sq\\.?_ft\\.?", "平方英尺"),
    ("acre", "area", "4046.8564224", "acres?", "英亩"),
    ("km/h", "speed", "5/18", "kilomet(?:re|er)s?_(?:per|an)_hour kph kmph",
     "km/h 公里/小时 公里每小时 公里/时 千米每小时 码速"),
    ("m/s", "speed", "1", "met(?:re|er)s?_(?:per|a)_second", "m/s 米/秒 米每秒"),
    ("mph", "speed", "0.44704", "miles?_(?:per|an)_hour mph", "英里/小时 英里每小时"),
    ("kn", "speed", "463/900", "knots?", "节航速"),
    ("°C", "temperature", "1", "degrees?_(?:celsius|centigrade|c) celsius",
     "°C ℃ 摄氏度 度(?!过|假|数|日|量|角|电|的) º_?C °_C"),
    ("°F", "temperature °F", "1", "degrees?_(?:fahrenheit|f) fahrenheit", "°F ℉ 华氏度"),
    ("K", "temperature K", "1", "kelvins?", "开尔文 K"),
    ("°", "angle", "1", "degrees?", "°(?![CF])"),
    ("W", "power", "1", "watts?", "瓦特? W"),
    ("kW", "power", "1000", "kilowatts?", "千瓦(?!时|小时) kW"),
    ("MW", "power", "1000000", "megawatts?", "兆瓦 MW"),
    ("GW", "power", "1000000000", "gigawatts?", "吉瓦 GW"),
    ("hp", "power", "745.69987158227", "horsepower hp", "马力"),
    ("J", "energy", "1", "joules?", "焦耳? J"),
    ("kJ", "energy", "1000", "kilojoules?", "千焦耳? kJ"),
    ("kWh", "energy", "3600000", "kilowatt[-_]hours?", "kWh 千瓦时 千瓦小时 度电"),
    ("Wh", "energy", "3600", "watt[-_]hours?", "Wh 瓦时"),
    ("cal", "energy", "4.184", "calories?", "卡路里 cal"),
    ("kcal", "energy", "4184", "kilocalories?", "千卡 大卡 kcal"),
    ("V", "voltage", "1", "volts?", "伏特? V"),
    ("kV", "voltage", "1000", "kilovolts?", "千伏 kV"),
    ("mV", "voltage", "1/1000", "millivolts?", "毫伏 mV"),
    ("A", "current", "1", "amps? amperes?", "安培 A"),
    ("mA", "current", "1/1000", "milliamps?", "毫安(?!时) mA"),
    ("mAh", "charge", "3.6", "", "毫安时 mAh"),
    ("Ω", "resistance", "1", "ohms?", "欧姆 Ω"),
    ("Hz", "frequency", "1", "hertz hz", "赫兹? Hz"),
    ("kHz", "frequency", "1000", "kilohertz khz", "千赫兹? kHz"),
    ("MHz", "frequency", "1000000", "megahertz mhz", "兆赫兹? MHz"),
    ("GHz", "frequency", "1000000000", "gigahertz ghz", "吉赫兹? GHz"),
    ("rpm", "frequency rpm", "1", "rpm revolutions_per_minute", "转/分 转每分"),
    ("Pa", "pressure", "1", "pascals?", "帕斯卡? Pa"),
    ("kPa", "pressure", "1000", "kilopascals?", "千帕 kPa"),
    ("hPa", "pressure", "100", "hectopascals?", "百帕 hPa"),
    ("MPa", "pressure", "1000000", "megapascals?", "兆帕 MPa"),
    ("bar", "pressure", "100000", "bars?(?!_of)", ""),
    ("atm", "pressure", "101325", "atmospheres? atm", "个?大气压"),
    ("psi", "pressure", "6894.757293168", "psi", ""),
    ("mmHg", "pressure", "133.322387415", "mmhg", "毫米汞柱 mmHg"),
    ("N", "force", "1", "newtons?", "牛顿 N"),
    ("bit", "data bit", "1", "bits?", "比特(?!币) 位(?=宽)"),
    ("B", "data", "1", "bytes?", "字节 B"),
    ("kB", "data", "1000", "kilobytes?", "kB KB 千字节"),
    ("MB", "data", "1000000", "megabytes?", "MB 兆字节"),
    ("GB", "data", "1000000000", "gigabytes?", "GB 吉字节"),
    ("TB", "data", "1000000000000", "terabytes?", "TB"),
    ("PB", "data", "1000000000000000", "petabytes?", "PB"),
    ("KiB", "data", "1024", "kibibytes?", "KiB"),
    ("MiB", "data", "1048576", "mebibytes?", "MiB"),
    ("GiB", "data", "1073741824", "gibibytes?", "GiB"),
    ("Mbps", "data rate", "1000000", "megabits?_per_second mbps", "Mbps Mb/s"),
    ("Gbps", "data rate", "1000000000", "gigabits?_per_second gbps", "Gbps Gb/s"),
    ("kbps", "data rate", "1000", "kbps", ""),
    ("px", "pixels", "1", "pixels? px", "像素"),
    ("MP", "pixels", "1000000", "megapixels?", "MP"),
    ("token", "tokens", "1", "tokens?", "个?词元"),
    ("岁", "age", "1", "years?[_-]old years?_of_age", "周?岁(?!月)"),
    ("mol", "amount", "1", "moles?", "摩尔 mol"),
    ("dB", "level", "1", "decibels? db", "分贝 dB"),
    ("%", "ratio", "1/100", "percent per_cent pct", "[%％]"),
    ("‰", "ratio", "1/1000", "per_mille?", "‰"),
    ("成", "ratio", "1/10", "",
     "成(?!为|立|功|员|果|本|长|都|分|绩|熟|就|了|年|人|品|交|型|份|语)"),
    ("pp", "percentage points", "1", "percentage_points? pp", "个?百分点"),
    ("bp", "percentage points", "1/100", "basis_points? bps", "个?基点"),
    ("倍", "multiple", "1", "times(?=_(?:as|more|larger|higher|faster|bigger|the|its|greater|"
     "smaller|less|slower|longer)) -?fold",
     "倍"),
    ("折", "discount", "1", "", "折(?!叠|磨|断|线|腾|射|扣|合|返)"),
    ("CNY", "money:CNY", "1", "yuan rmb cny renminbi",
     "元人民币 人民币元 人民币 元(?!旦|月|素|件|宵|帅|首|老|年|组) 块钱? CNY RMB"),
    ("角", "money:CNY", "1/10", "jiao", "角(?!度|色|落|逐|质)钱? 毛钱?(?!巾|衣|病|孩|笔|泽)"),
    ("USD", "money:USD", "1", "(?:us[_-]|u\\.s\\._)?dollars? usd bucks?", "美元 美金 USD"),
    ("¢", "money:USD", "1/100", "cents?", "美分 ¢"),
    ("EUR", "money:EUR", "1", "euros? eur", "欧元 EUR"),
    ("GBP", "money:GBP", "1", "pounds?_sterling british_pounds? gbp quid", "英镑 GBP"),
    ("p", "money:GBP", "1/100", "pence", "便士"),
    ("JPY", "money:JPY", "1", "(?:japanese_)?yen jpy", "日元 日圆 円 JPY"),
    ("HKD", "money:HKD", "1", "hong_kong_dollars? hkd", "港元 港币 HKD"),
    ("TWD", "money:TWD", "1", "new_taiwan_dollars? twd", "新台币 台币"),
    ("KRW", "money:KRW", "1", "(?:korean_)?won(?=[_.,;]?$|_(?:a|per|for|in|to)) krw", "韩元 韩币"),
    ("AUD", "money:AUD", "1", "australian_dollars? aud", "澳元 澳币"),
    ("CAD", "money:CAD", "1", "canadian_dollars? cad", "加元 加币"),
    ("SGD", "money:SGD", "1", "singapore_dollars? sgd", "新加坡元 新元"),
    ("CHF", "money:CHF", "1", "(?:swiss_)?francs? chf", "瑞士法郎 法郎"),
    ("INR", "money:INR", "1", "(?:indian_)?rupees? inr", "卢比"),
    ("RUB", "money:RUB", "1", "(?:russian_)?roubles? rubles? rub", "卢布"),
)  # fmt: skip

CURRENCY_SIGNS: Final = {
    "US$": "USD", "HK$": "HKD", "NT$": "TWD", "A$": "AUD", "C$": "CAD", "S$": "SGD", "$": "USD",
    "＄": "USD", "€": "EUR", "£": "GBP", "¥": "CNY", "￥": "CNY", "₹": "INR", "₩": "KRW",
    "₽": "RUB", "RMB": "CNY", "CNY": "CNY", "USD": "USD", "EUR": "EUR", "GBP": "GBP",
    "JPY": "JPY", "HKD": "HKD",
}  # fmt: skip

_NEEDS_NO_GUARD: Final = re.compile(r"[一-鿿円°℃℉º%‰\[]")
_NOT_LETTERS: Final = re.compile(r"\(\?[!=<].*?\)|\(\?i:|[\\?()\[\]]")
# Names that begin with an option, and the characters that may stand there.
_FIRST_OF: Final = {
    "(?:": "ijkrsuydwf", "[µμ": "µμ", "[%％": "%％", "个?大": "个大", "个?词": "个词",
    "个?百": "个百", "个?基": "个基", "周?岁": "周岁", "-?f": "-f",
}  # fmt: skip
_UNITS: Final = {
    symbol: Unit(symbol, dimension, Fraction(factor)) for symbol, dimension, factor, _, _ in _TABLE
}


@lru_cache(maxsize=1)
def _patterns() -> dict[str, tuple[re.Pattern[str], list[str]]]:
    """For each first character the names that begin with it, the longest first.

    Group ``i`` of a pattern belongs to ``symbols[i - 1]``.
    """
    names: list[tuple[str, str]] = []
    for symbol, _, _, words, exact in _TABLE:
        names += [(symbol, f"(?i:{word})(?![A-Za-z0-9])") for word in words.split()]
        for name in exact.split():
            guard = "" if _NEEDS_NO_GUARD.match(name) else r"(?![A-Za-z0-9²³/^])"
            names.append((symbol, name + guard))
    names = [(symbol, name.replace("_", " ")) for symbol, name in names]
    names.sort(key=lambda pair: -len(_NOT_LETTERS.sub("", pair[1])))
    firsts: dict[str, set[str]] = {}
    for _, name in names:
        body = name.removeprefix("(?i:")
        for first in _FIRST_OF.get(body[:3], body[0]):
            firsts.setdefault(first, set()).add(name)
            if name.startswith("(?i:"):
                firsts.setdefault(first.upper(), set()).add(name)
    found: dict[str, tuple[re.Pattern[str], list[str]]] = {}
    for first, own in firsts.items():
        chosen = [(symbol, name) for symbol, name in names if name in own]
        pattern = "|".join(f"({name})" for _, name in chosen)
        found[first] = re.compile(pattern), [symbol for symbol, _ in chosen]
    return found


def match_unit(text: str, at: int) -> tuple[int, Unit] | None:
    """The unit whose name begins at ``at``, and where the name ends."""
    known = _patterns().get(text[at : at + 1])
    if known is None:
        return None
    pattern, symbols = known
    match = pattern.match(text, at)
    if match is None:
        return None
    assert match.lastindex is not None
    return match.end(), _UNITS[symbols[match.lastindex - 1]]


def currency(sign: str) -> Unit:
    """The unit of a currency sign."""
    return _UNITS[CURRENCY_SIGNS[sign]]
