"""The chain of message preprocessors (facts/vcp-protocol §2, ``messagePreprocessor``)."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias

from vcplab.core.errors import InvalidInputError
from vcplab.core.loop import blocking, on_library_loop, to_worker
from vcplab.core.trace import span

__all__ = ["Preprocess", "Preprocessors"]

_logger = logging.getLogger(__name__)

Preprocess: TypeAlias = Callable[[list[Any]], "list[Any] | Awaitable[list[Any]]"]
"""Takes a request's messages and gives those that are sent."""


class Preprocessors:
    """Changes messages before a model gets them, one after the other.

    Those that were put in order come first, the rest by name. One that fails is passed over: its
    input goes on unchanged, and the failure is told.

    Args:
        failed: Called with name and error of every failure.
    """

    def __init__(self, failed: Callable[[str, Exception], object] = lambda *_: None) -> None:
        self._failed = failed
        self._lock = threading.Lock()
        self._chain: dict[str, Preprocess] = {}
        self._order: tuple[str, ...] = ()

    def add(self, name: str, function: Preprocess) -> None:
        """Add one; one of the same name is replaced.

        Args:
            name: Its name.
            function: Takes the messages and gives them back, changed; may be asynchronous.

        Raises:
            InvalidInputError: It cannot be called.
        """
        if not callable(function):
            raise InvalidInputError(
                f"{function!r} cannot be called.",
                where="function",
                next_step="pass a function that takes messages and returns messages",
            )
        with self._lock:
            self._chain[name] = function

    def remove(self, name: str) -> bool:
        """Take one away; whether there was one."""
        with self._lock:
            return self._chain.pop(name, None) is not None

    @property
    def order(self) -> list[str]:
        """The names in the order in which they run."""
        with self._lock:
            first = [name for name in self._order if name in self._chain]
            return first + sorted(name for name in self._chain if name not in first)

    def set_order(self, names: Iterable[str]) -> list[str]:
        """Put names in front, in this order; those that are not there yet keep their place.

        Args:
            names: The names.

        Returns:
            The order in force.
        """
        with self._lock:
            self._order = tuple(dict.fromkeys(names))
        return self.order

    @on_library_loop
    async def aprocess(self, messages: Sequence[Any]) -> list[Any]:
        """Run the chain.

        Args:
            messages: The request's messages; they are not changed themselves.

        Returns:
            What the last one gave.
        """
        present = list(messages)
        for name in self.order:
            function = self._chain.get(name)
            if function is None:
                continue
            with span(f"preprocessor.{name}", messages=len(present)) as here:
                try:
                    present = await self._run(function, present)
                except Exception as error:
                    here.set(passed_over=str(error))
                    _logger.warning("preprocessor %s failed and was passed over: %s", name, error)
                    self._failed(name, error)
        return present

    process = blocking(aprocess)

    async def _run(self, function: Preprocess, messages: list[Any]) -> list[Any]:
        given = [dict(m) if isinstance(m, dict) else m for m in messages]
        if inspect.iscoroutinefunction(function):
            made = await function(given)
        else:
            made = await to_worker(function, given)
            if inspect.isawaitable(made):
                made = await made
        if not isinstance(made, list | tuple):
            raise InvalidInputError(
                f"It gave {type(made).__name__}, not a list of messages.",
                where="messages",
                next_step="return the messages",
            )
        return list(made)

    def __len__(self) -> int:
        return len(self._chain)

    def __repr__(self) -> str:
        return f"<Preprocessors {' → '.join(self.order) or 'none'}>"
