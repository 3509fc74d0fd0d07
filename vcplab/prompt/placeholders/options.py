"""The limits of a variable engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import named_options

__all__ = ["EngineOptions"]

_SWITCHES = ("enable_recursion", "detect_circular", "strict")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine resolves, and where it stops (seed 003, "Variable Module").

    Attributes:
        enable_recursion: Whether placeholders in values are resolved, too.
        max_recursion_depth: How deep values may lie in each other. A placeholder of the text
            itself has depth 1, one in its value depth 2.
        detect_circular: Whether a cycle is named at once. Otherwise it ends at the depth limit.
        max_placeholders: How many different placeholders one text may have, those in its values
            included.
        max_length: How many characters may be put into one text or value. Values that hold each
            other several times grow by powers, which no other limit stops.
        strict: Whether a placeholder that nobody answers is an error; otherwise it stays as it is.

    Raises:
        InvalidInputError: A limit is not a whole number from 1, or a switch not true or false.
    """

    enable_recursion: bool = True
    max_recursion_depth: int = 10
    detect_circular: bool = True
    max_placeholders: int = 100
    max_length: int = 10_000_000
    strict: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _SWITCHES:
                if not isinstance(value, bool):
                    raise InvalidInputError(
                        f"{field.name} is true or false, not {value!r}.",
                        where=field.name,
                        next_step=f"leave it out for {field.default}",
                    )
            elif not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInputError(
                    f"{field.name} is a whole number from 1, not {value!r}.",
                    where=field.name,
                    next_step=f"leave it out for {field.default}",
                )

    @classmethod
    def of(
        cls, options: EngineOptions | Mapping[str, Any] | None = None, /, **single: Any
    ) -> EngineOptions:
        """Options by the seed's names or ours.

        Args:
            options: Options, or a mapping such as ``{"maxRecursionDepth": 5}``.
            **single: Single options; they win.

        Raises:
            InvalidInputError: An option is unknown or impossible.
        """
        what = "The variable engine"
        return cls(**named_options(cls, options, single, what=what, where="options"))
