"""The search space of ``why_not``: which settings of a system are tried, and how far each is.

It is derived from the system's own parameters (``get_params``) by the table below. What would build
an index anew has no place in it: fields, analyser, embedder, the tag graph. Distances:

* a number on a linear scale: |new − old| / (highest − lowest);
* a number on a logarithmic scale (lengths of lists, half-lives): |log(new / old)| / log(highest /
  lowest);
* the weights of a fusion: the share that moves from one lane to another;
* a switch (a filter or a stage left out, another kind of spreading, a rerank put on or off): 1,
  which is as far as a number's whole range.

Two changes together are as far as the sum of both. Pairs are made of coarse steps
(:meth:`Axis.coarse`); what would switch a stage on is tried by itself only.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError
from vcplab.memory.explaining.changes import DROPPED, parameters
from vcplab.memory.stages.base import Pipeline, SideBySide, Stage
from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.stages.fusion import RRF, Convex
from vcplab.memory.stages.ranking import Decay

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Axis", "Option", "Range", "SearchSpace"]


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """The values of a number that are tried.

    Attributes:
        low: The least.
        high: The largest.
        log: Whether it is a ratio that counts: values 1, 2, 5, 10, 20 and so on; else equal steps.
        unset: What None stands for.
        steps: Number of equal steps.
    """

    low: float
    high: float
    log: bool = False
    unset: float | None = None
    steps: int = 10

    def values(self) -> list[float]:
        """All of them, rising."""
        if not self.log:
            width = (self.high - self.low) / self.steps
            return [round(self.low + width * i, 6) for i in range(self.steps + 1)]
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = [s * 10.0**e for e in range(first, last + 1) for s in (1, 2, 5)]
        return [round(s, 6) for s in steps if self.low <= s <= self.high]

    def size(self, old: float, new: float) -> float:
        """How far it is from one value to another, 0 to 1 inside the range."""
        if self.log:
            floor = self.low / 10
            ratio = math.log(max(new, floor) / max(old, floor))
            return abs(ratio) / math.log(self.high / self.low)
        return abs(new - old) / (self.high - self.low)


_SHARE = Range(0, 1)
_WEIGHT = Range(0, 1, steps=20)
_LENGTH = Range(10, 5000, log=True, unset=100)
_HEAD = Range(1, 500, log=True)
# Parameter, or Class.parameter where a name means different things.
_RANGES: Mapping[str, Range] = {
    "candidates": _LENGTH,
    "initial_top_k": _LENGTH,
    "rerank_depth": _HEAD,
    "pool": _HEAD,
    "k": _HEAD,
    "RRF.k": Range(1, 1000, log=True),
    "k1": Range(0, 3, steps=15),
    "b": _SHARE,
    "weight": _WEIGHT,
    "threshold": _SHARE,
    "relevance": _SHARE,
    "diversity_lambda": _SHARE,
    "floor": _SHARE,
    "decay_floor": _SHARE,
    "before": Range(0, 20),
    "after": Range(0, 20),
    "tag_weight": Range(0.05, 0.95, steps=18),
    "specificity": Range(0, 2),
    "length": _SHARE,
    "walk": Range(0.05, 0.95, steps=9),
    "decay": _SHARE,
    "words": _SHARE,
    "documents": _SHARE,
    "feedback": Range(1, 50, log=True),
    "alpha": Range(0, 2),
    "TagEnhance.vector": _SHARE,
    "TagEnhance.terms": _SHARE,
    "TagField.floor": Range(0, 0.2),
}
# Half-lives, as people say them.
_HALF_LIVES = ("1d", "3d", "1w", "2w", "1m", "2m", "3m", "6m", "1y", "2y", "5y", "10y")
_DAYS = Range(1, 3653, log=True)
# What is on or off: name → the value that is off.
_OFF: Mapping[str, Any] = {
    "rerank": False,
    "enhance": False,
    "field": False,
    "diversity_sampling": False,
    "filters": None,
    "query_preset": None,
    "preset": None,
    "time_decay": None,
}
# What is switched on too; the others need something that only the user can give.
_ON: Mapping[str, Any] = {
    "rerank": True,
    "field": True,
    "diversity_sampling": True,
    "time_decay": "1y",
}
_CHOICES: Mapping[str, tuple[Any, ...]] = {
    "variant": ("lucene", "robertson", "atire", "bm25l", "bm25+"),
    "missing": ("score", "zero"),
    "norm": ("auto", "max", "minmax", "zscore", "raw"),
    "Parents.pool": ("max", "mean", "sum"),
}
# What is not searched: it builds indexes anew, is no part of the ranking, or stays by intent.
_SKIPPED = frozenset(
    {"fields", "analyzer", "embedder", "kernel", "order", "source", "synonyms", "top_k"}
    | {"final_top_k", "nearest", "reranker", "condition", "model", "strength"}
)


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One other setting.

    Attributes:
        changes: Parameter → new value, as pairs.
        size: How far it is from what is.
        less: Whether a number becomes smaller.
        alone: Whether it is tried by itself only: what switches a stage on.
    """

    changes: tuple[tuple[str, Any], ...]
    size: float
    less: bool = False
    alone: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    """One thing that can be changed by itself.

    Attributes:
        name: The parameter, or several that only mean something together, or a stage.
        now: What it is.
        options: What else is tried, nearest first.
    """

    name: str
    now: Any
    options: tuple[Option, ...]

    def coarse(self) -> tuple[Option, ...]:
        """Up to four options that pairs are made of: on either side the middle and the end."""
        options = tuple(option for option in self.options if not option.alone)
        if len(options) <= 4:
            return options
        sides = [[o for o in options if o.less == less] for less in (True, False)]
        picked = [o for side in sides if side for o in (side[len(side) // 2], side[-1])]
        return _nearest_first(dict.fromkeys(picked))


@dataclasses.dataclass(frozen=True, slots=True)
class SearchSpace:
    """Which settings of a system are tried.

    Attributes:
        axes: What can be changed.
    """

    axes: tuple[Axis, ...]

    @staticmethod
    def of(system: Stage) -> SearchSpace:
        """The space of a system's own parameters, by the rules of this module."""
        axes = tuple(axis for axis in _axes(system, "", 0) if axis.options)
        return SearchSpace(axes)

    @staticmethod
    def given(system: Stage, values: Mapping[str, Sequence[Any]]) -> SearchSpace:
        """A space of one's own.

        Args:
            system: Whose parameters.
            values: Parameter as in ``get_params()`` → values to try. Numbers are as far as their
                share of the range of these values, anything else counts 1.

        Raises:
            InvalidInputError: A name is no parameter, or there is no value.
        """
        known = parameters(system)
        axes = []
        for name, tried in values.items():
            if name not in known or isinstance(tried, str) or not len(tried):
                raise InvalidInputError(
                    f"{name!r} cannot be searched with {tried!r}.",
                    where="space",
                    next_step='Give values per parameter: {"bm25_weight": [0.1, 0.5]}. Parameters: '
                    f"{', '.join(sorted(known))}.",
                )
            now = known[name]
            numbers = [_number(value) for value in (*tried, now)]
            present = [n for n in numbers if n is not None]
            span = max(present) - min(present) if len(present) == len(numbers) else 0.0
            options = [
                Option(
                    ((name, v),),
                    abs(float(v) - float(now)) / span if span else 1.0,
                    bool(span and v < now),
                )
                for v in tried
                if v is not now and v != now
            ]
            axes.append(Axis(name, now, _nearest_first(options)))
        return SearchSpace(tuple(axes))

    @property
    def singles(self) -> int:
        """Number of settings that differ in one thing."""
        return sum(len(axis.options) for axis in self.axes)

    def to_frame(self) -> pd.DataFrame:
        """One row per axis: parameter, now, values (what is tried), farthest (the largest size)."""
        import pandas as pd

        rows = [
            (
                axis.name,
                axis.now,
                [option.changes[0][1] for option in axis.options],
                axis.options[-1].size if axis.options else 0.0,
            )
            for axis in self.axes
        ]
        return pd.DataFrame(rows, columns=["parameter", "now", "values", "farthest"])

    def __len__(self) -> int:
        return len(self.axes)


def _axes(value: Configurable, prefix: str, lanes: int) -> Iterator[Axis]:
    if isinstance(value, Pipeline | SideBySide):
        for name, part in value._children().items():
            # A query, filter or ranking stage can be left out; lanes are weighed by their fusion.
            if part.kind in ("query", "filter", "ranking") and isinstance(value, Pipeline):
                yield Axis(f"{prefix}{name}", part, (Option(((f"{prefix}{name}", DROPPED),), 1.0),))
            yield from _axes(part, f"{prefix}{name}__", lanes)
            if isinstance(value, Pipeline):
                lanes = part.lanes_out(lanes)
        return
    children = value._children()
    owner = type(value).__name__
    weighed = {"bm25_weight", "semantic_weight"} <= set(children)
    if weighed:
        yield _recipe_weights(prefix, children["bm25_weight"], children["semantic_weight"])
    if isinstance(value, Convex | RRF):
        yield from _fusion_weights(value, prefix, lanes)
    for name, child in children.items():
        path = f"{prefix}{name}"
        if name in _SKIPPED or (weighed and name in ("bm25_weight", "semantic_weight")):
            continue
        if isinstance(value, Convex | RRF) and name in ("weight", "weights"):
            continue
        yield from _field(owner, name, path, child)
        if isinstance(child, Configurable) and name != "filters":
            # A recipe puts its own network into these.
            inner = {"network"} if name in ("enhance", "field") else set()
            yield from (
                axis
                for axis in _axes(child, f"{path}__", 0)
                if not any(axis.name.startswith(f"{path}__{own}__") for own in inner)
            )


def _field(owner: str, name: str, path: str, value: Any) -> Iterator[Axis]:
    if name in ("half_life", "time_decay"):
        yield _half_life(name, path, value)
    elif name == "spread":
        yield _spread(path, value)
    elif name in _OFF and owner != "TagField":
        off = _OFF[name]
        options = []
        if value is not off and value is not None:
            options = [Option(((path, off),), 1.0)]
        elif name in _ON:
            options = [Option(((path, _ON[name]),), 1.0, alone=True)]
        yield Axis(path, value, tuple(options))
    elif (choices := _CHOICES.get(f"{owner}.{name}", _CHOICES.get(name))) and value in choices:
        options = [Option(((path, v),), 1.0) for v in choices if v != value]
        yield Axis(path, value, tuple(options))
    elif (scale := _RANGES.get(f"{owner}.{name}", _RANGES.get(name))) is not None:
        yield _numbers(path, value, scale)
    elif isinstance(value, bool):
        yield Axis(path, value, (Option(((path, not value),), 1.0),))


def _numbers(path: str, value: Any, scale: Range) -> Axis:
    old = scale.unset if value is None else _number(value)
    if old is None:
        return Axis(path, value, ())
    whole = isinstance(value, int) or value is None
    tried = {int(v) if whole else v for v in scale.values()}
    options = [Option(((path, v),), scale.size(old, v), v < old) for v in sorted(tried) if v != old]
    return Axis(path, value, _nearest_first(options))


def _half_life(name: str, path: str, value: Any) -> Axis:
    if value is None:
        # As far as any switch: how fast it then ages is a matter of its own.
        return Axis(path, value, (Option(((path, _ON["time_decay"]),), 1.0, alone=True),))
    old = Decay(value).half_life_days
    days = {v: Decay(v).half_life_days for v in _HALF_LIVES}
    options = [Option(((path, v),), _DAYS.size(old, d), d < old) for v, d in days.items()]
    if name == "time_decay":
        options.append(Option(((path, None),), 1.0))
    return Axis(path, value, _nearest_first([o for o in options if o.size > 1e-9]))


def _spread(path: str, value: Any) -> Axis:
    from vcplab.memory.tags.spreading import BreadthFirst, NoSpread, PageRank, Spikes

    kinds = (NoSpread(), PageRank(), BreadthFirst(), Spikes())
    options = [Option(((path, kind),), 1.0) for kind in kinds if type(kind) is not type(value)]
    return Axis(path, value, tuple(options))


def _recipe_weights(prefix: str, bm25: float, semantic: float) -> Axis:
    total = bm25 + semantic
    old = bm25 / total
    names = (f"{prefix}bm25_weight", f"{prefix}semantic_weight")
    options = []
    for share in _WEIGHT.values():
        new = (round(share * total, 6), round((1 - share) * total, 6))
        if abs(share - old) > 1e-9:
            options.append(
                Option(tuple(zip(names, new, strict=True)), abs(share - old), share < old)
            )
    return Axis(", ".join(names), bm25, _nearest_first(options))


def _fusion_weights(fusion: Convex | RRF, prefix: str, lanes: int) -> Iterator[Axis]:
    if isinstance(fusion, Convex) and fusion.weights is None:
        yield _numbers(f"{prefix}weight", float(fusion.weight), _WEIGHT)
        return
    weights = fusion.weights or (1.0,) * lanes
    if len(weights) < 2:
        return
    total = sum(weights)
    for lane, own in enumerate(weights[: len(weights) if len(weights) > 2 else 1]):
        old, options = own / total, []
        for share in _WEIGHT.values():
            # The other lanes keep their proportions.
            rest = total - own
            scale = (1 - share) * total / rest if rest else 0.0
            if abs(share - old) < 1e-9 or not rest:
                continue
            new = tuple(
                round(share * total if i == lane else w * scale, 6) for i, w in enumerate(weights)
            )
            options.append(Option(((f"{prefix}weights", new),), abs(share - old), share < old))
        name = f"{prefix}weights" + (f" (lane {lane})" if len(weights) > 2 else "")
        yield Axis(name, fusion.weights or weights, _nearest_first(options))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _nearest_first(options: Iterable[Option]) -> tuple[Option, ...]:
    return tuple(sorted(options, key=lambda option: option.size))
