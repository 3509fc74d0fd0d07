from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.growth import assert_linear
from vcplab.text.english_numbers import english_value, find_all_numbers, find_english_numbers
from vcplab.text.numerals import Number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("zero", 0), ("seven", 7), ("twelve", 12), ("nineteen", 19), ("twenty", 20),
        ("twenty-five", 25), ("twenty five", 25), ("Ninety-Nine", 99), ("one hundred", 100),
        ("a hundred", 100), ("one hundred and five", 105), ("two hundred thirty", 230),
        ("one thousand two hundred", 1200), ("twelve hundred", 1200), ("a thousand", 1000),
        ("two million, three hundred thousand", 2_300_000), ("three billion", 3 * 10**9),
        ("a dozen", 12), ("two dozen", 24), ("three and a half", 3.5),
        ("three point one four", 3.14),
        ("1.2 million", 1_200_000), ("3bn", 3 * 10**9), ("5 hundred", 500),
        ("1,200 thousand", 1_200_000),
        ("2 and a half", 2.5),
    ],
)  # fmt: skip
def test_values(text: str, value: Number) -> None:
    assert english_value(text) == pytest.approx(value)
    (found,) = find_english_numbers(f"About {text} of it.")
    assert (found.text, found.value) == (text, pytest.approx(value))


@pytest.mark.parametrize("text", ["", "of", "hundred", "million", "twenty people", "35"])
def test_what_is_no_number_in_words(text: str) -> None:
    assert english_value(text) is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("one apple", [1]),
        ("one of them", []),
        ("the one who left", []),
        ("no one came", []),
        ("two and three", [2, 3]),
        ("one two three", [1, 2, 3]),
        ("two thirds of the vote", [Fraction(2, 3)]),
        ("half the team and half an hour", [0.5, 0.5]),
        ("he has ten, she has 12 and 三十五", [10, 12, 35]),
        ("$3.5 million in tens of thousands", [3_500_000]),
        ("weight, often, phone, stone", []),
        ("5 million and 5", [5_000_000, 5]),
    ],
)
def test_numbers_in_texts(text: str, values: list[Number]) -> None:
    assert [span.value for span in find_all_numbers(text)] == values


_WORDS = st.sampled_from(
    [
        "one", "two", "twenty", "five", "hundred", "thousand", "million", "and", "a", "half",
        "point", "third", "of", "-",
        ",", ".", "3", "1.2", "bn", "三十", "the", "五",
        " ",
    ]
)  # fmt: skip


@given(st.lists(_WORDS, max_size=25).map(" ".join) | st.text(max_size=50))
@settings(max_examples=200)
def test_offsets(text: str) -> None:
    last = 0
    for span in find_all_numbers(text):
        assert last <= span.start < span.end
        assert text[span.start : span.end] == span.text
        last = span.end


@pytest.mark.parametrize(
    "unit", ["two ", "two and ", "hundred ", "a ", "1.2 million ", "one-", "half the "]
)
def test_no_text_is_slow(unit: str) -> None:
    assert_linear(find_english_numbers, unit)
