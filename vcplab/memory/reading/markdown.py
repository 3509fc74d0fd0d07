"""One Markdown or plain text file as a document: front matter, title, text."""

from __future__ import annotations

import re
from datetime import date, datetime, time

from vcplab.memory.document import Document
from vcplab.memory.reading.report import ReadReport

__all__ = ["read_markdown"]

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:[ \t]*(.*)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*)")
# A line of backticks that has more of them later on is inline code.
_FENCE = re.compile(r" {0,3}(`{3,}(?!.*`)|~{3,})")


def read_markdown(text: str, docno: str, shown: str, report: ReadReport) -> Document:
    r"""The document of a text file.

    Front matter gives title, tags, time and other metadata. Its title is searched with the text, as
    titles of tables are: it is put before the text, unless the text begins with it. Without one the
    first heading outside code is the title.

    Args:
        text: Its content, lines ending in ``\n``.
        docno: Its id.
        shown: What the report calls it.
        report: Takes what is wrong.
    """
    metadata: dict[str, object] = {}
    tags: tuple[str, ...] = ()
    when: datetime | None = None
    title = ""
    front = _FRONT_MATTER.match(text)
    if front:
        fields = _front_matter(front[1])
        tags = tuple(fields.pop("tags", []))
        title = ", ".join(fields.get("title", []))
        for name in ("date", "created", "time"):
            if when is None and name in fields:
                when = _as_datetime(" ".join(fields.pop(name)), shown, report)
        metadata = {
            name: values[0] if len(values) == 1 else values for name, values in fields.items()
        }
        text = text[front.end() :]
    text = text.strip()
    if title:
        metadata["title"] = title
        first = text.split("\n", 1)[0]
        if title.casefold() not in (first.strip().casefold(), _heading(first).casefold()):
            text = f"{title}\n\n{text}".rstrip()
    elif heading := _first_heading(text):
        metadata["title"] = heading
    return Document(docno, text, tags, when, metadata, shown)


def _first_heading(text: str) -> str:
    """The first heading that is not a comment in a block of code."""
    fence = ""
    for line in text.split("\n"):
        if fence:
            mark = line.strip()
            if mark.startswith(fence) and not mark.strip(fence[0]):
                fence = ""
        elif opened := _FENCE.match(line):
            fence = opened[1]
        elif heading := _heading(line):
            return heading
    return ""


def _heading(line: str) -> str:
    """The text of a heading line, without the signs that may close it."""
    match = _HEADING.fullmatch(line)
    if match is None:
        return ""
    title = match[1].strip()
    before, _, closing = title.rpartition(" ")
    return title if closing.strip("#") else before.strip()


def _front_matter(block: str) -> dict[str, list[str]]:
    """The part of YAML that note-taking programs write: pairs, ``[a, b]`` and dashed lists."""
    fields: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in block.split("\n"):
        item = line.strip()
        match = _FIELD.fullmatch(line)
        if match:
            value = match[2].strip()
            inner = value[1:-1] if value.startswith("[") and value.endswith("]") else None
            parts = value.split(",") if match[1].lower() == "tags" and inner is None else [value]
            if inner is not None:
                parts = inner.split(",")
            current = [p.strip().strip("'\"").lstrip("#") for p in parts]
            fields[match[1].lower()] = current = [p for p in current if p]
        elif item.startswith("- ") and current is not None:
            current.append(item[2:].strip().strip("'\"").lstrip("#"))
    return {name: values for name, values in fields.items() if values}


def _as_datetime(value: str, shown: str, report: ReadReport) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        try:
            return datetime.combine(date.fromisoformat(value.replace("/", "-")), time())
        except ValueError:
            report.note(shown, None, f"{value!r} is no date.", "Write YYYY-MM-DD.")
            return None
