"""New scores for the first entries of a list, the rest behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.index.ports import Ranking

__all__ = ["reordered"]


def reordered(ranking: Ranking, scores: NDArray[np.float64]) -> Ranking:
    """A list with new scores for its first entries; the rest follows in its order, just below.

    Args:
        ranking: The list.
        scores: Finite, one for each of the first entries, shape (n,).
    """
    n = len(scores)
    order = np.lexsort((np.arange(n), -scores))
    rows = np.concatenate([ranking.rows[:n][order], ranking.rows[n:]])
    floor = float(scores.min()) if n else 0.0
    # Small steps keep the scores strictly falling without claiming anything about distances.
    behind = floor - (1 + np.arange(len(ranking) - n)) * max(1.0, abs(floor)) * 1e-6
    return Ranking(rows, np.concatenate([scores[order], behind]))
