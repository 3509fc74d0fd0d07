"""TREC files: documents (JSONL or TSV), topics (TSV or ``<top>`` blocks), qrels (four columns)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vcplab.core.errors import InvalidDataError, NotFoundError
from vcplab.evaluation.loaders.beir import documents_of
from vcplab.evaluation.loaders.common import (
    Problems,
    RawSet,
    open_text,
    qrels_frame,
    queries_frame,
    read_qrels,
)
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document

__all__ = ["is_trec", "load_trec", "load_trec_files"]

_TOP = re.compile(r"<top>(.*?)</top>", re.DOTALL | re.IGNORECASE)
_FIELD = re.compile(r"<(\w+)>\s*(?:Number:|Topic:)?([^<]*)", re.IGNORECASE)
_PATTERNS = {
    "documents": ("documents.*", "docs.*", "collection.*"),
    "topics": ("topics*", "queries.tsv", "queries.txt"),
    "qrels": ("qrels*",),
}


def _find(folder: Path, what: str) -> Path | None:
    for pattern in _PATTERNS[what]:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                return path
    return None


def is_trec(folder: Path) -> bool:
    """Whether the folder has documents, topics and qrels under their usual names."""
    return all(_find(folder, what) for what in _PATTERNS)


def load_trec(folder: Path) -> RawSet:
    """Read a folder with ``documents.*``, ``topics*`` and ``qrels*``.

    Args:
        folder: The folder.

    Raises:
        InvalidDataError: A file holds nothing that can be read.
    """
    found = {what: _find(folder, what) for what in _PATTERNS}
    documents, topics, qrels = found["documents"], found["topics"], found["qrels"]
    assert documents is not None
    assert topics is not None
    assert qrels is not None
    return load_trec_files(documents, topics, qrels, folder.name)


def load_trec_files(documents: Path, topics: Path, qrels: Path, name: str) -> RawSet:
    """Read three files.

    Args:
        documents: JSONL (``_id``, ``title``, ``text``) or TSV (id, text), packed or not.
        topics: TSV (id, text) or TREC ``<top>`` blocks, of which number and title are taken.
        qrels: qid, unused, docno, label.
        name: What results call the set.

    Raises:
        NotFoundError: A file does not exist.
        InvalidDataError: A file holds nothing that can be read.
    """
    for path in (documents, topics, qrels):
        if not path.is_file():
            raise NotFoundError(
                f"There is no file {str(path)!r}.",
                where="TREC files",
                next_step="Give the paths of documents, topics and qrels.",
            )
    problems = Problems()
    plain = documents.name.removesuffix(".gz")
    read = (
        documents_of(documents, problems)
        if plain.endswith((".jsonl", ".json"))
        else list(_tsv_documents(documents, problems))
    )
    queries = queries_frame(_topics(topics, problems), topics.name, problems)
    if not read or queries.empty:
        raise InvalidDataError(
            "There is no document." if not read else "There is no topic.",
            where=str(documents if not read else topics),
            next_step="Documents: JSONL or id<tab>text. Topics: id<tab>text or <top> blocks.",
        )
    rows = read_qrels(qrels, problems)
    corpus = Corpus.from_documents(read, name=name)
    return RawSet(name, corpus, queries, qrels_frame(rows), problems)


def _pairs(path: Path, problems: Problems) -> Iterator[tuple[int, str, str]]:
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            id, tab, text = line.rstrip("\r\n").partition("\t")
            if tab and id.strip() and text.strip():
                yield number, id.strip(), text.strip()
            else:
                problems.add(path.name, number, id.strip()[:80], "not id<tab>text")


def _tsv_documents(path: Path, problems: Problems) -> Iterator[Document]:
    seen: set[str] = set()
    for number, docno, text in _pairs(path, problems):
        if docno in seen:
            problems.add(path.name, number, docno, "a second document with this id; first kept")
        else:
            seen.add(docno)
            yield Document(docno, text)


def _topics(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_text(path) as file:
        content = file.read()
    if "<top>" not in content.lower():
        for number, qid, text in _pairs(path, problems):
            yield number, {"qid": qid, "query": text}
        return
    for match in _TOP.finditer(content):
        fields = {name.lower(): text for name, text in _FIELD.findall(match[1])}
        number = content.count("\n", 0, match.start()) + 1
        yield (
            number,
            {
                "qid": " ".join(fields.get("num", "").split()),
                "query": " ".join(fields.get("title", "").split()),
            },
        )
