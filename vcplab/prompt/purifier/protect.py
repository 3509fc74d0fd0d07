"""What may not be changed in a text: code, blocks of the VCP protocol, diary brackets.

The blocks follow the readers of the protocol (facts/vcp-protocol §1.1 and §1.4), the fences
CommonMark. What looks like an opening mark and is never closed protects nothing, except a fence,
which then reaches to the end of the text.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from vcplab.prompt.purifier._text import INVISIBLE, LINE, LINE_ENDS, SPACES

__all__ = ["FENCE_START", "Kind", "Protected", "free_ranges", "protected_spans"]

Kind = Literal["fence", "code", "block", "bracket"]


class Protected(NamedTuple):
    """A piece that stays as it is.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character.
        kind: A ``"fence"``, inline ``"code"``, a ``"block"`` of the protocol, or a diary or
            placeholder ``"bracket"``. Pieces that overlap are one, of the first one's kind.
    """

    start: int
    end: int
    kind: Kind


_BLANK: Final = SPACES + INVISIBLE
_PREFIX: Final = rf"(?:[{_BLANK}>]|[-*+][{_BLANK}])*+"
#: What a line begins with that opens a fence.
FENCE_START: Final = re.compile(rf"{_PREFIX}(`{{3,}}+|~{{3,}}+)")
_FENCE_END: Final = re.compile(rf"[{_BLANK}>]*+(`{{3,}}+|~{{3,}}+)[{_BLANK}]*+$")
_TICKS: Final = re.compile("`+")

_MARKS: Final = re.compile(
    r"""
      (?P<request><{2,4}\[TOOL_REQUEST\]>{2,4})
    | (?P<end_request><{2,4}\[END_TOOL_REQUEST\]>{2,4})
    | (?P<result><<<\[TOOL_RESULT\]>>>)
    | (?P<end_result><<<\[(?:/|END_)TOOL_RESULT\]>>>)
    | (?P<note><<<DailyNoteStart>>>)
    | (?P<end_note><<<DailyNoteEnd>>>)
    | (?P<summary>\[\[VCP调用结果信息汇总:)
    | (?P<end_summary>VCP调用结果结束\]\])
    | (?P<opaque>[「{]始ESCAPE[」}])
    | (?P<end_opaque>[「{]末ESCAPE[」}])
    | (?P<value>「始[^\r\n「」{}]{0,20}」)
    | (?P<end_value>「末[^\r\n「」{}]{0,20}」)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SINGLE: Final = re.compile(
    rf"""
      <<<\[(?:END_)?ROLE_DIVIDE_[A-Z]{{1,12}}\]>>>
    | <!--[ ]VCP_[^<>{LINE_ENDS}]{{0,2000}}-->
    | \{{\{{[^{{}}{LINE_ENDS}]{{1,200}}\}}\}}
    | \[\[[^\[\]{LINE_ENDS}]{{1,200}}\]\]
    | 《《[^《》{LINE_ENDS}]{{1,200}}》》
    | (?<!<)<<[^<>{LINE_ENDS}]{{1,200}}>>(?!>)
    """,
    re.VERBOSE,
)
_PAYLOAD: Final = re.compile(r"<!-- VCP_TOOL_PAYLOAD -->\s*+(?=[\[{])")
_JSON: Final = json.JSONDecoder()


def protected_spans(text: str, *, code: bool = True) -> list[Protected]:
    """Find what stays as it is.

    Args:
        text: Any text.
        code: Whether code counts; blocks and brackets always do.

    Returns:
        Pieces in order that neither overlap nor touch the same character.
    """
    found = [*_blocks(text), *_payloads(text)]
    if code:
        found += _fences(text, _merged(found))
        found += _inline(text, _merged(found))
    found += (Protected(*match.span(), "bracket") for match in _SINGLE.finditer(text))
    return _merged(found)


