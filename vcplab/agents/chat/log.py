"""The log of a chat: a list of events, in a file from the moment each happens.

The canonical form is JSON lines: a header, then one line an event, the same bytes for the same
chat in every process. Beside each event the store keeps its time and duration, which differ from
run to run and are not part of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from vcplab.agents.chat.canonical import (
    HEADER,
    SCHEMA,
    VERSION,
    as_json,
    jsonl_options,
    missing,
    parsed,
    read_jsonl,
)
from vcplab.agents.chat.events import UNKNOWN, ChatEvent, canonical_line
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    StateError,
)
from vcplab.core.store import Store
from vcplab.core.uncopied import Uncopied

__all__ = ["HEADER", "ChatLog", "ChatRow", "ChatStore", "jsonl_options", "read_jsonl"]

_TABLES: Final = """
CREATE TABLE chats (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created TEXT NOT NULL,
    parent TEXT, fork_at INTEGER NOT NULL DEFAULT 0, options TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE events (
    chat TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, line TEXT NOT NULL,
    time TEXT, seconds REAL NOT NULL DEFAULT 0, PRIMARY KEY (chat, seq)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A chat in a store.

    Attributes:
        id: Its identifier.
        name: Its name.
        created: When it was made.
        parent: The chat that it was forked from; None for one of its own.
        fork_at: How many events of the parent it shares.
        events: Number of its events, shared ones included.
    """

    id: str
    name: str
    created: datetime
    parent: str | None
    fork_at: int
    events: int


class ChatStore(Uncopied):
    """Chats in one SQLite file, or in memory.

    A fork is a parent and an offset: it copies nothing.

    Args:
        path: The file; None for memory.
        read_only: Open without the possibility to write.

    Raises:
        SchemaMismatchError: The file is something else, or of a newer vcplab.
    """

    _instead = "open its file again: ChatStore(path); from memory, save each chat: chat.save(path)"

    def __init__(self, path: str | Path | None = None, *, read_only: bool = False) -> None:
        options: dict[str, Any] = {"schema": SCHEMA, "version": VERSION, "tables": _TABLES}
        self._store = (
            Store.memory(**options)
            if path is None
            else Store(Path(path).expanduser(), read_only=read_only, **options)
        )

    @property
    def path(self) -> Path | None:
        """The file; None in memory."""
        return self._store.path

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._store.read_only

    def rows(self) -> list[ChatRow]:
        """The chats, oldest first."""
        found = self._store.rows(
            "SELECT id, name, created, parent, fork_at, "
            "(SELECT count(*) FROM events WHERE chat = chats.id) FROM chats ORDER BY created, rowid"
        )
        return [
            ChatRow(row[0], row[1], datetime.fromisoformat(row[2]), row[3], row[4], row[4] + row[5])
            for row in found
        ]

    def row(self, chat: str, *, newest: bool = False) -> ChatRow:
        """One chat, by id or, where it is the only one of that name, by name.

        Args:
            chat: The id or name.
            newest: Take the newest where several have the name.

        Raises:
            NotFoundError: There is none, or several have the name.
        """
        rows = self.rows()
        named = [row for row in rows if row.id == chat] or [r for r in rows if r.name == chat]
        named = named[-1:] if newest else named
        if len(named) != 1:
            raise NotFoundError(
                f"{'No chat' if not named else 'More than one chat'} is called {chat!r}.",
                where="chat",
                next_step="give an id: " + (", ".join(row.id for row in rows) or "there is none"),
            )
        return named[0]

    def create(
        self,
        chat: str,
        name: str,
        created: datetime,
        *,
        parent: str | None = None,
        fork_at: int = 0,
    ) -> None:
        """Enter a new chat."""
        self._store.execute(
            "INSERT INTO chats (id, name, created, parent, fork_at) VALUES (?, ?, ?, ?, ?)",
            [chat, name, created.isoformat(), parent, fork_at],
        )

    def rename(self, chat: str, name: str) -> None:
        """Give a chat another name."""
        self._store.execute("UPDATE chats SET name = ? WHERE id = ?", [name, chat])

    def keep_options(self, chat: str, options: Mapping[str, Any]) -> None:
        """Keep how a chat is to go that was not started: once it is, its log says so.

        Raises:
            InvalidInputError: An option is not JSON-able.
        """
        text = as_json(options, "options")
        self._store.execute("UPDATE chats SET options = ? WHERE id = ?", [text, chat])

    def options(self, chat: str) -> dict[str, Any]:
        """What `keep_options` kept of a chat: ``config`` and ``seed``; empty for nothing."""
        rows = self._store.rows("SELECT options FROM chats WHERE id = ?", [chat])
        return dict(json.loads(rows[0][0])) if rows else {}

    def delete(self, chat: str) -> None:
        """Drop a chat and its events.

        Raises:
            InvalidDataError: Another chat was forked from it.
        """
        if children := [row.id for row in self.rows() if row.parent == chat]:
            raise InvalidDataError(
                f"{len(children)} chat(s) were forked from this one and share its events.",
                where=chat,
                next_step=f"delete those first: {', '.join(children)}",
            )
        with self._store.transaction():
            self._store.execute("DELETE FROM events WHERE chat = ?", [chat])
            self._store.execute("DELETE FROM chats WHERE id = ?", [chat])

    def append(self, chat: str, rows: Sequence[tuple[int, str, str, str | None, float]]) -> None:
        """Write events: number, type, line, time and seconds of each."""
        sql = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)"
        if len(rows) == 1:
            self._store.execute(sql, (chat, *rows[0]))
        else:
            self._store.executemany(sql, [(chat, *row) for row in rows])

    def read(self, chat: str) -> Iterator[ChatEvent]:
        """The events of a chat, shared ones first."""
        # Down to the root first, then up again, each as far as its child goes.
        chain: list[tuple[str, int | None]] = []
        row, upto = self.row(chat), None
        while True:
            chain.append((row.id, upto))
            if row.parent is None:
                break
            upto = row.fork_at if upto is None else min(upto, row.fork_at)
            row = self.row(row.parent)
        due = 0
        for name, limit in reversed(chain):
            for event in self._own(name, limit):
                if event.seq != due:
                    raise missing(due, event.seq, f"{self.path or 'memory'}, chat {name}")
                due += 1
                yield event

    def _own(self, chat: str, limit: int | None) -> Iterator[ChatEvent]:
        bound = 2**62 if limit is None else limit
        for seq, line, time, seconds in self._store.rows(
            "SELECT seq, line, time, seconds FROM events WHERE chat = ? AND seq < ? ORDER BY seq",
            [chat, bound],
        ):
            moment = datetime.fromisoformat(time) if time else UNKNOWN
            yield replace(parsed(line, seq, chat), time=moment, seconds=seconds, chat=chat)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __repr__(self) -> str:
        return f"<ChatStore {self.path or 'in memory'}, {len(self.rows())} chats>"


class ChatLog:
    """The events of one chat, written as they happen, by one thread at a time.

    Args:
        store: Where they go.
        chat: The chat's id.
        events: What is there already.
    """

    def __init__(self, store: ChatStore, chat: str, events: Sequence[ChatEvent] = ()) -> None:
        self.store = store
        self.chat = chat
        self.events: list[ChatEvent] = list(events)

    def append(
        self, type_: str, data: Mapping[str, Any], time: datetime, seconds: float = 0.0
    ) -> ChatEvent:
        """Write an event down; it is in the file when this returns.

        Args:
            type_: Its type.
            data: JSON-able facts.
            time: When it happened.
            seconds: How long what it ends took.

        Returns:
            The event, its facts as a reader of the file will find them.

        Raises:
            ReadOnlyError: The store is read-only.
            InvalidInputError: The facts are not JSON-able.
            StateError: Somebody else has written into the chat.
        """
        return self.extend([(type_, data)], time, seconds)[0]

    def extend(
        self, facts: Sequence[tuple[str, Mapping[str, Any]]], time: datetime, seconds: float = 0.0
    ) -> list[ChatEvent]:
        """Write events down that belong together: the file has all of them or none.

        Args:
            facts: Type and facts of each.
            time: When they happened.
            seconds: How long what each ends took.

        Returns:
            The events.

        Raises:
            ReadOnlyError: The store is read-only.
            InvalidInputError: The facts are not JSON-able.
            StateError: Somebody else has written into the chat.
        """
        prepared = self.prepared(facts, time, seconds)
        self.write(prepared)
        return [event for event, _ in prepared]

    def prepared(
        self, facts: Sequence[tuple[str, Mapping[str, Any]]], time: datetime, seconds: float = 0.0
    ) -> list[tuple[ChatEvent, str]]:
        """The events that `write` would write next, each with its canonical line; see `extend`."""
        self.require_writable()
        found: list[tuple[ChatEvent, str]] = []
        for seq, (type_, data) in enumerate(facts, len(self.events)):
            try:
                line = canonical_line(seq, type_, data)
            except (TypeError, ValueError) as error:
                raise InvalidInputError(
                    f"The facts of {type_!r} are not JSON: {error}.",
                    where=type_,
                    next_step="give texts, numbers, lists and mappings of these",
                ) from error
            try:
                line.encode()
            except UnicodeEncodeError:
                # Half characters of a broken stream: the file holds what can be written.
                line = line.encode("utf-8", "replace").decode()
                data = parsed(line, seq, self.chat).data
            event = ChatEvent(
                type=type_, data=data, seq=seq, time=time, seconds=seconds, chat=self.chat
            )
            found.append((event, line))
        return found

    def write(self, prepared: Sequence[tuple[ChatEvent, str]]) -> None:
        """Write prepared events down: the file has all of them or none; see `extend`."""
        try:
            self.store.append(
                self.chat,
                [
                    (event.seq or 0, event.type, line, event.time.isoformat(), event.seconds)
                    for event, line in prepared
                ],
            )
        except InvalidInputError as error:
            raise StateError(
                "Somebody else has written into this chat: another process, or the same chat "
                "opened twice.",
                where=self.chat,
                next_step="open it again with GroupChat.load(…), or fork it: chat.fork()",
            ) from error
        self.events += [event for event, _ in prepared]

    def require_writable(self) -> None:
        """Refuse what would be written into another process's chat.

        Raises:
            ReadOnlyError: The store is read-only.
        """
        if self.store.read_only:
            raise ReadOnlyError(
                "This chat belongs to another process and is read-only here.",
                where=self.chat,
                next_step="fork it into a store of your own: chat.fork(store=vl.ChatStore())",
            )

    def to_jsonl(self, options: Mapping[str, Any] | None = None) -> str:
        """The canonical log.

        Args:
            options: How a chat is to go that was not started; its header keeps them.
        """
        header = HEADER
        if options:
            header = as_json({"options": options, **json.loads(HEADER)}, "options")
        return "\n".join([header, *(event.line for event in self.events), ""])
