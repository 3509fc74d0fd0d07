"""Opening a chat again, and forking one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vcplab.agents.chat.arguments import (
    check_parts,
    path_of,
    policy_of,
    seed_of,
    stop_of,
    text_of,
)
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.log import ChatLog, ChatStore, jsonl_options, read_jsonl
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.options import ChatOptions
from vcplab.agents.chat.policies import CustomPolicy
from vcplab.agents.chat.room import store_of
from vcplab.agents.chat.stopping import AnyOf, RoundLimit, StopCondition, TimeLimit, as_stop
from vcplab.agents.chat.terms import Terms, note_changes, plain
from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from vcplab.agents.chat.chat import GroupChat

__all__ = ["forked", "opened", "resumed"]

C = TypeVar("C", bound="GroupChat")


def opened(
    kind: type[C], source: str | Path, *, store: ChatStore | str | Path | None, **options: Any
) -> C:
    """A chat from a file or a store; see `GroupChat.load`.

    Args:
        kind: The class of chat.
        source: A file, or an id or name in the store.
        store: The store.
        **options: Of the chat.
    """
    path = path_of(source, "source")
    held = store_of(store)
    if path.suffix == ".jsonl" or (store is None and path.exists()):
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise NotFoundError(
                f"The file cannot be read: {error.strerror}.",
                where=str(path),
                next_step="give the file that chat.save(…) wrote",
            ) from error
        except UnicodeDecodeError as error:
            raise InvalidDataError(
                f"The file is no UTF-8 text: {error.reason} at byte {error.start}.",
                where=str(path),
                next_step="restore the file that chat.save(…) wrote",
            ) from error
        events = read_jsonl(text, where=str(path))
        kept = jsonl_options(text)
        config = Terms.of(events, kept).config
        chat = uuid.uuid4().hex[:12]
        name = config.get("name", ChatOptions().name if config else path.stem)
        held.create(chat, str(name), current_clock().now())
        try:
            held.keep_options(chat, kept)
            held.append(chat, [(e.seq or 0, e.type, e.line, None, 0.0) for e in events])
            return resumed(kind, held, chat, events, shared=0, **options)
        except BaseException:
            held.delete(chat)  # nothing is left of a chat that cannot be
            raise
    chat = held.row(str(source)).id
    events = list(held.read(chat))
    return resumed(kind, held, chat, events, shared=held.row(chat).fork_at, **options)


def forked(
    chat: C,
    at: str | ChatMessage | int | None,
    *,
    store: ChatStore | None,
    name: str | None,
    **changes: Any,
) -> C:
    """A chat that shares another's beginning; see `GroupChat.fork`.

    Args:
        chat: The other.
        at: The last event that is shared.
        store: Where its own events go.
        name: Its name.
        **changes: What is different.
    """
    events = chat.events
    count = _count(chat, at)
    shared = events[:count]
    held = chat.store if store is None else store_of(store)
    if store is None and held.read_only:
        held = ChatStore()
    new = uuid.uuid4().hex[:12]
    title = text_of(name or f"{chat.name} (fork at {count})", "name")
    changes = ChatOptions.named(changes)
    terms = Terms.of(shared, {})
    known: dict[str, Any] = {
        "model": chat._session.model,
        "tools": chat.toolbox,
        "variables": chat._runtime.setting.variables,
        "prices": chat.ledger.prices,
        "tokenizer": chat._tokenizer,
        "approver": chat._approvals.approver,
    }
    # A condition or a mode may be a function, which the log does not hold.
    if not terms.config or plain(terms.config.get("stop")) == plain(chat._config().get("stop")):
        known["stop"] = chat.stop
    if not terms.config or terms.mode == plain(chat.policy.to_dict()):
        known["mode"] = chat.policy
    kept: dict[str, Any] = {}
    if not terms.config:
        kept = {"config": chat._config() | {"name": title}, "seed": chat._seed}
    _create(held, chat, new, title, shared)
    try:
        held.keep_options(new, kept)
        fork = resumed(type(chat), held, new, shared, shared=count, **{**known, **changes})
    except BaseException:
        held.delete(new)
        raise
    for agent, model in chat._session.models.items():
        fork._session.models.setdefault(agent, model)
    return fork


def _create(
    held: ChatStore, chat: GroupChat, new: str, title: str, shared: Sequence[ChatEvent]
) -> None:
    """Enter a fork: by reference in its parent's store, as a copy in another."""
    now = current_clock().now()
    if held is chat.store:
        held.create(new, title, now, parent=chat.id, fork_at=len(shared))
        return
    held.create(new, title, now)
    held.append(
        new,
        [
            (e.seq or 0, e.type, e.line, None if e.moment is None else e.time.isoformat(), 0.0)
            for e in shared
        ],
    )


