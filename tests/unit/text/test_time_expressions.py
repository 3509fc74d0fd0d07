from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.growth import assert_linear
from vcplab.text.time_expressions import TimeSpan, find_times, supports_time, times_conflict

DAY = 86_400
MONTH = 2_629_800
YEAR = 31_557_600


def one(text: str) -> TimeSpan:
    found = find_times(text)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("text", "kind", "value", "precision"),
    [
        ("2023年5月3日", "date", "2023-05-03", "day"),
        ("２０２３年５月３日", "date", "2023-05-03", "day"),
        ("2023 年 5 月 3 日", "date", "2023-05-03", "day"),
        ("二〇二三年", "date", "2023", "year"),
        ("二零二三年五月三日", "date", "2023-05-03", "day"),
        ("一九九八年十二月三十一日", "date", "1998-12-31", "day"),
        ("2023年5月", "date", "2023-05", "month"),
        ("23年5月", "date", "2023-05", "month"),
        ("98年10月", "date", "1998-10", "month"),
        ("5月3日", "date", "--05-03", "day"),
        ("十一月二十三号", "date", "--11-23", "day"),
        ("3月份", "date", "--03", "month"),
        ("元月5日", "date", "--01-05", "day"),
        ("2023年第二季度", "date", "2023-Q2", "quarter"),
        ("2023年三季度", "date", "2023-Q3", "quarter"),
        ("第三季度", "date", "XXXX-Q3", "quarter"),
        ("2023年上半年", "date", "2023-H1", "half"),
        ("2023年春", "date", "2023-21", "season"),
        ("上世纪90年代", "date", "199X", "decade"),
        ("20世纪九十年代", "date", "199X", "decade"),
        ("1980年代", "date", "198X", "decade"),
        ("十九世纪", "date", "18XX", "century"),
        ("21世纪", "date", "20XX", "century"),
        ("公元前221年", "date", "-0220", "year"),
        ("公元79年", "date", "0079", "year"),
        ("2023年度", "date", "2023", "year"),
        ("周三", "date", "XXXX-WXX-3", "weekday"),
        ("星期天", "date", "XXXX-WXX-7", "weekday"),
        ("礼拜一", "date", "XXXX-WXX-1", "weekday"),
        ("15号", "date", "---15", "day"),
        ("2023-05-03", "date", "2023-05-03", "day"),
        ("2023/5/3", "date", "2023-05-03", "day"),
        ("2023.5.3", "date", "2023-05-03", "day"),
        ("2023-05", "date", "2023-05", "month"),
        ("May 3, 2023", "date", "2023-05-03", "day"),
        ("May 3rd", "date", "--05-03", "day"),
        ("3rd of May", "date", "--05-03", "day"),
        ("3 May 2023", "date", "2023-05-03", "day"),
        ("the twenty-third of June, 2020", "date", "2020-06-23", "day"),
        ("Sept. 9, 2021", "date", "2021-09-09", "day"),
        ("December 2020", "date", "2020-12", "month"),
        ("in March", "date", "--03", "month"),
        ("Q2 2023", "date", "2023-Q2", "quarter"),
        ("2023 Q4", "date", "2023-Q4", "quarter"),
        ("the second quarter of 2023", "date", "2023-Q2", "quarter"),
        ("the first half of 2021", "date", "2021-H1", "half"),
        ("summer of 2019", "date", "2019-22", "season"),
        ("the 1990s", "date", "199X", "decade"),
        ("the '80s", "date", "198X", "decade"),
        ("the nineties", "date", "199X", "decade"),
        ("the 19th century", "date", "18XX", "century"),
        ("the twenty-first century", "date", "20XX", "century"),
        ("5th century BC", "date", "-04XX", "century"),
        ("44 BC", "date", "-0043", "year"),
        ("in 2019", "date", "2019", "year"),
        ("(2019)", "date", "2019", "year"),
        ("on Tuesday", "date", "XXXX-WXX-2", "weekday"),
        ("03/05/2023", "date", "2023-03-05", "day"),
        ("25/12/2022", "date", "2022-12-25", "day"),
        ("03.05.2023", "date", "2023-05-03", "day"),
        ("2023年2月30日", "date", "2023-02-30", "day"),
        ("上午9点", "time", "T09:00", "hour"),
        ("下午3点20分", "time", "T15:20", "minute"),
        ("晚上八点半", "time", "T20:30", "minute"),
        ("凌晨两点", "time", "T02:00", "hour"),
        ("晚上12点", "time", "T00:00", "hour"),
        ("中午12点半", "time", "T12:30", "minute"),
        ("三点一刻", "time", "T03:15", "minute"),
        ("9时30分", "time", "T09:30", "minute"),
        ("下午3:05", "time", "T15:05", "minute"),
        ("21:30:15", "time", "T21:30:15", "second"),
        ("9:05 am", "time", "T09:05", "minute"),
        ("9 p.m.", "time", "T21:00", "hour"),
        ("12 am", "time", "T00:00", "hour"),
        ("5 o'clock in the evening", "time", "T17:00", "hour"),
        ("half past nine", "time", "T09:30", "minute"),
        ("a quarter to five", "time", "T04:45", "minute"),
        ("at noon", "time", "T12:00", "hour"),
        ("midnight", "time", "T00:00", "hour"),
        ("三天", "duration", 3 * DAY, "day"),
        ("两个半小时", "duration", 9000, "hour"),
        ("一年半", "duration", 1.5 * YEAR, "year"),
        ("一个半月", "duration", 1.5 * MONTH, "month"),
        ("半年", "duration", 0.5 * YEAR, "year"),
        ("半个小时", "duration", 1800, "hour"),
        ("三个月", "duration", 3 * MONTH, "month"),
        ("两周", "duration", 14 * DAY, "week"),
        ("三个星期", "duration", 21 * DAY, "week"),
        ("一小时二十分钟", "duration", 4800, "minute"),
        ("1小时20分", "duration", 4800, "minute"),
        ("一刻钟", "duration", 900, "minute"),
        ("10周年", "duration", 10 * YEAR, "year"),
        ("三天三夜", "duration", 3 * DAY, "day"),
        ("3日内", "duration", 3 * DAY, "day"),
        ("200毫秒", "duration", 0.2, "second"),
        ("3 days", "duration", 3 * DAY, "day"),
        ("a 3-day", "duration", 3 * DAY, "day"),
        ("two and a half hours", "duration", 9000, "hour"),
        ("a year and a half", "duration", 1.5 * YEAR, "year"),
        ("half an hour", "duration", 1800, "hour"),
        ("for a week", "duration", 7 * DAY, "week"),
        ("twenty-five minutes", "duration", 1500, "minute"),
        ("2 hours and 30 minutes", "duration", 9000, "minute"),
        ("two decades", "duration", 20 * YEAR, "decade"),
        ("5s", "duration", 5, "second"),
        ("within a second", "duration", 1, "second"),
        ("200 ms", "duration", 0.2, "second"),
        ("30 business days", "duration", 30 * DAY, "day"),
        ("5月3日至8日", "range", "--05-03/--05-08", "day"),
        ("5月3-8日", "range", "--05-03/--05-08", "day"),
        ("2023年5月到7月", "range", "2023-05/2023-07", "month"),
        ("2019-2023年", "range", "2019/2023", "year"),
        ("2019年至2023年", "range", "2019/2023", "year"),
        ("三到五天", "range", "259200/432000", "day"),
        ("下午2点到4点", "range", "T14:00/T16:00", "hour"),
        ("周一至周五", "range", "XXXX-WXX-1/XXXX-WXX-5", "weekday"),
        ("May 3-8, 2023", "range", "2023-05-03/2023-05-08", "day"),
        ("3–8 May 2023", "range", "2023-05-03/2023-05-08", "day"),
        ("May 3 to June 8, 2023", "range", "2023-05-03/2023-06-08", "day"),
        ("from 2019 to 2023", "range", "2019/2023", "year"),
        ("between 2019 and 2023", "range", "2019/2023", "year"),
        ("2010–12", "range", "2010/2012", "year"),
        ("9:00-11:30", "range", "T09:00/T11:30", "minute"),
        ("9-11 am", "range", "T09:00/T11:00", "hour"),
        ("three to five days", "range", "259200/432000", "day"),
        ("Monday to Friday", "range", "XXXX-WXX-1/XXXX-WXX-5", "weekday"),
    ],
)  # fmt: skip
def test_values(text: str, kind: str, value: str | float, precision: str) -> None:
    found = one(text)
    assert (found.kind, found.value, found.precision) == (kind, value, precision)
    assert text[found.start : found.end] == found.text


