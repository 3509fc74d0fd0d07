"""Regular expressions that cannot stop the process: limits on size, on one text and on all."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from vcplab.core.errors import InvalidInputError, MissingDependencyError, OperationTimeoutError
from vcplab.memory.filters.values import composed

__all__ = ["LimitedPattern"]

# Seconds that one text may take; and all texts of a field together, with so many more per text.
_PER_TEXT = 0.5
_TOGETHER = 5.0
_EACH = 0.0002
# The compiled form repeats what is counted: (a{1000}){1000} holds a million nodes (0.2 GB).
_MAX_SIZE = 1_000_000
_COUNT = re.compile(r"\{([^},]*)")


class LimitedPattern:
    """A pattern that is searched for with a time limit.

    Args:
        source: The pattern, in the syntax of Python's ``re`` (and of the package ``regex``).
        ignore_case: Whether case counts.

    Raises:
        InvalidInputError: It is no pattern, or too large.
        MissingDependencyError: The package ``regex`` is missing.
    """

    __slots__ = ("_pattern", "source")

    def __init__(self, source: str, ignore_case: bool) -> None:
        self.source = source
        self._pattern = _compiled(source, ignore_case)

    def found(self, text: str) -> bool:
        """Whether a text has a match somewhere.

        Raises:
            OperationTimeoutError: It took too long to tell.
        """
        try:
            return self._pattern.search(text, timeout=_PER_TEXT) is not None
        except TimeoutError:
            raise self._too_slow(f"{_PER_TEXT:g} s on one text") from None

    def found_in(self, texts: Iterable[str]) -> list[bool]:
        """The same for many texts, with a limit for all of them together."""
        verdicts = []
        began = time.thread_time()
        for number, text in enumerate(texts):
            verdicts.append(self.found(text))
            spent = time.thread_time() - began
            if spent > _TOGETHER + number * _EACH:
                raise self._too_slow(f"{spent:.1f} s on {number + 1:,} texts")
        return verdicts

    def _too_slow(self, spent: str) -> OperationTimeoutError:
        return OperationTimeoutError(
            f"The pattern {self.source[:80]!r} took more than {spent}.",
            where="regex",
            next_step="Avoid repetitions inside repetitions, such as (a+)+, and .* at the start.",
        )


@lru_cache(maxsize=64)
def _compiled(source: str, ignore_case: bool) -> Any:
    try:
        import regex
    except ImportError as error:
        raise MissingDependencyError(
            "Patterns need the package regex, which can stop a match that takes too long.",
            where="regex",
            next_step="pip install regex",
        ) from error
    if _size(source) > _MAX_SIZE:
        raise InvalidInputError(
            f"The counted repetitions of {source[:80]!r} multiply to more than the memory can "
            "hold.",
            where="regex",
            next_step="Write + or * instead of large counts.",
        )
    try:
        return regex.compile(composed(source), regex.IGNORECASE if ignore_case else 0)
    except (regex.error, RecursionError, OverflowError) as error:
        raise InvalidInputError(
            f"{source[:80]!r} is no regular expression: {error}.",
            where="regex",
            next_step='Escape what is meant literally (\\.), or use the operator "contains".',
        ) from None


def _size(source: str) -> int:
    """An upper bound of the compiled size, as if every count applied to the whole pattern."""
    size = len(source)
    for inside in _COUNT.findall(source):
        # All digits, whatever stands between them: a verbose pattern may have comments there.
        digits = "".join(c for c in inside if c.isdigit())
        size *= max(1, int(digits)) if len(digits) < 10 else _MAX_SIZE
        if size > _MAX_SIZE:
            break
    return size
