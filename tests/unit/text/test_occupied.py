"""Spans that are taken, against a look at every one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vcplab.text.occupied import Occupied

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda one: (one[0], sum(one)))
)


@given(SPANS, SPANS)
def test_it_answers_as_a_look_at_every_span(taken: list[tuple[int, int]], asked) -> None:
    occupied = Occupied(taken)
    for start, end in asked:
        assert occupied.is_free(start, end) == all(end <= a or b <= start for a, b in taken)


def test_what_touches_is_free() -> None:
    occupied = Occupied([(3, 5)])
    assert occupied.is_free(0, 3)
    assert occupied.is_free(5, 9)
    assert not occupied.is_free(4, 9)
    occupied.add(5, 7)
    assert not occupied.is_free(6, 8)
