"""One remembered text with its tags, time and provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vcplab.core.errors import InvalidInputError

__all__ = ["FIELDS", "Document", "checked_fields"]

# The parts of a document that a lane may index.
FIELDS = ("text", "tags", "title", "author")

# Far below Python's own limit, so that whatever walks through metadata later can.
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Document:
    """One remembered text.

    Attributes:
        id: Identifier, unique in a corpus (PyTerrier's ``docno``).
        text: The text that is searched and shown.
        tags: Tags in order: in VCP diaries the order is signal (facts/vcp-memory §1).
        time: When it was written: timezone-aware, or naive for the writer's wall-clock time.
        metadata: JSON-able extras, copied; ``title`` and ``author`` may be indexed as fields.
        source: Where it came from (a path, a table row); not part of the content.

    Raises:
        InvalidInputError: A part has the wrong type, or metadata is nested too deeply.
    """

    id: str
    text: str
    tags: tuple[str, ...] = ()
    time: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise InvalidInputError(
                f"A document id must be a non-empty string, not {self.id!r}.",
                next_step="Give every document an id, for example its path or row number.",
            )
        if not isinstance(self.text, str):
            raise InvalidInputError(
                f"The text of document {self.id!r} is {type(self.text).__name__}, not a string.",
                where=self.source,
                next_step="Convert the column to text before reading it.",
            )
        object.__setattr__(self, "tags", self._as_tags())
        if self.time is not None and (
            not isinstance(self.time, datetime) or self.time != self.time  # pandas' NaT
        ):
            raise InvalidInputError(
                f"The time of document {self.id!r} is {self.time!r}, not a datetime.",
                where=self.source,
                next_step="Convert it: datetime.fromisoformat('2025-01-31'). None if unknown.",
            )
        if not isinstance(self.metadata, Mapping):
            raise InvalidInputError(
                f"The metadata of document {self.id!r} is {type(self.metadata).__name__}, not a "
                "mapping.",
                where=self.source,
                next_step='Give names and values: metadata={"title": "Plans"}.',
            )
        object.__setattr__(self, "metadata", self._copied(self.metadata, _MAX_DEPTH))

    def _as_tags(self) -> tuple[str, ...]:
        """Tags as a tuple; any iterable of strings is accepted for convenience."""
        given: Any = self.tags
        if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
            tags = tuple(given)
            if all(isinstance(tag, str) for tag in tags):
                return tags
            wrong = next(tag for tag in tags if not isinstance(tag, str))
            problem = f"have {wrong!r} among them, which is no string"
        else:
            problem = f"are {given!r}, not a list of strings"
        raise InvalidInputError(
            f"The tags of document {self.id!r} {problem}.",
            where=self.source,
            next_step='Give a list of strings, for one tag too: tags=["budget"].',
        )

    def _copied(self, value: Any, depth: int) -> Any:
        """Metadata that is nobody else's: containers copied, names made strings, arrays lists."""
        if isinstance(value, str | int | float | None):
            return value
        if depth == 0:
            raise InvalidInputError(
                f"The metadata of document {self.id!r} is nested more than {_MAX_DEPTH} deep.",
                where=self.source,
                next_step="Keep metadata flat: names and plain values.",
            )
        if isinstance(value, Mapping):
            return {str(name): self._copied(item, depth - 1) for name, item in value.items()}
        if isinstance(value, list | tuple):
            copies = [self._copied(item, depth - 1) for item in value]
            return copies if isinstance(value, list) else tuple(copies)
        if isinstance(value, set | frozenset):
            # Sets have another order in every process, and the digest needs one.
            return sorted((self._copied(item, depth - 1) for item in value), key=repr)
        if hasattr(value, "tolist"):  # numpy's arrays and scalars
            return self._copied(value.tolist(), depth - 1)
        return value

    def field_text(self, fields: tuple[str, ...]) -> str:
        """The chosen fields joined by newlines, for an index.

        Args:
            fields: Names out of :data:`FIELDS`.
        """
        if fields == ("text",):
            return self.text
        parts: list[str] = []
        for name in fields:
            if name == "text":
                parts.append(self.text)
            elif name == "tags":
                parts.append(", ".join(self.tags))
            else:
                parts.append(str(self.metadata.get(name, "")))
        return "\n".join(part for part in parts if part)

    def digest(self) -> bytes:
        """16 bytes that change with anything that can be searched, filtered or shown.

        The source is left out: the same text read from another folder is the same memory.
        """
        content = json.dumps(
            [
                self.id,
                self.text,
                self.tags,
                self.time.isoformat() if self.time else None,
                self.metadata,
            ],
            ensure_ascii=True,
            sort_keys=True,
            default=str,
        )
        return hashlib.blake2b(content.encode("ascii"), digest_size=16).digest()


def checked_fields(fields: Iterable[str], verb: str) -> tuple[str, ...]:
    """Names of fields as a tuple.

    Args:
        fields: Names out of :data:`FIELDS`, at least one.
        verb: What is done with them, for the message ("indexed").

    Raises:
        InvalidInputError: A name is unknown, or there is none.
    """
    named = tuple(fields)
    unknown = [name for name in named if name not in FIELDS]
    if unknown or not named:
        raise InvalidInputError(
            f"{unknown or 'nothing'} cannot be {verb}.",
            where="fields",
            next_step=f"Choose among {', '.join(FIELDS)}.",
        )
    return named
