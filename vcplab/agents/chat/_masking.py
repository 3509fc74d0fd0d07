"""The parts of a text in which nobody is addressed: code, links, quoted lines, tool requests."""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "masked"]

#: Stands for every character that was hidden; no part of any word.
HIDDEN = "\x00"

_REQUEST_START = "<<<[TOOL_REQUEST]>>>"
_REQUEST_END = re.compile(r"<<<\[(?:END_|/)TOOL_REQUEST\]>>>")
_FENCE = re.compile(r"^ {0,3}(`{3,}(?=[^`\n]*$)|~{3,})", re.MULTILINE)
_QUOTE_LINE = re.compile(r"^ {0,3}>.*$", re.MULTILINE)
_TICKS = re.compile(r"`+|\n[ \t]*\n")
_LINK = re.compile(
    r"(?:\b(?:https?|ftp|file|wss?)://|\bwww\.)[^\s<>\"'`，。；、！？：（）【】「」『』《》“”]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """A text of the same length in which what addresses nobody is hidden.

    Hidden are tool requests (to their end mark or, without one, to the end of the text), fenced
    code (CommonMark: an open fence reaches to the end), quoted lines, code spans within a
    paragraph, and links. The time grows in step with the length.

    Args:
        text: Any text.
    """
    if "<<<[" in text:
        text = _blank(text, _requests(text))
    if "```" in text or "~~~" in text:
        text = _blank(text, _fences(text))
    if ">" in text:
        text = _blank(text, [match.span() for match in _QUOTE_LINE.finditer(text)])
    if "`" in text:
        text = _blank(text, _spans(text))
    if "://" in text or "www." in text.lower():
        text = _blank(text, [match.span() for match in _LINK.finditer(text)])
    return text


def _blank(text: str, regions: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    done = 0
    for start, end in regions:
        parts += (text[done:start], HIDDEN * (end - start))
        done = end
    return "".join(parts) + text[done:] if parts else text


def _requests(text: str) -> list[tuple[int, int]]:
    regions: list[tuple[int, int]] = []
    start = text.find(_REQUEST_START)
    while start >= 0:
        end = _REQUEST_END.search(text, start)
        stop = end.end() if end else len(text)
        regions.append((start, stop))
        start = text.find(_REQUEST_START, stop)
    return regions


def _fences(text: str) -> list[tuple[int, int]]:
    regions: list[tuple[int, int]] = []
    opened: tuple[int, str] | None = None
    for match in _FENCE.finditer(text):
        mark = match[1]
        if opened is None:
            opened = (match.start(), mark)
            continue
        start, first = opened
        line_end = text.find("\n", match.end())
        line_end = len(text) if line_end < 0 else line_end
        # Only a bare fence of the same kind that is at least as long closes.
        bare = not text[match.end() : line_end].strip()
        if bare and mark[0] == first[0] and len(mark) >= len(first):
            regions.append((start, line_end))
            opened = None
    if opened is not None:
        regions.append((opened[0], len(text)))
    return regions


def _spans(text: str) -> list[tuple[int, int]]:
    """Code spans: a run of backticks to the next run of the same length in its paragraph."""
    runs: list[tuple[int, int, int]] = []  # start, end, number of the paragraph
    paragraph = 0
    for match in _TICKS.finditer(text):
        if match[0][0] == "`":
            runs.append((*match.span(), paragraph))
        else:
            paragraph += 1
    partner: list[int | None] = [None] * len(runs)
    latest: dict[tuple[int, int], int] = {}
    for index in range(len(runs) - 1, -1, -1):
        start, end, number = runs[index]
        key = (number, end - start)
        partner[index] = latest.get(key)
        latest[key] = index
    regions: list[tuple[int, int]] = []
    index = 0
    while index < len(runs):
        closing = partner[index]
        if closing is None:
            index += 1
        else:
            regions.append((runs[index][0], runs[closing][1]))
            index = closing + 1
    return regions
