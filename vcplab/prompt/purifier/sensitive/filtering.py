"""Finding sensitive data and putting a mark in its place."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from vcplab.core.errors import InvalidInputError, OperationTimeoutError
from vcplab.prompt.purifier.offsets import Edit
from vcplab.prompt.purifier.protect import Protected
from vcplab.prompt.purifier.sensitive.family import SensitiveFamily

__all__ = ["MARK", "compiled", "sensitive_edits"]

#: What stands in the place of sensitive data (facts/vcp-agents §5).
MARK: Final = "[FILTERED]"
#: Seconds that a pattern of one's own may take for a text.
LIMIT: Final = 1.0

_MARKS: Final = re.compile(re.escape(MARK))
# One character for one, so offsets stay.
_HALF_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SHARED_FLAGS: Final = (re.IGNORECASE, re.MULTILINE, re.DOTALL, re.VERBOSE, re.ASCII)


def sensitive_edits(
    text: str,
    protected: Sequence[Protected],
    families: Iterable[SensitiveFamily],
    patterns: Iterable[str | re.Pattern[str]] = (),
) -> tuple[list[Edit], int]:
    """Replace sensitive data by `MARK`.

    Args:
        text: The text.
        protected: What stays as it is, sensitive or not.
        families: What to look for.
        patterns: Regular expressions of one's own.

    Returns:
        The edits, and how many finds stay because they are in protected pieces.

    Raises:
        OperationTimeoutError: A pattern of one's own takes more than a second.
    """
    plain = text.translate(_HALF_WIDTH)
    found = [span for family in families for span in family.find(plain)]
    for pattern in patterns:
        found += _own(pattern, text)
    marks = {match.span() for match in _MARKS.finditer(text)}
    edits: list[Edit] = []
    ends = [span.end for span in protected]
    left = 0
    for start, end in _widened(found, marks):
        place = bisect_right(ends, start)
        if place < len(protected) and protected[place].start < end:
            left += 1
        else:
            edits.append(Edit(start, end, MARK))
    return edits, left


def _widened(
    found: list[tuple[int, int]], marks: set[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """The pieces, joined where they overlap, with the marks that they touch.

    A piece inside a mark is no find: a pattern that matches the mark itself would never end.
    """
    sizes = sorted([(*span, True) for span in found] + [(*span, False) for span in marks])
    begun: tuple[int, int, bool] | None = None
    for start, end, is_find in sizes:
        if begun is not None and start < begun[1]:
            begun = begun[0], max(end, begun[1]), begun[2] or is_find
            continue
        if begun is not None and begun[2] and begun[:2] not in marks:
            yield begun[:2]
        begun = start, end, is_find
    if begun is not None and begun[2] and begun[:2] not in marks:
        yield begun[:2]


@lru_cache(maxsize=256)
def compiled(pattern: str | re.Pattern[str]) -> Any:
    """A pattern of one's own, compiled so that it can be stopped.

    Raises:
        InvalidInputError: It is no regular expression.
    """
    import regex

    flags = 0
    source = pattern
    if isinstance(pattern, re.Pattern):
        source = pattern.pattern
        for flag in _SHARED_FLAGS:
            if pattern.flags & flag:
                flags |= int(getattr(regex, flag.name or ""))
    try:
        return regex.compile(source, flags)
    except (regex.error, RecursionError, OverflowError) as error:
        raise InvalidInputError(
            f"{str(source)[:80]!r} is no regular expression: {error}.",
            where="sensitive_patterns",
            next_step="escape what is meant literally (\\.)",
        ) from None


def _own(pattern: str | re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    try:
        for match in compiled(pattern).finditer(text, timeout=LIMIT):
            start, end = match.span()
            if start < end:
                yield start, end
    except TimeoutError:
        shown = pattern if isinstance(pattern, str) else pattern.pattern
        raise OperationTimeoutError(
            f"The pattern {shown[:80]!r} takes more than {LIMIT:g} s for this text.",
            where="sensitive_patterns",
            next_step="avoid repetitions inside repetitions, such as (a+)+",
        ) from None
