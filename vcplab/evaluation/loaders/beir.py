"""The BEIR layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vcplab.core.errors import InvalidDataError
from vcplab.evaluation.loaders.common import (
    Problems,
    RawSet,
    qrels_frame,
    queries_frame,
    read_jsonl,
    read_splits,
    text_of,
)
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document

__all__ = ["documents_of", "find_packed", "is_beir", "load_beir", "read_split_qrels"]


def find_packed(folder: Path, name: str) -> Path | None:
    """``name`` in the folder, packed or not."""
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def is_beir(folder: Path) -> bool:
    """Whether the folder has BEIR's files."""
    return bool(find_packed(folder, "corpus.jsonl") and find_packed(folder, "queries.jsonl"))


def load_beir(folder: Path) -> RawSet:
    """Read a BEIR folder.

    The text of a document is its title and its text; the title is kept in the metadata.

    Args:
        folder: The folder.

    Raises:
        InvalidDataError: There are no documents, or no judgements.
    """
    corpus_file = find_packed(folder, "corpus.jsonl")
    queries_file = find_packed(folder, "queries.jsonl")
    assert corpus_file is not None
    assert queries_file is not None
    problems = Problems()
    documents = documents_of(corpus_file, problems)
    if not documents:
        raise InvalidDataError(
            "There is no document in the corpus.",
            where=str(corpus_file),
            next_step='Each line is {"_id": …, "title": …, "text": …}.',
        )
    queries = queries_frame(read_jsonl(queries_file, problems), queries_file.name, problems)
    qrels = read_split_qrels(folder / "qrels", problems)
    corpus = Corpus.from_documents(documents, name=folder.name)
    return RawSet(folder.name, corpus, queries, qrels_frame(qrels), problems)


def documents_of(path: Path, problems: Problems) -> list[Document]:
    """Documents of a JSONL file with _id (or id, docno), title, text; other fields are metadata.

    Args:
        path: The file.
        problems: Where bad lines go.
    """
    documents: dict[str, Document] = {}
    for number, record in read_jsonl(path, problems):
        docno = text_of(record, "_id", "id", "docno")
        title, text = text_of(record, "title").strip(), text_of(record, "text", "contents")
        if not docno or not (title or text.strip()):
            problems.add(path.name, number, docno, "a document without id or text")
        elif docno in documents:
            problems.add(path.name, number, docno, "a second document with this id; first kept")
        else:
            metadata: dict[str, Any] = {"title": title} if title else {}
            whole = f"{title} {text}" if title else text
            documents[docno] = Document(docno, whole, metadata=metadata)
    return list(documents.values())


def read_split_qrels(folder: Path, problems: Problems) -> list[tuple[str, str, int, str]]:
    """Judgements of all ``<split>.tsv`` (or .txt, .qrels) files of a folder, packed or not.

    Args:
        folder: The folder ``qrels``.
        problems: Where bad lines go.

    Raises:
        InvalidDataError: There is no such file, or one of them holds no judgement.
    """
    found = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    plain = {path: Path(path.name.removesuffix(".gz")) for path in found}
    files = {
        path: name.stem for path, name in plain.items() if name.suffix in {".tsv", ".txt", ".qrels"}
    }
    if not files:
        raise InvalidDataError(
            "There are no judgements.",
            where=str(folder),
            next_step="Put qrels/test.tsv there: query-id, corpus-id, score, separated by tabs.",
        )
    return read_splits(files, problems)
