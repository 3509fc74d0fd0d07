"""Recipes: named engines that are short compositions of stages."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import ClassVar

from vcplab.memory.corpus import Corpus
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import State

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True, repr=False)
class Recipe(Stage):
    """Base of the engines: parameters, and the pipeline they stand for."""

    kind: ClassVar[StageKind] = "pipeline"

    @abstractmethod
    def stages(self) -> Stage:
        """The pipeline that these parameters stand for."""

    @property
    def cacheable(self) -> bool:
        """Whether results may be kept between runs: as its stages say."""
        return super().cacheable and self.stages().cacheable

    @property
    def reads_clock(self) -> bool:
        """Whether some stage looks at the time."""
        return self.stages().reads_clock

    @property
    def lanes_in(self) -> tuple[int, int]:
        """An engine starts from the query."""
        return (0, 0)

    def lanes_out(self, lanes: int) -> int:
        """An engine gives one list."""
        return 1

    def prepare(self, corpus: Corpus) -> None:
        """Prepare every stage."""
        self.stages().prepare(corpus)

    def apply(self, state: State, context: Context) -> Output:
        """Run the pipeline."""
        return self.stages().apply(state, context)

    def _run(self, state: State, context: Context) -> State:
        return self.stages()._run(state, context)
