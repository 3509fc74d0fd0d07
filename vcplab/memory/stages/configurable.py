"""Immutable values with scikit-learn parameters and a fingerprint: stages and recipes."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from vcplab.core.errors import InvalidInputError

__all__ = ["Configurable", "fingerprint_of", "is_versioned", "own_versions"]


@dataclasses.dataclass(frozen=True)
class Configurable:
    """Base of frozen dataclasses whose fields are their parameters."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, as scikit-learn gives them.

        Args:
            deep: Also those of nested values, as ``outer__inner``.
        """
        params: dict[str, Any] = {}
        for name, value in self._children().items():
            params[name] = value
            if deep and isinstance(value, Configurable):
                for inner, inner_value in value.get_params().items():
                    params[f"{name}__{inner}"] = inner_value
        return params

    def set_params(self, **params: Any) -> Self:
        """A copy with other parameters (the value itself never changes).

        Args:
            **params: New values; ``outer__inner`` reaches into nested values.

        Raises:
            InvalidInputError: A name is not a parameter.
        """
        children = self._children()
        changes: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        for name, value in params.items():
            outer, _, inner = name.partition("__")
            if outer not in children or (inner and not isinstance(children[outer], Configurable)):
                known = sorted(self.get_params())
                near = difflib.get_close_matches(name, known, n=1)
                raise InvalidInputError(
                    f"{type(self).__name__} has no parameter {name!r}.",
                    where=repr(self),
                    next_step=(f"Did you mean {near[0]!r}? " if near else "")
                    + f"Known: {', '.join(known)}.",
                )
            if inner:
                nested.setdefault(outer, {})[inner] = value
            else:
                changes[outer] = value
        for outer, inner_params in nested.items():
            changes[outer] = changes.get(outer, children[outer]).set_params(**inner_params)
        return self._with_children(changes) if changes else self

    @cached_property
    def fingerprint(self) -> str:
        """Hash of class and parameters: equal fingerprints give equal results on equal data."""
        return fingerprint_of(self)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{f.name}={getattr(self, f.name)!r}"
            for f in dataclasses.fields(self)
            if f.repr and getattr(self, f.name) != _default(f)
        )
        return f"{type(self).__name__}({shown})"

    def _children(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.compare}

    def _content(self) -> dict[str, Any]:
        """What the fingerprint covers: the parameters, with lazy defaults filled in."""
        return self._children()

    def _with_children(self, changes: Mapping[str, Any]) -> Self:
        return dataclasses.replace(self, **changes)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def own_versions(cls: type) -> list[str]:
    """The ``version`` of each class from outside vcplab that a value's class is made of."""
    foreign = [c for c in cls.__mro__ if not _is_ours(c)]
    return [f"{c.__qualname__}={vars(c)['version']}" for c in foreign if _has_version(c)]


def is_versioned(cls: type) -> bool:
    """Whether nothing of a class can change unseen: it is vcplab's, or states its ``version``.

    A class of a notebook cell keeps its name when the cell is edited, so its name says nothing.
    """
    return all(_is_ours(c) or _has_version(c) for c in cls.__mro__)


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in ("vcplab", "builtins", "abc", "typing")


def _has_version(cls: type) -> bool:
    return isinstance(vars(cls).get("version"), str)


def fingerprint_of(value: Any) -> str:
    """Hash of a parameter value: 32 hex digits.

    Args:
        value: JSON-able, a :class:`Configurable`, or anything with its own ``fingerprint``.

    Raises:
        InvalidInputError: The value has no stable content (an arbitrary object or function).
    """
    text = json.dumps(_canonical(value), ensure_ascii=True, sort_keys=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def _canonical(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "item") and hasattr(value, "dtype") and not getattr(value, "shape", (1,)):
        return _canonical(value.item())  # a NumPy scalar, as a grid made with arange holds them
    if isinstance(value, Configurable):
        cls = type(value)
        children = {k: _canonical(v) for k, v in value._content().items()}
        named = f"{cls.__module__}.{cls.__qualname__}"
        return [named, *own_versions(cls), children]
    if isinstance(value, Mapping):
        return {str(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted((_canonical(v) for v in value), key=str)
    own = getattr(value, "fingerprint", None)
    if isinstance(own, str):
        return [type(value).__qualname__, own]
    raise InvalidInputError(
        f"{value!r} has no fingerprint, so results made with it cannot be told apart.",
        next_step="Give it a `fingerprint`: a string that changes when its behaviour does.",
    )
