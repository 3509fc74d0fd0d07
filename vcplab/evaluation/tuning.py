"""Choosing parameters on a train split: a grid, measured with everything shared that can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

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
    grid: Mapping[str, Sequence[Any]],
    data: RetrievalData,
    metric: str = "nDCG@10",
    **options: Any,
) -> Tuning:
    """Try every combination of parameters and keep the best.

    Stages that a setting does not change run once for all settings. Ties go to the earlier setting.

    Args:
        system: A recipe or pipeline.
        grid: Parameter name (as in ``get_params``) → values to try.
        data: A split that is not the one results are reported on.
        metric: As ir_measures names it; larger must be better.
        **options: Passed to :func:`~vcplab.evaluation.comparison.compare`.

    Raises:
        InvalidInputError: The grid is empty, names an unknown parameter, or the data is a test
            split.
    """
    if not grid or not all(len(values) for values in grid.values()):
        raise InvalidInputError(
            "The grid has no setting.",
            where="grid",
            next_step='Give values per parameter: {"bm25_weight": [0.1, 0.3, 0.5]}.',
        )
    if data.split == "test":
        raise InvalidInputError(
            f"{data.name} is its test split; figures tuned on it would be worthless.",
            where="data",
            next_step=f'Load the train split: vl.datasets.load("{data.name}", split="train").',
        )
    settings = tuple(
        dict(zip(grid, values, strict=True)) for values in product(*(grid[name] for name in grid))
    )
    systems = [
        system.set_params(**setting).named(", ".join(f"{k}={v!r}" for k, v in setting.items()))
        for setting in settings
    ]
    comparison = compare(systems, data, [metric], baseline=None, **options)
    means = comparison.to_frame()["mean"].tolist()
    place = max(range(len(means)), key=lambda i: (means[i], -i))
    best = system.set_params(**settings[place])
    return Tuning(best, settings[place], comparison.metrics[0], means[place], comparison, settings)
