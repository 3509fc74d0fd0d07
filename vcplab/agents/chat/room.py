"""A chat's members and memory: what a group chat is before anybody speaks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat.approvals import Approvals
from vcplab.agents.chat.arguments import (
    check_joining,
    check_parts,
    members_of,
    policy_of,
    prices_of,
    seed_of,
    stop_of,
    text_of,
)
from vcplab.agents.chat.driving import at_once
from vcplab.agents.chat.ending import bounded
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.log import ChatLog, ChatStore
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.options import ChatOptions
from vcplab.agents.chat.policies import Policy, as_policy
from vcplab.agents.chat.prompts import PromptBuilder
from vcplab.agents.chat.runtime import Runtime
from vcplab.agents.chat.session import Session
from vcplab.agents.chat.setting import Setting
from vcplab.agents.chat.state import ChatState
from vcplab.agents.chat.stopping import (
    StopCondition,
)
from vcplab.agents.chat.tools import ToolBox
from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError, NotFoundError, StateError
from vcplab.core.events import Subscription
from vcplab.core.settings import get_settings
from vcplab.core.uncopied import Uncopied
from vcplab.models.chat.choosing import as_chat_model
from vcplab.models.chat.ledger import Ledger, PriceTable
from vcplab.prompt.placeholders import VariableEngine
from vcplab.protocol.ports import ChatModel
from vcplab.text.tokens import Tokenizer

__all__ = ["Room", "store_of"]


class Room(Uncopied):
    """Who takes part in a chat, and its log; see `GroupChat`, which drives it."""

    _instead = "take another way from here with chat.fork(), or keep it with chat.save(path)"
    options: ChatOptions
    id: str

    def __init__(
        self,
        agents: Iterable[Agent | Mapping[str, Any] | str] = (),
        mode: str | Policy | Mapping[str, Any] | Callable[..., Any] | None = None,
        *,
        model: ChatModel | str | Mapping[str, Any] | None = None,
        stop: StopCondition | Any = None,
        seed: int | None = None,
        tools: ToolBox | None = None,
        variables: VariableEngine | None = None,
        store: ChatStore | str | Path | None = None,
        prices: PriceTable | Mapping[str, Any] | None = None,
        tokenizer: Tokenizer | None = None,
        approver: Callable[[str, str, str], bool] | None = None,
        **options: Any,
    ) -> None:
        check_parts(tools, tokenizer, approver)
        self.options, apart = ChatOptions.of(options)
        policy = policy_of(mode if mode is not None else apart.pop("mode", "sequential"), apart)
        stop = stop_of(stop if stop is not None else apart.pop("stop", None), apart, policy)
        self._seed = seed_of(apart.get("seed") if seed is None else seed)
        members = members_of(agents, apart.get("member_tags"))
        _check_named(members, model, self.options.host)
        self._store = store_of(store)
        self.id = str(apart.get("id") or uuid.uuid4().hex[:12])
        if store is not None or apart.get("id"):
            with suppress(NotFoundError):
                self._store.row(self.id)
                raise StateError(
                    "There is a chat of this id already.",
                    where=self.id,
                    next_step="open it: GroupChat.load(id, store=…), or give another id",
                )
        self._begin(
            ChatLog(self._store, self.id), policy, stop, model,
            tools=tools, variables=variables, prices=prices, tokenizer=tokenizer,
            approver=approver, shared=0,
        )  # fmt: skip
        self._store.create(self.id, self.options.name, current_clock().now())
        try:
            self._keep()
            for agent in members:
                self.add_agent(agent)
        except BaseException:
            self._store.delete(self.id)  # nothing is left of a chat that cannot be
            raise

    def _begin(
        self,
        log: ChatLog,
        policy: Policy,
        stop: StopCondition | None,
        model: Any,
        *,
        tools: ToolBox | None,
        variables: VariableEngine | None,
        prices: PriceTable | Mapping[str, Any] | None,
        tokenizer: Tokenizer | None,
        approver: Callable[[str, str, str], bool] | None,
        shared: int,
    ) -> None:
        self._shared = shared
        self._tokenizer = tokenizer
        own: Mapping[str, Any] = {}
        if isinstance(model, Mapping) and not {"base_url", "model"} & set(model):
            model, own = None, model
        if model is not None or (not own and get_settings().model_url):
            model = as_chat_model(model)
        ledger = Ledger(prices=prices_of(prices))
        self._session = Session(log, model=model, ledger=ledger, shared=shared)
        self._own_models = {name: as_chat_model(spec) for name, spec in own.items()}
        for agent in self._session.state.agents.values():
            self._know_model(agent)
        prompts = PromptBuilder(self.options.prompt, tokenizer)
        self._approvals = Approvals(self._session, approver, self._waiting)
        setting = Setting(self.options, prompts, tools, variables, self._approvals.ask)
        self._runtime = Runtime(self._session, setting, policy, bounded(stop))

    # --- what it is ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The chat's name."""
        return self.options.name

    @property
    def state(self) -> ChatState:
        """What the log adds up to; to be read only."""
        return self._session.state

    @property
    def messages(self) -> list[ChatMessage]:
        """What was said, oldest first."""
        return list(self._session.state.messages)

    @property
    def agents(self) -> list[Agent]:
        """The agents, as they joined."""
        return list(self._session.state.agents.values())

    @property
    def events(self) -> tuple[ChatEvent, ...]:
        """The log."""
        return tuple(self._session.log.events)

    @property
    def ledger(self) -> Ledger:
        """What its model calls consumed and cost, without what a fork shares with its parent."""
        return self._session.ledger

    @property
    def mode(self) -> str:
        """The name of the speaking mode."""
        return self._runtime.policy.name

    @property
    def policy(self) -> Policy:
        """The speaking mode."""
        return self._runtime.policy

    @property
    def stop(self) -> StopCondition | None:
        """When it ends by itself."""
        return self._runtime.stop

    @property
    def status(self) -> str:
        """``new``, ``idle``, ``deciding``, ``speaking``, ``waiting``, ``paused`` or ``ended``."""
        return self._runtime.status if self._runtime.lock.locked() else self._runtime.resting

    @property
    def store(self) -> ChatStore:
        """Where the log is kept."""
        return self._store

    @property
    def toolbox(self) -> ToolBox | None:
        """The tools that agents may use; None for none."""
        return self._runtime.setting.tools

    @property
    def pending_approvals(self) -> list[dict[str, Any]]:
        """What a person has to decide: ``id``, ``kind``, ``agent``, ``text``."""
        return self._approvals.pending()

    def subscribe(
        self, callback: Callable[[ChatEvent], object], type: str | None = None
    ) -> Subscription:
        """Have a function called with every event, or those of one type (``"agent:*"``).

        Args:
            callback: Called in the library's thread, in order; it must not block.
            type: An event's type.
        """
        return self._session.subscribe(callback, type)

    # --- who takes part -----------------------------------------------------------------------

    def add_agent(self, agent: Agent | Mapping[str, Any] | str) -> Agent:
        """Let an agent take part; one of the same id is replaced.

        Args:
            agent: The agent, a mapping of its fields, or a name.

        Raises:
            InvalidInputError: Another one has the name.
        """
        known = Agent.of(agent)

        def joining() -> Mapping[str, Any]:
            check_joining(known, self.state.agents)
            self._know_model(known)
            model = self._session.models.get(known.id)
            return {"agent": known.to_dict() | ({} if model is None else {"model": model.name})}

        self._record("agent:join", joining)
        return known

    def remove_agent(self, agent: str | Agent) -> None:
        """Let an agent take part no more; what it said stays.

        A turn that it is in the middle of is interrupted.

        Raises:
            NotFoundError: There is no such agent.
        """
        self._record("agent:leave", lambda: {"agent": self.state.agent(agent).id})

    def _record(self, type_: str, facts: Callable[[], Mapping[str, Any]]) -> None:
        """Write down what somebody does, between two steps of what drives the chat.

        The facts are asked for, and what they depend on is checked, where they are written:
        nobody else writes between the two.
        """

        def note() -> None:
            with self._session.lock:
                data = facts()
                during = {"during": True} if self._runtime.is_working else {}
                self._session.record(type_, {**data, **during})
            if type_ == "agent:leave":
                self._runtime.interrupt(data["agent"])

        if self.state.is_active:
            at_once(note)
        else:
            note()  # nobody drives

    def _know_model(self, agent: Agent) -> None:
        model = agent.model or self._own_models.get(agent.id) or self._own_models.get(agent.name)
        if model is not None:
            self._session.models[agent.id] = as_chat_model(model)

    def set_mode(self, mode: str | Policy | Mapping[str, Any] | Callable[..., Any]) -> None:
        """Change the speaking mode, from the next round on.

        Args:
            mode: As for the chat.

        Raises:
            InvalidInputError: There is no such mode.
        """
        policy = as_policy(mode)

        def change() -> None:
            if self.state.config:
                self._record("mode:changed", lambda: {"mode": policy.to_dict()})
            else:
                self._keep(policy)
            self._runtime.policy = policy

        at_once(change)

    def set_topic(self, topic: str) -> None:
        """Change what the chat is about.

        Args:
            topic: The topic.

        Raises:
            InvalidInputError: It is no text.
        """
        text_of(topic, "topic")
        self._record("topic:updated", lambda: {"topic": topic})

    def _config(self, policy: Policy | None = None) -> dict[str, Any]:
        """The options as the log has them."""
        config = self.options.to_dict() | {"mode": (policy or self.policy).to_dict()}
        if self.stop is not None:
            config["stop"] = self.stop.to_dict()
        if self._session.model is not None:
            config["model"] = self._session.model.name
        return config

    def _keep(self, policy: Policy | None = None) -> None:
        """Have the store know how it is to go, as long as it was not started."""
        self._store.keep_options(self.id, self._unstarted(policy))

    def _unstarted(self, policy: Policy | None = None) -> dict[str, Any]:
        """How it is to go, as long as its log does not say so."""
        if self.state.config:
            return {}
        config = self._config(policy)
        config.pop("model", None)
        return {"config": config, "seed": self._seed}

    def _start_facts(self, topic: str) -> dict[str, Any]:
        """What the log says where it is started now."""
        if self.state.is_active:
            raise StateError(
                "The chat is going on.", where=self.id, next_step="chat.end() first, or chat.say(…)"
            )
        if not self.state.agents:
            raise StateError(
                "Nobody takes part.", where=self.id, next_step='chat.add_agent(vl.Agent("…", "…"))'
            )
        data: dict[str, Any] = {"topic": topic} if topic else {}
        if not self.state.config:
            data |= {"config": self._config(), "seed": self._seed}
        return data

    def _waiting(self, waiting: bool) -> None:
        self._runtime.wait(waiting)

    def _refuse_blocking(self, name: str) -> None:
        self._approvals.refuse_blocking(self.options.approve is not None, name)


def store_of(given: Any) -> ChatStore:
    """Where a chat's log is kept.

    Args:
        given: A store, its file, or None for memory.

    Raises:
        InvalidInputError: It is something else.
    """
    if isinstance(given, ChatStore):
        return given
    if given is not None and not isinstance(given, str | Path):
        raise InvalidInputError(
            f"{given!r} keeps no chats.",
            where="store",
            next_step='give a file, vl.ChatStore("chats.sqlite3"), or None for memory',
        )
    return ChatStore(given)


def _check_named(members: list[Agent], model: Any, host: str | None) -> None:
    """Check that options which name agents name those who take part from the beginning."""
    if not members:
        return  # they join later
    ids = {agent.id for agent in members}
    names = ids | {agent.name for agent in members}
    own = model if isinstance(model, Mapping) and not {"base_url", "model"} & set(model) else {}
    for where, known, given in (
        ("model", names, [name for name in own if name not in names]),
        ("host", ids, [host] if host is not None and host not in ids else []),
    ):
        if given:
            raise InvalidInputError(
                f"There is no agent {given[0]!r} in this chat.",
                where=where,
                next_step=f"the agents are: {', '.join(sorted(known))}",
            )
