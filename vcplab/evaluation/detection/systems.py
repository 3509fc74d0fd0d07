"""What may compete in detection: detectors, functions, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.detection.baselines import usual_baselines

__all__ = ["DetectorSystem", "as_detectors"]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorSystem:
    """A detector that competes.

    Attributes:
        name: What tables call it.
        value: The detector; a function from samples to verdicts is one, too.
        kind: ``detector``, ``function`` or ``baseline``.
        fingerprint: Changes whenever some verdict would; None if that is not known.
        parameters: JSON-able configuration, for the report.
    """

    name: str
    value: Any
    kind: str = "detector"
    fingerprint: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def calibrated(self) -> bool:
        """Whether its p are probabilities, as they are unless it says otherwise."""
        return bool(getattr(self.value, "calibrated", True))

    @property
    def threshold(self) -> float | None:
        """A threshold of its own, as fitted detectors have from their training; None for none."""
        own = getattr(self.value, "threshold", None)
        if isinstance(own, bool) or not isinstance(own, int | float):
            return None
        return float(own)

    @property
    def fixed(self) -> bool:
        """Whether its threshold stays, whatever others are given."""
        return self.kind == "baseline" and self.threshold is not None

    def detect(self, samples: Sequence[Any]) -> Any:
        """Its verdicts."""
        detect = getattr(self.value, "detect", None)
        return detect(samples) if callable(detect) else self.value(samples)


def as_detectors(given: Any, baselines: bool | Sequence[Any]) -> tuple[DetectorSystem, ...]:
    """Detectors with their names, and the baselines after them.

    Args:
        given: A detector, a function, several of them, or a mapping from names to them.
        baselines: True for the usual ones, False for none, or detectors that are to stand there.

    Raises:
        InvalidInputError: Something is no detector, or two have the same name.
    """
    if isinstance(given, Mapping):
        found = [_system(value, str(name)) for name, value in given.items()]
    elif _is_detector(given):
        found = [_system(given)]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        found = [_system(one) for one in given]
    else:
        raise _no_detector(given)
    names = {system.name for system in found}
    if baselines is True:
        # One that the user names is the user's.
        beside: list[Any] = [one for one in usual_baselines() if one.name not in names]
    else:
        beside = [] if baselines is False else list(baselines)
    found += [_system(one, kind="baseline") for one in beside]
    if not found:
        raise InvalidInputError(
            "There is nothing to compare.", where="systems", next_step="Give at least one detector."
        )
    names = {system.name for system in found}
    if len(names) < len(found):
        every = [system.name for system in found]
        twice = next(name for name in every if every.count(name) > 1)
        raise InvalidInputError(
            f"Two detectors are called {twice!r}.",
            where="systems",
            next_step='Name them: compare({"one": detector, "other": detector}, data).',
        )
    return tuple(found)


def _is_detector(value: Any) -> bool:
    return callable(getattr(value, "detect", None)) or (
        callable(value) and not isinstance(value, type)
    )


def _no_detector(value: Any) -> InvalidInputError:
    return InvalidInputError(
        f"A {type(value).__name__} is no detector.",
        where="systems",
        next_step="A detector has a name, a fingerprint and detect(samples) -> verdicts; a "
        "function from samples to verdicts will do.",
    )


def _system(value: Any, name: str | None = None, kind: str | None = None) -> DetectorSystem:
    if isinstance(value, DetectorSystem):
        return value
    if not _is_detector(value) or isinstance(value, type):
        raise _no_detector(value)
    own = getattr(value, "name", None) or getattr(value, "__name__", type(value).__name__)
    is_function = not callable(getattr(value, "detect", None))
    fingerprint = getattr(value, "fingerprint", None) or getattr(value, "version", None)
    parameters = getattr(value, "parameters", None)
    return DetectorSystem(
        name or str(own),
        value,
        kind or ("function" if is_function else str(getattr(value, "kind", "detector"))),
        None if fingerprint is None else str(fingerprint),
        dict(parameters) if isinstance(parameters, Mapping) else {},
    )
