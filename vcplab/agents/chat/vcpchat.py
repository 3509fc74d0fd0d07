"""Groups of VCPChat, with their members and what was said in them (facts/vcp-agents §7).

VCPChat keeps a group in ``AppData/AgentGroups/<group>/config.json``, its members in
``AppData/Agents/<agent>/config.json``, and each topic's messages in
``AppData/UserData/<group>/topics/<topic>/history.json``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vcplab.agents.agent import Agent
from vcplab.agents.chat.chat import GroupChat
from vcplab.agents.chat.events import canonical_line
from vcplab.agents.chat.log import ChatStore
from vcplab.agents.chat.message import USER
from vcplab.agents.chat.options import ChatOptions
from vcplab.agents.chat.policies import as_policy
from vcplab.agents.store import AgentStore
from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, NotFoundError

__all__ = ["read_vcpchat_group"]

_MODES: Final = {"naturerandom": "natural", "invite_only": "invite_only"}
_Event = tuple[str, dict[str, Any], datetime | None]


def read_vcpchat_group(
    folder: str | Path,
    *,
    topic: str | None = None,
    agents: str | Path | None = None,
    history: bool = True,
    store: ChatStore | str | Path | None = None,
    **options: Any,
) -> GroupChat:
    """A group of VCPChat as a chat that goes on where its history ends.

    Mode, speaking order, tags, group prompt and invitation are taken over. Models are not: their
    names are in ``chat.agents[…].metadata["model"]``; give ``model=``.

    Args:
        folder: The group's folder, or its ``config.json``.
        topic: A topic's id or name; None for the first.
        agents: The folder of agents; None for where VCPChat keeps it.
        history: Whether what was said is taken over.
        store: Where the log is kept; None for memory.
        **options: Of the chat; they win.

    Raises:
        NotFoundError: There is no such folder, topic or member.
        InvalidDataError: A file is broken.
    """
    path = Path(folder).expanduser()
    group = _json(path if path.suffix == ".json" else path / "config.json", dict)
    home = path.parent if path.suffix == ".json" else path
    data = home.parent.parent
    members = _members(group, Path(agents).expanduser() if agents else data / "Agents")
    settings: Mapping[str, Any] = group.get("modeSettings") or {}
    known, mode = _mode(group, settings, members)
    told = _topic(group, topic)
    chosen = {
        "name": str(group.get("name") or home.name),
        "group_prompt": str(group.get("groupPrompt") or ""),
        "invite_prompt": str(group.get("invitePrompt") or ""),
        **options,
    }
    model = chosen.pop("model", None)
    apart = {name: chosen.pop(name) for name in _RUNNING if name in chosen}
    mode = chosen.pop("mode", mode)
    events: list[_Event] = [("agent:join", {"agent": agent.to_dict()}, None) for agent in known]
    if told is not None:
        config = ChatOptions.of(chosen)[0].to_dict() | {"mode": as_policy(mode).to_dict()}
        name = str(told.get("name") or "")
        start = {"config": config, "seed": int(apart.get("seed") or 0), "topic": name}
        events.append(("chat:start", start, None))
        if history:
            group_id = str(group.get("id") or home.name)
            file = data / "UserData" / group_id / "topics" / str(told["id"]) / "history.json"
            if file.is_file():
                events += _said(_json(file, list), known, file)
    held = store if isinstance(store, ChatStore) else ChatStore(store)
    chat = uuid.uuid4().hex[:12]
    held.create(chat, chosen["name"], current_clock().now())
    held.append(
        chat,
        [
            (n, type_, canonical_line(n, type_, facts), None if at is None else at.isoformat(), 0.0)
            for n, (type_, facts, at) in enumerate(events)
        ],
    )
    return GroupChat.load(chat, store=held, model=model, mode=mode, **apart, **chosen)


_RUNNING: Final = ("stop", "tools", "variables", "prices", "tokenizer", "approver", "seed")


def _members(group: Mapping[str, Any], folder: Path) -> list[Agent]:
    names = [str(name) for name in group.get("members") or ()]
    missing = [name for name in names if not (folder / name / "config.json").is_file()]
    if missing:
        raise NotFoundError(
            f"The members {', '.join(missing)} have no definition.",
            where=str(folder),
            next_step="say where the agents are: agents=…",
        )
    kept = AgentStore()
    for name in names:
        kept.import_(folder / name)
    return [kept.get(name) for name in names]


def _mode(
    group: Mapping[str, Any], settings: Mapping[str, Any], members: Sequence[Agent]
) -> tuple[list[Agent], Any]:
    """The members as the mode wants them, and the mode."""
    given = str(group.get("mode") or "sequential")
    natural = settings.get("naturerandom") or {}
    tags = {**(group.get("memberTags") or {}), **(natural.get("memberTags") or {})}
    order = (settings.get("sequential") or {}).get("speakerOrder")
    order = order or group.get("sequentialSpeakerOrder") or []
    places = {name: place for place, name in enumerate(order)}
    known = sorted(members, key=lambda agent: places.get(agent.id, len(places)))
    known = [a.with_(keywords=tags[a.id]) if tags.get(a.id) else a for a in known]
    if given == "sequential":
        return known, {"mode": "sequential", "order": "joined"}
    if given == "naturerandom":
        match = natural.get("tagMatchMode") or group.get("tagMatchMode") or "strict"
        return known, {"mode": "natural", "tag_match_mode": match}
    return known, _MODES.get(given, given)


def _topic(group: Mapping[str, Any], wanted: str | None) -> Mapping[str, Any] | None:
    topics = [one for one in group.get("topics") or () if isinstance(one, Mapping) and "id" in one]
    if wanted is None:
        return topics[0] if topics else None
    for one in topics:
        if wanted in (one["id"], one.get("name")):
            found: Mapping[str, Any] = one
            return found
    raise NotFoundError(
        f"The group has no topic {wanted!r}.",
        where="topic",
        next_step="its topics: " + (", ".join(str(t.get("name")) for t in topics) or "none"),
    )


def _said(entries: Sequence[Any], agents: Sequence[Agent], file: Path) -> Iterator[_Event]:
    ids = {agent.id: agent.id for agent in agents} | {agent.name: agent.id for agent in agents}
    for number, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or "role" not in entry:
            raise InvalidDataError(
                f"Message {number + 1} is no message.",
                where=str(file),
                next_step="restore the file, or read the group with history=False",
            )
        content = entry.get("content")
        text = content.get("text", "") if isinstance(content, Mapping) else content
        if not isinstance(text, str) or not text.strip():
            continue
        stamp = entry.get("timestamp")
        at = datetime.fromtimestamp(stamp / 1000, UTC) if isinstance(stamp, int | float) else None
        if entry["role"] == "user":
            name = str(entry.get("name") or "")
            yield "user:speak", {"text": text, **({"name": name} if name else {})}, at
        elif entry["role"] == "assistant":
            said_by = str(entry.get("agentId") or entry.get("name") or USER)
            yield "agent:speak", {"agent": ids.get(said_by, said_by), "text": text}, at


def _json(path: Path, kind: type) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NotFoundError(
            f"The file cannot be read: {error.strerror}.",
            where=str(path),
            next_step="give the group's folder below AppData/AgentGroups",
        ) from error
    except ValueError as error:
        raise InvalidDataError(
            f"It is no JSON: {error}.", where=str(path), next_step="restore the file"
        ) from error
    if not isinstance(found, kind):
        raise InvalidDataError(
            f"It holds a {type(found).__name__}, not a {kind.__name__}.",
            where=str(path),
            next_step="restore the file",
        )
    return found
