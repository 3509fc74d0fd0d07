"""One remembered text with its tags, time and provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vcplab.core.errors import InvalidInputError

__all__ = ["FIELDS", "Document"]

# The parts of a document that a lane may index.
FIELDS = ("text", "tags", "title", "author")


@dataclass(frozen=True, slots=True)
class Document:
    """One remembered text.

    Attributes:
        id: Identifier, unique in a corpus (PyTerrier's ``docno``).
        text: The text that is searched and shown.
        tags: Tags in order: in VCP diaries the order is signal (facts/vcp-memory §1).
        time: When it was written: timezone-aware, or naive for the writer's wall-clock time.
        metadata: JSON-able extras; ``title`` and ``author`` may be indexed as fields.
        source: Where it came from (a path, a table row); not part of the content.
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
        # A list of tags is accepted for convenience; the value itself stays immutable.
        object.__setattr__(self, "tags", tuple(self.tags))
        if not isinstance(self.metadata, dict):
            object.__setattr__(self, "metadata", dict(self.metadata))

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
