from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.text.numerals import Number, find_numbers, format_chinese, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("35", 35), (" １２３ ", 123), ("1,234.5", 1234.5), ("-3.5", -3.5), ("30%", 0.3),
        ("3.5k", 3500), ("2M", 2_000_000), ("5‰", 0.005), ("007", 7), ("+4", 4),
        ("三十五", 35), ("两百零五", 205), ("一万二千三百", 12300), ("三亿", 300_000_000),
        ("十", 10), ("十五", 15), ("二十", 20), ("一百十五", 115), ("一百一十五", 115),
        ("一万二", 12000), ("三百五", 350), ("两千三", 2300), ("一百零五", 105),
        ("一万零二", 10002),
        ("一千零二十", 1020), ("二十万三千", 203000), ("两千万", 20_000_000), ("百万", 10**6),
        ("万亿", 10**12), ("一兆", 10**12), ("一万二千亿", 12 * 10**11),
        ("三亿五千万", 350_000_000),
        ("1.2万", 12000), ("3亿5千万", 350_000_000), ("1万2", 12000), ("9万亿", 9 * 10**12),
        ("百分之三十", 0.3), ("百分之三十五点五", 0.355), ("负百分之五", -0.05), ("百分之百", 1),
        ("千分之五", 0.005), ("三分之一", Fraction(1, 3)), ("一又二分之一", Fraction(3, 2)),
        ("十二点五", 12.5), ("三点一四", 3.14), ("三点五万", 35000), ("零点五", 0.5),
        ("负三", -3), ("半", 0.5), ("一半", 0.5), ("两个半", 2.5), ("三年半", 3.5),
        ("廿", 20), ("廿三", 23), ("卅", 30), ("卅一", 31), ("〇", 0), ("零", 0),
        ("壹佰贰拾叁", 123), ("伍萬陆仟", 56000), ("二〇二五", 2025), ("一九九八", 1998),
    ],
)  # fmt: skip
def test_values(text: str, value: Number) -> None:
    parsed = parse_number(text)
    assert parsed == pytest.approx(value) if isinstance(value, float) else parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "十百",
        "三万万",
        "一百二三十",
        "1e5",
        "两 个",
        "三分之零点",
        "零分之一",
        "9" * 5000,
        "1.2.3",
    ],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_number(text)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("我们一起吃了三个苹果", [("三", 3, "个")]),
        ("万一下雨，带两把伞", [("两", 2, "把")]),
        ("十分高兴，等了三十分钟", [("三十", 30, "分钟")]),
        ("千万别忘了3.5公斤米", [("3.5", 3.5, "公斤")]),
        ("三千万元", [("三千万", 30_000_000, "元")]),
        ("GPT-4o 用了 12 秒", [("12", 12, "秒")]),
        ("v2.0.1 和 3.14", [("3.14", 3.14, "")]),
        ("2025-04-01 10:30 见", []),
        ("三心二意，来了三四个人，五十六岁", [("五十六", 56, "岁")]),
        ("周五花了1,234.5元", [("1,234.5", 1234.5, "元")]),
        ("涨了百分之三十五", [("百分之三十五", 0.35, "")]),
        ("跌了30%", [("30%", 0.3, "")]),
        ("等了两年半", [("两年半", 2.5, "")]),
        ("一个半小时", [("一个半", 1.5, "小时")]),
        ("半天、半路、一半", [("半", 0.5, "天"), ("一半", 0.5, "")]),
        ("3-5天", [("3", 3, ""), ("5", 5, "天")]),
        ("零下-5°C", [("-5", -5, "°C")]),
        ("陆先生在大陆收拾，百姓", []),
        ("十几个人", []),
        ("八点半", [("八", 8, "点")]),
        ("三点十分", [("三", 3, "点"), ("十", 10, "分")]),
        ("跑了5km, 5 kg", [("5", 5, "km"), ("5", 5, "kg")]),
        ("一下子涨了一万一", [("一万一", 11000, "")]),
        ("１２个", [("１２", 12, "个")]),
        ("x² + ½", []),
        ("", []),
    ],
)
def test_find(text: str, found: list[tuple[str, Number, str]]) -> None:
    spans = find_numbers(text)
    assert [(span.text, span.value, span.unit) for span in spans] == found
    assert all(text[span.start : span.end] == span.text for span in spans)


@given(st.integers(0, 10**12) | st.integers(0, 200_000))
@settings(deadline=None, max_examples=200)
def test_round_trip(number: int) -> None:
    assert parse_number(format_chinese(number)) == number
    assert parse_number(str(number)) == parse_number(f"{number:,}") == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "零"), (10, "十"), (12, "十二"), (20, "二十"), (105, "一百零五"), (110, "一百一十"),
        (10010, "一万零一十"), (12300, "一万二千三百"), (10**8, "一亿"), (10**12, "一万亿"),
        (-3, "负三"), (3.14, "三点一四"), (1.0, "一"), (100_000, "十万"),
    ],
)  # fmt: skip
def test_format(number: float, text: str) -> None:
    assert format_chinese(number) == text


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**16, 1e300])
def test_format_refuses(number: float) -> None:
    with pytest.raises(InvalidInputError):
        format_chinese(number)


ANY_TEXT = st.text(st.characters(exclude_categories=()))
NUMERALS = st.text(
    "0123456789.,- %k零〇一二两三十百千万亿兆点半个分之负又廿年天陆周起几⁄", max_size=30
)


@given(ANY_TEXT | NUMERALS)
@settings(deadline=None, max_examples=200)
def test_any_text(text: str) -> None:
    at = 0
    for span in find_numbers(text):
        assert at <= span.start < span.end
        assert text[span.start : span.end] == span.text
        at = span.end
    with suppress(InvalidInputError):
        parse_number(text)


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "一",
        "十一",
        "1,",
        "1,111",
        "一分之",
        "负",
        "1.1",
        "1万",
        "点一",
        "1 万",
        "1.1.",
        "1:",
        "一点",
        "又一",
        "一起",
    ],
)
def test_time_is_linear(unit: str) -> None:
    started = time.process_time()
    find_numbers(unit * 10_000)
    assert time.process_time() - started < 2
