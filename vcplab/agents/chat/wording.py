"""The words that a chat itself puts into prompts, in Chinese and English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vcplab.agents.agent import Agent

__all__ = ["WORDS", "Language", "Words", "language_of"]

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words; ``{…}`` stands for what is filled in.

    Attributes:
        settings: Heads the group's settings in the system prompt (facts/vcp-agents §7).
        you: Says whom the prompt is for.
        roles: What the roles are called.
        duties: What the roles are to do.
        room: Heads the list of those who take part.
        itself: Marks the agent in the list.
        person: Marks the person at the notebook in the list.
        expertise: What somebody knows about.
        personality: How the agent is.
        background: Where it comes from.
        examples: Heads samples of its speech.
        topic: The topic.
        separator: Between things that are listed.
        user: The person's name where none is given.
        private: Marks a message that not everybody sees.
        types: Mark messages that are no plain speech.
        interrupted: Marks a message that was cut off by a person.
        gap: Stands for messages that are left out.
        middle: Stands for the middle of a text that is too large.
        opening: Begins a conversation whose first message is the agent's own.
        invite: The last word before a turn.
        context: What the one who asks for a turn adds.
        actions: What is asked for besides speaking.
    """

    settings: str
    you: str
    roles: Mapping[str, str]
    duties: Mapping[str, str]
    room: str
    itself: str
    person: str
    expertise: str
    personality: str
    background: str
    examples: str
    topic: str
    separator: str
    user: str
    private: str
    types: Mapping[str, str]
    interrupted: str
    gap: str
    middle: str
    opening: str
    invite: str
    context: str
    actions: Mapping[str, str]


WORDS: Final[Mapping[Language, Words]] = {
    "zh": Words(
        settings="[群聊设定]",
        you="你在群聊{group}中，你是「{name}」，身份是{role}。{duty}",
        roles={
            "host": "主持人",
            "moderator": "协调人",
            "expert": "专家",
            "participant": "成员",
            "observer": "旁听者",
        },
        duties={
            "host": "由你引导讨论，并在合适的时候请别人发言。",
            "moderator": "由你维持秩序，调和分歧。",
            "expert": "请就你的专长发言。",
            "participant": "",
            "observer": "你一般只旁听。",
        },
        room="群里有：",
        itself="（你）",
        person="真人用户",
        expertise="擅长：{things}",
        personality="性格：{text}",
        background="背景：{text}",
        examples="你的说话方式举例：",
        topic="话题：{topic}",
        separator="、",
        user="用户",
        private="（私下）",
        types={"thought": "（思考）", "action": "（操作记录）", "summary": "（小结）"},
        interrupted="……（发言被打断）",
        gap="（中间的发言从略）",
        middle="\n……（中间从略）……\n",
        opening="（以下接着之前的对话）",
        invite=(
            "现在轮到你「{{VCPChatAgentName}}」发言了。请直接说你要说的话："
            "开头不要写“[…的发言]:”这样的发言标记，也不要替别人发言。"
        ),
        context="补充说明：{text}",
        actions={
            "ask": "这一次，请提出一个能推进讨论的问题。",
            "summarize": "这一次，请总结目前的讨论：已有的共识、分歧和未决的问题。",
            "delegate": "这一次，请决定接下来由谁发言：用“@名字”请他，并说明要他做什么。",
            "conclude": "这一次，请为讨论作结：给出结论和理由，不再提新的问题。",
        },
    ),
    "en": Words(
        settings="[Group settings]",
        you="You are in the group chat{group}. You are {name}, {role}.{duty}",
        roles={
            "host": "the host",
            "moderator": "a moderator",
            "expert": "an expert",
            "participant": "a participant",
            "observer": "an observer",
        },
        duties={
            "host": " You lead the discussion and ask others to speak where that helps.",
            "moderator": " You keep order and settle differences.",
            "expert": " Speak about what you know best.",
            "participant": "",
            "observer": " You mostly listen.",
        },
        room="In the room are:",
        itself=" (you)",
        person="the person who uses this chat",
        expertise="knows about: {things}",
        personality="Personality: {text}",
        background="Background: {text}",
        examples="Examples of how you speak:",
        topic="Topic: {topic}",
        separator=", ",
        user="User",
        private="(in private) ",
        types={"thought": "(thinking) ", "action": "(record of actions) ", "summary": "(summary) "},
        interrupted=" … (interrupted)",
        gap="(Messages in between are left out.)",
        middle="\n… (the middle is left out) …\n",
        opening="(The conversation so far goes on.)",
        invite=(
            "It is your turn, {{VCPChatAgentName}}. Say directly what you have to say: do not "
            'begin with a head such as "[… says]:", and do not speak for others.'
        ),
        context="To note: {text}",
        actions={
            "ask": "This time, ask a question that brings the discussion forward.",
            "summarize": "This time, sum up the discussion so far: what is agreed, what is "
            "disputed, what is open.",
            "delegate": 'This time, decide who speaks next: ask them by "@name", and say what '
            "they are to do.",
            "conclude": "This time, bring the discussion to a close: give the conclusion and the "
            "reasons, and raise nothing new.",
        },
    ),
}


_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_VARIABLE = re.compile(r"\{\{[^{}]{0,200}\}\}")
_KANA = re.compile("[\u3041-\u30ff]")


def language_of(agent: Agent | None, topic: str) -> Language:
    """The language in which a chat speaks to an agent: that of its prompt, else of the topic.

    Args:
        agent: The agent, if any.
        topic: What the chat is about.

    Returns:
        ``zh`` for Chinese, ``en`` for every other language.
    """
    for text in (agent.system_prompt if agent else "", topic, agent.name if agent else ""):
        text = _VARIABLE.sub("", text)
        han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
        others = sum(map(str.isalpha, text)) - han - kana
        if han or kana or others:
            # A Han character says about as much as three letters; Japanese has kana.
            return "zh" if 3 * han > others and 4 * kana < han + kana else "en"
    return "zh"
