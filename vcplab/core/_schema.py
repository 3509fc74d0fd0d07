"""What a store's file must look like. Private: see `vcplab.core.store`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from vcplab.core._sqlite import Database
from vcplab.core._version import package_version
from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, NotFoundError, SchemaMismatchError

__all__ = ["Schema", "nothing_to_read"]

Owner = TypeVar("Owner")

# Of the store's own tables, whatever it is for; raised with a step in _STEPS.
_LAYOUT = 2
_TABLES = """
CREATE TABLE meta (
    schema TEXT NOT NULL, version INTEGER NOT NULL, layout INTEGER NOT NULL,
    created_by TEXT NOT NULL, created TEXT NOT NULL
);
CREATE TABLE blobs (
    hash TEXT PRIMARY KEY, size INTEGER NOT NULL, created TEXT NOT NULL,
    held INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE TABLE kv (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value BLOB,
    blob TEXT REFERENCES blobs (hash), used INTEGER NOT NULL DEFAULT 0,
    UNIQUE (namespace, key), CHECK ((value IS NULL) <> (blob IS NULL))
);
CREATE INDEX kv_blob ON kv (blob) WHERE blob IS NOT NULL;
CREATE INDEX kv_used ON kv (used);
"""
# Layout n → what leads to n + 1. `used`: the last day of use, in days of the epoch, of what may be
# evicted; 0 for the rest. `held`: given out by put_blob(), so kept though no key refers to it; of
# the blobs of layout 1 nobody knows that, so all are held.
_STEPS = {
    1: """
ALTER TABLE blobs ADD COLUMN held INTEGER NOT NULL DEFAULT 1;
ALTER TABLE kv ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
CREATE INDEX kv_used ON kv (used);
"""
}


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

    def settle(
        self, database: Database, owner: Owner, migrations: Mapping[int, Callable[[Owner], object]]
    ) -> None:
        """Make the tables, or check those that are there and bring them up to date.

        Args:
            database: The opened file.
            owner: What the migrations are called with.
            migrations: From each old version n to n + 1.
        """
        if self.is_missing(database):
            if database.read_only:
                raise nothing_to_read(database.where)
            database.grow_and_shrink()
            with database.transaction():
                if self.is_missing(database):  # still: another process may have been quicker
                    self.create(database)
        old = self.check(database)
        if not database.read_only:
            database.use_wal()
            if old < self.version or self.layout(database) < _LAYOUT:
                with database.transaction():
                    self._migrate(database, owner, migrations)
        elif old < self.version:
            raise self.mismatch(
                database, old, "Open it once for writing, so that it can be migrated."
            )

    def _migrate(
        self, database: Database, owner: Owner, migrations: Mapping[int, Callable[[Owner], object]]
    ) -> None:
        # Read again inside the transaction: another process may have migrated first.
        old, layout = self.check(database), self.layout(database)
        steps = range(old, self.version)
        for step in steps:
            if step not in migrations:
                raise self.mismatch(
                    database,
                    old,
                    f"No migration leads on from version {step}; use the vcplab that wrote it.",
                )
        if database.path is not None and (steps or layout < _LAYOUT):
            kind = f"v{old}" if steps else f"layout{layout}"
            database.backup(database.path.with_name(f"{database.path.name}.{kind}.bak"))
        for earlier in range(layout, _LAYOUT):
            for statement in _statements(_STEPS[earlier]):
                database.write(statement)
            database.write("UPDATE meta SET layout = ?", [earlier + 1])
        for step in steps:
            migrations[step](owner)
            database.write("UPDATE meta SET version = ?", [step + 1])

    def layout(self, database: Database) -> int:
        """Which layout the store's own tables have."""
        return int(database.rows("SELECT layout FROM meta")[0][0])

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


def nothing_to_read(where: str) -> NotFoundError:
    """The refusal to read what is not there."""
    return NotFoundError(
        "There is no store to read.",
        where=where,
        next_step="Check the path, or open it once for writing.",
    )
