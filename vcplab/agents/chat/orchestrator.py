"""Seed 002's way of making a group chat: ``createGroupChatOrchestrator``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import snake_keys

if TYPE_CHECKING:
    from vcplab.agents.chat.chat import GroupChat

__all__ = ["create_group_chat_orchestrator"]


def create_group_chat_orchestrator(
    config: Mapping[str, Any] | None = None, **options: Any
) -> GroupChat:
    """``createGroupChatOrchestrator`` of seed 002 §1.3: a group chat, which has its operations.

    ::

        orchestrator = create_group_chat_orchestrator(
            {"name": "内容创作团队", "speakingMode": "keyword", "maxRounds": 5}, model=model
        )
        orchestrator.add_agent({"name": "校对专家", "systemPrompt": "你是专业的文字校对"})
        orchestrator.start("撰写一篇关于AI的文章")
        for decision in orchestrator.handle_user_input("请先确定文章大纲"):
            orchestrator.request_speak(decision.agent_id, "user_request")

    Args:
        config: Options of `GroupChat`, in camelCase or snake_case.
        **options: Further options, such as ``model`` and ``tools``; they win.

    Raises:
        InvalidInputError: ``config`` is no mapping, or an option cannot be accepted.
    """
    from vcplab.agents.chat.chat import GroupChat

    return GroupChat(**merged_options(config, options))


def merged_options(config: object, *later: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a chat by their names in Python spelling.

    Args:
        config: A mapping in either spelling, or None.
        *later: Further ones; the last wins.

    Raises:
        InvalidInputError: ``config`` is no mapping.
    """
    if not isinstance(config, Mapping | None):
        raise InvalidInputError(
            f"A configuration is a mapping, not {type(config).__name__}.",
            where="config",
            next_step='give e.g. {"speakingMode": "mention", "maxRounds": 10}',
        )
    merged: dict[str, Any] = {}
    for given in (config or {}, *later):
        named = snake_keys(given)
        for one, other in (("mode", "speaking_mode"), ("speaking_mode", "mode")):
            if one in named:
                merged.pop(other, None)
        merged.update(named)
    return merged
