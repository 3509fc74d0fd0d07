"""When queries are asked: one moment per comparison, the same in every process.

Some systems read the clock (``reads_clock``): a query that does not say when it is asked is asked
now. What they give then depends on the moment, which therefore belongs to the query, not to the
worker that happens to answer it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from vcplab.evaluation.systems import System

__all__ = ["ASKED_AT", "reads_clock", "with_times", "without_time"]

ASKED_AT = "asked_at"


def reads_clock(system: System) -> bool:
    """Whether what a system gives depends on when it is asked."""
    made_from = getattr(system.value, "system", None)  # of a bound retriever
    return any(bool(getattr(value, "reads_clock", False)) for value in (system.value, made_from))


def without_time(queries: pd.DataFrame) -> int:
    """Number of queries that do not say when they are asked."""
    if ASKED_AT not in queries.columns:
        return len(queries)
    return sum(_missing(value) for value in queries[ASKED_AT])


def with_times(queries: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Queries that all say when they are asked, time zone included.

    Args:
        queries: With or without a column ``asked_at`` (ISO text).
        now: The moment of those that do not say; its time zone is that of times without one.

    Returns:
        Another frame, or the same one if every query says it in full.
    """
    if ASKED_AT not in queries.columns:
        return queries.assign(**{ASKED_AT: now.isoformat()})
    given = queries[ASKED_AT].tolist()
    filled = [_in_full(value, now) for value in given]
    return queries if filled == given else queries.assign(**{ASKED_AT: filled})


def _missing(value: Any) -> bool:
    return value is None or value != value or not str(value).strip()


def _in_full(value: Any, now: datetime) -> Any:
    if _missing(value):
        return now.isoformat()
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return value  # the system that reads it says what is wrong
    return value if time.tzinfo else time.replace(tzinfo=now.tzinfo).isoformat()
