"""TREC files: documents (JSONL or TSV), topics (TSV or ``<top>`` blocks), qrels (four columns)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vcplab.core.errors import InvalidDataError, NotFoundError
from vcplab.evaluation.loaders.beir import documents_of
from vcplab.evaluation.loaders.common import (
    Problems,
    RawSet,
    qrels_frame,
    queries_frame,
    read_splits,
    read_text,
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


def _find(folder: Path, what: str) -> list[Path]:
    """Files of the first pattern that has some."""
    for pattern in _PATTERNS[what]:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if found:
            return found
    return []


def is_trec(folder: Path) -> bool:
    """Whether the folder has documents, topics and qrels under their usual names."""
    return all(_find(folder, what) for what in _PATTERNS)


def load_trec(folder: Path) -> RawSet:
    """Read a folder with ``documents.*``, ``topics*`` and ``qrels*``.

    Of several files with judgements, each is a split: ``qrels.dev.txt`` is "dev".

    Args:
        folder: The folder.

    Raises:
        InvalidDataError: A file holds nothing that can be read.
    """
    documents, *more = _find(folder, "documents")
    qrels = _find(folder, "qrels")
    splits = {path: _split_of(path) if len(qrels) > 1 else "" for path in qrels}
    problems = Problems()
    for path in more:
        problems.add(path.name, 0, "", f"not read: the documents are those of {documents.name}")
    return _load(documents, _find(folder, "topics"), splits, folder.name, problems)


def _split_of(path: Path) -> str:
    name = re.sub(r"\.(txt|tsv|qrels|trec)$", "", path.name.removesuffix(".gz"))
    return name.removeprefix("qrels").strip("._- ")


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
    return _load(documents, [topics], {qrels: ""}, name, Problems())


def _load(
    documents: Path,
    topics: Sequence[Path],
    qrels: Mapping[Path, str],
    name: str,
    problems: Problems,
) -> RawSet:
    plain = documents.name.removesuffix(".gz")
    read = (
        documents_of(documents, problems)
        if plain.endswith((".jsonl", ".json"))
        else list(_tsv_documents(documents, problems))
    )
    asked = (row for path in topics for row in _topics(path, problems))
    shown = ", ".join(path.name for path in topics)
    queries = queries_frame(asked, shown, problems)
    if not read or queries.empty:
        raise InvalidDataError(
            "There is no document." if not read else "There is no topic.",
            where=str(documents if not read else topics[0]),
            next_step="Documents: JSONL or id<tab>text. Topics: id<tab>text or <top> blocks.",
        )
    rows = read_splits(qrels, problems)
    corpus = Corpus.from_documents(read, name=name)
    return RawSet(name, corpus, queries, qrels_frame(rows), problems)


def _pairs(content: str, file: str, problems: Problems) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        id, tab, text = line.partition("\t")
        if tab and id.strip() and text.strip():
            yield number, id.strip(), text.strip()
        else:
            problems.add(file, number, id.strip()[:80], "not id<tab>text")


def _tsv_documents(path: Path, problems: Problems) -> Iterator[Document]:
    seen: set[str] = set()
    for number, docno, text in _pairs(read_text(path, problems) or "", path.name, problems):
        if docno in seen:
            problems.add(path.name, number, docno, "a second document with this id; first kept")
        else:
            seen.add(docno)
            yield Document(docno, text)


def _topics(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    content = read_text(path, problems) or ""
    if "<top>" not in content.lower():
        for number, qid, text in _pairs(content, path.name, problems):
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
