"""How other systems write down an agent, and one out of it. Private: see `vcplab.agents.store`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, Literal

from vcplab.agents.agent import Agent, VCPConfig
from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, NotFoundError, SchemaMismatchError, VCPError
from vcplab.core.names import snake_keys

__all__ = ["AgentType", "ExportForm", "agent_of", "body_of", "read_agents", "type_of", "written"]

AgentType = Literal["assistant", "vcp", "claude-code", "custom"]
ExportForm = Literal["vcplab", "cherry", "vcp"]

SCHEMA: Final = "vcplab-agents"
VERSION: Final = 1

_ASSISTANTS: Final = frozenset({"prompt", "emoji", "topics"})
_VCP: Final = frozenset({"vcp_config", "personality", "greeting_message", "context_token_limit"})
_LARGEST: Final = 50 * 1024 * 1024
_LISTS: Final = ("agents", "assistants", "presets", "data", "items")
# What an assistant brings along that is no part of who it is: its conversations above all.
_DROPPED: Final = ("topics", "messages", "regular_phrases", "created_at", "updated_at", "type")


def type_of(given: Mapping[str, Any]) -> AgentType:
    """The kind of system a mapping comes from, by its shape (facts/vcp-agents §2, §3)."""
    values = snake_keys(given)
    if values.get("type") in ("vcp", "claude-code", "custom"):
        kind: AgentType = values["type"]
        return kind
    if "instructions" in values or "allowed_tools" in values:
        return "claude-code"
    if _VCP & values.keys():
        return "vcp"
    if (
        values.get("type") in ("assistant", "agent")
        or {"prompt", "emoji", "topics"} & values.keys()
    ):
        return "assistant"
    return "custom"


def agent_of(given: Agent | Mapping[str, Any], kind: AgentType | None = None) -> Agent:
    """An agent from any of the forms.

    Args:
        given: An agent, or a mapping in camelCase or snake_case.
        kind: Where it comes from; by its shape where None.

    Raises:
        InvalidInputError: It cannot be an agent.
    """
    if not isinstance(given, Mapping):
        return Agent.of(given)
    values = snake_keys(given)
    kind = kind or type_of(values)
    if kind == "assistant":
        _from_assistant(values)
    elif kind == "claude-code" and "instructions" in values:
        values.setdefault("system_prompt", values.pop("instructions") or "")
    if "max_output_tokens" in values:  # VCPChat's config.json
        values.setdefault("max_tokens", values.pop("max_output_tokens"))
    for name in _DROPPED:
        if kind != "custom" or name == "type":
            values.pop(name, None)
    values = {name: value for name, value in values.items() if value is not None}
    if isinstance(values.get("vcp_config"), Mapping):
        config = snake_keys(values["vcp_config"])
        known = {field.name for field in fields(VCPConfig)}
        values["vcp_config"] = {name: config[name] for name in config if name in known}
        if others := {name: config[name] for name in config if name not in known}:
            values["metadata"] = {**values.get("metadata", {}), "vcp_config": others}
    if isinstance(values.get("model"), str | Mapping):
        # A model's name is no model: whoever opens the chat says what answers.
        values["metadata"] = {**values.get("metadata", {}), "model": values.pop("model")}
    return Agent.of(values)


def body_of(agent: Agent) -> dict[str, Any]:
    """An agent as it is kept: its fields; of a model that is only named, the name."""
    # The id is written even where it is the name: a new name does not change it.
    body = {**agent.to_dict(), "id": agent.id}
    model: object = agent.model
    if isinstance(model, str):
        body["metadata"] = {**body.get("metadata", {}), "model": model}
    return body


def written(agents: Iterable[Agent], form: ExportForm) -> Any:
    """Agents as JSON-able content in a form.

    Args:
        agents: The agents.
        form: Ours, VCP agents in camelCase, or Cherry Studio's agents.
    """
    if form != "vcplab":
        return [(_cherry if form == "cherry" else _camel)(agent) for agent in agents]
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "exported": current_clock().now().isoformat(timespec="seconds"),
        "agents": [body_of(agent) for agent in agents],
    }


def _from_assistant(values: dict[str, Any]) -> None:
    """Cherry Studio's words for the fields, in place."""
    if "emoji" in values:
        values.setdefault("avatar", values.pop("emoji") or "")
    group = values.pop("group", None)
    groups = [group] if isinstance(group, str) else list(group or ())
    if groups:
        values.setdefault("category", str(groups[0]))
        values["tags"] = [*(values.get("tags") or ()), *groups]
    settings = values.pop("settings", None)
    if isinstance(settings, Mapping):
        settings = snake_keys(settings)
        # A number whose switch is off stands in the file and is not used; no tokens are no limit.
        for name, unset in (("temperature", None), ("max_tokens", 0)):
            value = settings.get(name)
            if settings.get(f"enable_{name}", True) and value not in (None, unset):
                values.setdefault(name, value)
    bases = values.pop("knowledge_bases", None)
    config = dict(snake_keys(values.get("vcp_config") or {}))
    if isinstance(bases, list) and bases and isinstance(bases[0], Mapping):
        config.setdefault("knowledge_base_id", bases[0].get("id"))
        config.setdefault("knowledge_base_name", bases[0].get("name"))
    if "enable_memory" in values:
        config.setdefault("enable_memory", bool(values.pop("enable_memory")))
    if config:
        values["vcp_config"] = config


