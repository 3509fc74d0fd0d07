"""What every turn of a chat works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vcplab.agents.chat.options import ChatOptions
from vcplab.agents.chat.prompts import PromptBuilder
from vcplab.agents.chat.tools import ToolBox
from vcplab.prompt.placeholders import VariableEngine

__all__ = ["Setting", "call_seed"]


@dataclass(slots=True)
class Setting:
    """What every turn of a chat works with.

    Attributes:
        options: The chat's options.
        prompts: Makes the prompts.
        tools: The tools; None for none.
        variables: Resolves placeholders in prompts; None to leave them.
        time_left: Seconds until a time limit ends the chat; None without one.
        allow: Asks a person: kind, agent id and text; gives ``approved`` and perhaps ``why``. None
            where nobody has to be asked.
    """

    options: ChatOptions
    prompts: PromptBuilder
    tools: ToolBox | None = None
    variables: VariableEngine | None = None
    allow: Callable[[str, str, str], Awaitable[Mapping[str, Any]]] | None = None
    time_left: Callable[[], float | None] = lambda: None


def call_seed(state_seed: int, number: int, step: int = 0) -> int:
    """The seed of a model call: another one for every call, the same in every run."""
    return (state_seed * 1_000_003 + number * 101 + step) % 2**31
