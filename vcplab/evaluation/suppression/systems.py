"""What may compete in suppression: whatever has ``suppress``, and the baselines beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.suppression.baselines import usual_suppressors

__all__ = ["SuppressorSystem", "as_suppressors"]


@dataclass(frozen=True, slots=True, eq=False)
class SuppressorSystem:
    """A suppressor that competes.

    Attributes:
        name: What tables call it.
        value: The suppressor: ``suppress(text, knowledge_base=…, conversation_history=…,
            question=…)`` gives something with ``processed_text``, and perhaps ``patches``.
        kind: ``suppressor`` or ``baseline``.
        parameters: JSON-able configuration, for the report.
    """

    name: str
    value: Any
    kind: str = "suppressor"
    parameters: Mapping[str, Any] = field(default_factory=dict)


def as_suppressors(given: Any, baselines: bool | Sequence[Any]) -> tuple[SuppressorSystem, ...]:
    """Suppressors with their names, and the baselines after them.

    Args:
        given: A suppressor, several of them, or a mapping from names to them.
        baselines: True for the usual ones, False for none, or suppressors that stand there.

    Raises:
        InvalidInputError: Something does not suppress, or two have the same name.
    """
    if isinstance(given, Mapping):
        found = [_system(value, str(name)) for name, value in given.items()]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        found = [_system(one) for one in given]
    else:
        found = [_system(given)]
    if baselines is True:
        names = {system.name for system in found}
        beside: list[Any] = [one for one in usual_suppressors() if one.name not in names]
    else:
        beside = [] if baselines is False else list(baselines)
    found += [_system(one, kind="baseline") for one in beside]
    if not found:
        raise InvalidInputError(
            "There is nothing to compare.",
            where="systems",
            next_step="Give at least one suppressor.",
        )
    every = [system.name for system in found]
    twice = next((name for name in every if every.count(name) > 1), None)
    if twice is not None:
        raise InvalidInputError(
            f"Two suppressors are called {twice!r}.",
            where="systems",
            next_step='Name them: compare({"one": suppressor, "other": suppressor}, …).',
        )
    return tuple(found)


def _system(value: Any, name: str | None = None, kind: str | None = None) -> SuppressorSystem:
    if isinstance(value, SuppressorSystem):
        return value
    if isinstance(value, type) or not callable(getattr(value, "suppress", None)):
        raise InvalidInputError(
            f"A {type(value).__name__} does not suppress.",
            where="systems",
            next_step="Give suppressors, e.g. vl.HallucinationSuppressor(); detectors are compared "
            "without task=.",
        )
    parameters = getattr(value, "parameters", None)
    return SuppressorSystem(
        name or str(getattr(value, "name", None) or type(value).__name__),
        value,
        kind or str(getattr(value, "kind", "suppressor")),
        dict(parameters) if isinstance(parameters, Mapping) else {},
    )
