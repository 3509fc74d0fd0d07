"""How the present span travels: into threads, and into other processes (W3C Trace Context)."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from vcplab.core.errors import InvalidInputError
from vcplab.core.trace.spans import present
from vcplab.core.trace.values import RemoteSpan

__all__ = ["attach", "attach_from_environment", "carrier", "in_context"]

P = ParamSpec("P")
R = TypeVar("R")


def in_context(function: Callable[P, R]) -> Callable[P, R]:
    """Bind a function to the present context, for a thread or an executor.

    Args:
        function: A plain function.

    Returns:
        The function; every call, also several at once, sees the span, clock and settings that are
        in force now.

    Raises:
        InvalidInputError: The function is asynchronous; tasks inherit the context by themselves.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidInputError(
            f"{function.__qualname__} is asynchronous.",
            where="function",
            next_step="start a task instead: asyncio tasks inherit the context",
        )
    context = copy_context()

    @functools.wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered only once at a time; its copy costs next to nothing.
        return context.copy().run(function, *args, **kwargs)

    return bound


_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<id>[0-9a-f]{16})-[0-9a-f]{2}(?P<rest>-.*)?",
    re.DOTALL,
)


def carrier() -> dict[str, str]:
    """What another process needs to continue this trace.

    Returns:
        ``{"traceparent": "00-<trace>-<span>-01"}``, or ``{}`` where no span is open. As an
        environment variable the name is written TRACEPARENT.
    """
    here = present.get()
    return {} if here is None else {"traceparent": f"00-{here.trace_id}-{here.span_id}-01"}


@contextmanager
def attach(carrier: Mapping[str, str]) -> Iterator[None]:
    """Continue the trace of another process for a block.

    A carrier that is empty or malformed begins a new trace; it never raises.

    Args:
        carrier: What ``carrier`` returned there; the name is found in any case.
    """
    token = present.set(_remote(carrier))
    try:
        yield
    finally:
        present.reset(token)


def attach_from_environment() -> AbstractContextManager[None]:
    """Continue the trace that the parent process named in the variable TRACEPARENT, for a block.

    A missing or malformed variable begins a new trace; it never raises.

    Returns:
        The context manager.
    """
    return attach({"traceparent": os.environ.get("TRACEPARENT", "")})


def _remote(carrier: object) -> RemoteSpan | None:
    if not isinstance(carrier, Mapping):
        return None
    text = next(
        (v for k, v in carrier.items() if isinstance(k, str) and k.lower() == "traceparent"), None
    )
    found = _TRACEPARENT.fullmatch(text.strip(" \t")) if isinstance(text, str) else None
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["rest"]):
        return None
    trace, span_id = int(found["trace"], 16), int(found["id"], 16)
    return RemoteSpan(trace, span_id) if trace and span_id else None
