"""One kind of agent out of four: assistants, VCP agents, Claude Code agents, and one's own.

::

    adapter = create_unified_agent_adapter()
    adapter.from_assistant({"id": "a1", "name": "写作助手", "prompt": "你是专业的写作助手…"})
    for agent in adapter.to_group_agents():
        chat.add_agent(agent)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from vcplab.agents._forms import AgentType, agent_of, type_of
from vcplab.agents._prompt_words import IDENTITY, NEGATED
from vcplab.agents.agent import ROLES, Agent, AgentRole
from vcplab.agents.expertise import find_expertise
from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.core.names import checked_choice, snake_keys
from vcplab.text.words import tagged_words

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AgentType",
    "UnifiedAgent",
    "UnifiedAgentAdapter",
    "create_unified_agent_adapter",
    "role_of",
]

_PRIORITIES: Final[Mapping[str, int]] = {"host": 90, "moderator": 80, "expert": 70}
_PRIORITY: Final = 50
_ROLE_WORDS: Final[Mapping[AgentRole, frozenset[str]]] = {
    "host": frozenset({"主持人", "主持", "司仪", "host", "emcee", "compere"}),
    "moderator": frozenset(
        {
            "协调员",
            "协调者",
            "协调人",
            "版主",
            "仲裁者",
            "裁判",
            "moderator",
            "facilitator",
            "coordinator",
        }
    ),
    "expert": frozenset(
        {"专家", "顾问", "教授", "权威", "expert", "specialist", "consultant", "professor"}
    ),
    "observer": frozenset({"观察员", "观察者", "旁观者", "observer", "spectator", "onlooker"}),
}
_CLAUSE: Final = re.compile(
    r"[^，。！？；：,;:!?\n（(]*?(?=[，。！？；：,;:!?\n（(]|\.(?:\s|$|\.)|$)"
)
# What follows one of these tells more about the noun before it.
_AFTER_HEAD: Final = re.compile(
    r"\s+(?:to|for|of|in|on|at|with|who|that|which|from|and|working|specializing|helping)\b",
    re.IGNORECASE,
)
_OWN: Final = ("id", "name", "system_prompt", "expertise", "keywords", "role", "priority")
_COLUMNS: Final = ("id", "type", "name", "group_role", "priority", "expertise", "keywords")


@dataclass(frozen=True, slots=True)
class UnifiedAgent:
    """An agent of any system (seed 002 §1.4).

    Attributes:
        id: Its identifier.
        type: Where it comes from: ``assistant``, ``vcp``, ``claude-code`` or ``custom``.
        name: What others call it.
        system_prompt: What it is told about itself.
        expertise: What it knows about, at most ten where it was read from its prompt.
        keywords: Words that call it, at most fifteen where they were read from its prompt.
        group_role: Its part in a group.
        priority: From 0 to 100; by the role where it was not given.
        details: The other fields of `Agent`.
    """

    id: str
    type: AgentType
    name: str
    system_prompt: str = ""
    expertise: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    group_role: AgentRole = "participant"
    priority: float = field(default=_PRIORITY, kw_only=True)
    details: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False, repr=False)

    @classmethod
    def of(
        cls, given: Agent | Mapping[str, Any], type: AgentType | None = None, **more: Any
    ) -> UnifiedAgent:
        """An agent of any system, from an `Agent` or a mapping in camelCase or snake_case.

        Expertise, keywords, role and priority that are not given are read from its texts
        (`find_expertise`, `role_of`).

        Args:
            given: The agent.
            type: Where it comes from; told by its shape where None.
            **more: Fields that win.

        Raises:
            InvalidInputError: It cannot be an agent, or there is no such type.
        """
        if type is not None:
            checked_choice(
                type, get_args(AgentType), "type", f"There is no agent of type {type!r}."
            )
        if isinstance(given, Mapping):
            values = {**snake_keys(given), **snake_keys(more)}
            kind = type or type_of(values)
            if kind in ("assistant", "claude-code") and values.get("role") not in ROLES:
                values.pop("role", None)  # of its own system, e.g. "assistant": no part in a group
            named = values.get("group_role") or values.get("role")
            agent = agent_of(values, kind)
            has_priority = values.get("priority") is not None
        else:
            agent = Agent.of(given, **more)
            plain = agent.vcp_config == Agent("x").vcp_config
            kind = type or ("custom" if plain else "vcp")
            named = agent.role if agent.role != "participant" or "role" in more else None
            has_priority = agent.priority != _PRIORITY or "priority" in more
        role = agent.role if named else role_of(agent)
        found = find_expertise(
            agent.system_prompt,
            name=agent.name,
            description=" ".join((agent.description, agent.background)).strip(),
        )
        rest = {f.name: getattr(agent, f.name) for f in fields(Agent) if f.name not in _OWN}
        default = Agent("x")
        return cls(
            agent.id,
            kind,
            agent.name,
            agent.system_prompt,
            agent.expertise or found.expertise,
            agent.keywords or found.keywords,
            role,
            priority=agent.priority if has_priority else _PRIORITIES.get(role, _PRIORITY),
            details={
                name: value
                for name, value in rest.items()
                if value != getattr(default, name)
                and not (name == "display_name" and value == agent.name)
            },
        )

    def to_agent(self) -> Agent:
        """The agent as a group chat takes it."""
        return Agent(
            self.name,
            self.system_prompt,
            self.id,
            role=self.group_role,
            expertise=self.expertise,
            keywords=self.keywords,
            priority=self.priority,
            **self.details,
        )

    def to_dict(self) -> dict[str, Any]:
        """Its fields, JSON-able; a chat model is left out."""
        body = self.to_agent().to_dict()
        return {
            "id": self.id,
            "type": self.type,
            "name": self.name,
            "system_prompt": self.system_prompt,
            "expertise": list(self.expertise),
            "keywords": list(self.keywords),
            "group_role": self.group_role,
            "priority": self.priority,
            "details": {name: value for name, value in body.items() if name not in _OWN},
        }


_Unified: TypeAlias = list[UnifiedAgent]
_Rows: TypeAlias = list[tuple[Any, ...]]


class UnifiedAgentAdapter:
    """Collects agents of different systems for a group chat (seed 002 §1.4).

    An agent takes the place of one with the same id, so a cell can be run again.

    Args:
        agents: Agents to begin with, of any shape.
    """

    def __init__(self, agents: Iterable[Agent | UnifiedAgent | Mapping[str, Any]] = ()) -> None:
        self._agents: dict[str, UnifiedAgent] = {}
        for agent in agents:
            self.add(agent)

    def add(
        self,
        agent: Agent | UnifiedAgent | Mapping[str, Any],
        type: AgentType | None = None,
        **more: Any,
    ) -> UnifiedAgent:
        """Add an agent of any shape.

        Args:
            agent: The agent.
            type: Where it comes from; told by its shape where None.
            **more: Fields that win, e.g. ``group_role="host"``.

        Returns:
            The agent as it was understood.

        Raises:
            InvalidInputError: It cannot be an agent.
        """
        if not isinstance(agent, UnifiedAgent | Agent | Mapping):
            raise InvalidInputError(
                f"{agent.__class__.__name__} is no agent.",
                where="agent",
                next_step="give an Agent, a UnifiedAgent, or a mapping of its fields",
            )
        if isinstance(agent, UnifiedAgent):
            unified = agent
            if type is not None or more:
                unified = UnifiedAgent.of(agent.to_agent(), type or agent.type, **more)
        else:
            unified = UnifiedAgent.of(agent, type, **more)
        self._agents[unified.id] = unified
        return unified

    def from_assistant(self, assistant: Agent | Mapping[str, Any], **more: Any) -> UnifiedAgent:
        """Add a Cherry Studio assistant: ``id``, ``name``, ``prompt``, ``emoji``, …; see `add`."""
        return self.add(assistant, "assistant", **more)

    def from_vcp_agent(self, agent: Agent | Mapping[str, Any], **more: Any) -> UnifiedAgent:
        """Add a VCP agent: ``systemPrompt``, ``personality``, ``vcpConfig``, …; see `add`."""
        return self.add(agent, "vcp", **more)

    def from_agent_entity(self, entity: Agent | Mapping[str, Any], **more: Any) -> UnifiedAgent:
        """Add a Claude Code agent: ``name``, ``instructions``, ``model``, ``allowed_tools``, ….

        Its tools are those of its own system; they are noted in ``metadata`` and give no leave to
        use a lab's tools of the same names. See `add`.
        """
        return self.add(entity, "claude-code", **more)

    def from_custom(
        self, agent: Agent | Mapping[str, Any] | None = None, **more: Any
    ) -> UnifiedAgent:
        """Add an agent of one's own: fields of `Agent`, as a mapping or by name; see `add`."""
        return self.add({} if agent is None else agent, "custom", **more)

    def get(self, agent_id: str) -> UnifiedAgent:
        """An agent by id, else by name.

        Raises:
            NotFoundError: There is none.
        """
        found = self._agents.get(agent_id) or next(
            (one for one in self._agents.values() if one.name == agent_id), None
        )
        if found is None:
            names = [one.name for one in self._agents.values()]
            near = get_close_matches(str(agent_id), [*self._agents, *names], n=1)
            raise NotFoundError(
                f"There is no agent {agent_id!r} in the adapter.",
                where="agent_id",
                next_step=f"did you mean {near[0]!r}?"
                if near
                else f"the agents are: {', '.join(names) or 'none'}",
            )
        return found

    def remove(self, agent_id: str) -> bool:
        """Take an agent out; whether it was there."""
        return self._agents.pop(agent_id, None) is not None

    def list(self, type: AgentType | None = None) -> _Unified:
        """The agents in the order in which they were added.

        Args:
            type: Only those that come from there.
        """
        return [one for one in self._agents.values() if type in (None, one.type)]

    def to_group_agent(self, agent_id: str) -> Agent:
        """One agent as a group chat takes it.

        Raises:
            NotFoundError: There is none.
        """
        return self.get(agent_id).to_agent()

    def to_group_agents(self) -> _Agents:
        """All agents as a group chat takes them, in the order in which they were added."""
        return [one.to_agent() for one in self._agents.values()]

    def to_frame(self) -> pd.DataFrame:
        """One row per agent: id, type, name, group_role, priority, expertise, keywords."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=list(_COLUMNS))

    def __iter__(self) -> Iterator[UnifiedAgent]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._agents)

    def __contains__(self, agent_id: object) -> bool:
        return agent_id in self._agents

    def __repr__(self) -> str:
        return f"<UnifiedAgentAdapter: {len(self)} agents>"

    def _repr_html_(self) -> str:
        return style_block() + html_table(_COLUMNS, self._rows())

    def _rows(self) -> _Rows:
        return [
            tuple(
                ", ".join(cell) if isinstance(cell, tuple) else cell
                for cell in (getattr(one, column) for column in _COLUMNS)
            )
            for one in self._agents.values()
        ]


_Agents: TypeAlias = list[Agent]


def create_unified_agent_adapter(
    agents: Iterable[Agent | UnifiedAgent | Mapping[str, Any]] = (),
) -> UnifiedAgentAdapter:
    """``createUnifiedAgentAdapter`` of seed 002: an adapter.

    Args:
        agents: Agents to begin with, of any shape.
    """
    return UnifiedAgentAdapter(agents)


def role_of(agent: Agent) -> AgentRole:
    """The part that an agent's texts give it, by whole words: a ghost writer is no host.

    Looked at: its name, then what it is said to be in description and prompt ("你是…", "You are
    …"): there the last word of the Chinese clause counts, and of the English noun, before "of",
    "for", "who" and the like. (The original looks for the words anywhere; facts/vcp-agents §2.)

    Args:
        agent: The agent.

    Returns:
        ``host``, ``moderator``, ``expert``, ``observer``, else ``participant``.
    """
    for name in (agent.name.rpartition("的")[2], agent.display_name):
        words = [word.text.lower() for word in tagged_words(name)]
        for role, known in _ROLE_WORDS.items():
            if known.intersection(words) or _ends_in(name, known):
                return role
    for text in (agent.description, agent.system_prompt):
        for start in [0] * (text is agent.description) + [m.end() for m in IDENTITY.finditer(text)]:
            found = _role_in(text, start)
            if found is not None:
                return found
    return "participant"


def _role_in(text: str, start: int) -> AgentRole | None:
    clause = _CLAUSE.match(text, start)
    said = clause.group() if clause else ""
    if not said.strip() or NEGATED.search(text[max(0, start - 3) : start] + said):
        return None
    head = _AFTER_HEAD.split(said, maxsplit=1)[0]
    words = [word.text.lower() for word in tagged_words(head)]
    if not words:
        return None
    for role, known in _ROLE_WORDS.items():
        # "an expert copywriter" is an expert; "a host controller driver" is no host.
        anywhere = role == "expert" and words[-1].isascii()
        if words[-1] in known or (anywhere and known.intersection(words)):
            return role
        if _ends_in(head, known):
            return role
    return None


def _ends_in(text: str, known: frozenset[str]) -> bool:
    """Whether a Chinese text ends in one of the words: the dictionary has 法律顾问 as one word."""
    return any(not word.isascii() and text.rstrip().endswith(word) for word in known)
