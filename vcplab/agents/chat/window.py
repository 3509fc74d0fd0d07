"""What of the history fits into a prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from vcplab.agents.chat.message import ChatMessage
from vcplab.text.tokens import Tokenizer

__all__ = ["Costed", "Window", "cut_middle", "fit_window"]


class Costed(Protocol):
    """A message as a prompt shows it, with its cost."""

    @property
    def cost(self) -> int:
        """Tokens of its text, its head included; 0 for one that shows nothing."""
        ...


S = TypeVar("S", bound=Costed)


@dataclass(frozen=True, slots=True)
class Window(Generic[S]):
    """What fits.

    Attributes:
        shown: The newest messages, oldest first.
        pinned: The first question, where it is not among them and fits as well.
        newest_cut: Whether the newest message alone is too large, and was cut.
        left_out: Whether there are messages between `pinned` and the others, or older ones.
    """

    shown: tuple[S, ...]
    pinned: S | None = None
    newest_cut: bool = False
    left_out: bool = False


def fit_window(
    history: Sequence[ChatMessage],
    render: Callable[[ChatMessage], S],
    cut: Callable[[ChatMessage, int], S | None],
    *,
    budget: int | None,
    most: int | None = None,
    newest: int | None = None,
    pin: ChatMessage | None = None,
    gap: int = 0,
) -> Window[S]:
    """Choose the newest messages that fit a budget, and the first question.

    Messages are taken from the newest back, whole, until one does not fit; so the work depends on
    the window and not on the history. A message is cut only where it is alone too large for the
    budget and the newest; and the pinned one where it is larger than a quarter of the budget.

    Args:
        history: What may be shown, oldest first.
        render: A message as the prompt shows it.
        cut: The same within a number of tokens; None where nothing sensible is left of it.
        budget: Tokens of all texts together; None for no limit.
        most: Messages at most, the pinned one included; None for no limit.
        newest: Number of the last event that is known; later messages are passed over.
        pin: The message to show in any case, as the first.
        gap: Tokens of what stands between it and the others.
    """
    limit = float("inf") if budget is None else budget
    count = float("inf") if most is None else most
    chosen: list[S] = []
    total, whole, has_pin = 0, True, pin is None
    unknown = newest is not None
    for message in reversed(history):
        if unknown:
            if _number(message) > (newest or 0):
                continue
            unknown = False  # all others are older
        shown = render(message)
        cost = shown.cost
        if total + cost > limit or len(chosen) >= count:
            if chosen or not limit or not count:
                whole = False
                break
            part = cut(message, int(limit))
            return Window(() if part is None else (part,), newest_cut=True, left_out=True)
        if cost:
            chosen.append(shown)
            total += cost
            if message is pin:
                has_pin = True
    pinned: S | None = None
    if not (whole or has_pin or pin is None):
        if newest is None or _number(pin) <= newest:
            pinned = render(pin)
            if budget is not None and pinned.cost > budget // 4:
                pinned = cut(pin, budget // 4)
        if pinned is not None and pinned.cost:
            apart = pinned.cost + gap
            while len(chosen) > 1 and (total + apart > limit or len(chosen) >= count):
                total -= chosen.pop().cost
            if total + apart > limit or len(chosen) >= count:
                pinned = None
    chosen.reverse()
    return Window(tuple(chosen), pinned, left_out=not whole)


def cut_middle(text: str, budget: int, tokenizer: Tokenizer, mark: str) -> str:
    """A text with its middle taken out, so that its beginning and its end fit a budget.

    Args:
        text: The text.
        budget: Tokens that it may have, the mark included.
        tokenizer: What counts them.
        mark: What stands where the middle was.

    Returns:
        The text as it is if it fits; else its ends with the mark; else, where not even the mark
        fits, nothing.
    """
    if tokenizer.count(text) <= budget:
        return text
    rest = budget - tokenizer.count(mark)
    while rest > 0:
        begin = tokenizer.truncate(text, (rest + 1) // 2, "head").rstrip()
        end = tokenizer.truncate(text, rest // 2, "tail").lstrip()
        found = f"{begin}{mark}{end}"
        if (begin or end) and tokenizer.count(found) <= budget:
            return found
        rest = rest * 7 // 8 if rest > 8 else rest - 1
    return ""


def _number(message: ChatMessage) -> int:
    digits = message.id[1:]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
