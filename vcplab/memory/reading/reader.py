"""Reading folders and files: which reader a file gets, and what becomes of a broken one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vcplab.core.errors import InvalidDataError, NotFoundError
from vcplab.memory.diary.format import is_diary, parse_diary
from vcplab.memory.document import Document
from vcplab.memory.reading.decoding import decode
from vcplab.memory.reading.delimited import read_csv
from vcplab.memory.reading.markdown import read_markdown
from vcplab.memory.reading.report import ReadReport
from vcplab.memory.reading.tables import read_json, read_jsonl

__all__ = ["read_documents", "read_text"]

_TEXTS = {".txt", ".md", ".markdown"}
_TABLES = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv, ".tsv": read_csv}
# Read when it is named itself; in a folder a .json file is more often a setting than a memory.
_NAMED_TABLES = {**_TABLES, ".json": read_json}


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
                "Give the folder that holds the texts; a .json file has to be named itself.",
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
    taken = Counter(stems)
    documents: list[Document] = []
    for file, stem in zip(files, stems, strict=True):
        shown = file.relative_to(root).as_posix()
        reader = _NAMED_TABLES.get(file.suffix.lower())
        text = read_text(file, shown, report)
        if text is None:
            continue
        if not text.strip():
            report.note(shown, None, "It is empty.", "Nothing to do, unless text was lost.")
        elif reader is not None:
            documents.extend(reader(text, shown, report))
        else:
            docno = shown if taken[stem] > 1 else stem
            documents.extend(_read_one(text, docno, file.name, shown, report))
    return _without_doubles(documents, report), report


def read_text(file: Path, shown: str, report: ReadReport) -> str | None:
    """A file's text; None and a report row if it cannot be opened or is none."""
    try:
        data = file.read_bytes()
    except OSError as error:
        report.note(
            shown, None, f"It cannot be opened: {error.strerror}.", "Check its permissions."
        )
        return None
    return decode(data, shown, report)


def _read_one(
    text: str, docno: str, file_name: str, shown: str, report: ReadReport
) -> Iterable[Document]:
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
    yield read_markdown(text, docno, shown, report)


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
