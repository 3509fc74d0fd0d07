"""How a message looks in a prompt: its head, its marks, its text, what it costs."""

from __future__ import annotations

from typing import Final

from vcplab.agents.chat.heads import head, neutralised
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.prompt_options import PromptOptions
from vcplab.agents.chat.roster import Roster
from vcplab.agents.chat.window import cut_middle
from vcplab.agents.chat.wording import WORDS, Language
from vcplab.protocol.messages import Message
from vcplab.protocol.requests.reasoning import ReasoningFilter
from vcplab.text.tokens import ApproximateTokenizer, Tokenizer

__all__ = ["JOINT", "Renderer", "Shown"]

#: Stands between messages that become one.
JOINT: Final = "\n\n"


class Shown:
    """A message as prompts show it.

    Attributes:
        source: The message.
        message: What a model is sent.
        cost: Its tokens.
    """

    __slots__ = ("cost", "message", "source")

    def __init__(self, source: ChatMessage, message: Message, cost: int) -> None:
        self.source, self.message, self.cost = source, message, cost


class Renderer:
    """Renders the messages of one chat.

    Args:
        options: How prompts are made.
        tokenizer: What counts tokens.
    """

    def __init__(self, options: PromptOptions, tokenizer: Tokenizer) -> None:
        self._options = options
        self._tokenizer = tokenizer
        # No word of an estimate goes across the end of a head.
        self._adds_up = isinstance(tokenizer, ApproximateTokenizer)
        self._joint = tokenizer.count(JOINT) if options.alternate else 0
        self._texts: dict[str, tuple[ChatMessage, str, int | None]] = {}
        self._small: dict[Language, tuple[Shown, Shown]] = {}

    def render(
        self, message: ChatMessage, own_id: str | None, roster: Roster, budget: int | None = None
    ) -> Shown:
        """A message as a prompt shows it.

        Args:
            message: The message.
            own_id: Id of the agent whose prompt it is; None for no agent's.
            roster: Whose names its head bears.
            budget: Tokens that it may have; the middle of a larger one is taken out.

        Returns:
            What is shown, at no cost where that is nothing.
        """
        language = roster.language
        words, options = WORDS[language], self._options
        text, tokens = self._text(message)
        # What it did is a record, not its speech, also in its own prompt.
        own = message.agent_id == own_id and message.type in ("chat", "summary")
        name = roster.name_of(message.agent_id, message.agent_name)
        before = head(name, language) if (options.own_heads if own else options.heads) else ""
        after = ""
        if not own:
            if message.visible_to is not None:
                before += words.private
            before += words.types.get(message.type, "")
            after = words.interrupted if message.interrupted else ""
        images = () if own else message.images
        if not text and not images:
            return Shown(message, Message("user", ""), 0)
        count = self._tokenizer.count
        whole = f"{before}{text}{after}"
        cost = (count(whole) if tokens is None else tokens + count(before + after)) + self._joint
        if budget is not None and cost > budget:
            space, body = budget - count(before + after) - self._joint, ""
            while space > 0:
                body = cut_middle(text, space, self._tokenizer, words.middle)
                whole = f"{before}{body}{after}"
                cost = count(whole) + self._joint
                if not body or cost <= budget:
                    break
                space -= max(1, cost - budget)
            if not body or cost > budget:
                return Shown(message, Message("user", ""), 0)
        shown = Message(
            "assistant" if own else "user",
            whole,
            name=None if own or options.heads else name,
            images=images,
        )
        return Shown(message, shown, max(1, cost))

    def fillers(self, language: Language) -> tuple[Shown, Shown]:
        """What stands for messages left out, and what comes before an own first message.

        Args:
            language: Of the words.
        """
        small = self._small.get(language)
        if small is None:
            nobody = ChatMessage(id="", agent_id="", agent_name="", content="")
            words = WORDS[language]
            gap, opening = (
                Shown(nobody, Message("user", text), self._tokenizer.count(text) + self._joint)
                for text in (words.gap, words.opening)
            )
            small = self._small[language] = (gap, opening)
        return small

    def _text(self, message: ChatMessage) -> tuple[str, int | None]:
        """What of a message anybody is shown, and its tokens where these simply add up."""
        known = self._texts.get(message.id)
        if known is not None and known[0] is message:
            return known[1], known[2]
        text = message.content
        if self._options.strip_thoughts and "<" in text and not message.from_user:
            text = _without_thoughts(text)
        text = neutralised(text.strip())
        tokens = self._tokenizer.count(text) if self._adds_up else None
        if len(self._texts) >= 100:  # soon every prompt has rendered it
            self._texts.clear()
        self._texts[message.id] = (message, text, tokens)
        return text, tokens


def _without_thoughts(text: str) -> str:
    reasoning = ReasoningFilter()
    slices = [*reasoning.feed(text), *reasoning.finish()]
    return "".join(part.text for part in slices if not part.reasoning)
