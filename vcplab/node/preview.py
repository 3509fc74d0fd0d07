"""What would be exposed, as rows and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from vcplab.core.display import html_table, plain_table, style_block

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ExposurePreview", "ExposureRow", "ToolSource"]

ToolSource: TypeAlias = Literal["notebook", "folder", "registered", "node"]
"""``notebook``: a function. ``folder``: a plugin. ``registered``: given to ``register`` by hand.
``node``: another node's, which is never passed on."""

_SHOWN: Final = 20
_LONGEST: Final = 80
_COLUMNS: Final = ("name", "wire", "source", "type", "exposed", "why", "description")


@dataclass(frozen=True, slots=True)
class ExposureRow:
    """Whether one plugin is exposed, and why.

    Attributes:
        name: Its name here.
        wire: Its name on the wire.
        source: Where it comes from.
        exposed: Whether a server gets to see it.
        why: Why it is, or why not.
        type: Its type, in VCPToolBox's words.
        description: The first line of what it does, without secrets.
    """

    name: str
    wire: str
    source: ToolSource
    exposed: bool
    why: str
    type: str
    description: str


class ExposurePreview:
    """What would be exposed; shows itself as a table.

    Attributes:
        rows: A row for each tool and static plugin, exposed ones first.
        problems: What the reader should know, e.g. that a pattern matches nothing.
    """

    def __init__(self, rows: Iterable[ExposureRow], problems: Iterable[str] = ()) -> None:
        self.rows = tuple(sorted(rows, key=lambda row: not row.exposed))
        self.problems = tuple(problems)

    @property
    def exposed(self) -> tuple[ExposureRow, ...]:
        """The rows of what is exposed."""
        return tuple(row for row in self.rows if row.exposed)

    def __len__(self) -> int:
        return len(self.exposed)

    def __iter__(self) -> Iterator[ExposureRow]:
        return iter(self.exposed)

    def __bool__(self) -> bool:
        return True

    def to_frame(self) -> pd.DataFrame:
        """A row for each tool and static plugin, with the fields of `ExposureRow`."""
        import pandas as pd

        rows = [[getattr(row, name) for name in _COLUMNS] for row in self.rows]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def __repr__(self) -> str:
        if not self.rows:
            return "\n".join([self._title(), *self.problems])
        header = ["", "name", "from", "why", "description"]
        table = plain_table(header, self._cells(), caption=self._title())
        lines = [line.rstrip() for line in table.split("\n")]
        return "\n".join([*lines, *self._rest(), *self.problems])

    def _repr_html_(self) -> str:
        header = ["", "name", "from", "why", "description"]
        caption = "\n".join([self._title(), *self._rest(), *self.problems])
        return style_block() + html_table(header, self._cells(), caption=caption)

    def _title(self) -> str:
        tools = sum(row.type != "static" for row in self.exposed)
        statics = len(self) - tools
        title = f"{tools} {'tool is' if tools == 1 else 'tools are'} exposed"
        if statics:
            title += f", and {statics} static {'plugin' if statics == 1 else 'plugins'}"
        return title + "."

    def _rest(self) -> list[str]:
        rest = len(self.rows) - len(self) - _SHOWN
        return [f"… and {rest} more that are not exposed"] if rest > 0 else []

    def _cells(self) -> list[tuple[str, str, str, str, str]]:
        return [
            (
                "yes" if row.exposed else "no",
                row.name if row.name == row.wire else f"{row.name} as {row.wire}",
                f"{row.source}, static" if row.type == "static" else row.source,
                row.why,
                _cut(row.description),
            )
            for row in self.rows[: len(self) + _SHOWN]
        ]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
