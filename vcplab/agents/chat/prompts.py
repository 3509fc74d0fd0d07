"""What an agent is shown before its turn: who it is, who is there, what was said, whose turn it is.

The parts and their roles are VCPChat's (facts/vcp-agents §7): system = the agent's prompt and
``[群聊设定]``; every message of others as the user's, headed ``[名字的发言]: ``; the invitation
last, as the user's. Its own messages are the assistant's and bear no head here, for models copy
what they see themselves do; ``own_heads=True`` heads them as VCPChat does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Ask, Decision
from vcplab.agents.chat.heads import HeadStripper, neutralised
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.prompt_options import PromptOptions
from vcplab.agents.chat.rendering import JOINT, Renderer, Shown
from vcplab.agents.chat.roster import Roster
from vcplab.agents.chat.state import ChatState
from vcplab.agents.chat.visibility import VisibleHistory
from vcplab.agents.chat.window import fit_window
from vcplab.agents.chat.wording import WORDS, Language, language_of
from vcplab.core.errors import NotFoundError
from vcplab.protocol.messages import Message
from vcplab.text.tokens import ApproximateTokenizer, Tokenizer

__all__ = ["PromptBuilder", "PromptOptions"]

_VARIABLE = re.compile(
    r"\{\{\s*(VCPChat(?:Agent|Group|User)Name|agentName|agentDisplayName|agentRole|expertise"
    r"|currentTopic|participantCount|sessionName)\s*\}\}"
)
_RESOLVABLE = ("{{", "[[", "<<", "《《")
_KEPT = 5000  # rendered messages per language and speaker


class PromptBuilder:
    """Makes prompts, keeping what does not change between turns; for one chat and one thread.

    Args:
        options: How prompts are made.
        tokenizer: What counts tokens; an estimate by default.
        resolve: Expands variables in the agent's prompt, the group's and the invitation, before
            their own ones; never in what somebody said.
    """

    def __init__(
        self,
        options: PromptOptions | None = None,
        tokenizer: Tokenizer | None = None,
        resolve: Callable[[str], str] | None = None,
    ) -> None:
        self.options = options or PromptOptions()
        self.tokenizer = tokenizer or ApproximateTokenizer()
        self._resolve = resolve
        self._renderer = Renderer(self.options, self.tokenizer)
        self._agents: tuple[Agent, ...] | None = None
        self._user: object = None
        self._rosters: dict[Language, Roster] = {}
        self._views: dict[str | None, VisibleHistory] = {}
        self._shown: dict[tuple[Language, str | None], dict[str, Shown]] = {}
        self._cuts: dict[tuple[Language, str | None, str, int], Shown | None] = {}
        self._languages: dict[str, tuple[str, Language]] = {}
        self._systems: dict[str, tuple[Agent, str, Language, Message]] = {}
        self._invitations: dict[tuple[str, Language, str, str], Message] = {}

    def build(
        self,
        state: ChatState,
        agent: Agent | str,
        decision: Decision | None = None,
        *,
        seen: int | None = None,
        context: str = "",
        tool_texts: str = "",
        extra: Iterable[Message] = (),
    ) -> tuple[Message, ...]:
        """The prompt of one turn.

        Args:
            state: The chat.
            agent: Whose turn it is; as it is given, so that its prompt may be a filled-in copy.
            decision: What the turn was decided for; its action changes the invitation.
            seen: Number of the last event that is known; later messages are not shown.
            context: What the one who asks for the turn adds to the invitation.
            tool_texts: What is told of tools, at the end of the system text.
            extra: Messages after the invitation, e.g. tool calls and their results.

        Raises:
            NotFoundError: The agent takes no part in this chat.
        """
        viewer, language = self._enter(state, agent)
        system = self._system(state, viewer, language)
        if tool_texts:
            system = Message(
                "system", f"{system.content}{JOINT}{tool_texts}" if system.content else tool_texts
            )
        invitation = self._invitation(state, viewer, language, decision, context)
        return self._joined(
            system, [*self._history(state, viewer, language, seen), invitation, *extra], language
        )

    def question(
        self, state: ChatState, ask: Ask, *, seen: int | None = None
    ) -> tuple[Message, ...]:
        """The prompt of what a policy asks an agent, or the chat's model.

        A model that is no agent sees what is public.

        Args:
            state: The chat.
            ask: The question.
            seen: Number of the last event that is known.

        Raises:
            NotFoundError: The agent takes no part in this chat.
        """
        viewer, language = self._enter(state, ask.agent_id)
        system = Message("system", ask.system)
        if viewer is not None:
            system = self._system(state, viewer, language)
        history = self._history(state, viewer, language, seen) if ask.history else []
        return self._joined(system, [*history, Message("user", ask.text)], language)

    def name_of(self, state: ChatState, who: str, language: Language = "zh") -> str:
        """The name in the head of somebody's messages; no two in a chat have the same."""
        self._refresh(state)
        return self._roster(language).name_of(who)

    def stripper(self, state: ChatState, agent: Agent | str, *, cut: bool = True) -> HeadStripper:
        """What takes echoed heads from an agent's reply.

        Args:
            state: The chat.
            agent: Who replies.
            cut: Whether the reply ends where it goes on for another.

        Raises:
            NotFoundError: The agent takes no part in this chat.
        """
        viewer, language = self._enter(state, agent)
        own, others = self._roster(language).names_for(viewer)
        return HeadStripper(own, others, cut=cut)

    def _enter(self, state: ChatState, who: Agent | str | None) -> tuple[Any, Language]:
        """Whose prompt it is (None for the chat's model), in which language."""
        self._refresh(state)
        agent: Agent | None = None
        if who is not None:
            agent = state.agents.get(who.id if isinstance(who, Agent) else who)
            if agent is not None and isinstance(who, Agent):
                agent = who  # its prompt may be another: with its variables filled in
            if agent is None:
                raise NotFoundError(
                    f"{who.name if isinstance(who, Agent) else who!r} takes no part in this chat.",
                    where="agent",
                    next_step="add the agent first: chat.add_agent(agent)",
                )
        language = self.options.language
        if language != "auto":
            return agent, language
        own_id = agent.id if agent is not None else ""
        topic, found = self._languages.get(own_id, (None, None))
        if found is None or topic != state.topic:
            found = language_of(agent, state.topic or self.options.group_prompt)
            self._languages[own_id] = (state.topic, found)
        return agent, found

    def _refresh(self, state: ChatState) -> None:
        agents = tuple(state.agents.values())
        user = self.options.user_name or state.config.get("user_name")
        if agents == self._agents and user == self._user:
            return
        self._agents, self._user = agents, user
        self._rosters.clear()
        self._languages.clear()
        self._shown.clear()
        self._cuts.clear()
        self._systems.clear()
        self._invitations.clear()

    def _roster(self, language: Language) -> Roster:
        roster = self._rosters.get(language)
        if roster is None:
            roster = self._rosters[language] = Roster(
                self._agents or (), str(self._user or ""), language
            )
        return roster

    def _history(
        self, state: ChatState, viewer: Agent | None, language: Language, seen: int | None
    ) -> list[Message]:
        options = self.options
        own_id = viewer.id if viewer is not None else None
        view = self._views.get(own_id)
        if view is None:
            sharing = options.sharing if viewer is not None else "partial"
            view = self._views[own_id] = VisibleHistory(own_id, sharing)
        history = view.follow(state.messages)
        others = self._shown.setdefault((language, None), {})
        own = others if own_id is None else self._shown.setdefault((language, own_id), {})

        roster = self._roster(language)

        def render(message: ChatMessage) -> Shown:
            cache = own if message.agent_id == own_id else others
            shown = cache.get(message.id)
            # Another branch of the chat may have another message of this number.
            if shown is None or shown.source is not message:
                if len(cache) >= _KEPT:
                    for old in list(cache)[: _KEPT // 2]:
                        del cache[old]
                shown = cache[message.id] = self._renderer.render(message, own_id, roster)
            return shown

        def cut(message: ChatMessage, budget: int) -> Shown | None:
            key = (language, own_id, message.id, budget)
            shown = self._cuts.get(key)
            if shown is None or shown.source is not message:
                if len(self._cuts) > 100:
                    self._cuts.clear()
                shown = self._cuts[key] = self._renderer.render(message, own_id, roster, budget)
            return shown if shown.cost else None

        gap, opening = self._renderer.fillers(language)
        budget = options.window_tokens
        if budget is not None and options.alternate:
            budget = max(0, budget - opening.cost)
        window = fit_window(
            history,
            render,
            cut,
            budget=budget,
            most=options.window_messages,
            newest=seen,
            pin=view.first_question if options.pin_first else None,
            gap=gap.cost,
        )
        messages = [shown.message for shown in window.shown]
        if window.pinned is not None:
            messages[:0] = (window.pinned.message, gap.message)
        return messages

    def _system(self, state: ChatState, agent: Agent, language: Language) -> Message:
        known = self._systems.get(agent.id)
        if known and known[0] is agent and known[1] == state.topic and known[2] == language:
            return known[3]
        variables = self._variables(state, agent, language)
        options, roster = self.options, self._roster(language)
        parts = [
            self._filled(agent.system_prompt, variables),
            roster.persona(agent),
            WORDS[language].settings,
            self._filled(options.group_prompt, variables),
            roster.told(agent, options.group_name, state.topic, everybody=options.roster),
        ]
        system = Message("system", "\n".join(part for part in parts if part))
        if self._resolve is None:  # a variable may change from turn to turn
            self._systems[agent.id] = (agent, state.topic, language, system)
        return system

    def _invitation(
        self,
        state: ChatState,
        agent: Agent,
        language: Language,
        decision: Decision | None,
        context: str,
    ) -> Message:
        action = decision.action if decision is not None else "respond"
        key = (agent.id, language, action, state.topic)
        known = None if context else self._invitations.get(key)
        if known is not None:
            return known
        words = WORDS[language]
        invite = self.options.invite_prompt or words.invite
        parts = [
            self._filled(invite, self._variables(state, agent, language)),
            words.actions.get(action, ""),
            words.context.format(text=neutralised(context)) if context else "",
        ]
        message = Message("user", "\n".join(part for part in parts if part))
        if not context and self._resolve is None:
            self._invitations[key] = message
        return message

    def _variables(self, state: ChatState, agent: Agent, language: Language) -> dict[str, str]:
        roster, words = self._roster(language), WORDS[language]
        name = roster.name_of(agent.id)
        return {
            "VCPChatAgentName": name,
            "VCPChatGroupName": self.options.group_name,
            "VCPChatUserName": roster.name_of(USER),
            "agentName": agent.name,
            "agentDisplayName": name,
            "agentRole": words.roles[agent.role],
            "expertise": words.separator.join(agent.expertise),
            "currentTopic": neutralised(state.topic),
            "participantCount": str(len(state.agents)),
            "sessionName": self.options.group_name,
        }

    def _filled(self, text: str, variables: Mapping[str, str]) -> str:
        if self._resolve is not None and any(mark in text for mark in _RESOLVABLE):
            text = self._resolve(text)
        # Once, so that a name such as "{{sessionName}}" is not filled in itself.
        return _VARIABLE.sub(lambda found: variables[found[1]], text).strip()

    def _joined(
        self, system: Message, messages: list[Message], language: Language
    ) -> tuple[Message, ...]:
        if self.options.alternate:
            messages = _alternating(messages)
            if messages and messages[0].role == "assistant":
                messages.insert(0, self._renderer.fillers(language)[1].message)
        return (system, *messages) if system.content else tuple(messages)


def _alternating(messages: Iterable[Message]) -> list[Message]:
    """Neighbours of one role as one message; what belongs to tool calls stays as it is."""
    merged: list[Message] = []
    for message in messages:
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.role == message.role
            and message.role in ("user", "assistant")
            and not last.tool_calls
            and not message.tool_calls
        ):
            merged[-1] = Message(
                last.role,
                f"{last.content}{JOINT}{message.content}",
                metadata=last.metadata,
                images=last.images + message.images,
            )
        else:
            merged.append(message)
    return merged
