"""What the readers of data sets share: tolerant JSONL and judgements, and a list of problems."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pandas as pd

from vcplab.core.errors import InvalidDataError

__all__ = [
    "Problems",
    "RawSet",
    "open_text",
    "qrels_frame",
    "queries_frame",
    "read_jsonl",
    "read_qrels",
    "text_of",
    "whole_number",
]

_NEVER_SHOWN = {"qid", "query", "_id", "id", "text", "metadata"}


class Problems:
    """Rows that could not be taken as they are, for ``RetrievalData.report``."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, str, str]] = []

    def add(self, file: str, line: int, id: str, problem: str) -> None:
        """Note one."""
        self._rows.append((file, line, id, problem))

    def to_frame(self) -> pd.DataFrame:
        """One row per problem: file, line (0 where there is none), id, problem."""
        columns = ["file", "line", "id", "problem"]
        frame = pd.DataFrame(self._rows, columns=columns)
        return frame.astype({"file": "str", "line": "int64", "id": "str", "problem": "str"})


@dataclass(slots=True)
class RawSet:
    """A data set as read, before a split is chosen.

    Attributes:
        name: What results call it.
        corpus: The documents.
        queries: qid, query and any columns; ``split`` where queries state theirs.
        qrels: qid, docno, label and split ("" where there is only one set of judgements).
        problems: What was wrong.
        card: The facts of ``dataset.json`` or of the caller.
    """

    name: str
    corpus: Any
    queries: pd.DataFrame
    qrels: pd.DataFrame
    problems: Problems
    card: Mapping[str, Any] = field(default_factory=dict)


def open_text(path: Path) -> IO[str]:
    """A text file, unpacked if its name ends in .gz."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8-sig", errors="replace")


def read_jsonl(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, record) of a JSONL file; lines that are not objects become problems."""
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                problems.add(path.name, number, "", f"not JSON: {error}")
                continue
            if isinstance(record, dict):
                yield number, record
            else:
                problems.add(path.name, number, "", "not a JSON object")


def text_of(record: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that has a value, as text."""
    for name in names:
        value = record.get(name)
        if value is not None and value != "":
            # 7.0 is the id 7 that passed through a table of floats.
            return (
                str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
            )
    return ""


def queries_frame(
    records: Iterator[tuple[int, dict[str, Any]]], file: str, problems: Problems
) -> pd.DataFrame:
    """Queries as a frame: qid, query and every further column with plain values.

    Args:
        records: (line number, record); ids under qid, _id or id, texts under query or text.
        file: Name of the file, for problems.
        problems: Where bad rows go.
    """
    rows: dict[str, dict[str, Any]] = {}
    for number, record in records:
        qid, query = text_of(record, "qid", "_id", "id"), text_of(record, "query", "text")
        if not qid or not query.strip():
            problems.add(file, number, qid, "a query without id or text")
        elif qid in rows:
            problems.add(file, number, qid, "a second query with this id; the first is kept")
        else:
            extra = record.get("metadata")
            more = {**(extra if isinstance(extra, dict) else {}), **record}
            plain = {
                str(key): str(value)
                for key, value in more.items()
                if key not in _NEVER_SHOWN and isinstance(value, str | int | float | bool)
            }
            rows[qid] = {"qid": qid, "query": query, **plain}
    frame = pd.DataFrame(list(rows.values()), columns=_columns(rows.values()))
    return frame.astype("str") if frame.empty else frame.fillna("").astype("str")


def _columns(rows: Any) -> list[str]:
    return list(dict.fromkeys(["qid", "query", *(key for row in rows for key in row)]))


def read_qrels(path: Path, problems: Problems, split: str = "") -> list[tuple[str, str, int, str]]:
    """Judgements of one file: (qid, docno, label, split).

    Three columns are qid, docno, label (BEIR, with or without a heading); four are TREC's with the
    unused second column. Columns are separated by tabs if there are any, else by white space.

    Raises:
        InvalidDataError: No line of a file that has some could be read.
    """
    judged: dict[tuple[str, str], int] = {}
    lines = 0
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            fields = [f.strip() for f in (line.split("\t") if "\t" in line else line.split())]
            if not any(fields):
                continue
            lines += 1
            label = whole_number(fields[-1])
            if len(fields) not in (3, 4) or label is None:
                if number == 1 and label is None:
                    lines -= 1  # a heading
                else:
                    problems.add(path.name, number, fields[0], "not qid, docno, whole-number label")
                continue
            key = (fields[0], fields[-2])
            if key in judged:
                problems.add(
                    path.name, number, "/".join(key), "judged twice; the higher label is kept"
                )
            judged[key] = max(label, judged.get(key, label))
    if lines and not judged:
        raise InvalidDataError(
            "None of the lines is a judgement.",
            where=str(path),
            next_step="Each line is: qid, docno, label (BEIR) or: qid 0 docno label (TREC).",
        )
    return [(qid, docno, label, split) for (qid, docno), label in judged.items()]


def whole_number(text: str) -> int | None:
    """A label such as "2" or "2.0", or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


def qrels_frame(rows: Sequence[tuple[str, str, int, str]]) -> pd.DataFrame:
    """Judgements as a frame: qid, docno, label, split."""
    frame = pd.DataFrame(rows, columns=["qid", "docno", "label", "split"])
    return frame.astype({"qid": "str", "docno": "str", "label": "int64", "split": "str"})
