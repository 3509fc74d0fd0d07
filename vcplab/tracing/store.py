"""Spans and log lines on disk: one SQLite file, bounded by age and size."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from vcplab.core.clock import Clock, SystemClock
from vcplab.core.errors import InvalidInputError
from vcplab.core.store import Store
from vcplab.tracing.records import LogRecord, SpanRecord, dumps
from vcplab.tracing.rows import LOG_COLUMNS, SPAN_COLUMNS, log_of, row_of, span_of

__all__ = ["TraceStore"]

_SCHEMA = "vcplab-trace"
_VERSION = 1
_TABLES = """
CREATE TABLE spans (
  id INTEGER PRIMARY KEY, span TEXT NOT NULL UNIQUE, trace TEXT NOT NULL, parent TEXT,
  name TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, start INTEGER NOT NULL,
  duration INTEGER, error_type TEXT, error_message TEXT, attributes TEXT NOT NULL,
  events TEXT NOT NULL, written INTEGER NOT NULL
);
CREATE INDEX spans_by_trace ON spans (trace, start);
CREATE INDEX spans_by_start ON spans (start);
CREATE INDEX spans_by_kind ON spans (kind, start);
CREATE TABLE payloads (span TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (span, digest))
  WITHOUT ROWID;
CREATE INDEX payloads_by_digest ON payloads (digest);
CREATE TABLE logs (
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, level TEXT NOT NULL, category TEXT NOT NULL,
  message TEXT NOT NULL, data TEXT, trace TEXT, call TEXT, written INTEGER NOT NULL
);
CREATE INDEX logs_by_time ON logs (time);
"""
_PAYLOADS = "payloads"
# Of an attribute: longer ones, in characters of JSON, are kept apart and once.
_LARGE = 2048
_PREVIEW = 200
_UPSERT = f"""
INSERT INTO spans ({", ".join(SPAN_COLUMNS)}, written)
VALUES ({", ".join("?" * len(SPAN_COLUMNS))}, ?)
ON CONFLICT (span) DO UPDATE SET
  name = excluded.name, kind = excluded.kind, status = excluded.status,
  duration = excluded.duration, error_type = excluded.error_type,
  error_message = excluded.error_message, attributes = excluded.attributes,
  events = excluded.events
