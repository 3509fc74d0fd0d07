"""The arguments of a call: names found, values read, everything that is wrong told at once."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vcplab.core.errors import InvalidInputError, VCPErrorCode
from vcplab.core.redaction import MASK, is_secret_name
from vcplab.plugins.functions._readers import Reader, reasons_of
from vcplab.plugins.functions.context import ToolContext
from vcplab.plugins.parameters import SERVER_KEYS
from vcplab.protocol.requests import RESERVED_KEYS

__all__ = ["Binder"]

_SEPARATORS = re.compile(r"[\s_\-]+")
_LONGEST = 60


def _folded(name: object) -> str:
    return _SEPARATORS.sub("", str(name)).casefold()


# Servers of 2025 leave most of their own flags among the arguments (facts/vcp-protocol §1.1).
_ADDED = frozenset(map(_folded, (*SERVER_KEYS, *RESERVED_KEYS)))


@dataclass(frozen=True, slots=True)
class _Problem:
    parameter: str
    message: str
    step: str = ""
    example: str | None = None


class Binder:
    """Turns the arguments of a call into those of the function.

    Args:
        tool: The tool's name, for errors.
        readers: Readers by parameter.
        required: Parameters that a call must give.
        contexts: Parameters that the host fills; True if one has no default.
        extra: Reads what belongs to no parameter, if the function takes such.
    """

    __slots__ = (
        "_contexts", "_dropped", "_extra", "_folded", "_quick", "_readers", "_required", "_tool",
    )  # fmt: skip

    def __init__(
        self,
        tool: str,
        readers: Mapping[str, Reader],
        required: Iterable[str],
        contexts: Mapping[str, bool],
        extra: Reader | None,
    ) -> None:
        self._tool = tool
        self._readers = dict(readers)
        self._required = frozenset(required)
        self._contexts = dict(contexts)
        self._extra = extra
        self._quick = {name: (reader.fast, reader.read) for name, reader in readers.items()}
        self._folded: dict[str, list[str]] = {}
        for name in readers:
            self._folded.setdefault(_folded(name), []).append(name)
        # What servers add and this function has no use for, e.g. who signed the call.
        known = (*SERVER_KEYS, *RESERVED_KEYS) if extra is None else ()
        self._dropped = frozenset(
            key for key in known if _folded(key) not in self._folded and key not in contexts
        )

    def bind(self, arguments: Mapping[str, Any], context: ToolContext | None) -> dict[str, Any]:
        """See `FunctionSpec.bind`."""
        if not isinstance(arguments, dict) and not isinstance(arguments, Mapping):
            raise InvalidInputError(
                f"The arguments of a tool are a mapping, not {type(arguments).__name__}.",
                where=self._tool,
                next_step='give for example {"text": "…"}',
            )
        # Nearly every call names its parameters exactly and fits; the rest is looked at closely.
        quick = self._quick
        bound: dict[str, Any] = {}
        try:
            for key, value in arguments.items():
                if key in self._dropped:
                    continue
                fast, read = quick[key]
                bound[key] = value if type(value) is fast else read(value)
            fits = bound.keys() >= self._required
        except (KeyError, ValueError):
            fits = False
        if not fits:
            bound = self._closely(arguments)
        if self._contexts:
            self._fill(bound, context)
        return bound

    def examples(self) -> dict[str, str]:
        """For each parameter a text that fits, where one is found."""
        found = ((name, reader.example()) for name, reader in self._readers.items())
        return {name: text for name, text in found if text is not None}

    def _closely(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        bound: dict[str, Any] = {}
        keys: dict[str, str] = {}
        problems: list[_Problem] = []
        # Exact names first, so that a synonym beside one is seen as the second.
        for key in sorted(arguments, key=lambda key: key not in self._readers):
            value = arguments[key]
            name = self._name(key)
            if name is None:
                problems += self._left_over(key, value, bound)
            elif name in keys:
                if value != arguments[keys[name]] and _folded(key) not in _ADDED:
                    message = f"{name} was given twice, as {keys[name]!r} and as {key!r}"
                    problems.append(_Problem(name, message, f"give {name} once"))
            else:
                keys[name] = key
                try:
                    bound[name] = self._readers[name].read(value)
                except ValueError as error:
                    problems.append(self._unfit(name, self._readers[name], value, error))
        for name in self._readers:
            if name in self._required and name not in keys:
                words = self._readers[name].expected
                message = f"{name} is missing; {words} is expected"
                problems.append(_Problem(name, message, *_give(name, self._readers[name])))
        if problems:
            raise self._error(problems)
        return bound

    def _name(self, key: object) -> str | None:
        if key in self._readers:
            return str(key)
        found = self._folded.get(_folded(key), ())
        return found[0] if len(found) == 1 else None

    def _left_over(self, key: object, value: Any, bound: dict[str, Any]) -> list[_Problem]:
        alike = self._folded.get(_folded(key))
        if alike:
            message = f"{key!r} may mean {' or '.join(alike)}"
            return [_Problem(str(key), message, "use the exact name")]
        if self._extra is not None and isinstance(key, str) and key not in self._contexts:
            try:
                bound[key] = self._extra.read(value)
            except ValueError as error:
                # `**numbers: int` was not written with the signature of the caller in mind.
                added = _folded(key) in _ADDED
                return [] if added else [self._unfit(key, self._extra, value, error)]
            return []
        if _folded(key) in _ADDED:
            return []
        near = difflib.get_close_matches(_folded(key), self._folded, n=1, cutoff=0.5)
        known = ", ".join(self._readers)
        if near:
            step = f"did you mean {self._folded[near[0]][0]}? The parameters are: {known}"
        else:
            step = f"the parameters are: {known}" if known else "call it without arguments"
        return [_Problem(str(key), f"there is no parameter {key!r}", step)]

    def _unfit(self, name: str, reader: Reader, value: Any, error: ValueError) -> _Problem:
        secret = is_secret_name(name)
        message = f"{name} was given {MASK if secret else _shown(value)}"
        message += f"; {reader.expected} is expected"
        reasons = reasons_of(error)
        if reasons and not secret:
            message += f" ({'; '.join(reasons)})"
        return _Problem(name, message, *_give(name, reader))

    def _error(self, problems: list[_Problem]) -> InvalidInputError:
        if len(problems) == 1:
            message = f"{self._tool} cannot be called like this: {problems[0].message}."
        else:
            listed = "; ".join(f"({n}) {p.message}" for n, p in enumerate(problems, 1))
            message = f"{self._tool} cannot be called like this: {listed}."
        examples = [problem.example for problem in problems if problem.example]
        steps = dict.fromkeys(problem.step for problem in problems if problem.step)
        if examples:
            steps = {f"give for example {', '.join(examples)}": None, **steps}
        places = dict.fromkeys(f"{self._tool}.{problem.parameter}" for problem in problems)
        return InvalidInputError(
            message,
            code=VCPErrorCode.INVALID_INPUT,
            where=", ".join(places),
            next_step="; ".join(steps),
            details={
                "tool": self._tool,
                "problems": [
                    {"parameter": problem.parameter, "message": problem.message}
                    for problem in problems
                ],
            },
        )

    def _fill(self, bound: dict[str, Any], context: ToolContext | None) -> None:
        for name, needed in self._contexts.items():
            if context is not None:
                bound[name] = context
            elif needed:
                raise InvalidInputError(
                    f"{self._tool} is told about its call, and nothing was given for {name}.",
                    where=f"{self._tool}.{name}",
                    next_step="bind(arguments, context=ToolContext(…))",
                )


def _give(name: str, reader: Reader) -> tuple[str, str | None]:
    """What to do about a parameter: an example of it, or at least its name."""
    text = reader.example()
    return (f"give {name}", None) if text is None else ("", f"{name}:「始」{text}「末」")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        short = value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
        return repr(short)
    return f"{reprlib.repr(value)} ({type(value).__name__})"
