"""The order in which a ranking is read: one for what is shown, exported and measured.

trec_eval, and so ir_measures, ignores the order in which a run is handed to it: it sorts by score,
kept in single precision, and puts equal scores in *descending* order of the document's id (byte
order of UTF-8, which is the order of code points). Rankings are brought into that order once, here,
when a system has answered; so the rank that is shown is the rank that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vcplab.core.errors import InvalidDataError
from vcplab.evaluation.tasks import Output

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ascii_ids", "ranked_outputs"]


def ranked_outputs(
    frame: pd.DataFrame,
    qids: Sequence[str],
    costs: Sequence[float | None],
    k: int,
    name: str,
    notices: list[str],
) -> list[Output]:
    """One output per query out of a frame with the rows of all queries.

    Args:
        frame: qid, docno, score; the rows of a query in the order in which they were returned.
        qids: The queries, in order.
        costs: CPU milliseconds per query, where known.
        k: Documents kept per query.
        name: The system, for errors.
        notices: Takes what the reader should know.

    Returns:
        Outputs with ``docnos``, ``scores`` and ``ms``, in trec_eval's order.

    Raises:
        InvalidDataError: A score is not finite.
    """
    scores = frame["score"].to_numpy(dtype=np.float64)
    if not np.isfinite(scores).all():
        raise InvalidDataError(
            f"{name!r} returned scores that are not finite numbers.",
            where=name,
            next_step="A score must be a finite number; leave out what was not found.",
        )
    with np.errstate(over="ignore", under="ignore"):
        compared = scores.astype(np.float32).tolist()
    given, docnos = scores.tolist(), frame["docno"].astype(str).tolist()
    found = frame.groupby("qid", sort=False).indices
    outputs: list[Output] = []
    repeated = rising = False
    for qid, cost in zip(qids, costs, strict=True):
        rows = [int(row) for row in found.get(qid, ())]
        first: dict[str, int] = {}
        for row in rows:
            first.setdefault(docnos[row], row)
        repeated |= len(first) < len(rows)
        rising |= any(given[b] > given[a] for a, b in pairwise(first.values()))
        order = sorted(first.items(), key=lambda one: (compared[one[1]], one[0]), reverse=True)[:k]
        ms = float(cost) if cost is not None and math.isfinite(cost) else None
        outputs.append(
            {
                "docnos": [docno for docno, _ in order],
                "scores": [given[row] for _, row in order],
                "ms": ms,
            }
        )
    if repeated:
        notices.append("Documents returned twice for one query: the first was kept.")
    if rising:
        notices.append("Scores did not fall with rank: the ranking follows the scores.")
    return outputs


def ascii_ids(ids: Iterable[str]) -> dict[str, str]:
    """Stand-ins for ids: short ASCII texts that sort as the ids do.

    trec_eval's C code cuts an id at a zero character and crashes on a lone surrogate; the
    stand-ins leave it nothing to stumble over, and ties where they were.

    Args:
        ids: Any texts, repeated or not.
    """
    return {id: f"{place:09d}" for place, id in enumerate(sorted(set(ids)))}
