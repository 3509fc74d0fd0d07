"""What a store's file must look like. Private: see `vcplab.core.store`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from vcplab.core._sqlite import Database
from vcplab.core._version import package_version
from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, SchemaMismatchError

__all__ = ["Schema"]

_LAYOUT = 1
_TABLES = """
CREATE TABLE meta (
    schema TEXT NOT NULL, version INTEGER NOT NULL, layout INTEGER NOT NULL,
    created_by TEXT NOT NULL, created TEXT NOT NULL
);
CREATE TABLE blobs (
    hash TEXT PRIMARY KEY, size INTEGER NOT NULL, created TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE kv (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value BLOB,
    blob TEXT REFERENCES blobs (hash),
    UNIQUE (namespace, key), CHECK ((value IS NULL) <> (blob IS NULL))
);
CREATE INDEX kv_blob ON kv (blob) WHERE blob IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Schema:
    """The purpose and version of a store, and the tables of its owner."""

    name: str
    version: int
    tables: str = ""

    def is_missing(self, database: Database) -> bool:
        """Whether the file holds no tables at all yet."""
        return not database.rows("SELECT 1 FROM sqlite_master LIMIT 1")

    def create(self, database: Database) -> None:
        """Make all tables (inside a transaction of the caller)."""
        for statement in _statements(_TABLES + self.tables):
            database.write(statement)
        created = current_clock().now().isoformat()
        database.write(
            "INSERT INTO meta (schema, version, layout, created_by, created)"
            " VALUES (?, ?, ?, ?, ?)",
            [self.name, self.version, _LAYOUT, f"vcplab {package_version()}", created],
        )

    def check(self, database: Database) -> int:
        """The file's version, which may be older than ours.

        Raises:
            InvalidDataError: Not a store of vcplab.
            SchemaMismatchError: Of another schema, or newer.
        """
        columns = {row[1] for row in database.rows("PRAGMA table_info(meta)")}
        found = []
        if {"schema", "version", "layout"} <= columns:
            found = database.rows("SELECT schema, version, layout FROM meta")
        if len(found) != 1:
            raise InvalidDataError(
                "The SQLite file is not a store of vcplab; it was left as it is.",
                where=database.where,
                next_step="Give another path.",
            )
        name, version, layout = found[0]
        if name != self.name:
            raise SchemaMismatchError(
                f"The store holds {name!a}, not {self.name!a}.",
                where=database.where,
                next_step="Give another path, or open it with the tool that made it.",
                details={"found": name, "expected": self.name},
            )
        if version > self.version or layout > _LAYOUT:
            raise self.mismatch(database, version, "Update vcplab, or give another path.")
        return int(version)

    def mismatch(self, database: Database, found: int, next_step: str) -> SchemaMismatchError:
        """The refusal of a version, ready to be raised."""
        return SchemaMismatchError(
            f"The store {self.name!a} has version {found}; this vcplab uses {self.version}.",
            where=database.where,
            next_step=next_step,
            details={"schema": self.name, "found": found, "expected": self.version},
        )


def _statements(script: str) -> Iterator[str]:
    # Not executescript(), which commits: tables and their first row belong to one transaction.
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip("; \n\t"):
                yield statement
            statement = ""
    if statement.strip("; \n\t"):
        yield statement
