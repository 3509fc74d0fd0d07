"""SummEdits (Laban et al. 2023): summaries that were edited, consistent or not, in ten domains.

One JSON array per domain; objects with doc, summary, label (1 = consistent), original_summary and
edit_types. Published: 4,681 summaries of 162 documents in the 8 domains whose documents are
released.
"""

from __future__ import annotations

from pathlib import Path

from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    finish,
    group_of,
    place_of,
    read_records,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import HallucinationType, Sample

__all__ = ["load_summedits"]

# facts/hallucination §5.
_TYPES: dict[str, HallucinationType] = {
    "entity_modification": "factual",
    "antonym_swap": "logical",
    "negation_insertion_removal": "logical",
    "hallucinated_fact_insertion": "confabulation",
}
_PUBLISHED = {"samples": 4681, "documents": 162, "domains": 8}


def load_summedits(
    path: str | Path, *, split: str | None = None, strict: bool = False
) -> GroundingData:
    """Read SummEdits.

    The group of a sample is its document; ``domain`` is a column, so ``data.leave_out("domain")``
    gives the published leave-one-domain-out parts. The correction of a hallucinated summary is the
    seed summary that was edited.

    Args:
        path: The folder with one file per domain, or one of them.
        split: ``test`` or ``evaluation``, as the files say; all if None.
        strict: Whether counts other than the published ones stop the reading.

    Raises:
        NotFoundError: There is no such folder, file or split.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    notes = Notes(strict=strict)
    samples: list[Sample] = []
    documents: set[str] = set()
    files = place_of(path, "*.json", files="*.json, one per domain")
    for file in files:
        for record in read_records(file):
            doc, label = record.text("doc"), record.get("label")
            if label not in (0, 1):
                raise record.wrong(f"has the label {label!r}; it is 1 (consistent) or 0")
            edits = record.get("edit_types", default=[])
            if not isinstance(edits, list):
                raise record.wrong("has edit_types that are no list")
            group = group_of(file.stem, doc)
            documents.add(group)
            seed = record.text("original_summary", default="")
            summary = record.text("summary")
            meta: dict[str, object] = {
                "domain": file.stem,
                "edit_types": edits,
                "edits": " + ".join(sorted(edits)),
            }
            if label == 0:
                meta["types"] = sorted({_TYPES[edit] for edit in edits if edit in _TYPES})
            samples.append(
                Sample(
                    id=f"{file.stem}-{record.text('id', default=str(record.line))}",
                    response=summary,
                    context=(doc,),
                    label=label == 0,
                    spans=() if label == 1 else None,
                    correction=seed if label == 0 and seed and seed != summary else None,
                    split=record.text("split", default=""),
                    group=group,
                    language="en",
                    meta=meta,
                )
            )
    whole = len(files) > 1
    return finish(
        samples,
        notes,
        "summedits",
        path,
        licence="Apache-2.0",
        citation="Laban et al. 2023, SummEdits",
        counts={"samples": len(samples), "documents": len(documents), "domains": len(files)},
        published=_PUBLISHED if whole else None,
        split=split,
    )
