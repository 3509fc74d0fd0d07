"""What answers placeholders: the protocol of a provider, and its answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

__all__ = ["Answer", "Resolved", "VariableProvider", "once_per_resolve", "one_resolve"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value that says whether the placeholders in it are resolved, too.

    Attributes:
        text: The value; empty text is a value.
        recurse: True: by every provider. ``"others"``: by every provider but the one that gave it,
            also in the values found on the way. False: it is inserted as it is.
    """

    text: str
    recurse: bool | Literal["others"] = True


Answer: TypeAlias = str | Resolved | None
"""A value, or None for "this is not mine"; plain text is like ``Resolved(text)``."""


@runtime_checkable
class VariableProvider(Protocol):
    """Answers placeholders (``IVariableProvider`` of seed 003).

    It may also have ``names()``, the placeholders that it knows, for completion.
    """

    @property
    def name(self) -> str:
        """What it is called in traces and errors; an engine has one provider of a name."""
        ...

    def resolve(self, key: str) -> Answer | Awaitable[Answer]:
        """The value of a placeholder.

        Args:
            key: Its name, without braces.

        Returns:
            The value, None where it is not this provider's, or an awaitable of either.
        """
        ...


_shared: ContextVar[dict[Hashable, Any] | None] = ContextVar("vcplab_resolve", default=None)


@contextmanager
def one_resolve() -> Iterator[None]:
    """Mark a block as one resolve, for `once_per_resolve`."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def once_per_resolve(key: Hashable, make: Callable[[], T]) -> T:
    """Make something once in a resolve, and anew outside of one.

    So all dates of a prompt are of one moment, and its tools are asked for once.

    Args:
        key: What it is; usually the provider and a word.
        make: Makes it.
    """
    shared = _shared.get()
    if shared is None:
        return make()
    if key not in shared:
        shared[key] = make()
    value: T = shared[key]
    return value
