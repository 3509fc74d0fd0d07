"""Changes of a system as values: other parameters, and stages left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from vcplab.memory.stages.base import Pipeline, SideBySide, Stage
from vcplab.memory.stages.configurable import Configurable

__all__ = ["DROPPED", "Change", "applied", "parameters"]


class _Dropped:
    """The new value of a stage that is left out."""

    def __repr__(self) -> str:
        return "left out"


DROPPED: Final = _Dropped()


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One parameter of a system, before and after.

    Attributes:
        parameter: Its name as in ``get_params()``; for a stage that is left out, the stage's.
        old: The value it has.
        new: The value it would need; :data:`DROPPED` for a stage that is left out.
    """

    parameter: str
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.new is DROPPED:
            return f"leave out {_short(self.old)}"
        return f"{self.parameter}: {_short(self.old)} → {_short(self.new)}"


def parameters(system: Stage) -> dict[str, Any]:
    """The parameters of a system and of all that it is made of, by name."""
    return system.get_params()


def applied(system: Stage, changes: Mapping[str, Any]) -> Stage:
    """A copy of a system with changes made.

    Args:
        system: A recipe or pipeline; it stays as it is.
        changes: Name as in ``get_params()`` → new value, or :data:`DROPPED` for a stage of a
            composition.

    Raises:
        InvalidInputError: The system cannot work that way.
    """
    out = _applied(system, changes, "")
    assert isinstance(out, Stage)
    return out


def _applied(value: Configurable, changes: Mapping[str, Any], prefix: str) -> Configurable:
    # Names are those of the system as it was: leaving out a part may rename the ones beside it.
    new: dict[str, Any] = {}
    for name, child in value._children().items():
        path = f"{prefix}{name}"
        if path in changes:
            new[name] = changes[path]
        elif isinstance(child, Configurable) and any(c.startswith(f"{path}__") for c in changes):
            new[name] = _applied(child, changes, f"{path}__")
    if not isinstance(value, Pipeline | SideBySide):
        # A label that describes the old parameters would be wrong now.
        bare = dataclasses.replace(value, label=None) if isinstance(value, Stage) else value
        return bare._with_children(new)
    parts = [new.get(name, part) for name, part in value._children().items()]
    kept = tuple(part for part in parts if part is not DROPPED)
    return kept[0] if len(kept) == 1 else dataclasses.replace(value, parts=kept, label=None)


def _short(value: Any) -> str:
    if isinstance(value, Stage):
        return value.name
    text = f"{value:.4g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
