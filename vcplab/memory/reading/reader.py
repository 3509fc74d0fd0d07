"""Reading folders and files: which reader a file gets, and what becomes of a broken one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path

from vcplab.core.errors import InvalidDataError, NotFoundError
from vcplab.memory.diary.format import is_diary, parse_diary
from vcplab.memory.document import Document
from vcplab.memory.reading.report import ReadReport
from vcplab.memory.reading.tables import read_csv, read_jsonl

__all__ = ["read_documents", "read_text"]

_TEXTS = {".txt", ".md", ".markdown"}
_TABLES = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv, ".tsv": read_csv}
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:[ \t]*(.*)")
_HEADING = re.compile(r"#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def read_documents(path: Path) -> tuple[list[Document], ReadReport]:
    """Read everything at a path.

    Args:
        path: A folder, read with everything below it but hidden files, or one file.

    Returns:
        Documents in the order of their paths, and what could not be read. In a folder a document's
        id is its path from there without the ending; where two files share that, they keep their
        endings.

    Raises:
        NotFoundError: There is nothing at the path.
    """
    report = ReadReport()
    if path.is_dir():
        found = sorted(
            (p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path))),
            key=lambda p: p.relative_to(path).as_posix(),
        )
        files = [p for p in found if p.suffix.lower() in _TEXTS or p.suffix.lower() in _TABLES]
        root = path
        if not files:
            report.note(
                str(path),
                None,
                f"No file ends in {', '.join(sorted({*_TEXTS, *_TABLES}))}.",
                "Give the folder that holds the texts.",
            )
    elif path.is_file():
        files, root = [path], path.parent
    else:
        raise NotFoundError(
            f"There is nothing at {path}.",
            where="Corpus.read",
            next_step="Give an existing folder or file; relative paths count from "
            "the working directory.",
        )
    stems = [p.relative_to(root).with_suffix("").as_posix() for p in files]
    documents: list[Document] = []
    for file, stem in zip(files, stems, strict=True):
        shown = file.relative_to(root).as_posix()
        reader = _TABLES.get(file.suffix.lower())
        text = read_text(file, shown, report)
        if text is None:
            continue
        if reader is not None:
            documents.extend(reader(text, shown, report))
        else:
            docno = shown if stems.count(stem) > 1 else stem
            documents.extend(_read_one(text, docno, file.name, shown, report))
    return _without_doubles(documents, report), report


def read_text(file: Path, shown: str, report: ReadReport) -> str | None:
    """A file's text, UTF-8 or else GB18030 (Windows in Chinese); None if it is neither."""
    try:
        data = file.read_bytes()
    except OSError as error:
        report.note(
            shown, None, f"It cannot be opened: {error.strerror}.", "Check its permissions."
        )
        return None
    if b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        report.note(shown, None, "It is no text file.", "Remove it, or give it another ending.")
        return None
    encodings = (
        ["utf-16"] if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "gb18030"]
    )
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "gb18030":
            report.note(
                shown, None, "It was read as GB18030.", "Save it as UTF-8 if it looks wrong."
            )
        return text.replace("\r\n", "\n").replace("\r", "\n")
    report.note(shown, None, "Its bytes are neither UTF-8 nor GB18030.", "Save it as UTF-8.")
    return None


def _read_one(
    text: str, docno: str, file_name: str, shown: str, report: ReadReport
) -> Iterable[Document]:
    if not text.strip():
        report.note(shown, None, "It is empty.", "Nothing to do, unless text was lost.")
        return
    if is_diary(text):
        try:
            entry = parse_diary(text, file_name=file_name)
        except InvalidDataError as error:
            report.note(shown, 1, error.message, error.next_step or "")
            return
        parent = docno.rpartition("/")[0].rpartition("/")[2]
        metadata = {"author": entry.author, **({"notebook": parent} if parent else {})}
        yield Document(docno, entry.text, entry.tags, entry.time, metadata, shown)
        return
    yield _markdown(text, docno, shown, report)


def _markdown(text: str, docno: str, shown: str, report: ReadReport) -> Document:
    """Markdown or plain text; front matter gives title, tags, date and other metadata."""
    metadata: dict[str, object] = {}
    tags: tuple[str, ...] = ()
    when: datetime | None = None
    front = _FRONT_MATTER.match(text)
    if front:
        fields = _front_matter(front[1])
        tags = tuple(fields.pop("tags", []))
        for name in ("date", "created", "time"):
            if when is None and name in fields:
                when = _as_datetime(" ".join(fields.pop(name)), shown, report)
        metadata = {
            name: values[0] if len(values) == 1 else values for name, values in fields.items()
        }
        text = text[front.end() :]
    heading = _HEADING.search(text)
    if heading and "title" not in metadata:
        metadata["title"] = heading[1]
    return Document(docno, text.strip(), tags, when, metadata, shown)


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


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _without_doubles(documents: list[Document], report: ReadReport) -> list[Document]:
    kept: dict[str, Document] = {}
    for doc in documents:
        if doc.id in kept:
            report.note(
                doc.source or doc.id,
                None,
                f"The id {doc.id!r} is already taken; this one is left out.",
                "Give each document an id of its own.",
            )
        else:
            kept[doc.id] = doc
    return list(kept.values())
