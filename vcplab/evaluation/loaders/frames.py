"""Data sets out of frames that are already in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.loaders.common import (
    Problems,
    RawSet,
    qrels_frame,
    queries_frame,
    text_of,
    whole_number,
)
from vcplab.memory.corpus import Corpus

__all__ = ["load_frames"]


def load_frames(
    documents: Any, queries: pd.DataFrame, qrels: pd.DataFrame, name: str, card: Mapping[str, Any]
) -> RawSet:
    """Make a data set of frames.

    Args:
        documents: A ``Corpus``, documents, or a frame with ``docno`` (or ``id``) and ``text``.
        queries: qid, query and any columns.
        qrels: qid, docno, label; ``split`` if there are several.
        name: What results call the set.
        card: Version, licence and the like.

    Raises:
        InvalidInputError: A column is missing, or something is no document.
    """
    problems = Problems()
    if isinstance(documents, pd.DataFrame):
        _need(documents, "documents", ("docno", "id", "_id"), ("text",))
        corpus = Corpus.from_frame(documents, name=name)
    elif isinstance(documents, Corpus):
        corpus = documents
    elif isinstance(documents, Iterable) and not isinstance(documents, str | Mapping):
        corpus = Corpus.from_documents(documents, name=name)
    else:
        raise InvalidInputError(
            f"documents is {type(documents).__name__}, neither a corpus nor a frame.",
            where="documents",
            next_step="Pass a Corpus, a DataFrame, or a list of Document.",
        )
    _need(queries, "queries", ("qid", "_id", "id"), ("query", "text"))
    _need(qrels, "qrels", ("qid", "query_id"), ("docno", "doc_id"), ("label", "relevance"))
    asked = queries_frame(_records(queries), "queries", problems)
    rows: dict[tuple[str, str], tuple[str, str, int, str]] = {}
    for number, record in _records(qrels):
        qid, docno = text_of(record, "qid", "query_id"), text_of(record, "docno", "doc_id")
        label = whole_number(text_of(record, "label", "relevance"))
        if not qid or not docno or label is None:
            problems.add("qrels", number, qid, "not qid, docno, whole-number label")
        elif (qid, docno) in rows:
            problems.add("qrels", number, f"{qid}/{docno}", "judged twice; the first is kept")
        else:
            rows[qid, docno] = (qid, docno, label, text_of(record, "split"))
    return RawSet(name, corpus, asked, qrels_frame(list(rows.values())), problems, card)


def _need(frame: pd.DataFrame, where: str, *alternatives: tuple[str, ...]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InvalidInputError(
            f"{where} is {type(frame).__name__}, not a DataFrame.",
            where=where,
            next_step="Pass a pandas DataFrame.",
        )
    for names in alternatives:
        if not any(name in frame.columns for name in names):
            raise InvalidInputError(
                f"{where} has no column {names[0]!r}.",
                where=where,
                next_step=f"Its columns are {', '.join(map(str, frame.columns))}; rename one.",
            )


def _records(frame: pd.DataFrame) -> Iterator[tuple[int, dict[str, Any]]]:
    columns = [str(column) for column in frame.columns]
    for number, row in enumerate(frame.itertuples(index=False, name=None)):
        values = zip(columns, row, strict=True)
        yield number, {c: _plain(v) for c, v in values if not _missing(v)}


def _plain(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)  # .item() of nanoseconds is a bare number
    return value.item() if isinstance(value, np.generic) else value


def _missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))
