"""Every operator on texts, numbers, dates, lists and missing values: a table to be checked by eye.

Each line: what the document holds, the operator, the value of the condition, and whether it holds.
Its opposite (``not_…``) must always be the opposite. Every line is also put to the columns.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.memory.filters import FieldCondition, field
from vcplab.memory.filters.masks import judge
from vcplab.memory.filters.operators import OPERATORS

YES, NO = True, False
ABSENT = object()
NAN = float("nan")
CHINA = timezone(timedelta(hours=8))
NOON = datetime(2026, 2, 28, 12)
NOON_CHINA = NOON.replace(tzinfo=CHINA)

TABLE = [
    # texts
    ("dress", "equals", "dress", YES),
    ("dress", "equals", "Dress", NO),
    ("dress", "equals", "dres", NO),
    ("", "equals", "", YES),
    ("连衣裙", "equals", "连衣裙", YES),
    ("e\u0301te\u0301", "equals", "été", YES),  # composed or not: the same text
    ("ａ", "equals", "a", NO),
    ("a long dress", "contains", "long", YES),
    ("a long dress", "contains", "Long", NO),
    ("度假风连衣裙", "contains", "连衣裙", YES),
    ("12", "contains", 1, NO),
    ("spring", "in", ["spring", "summer"], YES),
    ("winter", "in", ["spring", "summer"], NO),
    ("winter", "in", [], NO),
    ("spring", "any_of", ["spring", "summer"], YES),
    ("spring", "all_of", ["spring"], YES),
    ("spring", "all_of", ["spring", "summer"], NO),
    ("m", "range", {"min": "a", "max": "m"}, YES),
    ("n", "range", {"min": "a", "max": "m"}, NO),
    ("m", "range", {"gte": "a", "lt": "m"}, NO),
    ("b", "gt", "a", YES),
    ("b", "gt", "b", NO),
    ("b", "gte", "b", YES),
    ("b", "lt", "b", NO),
    ("b", "lte", "b", YES),
    ("B", "lt", "a", YES),  # by code points
    ("prefix", "starts_with", "pre", YES),
    ("prefix", "starts_with", "fix", NO),
    ("prefix", "ends_with", "fix", YES),
    ("prefix", "ends_with", "pre", NO),
    ("order 66", "regex", r"\d+$", YES),
    ("order", "regex", r"\d", NO),
    ("order", "regex", "^$", NO),
    ("", "exists", None, YES),  # an empty text is a value
    # numbers
    (3, "equals", 3, YES),
    (3, "equals", 3.0, YES),
    (3.5, "equals", 3, NO),
    (3, "equals", "3", NO),  # kinds never mix
    ("3", "equals", 3, NO),
    (1, "equals", True, NO),
    (True, "equals", True, YES),
    (True, "equals", 1, NO),
    (False, "equals", False, YES),
    (False, "in", [0, "false"], NO),
    (2**53 + 1, "equals", 2**53 + 1, YES),
    (2**53, "equals", 2**53 + 1, NO),
    (10**400, "gt", 1e308, YES),
    (3, "contains", 3, NO),
    (3, "in", [1, 2, 3], YES),
    (3, "in", ["3", True], NO),
    (3, "any_of", [3.0], YES),
    (3, "all_of", [3], YES),
    (5, "range", {"min": 1, "max": 5}, YES),
    (5.1, "range", {"min": 1, "max": 5}, NO),
    (5, "range", (5, 5), YES),
    (5, "range", {"min": 5}, YES),
    (5, "range", {"max": 4.9}, NO),
    (5, "range", {"gt": 4, "max": 5}, YES),
    (5, "range", {"gte": 1, "lt": 5}, NO),
    (5, "range", {"min": 6, "max": 4}, NO),
    ("5", "range", {"min": 1, "max": 9}, NO),
    (True, "range", {"min": 0, "max": 1}, NO),
    (5, "gt", 4, YES),
    (5, "gt", 5, NO),
    (5, "gte", 5, YES),
    (5, "lt", 5, NO),
    (5, "lte", 5, YES),
    (5, "lt", "9", NO),
    (float("inf"), "gt", 10**400, YES),
    (-1.5, "lt", 2**53 + 1, YES),
    (12, "starts_with", "1", NO),
    (12, "ends_with", "2", NO),
    (12, "regex", "1", NO),
    (0, "exists", True, YES),
    (False, "exists", None, YES),
    # dates: a bare day or month in the condition is all of it, half-open
    ("2026-02-28", "equals", "2026-02-28", YES),
    ("2026-02-28T23:59:59", "equals", "2026-02-28", YES),
    ("2026-03-01T00:00:00", "equals", "2026-02-28", NO),
    ("2026-02-28 12:00", "equals", NOON, YES),
    (NOON, "equals", "2026-02-28", YES),
    (NOON, "equals", "2026-02-28T12:00", YES),
    (NOON, "equals", "2026-02-28T12:01", NO),
    (NOON, "equals", "2026-02", YES),
    (NOON, "equals", "2026-03", NO),
    (NOON, "equals", date(2026, 2, 28), YES),
    (date(2026, 2, 28), "equals", "2026-02-28", YES),
    (date(2026, 2, 28), "equals", datetime(2026, 2, 28), YES),  # a day counts as its first moment
    (date(2026, 2, 28), "equals", NOON, NO),
    ("2026-02", "equals", "2026-02-01", YES),
    ("2026-02-30", "equals", "2026-02-28", NO),
    ("2026-02-30", "equals", "2026-02-30", YES),  # no date, but the same text
    ("20260228", "equals", "2026-02-28", NO),
    (NOON, "contains", "2026", NO),
    ("2026-02-28", "contains", "2026", YES),
    (NOON, "in", ["2026-02-27", "2026-02-28"], YES),
    (NOON, "in", ["2026-02-27"], NO),
    (NOON, "any_of", [date(2026, 2, 28)], YES),
    (NOON, "all_of", ["2026-02", "2026-02-28"], YES),
    (NOON, "range", {"min": "2026-02-01", "max": "2026-02-28"}, YES),
    (NOON, "range", {"min": "2026-02-01", "max": "2026-02-27"}, NO),
    (NOON, "range", {"min": "2026-01", "max": "2026-02"}, YES),
    (NOON, "range", {"min": "2026-03", "max": "2026-04"}, NO),
    (NOON, "range", {"gt": "2026-02-28"}, NO),
    (NOON, "range", {"lt": "2026-02-28"}, NO),
    (datetime(2026, 3, 1), "range", {"max": "2026-02-28"}, NO),
    (datetime(2026, 2, 28, 23, 59, 59, 999_999), "lte", "2026-02-28", YES),
    (datetime(2026, 3, 1), "gt", "2026-02-28", YES),
    (NOON, "gt", "2026-02-28", NO),
    (NOON, "gte", "2026-02-28", YES),
    (NOON, "lt", "2026-02-28", NO),
    (NOON, "gt", NOON, NO),
    (NOON, "gte", NOON, YES),
    (NOON, "lt", NOON, NO),
    (NOON, "lte", NOON, YES),
    ("2026-02-28T12:00", "gt", "2026-02-28T11:59", YES),
    ("soon", "gt", "2026-02-28", NO),  # not a date: not comparable with one
    (20260301, "gt", "2026-02-28", NO),
    (NOON, "gt", "abc", NO),
    (NOON, "gt", 5, NO),
    (datetime(9999, 12, 31, 23), "lte", "9999-12-31", YES),
    # a time without a zone is read where the other one is
    (NOON_CHINA, "equals", "2026-02-28T12:00+08:00", YES),
    (NOON_CHINA, "equals", "2026-02-28T04:00Z", YES),
    (NOON_CHINA, "equals", "2026-02-28T12:00", YES),
    (NOON_CHINA, "equals", "2026-02-28T12:00Z", NO),
    (NOON, "equals", "2026-02-28T12:00+08:00", YES),
    (datetime(2026, 2, 28, 1, tzinfo=CHINA), "equals", "2026-02-28", YES),  # its own calendar
    (datetime(2026, 2, 28, 23, tzinfo=UTC), "lte", "2026-02-28", YES),
    (datetime(2026, 2, 28, 23, tzinfo=UTC), "lt", "2026-03-01T07:30+08:00", YES),
    (datetime(2026, 2, 28, 23, tzinfo=UTC), "gt", "2026-03-01T06:30+08:00", YES),
    (NOON, "starts_with", "2026", NO),
    (NOON, "ends_with", "0", NO),
    (NOON, "regex", "2026", NO),
    (NOON, "exists", None, YES),
    # lists: one member is enough; `contains` looks for members
    (["travel", "home"], "equals", "travel", YES),
    (["travel", "home"], "equals", "trav", NO),
    (["travel", "home"], "equals", ["travel", "home"], YES),
    (["travel", "home"], "equals", ["home", "travel"], NO),
    (["travel", "home"], "equals", ["travel"], NO),
    ("travel", "equals", ["travel"], NO),
    ([1, 2], "equals", [1.0, 2], YES),
    ([1, 2], "equals", [True, 2], NO),
    (["travel", "home"], "contains", "travel", YES),
    (["travel", "home"], "contains", "trav", NO),
    ([1, 2], "contains", 2, YES),
    ([1, 2], "contains", "2", NO),
    (["2026-02-28T10:00"], "contains", "2026-02-28", YES),
    (["travel", "home"], "in", ["home", "work"], YES),
    (["travel", "home"], "in", ["work"], NO),
    (["travel", "home"], "any_of", ["home", "work"], YES),
    (["travel", "home"], "all_of", ["home", "travel"], YES),
    (["travel", "home"], "all_of", ["home", "work"], NO),
    ([1, 9], "range", {"min": 4, "max": 6}, NO),  # not by two different members
    ([1, 5, 9], "range", {"min": 4, "max": 6}, YES),
    ([1, 9], "gt", 8, YES),
    ([1, 9], "gt", 9, NO),
    ([1, 9], "gte", 9, YES),
    ([1, 9], "lt", 1, NO),
    ([1, 9], "lte", 1, YES),
    (["travel", "home"], "starts_with", "tra", YES),
    (["travel", "home"], "ends_with", "me", YES),
    (["travel", "home"], "regex", "^ho", YES),
    (["travel", "home"], "regex", "l,", NO),
    ([["a"], ["b"]], "all_of", ["a", "b"], YES),  # lists within lists are one list
    ([None, "a", NAN], "equals", ["a"], YES),
    (["a"], "exists", None, YES),
    # missing values meet nothing
    *[
        (nothing, operator, value, NO)
        for nothing in (ABSENT, None, NAN, pd.NaT, pd.NA, [], [None])
        for operator, value in [
            ("equals", "x"),
            ("equals", ["x"]),
            ("contains", ""),
            ("in", ["x"]),
            ("any_of", ["x"]),
            ("all_of", ["x"]),
            ("range", {"min": 0}),
            ("gt", 0),
            ("gte", 0),
            ("lt", "2026"),
            ("lte", "2026-01-01"),
            ("starts_with", ""),
            ("ends_with", ""),
            ("regex", ""),
            ("exists", None),
        ]
    ],
    # what no comparison knows is there, and no more
    ({"a": 1}, "exists", None, YES),
    ({"a": 1}, "equals", "a", NO),
    ({"a": 1}, "contains", "a", NO),
    (b"a", "equals", "a", NO),
]


def _document(value):
    return vl.Document("d", "text", metadata={} if value is ABSENT else {"x": value})


@pytest.mark.parametrize(("held", "operator", "value", "expected"), TABLE)
def test_table(held, operator, value, expected):
    document = _document(held)
    condition = FieldCondition("x", operator, value)
    opposite = FieldCondition("x", f"not_{operator}", value)
    assert condition.matches(document) is expected
    assert opposite.matches(document) is not expected
    assert (~condition).matches(document) is not expected
    corpus = vl.Corpus([document, vl.Document("other", "nothing in it")])
    assert judge(condition, corpus).mask[0] == expected
    assert judge(opposite, corpus).mask[0] != expected


def test_the_table_has_every_operator_on_every_kind():
    def kind(value):
        if value is ABSENT or value is None:
            return "missing"
        if isinstance(value, list):
            return "list"
        if isinstance(value, str):
            return "text"
        if isinstance(value, datetime):
            return "date"
        return "number" if isinstance(value, int) else "other"

    covered = {(kind(held), operator) for held, operator, _, _ in TABLE}
    for one in ("text", "number", "date", "list", "missing"):
        assert {o for k, o in covered if k == one} == set(OPERATORS), one


@pytest.mark.parametrize(
    ("held", "operator", "value", "expected"),
    [
        ("DRESS", "equals", "dress", YES),
        ("Straße", "equals", "STRASSE", YES),
        ("ÉTÉ", "equals", "e\u0301te\u0301", YES),
        ("A Long Dress", "contains", "long d", YES),
        (["Travel"], "contains", "travel", YES),
        (["Travel"], "all_of", ["TRAVEL"], YES),
        ("Spring", "in", ["spring"], YES),
        ("B", "gt", "a", YES),
        ("Prefix", "starts_with", "pRE", YES),
        ("Prefix", "ends_with", "FIX", YES),
        ("Prefix", "regex", "^prE", YES),
        ("dress", "equals", "dresses", NO),
    ],
)
def test_ignoring_case(held, operator, value, expected):
    condition = FieldCondition("x", operator, value, ignore_case=True)
    assert condition.matches(_document(held)) is expected
    assert judge(condition, vl.Corpus([_document(held)])).mask[0] == expected


def test_the_parts_of_a_document_are_fields():
    document = vl.Document(
        "d7",
        "the budget of the kitchen",
        tags=("budget", "kitchen"),
        time=NOON_CHINA,
        metadata={
            "title": "Plans",
            "author": {"name": "林", "a.b": 1},
            "a.b": {"c": 2},
            "x.y": 3,
            "x": {"y": 4},
            "people": [{"name": "A"}, {"name": "B", "age": 3}, "C"],
            "time": "1999-01-01",
        },
        source="notes/plan.md",
    )
    for condition in [
        field("id") == "d7",
        field("docno") == "d7",
        field("text").contains("kitchen"),
        field("text").exists(),
        field("text").any_of(["the budget of the kitchen"]),
        field("tags") == "budget",
        field("tags").all_of(["kitchen", "budget"]),
        field("tags") == ["budget", "kitchen"],
        field("time") == "2026-02-28",
        field("time").between("2026-02", "2026-02"),
        field("source").startswith("notes/"),
        field("title") == "Plans",
        field("author.name") == "林",
        field("author.a.b") == 1,
        field("a.b.c") == 2,
        field("x.y") == 3,  # the literal name wins
        field("people.name") == ["A", "B"],
        field("people.age") > 2,
        field("metadata.time") < "2000",
        field("metadata.title").exists(),
        field("author").exists(),
        field("author.missing").missing(),
        field("title.more").missing(),
        field(".").missing(),
    ]:
        assert condition.matches(document), condition
        assert judge(condition, vl.Corpus([document])).mask.tolist() == [True], condition


@pytest.mark.parametrize(
    ("operator", "value", "message"),
    [
        ("like", "x", "no operator 'like'.*equals, contains, in"),
        ("", "x", "no operator"),
        ("not_not_equals", "x", "no operator"),
        (None, "x", "no operator"),
        ("equals", None, "exists"),
        ("equals", NAN, "exists"),
        ("equals", pd.NaT, "cannot work"),
        ("equals", [], "at least one value"),
        ("equals", {"a": 1}, "a text, a number"),
        ("contains", ["a"], "a text, a number"),
        ("in", "spring", "a list"),
        ("in", 3, "a list"),
        ("in", [None], "exists"),
        ("in", {"spring": 1}, "a list"),
        ("all_of", [], "at least one value"),
        ("range", 5, "min"),
        ("range", {}, "min"),
        ("range", {"min": None}, "min"),
        ("range", {"min": 1, "gt": 1}, "min"),
        ("range", {"low": 1}, "min"),
        ("range", {"min": 1, "low": 1}, "min"),
        ("range", {"min": 1, "max": "9"}, "two numbers"),
        ("range", {"min": "2026-01-01", "max": "later"}, "two dates"),
        ("range", {"min": False}, "two numbers"),
        ("range", [1, 2, 3], "min"),
        ("gt", True, "a number"),
        ("gt", [1], "a text, a number"),
        ("starts_with", 1, "a text"),
        ("regex", 1, "a text"),
        ("regex", "(", "no regular expression"),
        ("exists", "yes", "true, false"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(operator, value, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        FieldCondition("x", operator, value)
    assert caught.value.next_step
    assert caught.value.where


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("equals", "yesterday"),
        ("equals", "2026"),
        ("gt", 5),
        ("in", ["2026-01-01", 5]),
        ("range", {"min": 1}),
        ("contains", "2026"),
        ("regex", "^2026"),
        ("not_starts_with", "2026"),
    ],
)
def test_a_documents_time_is_compared_with_times(operator, value):
    with pytest.raises(InvalidInputError, match="time") as caught:
        FieldCondition("time", operator, value)
    assert "2026-02" in caught.value.next_step
    FieldCondition("metadata.time", operator, value)


def test_values_of_numpy_and_pandas():
    document = _document(3)
    assert (field("x") == np.int64(3)).matches(document)
    assert field("x").isin(np.array([1, 3])).matches(document)
    assert field("x").isin(pd.Series([1, 3])).matches(document)
    assert field("x").isin({3, 4}).matches(document)
    assert (field("x") == np.datetime64("2026-02-28T12:00")).matches(_document(NOON))
    assert (field("x") == pd.Timestamp("2026-02-28T12:00")).matches(_document(NOON))
    assert (field("x") > pd.Timestamp("2026-02-28")).matches(_document(pd.Timestamp(NOON)))
    assert field("x").isin({3, 4}).fingerprint == field("x").isin({4, 3}).fingerprint
