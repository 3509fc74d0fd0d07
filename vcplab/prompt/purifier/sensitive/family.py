"""What a family of sensitive data is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["SensitiveFamily", "SensitiveRule"]


@dataclass(frozen=True, slots=True)
class SensitiveRule:
    """One shape of sensitive data.

    Attributes:
        pattern: What it looks like; a group ``value`` is what is filtered, else the whole match.
            Patterns see the text with full-width letters and digits as half-width ones.
        check: Whether a match of the pattern is one; None if every match is.
    """

    pattern: re.Pattern[str]
    check: Callable[[re.Match[str]], bool] | None = None


@dataclass(frozen=True, slots=True)
class SensitiveFamily:
    """Sensitive data of one sort.

    Attributes:
        name: The name of its switch.
        title: What it holds, for people.
        rules: Its shapes.
    """

    name: str
    title: str
    rules: tuple[SensitiveRule, ...]

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """The offsets of what is found, rule by rule; pieces may overlap.

        Args:
            text: A text with half-width letters and digits.
        """
        for rule in self.rules:
            group: int | str = "value" if "value" in rule.pattern.groupindex else 0
            at = 0
            while (match := rule.pattern.search(text, at)) is not None:
                if rule.check is None or rule.check(match):
                    yield match.span(group)
                    at = max(match.end(), at + 1)
                else:
                    # What failed may hide one that begins inside it.
                    at = match.start() + 1
