"""The resolver: one pass over a text and, with an own stack, over the values in it.

It is a generator that yields what has to be awaited. So one and the same code serves synchronous
callers, asynchronous ones, and values that lie thousands deep.
"""

from __future__ import annotations

import concurrent.futures
import inspect
from collections.abc import Awaitable, Generator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NoReturn, TypeAlias

from vcplab.core.errors import InvalidInputError, NotFoundError, VCPError, VCPErrorCode
from vcplab.prompt.placeholders.options import EngineOptions
from vcplab.prompt.placeholders.provider import Answer, Resolved, VariableProvider
from vcplab.prompt.placeholders.resolution import PlaceholderUse, Resolution
from vcplab.prompt.placeholders.syntax import Found, find_placeholders

__all__ = ["Steps", "known_names", "resolving"]

Steps: TypeAlias = Generator[Awaitable[Answer], Answer, Resolution]
"""Yields what is to be awaited, is sent its outcome, and returns the resolution."""

# A name means another thing where some providers do not answer (`Resolved.recurse == "others"`).
_Key: TypeAlias = tuple[str, frozenset[str]]


@dataclass(slots=True)
class _Outcome:
    """What is known of a placeholder."""

    depth: int
    within: str | None
    provider: str | None = None
    value: str | None = None  # final; None while it is being resolved, and where nobody answered
    height: int = 0  # how many placeholders lie in each other in it, itself included
    count: int = 0
    is_done: bool = False


@dataclass(slots=True)
class _Frame:
    """A text that is being resolved: the whole one, or a value."""

    key: _Key | None
    text: str
    found: list[Found]
    depth: int
    silent: frozenset[str]  # providers that do not answer here
    parts: list[str] = field(default_factory=list)
    at: int = 0  # which of `found` is next
    cursor: int = 0  # up to where the text is in `parts`
    height: int = 0
    inserted: int = 0


def resolving(text: str, providers: Sequence[VariableProvider], options: EngineOptions) -> Steps:
    """Resolve a text, step by step.

    Args:
        text: The text.
        providers: Who is asked, in this order.
        options: The limits.

    Returns:
        The generator; see `Steps`.

    Raises:
        VCPError: See `VariableEngine.resolve_all`.
    """
    outcomes: dict[_Key, _Outcome] = {}
    names: set[str] = set()
    stack = [_opened(None, text, 1, frozenset(), names, options)]
    while True:
        frame = stack[-1]
        if frame.at == len(frame.found):
            frame.parts.append(frame.text[frame.cursor :])
            whole = "".join(frame.parts)
            stack.pop()
            if frame.key is None:
                return _resolution(whole, outcomes)
            outcome = outcomes[frame.key]
            outcome.value, outcome.height, outcome.is_done = whole, frame.height + 1, True
            continue
        name, start, end = frame.found[frame.at]
        key = (name, frame.silent)
        known = outcomes.get(key)
        if known is None or not known.is_done:
            if known is not None and options.detect_circular:
                _refuse_cycle(stack, name)
            provider, answer = yield from _asked(name, providers, frame.silent)
            if known is None:
                within = frame.key[0] if frame.key else None
                known = outcomes[key] = _Outcome(frame.depth, within)
            if provider is None:
                if options.strict:
                    _refuse_unknown(name, frame, providers)
                known.is_done = True
            else:
                if frame.depth > options.max_recursion_depth:
                    _refuse_depth(stack, name, options)
                known.provider = provider
                silent = frame.silent | {provider} if answer.recurse == "others" else frame.silent
                if answer.recurse and options.enable_recursion and "{{" in answer.text:
                    below = _opened(key, answer.text, frame.depth + 1, silent, names, options)
                    if below.found:
                        stack.append(below)
                        continue
                known.value, known.height, known.is_done = answer.text, 1, True
        frame.at += 1
        known.count += 1
        if known.value is None:
            continue
        # A value that is known already may be too tall for the place where it is used again.
        if frame.depth + known.height - 1 > options.max_recursion_depth:
            _refuse_depth(stack, name, options)
        frame.height = max(frame.height, known.height)
        frame.inserted += len(known.value)
        if frame.inserted > options.max_length:
            _refuse_length(frame, options)
        frame.parts += (frame.text[frame.cursor : start], known.value)
        frame.cursor = end


def known_names(providers: Sequence[VariableProvider]) -> list[str]:
    """The placeholders that providers say they know, each once, in the order of the providers."""
    names: dict[str, None] = {}
    for provider in providers:
        tell = getattr(provider, "names", None)
        if callable(tell):
            names.update(dict.fromkeys(tell()))
    return list(names)


