"""What the readers of data sets share: tolerant JSONL and judgements, and a list of problems."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from vcplab.core.errors import InvalidDataError
from vcplab.memory.reading.decoding import decode
from vcplab.memory.reading.report import ReadReport
from vcplab.memory.reading.tables import id_text, records_of_jsonl

__all__ = [
    "Problems",
    "RawSet",
    "qrels_frame",
    "queries_frame",
    "read_jsonl",
    "read_qrels",
    "read_splits",
    "read_text",
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

    def take(self, report: ReadReport) -> None:
        """Note what a reader of the memory room has to say."""
        for row in report:
            self.add(row.source, row.line or 0, "", f"{row.problem} {row.next_step}")

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


def read_text(path: Path, problems: Problems) -> str | None:
    r"""The text of a file, unpacked if its name ends in .gz; its lines end in ``\n``.

    Args:
        path: The file.
        problems: Where it goes if it is no text, or not in UTF-8.

    Raises:
        InvalidDataError: It cannot be read or unpacked.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidDataError(
            f"The file cannot be read: {getattr(error, 'strerror', None) or error}.",
            where=str(path),
            next_step="Check its permissions, or pack it again if it ends in .gz.",
        ) from error
    report = ReadReport()
    text = decode(data, path.name, report)
    problems.take(report)
    return text


def read_jsonl(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, record) of a JSONL file; lines that are not objects become problems."""
    report = ReadReport()
    yield from records_of_jsonl(read_text(path, problems) or "", path.name, report)
    problems.take(report)


def text_of(record: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that has a value, as text."""
    for name in names:
        value = record.get(name)
        if value is not None and not (isinstance(value, str) and value == ""):
            return id_text(value)
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
                str(key): value.isoformat() if isinstance(value, datetime) else str(value)
                for key, value in more.items()
                if key not in _NEVER_SHOWN and isinstance(value, str | int | float | datetime)
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
    for number, line in enumerate((read_text(path, problems) or "").split("\n"), 1):
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
            problems.add(path.name, number, "/".join(key), "judged twice; the higher label is kept")
        judged[key] = max(label, judged.get(key, label))
    if lines and not judged:
        raise InvalidDataError(
            "None of the lines is a judgement.",
            where=str(path),
            next_step="Each line is: qid, docno, label (BEIR) or: qid 0 docno label (TREC).",
        )
    return [(qid, docno, label, split) for (qid, docno), label in judged.items()]


def read_splits(files: Mapping[Path, str], problems: Problems) -> list[tuple[str, str, int, str]]:
    """Judgements of several files: (qid, docno, label, split).

    Args:
        files: File → name of its split.
        problems: Where bad lines go.

    Raises:
        InvalidDataError: A file has lines, but none of them is a judgement.
    """
    return [row for path, split in files.items() for row in read_qrels(path, problems, split)]


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
