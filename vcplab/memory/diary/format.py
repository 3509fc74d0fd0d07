"""Upstream's diary files (facts/vcp-memory §1): parse and write.

``dailynote/<notebook>/YYYY-MM-DD-HH_MM_SS[-name].txt``: line 1 ``[YYYY-MM-DD] - <author>``, then
text that starts with ``[HH:MM]``, at the end one or more lines ``Tag: a, b, c``. The order of tags
is kept: it is signal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from vcplab.core.errors import InvalidDataError

__all__ = ["DiaryEntry", "is_diary", "parse_diary", "write_diary"]

_HEADER = re.compile(r"\[?(\d{4})[-.](\d{2})[-.](\d{2})\]?(?:\s*-\s*(.*?))?\s*")
_CLOCK = re.compile(r"\s*\[(\d{1,2}):(\d{2})\]")
_FILE_CLOCK = re.compile(r"\d{4}-\d{2}-\d{2}-(\d{2})_(\d{2})_(\d{2})")
_TAG_LINE = re.compile(r"\s*tag\s*[:：]\s*(.*)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[,，、;；|｜]")
_DATE_LIKE = re.compile(r"\d{4}[-./年]\d{1,2}(?:[-./月]\d{1,2}日?)?月?|\d{1,2}月\d{1,2}日")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_MAX_TAGS = 50
_MAX_HAN_TAG, _MAX_OTHER_TAG = 20, 40


@dataclass(frozen=True, slots=True)
class DiaryEntry:
    """One diary entry.

    Attributes:
        time: Date of line 1; the clock is the text's ``[HH:MM]``, else the file name's, else
            midnight. Naive: the writer's wall clock.
        author: Who wrote it; empty if line 1 names nobody.
        text: The file's text without the trailing tag lines (what upstream embeds, less the tags).
        tags: In order, without doubles.
    """

    time: datetime
    author: str
    text: str
    tags: tuple[str, ...]


def is_diary(text: str) -> bool:
    """Whether a file's first line is a diary header."""
    return _HEADER.fullmatch(text.lstrip("\ufeff").split("\n", 1)[0].rstrip("\r")) is not None


def parse_diary(text: str, *, file_name: str = "") -> DiaryEntry:
    """Read a diary file.

    Args:
        text: Its content.
        file_name: Its name, for the clock where the text has none.

    Raises:
        InvalidDataError: Line 1 has no valid date.
    """
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    header = _HEADER.fullmatch(lines[0])
    if header is None:
        raise InvalidDataError(
            "Line 1 is no diary header.",
            where=file_name or None,
            next_step="Begin with a line such as “[2025-04-11] - 小克”.",
        )
    while lines and not lines[-1].strip():
        lines.pop()
    # Only consecutive tag lines at the very end count; one inside the text is text.
    first_tag_line = len(lines)
    while first_tag_line > 1 and _TAG_LINE.fullmatch(lines[first_tag_line - 1]):
        first_tag_line -= 1
    tags = _tags(lines[first_tag_line:])
    body = lines[1:first_tag_line]
    try:
        time = datetime(int(header[1]), int(header[2]), int(header[3]))
        clock = _CLOCK.match("\n".join(body))
        name = _FILE_CLOCK.match(file_name)
        if clock:
            time = time.replace(hour=int(clock[1]), minute=int(clock[2]))
        elif name:
            time = time.replace(hour=int(name[1]), minute=int(name[2]), second=int(name[3]))
    except ValueError as error:
        raise InvalidDataError(
            f"Line 1 or the clock names no real time: {error}.",
            where=file_name or None,
            next_step="Write [YYYY-MM-DD] and [HH:MM].",
        ) from error
    return DiaryEntry(
        time, (header[4] or "").strip(), "\n".join(lines[:first_tag_line]).rstrip(), tags
    )


def write_diary(entry: DiaryEntry) -> str:
    """The file content of an entry; parsing it gives the entry again.

    Args:
        entry: Its text must begin with its header line, as a parsed one does; if not, one is put
            before it.
    """
    text = entry.text.rstrip()
    if not is_diary(text):
        clock = "" if _CLOCK.match(text) else f"[{entry.time:%H:%M}] "
        text = f"[{entry.time:%Y-%m-%d}] - {entry.author}\n{clock}{text}"
    return f"{text}\nTag: {', '.join(entry.tags)}\n" if entry.tags else f"{text}\n"


def _tags(lines: list[str]) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for line in lines:
        match = _TAG_LINE.fullmatch(line)
        assert match is not None, "the caller passes tag lines only"
        for part in _SEPARATORS.split(match[1]):
            tag = part.strip().rstrip("。.").strip()
            limit = _MAX_HAN_TAG if _HAN.search(tag) else _MAX_OTHER_TAG
            if tag and len(tag) <= limit and not _DATE_LIKE.fullmatch(tag):
                tags.setdefault(tag)
    return tuple(tags)[:_MAX_TAGS]
