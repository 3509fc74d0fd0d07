"""Teams of agents that are compared on scenarios: all that makes a group chat but the occasion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat.chat import GroupChat
from vcplab.agents.chat.log import ChatStore
from vcplab.agents.chat.policies import CustomPolicy, Policy
from vcplab.agents.chat.stopping import StopCondition
from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.systems import unique_names
from vcplab.models.chat.choosing import as_chat_model
from vcplab.protocol.ports import ChatModel

if TYPE_CHECKING:
    from vcplab.evaluation.chats import ChatScenario

__all__ = ["ChatTeam", "as_teams"]

_OWN = ("id", "seed", "store")
_PLAIN = (str, int, float, bool, type(None), tuple, list, Mapping)


class ChatTeam:
    """The arguments of a `GroupChat` that is made anew for each scenario and seed.

    Each chat begins with fresh models: a model that has a method ``fresh()``, as `Scripted` and
    `Recorded` have, is asked for a copy of itself; any other (an endpoint) is shared. A function
    of scenario and seed may make the model instead, for example to record every chat in a file of
    its own: ``model=lambda scenario, seed: vl.Recorded(f"{scenario.id}-{seed}.jsonl", live)``.

    Chats of stand-ins are kept in the cache; those that talk to an endpoint, or follow a function
    of yours or the clock, are had anew each time, which the board says. A function (mode, stop,
    model, tools) vouches for itself by an attribute ``fingerprint``, a text that changes whenever
    it would act differently.

    Args:
        agents: The agents, as for `GroupChat`.
        mode: Who speaks when.
        model: A model, what names one, a mapping from agents' names to models, or a function of
            (`ChatScenario`, seed) that gives a model.
        stop: When a chat ends by itself; after 10 rounds if None.
        name: What tables call it; the mode's name if None.
        **options: What else a `GroupChat` takes, but ``id``, ``seed`` and ``store``.

    Raises:
        InvalidInputError: No chat can be made of this.
    """

    kind = "team"

    def __init__(
        self,
        agents: Iterable[Agent | Mapping[str, Any] | str],
        mode: str | Policy | Mapping[str, Any] | Callable[..., Any] | None = None,
        *,
        model: Any = None,
        stop: StopCondition | Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        for taken in _OWN:
            if taken in options:
                raise InvalidInputError(
                    f"A team has no {taken!r}: each of its chats has its own.",
                    where=taken,
                    next_step="Leave it out; compare(…, seeds=…) sets the seeds.",
                )
        self._model = _models(model)
        # Made once, to refuse now what no chat could be made of, and to know what was understood.
        # The models are left out: they need not be there before the first chat.
        given = [Agent.of(agent) for agent in agents]
        store = ChatStore()
        try:
            silent = [agent.with_(model=None) for agent in given]
            pattern = GroupChat(silent, mode, stop=stop, store=store, **options)
        finally:
            store.close()
        if not given:
            raise InvalidInputError(
                "Nobody is in the team.", where="agents", next_step='Give e.g. [vl.Agent("ann")].'
            )
        models = {agent.id: agent.model for agent in given}
        self.agents = tuple(a.with_(model=models[a.id]) for a in pattern.agents)
        self.mode: Policy = pattern.policy
        self.stop = pattern.stop
        self.options = {k: v for k, v in options.items() if k in _PARTS}
        self._chat_options = pattern.options
        self.name = name or self.mode.name
        self._reasons: list[str] = []
        self.fingerprint = self._fingerprint()

    def named(self, name: str) -> ChatTeam:
        """The same team under another name."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.name = name
        return twin

    @property
    def prices(self) -> Any:
        """The price list, if it has one."""
        return self.options.get("prices")

    @property
    def why_anew(self) -> str:
        """What keeps its chats out of the cache; "" if nothing does."""
        return "; ".join(self._reasons)

    @property
    def parameters(self) -> dict[str, Any]:
        """Its configuration, JSON-able."""
        told: dict[str, Any] = {
            **self._chat_options.to_dict(),
            "mode": self.mode.to_dict(),
            "agents": [agent.name for agent in self.agents],
            "stop": None if self.stop is None else self.stop.to_dict(),
            "model": _name_of(self._model),
        }
        return told

    def chat(self, scenario: ChatScenario, seed: int, store: ChatStore) -> GroupChat:
        """A new chat of the team, not started.

        Args:
            scenario: What it will be about.
            seed: Of its random choices.
            store: Where its log goes.
        """
        agents = [
            agent if agent.model is None else agent.with_(model=_fresh(agent.model, scenario, seed))
            for agent in self.agents
        ]
        return GroupChat(
            agents, seed=seed, store=store, **self.arguments(scenario, seed),
            **self._chat_options.to_dict(),
        )  # fmt: skip

    def arguments(self, scenario: ChatScenario, seed: int) -> dict[str, Any]:
        """What a log does not hold: mode, stop, fresh models, tools, prices and so on."""
        return {
            "mode": self.mode,
            "stop": self.stop,
            "model": _fresh(self._model, scenario, seed),
            **self.options,
        }

    def _fingerprint(self) -> str | None:
        parts = {
            "agents": [agent.to_dict() for agent in self.agents],
            "own models": [self._stable(a.model, f"{a.name}'s model") for a in self.agents],
            "mode": self._of_mode(),
            "stop": self._of_stop(),
            "options": self._chat_options.to_dict(),
            "model": self._of_models(),
            "parts": {name: self._stable(v, name) for name, v in sorted(self.options.items())},
        }
        if self._chat_options.call_timeout is not None:
            self._reasons.append("call_timeout follows the clock")
        if self._reasons:
            return None
        content = json.dumps(parts, sort_keys=True, default=str)
        return f"team:{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def _of_mode(self) -> Any:
        if isinstance(self.mode, CustomPolicy):
            return ["custom", self._stable(self.mode.function, "the mode's function")]
        others = [
            self._stable(getattr(self.mode, f.name), f"the mode's {f.name}")
            for f in fields(self.mode)
            if not isinstance(getattr(self.mode, f.name), _PLAIN)
        ]
        return [self.mode.to_dict(), others]

    def _of_stop(self) -> Any:
        def look(condition: StopCondition) -> list[Any]:
            if condition.kind == "time":
                self._reasons.append("stop.time follows the clock")
            call = getattr(condition, "call", None)
            own = self._stable(call, "the stopping function") if call is not None else None
            return [own, *(look(part) for part in getattr(condition, "parts", ()))]

        return None if self.stop is None else [self.stop.to_dict(), look(self.stop)]

    def _of_models(self) -> Any:
        if isinstance(self._model, Mapping):
            return {
                name: self._stable(model, f"{name}'s model") for name, model in self._model.items()
            }
        if self._model is None and any(agent.model is None for agent in self.agents):
            self._reasons.append("the settings' model may answer differently")
        return self._stable(self._model, "the model")

    def _stable(self, value: Any, what: str) -> Any:
        """What stands for a value in the fingerprint; what cannot be known is noted."""
        if value is None:
            return None
        if what == "prices":
            return repr(value)  # plain values: names and numbers
        found = getattr(value, "fingerprint", None)
        if isinstance(found, str) and found:
            return found
        if isinstance(value, ChatModel):
            what = f"{what} {value.name!r} may answer differently"
        else:
            what = f"{what} has no `fingerprint`"
        if what not in self._reasons:
            self._reasons.append(what)
        return None

    def __repr__(self) -> str:
        return (
            f"<ChatTeam {self.name!r} {self.mode.name}: {', '.join(a.name for a in self.agents)}>"
        )


