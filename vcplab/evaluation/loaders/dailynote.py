"""The layout of the bundled diaries: upstream diary files with queries and judgements.

::

    dataset.json        name, version, license, languages, counts, "format": "vcp-dailynote"
    dailynote/<notebook>/<note>.txt
    queries.jsonl       _id, text, class, language, asked_at, split
    qrels/<split>.tsv   query-id, corpus-id (<notebook>/<note>), score
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vcplab.core.errors import InvalidDataError
from vcplab.evaluation.loaders.beir import find_packed, read_split_qrels
from vcplab.evaluation.loaders.common import (
    Problems,
    RawSet,
    qrels_frame,
    queries_frame,
    read_jsonl,
)
from vcplab.memory.corpus import Corpus

__all__ = ["is_dailynote", "load_dailynote", "read_card"]


def read_card(folder: Path) -> dict[str, Any]:
    """The facts of ``dataset.json``; empty where there is none.

    Args:
        folder: The data set's folder.

    Raises:
        InvalidDataError: The file is broken.
    """
    path = folder / "dataset.json"
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InvalidDataError(
            f"dataset.json is not JSON: {error}.",
            where=str(path),
            next_step="Mend it, or remove it if the folder has the BEIR or TREC layout.",
        ) from error
    if not isinstance(card, dict):
        raise InvalidDataError(
            "dataset.json is not an object.", where=str(path), next_step='Write {"name": …}.'
        )
    return card


def is_dailynote(folder: Path) -> bool:
    """Whether the folder has diaries with queries."""
    return (folder / "dailynote").is_dir() and find_packed(folder, "queries.jsonl") is not None


def load_dailynote(folder: Path) -> RawSet:
    """Read a folder of diaries with queries.

    Args:
        folder: The data set's folder.

    Raises:
        InvalidDataError: There are no judgements.
    """
    queries_file = find_packed(folder, "queries.jsonl")
    assert queries_file is not None
    problems = Problems()
    corpus = Corpus.read(folder / "dailynote", name=folder.name)
    queries = queries_frame(read_jsonl(queries_file, problems), queries_file.name, problems)
    qrels = read_split_qrels(folder / "qrels", problems)
    return RawSet(folder.name, corpus, queries, qrels_frame(qrels), problems)