WHERE spans.status = 'open'
"""  # noqa: S608 - column names of ours
_SPANS = f"SELECT {', '.join(SPAN_COLUMNS)} FROM spans"  # noqa: S608
_LOGS = f"SELECT {', '.join(LOG_COLUMNS)} FROM logs"  # noqa: S608


class TraceStore:
    """A file of spans and log lines.

    What is written is committed in batches, each all or nothing: after ``kill -9`` the file opens
    and lacks at most what had not been committed.

    Args:
        path: The database file; None for one in memory.
        keep: Spans and lines that were written longer ago are dropped.
        budget: Bytes of tables and payloads to keep to; the oldest goes first.
        read_only: Open without the possibility to write; the file must exist.
        clock: Tells how old they are; the machine's if None, also where the work itself runs by
            another clock.

    Raises:
        InvalidInputError: ``keep`` or ``budget`` is not positive.
        StateError: The file cannot be opened, or is of another schema.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        keep: timedelta = timedelta(days=30),
        budget: int = 2**30,
        read_only: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if keep <= timedelta(0) or budget < 2**16:
            raise InvalidInputError(
                "A trace needs a positive age and a budget of at least 64 KiB.",
                where="keep" if keep <= timedelta(0) else "budget",
                next_step="e.g. keep=timedelta(days=30), budget=2**30",
            )
        self.keep, self.budget = keep, budget
        self._clock = clock or SystemClock()
        self._pruning = threading.Lock()
        options: dict[str, Any] = {"schema": _SCHEMA, "version": _VERSION, "tables": _TABLES}
        self._store = (
            Store.memory(**options) if path is None else Store(path, read_only=read_only, **options)
        )

    @property
    def path(self) -> Path | None:
        """The database file; None in memory."""
        return self._store.path

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._store.read_only

    # --- writing ------------------------------------------------------------------------------

    def add(self, spans: Iterable[SpanRecord] = (), logs: Iterable[LogRecord] = ()) -> None:
        """Write spans and lines in one transaction.

        A span that was written while open is completed; a closed one is never changed.

        Args:
            spans: The spans, free of secrets.
            logs: The lines; their ids are given out here.

        Raises:
            ReadOnlyError: The store is read-only.
        """
        written = int(self._clock.now().timestamp())
        rows: list[tuple[Any, ...]] = []
        payloads: dict[str, bytes] = {}
        references: list[tuple[str, str]] = []
        for span in spans:
            kept, large = _apart(span)
            rows.append((*row_of(kept), written))
            payloads.update(large)
            references.extend((span.span_id, digest) for digest in large)
        lines = [
            (
                int(line.time.timestamp() * 1e6) * 1000,
                line.level,
                line.category,
                line.message,
                None if line.data is None else dumps(line.data),
                line.trace_id,
                line.call_id,
                written,
            )
            for line in logs
        ]
        with self._store.transaction():
            if payloads:
                self._store.put_many(_PAYLOADS, payloads)
                self._store.executemany(
                    "INSERT OR IGNORE INTO payloads (span, digest) VALUES (?, ?)", references
                )
            if rows:
                self._store.executemany(_UPSERT, rows)
            if lines:
                columns = ", ".join(LOG_COLUMNS[1:])
                self._store.executemany(
                    f"INSERT INTO logs ({columns}, written) "  # noqa: S608
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    lines,
                )

    def prune(self) -> int:
        """Drop what is too old, then the oldest until the budget is kept.

        Returns:
            Number of spans and lines dropped.
        """
        # One at a time: of two, each would find the other's rows gone and stop too early.
        with self._pruning:
            return self._prune()

    def _prune(self) -> int:
        edge = int((self._clock.now() - self.keep).timestamp())
        dropped = sum(self._drop("written < ?", edge, table) for table in ("spans", "logs"))
        if self._store.total_bytes() > self.budget:
            self._store.gc()
        while self._store.total_bytes() > self.budget:
            count = 0
            for table in ("spans", "logs"):
                # By number, not by time: a clock that stands still must not stop this.
                fifth = self._store.rows(
                    f"SELECT min(id) + (max(id) - min(id)) / 5 + 1 FROM {table}"  # noqa: S608
                )[0][0]
                count += 0 if fifth is None else self._drop("id < ?", fifth, table)
            dropped += count
            self._store.gc(keep_seconds=0)
            if not count:
                break
        return dropped

    def clear(self) -> None:
        """Drop everything."""
        for table in ("spans", "logs"):
            self._drop("id >= ?", 0, table)
        self._store.gc(keep_seconds=0)

    def _drop(self, condition: str, value: int, table: str) -> int:
        with self._store.transaction():
            query = f"DELETE FROM {table} WHERE {condition}"  # noqa: S608
            count = self._store.execute(query, [value])
            if count and table == "spans":
                self._store.execute(
                    "DELETE FROM payloads WHERE NOT EXISTS "
                    "(SELECT 1 FROM spans WHERE spans.span = payloads.span)"
                )
                self._store.execute(
                    "DELETE FROM kv WHERE namespace = ? "
                    "AND key NOT IN (SELECT digest FROM payloads)",
                    [_PAYLOADS],
                )
        return count

    # --- small settings of the views ----------------------------------------------------------

    def setting(self, name: str) -> Any:
        """What `set_setting` stored; None if nothing."""
        value = self._store.get("settings", name)
        return None if value is None else json.loads(value)

    def set_setting(self, name: str, value: Any) -> None:
        """Store a JSON-able value under a name."""
        self._store.put("settings", name, dumps(value).encode())

    # --- reading ------------------------------------------------------------------------------

    def spans(
        self,
        *,
        trace_id: str | None = None,
        kinds: Sequence[str] | None = None,
        roots: bool = False,
        status: str | None = None,
        since_ns: int | None = None,
        search: str | None = None,
        limit: int | None = None,
    ) -> list[SpanRecord]:
        """Recorded spans, latest first.

        Args:
            trace_id: Only those of one trace.
            kinds: Only those of these kinds.
            roots: Only those without a parent.
            status: Only those of a status.
            since_ns: Only those that were opened after this moment (nanoseconds since 1970).
            search: Only those that hold this text in name, attributes or error, in any case.
            limit: How many at most.
        """
        conditions: list[str] = []
        values: list[Any] = []
        for condition, value in (
            ("trace = ?", trace_id),
            ("status = ?", status),
            ("start > ?", since_ns),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if kinds is not None:
            conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
            values.extend(kinds)
        if roots:
            conditions.append("parent IS NULL")
        if search:
            pattern = (
                "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            )
            conditions.append(
                "(name LIKE ? ESCAPE '\\' OR attributes LIKE ? ESCAPE '\\'"
                " OR error_message LIKE ? ESCAPE '\\')"
            )
            values.extend([pattern] * 3)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        values.append(-1 if limit is None else limit)
        query = f"{_SPANS}{where} ORDER BY start DESC, id DESC LIMIT ?"
        return [span_of(row) for row in self._store.rows(query, values)]

    def span(self, span_id: str) -> SpanRecord | None:
        """One span, whole; None if it was never recorded or is dropped."""
        rows = self._store.rows(f"{_SPANS} WHERE span = ?", [span_id])
        return self.whole(span_of(rows[0])) if rows else None

    def whole(self, record: SpanRecord) -> SpanRecord:
        """The span with its large attributes put back."""
        attributes = dict(record.attributes)
        for name, value in attributes.items():
            if isinstance(value, dict) and "$blob" in value:
                content = self._store.get(_PAYLOADS, value["$blob"])
                if content is not None:
                    attributes[name] = json.loads(content)
        return replace(record, attributes=attributes)

    def logs(
        self,
        *,
        limit: int | None = None,
        level: str | None = None,
        trace_id: str | None = None,
        since_ns: int | None = None,
    ) -> list[LogRecord]:
        """Log lines, latest first."""
        conditions, values = ["1"], []
        for condition, value in (
            ("level = ?", level),
            ("trace = ?", trace_id),
            ("time > ?", since_ns),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        query = f"{_LOGS} WHERE {' AND '.join(conditions)} ORDER BY time DESC, id DESC LIMIT ?"
        rows = self._store.rows(query, [*values, -1 if limit is None else limit])
        return [log_of(row) for row in rows]

    def count(self) -> int:
        """Number of spans."""
        return int(self._store.rows("SELECT count(*) FROM spans")[0][0])

    def total_bytes(self) -> int:
        """Size of tables and payloads in bytes."""
        return self._store.total_bytes()

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<TraceStore {self.path or 'in memory'}>"


def _apart(span: SpanRecord) -> tuple[SpanRecord, dict[str, bytes]]:
    """The span with its large attributes replaced by references, and those attributes."""
    large: dict[str, bytes] = {}
    attributes: dict[str, Any] | None = None
    for name, value in span.attributes.items():
        if isinstance(value, str | list | dict):
            if isinstance(value, str) and len(value) < _LARGE:
                continue
            text = dumps(value)
            if len(text) < _LARGE:
                continue
            content = text.encode("utf-8", "surrogatepass")
            digest = hashlib.sha256(content).hexdigest()
            large[digest] = content
            attributes = dict(span.attributes) if attributes is None else attributes
            shown = value if isinstance(value, str) else text
            attributes[name] = {"$blob": digest, "bytes": len(content), "preview": shown[:_PREVIEW]}
    return (span if attributes is None else replace(span, attributes=attributes)), large
