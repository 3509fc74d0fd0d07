"""HalluQA (Cheng et al. 2023): Chinese questions that invite hallucinations.

Each has right and wrong answers.

A JSON array: question_id, Category, Question, Best Answer1 … 4, Wrong_Answer1 … 4.
"""

from __future__ import annotations

import re
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

__all__ = ["load_halluqa"]

_RIGHT = re.compile(r"best[ _]answer[ _]?\d*", re.IGNORECASE)
_WRONG = re.compile(r"wrong[ _]answer[ _]?\d*", re.IGNORECASE)


def load_halluqa(path: str | Path, *, strict: bool = False) -> GroundingData:
    """Read HalluQA: one sample per answer, in Chinese; there is no context.

    Negation gives it away, as in TruthfulQA: AUROC .74 (facts/hallucination §7).

    Args:
        path: ``HalluQA.json``, or a folder that holds it.
        strict: Whether another count than the published one stops the reading.

    Raises:
        NotFoundError: There is no such folder or file.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    file = place_of(path, "HalluQA.json")[0]
    notes = Notes(strict=strict)
    samples = []
    records = read_records(file)
    for record in records:
        question = record.text("Question", "question")
        number = record.text("question_id", "id", default=str(record.line))
        seen: set[str] = set()
        for column, value in record.data.items():
            wrong = bool(_WRONG.fullmatch(column))
            if not wrong and not _RIGHT.fullmatch(column):
                continue
            answer = str(value or "").strip()
            if not answer or answer in seen:
                continue
            seen.add(answer)
            samples.append(
                Sample(
                    id=f"halluqa-{number}-{len(seen)}",
                    response=answer,
                    question=question.strip(),
                    label=wrong,
                    spans=None if wrong else (),
                    group=group_of(question),
                    language="zh",
                    meta={"category": record.text("Category", "category", default="")},
                )
            )
        if not seen:
            raise record.wrong("has neither 'Best Answer1' nor 'Wrong_Answer1'")
    return finish(
        samples,
        notes,
        "halluqa",
        path,
        licence="Apache-2.0",
        citation="Cheng et al. 2023, HalluQA",
        counts={"samples": len(samples), "questions": len(records)},
        published={"questions": 450},
        remarks=["Negation words give right answers away."],
    )
