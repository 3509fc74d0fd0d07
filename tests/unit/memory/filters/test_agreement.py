"""Columns, single documents and pandas say the same; and logic is logic."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vcplab as vl
from vcplab.memory.filters import And, Condition, Custom, FieldCondition, Not, Or, field, stores
from vcplab.memory.filters.masks import judge
from vcplab.memory.filters.operators import OPERATORS
from vcplab.memory.filters.verdicts import TextPart

CHINA = timezone(timedelta(hours=8))
SOME = 60 if settings.default.max_examples > 60 else settings.default.max_examples

# pandas ----------------------------------------------------------------------------------------

CATEGORIES = ["dress", "shirt", "Dress", "hat"]
COLOURS = ["red", "green", "blue"]

records = st.lists(
    st.fixed_dictionaries(
        {
            "category": st.sampled_from([*CATEGORIES, None]),
            "price": st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([0.5, -1.5, 2.25])),
            "day": st.one_of(
                st.none(), st.datetimes(datetime(2026, 2, 26), datetime(2026, 3, 3, 23, 59))
            ),
            "colours": st.lists(st.sampled_from(COLOURS), max_size=3),
            "sold": st.sampled_from([True, False, None]),
        }
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=SOME)
@given(records, st.sampled_from(CATEGORIES), st.integers(-3, 3), st.integers(0, 4), st.booleans())
def test_agreement_with_pandas(rows, category, price, shift, iso):
    """The masks are what somebody who knows pandas, and not vcplab, would write."""
    day = date(2026, 2, 26) + timedelta(days=shift)
    frame = pd.DataFrame(rows).astype({"category": object, "colours": object})
    frame["price"] = pd.to_numeric(frame["price"])
    frame["day"] = pd.to_datetime(frame["day"])
    frame["sold"] = frame["sold"].astype("boolean")
    stored = [
        {**row, "day": row["day"].isoformat() if iso and row["day"] else row["day"]} for row in rows
    ]
    corpus = vl.Corpus(
        [vl.Document(str(i), f"text {i}", metadata=row) for i, row in enumerate(stored)]
    )
    midnight = pd.Timestamp(day)
    tomorrow = midnight + pd.Timedelta(days=1)
    named = frame["category"].fillna("")
    expected = {
        field("category") == category: frame["category"] == category,
        field("category") != category: frame["category"] != category,
        field("category").ignoring_case() == category: named.str.lower() == category.lower(),
        field("category").isin([category, "hat"]): frame["category"].isin([category, "hat"]),
        FieldCondition("category", "not_in", [category]): ~frame["category"].isin([category]),
        field("category").contains("re"): named.str.contains("re", regex=False),
        FieldCondition("category", "not_contains", "re"): ~named.str.contains("re", regex=False),
        field("category").startswith("d"): named.str.startswith("d"),
        field("category").endswith("t"): named.str.endswith("t"),
        field("category").matches("^[dh]"): named.str.contains("^[dh]"),
        field("category").exists(): frame["category"].notna(),
        field("category").missing(): frame["category"].isna(),
        field("category") > "dress": named > "dress",
        field("price") == price: frame["price"] == price,
        field("price") != price: frame["price"] != price,
        field("price") > price: frame["price"] > price,
        field("price") >= price: frame["price"] >= price,
        field("price") < price: frame["price"] < price,
        field("price") <= price: frame["price"] <= price,
        field("price").between(price, 2): frame["price"].between(price, 2),
        field("price").between(price, 2, "left"): frame["price"].between(price, 2, "left"),
        field("price").between(price, 2, "neither"): frame["price"].between(price, 2, "neither"),
        field("price").isin([price, 0.5]): frame["price"].isin([price, 0.5]),
        field("price").missing(): frame["price"].isna(),
        field("day") == str(day): frame["day"].dt.normalize() == midnight,
        field("day") == day: frame["day"].dt.normalize() == midnight,
        field("day") != str(day): frame["day"].dt.normalize() != midnight,
        field("day") > str(day): frame["day"] >= tomorrow,
        field("day") >= str(day): frame["day"] >= midnight,
        field("day") < str(day): frame["day"] < midnight,
        field("day") <= str(day): frame["day"] < tomorrow,
        field("day") <= midnight: frame["day"] <= midnight,
        field("day") == "2026-02": (frame["day"].dt.month == 2),
        field("day").between("2026-02-27", str(day)): (frame["day"] >= "2026-02-27")
        & (frame["day"] < tomorrow),
        field("day").missing(): frame["day"].isna(),
        field("colours").contains("red"): frame["colours"].map(lambda c: "red" in c),
        field("colours").any_of(["red", "blue"]): frame["colours"].map(
            lambda c: bool({"red", "blue"} & set(c))
        ),
        field("colours").all_of(["red", "blue"]): frame["colours"].map({"red", "blue"}.issubset),
        field("colours").exists(): frame["colours"].str.len() > 0,
        field("sold") == True: frame["sold"].fillna(False),  # noqa: E712
        field("sold") != True: ~frame["sold"].fillna(False),  # noqa: E712
    }
    both = list(expected)
    expected[both[0] & both[16]] = expected[both[0]] & expected[both[16]]
    expected[both[0] | both[30]] = expected[both[0]] | expected[both[30]]
    expected[~(both[1] | both[26])] = ~(expected[both[1]] | expected[both[26]])
    for condition, mask in expected.items():
        assert judge(condition, corpus).mask.tolist() == mask.tolist(), condition


# Any documents and any conditions --------------------------------------------------------------

TEXTS = ["", "a", "A", "ab", "é", "e\u0301", "2026-02-28", "2026-02", "2026-02-28T10:00", "1",
         "2026-02-28T10:00+08:00", "x\0y", "lone \ud800", "长" * 300]  # fmt: skip
MOMENTS = [
    datetime(2026, 2, 28),
    datetime(2026, 2, 28, 10),
    datetime(2026, 2, 28, 10, tzinfo=CHINA),
    datetime(2026, 2, 28, 2, tzinfo=UTC),
    datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=CHINA),
    datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-8))),
    date(2026, 2, 28),
    date(2026, 2, 1),
]
NUMBERS = [0, 1, -1, 0.5, 1.0, 2**53, 2**53 + 1, -(2**53) - 1, 2**64, 10**400, -(10**400), 1e308,
           float("inf"), float("-inf"), 5e-324]  # fmt: skip
scalars = st.sampled_from([*TEXTS, *MOMENTS, *NUMBERS, True, False])
missing = st.sampled_from([None, float("nan"), pd.NaT, [], {}])
held = st.recursive(
    st.one_of(scalars, missing),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("bc"), inner, max_size=2)
    ),
    max_leaves=5,
)
documents = st.builds(
    lambda metadata, text, tags, time: (metadata, text, tags, time),
    st.dictionaries(st.sampled_from(["a", "b", "a.b"]), held, max_size=3),
    st.sampled_from(TEXTS),
    st.lists(st.sampled_from(["a", "b", "2026-02-28"]), max_size=2),
    st.one_of(st.none(), st.sampled_from([m for m in MOMENTS if isinstance(m, datetime)])),
)
FIELDS = ["a", "b", "a.b", "a.b.c", "text", "tags", "nowhere"]
PATTERNS = ["a", "^$", "^2026", r"\d\d", ".", "^é$"]


@st.composite
def leaves(draw):
    operator = draw(st.sampled_from(OPERATORS))
    name = draw(st.sampled_from(FIELDS))
    several = st.lists(scalars, min_size=1, max_size=4)
    orderable = st.sampled_from([*TEXTS, *MOMENTS, *NUMBERS])
    if operator in ("in", "any_of", "all_of"):
        value = draw(several)
    elif operator == "equals":
        value = draw(st.one_of(scalars, several))
    elif operator == "contains":
        value = draw(scalars)
    elif operator == "range":
        of_a_kind = st.sampled_from([
            NUMBERS, ["", "a", "ab", "é"], [*MOMENTS, "2026-02", "2026-02-28"]
        ])  # fmt: skip
        ends = draw(of_a_kind)
        sides = draw(st.sampled_from([("min", "max"), ("gt", "lt"), ("gte", "lt"), ("gt", "lte")]))
        value = {side: draw(st.sampled_from(ends)) for side in sides}
    elif operator in ("gt", "gte", "lt", "lte"):
        value = draw(orderable)
    elif operator == "exists":
        value = None
    elif operator == "regex":
        value = draw(st.sampled_from(PATTERNS))
    else:
        value = draw(st.sampled_from(TEXTS))
    negated = "not_" if draw(st.booleans()) else ""
    return FieldCondition(name, negated + operator, value, draw(st.booleans()))


def _many_tags(document):
    return len(document.tags) > 1


customs = st.sampled_from(
    [Custom(_many_tags), Custom(_many_tags, version="1"), Custom(lambda d: d.time is None)]
)
times = st.builds(
    lambda operator, value: FieldCondition("time", operator, value),
    st.sampled_from(["equals", "gt", "gte", "lt", "lte", "not_equals"]),
    st.sampled_from([*MOMENTS, "2026-02", "2026-02-28T10:00+08:00"]),
)
conditions = st.recursive(
    st.one_of(leaves(), times, customs),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)


def _made(found, start=0):
    return [
        vl.Document(f"d{i}", text, tags=tags, time=time, metadata=metadata)
        for i, (metadata, text, tags, time) in enumerate(found, start)
    ]


def _agree(condition: Condition, corpus: vl.Corpus) -> None:
    mask = judge(condition, corpus).mask
    live = corpus.rows
    assert mask[live].tolist() == [condition.matches(corpus.document(r)) for r in live.tolist()]
    assert mask.sum() == mask[live].sum()  # nothing that is gone
    assert not mask.flags.writeable


@pytest.fixture(params=["codes", "bytes"])
def _text_form(request, monkeypatch):
    """Texts as numbers of known ones, and as bytes, as they are when there are too many."""
    if request.param == "bytes":
        monkeypatch.setattr(stores, "_KNOWN", 2)


@pytest.mark.usefixtures("_text_form")
def test_columns_agree_with_single_documents():
    @settings(max_examples=SOME)
    @given(
        st.lists(documents, max_size=8),
        st.lists(documents, max_size=4),
        st.sets(st.integers(0, 7)),
        st.lists(conditions, min_size=1, max_size=4),
    )
    def check(first, second, gone, asked):
        corpus = vl.Corpus(_made(first))
        for condition in asked:
            _agree(condition, corpus)
            _agree(condition, corpus)
        corpus.delete([f"d{i}" for i in gone if i < len(first)])
        for condition in asked[:2]:
            _agree(condition, corpus)
        corpus.add(_made(second, 100))
        for condition in asked:
            _agree(condition, corpus)

    check()


@settings(max_examples=SOME)
@given(documents, conditions, conditions)
def test_logic(found, one, other):
    (document,) = _made([found])
    held, too = one.matches(document), other.matches(document)
    assert (~one).matches(document) is (not held)
    assert (one & other).matches(document) is (held and too)
    assert (one | other).matches(document) is (held or too)
    assert (~(one & other)).matches(document) is (~one | ~other).matches(document)
    assert (~(one | other)).matches(document) is (~one & ~other).matches(document)
    assert And((one, ~one)).matches(document) is False
    assert Or((one, ~one)).matches(document) is True


def test_a_function_is_asked_only_where_it_matters():
    asked = []

    def noted(document):
        asked.append(document.id)
        return True

    corpus = vl.Corpus([vl.Document(str(i), "t", metadata={"n": i}) for i in range(10)])
    assert judge(Custom(noted) & (field("n") < 3), corpus).mask.sum() == 3
    assert asked == ["0", "1", "2"]
    asked.clear()
    assert judge(Custom(noted) | (field("n") < 7), corpus).mask.sum() == 10
    assert asked == ["7", "8", "9"]
    asked.clear()
    versioned = Custom(noted, version="1")
    judge(versioned, corpus)
    judge(~versioned, corpus)
    corpus.add(vl.Document("new", "t"))
    judge(versioned, corpus)
    assert asked == [*map(str, range(10)), "new"]


def test_only_new_rows_are_judged(monkeypatch):
    judged = []
    real = TextPart.text

    def noted(self, value):
        judged.append(value)
        return real(self, value)

    monkeypatch.setattr(TextPart, "text", noted)
    corpus = vl.Corpus(
        [vl.Document(f"{i}", f"t{i % 2}", metadata={"x": f"x{i % 2}"}) for i in range(6)]
    )
    for name in ("x", "text"):
        condition = field(name).contains("1")
        judge(condition, corpus)
        judge(~condition & condition, corpus)
    assert sorted(judged) == ["t0", "t0", "t0", "t1", "t1", "t1", "x0", "x1"]
    judged.clear()
    corpus.upsert(vl.Document("6", "t1", metadata={"x": "x1"}))
    for name in ("x", "text"):
        assert judge(field(name).contains("1"), corpus).mask.tolist() == [False, True] * 3 + [True]
    assert judged == ["x1", "t1"]


def test_absent_fields_are_told():
    corpus = vl.Corpus([vl.Document("1", "t", metadata={"category": "dress"})])
    assert judge((field("categroy") == "x") | (field("category") == "x"), corpus).absent == (
        "categroy",
    )
    assert judge(field("categroy") == "x", vl.Corpus()).absent == ()
    assert judge(And(), corpus).mask.tolist() == [True]
    assert judge(Or(), corpus).mask.tolist() == [False]
    assert judge(And(), vl.Corpus()).mask.shape == (0,)
    assert isinstance(judge(field("a").exists(), vl.Corpus()).mask, np.ndarray)


def test_rows_renumbered():
    corpus = vl.Corpus([vl.Document(str(i), "t", metadata={"n": i}) for i in range(2500)])
    condition = (field("n") >= 2000) & field("text").contains("t")
    assert judge(condition, corpus).mask.sum() == 500
    corpus.delete([str(i) for i in range(2400)])
    mask = judge(condition, corpus).mask
    assert mask.tolist() == [True] * 100
    assert re.fullmatch("24..", corpus.document(0).id)


def test_a_corpus_in_a_folder(tmp_path):
    documents = [
        vl.Document(str(i), f"text {i}", time=datetime(2026, 1, 1 + i), metadata={"n": i % 3})
        for i in range(9)
    ]
    condition = ((field("n") == 1) & (field("time") > "2026-01-02")) | field("text").contains("8")
    with vl.Corpus.open(tmp_path / "c") as corpus:
        corpus.add(documents)
        _agree(condition, corpus)
        assert judge(condition, corpus).mask.sum() == 3
        with vl.Corpus.open(tmp_path / "c", read_only=True) as reader:
            _agree(condition, reader)
            corpus.delete("4")
            _agree(condition, reader)
            assert judge(condition, reader).mask.sum() == 2
