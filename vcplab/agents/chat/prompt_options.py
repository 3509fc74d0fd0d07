"""How prompts are made: names, the group's prompt, the window, heads."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from vcplab.agents.chat.visibility import Sharing, check_sharing
from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice, named_options

__all__ = ["PromptOptions", "check_kind"]


def check_kind(options: object, name: str, kind: type) -> None:
    """Check the type of an option.

    Args:
        options: What has it.
        name: Its name.
        kind: What it has to be: a text, or true or false.

    Raises:
        InvalidInputError: It is something else.
    """
    value = getattr(options, name)
    if not isinstance(value, kind):
        wanted = "a text" if kind is str else "True or False"
        raise InvalidInputError(
            f"{name} cannot be {value!r}.", where=name, next_step=f"give {wanted}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptOptions:
    """How prompts are made.

    Prompts may hold ``{{VCPChatAgentName}}``, ``{{VCPChatGroupName}}``, ``{{VCPChatUserName}}``,
    and ``{{agentName}}``, ``{{agentDisplayName}}``, ``{{agentRole}}``, ``{{expertise}}``,
    ``{{currentTopic}}``, ``{{participantCount}}``, ``{{sessionName}}``.

    Attributes:
        group_name: What the chat is called.
        group_prompt: Told to every agent.
        invite_prompt: The last word before a turn; empty for the usual one.
        language: Of the chat's own words: ``zh``, ``en``, or ``auto`` for that of the agent's
            prompt, else of the topic.
        sharing: What agents see of each other: ``full``, ``partial`` or ``isolated``.
        window_tokens: Tokens of history, heads included; None for no limit.
        window_messages: Messages of history; None for as many as fit.
        pin_first: Whether the first question stays when the window has moved past it.
        user_name: What the person at the notebook is called; empty for the chat's name of it.
        heads: Whether messages of others are headed; else they only bear `Message.name`.
        own_heads: Whether the agent's own messages are headed too.
        alternate: Whether neighbours of one role become one message and the first after the
            system text is the user's, as some endpoints demand.
        strip_thoughts: Whether ``<think>`` and ``<thinking>`` are taken out of agents' messages.
        roster: Whether the agent is told who is in the room.

    Raises:
        InvalidInputError: An option cannot be accepted.
    """

    group_name: str = ""
    group_prompt: str = ""
    invite_prompt: str = ""
    language: Literal["auto", "zh", "en"] = "auto"
    sharing: Sharing = "full"
    window_tokens: int | None = 4000
    window_messages: int | None = None
    pin_first: bool = True
    user_name: str = ""
    heads: bool = True
    own_heads: bool = False
    alternate: bool = False
    strip_thoughts: bool = True
    roster: bool = True

    def __post_init__(self) -> None:
        for name in ("group_name", "group_prompt", "invite_prompt", "user_name"):
            check_kind(self, name, str)
        for name in ("pin_first", "heads", "own_heads", "alternate", "strip_thoughts", "roster"):
            check_kind(self, name, bool)
        check_sharing(self.sharing)
        checked_choice(
            self.language, ("auto", "zh", "en"), "language", f"There is no {self.language!r} here."
        )
        for name in ("window_tokens", "window_messages"):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int) or value < 1
            ):
                raise InvalidInputError(
                    f"{name} cannot be {value!r}.",
                    where=name,
                    next_step="give a whole number from 1, or None for no limit",
                )

    @classmethod
    def of(cls, given: object = None, **options: Any) -> PromptOptions:
        """Options from a value, a mapping in either spelling, or single ones, which win.

        Raises:
            InvalidInputError: A name is unknown, or an option cannot be accepted.
        """
        return cls(**named_options(cls, given, options, what="A prompt", where="prompts"))

    def to_dict(self) -> dict[str, Any]:
        """The options that are not at their default, JSON-able."""
        return {
            option.name: value
            for option in fields(self)
            if (value := getattr(self, option.name)) != option.default
        }
