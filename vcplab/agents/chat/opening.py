"""Opening a chat again, and forking one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.log import ChatLog, ChatStore, read_jsonl
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.options import ChatOptions
from vcplab.agents.chat.policies import CustomPolicy, as_policy
from vcplab.agents.chat.stopping import as_stop, stop_from_dict
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
    held = store if isinstance(store, ChatStore) else ChatStore(store)
    path = Path(source).expanduser()
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
        name = _config_of(events).get("name", path.stem)
        chat = uuid.uuid4().hex[:12]
        held.create(chat, name, current_clock().now())
        held.append(chat, [(e.seq or 0, e.type, e.line, None, 0.0) for e in events])
    else:
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
    held = store or chat.store
    if store is None and held.read_only:
        held = ChatStore()
    new = uuid.uuid4().hex[:12]
    title = name or f"{chat.name} (fork at {count})"
    now = current_clock().now()
    if held is chat.store:
        held.create(new, title, now, parent=chat.id, fork_at=count)
    else:
        held.create(new, title, now)
        held.append(
            new,
            [
                (e.seq or 0, e.type, e.line, None if e.moment is None else e.time.isoformat(), 0.0)
                for e in shared
            ],
        )
    known: dict[str, Any] = {
        "model": chat._session.model,
        "tools": chat.toolbox,
        "variables": chat._runtime.setting.variables,
        "prices": chat.ledger.prices,
        "tokenizer": chat._tokenizer,
        "approver": chat._approvals.approver,
        "stop": chat.stop,
    }
    if not any(event.type == "mode:changed" for event in events[count:]):
        known["mode"] = chat.policy
    fork = resumed(type(chat), held, new, shared, shared=count, **{**known, **changes})
    for agent, model in chat._session.models.items():
        fork._session.models.setdefault(agent, model)
    fork.options = replaced_name(fork.options, title)
    if "mode" in changes:
        fork.set_mode(changes["mode"])
    return fork


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
    config = dict(_config_of(events))
    logged_mode = config.pop("mode", {"mode": "sequential"})
    for event in events:
        if event.type == "mode:changed":
            logged_mode = event.data["mode"]
    logged_stop = config.pop("stop", None)
    config.pop("model", None)
    parts = {name: options.pop(name, None) for name in _PARTS}
    found = kind.__new__(kind)
    found.options, apart = ChatOptions.of({**config, **options})
    found.id = chat
    found._store = store
    found._seed = int(apart.get("seed") or 0)
    if stop is None and logged_stop is not None:
        stop = stop_from_dict(logged_stop)
    if mode is None:
        mode = logged_mode
    if isinstance(mode, Mapping) and mode.get("mode") == CustomPolicy.name:
        raise InvalidInputError(
            "This chat's mode was a function, which a log cannot hold.",
            where="mode",
            next_step="give it again: GroupChat.load(…, mode=function)",
        )
    found._begin(
        ChatLog(store, chat, events), as_policy(mode), as_stop(stop), shared=shared, **parts
    )
    return found


_PARTS = ("model", "tools", "variables", "prices", "tokenizer", "approver")


def replaced_name(options: ChatOptions, name: str) -> ChatOptions:
    """Options of a chat of another name; its prompts keep the group's."""
    return replace(options, name=name)


def _config_of(events: Sequence[ChatEvent]) -> Mapping[str, Any]:
    for event in events:
        if event.type == "chat:start" and "config" in event.data:
            config: Mapping[str, Any] = event.data["config"]
            return config
    return {}


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
