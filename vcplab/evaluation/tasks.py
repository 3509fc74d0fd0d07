"""What the experiment runner needs to know about a task.

Retrieval is the first task; detection, suppression and chats are others. The runner itself never
looks into an output: it stores, resumes and hands them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Output", "SystemInfo", "Task"]

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