_PARTS = ("tools", "variables", "prices", "tokenizer", "approver")


def as_teams(given: Any) -> tuple[ChatTeam, ...]:
    """Teams with names of their own.

    Args:
        given: A team, several, or a mapping from names to teams or to mappings of their arguments.

    Raises:
        InvalidInputError: Something is no team, or there is none.
    """
    if isinstance(given, Mapping):
        teams = [_team(value).named(str(name)) for name, value in given.items()]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        teams = [_team(value) for value in given]
    else:
        teams = [_team(given)]
    if not teams:
        raise InvalidInputError(
            "There is no team to compare.", where="systems", next_step="Give some ChatTeam."
        )
    names = unique_names(team.name for team in teams)
    return tuple(team.named(name) for team, name in zip(teams, names, strict=True))


def _team(value: Any) -> ChatTeam:
    if isinstance(value, ChatTeam):
        return value
    if isinstance(value, Mapping) and "agents" in value:
        return ChatTeam(**{str(name): argument for name, argument in value.items()})
    raise InvalidInputError(
        f"{type(value).__name__} object is no team of agents.",
        where="systems",
        next_step='Give ChatTeam([vl.Agent("ann", "…")], mode="sequential", model=…), or a '
        "mapping from names to mappings of such arguments.",
    )


def _models(given: Any) -> Any:
    """A model, a mapping of models, a function that makes one, or None."""
    if given is None or isinstance(given, ChatModel):
        return given
    if isinstance(given, Mapping) and not {"base_url", "model"} & set(given):
        return {str(name): as_chat_model(spec) for name, spec in given.items()}
    if callable(given) and not isinstance(given, type):
        return given
    return as_chat_model(given)


def _fresh(model: Any, scenario: ChatScenario, seed: int) -> Any:
    if model is None:
        return None
    if isinstance(model, Mapping):
        return {name: _fresh(one, scenario, seed) for name, one in model.items()}
    if not isinstance(model, ChatModel):
        return as_chat_model(model(scenario, seed))
    fresh = getattr(model, "fresh", None)
    return fresh() if callable(fresh) else model


def _name_of(model: Any) -> Any:
    if isinstance(model, Mapping):
        return {name: one.name for name, one in model.items()}
    return getattr(model, "name", None) or getattr(model, "__name__", None)