@pytest.mark.parametrize(
    "text",
    [
        "", "今天天气很好", "未来会更好", "有一天他会回来", "第三天", "三年级的学生", "小时候",
        "一起走",
        "有三点建议", "3点原因", "3号楼", "一点儿也不", "万一下雨", "三天两头", "一天到晚",
        "月亮很圆",
        "同一天", "版本 1.2.3", "he may come", "they march on", "the second time", "35 years old",
        "once a day",
        "a second chance", "$1999", "1999 km", "2000 people", "room 101", "in her thirties",
        "a decision",
        "the two of them", "昨天", "last week", "比分是 3:0", "1:1000", "12345678",
    ],
)  # fmt: skip
def test_what_is_no_absolute_time(text: str) -> None:
    assert find_times(text) == []


def test_several_in_a_text_and_what_stands_between() -> None:
    text = "2023年5月3日下午3点20分，三人在5月4日至6日之间等了三天。"
    text += "By May 7 all had left, 2 hours late."
    assert [(span.text, span.kind) for span in find_times(text)] == [
        ("2023年5月3日", "date"), ("下午3点20分", "time"), ("5月4日至6日", "range"),
        ("三天", "duration"),
        ("May 7", "date"), ("2 hours", "duration"),
    ]  # fmt: skip


def test_now_gives_the_year_and_month_that_are_not_said() -> None:
    now = date(2024, 6, 30)
    found = find_times("5月3日、15号、in March, Q2, 2019年5月", now=now)
    assert [span.value for span in found] == [
        "2024-05-03", "2024-06-15", "2024-03", "2024-Q2", "2019-05",
    ]  # fmt: skip
    assert find_times("5月3日至8日", now=now)[0].value == "2024-05-03/2024-05-08"