def read_agents(source: object) -> list[Agent]:
    """All agents of a file, a folder, a JSON text, a mapping or a list, or an error and none.

    Raises:
        NotFoundError: There is no such file.
        InvalidDataError: It cannot be read, holds no agent, or an entry is none: which is named.
        SchemaMismatchError: It was written by a newer version.
    """
    agents: list[Agent] = []
    for label, entry in _entries_of(source):
        try:
            agents.append(agent_of(entry))
        except VCPError as error:
            raise InvalidDataError(
                f"{label} is no agent: {error.message}",
                where=f"{label}, {error.where}" if error.where else label,
                next_step=f"{error.next_step}; nothing was imported",
            ) from error
    if not agents:
        raise InvalidDataError(
            "There is no agent in it.",
            where=str(source)[:200],
            next_step="give an export of agents, a list of them, or a folder of config.json files",
        )
    return agents


def _entries_of(source: object) -> Iterator[tuple[str, Any]]:
    """The entries of a source, each with a name for errors; see `read_agents`."""
    if isinstance(source, Path) or (isinstance(source, str) and not _is_json(source)):
        yield from _from_path(Path(source).expanduser())
    elif isinstance(source, str | bytes):
        yield from _listed(_parsed(source, "the text"), "")
    else:
        yield from _listed(source, "")


def _is_json(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def _from_path(path: Path) -> Iterator[tuple[str, Any]]:
    if path.is_dir():
        # VCPChat keeps an agent in a folder that bears its id.
        files = [path / "config.json", *sorted(path.glob("*/config.json"))]
        for file in files:
            if file.is_file():
                entry = _parsed(_read(file), str(file))
                if isinstance(entry, Mapping) and "id" not in entry:
                    entry = {**entry, "id": file.parent.name}
                yield f"{file.parent.name}/{file.name}", entry
        for file in sorted(path.glob("*.json")):
            if file.name != "config.json":
                yield from _listed(_parsed(_read(file), str(file)), f"{file.name}: ")
        return
    if not path.is_file():
        raise NotFoundError(
            f"There is no file {path.name!r}.",
            where=str(path),
            next_step="check the path, or give the JSON itself",
        )
    yield from _listed(_parsed(_read(path), str(path)), "")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidDataError(
                "The file is larger than 50 MiB.",
                where=str(path),
                next_step="export the agents without their conversations",
            )
        return path.read_bytes()
    except OSError as error:
        raise InvalidDataError(
            f"The file cannot be read: {error.strerror}.",
            where=str(path),
            next_step="check that you may read it",
        ) from error


def _parsed(data: str | bytes, where: str) -> Any:
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.lstrip("\ufeff")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(
            f"It is no JSON: {error}.",
            where=where,
            next_step="save it as JSON in UTF-8",
        ) from error


def _listed(content: object, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        if content.get("schema") == SCHEMA and content.get("version") != VERSION:
            raise SchemaMismatchError(
                f"The agents were written in version {content.get('version')!r} of their form; "
                f"this vcplab reads {VERSION}.",
                where="version",
                next_step="read them with the newer vcplab that wrote them",
            )
        lists = [content[name] for name in _LISTS if isinstance(content.get(name), list)]
        if not lists or "name" in content:
            yield f"{prefix}{_label(content, 1)}", content
            return
        content = [entry for one in lists for entry in one]
    elif not isinstance(content, Iterable) or isinstance(content, str | bytes):
        content = [content]
    for number, entry in enumerate(content, 1):
        yield f"{prefix}{_label(entry, number)}", entry


def _label(entry: object, number: int) -> str:
    name = entry.get("name") if isinstance(entry, Mapping) else getattr(entry, "name", None)
    return f"entry {number} ({name!r})" if name else f"entry {number}"


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _camel(agent: Agent) -> dict[str, Any]:
    body = {**body_of(agent), "display_name": agent.display_name}
    content = {_camel_name(name): value for name, value in body.items()}
    if "vcpConfig" in content:
        config = content["vcpConfig"]
        content["vcpConfig"] = {_camel_name(name): value for name, value in config.items()}
    return content


def _cherry(agent: Agent) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id": agent.id,
        "name": agent.name,
        "emoji": agent.avatar,
        "group": list(agent.tags),
        "prompt": agent.system_prompt,
        "description": agent.description,
        "type": "agent",
    }
    settings: dict[str, Any] = {}
    if agent.temperature is not None:
        settings |= {"temperature": agent.temperature, "enableTemperature": True}
    if agent.max_tokens is not None:
        settings |= {"maxTokens": agent.max_tokens, "enableMaxTokens": True}
    return {**content, "settings": settings} if settings else content
