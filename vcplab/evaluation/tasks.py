"""What the experiment runner needs to know about a task.

Retrieval and chats are tasks; detection and suppression are others. The runner itself never looks
into an output: it stores, resumes and hands them back. ``compare`` asks its data for the task
(:class:`Comparable`), and the task for everything that differs from one kind to another
(:class:`ComparableTask`): so a further kind needs no word in ``compare``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd

    from vcplab.evaluation.board import Board
    from vcplab.evaluation.matrix import MatrixResult
    from vcplab.evaluation.summary import TestPlan

__all__ = [
    "Comparable",
    "ComparableTask",
    "Output",
    "SummarisingTask",
    "SystemInfo",
    "Task",
]

# What one system gave for one item: JSON-able, no NaN. Reserved keys: "ms" (cost), "error" (the
# system failed on this item), "notices" (about the block; carried by its first item), "volatile"
# (in any item: the block is not to be kept).
Output = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """How results name a system.

    Attributes:
        name: What tables call it.
        fingerprint: Changes whenever some output would change; None if that cannot be known, in
            which case nothing is cached.
        parameters: JSON-able configuration, for the report.
        moment: What else outputs depend on in this run: the time, where the system reads the clock.
    """

    name: str
    fingerprint: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    moment: str = ""


class Task(Protocol):
    """Items, how a system is run on them, and how its outputs are measured.

    ``System`` objects are whatever the task understands; the runner passes them through.
    """

    @property
    def name(self) -> str:
        """What results call the task."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever outputs would change for reasons other than the items' own content."""
        ...

    def items(self) -> Sequence[str]:
        """Ids of the items, in order, without duplicates."""
        ...

    def digest(self, items: Sequence[str]) -> str:
        """Hash of the content of these items (not of what they are judged by)."""
        ...

    def describe(self, system: Any) -> SystemInfo:
        """Name, fingerprint and parameters of a system on this task."""
        ...

    def prepare(self, systems: Sequence[Any]) -> None:
        """Do what should not be charged to the items: indexes, encodings."""
        ...

    def run(self, systems: Sequence[Any], items: Sequence[str]) -> list[list[Output]]:
        """Outputs per system and item; systems of one call may share work."""
        ...

    def measure(self, outputs: Mapping[str, Output], metrics: Sequence[Any]) -> pd.DataFrame:
        """Scores of one system: a row per item (index), a column per metric.

        Items that cannot be judged have NaN and do not count in means.
        """
        ...


class ComparableTask(Task, Protocol):
    """What ``compare`` needs of a task besides running it.

    Attributes:
        failed: What becomes of items on which a system failed, for a notice.
        plural: What several items are called.
        block: Items per block, unless the user says.
        threads: Whether several jobs are threads of this process instead of processes.
    """

    failed: ClassVar[str]
    plural: ClassVar[str]
    block: ClassVar[int]
    threads: ClassVar[bool]

    def competitors(self, systems: Any) -> tuple[Any, ...]:
        """Systems with a ``name`` each, from whatever the user may give.

        Raises:
            InvalidInputError: Something is not a system of this task.
        """
        ...

    def metrics(self, given: Any) -> dict[str, Any]:
        """Label → measure, in order, each once; the usual ones for None.

        Raises:
            InvalidInputError: One of them does not exist.
        """
        ...

    def check(self, systems: Sequence[Any], measures: Mapping[str, Any]) -> list[str]:
        """What is to be said before anything is run.

        Raises:
            VCPError: Systems, data and metrics do not go together.
        """
        ...

    def judged_by(self, measures: Mapping[str, Any]) -> str | None:
        """Hash of everything besides the outputs that scores depend on; None if it is not known."""
        ...

    def groups(self) -> Sequence[str] | None:
        """The unit of each item, where items belong together; None if each stands for itself.

        A unit is what is resampled and swapped by intervals and tests; its score is the mean of
        its items.
        """
        ...

    def why_anew(self, system: Any) -> str:
        """Why a system has no fingerprint, and what would give it one."""
        ...

    def remarks(
        self, result: MatrixResult, scores: Sequence[pd.DataFrame], measures: Mapping[str, Any]
    ) -> list[str]:
        """What is to be said after everything was run."""
        ...

    def board(self, **parts: Any) -> Board:
        """The result.

        Args:
            **parts: The fields of :class:`~vcplab.evaluation.board.Board`.
        """
        ...


@runtime_checkable
class SummarisingTask(Protocol):
    """A task with metrics of whole sets, which are no means over items.

    Of other tasks a metric is the mean of its items' scores
    (:func:`~vcplab.evaluation.units.summarise_means`).
    """

    def summary(
        self,
        names: Sequence[str],
        scores: Sequence[pd.DataFrame],
        measures: Mapping[str, Any],
        baseline: int | None,
        plan: TestPlan,
    ) -> tuple[pd.DataFrame, dict[str, int]]:
        """One row per system and metric, and how many items each metric counts.

        Args:
            names: The systems' names.
            scores: What :meth:`measure` gave for each.
            measures: Label → measure.
            baseline: Position of the system that others are compared with, or None.
            plan: How.
        """
        ...


@runtime_checkable
class Comparable(Protocol):
    """Data that ``compare`` takes: it knows its task."""

    def task(self, **options: Any) -> ComparableTask:
        """The task of running systems on these data.

        Args:
            **options: Those of ``compare`` that are the task's own.

        Raises:
            InvalidInputError: An option is unknown or out of range.
        """
        ...
