"""The terms of a chat: its options, mode and stopping condition as its log has them.

A chat's first ``chat:start`` says them all, ``mode:changed`` and ``options:changed`` what became
different since. Before its first start its store keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from vcplab.agents.chat.driving import at_once
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.options import ChatOptions
from vcplab.agents.chat.policies import CustomPolicy
from vcplab.agents.chat.prompts import PromptBuilder
from vcplab.agents.chat.resuming import begun_turn
from vcplab.agents.chat.stopping import StopCondition, stop_from_dict
from vcplab.core.settings import get_settings

if TYPE_CHECKING:
    from vcplab.agents.chat.chat import GroupChat

__all__ = ["Terms", "note_changes", "plain"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is in force at an event of a log.

    Attributes:
        config: The options, the mode and the condition, as the log has them.
        seed: The seed.
        started: Whether they stand in the log.
    """

    config: Mapping[str, Any]
    seed: int
    started: bool

    @classmethod
    def of(cls, events: Sequence[ChatEvent], kept: Mapping[str, Any]) -> Self:
        """The terms at the end of a log.

        Args:
            events: The log.
            kept: What the store keeps of a chat that was not started: ``config`` and ``seed``.
        """
        config: dict[str, Any] = {}
        seed = 0
        started = False
        for event in events:
            # What is broken is left alone here: the fold of the log refuses it by its number.
            if event.type == "chat:start" and isinstance(event.data.get("config"), Mapping):
                config, seed = dict(event.data["config"]), event.data.get("seed", 0)
                started = True
            elif event.type == "options:changed":
                changes = event.data.get("changes")
                config |= changes if isinstance(changes, Mapping) else {}
                seed = event.data.get("seed", seed)
            elif event.type == "mode:changed" and isinstance(event.data.get("mode"), Mapping):
                config["mode"] = event.data["mode"]
        if not started:
            config |= kept.get("config", {})
            seed = kept.get("seed", get_settings().seed)
        return cls(config, seed, started)

    @property
    def mode(self) -> Mapping[str, Any]:
        """The speaking mode."""
        mode: Mapping[str, Any] = self.config.get("mode") or {"mode": "sequential"}
        return mode

    def stop(self) -> StopCondition | None:
        """The stopping condition; None where nothing is said of it.

        Raises:
            InvalidInputError: It was a function, which cannot be written down.
        """
        given = self.config.get("stop")
        return None if given is None else stop_from_dict(given)

    @property
    def stops_by_function(self) -> bool:
        """Whether a function is part of the condition, which has to be given again."""
        return '"stop": "function"' in json.dumps(self.config.get("stop"))

    def own(self) -> dict[str, Any]:
        """What `ChatOptions` takes of them."""
        apart = ("mode", "stop", "model")
        return {name: value for name, value in self.config.items() if name not in apart}

    def options(self) -> ChatOptions:
        """The options."""
        return ChatOptions.of(self.own())[0]


def plain(facts: Any) -> Any:
    """Facts as a reader of the log finds them: lists for tuples."""
    return json.loads(json.dumps(facts))


def note_changes(
    chat: GroupChat, terms: Terms, before: ChatOptions, changes: Mapping[str, Any]
) -> None:
    """Write down what is different from what a chat's log, or its store, says.

    What was to follow the last word is done first, by the options under which it was said; a step
    that was begun goes on afterwards.

    Args:
        chat: The chat, opened with the new terms.
        terms: The old ones.
        before: The old options.
        changes: What is different of the options and the condition.
    """
    mode = plain(chat.policy.to_dict())
    # A function instead of a function is the same one given again, whatever it is called now.
    is_again = mode["mode"] == terms.mode.get("mode") == CustomPolicy.name
    other_mode = mode != plain(terms.mode) and not is_again
    other_seed = chat._seed != terms.seed
    if not (changes or other_seed or other_mode):
        return
    if not terms.started:
        chat._keep()
        return
    at_once(lambda: _settle(chat, before))
    events = chat._session.log.events
    begun = begun_turn(events)
    in_step = chat.state.is_active and (bool(begun.journal) or begun.seen < len(events) - 1)
    during = {"during": True} if in_step else {}
    if changes or other_seed:
        seed = {"seed": chat._seed} if other_seed else {}
        data = {"changes": plain(changes), **seed, **during}
        chat._session.record("options:changed", data)
    if other_mode:
        chat._session.record("mode:changed", {"mode": mode, **during})


def _settle(chat: GroupChat, before: ChatOptions) -> None:
    if not chat.state.is_active:
        return
    runtime = chat._runtime
    setting, stop = runtime.setting, runtime.stop
    # Whether it ends is for the new condition to say.
    options = replace(before, on_error=chat.options.on_error)
    runtime.setting = replace(setting, options=options, prompts=PromptBuilder(options.prompt))
    runtime.stop = None
    try:
        runtime.settle()
    finally:
        runtime.setting, runtime.stop = setting, stop
