"""What can be wrong with samples: what makes them unusable, and what only has to be known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vcplab.protocol.grounding import Sample

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["broken", "problems_of"]

_EXAMPLES = 3


def broken(samples: Sequence[Sample]) -> tuple[str, str] | None:
    """The first thing that makes samples unusable: (id, sentence); None if there is none."""
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            return sample.id, "Two samples have the same id."
        seen.add(sample.id)
        if not sample.response.strip():
            return sample.id, "The response is empty."
        for span in sample.spans or ():
            if not 0 <= span.start < span.end <= len(sample.response):
                return sample.id, (
                    f"The gold span {span.start}–{span.end} lies outside the response "
                    f"({len(sample.response)} code points)."
                )
    return None


def problems_of(samples: Sequence[Sample]) -> pd.DataFrame:
    """What should be known: one row per kind of problem, with its count and some examples."""
    import pandas as pd

    content: dict[tuple[str, str, tuple[str, ...]], list[Sample]] = {}
    group_splits: dict[str, set[str]] = {}
    context_splits: dict[tuple[str, ...], set[str]] = {}
    context_groups: dict[tuple[str, ...], set[str]] = {}
    for sample in samples:
        key = (sample.response, sample.question, sample.context)
        content.setdefault(key, []).append(sample)
        group_splits.setdefault(sample.group, set()).add(sample.split)
        if sample.context:
            context_splits.setdefault(sample.context, set()).add(sample.split)
            context_groups.setdefault(sample.context, set()).add(sample.group)
    repeated = [several for several in content.values() if len(several) > 1]
    found: list[tuple[str, list[str]]] = [
        ("the same sample again", [one.id for several in repeated for one in several[1:]]),
        (
            "equal samples with different labels",
            [several[0].id for several in repeated if len({s.label for s in several}) > 1],
        ),
        (
            "a group in several splits",
            [group for group, splits in group_splits.items() if group and len(splits) > 1],
        ),
        (
            "a context in several splits",
            [_short(texts) for texts, splits in context_splits.items() if len(splits) > 1],
        ),
        (
            "a context in several groups",
            [_short(texts) for texts, groups in context_groups.items() if len(groups) > 1],
        ),
        (
            "gold spans in a sample that is labelled as faithful",
            [s.id for s in samples if s.label is False and s.spans],
        ),
        (
            "a hallucinated sample whose annotated spans are none",
            [
                s.id
                for s in samples
                if s.label and s.spans is not None and not s.spans and not s.meta.get("unlocated")
            ],
        ),
        (
            "gold spans that could not be located",
            [s.id for s in samples if s.meta.get("unlocated")],
        ),
        ("no label", [s.id for s in samples if s.label is None]),
    ]
    rows = [(problem, len(ids), _listed(ids)) for problem, ids in found if ids]
    return pd.DataFrame(rows, columns=["problem", "count", "examples"])


def _short(texts: Iterable[str]) -> str:
    text = " ".join(" ".join(texts).split())
    return text if len(text) <= 60 else text[:59] + "…"


def _listed(ids: Sequence[str]) -> str:
    return "; ".join(ids[:_EXAMPLES]) + ("; …" if len(ids) > _EXAMPLES else "")
