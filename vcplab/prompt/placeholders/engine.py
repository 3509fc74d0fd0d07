"""The variable engine: providers in order, and texts resolved by them."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from vcplab.core.errors import InvalidInputError, LoopError
from vcplab.core.loop import library_loop, on_library_loop, run
from vcplab.core.trace import Span, span
from vcplab.prompt.placeholders.options import EngineOptions
from vcplab.prompt.placeholders.provider import Answer, VariableProvider, one_resolve
from vcplab.prompt.placeholders.resolution import Resolution
from vcplab.prompt.placeholders.resolving import Steps, known_names, resolving

__all__ = ["VariableEngine", "create_variable_engine"]

P = TypeVar("P", bound=VariableProvider)

# How many answers a span lists; a prompt has a few dozen, a test ten thousand.
_LISTED = 100


@dataclass(frozen=True, slots=True)
class _Registered:
    provider: VariableProvider
    name: str
    priority: float
    serial: int


class VariableEngine:
    """Resolves ``{{name}}`` in texts (``IVariableEngine`` of seed 003).

    Each different placeholder is asked for once in a text, of one provider after the other; the
    first that knows it wins. What nobody knows stays as it is. Values are inserted verbatim:
    nothing in them is read as a pattern, and a placeholder is never formed by a value together
    with the text around it. Providers are asked in the caller's thread; what they return to be
    awaited runs on the library's loop.

    Safe to share between threads.

    Args:
        options: Options, or a mapping with the seed's names or ours (`EngineOptions`).
        **single: Single options; they win.

    Raises:
        InvalidInputError: An option is unknown or impossible.
    """

    def __init__(
        self, options: EngineOptions | Mapping[str, Any] | None = None, **single: Any
    ) -> None:
        self._options = EngineOptions.of(options, **single)
        self._lock = threading.Lock()
        self._registered: tuple[_Registered, ...] = ()
        self._serial = 0

    @property
    def options(self) -> EngineOptions:
        """The limits."""
        return self._options

    @property
    def providers(self) -> tuple[VariableProvider, ...]:
        """The providers, in the order in which they are asked."""
        return tuple(one.provider for one in self._registered)

    def register_provider(self, provider: P, priority: float = 0) -> P:
        """Add a provider; it takes the place of one of the same name.

        Args:
            provider: The provider.
            priority: Higher is asked earlier; of equals, the one whose name was there earlier.

        Returns:
            The provider.

        Raises:
            InvalidInputError: It is no provider, or the priority no number.
        """
        name = getattr(provider, "name", None)
        if inspect.isclass(provider):
            raise InvalidInputError(
                f"{provider.__name__} is the class of a provider, not a provider.",
                where="provider",
                next_step=f"write {provider.__name__}(…)",
            )
        if not isinstance(name, str) or not name or not callable(getattr(provider, "resolve", 0)):
            raise InvalidInputError(
                f"A provider has a name and a method resolve(key); {provider!r} has not.",
                where="provider",
                next_step="for single values use PlaceholderProvider({'name': 'value'})",
            )
        is_number = isinstance(priority, int | float) and not isinstance(priority, bool)
        if not is_number or math.isnan(priority):
            raise InvalidInputError(
                f"A priority is a number, not {priority!r}.",
                where="priority",
                next_step="pass e.g. 100",
            )
        with self._lock:
            self._serial += 1
            serial = next(
                (one.serial for one in self._registered if one.name == name), self._serial
            )
            kept = [one for one in self._registered if one.name != name]
            kept.append(_Registered(provider, name, priority, serial))
            self._registered = tuple(sorted(kept, key=lambda one: (-one.priority, one.serial)))
        return provider

    def unregister_provider(self, name: str) -> bool:
        """Remove a provider.

        Args:
            name: Its name.

        Returns:
            Whether there was one.
        """
        with self._lock:
            kept = tuple(one for one in self._registered if one.name != name)
            was_there = len(kept) < len(self._registered)
            self._registered = kept
        return was_there

    def names(self) -> list[str]:
        """The placeholders that the providers say they know, for completion."""
        return known_names(self.providers)

    def resolve_all(self, text: str) -> str:
        """Resolve every placeholder of a text (``resolveAll`` of seed 003, waiting for it).

        As long as no provider returns an awaitable, no loop is needed, so it may be called
        anywhere; an awaitable is waited for by `vcplab.run`.

        Args:
            text: The text.

        Returns:
            The text with what the providers know put in.

        Raises:
            InvalidInputError: Code ``CIRCULAR_DEPENDENCY``: values hold each other in a circle, and
                the message names it. ``MAX_RECURSION_EXCEEDED``: they lie too deep in each other.
                ``INVALID_INPUT``: there are too many placeholders or characters, for which the
                seed has no code: the text can be read (no ``PARSE_ERROR``) and is not deep.
            NotFoundError: Code ``VARIABLE_NOT_FOUND``: with ``strict``, nobody knows one.
            LoopError: Something has to be awaited, and this is the loop's own thread.
            VCPError: A provider failed; the message names it and the placeholder. An error of our
                own keeps its class and code.
        """
        return self.explain(text).text

    async def aresolve_all(self, text: str) -> str:
        """Resolve every placeholder of a text (``resolveAll`` of seed 003).

        Awaitables of providers are awaited one after the other, in the order of the text.

        Args:
            text: The text.

        Returns:
            The text with what the providers know put in.

        Raises:
            VCPError: As for `resolve_all`, save that nothing blocks.
        """
        return (await self.aexplain(text)).text

    def explain(self, text: str) -> Resolution:
        """Resolve a text and tell who answered what.

        Args:
            text: The text.

        Returns:
            The resolved text and a row for every different placeholder.

        Raises:
            VCPError: As for `resolve_all`.
        """
        steps = self._steps(text)
        if steps is None:
            return Resolution(text, ())
        with _traced(text) as here, one_resolve():
            return _told(here, _driven(steps))

    async def aexplain(self, text: str) -> Resolution:
        """Resolve a text and tell who answered what, awaiting what has to be awaited.

        Args:
            text: The text.

        Returns:
            The resolved text and a row for every different placeholder.

        Raises:
            VCPError: As for `aresolve_all`.
        """
        steps = self._steps(text)
        if steps is None:
            return Resolution(text, ())
        with _traced(text) as here, one_resolve():
            return _told(here, await _adriven(steps))

    def _steps(self, text: str) -> Steps | None:
        if not isinstance(text, str):
            raise InvalidInputError(
                f"Placeholders are resolved in text, not in {type(text).__name__}.",
                where="text",
                next_step="pass the content of one message as str",
            )
        return resolving(text, self.providers, self._options) if "{{" in text else None

    def __repr__(self) -> str:
        names = ", ".join(one.name for one in self._registered)
        return f"VariableEngine({names or 'no providers'})"


def create_variable_engine(
    options: EngineOptions | Mapping[str, Any] | None = None, **single: Any
) -> VariableEngine:
    """``createVariableEngine``: an engine without providers.

    Args:
        options: Options by the seed's names or ours (`EngineOptions`).
        **single: Single options; they win.

    Returns:
        The engine.

    Raises:
        InvalidInputError: An option is unknown or impossible.
    """
    return VariableEngine(options, **single)


def _traced(text: str) -> Span:
    return span("prompt.placeholders", kind="variable", input=text)


def _told(here: Span, resolution: Resolution) -> Resolution:
    answered = {use.placeholder: use.provider for use in resolution if use.provider is not None}
    here.set(
        output=resolution.text,
        placeholders=len(resolution),
        answered=len(answered),
        unresolved=len(resolution.unresolved),
        depth=max((use.depth for use in resolution if use.provider is not None), default=0),
        providers=dict(list(answered.items())[:_LISTED]),
    )
    return resolution


def _driven(steps: Steps) -> Resolution:
    """Run the steps; only what has to be awaited goes to the loop."""
    try:
        awaited = next(steps)
        while True:
            if library_loop().is_current():
                _discard(awaited)
                steps.close()
                raise LoopError(
                    "resolve_all() would wait for a provider on the loop's own thread.",
                    where="resolve_all",
                    next_step="await aresolve_all(…)",
                )
            try:
                value: Answer = run(awaited)
            except BaseException as error:
                awaited = steps.throw(error)
            else:
                awaited = steps.send(value)
    except StopIteration as stop:
        resolution: Resolution = stop.value
        return resolution


async def _adriven(steps: Steps) -> Resolution:
    try:
        awaited = next(steps)
        while True:
            try:
                # A future belongs to the loop on which it was made.
                value = await (awaited if asyncio.isfuture(awaited) else _on_library(awaited))
            except BaseException as error:
                awaited = steps.throw(error)
            else:
                awaited = steps.send(value)
    except StopIteration as stop:
        resolution: Resolution = stop.value
        return resolution


@on_library_loop
async def _on_library(awaited: Awaitable[Answer]) -> Answer:
    return await awaited


def _discard(awaited: Awaitable[Answer]) -> None:
    if inspect.iscoroutine(awaited):
        awaited.close()  # or Python warns that nobody awaited it
