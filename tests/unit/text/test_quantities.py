from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.growth import assert_linear
from vcplab.text.quantities import Quantity, find_quantities, same_quantity
from vcplab.text.time_expressions import find_times


def one(text: str) -> Quantity:
    found = find_quantities(text)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("text", "value", "unit", "dimension", "base"),
    [
        ("3 km", 3, "km", "length", 3000), ("3000 米", 3000, "m", "length", 3000),
        ("三公里", 3, "km", "length", 3000), ("500m", 500, "m", "length", 500),
        ("12 kilometres", 12, "km", "length", 12_000),
        ("5厘米", 5, "cm", "length", Fraction(1, 20)),
        ("0.1 km", 0.1, "km", "length", 100), ("2 miles", 2, "mi", "length", Fraction("3218.688")),
        ("6 feet", 6, "ft", "length", Fraction("1.8288")), ("十里", 10, "里", "length", 5000),
        ("1.2万公里", 12_000, "km", "length", 12_000_000),
        ("a 5-mile", 5, "mi", "length", Fraction("8046.72")),
        ("2 kg", 2, "kg", "mass", 2), ("两公斤", 2, "kg", "mass", 2), ("4斤", 4, "斤", "mass", 2),
        ("两百克", 200, "g", "mass", Fraction(1, 5)),
        ("500 mg", 500, "mg", "mass", Fraction(1, 2000)),
        ("三吨", 3, "t", "mass", 3000), ("3-ton", 3, "t", "mass", 3000),
        ("10 pounds", 10, "lb", "mass", Fraction("4.5359237")),
        ("1.5 L", 1.5, "L", "volume", Fraction(3, 2000)),
        ("250毫升", 250, "mL", "volume", Fraction(1, 4000)),
        ("two litres", 2, "L", "volume", Fraction(1, 500)), ("3立方米", 3, "m³", "volume", 3),
        ("20平方米", 20, "m²", "area", 20), ("1,234 m²", 1234, "m²", "area", 1234),
        ("3 square kilometres", 3, "km²", "area", 3_000_000), ("12亩", 12, "亩", "area", 8000),
        ("36 km/h", 36, "km/h", "speed", 10), ("36公里每小时", 36, "km/h", "speed", 10),
        ("25°C", 25, "°C", "temperature", 25), ("25摄氏度", 25, "°C", "temperature", 25),
        ("-5 ℃", -5, "°C", "temperature", -5),
        ("77 degrees Fahrenheit", 77, "°F", "temperature °F", 77),
        ("5 GB", 5, "GB", "data", 5 * 10**9), ("2千瓦", 2000, "W", "power", 2000),
        ("220V", 220, "V", "voltage", 220),
        ("30%", 30, "%", "ratio", Fraction(3, 10)),
        ("百分之三十", 30, "%", "ratio", Fraction(3, 10)),
        ("30 percent", 30, "%", "ratio", Fraction(3, 10)),
        ("三成", 3, "成", "ratio", Fraction(3, 10)),
        ("5‰", 5, "‰", "ratio", Fraction(1, 200)), ("一半", 0.5, "", "ratio", Fraction(1, 2)),
        ("half of", 0.5, "", "ratio", Fraction(1, 2)),
        ("三分之一", 1 / 3, "", "ratio", Fraction(1, 3)),
        ("3个百分点", 3, "pp", "percentage points", 3), ("两倍", 2, "倍", "multiple", 2),
        ("three times as many", 3, "倍", "multiple", 3),
        ("$3.5 million", 3_500_000, "USD", "money:USD", 3_500_000),
        ("US$3", 3, "USD", "money:USD", 3),
        ("三亿美元", 3 * 10**8, "USD", "money:USD", 3 * 10**8),
        ("3万元", 30_000, "CNY", "money:CNY", 30_000),
        ("5块钱", 5, "CNY", "money:CNY", 5), ("¥20", 20, "CNY", "money:CNY", 20),
        ("€3", 3, "EUR", "money:EUR", 3),
        ("3欧元", 3, "EUR", "money:EUR", 3), ("50 cents", 50, "¢", "money:USD", Fraction(1, 2)),
        ("100 yen", 100, "JPY", "money:JPY", 100),
        ("£9.99", 9.99, "GBP", "money:GBP", Fraction("9.99")),
        ("35岁", 35, "岁", "age", 35), ("35 years old", 35, "岁", "age", 35),
        ("三个苹果", 3, "个", "count", 3), ("5 apples", 5, "", "count", 5),
        ("三十五", 35, "", "count", 35),
        ("35", 35, "", "count", 35), ("twenty-five people", 25, "", "count", 25),
        ("1.2亿", 1.2e8, "", "count", 1.2e8),
        ("第三", 3, "", "ordinal", 3), ("3rd", 3, "", "ordinal", 3),
        ("the third place", 3, "", "ordinal", 3),
        ("三小时", 10_800, "s", "time", 10_800), ("90 minutes", 5400, "s", "time", 5400),
    ],
)  # fmt: skip
def test_values(text: str, value: float, unit: str, dimension: str, base: Fraction | int) -> None:
    found = one(text)
    assert (found.unit, found.dimension) == (unit, dimension)
    assert found.value == pytest.approx(value)
    assert found.base == base
    assert text[found.start : found.end] == found.text
    assert text[found.number.start : found.number.end] == found.number.text


