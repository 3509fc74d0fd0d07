"""What all lanes share: the stages that find candidates."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from vcplab.core.errors import InvalidInputError
from vcplab.memory.document import checked_fields
from vcplab.memory.stages.base import Context, Stage, StageKind

__all__ = ["LaneStage"]

# Length of a lane's list unless more is asked for: enough for a fusion to choose from.
_CANDIDATES = 100


@dataclasses.dataclass(frozen=True, repr=False)
class LaneStage(Stage):
    """Base of the lanes: which fields they look at, and how long their list is.

    Attributes:
        fields: Which fields of a document are indexed.
        candidates: Length of the list; as long as is asked for and at least 100 if None.
    """

    kind: ClassVar[StageKind] = "lane"
    fields: tuple[str, ...] = dataclasses.field(default=("text", "tags"), kw_only=True)
    candidates: int | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", checked_fields(self.fields, "indexed"))
        if self.candidates is not None and self.candidates < 1:
            raise InvalidInputError(
                f"candidates={self.candidates} would find nothing.",
                where="candidates",
                next_step="Give at least 1; 100 is usual.",
            )

    def _depth(self, context: Context) -> int:
        return max(_CANDIDATES, context.depth) if self.candidates is None else self.candidates