@pytest.mark.parametrize(
    ("evidence", "claim", "supported"),
    [
        ("2023年5月3日", "May 3, 2023", True),
        ("2023-05-03", "in 2023", True),
        ("2023-05-03", "5月3日", True),
        ("2023-05-03", "May 2023", True),
        ("2023-05-03", "Q2 2023", True),
        ("2023-05-03", "2023年上半年", True),
        ("2023-05-03", "the 2020s", True),
        ("2023-05-03", "Wednesday", True),
        ("2023-05-03", "Thursday", False),
        ("2023", "2023-05-03", False),
        ("2023-05-04", "2023-05-03", False),
        ("1995年", "上世纪90年代", True),
        ("1995年", "20世纪", True),
        ("1895年", "20世纪", False),
        ("from 2019 to 2023", "in 2023", True),
        ("from 2019 to 2023", "in 2021", False),
        ("from 2019 to 2023", "2019–2023", True),
        ("下午3点", "3 p.m.", True),
        ("下午3点", "at 3:00", True),
        ("下午3点", "上午3点", False),
        ("9:05 am", "9:06 am", False),
        ("两个半小时", "150 minutes", True),
        ("三天", "72 hours", True),
        ("三天", "four days", False),
        ("一年", "12个月", True),
        ("一个月", "30 days", True),
        ("两个月", "30 days", False),
        ("三天", "2023年", False),
        ("三到五天", "three to five days", True),
        ("三到五天", "three to six days", False),
    ],
)  # fmt: skip
def test_what_supports_what(evidence: str, claim: str, supported: bool) -> None:
    assert supports_time(one(evidence), one(claim)) is supported


@pytest.mark.parametrize(
    ("a", "b", "conflict"),
    [
        ("2023年5月", "2023年6月", True),
        ("2023年", "5月3日", False),
        ("2023年", "2023年6月", False),
        ("周三", "周四", True),
        ("2023-05-03", "on Thursday", True),
        ("三天", "四天", True),
        ("三天", "2023年", False),
        ("3 p.m.", "15:00", False),
        ("3 p.m.", "16:00", True),
    ],
)  # fmt: skip
def test_conflicts(a: str, b: str, conflict: bool) -> None:
    assert times_conflict(one(a), one(b)) is conflict
    assert times_conflict(one(b), one(a)) is conflict


_PIECES = st.sampled_from(
    [
        "2023", "5", "3", "年", "月", "日", "号", "三", "十", "两", "个", "半", "点", "分",
        "小时", "天", "周", "星期", "上午", "至", "到", "-", "–", ",", ".", ":", "/", "'",
        "May", "march", "the", "of", "Q2", "s", "to", "and", "a", "half", "hours", "days", "year",
        "BC",
        "12:30", "am", "世纪", "年代", "上", "第", "季度", "１２", "：", "１９９９年",
        " ", "\n", "\ud800", "e\u0301", "🙂",
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=60))
@settings(max_examples=300)
def test_offsets_are_exact_and_spans_apart(text: str) -> None:
    last = 0
    for span in find_times(text):
        assert last <= span.start < span.end
        assert text[span.start : span.end] == span.text
        assert supports_time(span, span)
        assert not times_conflict(span, span)
        last = span.end


@pytest.mark.parametrize(
    "unit",
    ["一", "two ", "May ", "May 3 ", "1-", "3年", "三天", "点", "a ", "half a ", "3-5", "2023年",
     "Q2 2023 ",
     ":12", "上午", "the 3rd of ", "三到", "2023-", "1 and a ", "前", " "],
)  # fmt: skip
def test_no_text_is_slow(unit: str) -> None:
    assert_linear(find_times, unit)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("纪要：三月五日开会", ["三月五日"]),
        ("会后,3月5日出发", ["3月5日"]),
        ("安排：9点开会", ["9点"]),
        ("用时：三天", ["三天"]),
        ("从 21 点 40 分到 22 点 25 分", ["21 点 40 分到 22 点 25 分"]),
        ("二十天才完成", ["二十天"]),
        ("版本1.3月", []),
        ("2,3月", []),
        ("天才儿童", []),
    ],
)
def test_signs_before_chinese_times(text: str, found: list[str]) -> None:
    assert [time.text for time in find_times(text)] == found
