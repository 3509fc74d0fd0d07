"""Reading tables: JSONL, CSV and DataFrames, one document per row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError
from vcplab.memory.document import Document
from vcplab.memory.reading.report import ReadReport

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["document_from_record", "read_csv", "read_frame", "read_jsonl"]

# Names that tables in the wild give to what we call id, text, tags and time.
_ALIASES = {
    "id": ("id", "docno", "_id", "doc_id", "docid"),
    "text": ("text", "content", "contents", "body", "document"),
    "tags": ("tags", "tag", "keywords"),
    "time": ("time", "date", "timestamp", "created_at", "created"),
}


def read_jsonl(text: str, shown: str, report: ReadReport) -> Iterator[Document]:
    """Documents of a JSONL text, one object per line."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            report.note(shown, number, f"It is no JSON: {error}.", "Write one object per line.")
            continue
        if not isinstance(record, dict):
            report.note(shown, number, "It is no JSON object.", 'Write {"id": …, "text": …}.')
            continue
        yield from document_from_record(record, shown, number, report)


def read_csv(text: str, shown: str, report: ReadReport) -> Iterator[Document]:
    """Documents of a CSV text with a header line; comma, semicolon or tab."""
    header = text.split("\n", 1)[0]
    delimiter = max("\t;,", key=header.count)
    # A cell may be long: the csv module's own limit is 128 KiB.
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            # Cells beyond the header stand under None.
            record = {key: value for key, value in row.items() if key is not None}
            yield from document_from_record(record, shown, reader.line_num, report)
    except csv.Error as error:
        report.note(shown, reader.line_num, f"It is no CSV: {error}.", "Check the quotes.")


def read_frame(
    frame: pd.DataFrame, columns: Mapping[str, str]
) -> tuple[list[Document], ReadReport]:
    """Documents of a DataFrame.

    Args:
        frame: One row per document.
        columns: ``id``, ``text``, ``tags`` or ``time`` → the frame's name for it.

    Raises:
        InvalidInputError: A named column is not there.
    """
    missing = [name for name in columns.values() if name not in frame.columns]
    if missing:
        raise InvalidInputError(
            f"The frame has no column {missing[0]!r}.",
            where="columns",
            next_step=f"It has {', '.join(map(str, frame.columns))}.",
        )
    renamed = frame.rename(columns={theirs: ours for ours, theirs in columns.items()})
    report = ReadReport()
    documents: dict[str, Document] = {}
    for number, record in enumerate(renamed.to_dict("records"), 1):
        for doc in document_from_record(
            {str(k): v for k, v in record.items()}, "frame", number, report
        ):
            if doc.id in documents:
                report.note(
                    "frame", number, f"The id {doc.id!r} is already taken.", "Make ids unique."
                )
            else:
                documents[doc.id] = doc
    return list(documents.values()), report


def document_from_record(
    record: Mapping[str, Any], shown: str, number: int, report: ReadReport
) -> Iterable[Document]:
    """The document of one table row, or none and a report row.

    Args:
        record: Column → value; a missing id becomes ``<source>#<number>``.
        shown: The source.
        number: Its line or row, from 1.
        report: Takes what is wrong.
    """
    rest = {key: value for key, value in record.items() if not _absent(value)}
    known = {name: _take(rest, aliases) for name, aliases in _ALIASES.items()}
    if not isinstance(known["text"], str) or not known["text"].strip():
        report.note(shown, number, "It has no text.", "Name the text column `text`, or map it.")
        return []
    docno = str(known["id"]) if known["id"] is not None else f"{shown}#{number}"
    tags = known["tags"] if known["tags"] is not None else ()
    if isinstance(tags, str):
        tags = [tag.strip() for tag in tags.replace("，", ",").replace("、", ",").split(",")]
    try:
        when = _time(known["time"])
    except ValueError:
        report.note(
            shown, number, f"{known['time']!r} is no time; it is left out.", "Write ISO times."
        )
        when = None
    text = known["text"]
    title = rest.get("title")
    if isinstance(title, str) and title.strip():
        # BEIR's convention, which published figures follow: title and text are one document.
        text = f"{title} {text}"
    metadata = {key: _plain(value) for key, value in rest.items() if key != "metadata"}
    if isinstance(rest.get("metadata"), Mapping):
        metadata.update(rest["metadata"])
    return [
        Document(docno, text, tuple(str(t) for t in tags if t), when, metadata, f"{shown}#{number}")
    ]


def _take(record: dict[str, Any], aliases: Iterable[str]) -> Any:
    by_lower = {key.lower(): key for key in record}
    for alias in aliases:
        if alias in by_lower:
            return record.pop(by_lower[alias])
    return None


def _absent(value: Any) -> bool:
    # NaN and NaT, pandas' empty cells, are not equal to themselves.
    if isinstance(value, list | tuple | dict):
        return False
    return value is None or value == "" or value != value


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    return datetime.fromisoformat(str(value).strip().replace("/", "-"))


def _plain(value: Any) -> Any:
    """A JSON-able value: numpy scalars and timestamps of a frame become Python's own."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
