"""The error of the query language: it points at the character."""

from __future__ import annotations

import re

from vcplab.core.display.cells import showable
from vcplab.core.display.terminal import display_width
from vcplab.core.errors import InvalidInputError

__all__ = ["QuerySyntaxError"]

# Characters of the query that are shown on either side of the place.
_SHOWN = 30
_SPACE = re.compile(r"\s")


class QuerySyntaxError(InvalidInputError):
    """A query that is not of the language.

    The message shows the query with a caret under the character; ``details`` has ``position``
    (counted in characters from 0) and ``expected``.
    """

    @classmethod
    def at(
        cls, problem: str, source: str, position: int, *, expected: str, next_step: str
    ) -> QuerySyntaxError:
        """The error for one place of a query.

        Args:
            problem: What is wrong, without a full stop.
            source: The whole query.
            position: Where, in characters from 0; the query's length for its end.
            expected: What would have been right there.
            next_step: What the reader can do.
        """
        first, last = max(0, position - _SHOWN), position + _SHOWN
        before = ("…" if first else "") + _on_one_line(source[first:position])
        after = _on_one_line(source[position:last]) + ("…" if last < len(source) else "")
        pointer = " " * display_width(before) + "^"
        return cls(
            f"{problem} (character {position + 1}).\n    {before}{after}\n    {pointer}",
            where="query",
            next_step=next_step,
            details={"position": position, "expected": expected},
        )

    def __str__(self) -> str:
        # The caret needs its own line.
        return f"[{self.code}] {self.message}\nNext: {self.next_step}"


def _on_one_line(text: str) -> str:
    """As many characters as before, none of which moves the cursor elsewhere."""
    return showable(_SPACE.sub(" ", text))
