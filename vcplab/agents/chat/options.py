"""The options of a chat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from vcplab.agents.chat.prompt_options import PromptOptions, check_kind
from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice, snake_keys

__all__ = ["ChatOptions"]

_CHOICES: Final[Mapping[str, tuple[str | None, ...]]] = {
    "mentions": ("override", "ignore"),
    "on_error": ("continue", "stop", "raise"),
    "approve": (None, "turns", "tools", "all"),
    "tool_style": ("text", "native"),
}

_COUNTS: Final = {"max_speakers": 1, "handoff_depth": 0, "handoff_budget": 0, "tool_rounds": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """How a chat goes; seed 002's names are accepted in either spelling.

    Attributes:
        name: The chat's name.
        host: Id of the host; None for the first agent with that role.
        max_speakers: How many may speak in a round (``maxSpeakersPerRound``).
        mentions: ``override``: whom the user mentions speaks, whatever the mode; or ``ignore``.
        handoff_depth: How long a chain of agents that call each other may get; 0 for no hand-offs
            (``allowFreeDiscussion: false``).
        handoff_budget: How many hand-offs a round may have.
        concurrent: Whether the speakers of a round speak at once, none seeing the others' replies.
        cooldown: Seconds between two turns of one agent (``speakingCooldown`` is in milliseconds).
        on_error: When an agent's model fails: ``continue`` with the next, ``stop`` the chat, or
            ``raise``.
        call_timeout: Seconds that a model call may take; None for the model's own limits.
        approve: What a person has to allow: ``turns``, ``tools``, ``all`` or nothing.
        tool_style: How agents are told of tools: ``text`` (VCP requests) or ``native`` (function
            calls). Replies are understood in both.
        tool_rounds: How often in one turn a model may call tools and go on.
        temperature: Of model calls; an agent's own wins.
        max_tokens: Tokens of one reply; an agent's own wins.
        send_seed: Whether model calls carry a seed, made from the chat's and the turn's.
        show_thinking: Whether the panel shows agents' reasoning.
        prompt: How prompts are made: ``sharing``, ``window_tokens``, ``group_prompt`` …; `of` takes
            these names beside the others.

    Raises:
        InvalidInputError: An option cannot be accepted.
    """

    name: str = "group chat"
    host: str | None = None
    max_speakers: int = 5
    mentions: Literal["override", "ignore"] = "override"
    handoff_depth: int = 3
    handoff_budget: int = 8
    concurrent: bool = False
    cooldown: float = 0.0
    on_error: Literal["continue", "stop", "raise"] = "continue"
    call_timeout: float | None = None
    approve: Literal["turns", "tools", "all"] | None = None
    tool_style: Literal["text", "native"] = "text"
    tool_rounds: int = 5
    temperature: float | None = None
    max_tokens: int | None = None
    send_seed: bool = True
    show_thinking: bool = True
    prompt: PromptOptions = field(default_factory=PromptOptions)

    def __post_init__(self) -> None:
        for name in ("name", "host"):
            if name == "name" or self.host is not None:
                check_kind(self, name, str)
        for name in ("concurrent", "send_seed", "show_thinking"):
            check_kind(self, name, bool)
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            words = [word for word in choices if word is not None]
            if value is not None or None not in choices:
                checked_choice(value, words, name, f"{value!r} is no way of {name}.")
        for name, least in _COUNTS.items():
            self._check_number(name, int, least, f"give a whole number from {least}")
        self._check_number("cooldown", int | float, 0, "give seconds from 0")
        for name, kind, lowest, step in (
            ("call_timeout", int | float, 1e-9, "give seconds above 0, or None"),
            ("temperature", int | float, 0, "give a number from 0, or None for the model's own"),
            ("max_tokens", int, 1, "give a whole number from 1, or None for the model's own"),
        ):
            if getattr(self, name) is not None:
                self._check_number(name, kind, lowest, step)

    def _check_number(self, name: str, kind: Any, least: float, step: str) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        if not is_number or not least <= value < math.inf:
            raise InvalidInputError(f"{name} cannot be {value!r}.", where=name, next_step=step)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> tuple[ChatOptions, dict[str, Any]]:
        """Options from names in either spelling, seed 002's included.

        Args:
            given: The options.

        Returns:
            The options, and what concerns the mode and the stopping of a chat: ``mode``, ``stop``,
            ``max_rounds``, ``timeout``, ``consensus_threshold``, ``member_tags``, ``seed`` …

        Raises:
            InvalidInputError: A name is unknown, or an option cannot be accepted.
        """
        values = cls.named(given)
        own = {option.name for option in fields(cls)} - {"prompt"}
        prompts = {option.name for option in fields(PromptOptions)} - {"group_name"}
        apart = {str(name): values.pop(name) for name in _APART if name in values}
        if unknown := [name for name in values if name not in own | prompts]:
            raise InvalidInputError(
                f"A chat has no option {unknown[0]!r}.",
                where=unknown[0],
                next_step=f"the options are: {', '.join(sorted({*own, *prompts, *_APART}))}",
            )
        name = values.get("name") or cls().name
        # None is what an option is without; only a window may have no limit.
        told = {
            k: v
            for k, v in values.items()
            if k in prompts and (v is not None or k.startswith("window_"))
        }
        prompt = PromptOptions(group_name=name, **told)
        chosen = {k: v for k, v in values.items() if k in own and v is not None}
        return cls(**chosen, prompt=prompt), apart

    @staticmethod
    def named(given: Mapping[str, Any]) -> dict[str, Any]:
        """Options by their names here, from either spelling and seed 002's names.

        Args:
            given: The options, and whatever else.

        Raises:
            InvalidInputError: One of seed 002's cannot be accepted.
        """
        values = snake_keys(given)
        for old, new in _SPELLINGS.items():
            if old in values:
                values.setdefault(new, values.pop(old))
        cooldown = values.pop("speaking_cooldown", None)
        if cooldown is not None:
            if isinstance(cooldown, bool) or not isinstance(cooldown, int | float):
                raise InvalidInputError(
                    f"speaking_cooldown cannot be {cooldown!r}.",
                    where="speaking_cooldown",
                    next_step="give milliseconds from 0",
                )
            values.setdefault("cooldown", cooldown / 1000)
        if values.pop("allow_free_discussion", True) is False:
            values["handoff_depth"] = 0
        if values.pop("require_consensus", False):
            values.setdefault("mode", "consensus")
        return values

    def changes_from(self, before: ChatOptions) -> dict[str, Any]:
        """What differs from other options, JSON-able; the chat's name aside.

        Args:
            before: The others.
        """
        return {
            **_changed(self, before, ("prompt", "name")),
            **_changed(self.prompt, before.prompt, ("group_name",)),
        }

    def to_dict(self) -> dict[str, Any]:
        """The options that are not at their default, JSON-able."""
        own = _changed(self, ChatOptions(), ("prompt",))
        return {**own, **_changed(self.prompt, PromptOptions(), ("group_name",))}


def _changed(options: Any, default: Any, without: tuple[str, ...]) -> dict[str, Any]:
    return {
        option.name: value
        for option in fields(options)
        if option.name not in without
        and (value := getattr(options, option.name)) != getattr(default, option.name)
    }


_SPELLINGS: Final = {
    "speaking_mode": "mode",
    "host_agent_id": "host",
    "max_speakers_per_round": "max_speakers",
    "context_sharing": "sharing",
    "invite_prompt_template": "invite_prompt",
}
_APART: Final = (
    "consensus_threshold", "id", "max_rounds", "member_tags", "mode", "seed", "stop",
    "tag_match_mode", "timeout",
)  # fmt: skip
