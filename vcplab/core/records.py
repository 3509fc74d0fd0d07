"""Small JSON records by key in one namespace of a store: what people make and edit by hand.

::

    notes = JsonRecords(lab.workspace, "notes")
    with notes.transaction():                       # what was read is still so when it is written
        notes.put("n1", {"text": "…"})
    [record.body for record in notes.all()]         # in the order in which they were made
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.core.store import Store
from vcplab.core.workspace import Workspace

__all__ = ["JsonRecord", "JsonRecords"]

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """What is kept under a key.

    Attributes:
        key: The key.
        body: The value, JSON-able.
        created: When it was made, ISO 8601.
        updated: When it was written last, ISO 8601.
        previous: The value before that, where it was kept.
        serial: Its place in the order in which records were made.
    """

    key: str
    body: Mapping[str, Any]
    created: str
    updated: str
    previous: Mapping[str, Any] | None = None
    serial: int = 0


class JsonRecords:
    """JSON objects by key; safe to share between threads and, in a lab, between processes.

    Args:
        where: A store, a lab's workspace, or None for the memory of this process.
        namespace: The namespace in the store.
    """

    def __init__(self, where: Store | Workspace | None, namespace: str) -> None:
        # A workspace is asked each time: to a reader it gives the real store once there is one.
        self._where: Store | Workspace = Store.memory() if where is None else where
        self._namespace = namespace

    @property
    def store(self) -> Store:
        """The store that holds them."""
        return self._where.store if isinstance(self._where, Workspace) else self._where

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Reads and writes that belong together, all or none; see `Store.transaction`."""
        with self.store.transaction():
            yield

    def all(self) -> list[JsonRecord]:
        """Every record, in the order in which they were made.

        Raises:
            InvalidDataError: One cannot be read.
            SchemaMismatchError: One was written by a newer version.
        """
        store = self.store
        found = store.get_many(self._namespace, store.keys(self._namespace))
        records = [self._read(key, data) for key, data in found.items()]
        return sorted(records, key=lambda record: (record.serial, record.key))

    def get(self, key: str) -> JsonRecord | None:
        """The record of a key, or None; see `all` for errors."""
        data = self.store.get(self._namespace, key)
        return None if data is None else self._read(key, data)

    def put(self, key: str, body: Mapping[str, Any], *, keep: bool = False) -> None:
        """Write a record; see `put_many`."""
        self.put_many({key: body}, keep=keep)

    def put_many(self, bodies: Mapping[str, Mapping[str, Any]], *, keep: bool = False) -> None:
        """Write records, all or none; new ones in the order given.

        Args:
            bodies: Keys → values.
            keep: Whether the values that they replace are kept as `JsonRecord.previous`.

        Raises:
            InvalidInputError: A value is not JSON-able; nothing is written.
            ReadOnlyError: The store is read-only.
        """
        now = current_clock().now().isoformat(timespec="seconds")
        with self.transaction():
            known = {record.key: record for record in self.all()}
            serial = max((record.serial for record in known.values()), default=0)
            written = {}
            for key, body in bodies.items():
                old = known.get(key)
                if old is None:
                    serial += 1
                    record = JsonRecord(key, body, now, now, None, serial)
                else:
                    previous = old.body if keep else old.previous
                    record = JsonRecord(key, body, old.created, now, previous, old.serial)
                written[key] = self._written(record)
            self.store.put_many(self._namespace, written)

    def delete(self, key: str) -> bool:
        """Remove a record; whether there was one."""
        return self.store.delete(self._namespace, key)

    def _written(self, record: JsonRecord) -> bytes:
        content = {
            "schema": _SCHEMA,
            "serial": record.serial,
            "created": record.created,
            "updated": record.updated,
            "body": dict(record.body),
        }
        if record.previous is not None:
            content["previous"] = dict(record.previous)
        try:
            return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
            raise InvalidInputError(
                f"It cannot be kept as JSON: {error}.",
                where=f"{self._namespace}/{record.key}",
                next_step="use texts, numbers, true, false, null, lists and mappings of them",
            ) from None

    def _read(self, key: str, data: bytes) -> JsonRecord:
        where = f"{self._namespace}/{key}"
        try:
            content = json.loads(data)
            schema = content["schema"]
            if schema == _SCHEMA:
                return JsonRecord(
                    key,
                    dict(content["body"]),
                    str(content["created"]),
                    str(content["updated"]),
                    content.get("previous"),
                    int(content["serial"]),
                )
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidDataError(
                f"What is kept cannot be read: {error}.",
                where=where,
                next_step="restore a copy of the store, or delete this key",
            ) from error
        raise SchemaMismatchError(
            f"It was written in form {schema!r}; this version reads {_SCHEMA}.",
            where=where,
            next_step="open it with the newer vcplab that wrote it",
        )
