"""Where agents are kept: made, found, changed, switched, imported and exported.

::

    agents = AgentStore(lab.workspace)
    agents.create("校对专家", system_prompt="你是专业的文字校对…", keywords=["错别字"])
    agents.update("校对专家", personality="严谨")      # 1.0.0 → 1.0.1
    agents.import_("cherry-agents.json")
    chat = vl.GroupChat(agents.list(active=True), mode="keyword", model=…)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from vcplab.agents._forms import ExportForm, agent_of, body_of, read_agents, written
from vcplab.agents._identity import folded_name, id_taken, name_taken, next_version
from vcplab.agents.agent import Agent
from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidInputError, NotFoundError, StateError
from vcplab.core.files import write_atomic
from vcplab.core.names import checked_choice, snake_keys
from vcplab.core.records import JsonRecord, JsonRecords
from vcplab.core.store import Store
from vcplab.core.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AgentStore"]

_COLUMNS: Final = (
    *("name", "display_name", "role", "is_active", "version", "expertise", "keywords"),
    *("priority", "category", "tags", "description"),
)
_SHOWN: Final = ("name", "role", "is_active", "expertise", "keywords", "description")

_Agents: TypeAlias = list[Agent]
_Rows: TypeAlias = list[tuple[Any, ...]]
_Labelled: TypeAlias = list[tuple[str, Agent]]


class AgentStore:
    """Agents by id and name, kept in a lab, a store or this process's memory.

    Names of any script are kept as they are; two are the same where they differ in case or
    Unicode form alone. (The original reduces names to ``[a-z0-9_-]``, so that all Chinese names
    collide; facts/vcp-agents §3.) A chat model is no part of what is kept: agents come back
    without one and use the chat's.

    Args:
        where: A lab's workspace, a store, or None for memory.
    """

    def __init__(self, where: Store | Workspace | None = None) -> None:
        self._records = JsonRecords(where, "agents")

    # --- making and finding -------------------------------------------------------------------

    def create(
        self,
        agent: Agent | Mapping[str, Any] | str,
        /,
        *,
        replace: bool = False,
        **fields: Any,
    ) -> Agent:
        """Keep a new agent.

        Args:
            agent: An agent, its fields in either spelling, or its name.
            replace: Whether one of this name may be replaced; it keeps its id.
            **fields: Fields of the agent; they win.

        Returns:
            The agent as it is kept.

        Raises:
            InvalidInputError: It cannot be an agent, or its name or id is taken.
            ReadOnlyError: Somebody else owns the lab.
        """
        made = Agent.of(agent_of(agent) if isinstance(agent, Mapping) else agent, **fields)
        return self._add([("the agent", made)], replace)[0]

    def get(self, who: str) -> Agent:
        """An agent by id, name, display name or alias.

        Raises:
            NotFoundError: There is none.
        """
        return _agent(self._record(who))

    read = get

    def update(self, who: str, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Agent:
        """Change an agent; what it was is kept for `restore`.

        The last number of its version goes up where something changed, unless a version is given.
        Switching it on or off is no change of version.

        Args:
            who: Its id or a name.
            changes: Fields in either spelling.
            **fields: Fields; they win.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: A field is impossible, unknown, or the name is another's.
        """
        given = {**snake_keys(changes or {}), **snake_keys(fields)}
        with self._records.transaction():
            old = self.get(who)
            new = _changed(old, given)
            changed = _definition(new) != _definition(old)
            if changed and new.version == old.version:
                new = new.with_(version=next_version(old.version))
            self._refuse_taken("the agent", new, [a for a in self.list() if a.id != old.id])
            if changed or new.is_active != old.is_active:
                self._records.put(old.id, body_of(new), keep=changed)
        return _as_kept(new)

    def delete(self, who: str) -> Agent:
        """Delete an agent, and give it back.

        Raises:
            NotFoundError: There is none.
        """
        with self._records.transaction():
            agent = self.get(who)
            self._records.delete(agent.id)
        return agent

    def restore(self, who: str) -> Agent:
        """Take back the latest `update`, under a version of its own; done twice, it is as it was.

        Raises:
            NotFoundError: There is no such agent.
            StateError: It was never updated.
        """
        with self._records.transaction():
            record = self._record(who)
            if record.previous is None:
                raise StateError(
                    f"{who} was never updated, so there is nothing to restore.",
                    where=who,
                    next_step="update() keeps what it changes",
                )
            now = _agent(record)
            before = Agent.of(record.previous).with_(
                version=next_version(now.version), is_active=now.is_active
            )
            self._refuse_taken("the agent", before, [a for a in self.list() if a.id != now.id])
            self._records.put(record.key, body_of(before), keep=True)
        return before

    def activate(self, who: str, active: bool = True) -> Agent:
        """Let an agent take part.

        Args:
            who: Its id or a name.
            active: False lets it rest.

        Raises:
            NotFoundError: There is none.
        """
        return self.update(who, is_active=active)

    def deactivate(self, who: str) -> Agent:
        """Let an agent rest; it stays kept.

        Raises:
            NotFoundError: There is none.
        """
        return self.activate(who, active=False)

    # --- in and out ---------------------------------------------------------------------------

    def import_(self, source: object, *, replace: bool = False) -> _Agents:
        """Keep the agents of an export, all or none.

        What is read: exports of this store; VCP agents in camelCase; Cherry Studio's assistants
        and agents (``prompt``, ``emoji``, ``group``, ``settings``); Claude Code agents
        (``instructions``); lists of them; VCPChat's folder of agents (``<id>/config.json``).
        Names of models go to ``metadata["model"]``; conversations are left out.

        Args:
            source: A path, a JSON text, a mapping, an agent, or a list of them.
            replace: Whether agents of the same names are replaced.

        Raises:
            NotFoundError: There is no such file.
            InvalidDataError: It cannot be read, or an entry is no agent: it is named.
            InvalidInputError: A name or id is taken, here or by another entry.
            SchemaMismatchError: It was written by a newer version.
            ReadOnlyError: Somebody else owns the lab.
        """
        agents = read_agents(source)
        labels = [f"entry {number} ({agent.name!r})" for number, agent in enumerate(agents, 1)]
        return self._add(list(zip(labels, agents, strict=True)), replace)

    def export(
        self,
        who: str | Iterable[str] | None = None,
        *,
        to: str | Path | None = None,
        form: ExportForm = "vcplab",
    ) -> str:
        """Agents as JSON, for `import_` or another system.

        Args:
            who: An id or name, or several; None for all.
            to: A file to be written, too, in one step.
            form: ``"vcplab"`` keeps everything; ``"vcp"`` is a list of VCP agents in camelCase,
                ``"cherry"`` a list of Cherry Studio's agents.

        Returns:
            The text.

        Raises:
            NotFoundError: There is no such agent.
            InvalidInputError: There is no such form.
            OSError: The file cannot be written.
        """
        checked_choice(form, get_args(ExportForm), "form", f"There is no form {form!r}.")
        names = [who] if isinstance(who, str) else who
        agents = self.list() if names is None else [self.get(name) for name in names]
        text = json.dumps(written(agents, form), ensure_ascii=False, indent=2) + "\n"
        if to is not None:
            write_atomic(Path(to).expanduser(), text)
        return text

    # --- showing ------------------------------------------------------------------------------

    def list(
        self,
        *,
        active: bool | None = None,
        category: str | None = None,
        tag: str | None = None,
        search: str = "",
    ) -> _Agents:
        """The agents, in the order in which they were made.

        Args:
            active: Only those that take part (True) or rest (False).
            category: Only those of this category.
            tag: Only those with this tag.
            search: Only those with this text in a name, the description, expertise or keywords.
        """
        wanted = folded_name(search)
        return [
            agent
            for agent in map(_agent, self._records.all())
            if active in (None, agent.is_active)
            and category in (None, agent.category)
            and (tag is None or tag in agent.tags)
            and any(wanted in folded_name(text) for text in _searched(agent))
        ]

    def to_frame(self) -> pd.DataFrame:
        """One row per agent: name, role, whether active, version, expertise, keywords, ….."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=list(_COLUMNS))

    def __iter__(self) -> Iterator[Agent]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._records.all())

    def __contains__(self, who: object) -> bool:
        return isinstance(who, str) and self._find(who) is not None

    def __getitem__(self, who: str) -> Agent:
        return self.get(who)

    def __repr__(self) -> str:
        agents = self.list()
        resting = sum(not agent.is_active for agent in agents)
        return f"<AgentStore: {len(agents)} agents{f', {resting} resting' if resting else ''}>"

    def _repr_html_(self) -> str:
        return style_block() + html_table(_SHOWN, self._rows(_SHOWN))

    # --- inside -------------------------------------------------------------------------------

    def _rows(self, columns: tuple[str, ...] = _COLUMNS) -> _Rows:
        rows = []
        for agent in self.list():
            cells = (getattr(agent, column) for column in columns)
            rows.append(tuple(", ".join(c) if isinstance(c, tuple) else c for c in cells))
        return rows

    def _find(self, who: str) -> JsonRecord | None:
        records = [(record, _agent(record)) for record in self._records.all()]
        for record, agent in records:
            if agent.id == who:
                return record
        wanted = folded_name(who)
        for names in (_own_names, _other_names):
            for record, agent in records:
                if wanted in map(folded_name, names(agent)):
                    return record
        return None

    def _record(self, who: str) -> JsonRecord:
        found = self._find(who)
        if found is None:
            near = get_close_matches(str(who), [agent.name for agent in self.list()], n=1)
            raise NotFoundError(
                f"There is no agent {who!r} here.",
                where="who",
                next_step=f"did you mean {near[0]!r}?" if near else "list() shows what there is",
            )
        return found

    def _add(self, given: _Labelled, replace: bool) -> _Agents:
        with self._records.transaction():
            kept = {folded_name(agent.name): agent for agent in self.list()}
            ids = {agent.id: name for name, agent in kept.items()}
            bodies: dict[str, Mapping[str, Any]] = {}
            for label, agent in given:
                name = folded_name(agent.name)
                same = kept.get(name)
                # Only what was there before is replaced: two of one import are a mistake.
                if same is not None and replace and same.id not in bodies:
                    agent = agent.with_(id=same.id)
                elif same is not None:
                    raise name_taken(label, same.name)
                elif agent.id in ids:
                    raise id_taken(label, agent.id)
                kept[name], ids[agent.id] = agent, name
                bodies[agent.id] = body_of(agent)
            self._records.put_many(bodies, keep=True)
        return [Agent.of(body) for body in bodies.values()]

    def _refuse_taken(self, label: str, agent: Agent, others: _Agents) -> None:
        for other in others:
            if folded_name(other.name) == folded_name(agent.name):
                raise name_taken(label, other.name)


