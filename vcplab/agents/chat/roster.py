"""Who takes part, as prompts tell it: names that cannot be mistaken, roles, expertise."""

from __future__ import annotations

from collections.abc import Iterable

from vcplab.agents.agent import Agent
from vcplab.agents.chat.heads import clean_name, name_key, neutralised
from vcplab.agents.chat.message import USER
from vcplab.agents.chat.wording import WORDS, Language

__all__ = ["Roster"]

_LINE = 200  # characters that others read of an agent's description


class Roster:
    """The names and the descriptions of those who take part.

    No two have the same name in heads, nor names that look the same: the second ``专家`` is shown
    as ``专家 (2)``, and the user's name is nobody else's.

    Args:
        agents: The agents, in the order in which they joined.
        user_name: The person's name; empty for the language's word.
        language: Of the words.

    Attributes:
        language: Of the words.
    """

    def __init__(self, agents: Iterable[Agent], user_name: str, language: Language) -> None:
        self.language = language
        self._agents = tuple(agents)
        self._words = WORDS[language]
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._heads: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        if user_name in ("", WORDS["zh"].user):
            user_name = self._words.user
        self._name(USER, user_name)
        for agent in self._agents:
            self._name(agent.id, agent.display_name)

    def name_of(self, who: str, name: str = "") -> str:
        """The name in somebody's heads.

        Args:
            who: The id.
            name: What one who takes no part (any more) is called.
        """
        return self._names.get(who) or self._name(who, name or who)

    def names_for(self, agent: Agent) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names by which an agent may head its own reply, and those of everybody else.

        Args:
            agent: The agent.
        """
        found = self._heads.get(agent.id)
        if found is None:
            own = dict.fromkeys((self._names[agent.id], agent.display_name, agent.name))
            other = {who: name for who, name in self._names.items() if who != agent.id}
            keys = {name_key(name) for name in other.values()}
            mine = tuple(name for name in own if name_key(name) not in keys)
            self._heads[agent.id] = found = (mine, tuple(other.values()))
        return found

    def persona(self, agent: Agent) -> str:
        """What an agent is told of itself besides its prompt.

        Args:
            agent: The agent.
        """
        words = self._words
        lines = [
            words.personality.format(text=agent.personality) if agent.personality else "",
            words.background.format(text=agent.background) if agent.background else "",
        ]
        if agent.example_dialogues:
            lines.append("\n".join((words.examples, *(f"- {t}" for t in agent.example_dialogues))))
        return "\n".join(line for line in lines if line)

    def told(self, agent: Agent, group: str, topic: str, *, everybody: bool = True) -> str:
        """What an agent is told of the chat.

        Args:
            agent: The agent.
            group: The chat's name.
            topic: What it is about.
            everybody: Whether it is told who takes part.
        """
        words = self._words
        if group:
            group = f"「{clean_name(group)}」" if self.language == "zh" else f" {clean_name(group)}"
        lines = [
            words.you.format(
                group=group,
                name=self._names[agent.id],
                role=words.roles[agent.role],
                duty=words.duties[agent.role],
            )
        ]
        if everybody:
            lines += [words.room, f"- {self._names[USER]}: {words.person}"]
            lines += [self._line(one, itself=one.id == agent.id) for one in self._agents]
        if topic.strip():
            lines.append(words.topic.format(topic=neutralised(topic.strip())))
        return "\n".join(lines)

    def _line(self, agent: Agent, *, itself: bool) -> str:
        words = self._words
        about = [words.roles[agent.role]]
        if agent.description and not itself:
            about.append(" ".join(agent.description.split())[:_LINE])
        if agent.expertise:
            things = words.separator.join(agent.expertise)
            about.append(" ".join(words.expertise.format(things=things).split())[:_LINE])
        name = self._names[agent.id] + (words.itself if itself else "")
        return f"- {name}: {neutralised('; '.join(about))}"

    def _name(self, who: str, name: str) -> str:
        plain = shown = clean_name(name)
        number = 1
        while name_key(shown) in self._taken:
            number += 1
            shown = f"{plain} ({number})"
        self._taken.add(name_key(shown))
        self._heads.clear()
        self._names[who] = shown
        return shown
