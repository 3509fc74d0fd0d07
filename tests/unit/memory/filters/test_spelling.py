"""The ways to write a condition, and what is none."""

from __future__ import annotations

import pickle
from datetime import date, datetime

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.memory.filters import (
    And,
    Condition,
    Custom,
    FieldCondition,
    Not,
    Or,
    as_condition,
    field,
)

A = field("a") == 1
B = field("b") == "x"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"field": "a", "operator": "equals", "value": 1}, A),
        ({"field": "a", "operator": "==", "value": 1}, A),
        ([{"field": "a", "operator": "equals", "value": 1}], A),
        ([A, {"field": "b", "operator": "equals", "value": "x"}], And((A, B))),
        ([], And()),
        ({"logic": "or", "conditions": [A, B]}, Or((A, B))),
        ({"logic": "OR", "filters": [A, B]}, Or((A, B))),
        ({"logic": "or", "conditions": []}, And()),
        ({"conditions": [A, B]}, And((A, B))),
        ({"and": [A, B]}, And((A, B))),
        ({"and": []}, And()),
        ({"or": [A, {"not": B}]}, Or((A, Not(B)))),
        ({"not": [A, B]}, Not(And((A, B)))),
        ({"and": [A, {"or": [A, {"and": [A, B]}]}]}, And((A, Or((A, And((A, B))))))),
        (
            {"field": "a", "operator": "startsWith", "value": "x", "ignoreCase": True},
            field("a").ignoring_case().startswith("x"),
        ),
        (
            {"field": "a", "operator": "not_equals", "value": "x", "ignore_case": None},
            field("a") != "x",
        ),
        ({"field": "a", "operator": "notIn", "value": ["x"]}, FieldCondition("a", "not_in", ["x"])),
        ({"field": "a", "operator": "exists"}, field("a").exists()),
        ({"field": "a", "operator": "exists", "value": False}, field("a").missing()),
        ({"field": "a", "operator": "not_exists", "value": False}, field("a").exists()),
        (
            {"field": "a", "operator": "range", "value": {"max": 9, "min": 1}},
            field("a").between(1, 9),
        ),
        ({"field": "a", "operator": "range", "value": [1, 9]}, field("a").between(1, 9)),
        (
            {"field": "a", "operator": "range", "value": {"gte": 1, "lt": 9}},
            field("a").between(1, 9, inclusive="left"),
        ),
        (A, A),
    ],
)
def test_spellings(given, expected):
    found = as_condition(given)
    assert found == expected
    assert found.fingerprint == expected.fingerprint
    assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    "given",
    [
        None,
        "category == dress",
        5,
        {},
        {"field": "a"},
        {"field": "a", "operator": "equals", "value": 1, "valeu": 2},
        {"field": "a", "operator": "in", "value": ["x"], "ignoreCase": True, "ignore_case": False},
        {"logic": "xor", "conditions": [A]},
        {"logic": "or"},
        {"conditions": [A], "filters": [B]},
        {"conditions": A},
        {"or": []},
        {"or": A},
        {"and": [A], "or": [B]},
        {"category": "dress"},
        [[None]],
        {"customFilter": [A]},
        field("a"),
        Condition,
    ],
)
def test_what_is_none(given):
    with pytest.raises(InvalidInputError, match="is no condition") as caught:
        as_condition(given)
    assert "field" in caught.value.next_step


def test_nesting_has_a_limit():
    nested = A
    deep: object = A
    for _ in range(5000):
        deep = {"not": deep}
    with pytest.raises(InvalidInputError, match="nested"):
        as_condition(deep)
    for _ in range(49):
        nested = (nested & B) | A
    with pytest.raises(InvalidInputError, match="nested"):
        ~(nested & B) | A
    flat = A
    for _ in range(300):
        flat = flat & B
    assert len(flat.parts()) == 301