def _opened(
    key: _Key | None,
    text: str,
    depth: int,
    silent: frozenset[str],
    names: set[str],
    options: EngineOptions,
) -> _Frame:
    found = find_placeholders(text)
    names.update(one.name for one in found)
    if len(names) > options.max_placeholders:
        raise InvalidInputError(
            f"The text has {len(names)} different placeholders or more; "
            f"at most {options.max_placeholders} are resolved.",
            where=f"the value of {{{{{key[0]}}}}}" if key else "text",
            next_step="split the text, or raise max_placeholders",
            details={"placeholders": len(names), "max_placeholders": options.max_placeholders},
        )
    return _Frame(key, text, found, depth, silent)


def _asked(
    name: str, providers: Sequence[VariableProvider], silent: frozenset[str]
) -> Generator[Awaitable[Answer], Answer, tuple[str | None, Resolved]]:
    """Who answers a placeholder, and what; the first provider that knows it wins."""
    for provider in providers:
        if provider.name in silent:
            continue
        try:
            given: Any = provider.resolve(name)
            if inspect.isawaitable(given):
                given = yield given
        except concurrent.futures.CancelledError:
            raise  # an Exception, unlike asyncio's
        except Exception as error:
            raise _failed(name, provider.name, error) from error
        if given is None:
            continue
        if isinstance(given, str):
            return provider.name, Resolved(given)
        if isinstance(given, Resolved) and isinstance(given.text, str):
            return provider.name, given
        raise InvalidInputError(
            f"The provider {provider.name!r} answered {{{{{name}}}}} with "
            f"{type(given).__name__}, which is no text.",
            where=provider.name,
            next_step="let its resolve() return str, Resolved, or None for what is not its own",
            details={"provider": provider.name, "placeholder": name},
        )
    return None, Resolved("")


def _failed(name: str, provider: str, error: Exception) -> VCPError:
    details: dict[str, Any] = {"provider": provider, "placeholder": name}
    if isinstance(error, VCPError):
        return type(error)(
            f"The provider {provider!r} could not resolve {{{{{name}}}}}: {error.message}",
            code=error.code,
            where=error.where,
            next_step=error.next_step,
            details={**error.details, **details},
        )
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return VCPError(
        f"The provider {provider!r} could not resolve {{{{{name}}}}}: {told}",
        where=provider,
        next_step="mend the provider, or unregister it",
        details=details,
    )


def _path(stack: Sequence[_Frame], name: str) -> list[str]:
    return [frame.key[0] for frame in stack if frame.key] + [name]


def _shown(path: Sequence[str]) -> str:
    if len(path) > 20:
        path = [*path[:10], "…", *path[-9:]]
    return " → ".join(path)


def _refuse_cycle(stack: Sequence[_Frame], name: str) -> NoReturn:
    path = _path(stack, name)
    cycle = path[path.index(name) :]
    raise InvalidInputError(
        f"Placeholders refer to each other in a circle: {_shown(cycle)}.",
        code=VCPErrorCode.CIRCULAR_DEPENDENCY,
        where=f"the value of {{{{{path[-2]}}}}}",
        next_step=f"take {{{{{name}}}}} out of that value",
        details={"cycle": cycle, "path": path},
    )


def _refuse_depth(stack: Sequence[_Frame], name: str, options: EngineOptions) -> NoReturn:
    path = _path(stack, name)
    raise InvalidInputError(
        f"Placeholders lie in each other more than {options.max_recursion_depth} deep: "
        f"{_shown(path)}.",
        code=VCPErrorCode.MAX_RECURSION_EXCEEDED,
        where=f"the value of {{{{{path[-2]}}}}}" if len(path) > 1 else "text",
        next_step="make the chain shorter, or raise max_recursion_depth",
        details={"path": path, "max_recursion_depth": options.max_recursion_depth},
    )


def _refuse_length(frame: _Frame, options: EngineOptions) -> NoReturn:
    raise InvalidInputError(
        f"The values add more than {options.max_length} characters.",
        where=f"the value of {{{{{frame.key[0]}}}}}" if frame.key else "text",
        next_step="look for a value that holds another one many times, or raise max_length",
        details={"max_length": options.max_length},
    )


def _refuse_unknown(name: str, frame: _Frame, providers: Sequence[VariableProvider]) -> NoReturn:
    near = get_close_matches(name, known_names(providers), n=1)
    if near and near[0] != name:
        step = f"did you mean {{{{{near[0]}}}}}?"
    elif frame.silent:
        quiet = ", ".join(sorted(frame.silent))
        step = f"it stands in a value in which {quiet} does not answer; take it out of the value"
    else:
        step = "register a provider that knows it, or leave out strict"
    raise NotFoundError(
        f"Nobody knows the placeholder {{{{{name}}}}}.",
        code=VCPErrorCode.VARIABLE_NOT_FOUND,
        where=f"the value of {{{{{frame.key[0]}}}}}" if frame.key else "text",
        next_step=step,
        details={"placeholder": name},
    )


def _resolution(text: str, outcomes: dict[_Key, _Outcome]) -> Resolution:
    return Resolution(
        text,
        tuple(
            PlaceholderUse(name, one.provider, one.value, one.depth, one.within, one.count)
            for (name, _), one in outcomes.items()
        ),
    )
