"""Data sets to evaluate on: bundled ones by name, BEIR, TREC and diary folders by path, frames.

data = vl.datasets.load("diaries")
data = vl.datasets.load("path/to/scifact", split="train")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vcplab.core.errors import InvalidDataError, NotFoundError
from vcplab.evaluation.data import RetrievalData

if TYPE_CHECKING:
    from vcplab.evaluation.loaders.common import RawSet

__all__ = ["RetrievalData", "available", "datasets_dir", "from_frames", "from_trec", "load"]

_LAYOUTS = (
    "a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv (BEIR); "
    "with dailynote/, queries.jsonl and qrels/*.tsv (diaries); "
    "or with documents.*, topics* and qrels* (TREC; qrels.dev.txt and the like are splits)"
)


def datasets_dir() -> Path:
    """The folder of the bundled data sets: the source checkout's, or the installed package's.

    Raises:
        NotFoundError: The installation has none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "datasets", package / "_bundled" / "datasets"):
        if any(folder.glob("*/dataset.json")):
            return folder
    raise NotFoundError(
        "This installation has no bundled data sets.",
        where=str(package),
        next_step="Reinstall vcplab, or load a data set by its path.",
    )


def _folders() -> list[Path]:
    from vcplab.core.settings import get_settings

    own = get_settings().data_dir
    folders = [Path(own).expanduser()] if own is not None else []
    try:
        folders.append(datasets_dir())
    except NotFoundError:
        return folders
    return folders


def available() -> tuple[str, ...]:
    """Names that :func:`load` knows: bundled retrieval sets and those in ``settings.data_dir``."""
    names = {
        path.name
        for folder in _folders()
        if folder.is_dir()
        for path in folder.iterdir()
        if path.is_dir() and _reader(path) is not None
    }
    return tuple(sorted(names))


def load(name_or_path: str | Path, split: str | None = None) -> RetrievalData:
    """Load a data set.

    Args:
        name_or_path: A name out of :func:`available`, or the path of a folder.
        split: The part to take; "test" where there is one by default, "all" for everything.

    Returns:
        The data; rows that could not be read are in its ``report``.

    Raises:
        NotFoundError: There is no such set or split; the message lists what there is.
        InvalidDataError: The files hold no documents, queries or judgements.
    """
    path = _find(name_or_path)
    reader = _reader(path)
    if reader is None:
        raise NotFoundError(
            f"{str(path)!r} is not a data set.",
            where=str(name_or_path),
            next_step=f"A data set is {_LAYOUTS}.",
        )
    from vcplab.evaluation.loaders.dailynote import read_card

    raw = reader(path)
    raw.card = read_card(path)
    return replace(_finish(raw, split), source=str(name_or_path))


def from_frames(
    documents: Any,
    queries: pd.DataFrame,
    qrels: pd.DataFrame,
    name: str = "frames",
    *,
    split: str | None = None,
    **card: Any,
) -> RetrievalData:
    """A data set out of frames.

    Args:
        documents: A ``Corpus``, a list of ``Document``, or a frame with docno (or id), text and
            optional columns.
        queries: qid, query and any columns.
        qrels: qid, docno, label; ``split`` if there are several.
        name: What results call it.
        split: The part to take.
        **card: Facts such as version, licence, languages.

    Raises:
        InvalidInputError: A column is missing, or something is no document.
        InvalidDataError: There is no query.
    """
    from vcplab.evaluation.loaders.frames import load_frames

    return _finish(load_frames(documents, queries, qrels, name, card), split)


def from_trec(
    documents: str | Path,
    topics: str | Path,
    qrels: str | Path,
    name: str | None = None,
    **card: Any,
) -> RetrievalData:
    """A data set out of three TREC files.

    Args:
        documents: JSONL (_id, title, text) or TSV (id, text).
        topics: TSV (id, text) or ``<top>`` blocks.
        qrels: qid, unused, docno, label.
        name: What results call it; the documents' file name by default.
        **card: Facts such as version, licence, languages.

    Raises:
        NotFoundError: A file does not exist.
        InvalidDataError: A file holds nothing that can be read.
    """
    from vcplab.evaluation.loaders.trec import load_trec_files

    paths = [Path(path).expanduser() for path in (documents, topics, qrels)]
    raw = load_trec_files(paths[0], paths[1], paths[2], name or paths[0].name.partition(".")[0])
    raw.card = card
    return _finish(raw, None)


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path).expanduser()
    if isinstance(name_or_path, str) and path.name == name_or_path:
        for folder in _folders():
            if _reader(folder / name_or_path) is not None:
                return folder / name_or_path
    if path.is_dir():
        return path
    known = ", ".join(available()) or "none here"
    raise NotFoundError(
        f"There is no data set {str(name_or_path)!r}.",
        where="datasets.load",
        next_step=f"Bundled: {known}. Or give {_LAYOUTS}.",
    )


def _reader(folder: Path) -> Callable[[Path], RawSet] | None:
    if not folder.is_dir():
        return None
    from vcplab.evaluation.loaders import beir, dailynote, trec

    if dailynote.is_dailynote(folder):
        return dailynote.load_dailynote
    if beir.is_beir(folder):
        return beir.load_beir
    return trec.load_trec if trec.is_trec(folder) else None


def _finish(raw: RawSet, split: str | None) -> RetrievalData:
    """Check references between the parts, then choose the split."""
    if raw.queries.empty:
        raise InvalidDataError(
            f"{raw.name} has no queries.", where=raw.name, next_step=f"A data set is {_LAYOUTS}."
        )
    known = set(raw.queries["qid"])
    for qid, count in raw.qrels.loc[~raw.qrels["qid"].isin(known), "qid"].value_counts().items():
        raw.problems.add(
            "qrels", 0, str(qid), f"{count} judgement(s) of an unknown query: left out"
        )
    qrels = raw.qrels[raw.qrels["qid"].isin(known)].reset_index(drop=True)
    for docno, count in qrels["docno"].value_counts().items():
        if docno not in raw.corpus:
            # Kept, as trec_eval does: leaving them out would raise every recall silently.
            raw.problems.add("qrels", 0, str(docno), f"{count} judgement(s) of an unknown document")
    report = [raw.problems.to_frame()]
    unread = getattr(raw.corpus, "report", None)
    if unread is not None and len(unread):
        report.append(_corpus_problems(unread))
    card = dict(raw.card)
    languages = card.get("languages") or ()
    data = RetrievalData(
        name=str(card.get("name") or raw.name),
        corpus=raw.corpus,
        queries=raw.queries,
        qrels=qrels,
        version=str(card.get("version") or ""),
        licence=str(card.get("licence") or card.get("license") or ""),
        languages=(languages,) if isinstance(languages, str) else tuple(map(str, languages)),
        card=card,
        report=pd.concat(report, ignore_index=True) if len(report) > 1 else report[0],
        everything=(raw.queries, qrels),
    )
    if split is None:
        split = "test" if "test" in data.splits else "all"
    return data.split_named(split)


def _corpus_problems(unread: Any) -> pd.DataFrame:
    frame = unread if isinstance(unread, pd.DataFrame) else unread.to_frame()
    text = frame.astype("str").agg("; ".join, axis=1)
    return pd.DataFrame({"file": "corpus", "line": 0, "id": "", "problem": text.to_numpy()})
