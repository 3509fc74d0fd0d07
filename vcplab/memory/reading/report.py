"""What could not be read, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Problem", "ReadReport"]

_COLUMNS = ["source", "line", "problem", "next_step"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that could not be read as it stands.

    Attributes:
        source: File or table.
        line: Line or row, from 1, where it is known.
        problem: What is wrong.
        next_step: What to do about it.
    """

    source: str
    line: int | None
    problem: str
    next_step: str


@dataclass(slots=True)
class ReadReport(Sequence[Problem]):
    """Problems met while reading; empty when all went well.

    Attributes:
        problems: In the order they were met.
    """

    problems: list[Problem] = field(default_factory=list)

    def note(self, source: str, line: int | None, problem: str, next_step: str) -> None:
        """Add a row."""
        self.problems.append(Problem(source, line, problem, next_step))

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Problem]: ...
    def __getitem__(self, index: int | slice) -> Problem | Sequence[Problem]:
        return self.problems[index]

    def __len__(self) -> int:
        return len(self.problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    def to_frame(self) -> pd.DataFrame:
        """One row per problem: source, line, problem, next_step."""
        import pandas as pd

        return pd.DataFrame([astuple(p) for p in self.problems], columns=_COLUMNS)

    def __repr__(self) -> str:
        return f"ReadReport({len(self)} problems)"

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_table, style_block

        rows = [astuple(p) for p in self.problems]
        return style_block() + html_table(_COLUMNS, rows, caption=repr(self))
