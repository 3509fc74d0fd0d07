"""CLIFF (Cao and Wang 2021) and Goyal21 (Goyal and Durrett 2021), in AggreFact's files.

``error_type_mapping/CLIFF_error_types.csv`` and ``Goyal21_error_types.csv``: doc, summ, error_type
(a list), annotated_span (texts), cut (val or test); lists are written as Python or JSON writes
them.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    group_of,
    located,
    place_of,
    read_records,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import HallucinationType, Sample

__all__ = ["load_cliff", "load_goyal21"]

_CLEAN = ("", "nan", "none", "no error", "no_error", "noe", "correct", "[]")


def load_cliff(
    path: str | Path, *, split: str | None = None, strict: bool = False
) -> GroundingData:
    """Read CLIFF: 600 summaries, 300 for each split.

    Intrinsic errors become ``contextual``, extrinsic ones ``confabulation``; the group is the
    document, ``domain`` (cnndm, xsum) a column where the file names it.

    Args:
        path: ``CLIFF_error_types.csv``, or a folder that holds it.
        split: ``dev`` (the file's ``val``) or ``test``; all if None.
        strict: Whether another count than the published one, or a span that is not in its
            summary, stops the reading.

    Raises:
        NotFoundError: There is no such folder, file or split.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    return _load(path, "CLIFF", "Cao and Wang 2021, CLIFF", 600, split, strict)


def load_goyal21(
    path: str | Path, *, split: str | None = None, strict: bool = False
) -> GroundingData:
    """Read Goyal21: 150 summaries.

    Arguments and errors are those of :func:`load_cliff`; the file is ``Goyal21_error_types.csv``.
    """
    return _load(path, "Goyal21", "Goyal and Durrett 2021", 150, split, strict)


def _load(
    path: str | Path, name: str, citation: str, count: int, split: str | None, strict: bool
) -> GroundingData:
    file_name = f"{name}_error_types.csv"
    places = (file_name, f"error_type_mapping/{file_name}", f"data/error_type_mapping/{file_name}")
    file = place_of(path, *places)[0]
    notes = Notes(strict=strict)
    samples = [_sample(record, name.lower(), notes) for record in read_records(file)]
    return finish(
        samples,
        notes,
        name.lower(),
        path,
        licence="none stated",
        citation=f"{citation}; file of Tang et al. 2023, AggreFact",
        counts={"samples": len(samples)},
        published={"samples": count},
        split=split,
    )


def _listed(value: Any) -> list[str]:
    """The texts of a list that a cell holds: Python's or JSON's spelling, nested, or one text."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in ("[", "(", "{"):
            for read in (json.loads, ast.literal_eval):
                try:
                    return _listed(read(text))
                except (ValueError, SyntaxError, MemoryError, RecursionError):
                    continue
        return [text] if text else []
    if isinstance(value, dict):
        return _listed(list(value.values()))
    if isinstance(value, Iterable):
        return [text for one in value for text in _listed(one)]
    return [] if value is None else [str(value)]


def _type(raw: str) -> HallucinationType | None:
    said = raw.lower()
    if said.startswith("intrinsic"):
        return "contextual"
    return "confabulation" if said.startswith("extrinsic") else None


def _sample(record: Record, name: str, notes: Notes) -> Sample:
    doc = record.text("doc", "document", "article", "source")
    summary = record.text("summ", "summary")
    errors = [
        error
        for error in _listed(record.text("error_type", "error_types", "error type"))
        if error.strip().lower() not in _CLEAN
    ]
    texts = [
        text
        for text in _listed(record.text("annotated_span", "annotated_spans", "span", default=""))
        if text.strip().lower() not in _CLEAN
    ]
    id = f"{name}-{record.line}"
    # One type per span where they are as many, else the only one there is.
    if len(errors) == len(texts):
        raws = errors
    else:
        raws = [errors[0] if len(set(errors)) == 1 else ""] * len(texts)
    spans, lost = located(summary, [(t, _type(r), r) for t, r in zip(texts, raws, strict=True)])
    for text in lost:
        notes.add(record, id, f"a span is not in the summary: {text[:60]!r}")
    label = bool(errors or texts)
    cut = record.text("cut", "split", default="").lower()
    meta: dict[str, Any] = {
        "error_types": errors,
        "types": sorted({kind for error in errors if (kind := _type(error))}),
    }
    for key, names in (("domain", ("origin", "domain")), ("model", ("model_name", "model"))):
        said = record.text(*names, default="")
        if said:
            meta[key] = said
    if lost:
        meta["unlocated"] = lost
    return Sample(
        id=id,
        response=summary,
        context=(doc,),
        label=label,
        spans=spans if texts or not label else None,
        split={"val": "dev", "valid": "dev"}.get(cut, cut),
        group=group_of(doc),
        language="en",
        meta=meta,
    )
