"""What boards about responses have in common: data in groups, systems by name or position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from vcplab.core.errors import NotFoundError
from vcplab.evaluation.board import Board
from vcplab.evaluation.samples.data import GroundingData

__all__ = ["GroundingBoard"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GroundingBoard(Board):
    """Systems side by side on samples of responses.

    Attributes:
        task: What was done with the samples; has them as ``data``.
    """

    task: Any

    pace_heading: ClassVar[str] = "ms/item"
    #: What a system is called in errors.
    noun: ClassVar[str] = "system"

    @property
    def data(self) -> GroundingData:
        """The samples."""
        data: GroundingData = self.task.data
        return data

    @property
    def units(self) -> str:
        """Intervals are over groups of samples."""
        return "groups"

    @property
    def n(self) -> int:
        """Number of groups."""
        return len(set(self.data.groups))

    @property
    def title(self) -> str:
        """Data and number of samples, for figures."""
        return f"{self.data.name} ({self.data.split}), {len(self.data)} samples"

    @property
    def data_name(self) -> str:
        """What the data are called."""
        return self.data.name

    def is_better(self, metric: str) -> int:
        """1 if more of a metric is better, -1 if less is, 0 if neither."""
        return {"more": 1, "less": -1}.get(self._measures[metric].better, 0)

    def _place(self, system: str | int) -> int:
        if isinstance(system, str) and system in self.names:
            return self.names.index(system)
        if isinstance(system, int) and -len(self.names) <= system < len(self.names):
            return system % len(self.names)
        raise NotFoundError(
            f"There is no {self.noun} {system!r}.",
            where="system",
            next_step=f"The {self.noun}s are: {', '.join(self.names)}.",
        )
