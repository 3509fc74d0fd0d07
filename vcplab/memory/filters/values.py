"""What a document holds under the name of a field."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

from vcplab.memory.document import Document
from vcplab.memory.filters.moments import as_moment

__all__ = ["PARTS", "composed", "folded", "values_of"]

# The parts of a document itself; any other name is looked up in the metadata.
PARTS = {n: n for n in ("id", "text", "tags", "time", "source")} | {"docno": "id"}

_METADATA = "metadata."
_ABSENT = object()
# Stands for a value that no comparison knows: a mapping, a time of day.
_OTHER = object()


def values_of(document: Document, field: str) -> tuple[list[Any], bool]:
    """The values of a field, and whether they are the members of a list.

    Texts are in Unicode's composed form (NFC), dates and times are moments, lists within lists
    are one list. What is missing (absent, None, NaN, NaT) is left out, so no value and an empty
    list both give none.

    Args:
        document: The document.
        field: ``id``, ``text``, ``tags``, ``time``, ``source``, or a name in the metadata. Dots
            lead into nested mappings and through lists of mappings; a literal name with dots
            wins. ``metadata.time`` is the metadata's own ``time``.
    """
    value = _looked_up(document, field)
    values: list[Any] = []
    is_list = isinstance(value, list | tuple)
    _collect(value, values)
    return values, is_list


def composed(text: str) -> str:
    """Text in which é is one character, however it was typed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Text without regard to case (Unicode's canonical caseless matching, D145)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _looked_up(document: Document, field: str) -> Any:
    if field in PARTS:
        return getattr(document, PARTS[field])
    found = _inside(document.metadata, field)
    if found is _ABSENT and field.startswith(_METADATA):
        found = _inside(document.metadata, field.removeprefix(_METADATA))
    return None if found is _ABSENT else found


def _inside(value: Any, path: str) -> Any:
    if isinstance(value, list | tuple):
        found = [inner for item in value if (inner := _inside(item, path)) is not _ABSENT]
        return found or _ABSENT
    if not isinstance(value, Mapping):
        return _ABSENT
    if path in value:
        return value[path]
    # "a.b.c" may be c in "a.b" as well as b.c in "a": the longer name wins.
    end = path.rfind(".")
    while end > 0:
        if path[:end] in value:
            found = _inside(value[path[:end]], path[end + 1 :])
            if found is not _ABSENT:
                return found
        end = path.rfind(".", 0, end)
    return _ABSENT


def _collect(value: Any, values: list[Any]) -> None:
    if isinstance(value, str):
        values.append(composed(value))
    elif isinstance(value, list | tuple):
        for member in value:
            _collect(member, values)
    elif isinstance(value, bool | int):
        values.append(value)
    elif isinstance(value, float):
        if value == value:
            values.append(value)
    elif isinstance(value, date):  # a datetime is one, too
        if (moment := as_moment(value)) is not None:
            values.append(moment)
    elif value is not None and type(value).__name__ not in ("NAType", "NaTType"):
        values.append(_OTHER)
