"""Back-off: full jitter below a doubling limit, and what ends the counting."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.net.backoff import Backoff


class Upper(random.Random):
    """Chance that always draws the limit."""

    def uniform(self, a, b):
        assert a == 0.0
        return b


@given(
    first=st.floats(0.01, 10),
    times=st.floats(1, 100),
    failures=st.integers(1, 3000),
    seed=st.integers(0, 9),
)
def test_every_wait_is_between_zero_and_the_limit(first, times, failures, seed):
    longest = first * times
    backoff = Backoff(first, longest, rng=random.Random(seed))
    for _ in range(failures if failures < 50 else 50):
        backoff.lost()
    backoff._failures = failures  # thousands of them, without the loop
    expected = min(longest, first * 2.0 ** min(failures - 1, 500))
    assert backoff.limit == pytest.approx(expected)
    assert 0.0 <= backoff.delay() <= backoff.limit


def test_the_limit_doubles_up_to_the_longest():
    backoff = Backoff(5.0, 60.0, rng=Upper())
    waits = []
    for _ in range(6):
        backoff.lost()
        waits.append(backoff.delay())
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert backoff.failures == 6


def test_waits_are_spread_over_the_whole_range():
    backoff = Backoff(8.0, 60.0, rng=random.Random(1))
    backoff.lost()
    waits = [backoff.delay() for _ in range(400)]
    assert min(waits) < 0.5
    assert max(waits) > 7.5
    assert 3.5 < sum(waits) / len(waits) < 4.5


def test_two_generators_of_their_own_differ():
    one, other = Backoff(), Backoff()
    one.lost()
    other.lost()
    assert [one.delay() for _ in range(4)] != [other.delay() for _ in range(4)]


def test_only_a_stable_connection_ends_the_counting(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    backoff = Backoff(5.0, 60.0, stable_after=30.0, rng=Upper())
    for _ in range(3):
        backoff.opened()
        now += 29.9
        backoff.lost()
    assert (backoff.failures, backoff.delay()) == (3, 20.0)
    backoff.opened()
    now += 30.0
    assert backoff.failures == 3  # not before it is over: it might not have lasted
    backoff.lost()
    assert (backoff.failures, backoff.delay()) == (1, 5.0)
    now += 1000.0
    backoff.lost()  # an attempt that failed: there was nothing open in between
    assert backoff.failures == 2


def test_a_stable_connection_that_was_replaced_counts_too(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    backoff = Backoff(stable_after=30.0)
    backoff.lost()
    backoff.opened()
    now += 31.0
    backoff.opened()
    assert backoff.failures == 0


def test_no_wait_before_any_failure_is_longer_than_the_first():
    assert Backoff(5.0, 60.0, rng=Upper()).delay() == 5.0


@pytest.mark.parametrize(
    ("first", "longest", "stable"),
    [(-1, 60, 30), (10, 5, 30), (float("nan"), 60, 30), (5, 60, -1), (5, 60, float("nan"))],
)
def test_times_that_cannot_be(first, longest, stable):
    with pytest.raises(InvalidInputError) as caught:
        Backoff(first, longest, stable)
    assert caught.value.next_step


def test_repr_tells_how_it_stands():
    backoff = Backoff(5.0, 60.0)
    backoff.lost()
    assert repr(backoff) == "<Backoff 1 failures, next wait up to 5 s>"