def _agent(record: JsonRecord) -> Agent:
    return Agent.of(record.body)


def _as_kept(agent: Agent) -> Agent:
    return Agent.of(body_of(agent))


def _definition(agent: Agent) -> dict[str, Any]:
    """What a version is of: all but whether it takes part."""
    return {**body_of(agent), "is_active": True}


def _changed(old: Agent, given: Mapping[str, Any]) -> Agent:
    new = Agent.of({**body_of(old), **_config_merged(old, given)})
    if new.id != old.id:
        raise InvalidInputError(
            "The id of an agent does not change.", where="id", next_step="create another agent"
        )
    unknown = [name for name in new.metadata if name not in old.metadata and name in given]
    if unknown:
        raise InvalidInputError(
            f"An agent has no field {unknown[0]!r}.",
            where=unknown[0],
            next_step="put what is your own into metadata={…}",
        )
    return new


def _config_merged(old: Agent, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, with the parts of ``vcp_config`` that it does not name as they were."""
    config = given.get("vcp_config")
    if not isinstance(config, Mapping):
        return dict(given)
    before = old.to_dict().get("vcp_config", {})
    return {**given, "vcp_config": {**before, **snake_keys(config)}}


def _own_names(agent: Agent) -> tuple[str, ...]:
    return (agent.name,)


def _other_names(agent: Agent) -> tuple[str, ...]:
    return (agent.display_name, *agent.aliases)


def _searched(agent: Agent) -> tuple[str, ...]:
    return (
        *(agent.name, agent.display_name, agent.description),
        *agent.expertise,
        *agent.keywords,
        *agent.tags,
    )