@pytest.mark.parametrize(
    "text",
    [
        "", "没有数字", "no numbers here", "2023年5月3日", "May 3, 2023", "上午9点", "in 2019",
        "GPT-4o",
        "一起走", "万一", "one of them", "1.2.3", "十几个", "三四个",
    ],
)  # fmt: skip
def test_what_is_no_quantity(text: str) -> None:
    assert find_quantities(text) == []


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("3 km", "3000 米", True), ("三十五", "35", True), ("三十五个", "35 people", True),
        ("3 km", "三千米", True), ("3 km", "3 kg", False), ("3 km", "30 km", False),
        ("2斤", "1公斤", True), ("30%", "三成", True), ("30%", "百分之三十", True),
        ("一半", "50%", True),
        ("3 dollars", "3 euros", False), ("3万元", "30000块钱", True), ("$5", "5美元", True),
        ("两个半小时", "150 minutes", True), ("半天", "12小时", True), ("3rd", "第三", True),
        ("3", "第三", False),
        ("1.5 L", "1500毫升", True), ("35岁", "35 years old", True), ("5%", "5个百分点", False),
        ("1 GB", "1000 MB", True), ("1.2亿", "120 million", True), ("三个", "3本", True),
    ],
)  # fmt: skip
def test_what_is_the_same(a: str, b: str, same: bool) -> None:
    assert same_quantity(one(a), one(b)) is same


def test_tolerance_is_relative() -> None:
    mile, kilometre = one("100 miles"), one("161 km")
    assert not same_quantity(mile, kilometre)
    assert same_quantity(mile, kilometre, tolerance=0.005)
    assert not same_quantity(mile, one("170 km"), tolerance=0.005)


@pytest.mark.parametrize(
    ("text", "bases"),
    [
        ("3-5 km", [3000, 5000]),
        ("3到5公里", [3000, 5000]),
        ("10–20%", [Fraction(1, 10), Fraction(1, 5)]),
        ("10 to 20 percent", [Fraction(1, 10), Fraction(1, 5)]),
        ("between 3 and 5 kg", [3, 5]),
        ("3 apples and 5 kg", [3, 5]),
    ],
)
def test_a_range_says_its_unit_once(text: str, bases: list[Fraction | int]) -> None:
    found = find_quantities(text)
    assert [quantity.base for quantity in found] == bases
    shared = len({quantity.dimension for quantity in found}) == 1
    assert shared is ("apples" not in text)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("30 people", "exact"), ("about 30 people", "about"), ("约3公里", "about"),
        ("30人左右", "about"),
        ("more than 5 kg", "over"), ("超过三十人", "over"), ("30多人", "over"),
        ("至少三次", "over"),
        ("at least $5", "over"), ("less than 5 kg", "under"), ("不到三十人", "under"),
        ("30岁以下", "under"),
        ("no more than 7", "under"), ("up to 20%", "under"),
    ],
)  # fmt: skip
def test_bounds(text: str, bound: str) -> None:
    assert one(text).bound == bound


def test_times_are_left_out_or_reused() -> None:
    text = "2023年5月3日有3000人走了3公里，用了两小时。"
    found = find_quantities(text)
    assert [(quantity.text, quantity.dimension) for quantity in found] == [
        ("3000人", "count"), ("3公里", "length"), ("两小时", "time"),
    ]  # fmt: skip
    assert find_quantities(text, times=find_times(text)) == found


_PIECES = st.sampled_from(
    [
        "3", "5.5", "三十", "两", "1,000", "km", "米", "公斤", "%", "$", "￥", "万", "亿", "元",
        "个", "-", "到", "to", "and", "about", "第", "th", "半", "小时", "million", "twenty",
        "five", "feet",
        "°C", "/", "度", "²", ",", "。", "岁", "half", "of",
        " ", "\ud800", "ﬁ", "🙂", "３",
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=60))
@settings(max_examples=300)
def test_offsets_are_exact_and_spans_apart(text: str) -> None:
    last = 0
    for found in find_quantities(text):
        assert last <= found.start <= found.number.start < found.number.end <= found.end
        assert text[found.start : found.end] == found.text
        assert text[found.number.start : found.number.end] == found.number.text
        assert same_quantity(found, found)
        last = found.end


@pytest.mark.parametrize(
    "unit",
    [
        "3 km ",
        "3 ",
        "3-",
        "$3",
        "三",
        "第三",
        "百分之",
        "third ",
        "3 square ",
        "3 per ",
        "about ",
        "一半",
    ],
)
def test_no_text_is_slow(unit: str) -> None:
    assert_linear(find_quantities, unit, size=500)
