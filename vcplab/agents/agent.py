"""An agent: a name, a prompt, and how it takes part in a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, cast

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import snake_keys

if TYPE_CHECKING:
    from vcplab.protocol.ports import ChatModel

__all__ = ["ROLES", "Agent", "AgentRole", "VCPConfig"]

AgentRole = Literal["host", "moderator", "expert", "participant", "observer"]
ROLES: tuple[AgentRole, ...] = ("host", "moderator", "expert", "participant", "observer")


@dataclass(frozen=True, slots=True, kw_only=True)
class VCPConfig:
    """What of VCP an agent uses (seed 002 §1.1; facts/vcp-agents §3).

    Attributes:
        enable_diary: Whether it keeps a diary.
        diary_book_name: The diary's name.
        knowledge_base_id: Identifier of its knowledge base.
        knowledge_base_name: The knowledge base's name.
        enable_memory: Whether it is given memories.
        memory_window_size: How many of them.
        enable_tools: Names of the tools it may use; None for all that the chat has, empty for none.
        context_injections: Names of injection presets.
    """

    enable_diary: bool = False
    diary_book_name: str | None = None
    knowledge_base_id: str | None = None
    knowledge_base_name: str | None = None
    enable_memory: bool = False
    memory_window_size: int = 10
    enable_tools: tuple[str, ...] | None = None
    context_injections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Agent:
    """Who speaks.

    ::

        vl.Agent("校对专家", "你是专业的文字校对…", keywords=["校对", "错别字"])

    Attributes:
        name: What others call it, in any script, unique in a chat.
        system_prompt: What it is told about itself.
        id: A stable identifier; the name by default.
        display_name: The name that is shown; the name by default.
        role: Its part in a group: ``host``, ``moderator``, ``expert``, ``participant`` or
            ``observer`` (who only listens).
        expertise: What it knows about.
        keywords: Words that call it in keyword mode, and its tags in natural mode.
        priority: From 0 to 100; who goes first where several want to speak.
        model: Its own chat model; None for the chat's.
        aliases: Other names that mentions may use.
        description: One line about it, for other agents and for choosers.
        personality: How it is.
        background: Where it comes from.
        greeting_message: What it says first.
        example_dialogues: Samples of its speech.
        avatar: An emoji or a ``data:`` picture.
        tags: For filing.
        category: For filing.
        temperature: Of its model calls; None for the model's default.
        max_tokens: Tokens of one reply; None for the model's default.
        is_active: Whether it takes part.
        version: Of its definition, ``major.minor.patch``.
        vcp_config: What of VCP it uses.
        metadata: JSON-able extras.

    Raises:
        InvalidInputError: A field cannot be accepted.
    """

    name: str
    system_prompt: str = ""
    id: str = ""
    display_name: str = field(default="", kw_only=True)
    role: AgentRole = field(default="participant", kw_only=True)
    expertise: tuple[str, ...] = field(default=(), kw_only=True)
    keywords: tuple[str, ...] = field(default=(), kw_only=True)
    priority: float = field(default=50, kw_only=True)
    model: ChatModel | None = field(default=None, kw_only=True, compare=False, repr=False)
    aliases: tuple[str, ...] = field(default=(), kw_only=True)
    description: str = field(default="", kw_only=True)
    personality: str = field(default="", kw_only=True)
    background: str = field(default="", kw_only=True)
    greeting_message: str = field(default="", kw_only=True)
    example_dialogues: tuple[str, ...] = field(default=(), kw_only=True)
    avatar: str = field(default="", kw_only=True)
    tags: tuple[str, ...] = field(default=(), kw_only=True)
    category: str = field(default="", kw_only=True)
    temperature: float | None = field(default=None, kw_only=True)
    max_tokens: int | None = field(default=None, kw_only=True)
    is_active: bool = field(default=True, kw_only=True)
    version: str = field(default="1.0.0", kw_only=True)
    vcp_config: VCPConfig = field(default_factory=VCPConfig, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)

    def __repr__(self) -> str:
        """The call that makes it, without what is at its default, long texts cut."""
        told = [repr(self.name)]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in ("name", "model") or value == _DEFAULTS.get(one.name):
                continue
            if one.name in ("id", "display_name") and value == self.name:
                continue
            shown = repr(value)
            if len(shown) > _SHOWN:
                shown = f"{shown[: _SHOWN - 2]}…{shown[-1]}"
            told.append(f"{one.name}={shown}")
        return f"Agent({', '.join(told)})"

    def may_use(self, tool: str) -> bool:
        """Whether it may use a tool of the chat's."""
        allowed = self.vcp_config.enable_tools
        return allowed is None or tool in allowed or "*" in allowed

    def __post_init__(self) -> None:
        name = self.name.strip() if isinstance(self.name, str) else ""
        if len(name.splitlines()) != 1 or len(name) > 200:
            raise InvalidInputError(
                f"{self.name!r} is no agent's name.",
                where="name",
                next_step="give one line of text, in any script",
            )
        put = object.__setattr__
        put(self, "name", name)
        put(self, "id", str(self.id).strip() or name)
        put(self, "display_name", self.display_name or name)
        for field_name in _TEXTS:
            _check(isinstance(getattr(self, field_name), str), self, field_name, "text")
        for field_name in _TUPLES:
            put(self, field_name, _texts(getattr(self, field_name), field_name))
        if self.role not in ROLES:
            raise InvalidInputError(
                f"{self.role!r} is no role.", where="role", next_step=f"one of: {', '.join(ROLES)}"
            )
        if not _number(self.priority, 0, 100):
            raise InvalidInputError(
                f"A priority of {self.priority!r} is impossible.",
                where="priority",
                next_step="give a number from 0 to 100",
            )
        temperature, tokens = self.temperature, self.max_tokens
        _check(temperature is None or _number(temperature, 0, 10), self, "temperature", "0 to 10")
        _check(
            tokens is None or (isinstance(tokens, int) and _number(tokens, 1)),
            self,
            "max_tokens",
            "a whole number from 1",
        )
        _check(isinstance(self.is_active, bool), self, "is_active", "true or false")
        _check(isinstance(self.metadata, Mapping), self, "metadata", "a mapping")
        if isinstance(self.vcp_config, Mapping):
            put(self, "vcp_config", VCPConfig(**_known(VCPConfig, self.vcp_config, "vcp_config")))
        _check(isinstance(self.vcp_config, VCPConfig), self, "vcp_config", "a VCPConfig")

    @property
    def listens_only(self) -> bool:
        """Whether it never speaks of its own accord: an observer, or not active."""
        return self.role == "observer" or not self.is_active

    @property
    def trigger_keywords(self) -> tuple[str, ...]:
        """Seed 002's name of `keywords`."""
        return self.keywords

    @classmethod
    def of(cls, given: Agent | Mapping[str, Any] | str, **options: Any) -> Agent:
        """An agent from a mapping in either spelling (``systemPrompt``, ``system_prompt``).

        Seed 002's ``triggerKeywords`` are `keywords`, ``prompt`` is `system_prompt`. What is not
        known is kept in `metadata`.

        Args:
            given: The mapping, a name, or an agent, which is given back.
            **options: Fields that win.

        Raises:
            InvalidInputError: It cannot be an agent.
        """
        if isinstance(given, Agent) and not options:
            return given
        if isinstance(given, str):
            return cls(given, **options)
        values = given.to_dict() if isinstance(given, Agent) else given
        if not isinstance(values, Mapping):
            raise InvalidInputError(
                f"{type(given).__name__} is no agent.",
                where="agent",
                next_step="give an Agent, a mapping of its fields, or a name",
            )
        known = {f.name for f in fields(cls)}
        found: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, value in {**snake_keys(values), **options}.items():
            name = _SPELLINGS.get(name, name)
            if value is None and name not in ("model", "temperature", "max_tokens"):
                continue
            (found if name in known else extra)[name] = value
        if "name" not in found:
            found["name"] = found.get("display_name") or found.get("id") or ""
        if extra:
            found["metadata"] = {**found.get("metadata", {}), **extra}
        if isinstance(given, Agent):
            found.setdefault("model", given.model)
        return cls(**found)

    def with_(self, **changes: Any) -> Agent:
        """A copy with other values."""
        return Agent.of(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Its fields as JSON-able values, without those that are at their default and the model."""
        return {
            f.name: _plain(value)
            for f in fields(self)
            if f.name not in ("model",)
            and ((value := getattr(self, f.name)) != _DEFAULTS.get(f.name) or f.name == "name")
            and not (f.name in ("id", "display_name") and value == self.name)
        }


_SHOWN = 80  # characters of a value in a repr
_TUPLES = ("expertise", "keywords", "aliases", "example_dialogues", "tags")
_TEXTS = (
    *("system_prompt", "display_name", "description", "personality", "background"),
    *("greeting_message", "avatar", "category", "version"),
)
_SPELLINGS = {
    "trigger_keywords": "keywords",
    "prompt": "system_prompt",
    "group_role": "role",
    "greeting": "greeting_message",
}


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.replace("，", ",").replace("、", ",").split(",")
    try:
        texts = [str(text).strip() for text in value]
    except TypeError:
        raise InvalidInputError(
            f"{value!r} is no list of texts.", where=where, next_step='give e.g. ["校对", "proof"]'
        ) from None
    return tuple(dict.fromkeys(text for text in texts if text))


def _number(value: object, least: float, most: float = float("inf")) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and least <= cast(float, value) <= most


def _check(good: bool, agent: Agent, where: str, wanted: str) -> None:
    if not good:
        raise InvalidInputError(
            f"{agent.name} cannot have {getattr(agent, where)!r} as its {where}.",
            where=where,
            next_step=f"give {wanted}",
        )


def _known(kind: type, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    names = [f.name for f in fields(kind)]
    values = snake_keys(given)
    if unknown := [name for name in values if name not in names]:
        raise InvalidInputError(
            f"There is no {unknown[0]!r} here.",
            where=where,
            next_step=f"the fields are: {', '.join(names)}",
        )
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, VCPConfig):
        empty = VCPConfig()
        return {
            f.name: _plain(getattr(value, f.name))
            for f in fields(value)
            if getattr(value, f.name) != getattr(empty, f.name)
        }
    return dict(value) if isinstance(value, Mapping) else value


_DEFAULTS: dict[str, Any] = {
    f.name: f.default_factory() if callable(f.default_factory) else f.default
    for f in fields(Agent)
    if f.name != "name"
}