def resumed(
    kind: type[C],
    store: ChatStore,
    chat: str,
    events: Sequence[ChatEvent],
    *,
    shared: int,
    mode: Any = None,
    stop: Any = None,
    **options: Any,
) -> C:
    """A chat whose log exists.

    Args:
        kind: The class of chat.
        store: Where the log is.
        chat: The chat's id.
        events: The log.
        shared: How many of the events belong to another chat.
        mode: The mode; None for the log's.
        stop: The stopping condition; None for the log's.
        **options: ``model``, ``tools`` and so on; whatever else is an option of `ChatOptions`,
            which wins.

    Raises:
        InvalidInputError: The log names a function that it cannot hold.
    """
    terms = Terms.of(events, store.options(chat))
    options = ChatOptions.named(options)
    parts = {name: options.pop(name, None) for name in _PARTS}
    check_parts(parts["tools"], parts["tokenizer"], parts["approver"])
    found = kind.__new__(kind)
    before = terms.options()
    title = str(options.get("name") or store.row(chat).name)
    found.options, apart = ChatOptions.of({**terms.own(), **options})
    found.options = replace(found.options, name=title)  # prompts keep the group's
    for name in ("id", "member_tags"):
        if apart.get(name) is not None:
            raise InvalidInputError(
                f"A chat that is there cannot be given {name!r}.",
                where=name,
                next_step="an id is for a new chat: GroupChat(…, id=…)"
                if name == "id"
                else "give the agents themselves: chat.add_agent(agent.with_(keywords=[…]))",
            )
    found.id = chat
    found._store = store
    seed = apart.get("seed")
    found._seed = terms.seed if seed is None else seed_of(seed)
    mode = apart.get("mode") if mode is None else mode
    if mode is None and terms.mode.get("mode") == CustomPolicy.name:
        raise InvalidInputError(
            "This chat's mode was a function, which a log cannot hold.",
            where="mode",
            next_step="give it again: GroupChat.load(…, mode=function)",
        )
    policy = policy_of(terms.mode if mode is None else mode, apart, again=True)
    stop = apart.get("stop") if stop is None else stop
    asked = any(value is not None for value in (stop, *map(apart.get, ("max_rounds", "timeout"))))
    stop = terms.stop() if stop is None else as_stop(stop)
    if apart.get("max_rounds") is not None:
        stop = _without(stop, RoundLimit)
    if apart.get("timeout") is not None:
        stop = _without(stop, TimeLimit)
    found._begin(
        ChatLog(store, chat, events), policy, stop_of(stop, apart, policy), shared=shared, **parts
    )
    if not store.read_only:
        changes = found.options.changes_from(before)
        stop_data = plain(found._config().get("stop"))
        if asked and not terms.stops_by_function and stop_data != plain(terms.config.get("stop")):
            changes["stop"] = stop_data
        if options.get("name") and title != terms.config.get("name"):
            store.rename(chat, title)
            changes["name"] = title
        note_changes(found, terms, before, changes)
    return found


_PARTS = ("model", "tools", "variables", "prices", "tokenizer", "approver")


def _without(stop: StopCondition | None, kind: type[StopCondition]) -> StopCondition | None:
    """A condition without its limits of one kind, for which another is given."""
    if isinstance(stop, AnyOf):
        parts = [left for part in stop.parts if (left := _without(part, kind)) is not None]
        return as_stop(parts)
    return None if isinstance(stop, kind) else stop


def _count(chat: GroupChat, at: str | ChatMessage | int | None) -> int:
    events = chat.events
    if at is None:
        return len(events)
    number = at if isinstance(at, int) else None
    if isinstance(at, ChatMessage):
        at = at.id
    if isinstance(at, str) and at[:1] == "m" and at[1:].isdecimal():
        number = int(at[1:])
    if number is None or isinstance(at, bool) or not 0 <= number < len(events):
        raise NotFoundError(
            f"There is no event or message {at!r}.",
            where="at",
            next_step=f"give a message, its id, or a number from 0 to {len(events) - 1}",
        )
    return number + 1
