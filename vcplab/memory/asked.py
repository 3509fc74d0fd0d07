"""What is asked, as users write it: texts or frames, times, numbers of passages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.state import Query

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_time", "parse_queries", "positive"]


def positive(k: int) -> int:
    """``k`` itself.

    Raises:
        InvalidInputError: It is no number of passages.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InvalidInputError(
            f"k={k!r} is no number of passages.", where="k", next_step="Give a whole number from 1."
        )
    return int(k)


def parse_queries(queries: pd.DataFrame | Sequence[str]) -> tuple[list[str], tuple[Query, ...]]:
    """Ids and queries of texts or of a frame, as :meth:`Retriever.run` takes them."""
    import pandas as pd

    records: list[dict[Any, Any]]
    if not isinstance(queries, pd.DataFrame):
        texts: list[Any] = [queries] if isinstance(queries, str) else list(queries)
        records = [{"qid": str(i + 1), "query": text} for i, text in enumerate(texts)]
    else:
        missing = {"qid", "query"} - set(queries.columns)
        if missing:
            raise InvalidInputError(
                f"The queries have no column {sorted(missing)}.",
                where="queries",
                next_step="Name the columns qid and query.",
            )
        records = queries.to_dict("records")
    parsed = []
    for record in records:
        if not isinstance(record["query"], str):
            raise InvalidInputError(
                f"Query {record['qid']!r} is {type(record['query']).__name__}, not a text.",
                where="queries",
                next_step="Drop empty rows: queries.dropna(subset=['query']).",
            )
        vector = record.get("query_embedding")
        parsed.append(
            Query(
                record["query"],
                None if vector is None else np.asarray(vector, np.float32),
                as_time(record.get("asked_at"), record["qid"]),
            )
        )
    return [str(record["qid"]) for record in records], tuple(parsed)


def as_time(value: Any, qid: Any) -> datetime | None:
    """When a query is asked; None where nothing is said.

    Args:
        value: A time, ISO text, or nothing (None, NaN, NaT, "").
        qid: Which query, for the message.

    Raises:
        InvalidInputError: It is no time.
    """
    if value is None or value != value or value == "":  # None, NaN or NaT, empty cell
        return None
    if isinstance(value, datetime):
        time = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    else:
        try:
            time = datetime.fromisoformat(str(value))
        except ValueError:
            raise InvalidInputError(
                f"asked_at of query {qid!r} is {value!r}.",
                where="asked_at",
                next_step="Write ISO times: 2026-02-28T09:00:00+08:00.",
            ) from None
    return time if time.tzinfo else time.replace(tzinfo=current_clock().zone)
