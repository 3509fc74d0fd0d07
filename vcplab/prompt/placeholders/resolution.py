"""What a resolve did: the text, and who answered which placeholder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from vcplab.core.display import html_table, style_block

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PlaceholderUse", "Resolution"]


@dataclass(frozen=True, slots=True)
class PlaceholderUse:
    """A placeholder and its answer.

    Attributes:
        placeholder: Its name.
        provider: Who answered; None where nobody did and it stayed as it is.
        value: What was put in its place, with the placeholders in it resolved; None where nobody
            answered.
        depth: 1 in the text itself, 2 in a value of it, and so on; where it was met first.
        within: The placeholder in whose value it was met first; None for the text itself.
        count: How often it stands in the text and in the values.
    """

    placeholder: str
    provider: str | None
    value: str | None
    depth: int
    within: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resolved text and how it came about; iterating gives the uses.

    Attributes:
        text: The resolved text.
        uses: Every different placeholder, in the order in which they were met.
    """

    text: str
    uses: tuple[PlaceholderUse, ...]

    @property
    def unresolved(self) -> tuple[str, ...]:
        """Names that nobody answered, each once."""
        return tuple(dict.fromkeys(use.placeholder for use in self.uses if use.provider is None))

    def to_frame(self) -> pd.DataFrame:
        """One row per different placeholder, with the fields of `PlaceholderUse` as columns."""
        import pandas as pd

        columns = list(PlaceholderUse.__dataclass_fields__)
        return pd.DataFrame([asdict(use) for use in self.uses], columns=columns)

    def __iter__(self) -> Iterator[PlaceholderUse]:
        return iter(self.uses)

    def __len__(self) -> int:
        return len(self.uses)

    def __repr__(self) -> str:
        missing = len(self.unresolved)
        answered = len(self.uses) - missing
        return f"Resolution({len(self.text)} characters, {answered} answered, {missing} not)"

    def _repr_html_(self) -> str:
        columns = ("placeholder", "provider", "value", "depth", "within", "count")
        rows = [
            tuple("" if (cell := getattr(use, name)) is None else cell for name in columns)
            for use in self.uses
        ]
        return style_block() + html_table(columns, rows)
