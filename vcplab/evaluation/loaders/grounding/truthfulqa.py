"""TruthfulQA (Lin et al. 2022): questions that invite misconceptions, with true and false answers.

A table: Type, Category, Question, Best Answer, Correct Answers, Incorrect Answers (separated by
semicolons), Source.
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
from vcplab.protocol.grounding import Sample

__all__ = ["load_truthfulqa"]


def load_truthfulqa(path: str | Path, *, strict: bool = False) -> GroundingData:
    """Read TruthfulQA: one sample per answer; there is no context.

    Negation gives it away: "has no negation" alone has an AUROC of .66 (facts/hallucination §7).

    Args:
        path: ``TruthfulQA.csv``, or a folder that holds it.
        strict: Whether another count than the published one stops the reading.

    Raises:
        NotFoundError: There is no such folder or file.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    file = place_of(path, "TruthfulQA.csv", "data/v*/TruthfulQA.csv", "*.csv")[0]
    notes = Notes(strict=strict)
    samples = []
    records = read_records(file)
    for record in records:
        question = record.text("Question")
        seen: set[str] = set()
        columns = (
            (record.text("Best Answer", default=""), False),
            (record.text("Correct Answers"), False),
            (record.text("Incorrect Answers"), True),
        )
        for column, label in columns:
            for answer in (part.strip() for part in column.split(";")):
                if not answer or answer in seen:
                    continue
                seen.add(answer)
                samples.append(
                    Sample(
                        id=f"truthfulqa-{record.line}-{len(seen)}",
                        response=answer,
                        question=question,
                        label=label,
                        spans=None if label else (),
                        group=group_of(question),
                        language="en",
                        meta={
                            "category": record.text("Category", default=""),
                            "kind": record.text("Type", default=""),
                        },
                    )
                )
    return finish(
        samples,
        notes,
        "truthfulqa",
        path,
        licence="Apache-2.0",
        citation="Lin et al. 2022, TruthfulQA",
        counts={"samples": len(samples), "questions": len(records)},
        published={"questions": 817},
        remarks=["Negation words give true answers away."],
    )
