"""Reading tables: JSON, JSONL and DataFrames, one document per row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError
from vcplab.memory.document import Document
from vcplab.memory.reading.report import ReadReport

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "document_from_record",
    "id_text",
    "read_frame",
    "read_json",
    "read_jsonl",
    "records_of_jsonl",
]

# Names that tables in the wild give to what we call id, text, tags and time.
_ALIASES = {
    "id": ("id", "docno", "_id", "doc_id", "docid"),
    "text": ("text", "content", "contents", "body", "document"),
    "tags": ("tags", "tag", "keywords"),
    "time": ("time", "date", "timestamp", "created_at", "created"),
}


def records_of_jsonl(
    text: str, shown: str, report: ReadReport
) -> Iterator[tuple[int, dict[str, Any]]]:
    r"""The objects of a JSONL text, one per line.

    Args:
        text: Lines end in ``\n``; blank ones are skipped.
        shown: What the report calls it.
        report: Takes a row for every line that is no JSON object.

    Yields:
        Line number from 1, object.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            report.note(shown, number, f"It is no JSON: {error}.", "Write one object per line.")
            continue
        except RecursionError:
            report.note(shown, number, "It is nested too deeply.", "Write flat objects.")
            continue
        if not isinstance(record, dict):
            report.note(shown, number, "It is no JSON object.", 'Write {"id": …, "text": …}.')
            continue
        yield number, record


def read_jsonl(text: str, shown: str, report: ReadReport) -> Iterator[Document]:
    """Documents of a JSONL text, one object per line."""
    for number, record in records_of_jsonl(text, shown, report):
        yield from document_from_record(record, shown, number, report)


def read_json(text: str, shown: str, report: ReadReport) -> Iterator[Document]:
    """Documents of a JSON text: a list of objects, an object that holds one, or one object."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # one object after the other: JSONL under another name
            yield from read_jsonl(text, shown, report)
            return
        report.note(shown, error.lineno, f"It is no JSON: {error}.", "Write a list of objects.")
        return
    except (ValueError, RecursionError):
        report.note(shown, None, "A value in it is too large or deep.", "Write flat objects.")
        return
    records = _list_within(value)
    if records is None:
        report.note(
            shown,
            None,
            "It is no list of objects, and no object that holds just one such list.",
            'Write [{"id": …, "text": …}, …].',
        )
        return
    for number, record in enumerate(records, 1):
        if isinstance(record, dict):
            yield from document_from_record(record, shown, number, report)
        else:
            report.note(shown, number, "It is no JSON object.", 'Write {"id": …, "text": …}.')


def _list_within(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    if any(isinstance(value.get(name), str) for name in _ALIASES["text"]):
        return [value]
    lists = [v for v in value.values() if isinstance(v, list) and any(map(_is_object, v))]
    return lists[0] if len(lists) == 1 else None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


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
    try:
        return [_document(record, shown, number, report)]
    except InvalidInputError as error:
        report.note(shown, number, error.message, error.next_step or "")
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        problem = f"It cannot be read: {type(error).__name__}: {error}."
        report.note(shown, number, problem, "Write plain values: texts, numbers, lists of texts.")
    return []


def _document(record: Mapping[str, Any], shown: str, number: int, report: ReadReport) -> Document:
    rest = {key: value for key, value in record.items() if not _absent(value)}
    known = {name: _take(rest, aliases) for name, aliases in _ALIASES.items()}
    text = known["text"]
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError(
            "It has no text.", next_step="Name the text column `text`, or map it."
        )
    docno = f"{shown}#{number}" if known["id"] is None else id_text(known["id"])
    tags = _tags(known["tags"])
    if tags is None:
        shown_tags = repr(known["tags"])[:40]
        report.note(
            shown,
            number,
            f"Its tags are {shown_tags}; they are left out.",
            "Write a list of texts.",
        )
    try:
        when = _time(known["time"])
    except ValueError:
        report.note(
            shown, number, f"{known['time']!r} is no time; it is left out.", "Write ISO times."
        )
        when = None
    title = rest.get("title")
    if isinstance(title, str) and title.strip():
        # BEIR's convention, which published figures follow: title and text are one document.
        text = f"{title} {text}"
    metadata = {key: _plain(value) for key, value in rest.items() if key != "metadata"}
    if isinstance(rest.get("metadata"), Mapping):
        metadata.update(rest["metadata"])
    return Document(docno, text, tags or (), when, metadata, f"{shown}#{number}")


def _take(record: dict[str, Any], aliases: Iterable[str]) -> Any:
    by_lower = {key.lower(): key for key in record}
    for alias in aliases:
        if alias in by_lower:
            return record.pop(by_lower[alias])
    return None


def _absent(value: Any) -> bool:
    """Whether a cell is empty: None, empty text, or pandas' NaN, NaT and NA."""
    if value is None or isinstance(value, str):
        return not value
    if hasattr(value, "__len__"):
        return False
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # NA is neither equal nor unequal to anything
        return True


def id_text(value: Any) -> str:
    """An id as text: 7.0 is the id 7 that passed through a table of floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _tags(value: Any) -> tuple[str, ...] | None:
    """Tags from a list or a text that separates them by commas; None if it is neither."""
    if value is None:
        return ()
    if isinstance(value, str):
        parts = value.replace("，", ",").replace("、", ",").split(",")
        return tuple(part.strip() for part in parts if part.strip())
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if not isinstance(value, list | tuple):
        return None
    return tuple(str(tag) for tag in value if not _absent(tag))


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    return datetime.fromisoformat(str(value).strip().replace("/", "-"))


def _plain(value: Any) -> Any:
    """A JSON-able value; a document makes lists of arrays itself."""
    return value.isoformat() if hasattr(value, "isoformat") else value
