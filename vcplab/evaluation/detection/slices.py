"""Parts of a comparison of detectors: the same metrics per type, language, task, length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.detection.summary import SetMetric
from vcplab.evaluation.samples import sample_types
from vcplab.evaluation.statistics.resampling import resample_groups
from vcplab.evaluation.summary import TestPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vcplab.evaluation.samples import GroundingData

__all__ = ["slice_columns", "slice_table", "slices_of"]

_LENGTHS = ("short", "middle", "long")
_MOST = 40


def slice_columns(data: GroundingData) -> tuple[str, ...]:
    """Columns by which results can be told apart: those of the data, and ``length``."""
    return (*(c for c in data.columns if c not in ("label", "group")), "length")


def slices_of(data: GroundingData, column: str) -> dict[str, NDArray[np.bool_]]:
    """Value → which samples have it.

    A type has its hallucinated samples and, where faithful ones have no type of their own, all of
    these. ``length`` has three parts of about equal numbers, by characters of the response.

    Args:
        data: The samples.
        column: One of :func:`slice_columns`.

    Raises:
        InvalidInputError: There is no such column, or it has too many values.
    """
    if column not in slice_columns(data):
        raise InvalidInputError(
            f"The samples of {data.name} have no column {column!r}.",
            where="by",
            next_step=f"Columns: {', '.join(slice_columns(data))}.",
        )
    if column == "length":
        sizes = np.array([len(sample.response) for sample in data])
        edges = np.quantile(sizes, [1 / 3, 2 / 3])
        place = np.searchsorted(edges, sizes)
        return {
            f"{name} ({sizes[place == k].min()}–{sizes[place == k].max()} characters)": place == k
            for k, name in enumerate(_LENGTHS)
            if (place == k).any()
        }
    if column == "type":
        kinds = [sample_types(sample) for sample in data]
        open_ = np.array(
            [not own and sample.label is False for own, sample in zip(kinds, data, strict=True)]
        )
        named = dict.fromkeys(sorted({kind for own in kinds for kind in own}))
        parts = {kind: open_ | np.array([kind in own for own in kinds]) for kind in named}
        bare = np.array(
            [not own and bool(sample.label) for own, sample in zip(kinds, data, strict=True)]
        )
        return parts | ({"untyped": open_ | bare} if bare.any() and parts else {})
    values = ["" if (v := data.value(s, column)) is None else str(v) for s in data]
    known = list(dict.fromkeys(values))
    if len(known) > _MOST:
        raise InvalidInputError(
            f"{column} has {len(known)} values, too many for a table.",
            where="by",
            next_step=f"Columns: {', '.join(slice_columns(data))}.",
        )
    listed = np.array(values, dtype=object)
    return {value or "not stated": listed == value for value in known}


def slice_table(
    names: Sequence[str],
    frames: Sequence[pd.DataFrame],
    measures: Mapping[str, SetMetric],
    groups: Sequence[str],
    slices: Mapping[str, NDArray[np.bool_]],
    column: str,
    plan: TestPlan | None,
) -> pd.DataFrame:
    """One row per slice and detector, and the mean over slices ("macro").

    Pooling slices can fake skill: what tells domains apart looks like what tells answers apart
    (facts/hallucination §7). So the macro row, not the pooled table, is to be believed.

    Args:
        names: The detectors.
        frames: Per detector one row per sample.
        measures: Name → metric.
        groups: The group of each sample.
        slices: Value → which samples have it.
        column: What the first column is called.
        plan: How intervals are made; None for none.
    """
    rows: list[dict[str, object]] = []
    for value, mask in slices.items():
        own_groups = [group for group, kept in zip(groups, mask, strict=True) if kept]
        for name, frame in zip(names, frames, strict=True):
            part = frame[mask]
            row: dict[str, object] = {
                column: value,
                "system": name,
                "samples": len(part),
                "hallucinated": float(part["label"].mean()),
            }
            for label, metric in measures.items():
                row[label] = metric.of(part)
                if plan is not None:
                    low, high = _interval(metric, part, own_groups, plan)
                    row[f"{label} low"], row[f"{label} high"] = low, high
            rows.append(row)
    if len(slices) > 1:
        whole = pd.DataFrame(rows)
        for name in names:
            own = whole[whole["system"] == name]
            row = {
                column: "macro",
                "system": name,
                "samples": int(own["samples"].sum()),
                "hallucinated": float(own["hallucinated"].mean()),
            }
            row |= {label: float(own[label].mean()) for label in measures}
            rows.append(row)
    return pd.DataFrame(rows)


def _interval(
    metric: SetMetric, part: pd.DataFrame, groups: Sequence[str], plan: TestPlan
) -> tuple[float, float]:
    mask = metric.counts(part)
    rows = part[mask]
    if not len(rows):
        return np.nan, np.nan
    kept = [group for group, counts in zip(groups, mask, strict=True) if counts]
    found = resample_groups(
        {"": metric.statistic(rows)}, kept, resamples=plan.resamples, seed=plan.seed
    )[""]
    interval = found.interval(plan.confidence)
    return interval.low, interval.high
