"""Documents as bytes and back, with nothing lost: JSON, and marks for what JSON does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.memory.document import Document

__all__ = ["decode_document", "decode_id", "encode_document", "encode_id"]

# A mapping with this one key stands for a value that is not JSON's; a mapping of the user's that
# looks like one is wrapped in such a mark itself.
_MARK = "$vcplab"


def encode_id(docno: str) -> bytes:
    """An id as bytes; lone surrogates, legal in Python strings, survive."""
    return docno.encode("utf-8", "surrogatepass")


def decode_id(data: bytes) -> str:
    """The id that :func:`encode_id` was given."""
    return data.decode("utf-8", "surrogatepass")


def encode_document(document: Document) -> bytes:
    """A document as bytes, all but its id.

    Raises:
        InvalidInputError: The metadata holds an object that cannot be written down.
    """
    try:
        content = [
            document.text,
            list(document.tags),
            None if document.time is None else document.time.isoformat(),
            _plain(document.metadata),
            document.source,
        ]
    except TypeError as error:
        raise InvalidInputError(
            f"The metadata of document {document.id!r} cannot be stored: {error}.",
            where=document.source,
            next_step="Use text, numbers, true and false, dates, lists and mappings of them.",
        ) from None
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def decode_document(docno: str, data: bytes) -> Document:
    """The document that :func:`encode_document` was given.

    Raises:
        InvalidDataError: The bytes are no document.
    """
    try:
        text, tags, moment, metadata, source = json.loads(data.decode("utf-8", "surrogatepass"))
        when = None if moment is None else datetime.fromisoformat(moment)
        return Document(docno, text, tuple(tags), when, _restored(metadata), source)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidDataError(
            f"The stored document {docno!r} cannot be read: {error}.",
            next_step="Restore a backup of the corpus, or delete the document and add it again.",
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str | int | float | None):
        return value
    if isinstance(value, dict):
        plain = {name: _plain(item) for name, item in value.items()}
        return {_MARK: ["mapping", plain]} if _MARK in plain else plain
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return {_MARK: ["tuple", [_plain(item) for item in value]]}
    for kind in (datetime, date, time):  # a datetime is a date, too
        if isinstance(value, kind):
            return {_MARK: [kind.__name__, value.isoformat()]}
    raise TypeError(f"it holds a {type(value).__name__}")


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _MARK not in value:
        return {name: _restored(item) for name, item in value.items()}
    kind, content = value[_MARK]
    if kind == "mapping":
        return {name: _restored(item) for name, item in content.items()}
    if kind == "tuple":
        return tuple(_restored(item) for item in content)
    kinds: dict[str, Callable[[str], Any]] = {
        "datetime": datetime.fromisoformat,
        "date": date.fromisoformat,
        "time": time.fromisoformat,
    }
    return kinds[kind](content)
