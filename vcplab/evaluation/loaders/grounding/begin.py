"""BEGIN (Dziri et al. 2022): replies of dialogue systems, attributable to a piece of knowledge.

Tables with tabs, ``begin_{dev,test}_{wow,cmu,tc}.tsv``: model, data_source, knowledge, message,
response, begin_label (Fully attributable, Not fully attributable, Generic).
"""

from __future__ import annotations

from pathlib import Path

from vcplab.core.names import checked_choice
from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    group_of,
    place_of,
    read_records,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import Sample

__all__ = ["load_begin"]

_PUBLISHED = {"dev wow": 430, "test wow": 3607, "dev cmu": 416, "dev tc": 383}


def load_begin(
    path: str | Path,
    *,
    split: str | None = None,
    generic: str = "hallucinated",
    strict: bool = False,
) -> GroundingData:
    """Read BEGIN.

    The context is the knowledge, the history the message before; the group is the knowledge.

    Args:
        path: The repository or one file.
        split: ``dev`` or ``test``; all if None.
        generic: What generic replies count as: ``hallucinated`` (not attributable), ``faithful``,
            or ``left out``.
        strict: Whether counts other than the published ones stop the reading.

    Raises:
        NotFoundError: There is no such folder, file or split.
        InvalidDataError: A record is not in the published format; the error names it.
        InvalidInputError: There is no such choice for generic replies.
    """
    choices = ("hallucinated", "faithful", "left out")
    checked_choice(generic, choices, "generic", f"Generic replies cannot be {generic!r}.")
    files = place_of(path, "begin_*.tsv", "*/begin_*.tsv")
    notes = Notes(strict=strict)
    samples: list[Sample] = []
    counts: dict[str, int] = {}
    named: list[str] = []
    for file in files:
        part = "test" if "test" in file.stem else "dev"
        what = f"{part} {file.stem.rsplit('_', 1)[-1]}"
        named.append(what)
        for record in read_records(file):
            sample = _sample(record, part, generic)
            counts[what] = counts.get(what, 0) + 1
            if sample is not None:
                samples.append(sample)
    return finish(
        samples,
        notes,
        "begin",
        path,
        licence="stated per source",
        citation="Dziri et al. 2022, BEGIN",
        counts={"samples": len(samples), **counts},
        published={what: n for what, n in _PUBLISHED.items() if what in named},
        remarks=[f"Generic replies: {generic}."],
        split=split,
    )


def _sample(record: Record, part: str, generic: str) -> Sample | None:
    said = record.text("begin_label", "label").strip().lower()
    source = record.text("data_source", default="") or Path(record.file).stem.rsplit("_", 1)[-1]
    if said.startswith("fully"):
        label = False
    elif said.startswith("not"):
        label = True
    elif said.startswith("generic"):
        label = generic == "hallucinated"
    else:
        raise record.wrong(f"has the label {said!r}, which is none of BEGIN's three")
    if said.startswith("generic") and generic == "left out":
        return None
    knowledge, message = record.text("knowledge"), record.text("message", default="")
    return Sample(
        id=f"{Path(record.file).stem}-{record.line}",
        response=record.text("response"),
        context=(knowledge,) if knowledge.strip() else (),
        history=(message,) if message.strip() else (),
        label=label,
        spans=None if label else (),
        split=part,
        group=group_of(knowledge),
        language="en",
        meta={
            "source": source,
            "model": record.text("model", "model name", "model_name", default=""),
            "begin_label": said,
        },
    )
