"""Data sets to evaluate on: bundled ones by name, folders by path, frames, tables.

For retrieval::

    data = vl.datasets.load("diaries")
    data = vl.datasets.load("path/to/scifact", split="train")

For detecting hallucinations::

    data = vl.datasets.load("hallucinations")
    data = vl.datasets.load_grounding("path/to/RAGTruth/dataset", "ragtruth", split="test")
    data = vl.datasets.from_records("answers.csv", {"response": "answer", "context": "source"})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation.data import RetrievalData
from vcplab.evaluation.samples import GroundingData

if TYPE_CHECKING:
    from vcplab.evaluation.loaders.common import RawSet

__all__ = [
    "GroundingData",
    "RetrievalData",
    "available",
    "datasets_dir",
    "from_frames",
    "from_records",
    "from_trec",
    "load",
    "load_grounding",
]

_LAYOUTS = (
    "a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv (BEIR); "
    "with dailynote/, queries.jsonl and qrels/*.tsv (diaries); "
    "with documents.*, topics* and qrels* (TREC; qrels.dev.txt and the like are splits); "
    "or with data.jsonl and dataset.json (pairs of responses)"
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
    """Names that :func:`load` knows: bundled sets and those in ``settings.data_dir``."""
    names = {
        path.name
        for folder in _folders()
        if folder.is_dir()
        for path in folder.iterdir()
        if path.is_dir() and _is_set(path)
    }
    return tuple(sorted(names))


def load(name_or_path: str | Path, split: str | None = None) -> Any:
    """Load a data set.

    Args:
        name_or_path: A name out of :func:`available`, or the path of a folder.
        split: The part to take; "test" where there is one by default, "all" for everything.

    Returns:
        :class:`RetrievalData`, or :class:`GroundingData` for samples of responses; rows that could
        not be read are in its ``report``.

    Raises:
        NotFoundError: There is no such set or split; the message lists what there is.
        InvalidDataError: The files hold no documents, queries or judgements.
    """
    from vcplab.evaluation.loaders.grounding.pairs import is_pairs, load_pairs

    path = _find(name_or_path)
    if is_pairs(path):
        pairs = replace(load_pairs(path), source=str(name_or_path))
        if split is None:
            split = "test" if "test" in pairs.splits else "all"
        return pairs.split_named(split)
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


def load_grounding(path: str | Path, format: str, **options: Any) -> GroundingData:
    """Load a published set of hallucinations from the user's copy; none is shipped.

    Args:
        path: Its folder or file.
        format: summedits, wice, wice_spans, halueval, ragtruth, faithbench, begin, qags, cliff,
            goyal21, truthfulqa, halluqa, tofueval; or pairs, records.
        **options: Those of the format's reader in :mod:`vcplab.evaluation.loaders.grounding`, such
            as ``split`` and ``strict``.

    Raises:
        NotFoundError: There is no such format, folder, file or split.
        InvalidDataError: A file is not in its format; the error names file and line.
        InvalidInputError: The reader has no such option.
    """
    from inspect import signature

    from vcplab.evaluation.loaders.grounding import FORMATS

    reader: Any = FORMATS.get(str(format).lower().replace("-", "_"))
    if reader is None:
        raise NotFoundError(
            f"There is no format {format!r}.",
            where="format",
            next_step=f"Formats: {', '.join(FORMATS)}.",
        )
    known = [name for name in signature(reader).parameters if name != "path"]
    for name in options:
        if name not in known:
            raise InvalidInputError(
                f"The reader of {format} has no option {name!r}.",
                where=name,
                next_step=f"Its options: {', '.join(known)}.",
            )
    data: GroundingData = reader(path, **options)
    return data


def from_records(
    path: str | Path, mapping: Mapping[str, Any] | None = None, **options: Any
) -> GroundingData:
    """Samples of responses from a table of the user's: JSON lines, a JSON array, CSV or TSV.

    Args:
        path: The file.
        mapping: Field of a sample → column; see
            :func:`vcplab.evaluation.loaders.grounding.records.from_records`, also for the errors.
        **options: Its other options: positive, types, name, licence, language, split, strict.
    """
    return load_grounding(path, "records", mapping=mapping, **options)


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
            if _is_set(folder / name_or_path):
                return folder / name_or_path
    if path.is_dir():
        return path
    known = ", ".join(available()) or "none here"
    raise NotFoundError(
        f"There is no data set {str(name_or_path)!r}.",
        where="datasets.load",
        next_step=f"Bundled: {known}. Or give {_LAYOUTS}.",
    )


def _is_set(folder: Path) -> bool:
    from vcplab.evaluation.loaders.grounding.pairs import is_pairs

    return is_pairs(folder) or _reader(folder) is not None


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
