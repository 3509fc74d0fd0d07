"""Stopping by what is said: a text or pattern, and the same again and again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.stop_base import StopCondition, check_count
from vcplab.core.errors import InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    from vcplab.agents.chat.state import ChatState, Mark

__all__ = ["Stagnation", "TextSaid"]

_REGEX_SECONDS = 0.5
_COMPARED = 10_000  # characters at each end of a text that similarity looks at


@dataclass(frozen=True, slots=True, repr=False)
class TextSaid(StopCondition):
    """A text or a pattern was said in public or in private; working notes do not count.

    A pattern that takes longer than half a second on one message ends the chat too, with a reason
    that says so: a limit that cannot be decided must not run on for ever.

    Attributes:
        text: What is looked for, exactly as written; or a regular expression.
        regex: Whether it is one.
        ignore_case: Whether capitals are as good as small letters.
        source: Who has to say it: ``"agents"``, ``"user"``, ``"anyone"``, or an agent's id.
    """

    text: str
    regex: bool = False
    ignore_case: bool = False
    source: str = "agents"
    kind: ClassVar[str] = "text"
    # How far it was looked: (turns and public messages at the start, how many messages, the last
    # of them, how many of them public, the reason). It only saves looking at the same ones again.
    _scan: list[tuple[Mark, int, ChatMessage | None, int, str | None]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text:
            raise InvalidInputError(
                f"{self.text!r} is nothing that could be said.",
                where="stop.text",
                next_step='give a text, e.g. stop.text("TERMINATE")',
            )
        if self.regex:
            _compiled(self.text, self.ignore_case)

    def _reason(self, state: ChatState, over: bool) -> str | None:
        messages, start = state.messages, state.start
        at, said, reason = 0, 0, None
        if self._scan:
            old_start, old_at, last, old_said, old_reason = self._scan[0]
            # Messages are only added at the end or taken away, so that one which has not moved
            # vouches for all before it.
            if old_start == start and 0 < old_at <= len(messages) and messages[old_at - 1] is last:
                at, said, reason = old_at, old_said, old_reason
        while reason is None and at < len(messages):
            message = messages[at]
            at += 1
            if not message.is_public:
                continue
            said += 1
            # Turns tell exactly what an agent said since the start; a person has none.
            since = message.turn > start.turns if message.turn else said > start.messages
            if since and self._from_source(message):
                reason = self._found(message)
        self._scan[:] = [(start, at, messages[at - 1] if at else None, said, reason)]
        return reason

    def _from_source(self, message: ChatMessage) -> bool:
        if message.type not in ("chat", "summary"):
            return False
        if self.source == "agents":
            return not message.from_user
        if self.source == USER:
            return message.from_user
        return self.source in ("anyone", message.agent_id)

    def _found(self, message: ChatMessage) -> str | None:
        who = message.agent_name or message.agent_id
        if not self.regex:
            content, text = message.content, self.text
            if self.ignore_case:
                content, text = content.casefold(), text.casefold()
            return f"{who} said {self.text!r}." if text in content else None
        try:
            found = _compiled(self.text, self.ignore_case).search(
                message.content, timeout=_REGEX_SECONDS
            )
        except TimeoutError:
            return (
                f"Whether {who} said something that matches {self.text!r} could not be decided "
                f"within {_REGEX_SECONDS:g} s."
            )
        return f"{who} said something that matches {self.text!r}." if found else None


@dataclass(frozen=True, slots=True, repr=False)
class Stagnation(StopCondition):
    """The agents say the same again: the last ``n`` messages of all, or of the last speaker.

    Two texts are alike by the share of character trigrams they have in common (Dice's
    coefficient), blanks and capitals apart; of long texts 10,000 characters at each end count.

    Attributes:
        n: How many messages, at least 2.
        similarity: How alike they are, above 0 and up to 1.
    """

    n: int = 3
    similarity: float = 0.9
    kind: ClassVar[str] = "stagnation"

    def __post_init__(self) -> None:
        check_count(self.n, self.kind, at_least=2)
        if isinstance(self.similarity, bool) or not 0 < self.similarity <= 1:
            raise InvalidInputError(
                f"A similarity of {self.similarity!r} is impossible.",
                where="stop.stagnation",
                next_step="give a number above 0, up to 1",
            )

    def _reason(self, state: ChatState, over: bool) -> str | None:
        latest: ChatMessage | None = None
        alike, count, own_alike, own_count = True, 1, True, 1
        reach = 4 * self.n * (len(state.agents) + 1)  # how far back the last speaker is followed
        for message in reversed(state.messages[-reach:]):
            if message.turn == 0 or not message.is_public:
                continue
            if message.turn <= state.start.turns:
                break
            if latest is None:
                latest = message
                continue
            own = message.agent_id == latest.agent_id
            if not alike and not own:
                continue
            same = _alike(latest.content, message.content, self.similarity)
            alike, count = alike and same, count + 1
            if own:
                own_alike, own_count = own_alike and same, own_count + 1
            if alike and count >= self.n:
                return f"The last {self.n} messages of the agents say the same."
            if own_alike and own_count >= self.n:
                return f"The last {self.n} messages of {latest.agent_name} say the same."
            if not alike and not own_alike:
                break
        return None


def _compiled(pattern: str, ignore_case: bool) -> Any:
    # The package keeps compiled patterns itself.
    try:
        import regex
    except ImportError as error:
        raise MissingDependencyError(
            "Patterns need the package regex, which can stop a match that takes too long.",
            where="stop.text",
            next_step="pip install regex",
        ) from error
    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except (regex.error, RecursionError, OverflowError) as error:
        raise InvalidInputError(
            f"{pattern[:80]!r} is no regular expression: {error}.",
            where="stop.text",
            next_step="escape what is meant literally (\\.), or leave out regex=True",
        ) from None


def _alike(one: str, other: str, threshold: float) -> bool:
    if one == other:
        return True
    a, b = _squeezed(one), _squeezed(other)
    if a == b:
        return True
    short, long = sorted((max(1, len(a) - 2), max(1, len(b) - 2)))
    # No more than all trigrams of the shorter text can be shared.
    if 2 * short < threshold * (short + long):
        return False
    shared = (_trigrams(a) & _trigrams(b)).total()
    return 2 * shared >= threshold * (short + long)


def _squeezed(text: str) -> str:
    if len(text) > 2 * _COMPARED:
        text = text[:_COMPARED] + text[-_COMPARED:]
    return "".join(text.casefold().split())


def _trigrams(text: str) -> Counter[str]:
    return Counter(text[i : i + 3] for i in range(max(1, len(text) - 2)))
