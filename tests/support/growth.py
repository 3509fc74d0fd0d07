"""Whether work grows with its input as a line does."""

from __future__ import annotations

import time
from collections.abc import Callable


def assert_linear(work: Callable[[str], object], unit: str, *, size: int = 1_000) -> None:
    """Fail if eight times the text takes far more than eight times the processor time.

    Quadratic work takes sixty-four times; the bound between leaves room for a busy machine, and
    each size counts by its best run.

    Args:
        work: What is done to a text.
        unit: What the text repeats.
        size: Characters of the smaller text.
    """
    small, large = unit * (size // len(unit)), unit * (8 * size // len(unit))
    shortest, longest = _best(work, small), _best(work, large)
    assert longest < max(0.02, 28 * shortest), (shortest, longest)


def _best(work: Callable[[str], object], text: str) -> float:
    took = []
    for _ in range(2):
        start = time.process_time()
        work(text)
        took.append(time.process_time() - start)
    return min(took)