def free_ranges(text: str, protected: Sequence[Protected]) -> Iterator[tuple[int, int]]:
    """The pieces between the protected ones, in order, none of them empty."""
    at = 0
    for span in protected:
        if at < span.start:
            yield at, span.start
        at = span.end
    if at < len(text):
        yield at, len(text)


def _merged(found: list[Protected]) -> list[Protected]:
    merged: list[Protected] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Protected(last.start, max(last.end, span.end), last.kind)
        else:
            merged.append(span)
    return merged


def _blocks(text: str) -> Iterator[Protected]:
    marks = [(match.lastgroup or "", *match.span()) for match in _MARKS.finditer(text)]
    # For each mark, where the next mark of every kind stands: no walk is made twice.
    following: list[dict[str, int]] = [{} for _ in marks]
    seen: dict[str, int] = {}
    for place in range(len(marks) - 1, -1, -1):
        following[place] = dict(seen)
        seen[marks[place][0]] = place
    place = dead = 0
    while place < len(marks):
        name, start, _ = marks[place]
        closing: int | None = None
        if not name.startswith("end_"):
            closing = following[place].get(f"end_{name}")
            if name == "request" and place < dead:
                closing = None
            elif name == "request":
                closing, dead = _end_of_request(place, following, dead)
        if closing is None:
            place += 1
        else:
            yield Protected(start, marks[closing][2], "block")
            place = closing + 1


def _end_of_request(
    place: int, following: list[dict[str, int]], dead: int
) -> tuple[int | None, int]:
    """The mark that closes a request, and before which mark no other request is closed."""
    at = place
    while True:
        closing = following[at].get("end_request")
        opaque = following[at].get("opaque")
        if closing is None or opaque is None or closing < opaque:
            return closing, dead
        unwrapped = following[opaque].get("end_opaque")
        if unwrapped is None:
            return None, opaque
        at = unwrapped


def _payloads(text: str) -> Iterator[Protected]:
    at = 0
    while (match := _PAYLOAD.search(text, at)) is not None:
        at = match.end()
        try:
            _, end = _JSON.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        yield Protected(match.start(), end, "block")
        at = end


def _lines(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for match in LINE.finditer(text):
        yield at, match.start()
        at = match.end()
    yield at, len(text)


def _fences(text: str, blocks: list[Protected]) -> Iterator[Protected]:
    if "```" not in text and "~~~" not in text:
        return
    begun: tuple[int, str] | None = None
    for start, end in _lines(text):
        if begun is None:
            match = FENCE_START.match(text, start, end)
            if match is None or _inside(blocks, match.start(1)):
                continue
            if match[1][0] == "`" and "`" in text[match.end() : end]:
                continue
            begun = start, match[1]
        else:
            match = _FENCE_END.match(text, start, end)
            if match is not None and match[1].startswith(begun[1]):
                yield Protected(begun[0], end, "fence")
                begun = None
    if begun is not None:
        yield Protected(begun[0], len(text), "fence")


def _inside(spans: list[Protected], at: int) -> bool:
    place = bisect_right(spans, at, key=lambda span: span.start) - 1
    return place >= 0 and at < spans[place].end


def _inline(text: str, others: list[Protected]) -> Iterator[Protected]:
    """Inline code: from a run of backticks to the next one as long, on the same line."""
    if "`" not in text:
        return
    for first, last in free_ranges(text, others):
        for start, end in _lines(text[first:last]):
            runs = [m.span() for m in _TICKS.finditer(text, first + start, first + end)]
            following: list[int | None] = [None] * len(runs)
            seen: dict[int, int] = {}
            for place in range(len(runs) - 1, -1, -1):
                length = runs[place][1] - runs[place][0]
                following[place] = seen.get(length)
                seen[length] = place
            place = 0
            while place < len(runs):
                closing = following[place]
                if closing is not None:
                    yield Protected(runs[place][0], runs[closing][1], "code")
                    place = closing
                place += 1