def test_a_function_is_a_condition():
    def long_enough(document):
        return len(document.text) > 3

    condition = as_condition({"filters": [A], "customFilter": long_enough})
    assert condition == And((A, Custom(long_enough)))
    assert not condition.cacheable
    assert as_condition(long_enough).matches(vl.Document("d", "text"))
    versioned = Custom(long_enough, version="1")
    assert versioned.cacheable
    assert versioned.fingerprint != Custom(long_enough, version="2").fingerprint
    assert Custom(long_enough).fingerprint != Custom(lambda d: True).fingerprint
    with pytest.raises(InvalidInputError, match="KeyError") as caught:
        Custom(lambda d: d.metadata["price"]).matches(vl.Document("d7", "text"))
    assert "'d7'" in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(InvalidInputError, match="called"):
        Custom("x")


def test_a_class_of_ones_own_says_when_it_may_be_kept():
    class Short(Condition):
        def matches(self, document):
            return len(document.text) < 3

    assert not Short().cacheable
    assert not (A & Short()).cacheable
    Short.version = "1"
    assert (A & Short()).cacheable


@pytest.mark.parametrize(
    "condition",
    [
        field("a") == 1,
        field("a") != "it's",
        field("a") > 1.5,
        field("a") >= date(2026, 2, 28),
        field("a") < datetime(2026, 2, 28, 10),
        field("a") <= "x",
        field("a") == ["x", 1],
        field("a").isin(["x", 1]),
        field("a").any_of(["x"]),
        field("a").all_of(["x"]),
        field("a").contains("x"),
        field("a").startswith("x"),
        field("a").endswith("x"),
        field("a").matches(r"\d+"),
        field("a").exists(),
        field("a").missing(),
        field("a").between(1, 9),
        field("a").between(1, 9, inclusive="neither"),
        FieldCondition("a", "range", {"min": 1}),
        FieldCondition("a", "not_contains", "x"),
        FieldCondition("a", "not_in", ["x"], ignore_case=True),
        field("a").ignoring_case() == "x",
        field("a").ignoring_case().between("a", "b"),
        (A & B) | ~(A | B),
        ~A & (B | A),
        And(),
        Or([A]),
        And([And([A, B]), B]),
    ],
)
def test_repr_says_how_to_write_it(condition):
    names = {"field": field, "FieldCondition": FieldCondition, "And": And, "Or": Or}
    import datetime as module

    again = eval(repr(condition), {**names, "datetime": module})
    assert again == condition
    assert again.fingerprint == condition.fingerprint
    assert hash(again) == hash(condition)
    assert pickle.loads(pickle.dumps(condition)) == condition


def test_different_conditions_have_different_fingerprints():
    conditions = [
        A,
        field("a") == "1",
        field("a") == True,  # noqa: E712
        field("a") != 1,
        field("b") == 1,
        field("a") == [1],
        field("a").isin([1]),
        field("a") == "2026-02-28",
        field("a") == date(2026, 2, 28),
        field("a").ignoring_case() == 1,
        ~A,
        A & B,
        B & A,
        A | B,
    ]
    assert len({c.fingerprint for c in conditions}) == len(conditions)


def test_python_mistakes_are_explained():
    for mistake in (
        lambda: A and B,
        lambda: not A,
        lambda: 1 < field("a") < 5,
        lambda: A & "x",
        lambda: A | None,
        lambda: Not("x"),
        lambda: And(A),
        lambda: field("a") == None,  # noqa: E711
        lambda: field("a").between(1, 2, inclusive="yes"),
        lambda: field("") == 1,
        lambda: FieldCondition("a", "equals", "x", ignore_case="yes"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            mistake()
        assert caught.value.next_step
    with pytest.raises(TypeError):
        hash(field("a"))


def test_parameters_can_be_swept():
    assert A.set_params(value=2) == (field("a") == 2)
    assert (~A).set_params(condition__value=2) == ~(field("a") == 2)
    assert ~~A is A
