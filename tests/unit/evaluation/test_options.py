"""Options out of range are refused before anything is run, and say what to write."""

from __future__ import annotations

import numpy as np
import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation._options import whole_option
from vcplab.evaluation.comparison import compare
from vcplab.evaluation.statistics import paired_permutation_test


@pytest.mark.parametrize("name", ["k", "block", "jobs", "resamples", "permutations"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "5", True])
def test_compare_refuses(data, system, name: str, value: object) -> None:
    asked = system("a", 1)
    with pytest.raises(InvalidInputError, match=f"{name} must be a whole number") as caught:
        compare([asked, system("b", 2)], data, "RR", **{name: value})
    assert f"{name}=" in (caught.value.next_step or "")
    assert asked.calls == []


@pytest.mark.parametrize("option", [{"seed": -1}, {"seed": 0.5}, {"confidence": "high"}])
def test_compare_refuses_seeds_and_confidence(data, system, option) -> None:
    with pytest.raises(InvalidInputError):
        compare([system("a", 1), system("b", 2)], data, "RR", **option)


def test_a_test_without_permutations_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="permutations"):
        paired_permutation_test([1.0, 2.0], [2.0, 1.0], resamples=0)


def test_whole_numbers_of_numpy_are_taken(data, system) -> None:
    assert whole_option(np.int64(3), "k", 10) == 3
    board = compare(
        system("a", 1), data, "RR", k=np.int32(7), seed=np.int64(1), resamples=50, cache=False
    )
    assert board.k == 7
    assert type(board.k) is int
