"""What the explorer lets one change: the parameters of a system as sliders, switches and choices.

Ranges are those that a parameter's name and value suggest, tried on the system itself: an end that
it refuses is drawn in. What no slider can say (an embedder, an analyser, a filter) stays as given.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.memory.recipes.base import Recipe
from vcplab.memory.stages.base import Stage
from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.tags.spreading import BreadthFirst, NoSpread, PageRank, Spikes, Spread

__all__ = ["Control", "changed", "controls", "stage_of"]

# Lengths of what is returned, technical limits, and what only another parameter switches on.
_HIDDEN = frozenset(
    {"top_k", "final_top_k", "tolerance", "limit", "states", "seed", "label", "version"}
)
_PLACE = re.compile(r"(.+)\[(\d+)\]$")
_MOST_PLACES = 6
_KEPT = 5000
# Last part of a name → lowest, highest, step; None for what the value suggests.
_RANGES: dict[str, tuple[float, float, float]] = {
    "k1": (0.0, 3.0, 0.05),
    "b": (0.0, 1.0, 0.05),
    "specificity": (0.0, 3.0, 0.05),
    "length": (0.0, 1.5, 0.05),
    "k": (1, 200, 1),
    "candidates": (10, 500, 10),
    "initial_top_k": (10, 500, 10),
    "rerank_depth": (5, 200, 5),
    "feedback": (0, 30, 1),
    "core": (1.0, 3.0, 0.01),
    "momentum": (0.5, 5.0, 0.1),
}
_HALF_LIVES = (None, "1w", "2w", "1m", "3m", "6m", "1y", "2y")
_SPREADS: tuple[Spread, ...] = (NoSpread(), BreadthFirst(), Spikes(), PageRank())


@dataclasses.dataclass(frozen=True, slots=True)
class Control:
    """One parameter that can be changed.

    Attributes:
        name: As in ``get_params``; ``name[i]`` for one place of a tuple of numbers.
        group: The nested value it belongs to; empty for the system's own.
        label: Its name within the group.
        kind: ``number``, ``integer``, ``switch`` or ``choice``.
        value: What it is now.
        given: What it was when the explorer was made; None where it did not exist.
        minimum: The lowest value of a slider.
        maximum: The highest.
        step: Between two values.
        choices: What can be chosen, as label and value.
        about: What the class says about it.
    """

    name: str
    group: str
    label: str
    kind: str
    value: Any
    given: Any
    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.01
    choices: tuple[tuple[str, Any], ...] = ()
    about: str = ""


def controls(system: Any, given: Any = None) -> list[Control]:
    """The parameters of a system that can be changed, its own first.

    Args:
        system: A recipe or pipeline as it stands; anything else has none.
        given: The same before it was changed; ``system`` if None.
    """
    if not isinstance(system, Configurable):
        return []
    given = system if given is None else given
    before, now = given.get_params(), system.get_params()
    made: list[Control] = []
    for name, value in now.items():
        outer, _, label = name.rpartition("__")
        owner = now.get(outer) if outer else system
        if label not in _HIDDEN and isinstance(owner, Configurable):
            # Ranges stay where they were while a slider moves.
            like = given if type(before.get(name)) is type(value) else system
            made += _controls_of(like, owner, name, value, before.get(name))
    first = {control.group: at for at, control in reversed(list(enumerate(made)))}
    return sorted(made, key=lambda control: (control.group != "", first[control.group]))


def changed(system: Any, changes: Mapping[str, Any], *, by_number: bool = False) -> Any:
    """A system with other values of some of its controls.

    Args:
        system: As given.
        changes: Name of a control → its value. Names that the system no longer has, because
            another choice took their place, are passed over.
        by_number: Whether a choice is given as its number among the choices.

    Raises:
        InvalidInputError: The system refuses them, or a value is no number where one is needed.
    """
    # Outer values first: they decide which inner ones there are.
    for depth in sorted({name.count("__") for name in changes}):
        known = system.get_params()
        wanted: dict[str, Any] = {}
        for name, value in changes.items():
            if name.count("__") != depth:
                continue
            place = _PLACE.match(name)
            whole = name if place is None else place[1]
            if whole not in known:
                continue
            now = known[whole]
            if place is None:
                outer, _, label = name.rpartition("__")
                owner = known[outer] if outer else system
                options = _choices(type(owner), label, now) if by_number else ()
                if not options:
                    wanted[name] = _checked(name, value, now)
                elif isinstance(value, int) and 0 <= value < len(options):
                    wanted[name] = options[value][1]
            elif _is_numbers(wanted.get(whole, now)) and int(place[2]) < len(now):
                parts = list(wanted.get(whole, now))
                parts[int(place[2])] = _checked(name, value, 0.0)
                wanted[whole] = tuple(parts)
        system = system.set_params(**wanted)
    return system


def _checked(name: str, value: Any, now: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(now, bool):
        if not isinstance(value, bool):
            raise InvalidInputError(
                f"{name}={value!r} is neither on nor off.",
                where=name,
                next_step="Give True or False.",
            )
    elif isinstance(now, int | float):
        if not number or not math.isfinite(value):
            raise InvalidInputError(
                f"{name}={value!r} is no number.", where=name, next_step="Give a finite number."
            )
        return int(value) if isinstance(now, int) and float(value).is_integer() else float(value)
    return value


def _controls_of(
    system: Configurable, owner: Configurable, name: str, value: Any, given: Any
) -> Iterable[Control]:
    outer, _, label = name.rpartition("__")
    cls: type = type(owner)
    about = _about(cls, label)

    def made(kind: str, **more: Any) -> Control:
        return Control(name, outer, label, kind, value, given, about=about, **more)

    options = _choices(type(owner), label, value)
    if options and isinstance(given, Spread):  # chosen is the kind; its own numbers stand below
        given = next((one for _, one in options if type(one) is type(given)), None)
    if options:
        yield made("choice", choices=options)
    elif isinstance(value, bool):
        yield made("switch")
    elif isinstance(value, int | float) and math.isfinite(value):
        low, high, step = _known_range(system, name)
        low, high = min(low, value), max(high, value)
        kind = "integer" if isinstance(value, int) else "number"
        if low < high:
            yield made(kind, minimum=low, maximum=high, step=step)
    elif _is_numbers(value):
        for at, number in enumerate(value):
            was = given[at] if _is_numbers(given) and at < len(given) else None
            place, shown = f"{name}[{at}]", f"{label}[{at}]"
            most = max(1.0, float(math.ceil(number)))
            yield Control(place, outer, shown, "number", number, was, 0.0, most, about=about)


def _is_numbers(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and 0 < len(value) <= _MOST_PLACES
        and all(isinstance(v, float) and v >= 0 for v in value)
    )


def _choices(owner: type, label: str, value: Any) -> tuple[tuple[str, Any], ...]:
    if isinstance(value, Spread):
        kinds = [value if type(value) is type(one) else one for one in _SPREADS]
        if not any(type(value) is type(one) for one in _SPREADS):
            kinds.append(value)
        return tuple((type(one).__name__, one) for one in kinds)
    if label in ("time_decay", "half_life") and (value is None or isinstance(value, str)):
        # Decay itself needs one; a recipe may leave it out.
        offered = _HALF_LIVES if issubclass(owner, Recipe) else _HALF_LIVES[1:]
        values = offered if value in offered else (*offered, value)
        return tuple(("none" if one is None else str(one), one) for one in values)
    if isinstance(value, str):
        literal = _literal(owner, label)
        return tuple((str(one), one) for one in literal) if value in literal else ()
    return ()


@lru_cache(maxsize=1024)
def _literal(owner: type, label: str) -> tuple[Any, ...]:
    """The values of a parameter whose type lists them."""
    try:
        hint = typing.get_type_hints(owner).get(label)
    except (NameError, TypeError):  # a hint that only a type checker can read
        module = inspect.getmodule(owner)
        annotation = next(
            (vars(c)["__annotations__"][label] for c in owner.__mro__ if label in _notes(c)), ""
        )
        hint = getattr(module, str(annotation), None)
    if isinstance(hint, types.UnionType):
        return ()
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def _notes(cls: type) -> Mapping[str, Any]:
    notes: Mapping[str, Any] = vars(cls).get("__annotations__", {})
    return notes


_ranges: dict[tuple[str, str], tuple[float, float, float]] = {}


def _known_range(system: Configurable, name: str) -> tuple[float, float, float]:
    try:
        key = system.fingerprint, name
    except VCPError:  # something in it has no content that could be compared
        return _range(system, name, system.get_params()[name])
    if key not in _ranges:
        if len(_ranges) > _KEPT:
            _ranges.clear()
        _ranges[key] = _range(system, name, system.get_params()[name])
    return _ranges[key]


def _range(system: Configurable, name: str, value: float) -> tuple[float, float, float]:
    label = name.rpartition("__")[2]
    if label in _RANGES:
        low, high, step = _RANGES[label]
    elif isinstance(value, int):
        low, high = 0.0, float(max(10, 4 * value))
        step = 1.0 if high <= 100 else float(_round_step(high / 100))
    elif 0 <= value <= 1:
        low, high, step = 0.0, 2.0 if value == 1 else 1.0, 0.01
    else:
        step = _round_step(abs(value) / 20)
        low, high = 0.0, step * math.ceil(4 * abs(value) / step)
    lows = [end for end in (low, low + step, 1.0) if end < value]
    highs = [end for end in (high, high - step, 1.0) if end > value]
    low = next((end for end in lows if _takes(system, name, end, value)), value)
    high = next((end for end in highs if _takes(system, name, end, value)), value)
    return low, high, step


def _round_step(about: float) -> float:
    power = 10.0 ** math.floor(math.log10(about)) if about > 0 else 1.0
    return float(next((m * power for m in (1, 2, 5) if m * power >= about * 0.999), 10 * power))


def _takes(system: Configurable, name: str, value: float, like: float) -> bool:
    try:
        system.set_params(**{name: int(value) if isinstance(like, int) else float(value)})
    except VCPError:
        return False
    return True


_ATTRIBUTE = re.compile(r"^ {4,12}(\w+): (.*)$")


@lru_cache(maxsize=1024)
def _about(owner: type, label: str) -> str:
    """What the docstrings of a class and its bases say about an attribute."""
    for cls in owner.__mro__:
        lines = (cls.__doc__ or "").splitlines()
        for at, line in enumerate(lines):
            found = _ATTRIBUTE.match(line)
            if found is None or found[1] != label:
                continue
            indent = len(line) - len(line.lstrip())
            told = [found[2]]
            for more in lines[at + 1 :]:
                if not more.strip() or len(more) - len(more.lstrip()) <= indent:
                    break
                told.append(more.strip())
            return re.sub(r":\w+:`~?([^`]*)`", lambda m: m[1].rpartition(".")[2], " ".join(told))
    return ""


def stage_of(system: Any) -> Stage | None:
    """The recipe or pipeline behind a competitor's value; None if it has none."""
    if isinstance(system, Stage):
        return system
    inner = getattr(system, "system", None)
    return inner if isinstance(inner, Stage) else None
