"""The errors a caller can mend, worded so that it knows how."""

from __future__ import annotations

__all__ = ["DiceProblem", "NotationProblem"]


class DiceProblem(Exception):
    """Something in a request is wrong; the text says what and what to do next."""


class NotationProblem(DiceProblem):
    """A dice notation cannot be read; the text points at the character.

    Args:
        reason: What is wrong and what would be right, without the place.
        notation: The whole notation as it was given.
        position: Index of the first wrong character, from 0.
    """

    def __init__(self, reason: str, notation: str, position: int) -> None:
        self.reason = reason
        self.position = position
        # A caret needs one line: line ends and tabs would move it. The slice keeps the
        # error short when somebody sends a book.
        shown = "".join(" " if c.isspace() else c for c in notation[:240])
        super().__init__(
            f"{reason} (character {position + 1} of the notation)\n{shown}\n{' ' * position}^"
        )
