"""What is measured of suppressors: named metrics of sets of changed responses.

=================== ========================================================== =======
name                meaning                                                    better
=================== ========================================================== =======
``edit precision``  share of the characters taken away that were gold          more
``removed``         share of gold characters that were taken away              more
``kept``            share of correct characters that are still there           more
``cleaned``         share of hallucinated responses with ≥ 90 % of their gold  more
                    taken away
``restored``        share of replacements that put in what the correction says more
``clean altered``   share of faithful responses from which something was taken less
``clean touched``   share of faithful responses that were changed, marked or   less
                    hedged
``mark precision``  share of the characters marked or hedged that are gold     more
``marked``          share of gold characters that are marked or hedged         more
``judge before``    mean p of the judge for hallucinated responses as they     –
                    were
``judge drop``      by how much that falls; of a judge that did not guide the  more
                    suppressor
=================== ========================================================== =======

Where nothing is taken away, an edit precision does not exist (NaN). A metric counts the samples
that have what it needs: spans or a correction, or a label; see
:mod:`vcplab.evaluation.suppression.edits`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.detection import statistics as of
from vcplab.evaluation.statistics.resampling import Statistic

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["METRICS", "SuppressionMetric", "parse_suppression_metrics"]


@dataclass(frozen=True, slots=True)
class SuppressionMetric:
    """A number that is measured of a suppressor on a set of samples.

    Attributes:
        name: What tables call it.
        statistic: From the rows that count to a function of weights.
        needs: The columns that a row must have.
        better: ``"more"``, ``"less"``, or ``""`` where neither is.
    """

    name: str
    statistic: Callable[[pd.DataFrame], Statistic]
    needs: tuple[str, ...]
    better: str = "more"

    @property
    def lower(self) -> bool:
        """Whether less is better."""
        return self.better == "less"

    def counts(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows it is about.

        Args:
            frame: One row per sample of a suppressor.
        """
        there: NDArray[np.bool_] = np.isfinite(frame[list(self.needs)].to_numpy(float)).all(axis=1)
        return there

    def of(self, frame: pd.DataFrame) -> float:
        """Its value for a suppressor; NaN where there is nothing to measure.

        Args:
            frame: One row per sample.
        """
        rows = frame[self.counts(frame)]
        return float(self.statistic(rows)(np.ones((1, len(rows))))[0]) if len(rows) else np.nan


def _share(name: str, above: str, below: str) -> SuppressionMetric:
    return SuppressionMetric(name, of.ratio((above,), (below,)), (above, below))


#: Name → metric.
METRICS: dict[str, SuppressionMetric] = {
    metric.name: metric
    for metric in (
        _share("edit precision", "taken_wrong", "taken"),
        _share("removed", "taken_wrong", "wrong"),
        _share("kept", "kept", "correct"),
        SuppressionMetric("cleaned", of.mean("cleaned"), ("cleaned",)),
        _share("restored", "restored", "replaced"),
        SuppressionMetric("clean altered", of.mean("altered"), ("altered",), "less"),
        SuppressionMetric("clean touched", of.mean("touched"), ("touched",), "less"),
        _share("mark precision", "noted_wrong", "noted"),
        _share("marked", "noted_wrong", "wrong"),
        SuppressionMetric("judge before", of.mean("judge_before"), ("judge_before",), ""),
        SuppressionMetric("judge drop", of.mean("judge_drop"), ("judge_drop",)),
    )
}


def parse_suppression_metrics(given: Any) -> dict[str, SuppressionMetric]:
    """Name → metric of several, in order, each once.

    Args:
        given: A name, a `SuppressionMetric`, or several of these.

    Raises:
        InvalidInputError: One of them does not exist, or there is none.
    """
    several = [given] if isinstance(given, str | SuppressionMetric) else list(given or ())
    found: dict[str, SuppressionMetric] = {}
    for one in several:
        metric = one if isinstance(one, SuppressionMetric) else METRICS.get(str(one).lower())
        if metric is None:
            raise InvalidInputError(
                f"There is no metric {one!r}.",
                where="metrics",
                next_step=f"Metrics of suppression: {', '.join(METRICS)}.",
            )
        found.setdefault(metric.name, metric)
    if not found:
        raise InvalidInputError(
            "No metric was named.",
            where="metrics",
            next_step=f"Name at least one: {', '.join(METRICS)}.",
        )
    return found
