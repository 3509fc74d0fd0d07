"""Choosing parameters on a train split: a grid, measured with everything shared that can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.comparison import Comparison, compare
from vcplab.evaluation.data import RetrievalData

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Tuning", "tune"]


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a grid search found.

    Attributes:
        best: The system with the best parameters.
        params: Those parameters.
        metric: What was maximised.
        score: The best mean, on the data it was chosen on: it flatters, so confirm on other data.
        comparison: All settings side by side.
        grid: The parameters of each setting, in order.
    """

    best: Any
    params: Mapping[str, Any]
    metric: str
    score: float
    comparison: Comparison
    grid: tuple[Mapping[str, Any], ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per setting: its parameters, mean, low and high of the metric."""
        import pandas as pd

        rows = self.comparison.to_frame().reset_index(drop=True)
        return pd.concat([pd.DataFrame(list(self.grid)), rows[["mean", "low", "high"]]], axis=1)

    def __repr__(self) -> str:
        chosen = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return (
            f"Tuning({self.metric} {self.score:.3f} on {self.comparison.data.name} "
            f"{self.comparison.data.split} at {chosen}; {len(self.grid)} settings)"
        )

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_table, style_block

        frame = self.to_frame()
        return style_block() + html_table(
            list(frame.columns), frame.to_numpy().tolist(), caption=repr(self)
        )


def tune(
    system: Any,
    grid: Mapping[str, Iterable[Any]],
    data: RetrievalData,
    metric: str = "nDCG@10",
    **options: Any,
) -> Tuning:
    """Try every combination of parameters and keep the best.

    Stages that a setting does not change run once for all settings. Ties go to the earlier setting.

    Args:
        system: A recipe or pipeline.
        grid: Parameter name (as in ``get_params``) → values to try, as a list or an array.
        data: A split that is not the one results are reported on.
        metric: As ir_measures names it; larger must be better.
        **options: Passed to :func:`~vcplab.evaluation.comparison.compare`.

    Raises:
        InvalidInputError: The grid is empty, names an unknown parameter, or the data is a test
            split or part of one.
    """
    tried = {name: _values(values) for name, values in grid.items()}
    if not tried or not all(tried.values()):
        raise InvalidInputError(
            "The grid has no setting.",
            where="grid",
            next_step='Give values per parameter: {"bm25_weight": [0.1, 0.3, 0.5]}.',
        )
    if data.holds("test"):
        raise InvalidInputError(
            f"{data.name} ({data.split}) has queries of the test split; figures tuned on them "
            "would be worthless.",
            where="data",
            next_step=f'Load the train split: vl.datasets.load("{data.name}", split="train").',
        )
    settings = tuple(dict(zip(tried, values, strict=True)) for values in product(*tried.values()))
    systems = [
        system.set_params(**setting).named(", ".join(f"{k}={v!r}" for k, v in setting.items()))
        for setting in settings
    ]
    comparison = compare(systems, data, [metric], baseline=None, **options)
    means = comparison.to_frame()["mean"].tolist()
    place = max(range(len(means)), key=lambda i: (means[i], -i))
    best = system.set_params(**settings[place])
    return Tuning(best, settings[place], comparison.metrics[0], means[place], comparison, settings)


def _values(values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidInputError(
            f"The values to try are {values!r}, not a list.",
            where="grid",
            next_step='Give a list per parameter: {"bm25_weight": [0.1, 0.3, 0.5]}.',
        )
    # NumPy's numbers become Python's: names, fingerprints and reports then read alike.
    return [value.item() if isinstance(value, np.generic) else value for value in values]
