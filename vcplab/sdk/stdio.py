"""The stdio contract of VCP plugins: serve functions to a plugin server.

One file, standard library only, Python 3.9 or later: it is copied beside a plugin's script.

::

    from vcp_stdio import serve

    def roll(notation: str, times: int = 1) -> dict:
        ...

    if __name__ == "__main__":
        serve(roll)

The contract: the server writes one JSON object of arguments to stdin, or nothing at all; the
plugin answers with exactly one JSON object on stdout, ``{"status": "success", "result": ...}`` or
``{"status": "error", "error": "..."}``. In a tool request every value is text, so the arguments
are converted by the function's type hints. An asynchronous plugin answers at once (`pending`) and
delivers its result later (`report`).
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime
import enum
import inspect
import json
import os
import pathlib
import re
import sys
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ArgumentError", "call", "claim_stdout", "convert", "pending", "report", "serve"]

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
_NOTHING = ("", "none", "null")
# What the server adds to the arguments of a call; nobody has misspelt these.
_RESERVED = frozenset(
    ("command", "maid", "valet", "river_context", "vref_files", "tool_name", "__vcp_timed_call")
)
_UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))
_ARRAYS: dict[Any, type] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


class ArgumentError(ValueError):
    """The arguments of a call do not fit the function."""


@dataclasses.dataclass
class _State:
    """What this process has said so far."""

    stream: Any = None
    replied: bool = False
    task: str = ""
    reported: bool = False


_state = _State()


def serve(*functions: Callable[..., Any] | Mapping[str, Callable[..., Any]]) -> None:
    """Answer the one call that stdin holds, then return.

    Several functions are told apart by the argument ``command``, which is the manifest's
    ``commandIdentifier``: the function's name, or its key where a mapping is given. Functions may
    be async. What a function prints goes to stderr. After `pending`, the value that the function
    returns is reported, unless it has called `report` itself.

    Raises:
        SystemExit: With code 1, after an error has been written as the reply.
    """
    claim_stdout()
    try:
        commands = _commands(functions)
        result = call(commands, _read_arguments())
        if not _state.replied:
            _reply({"status": "success", "result": result})
        elif result is not None and not _state.reported:
            report(_state.task, result)
    except BaseException as error:
        traceback.print_exc()
        _fail(_explained(error))
        raise SystemExit(1) from None
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()


def call(commands: Mapping[str, Callable[..., Any]], arguments: Mapping[str, Any]) -> Any:
    """Call the function that the arguments name, with the arguments that it takes.

    Args:
        commands: Functions by ``commandIdentifier``; a single one needs no ``command``.
        arguments: The arguments of the tool request, text or JSON values.

    Returns:
        What the function returned; an async function has run to its end.

    Raises:
        ArgumentError: No such command, or the arguments do not fit.
    """
    given = dict(arguments)
    function = _chosen(commands, given)
    positional, named = _bound(function, given)
    result = function(*positional, **named)
    if inspect.isawaitable(result):
        import asyncio

        return asyncio.run(_finished(result))
    return result


def pending(task_id: str | None = None, message: str = "The task is running.") -> str:
    """Make the first reply of an asynchronous plugin and go on working.

    The reply is the message and ``{{VCP_ASYNC_RESULT::<plugin>::<taskId>}}``, which the server
    replaces by the task's result when there is one.

    Args:
        task_id: ASCII letters, digits, ``_`` and ``-``; by default a new one.
        message: What the model reads until then.

    Returns:
        The task's id, for `report`.

    Raises:
        RuntimeError: The server has named no plugin (``PLUGIN_NAME_FOR_CALLBACK``), or the reply
            has been made before.
        ValueError: The id has other characters.
    """
    import uuid

    plugin = _environment("PLUGIN_NAME_FOR_CALLBACK")
    task = _checked_task(task_id or uuid.uuid4().hex)
    if _state.replied:
        raise RuntimeError("the reply has been made already; pending() comes first and once")
    placeholder = f"{{{{VCP_ASYNC_RESULT::{plugin}::{task}}}}}"
    text = message if placeholder in message else f"{message}\n{placeholder}"
    _state.task = task
    _reply({"status": "success", "result": text})
    return task


def report(task_id: str, result: Any, *, failed: bool = False, timeout: float = 30.0) -> None:
    """Deliver the result of a task by ``POST $CALLBACK_BASE_URL/$PLUGIN_NAME_FOR_CALLBACK/<id>``.

    Args:
        task_id: The id that `pending` returned.
        result: JSON. The members of an object go into the delivery as they are; its ``message`` is
            what the model reads (without one, the result as text).
        failed: The task has failed.
        timeout: Seconds to wait for the server.

    Raises:
        RuntimeError: The server gave no address, or did not accept the result.
        TypeError: The result is no JSON.
        ValueError: The id has a character that an id cannot have.
    """
    import urllib.error
    import urllib.parse
    import urllib.request

    plugin, task = _environment("PLUGIN_NAME_FOR_CALLBACK"), _checked_task(task_id)
    text = result if isinstance(result, str) else _encode(result)
    # Name and task stand in the body too: a VCPChat node reads them there.
    delivery = {
        "pluginName": plugin,
        "taskId": task,
        "status": "Failed" if failed else "Succeed",
        "message": text,
    }
    if isinstance(result, Mapping):
        delivery.update(result)
    elif not isinstance(result, str):
        delivery["result"] = result
    address = _environment("CALLBACK_BASE_URL").rstrip("/")
    address += f"/{urllib.parse.quote(plugin, safe='')}/{task}"
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        raise RuntimeError("CALLBACK_BASE_URL is no http address")
    request = urllib.request.Request(  # noqa: S310  the scheme is checked above
        address, _bytes(delivery), {"Content-Type": "application/json; charset=utf-8"}
    )
    host = urllib.parse.urlsplit(address).hostname
    local = host in ("localhost", "127.0.0.1", "::1")
    # A proxy of the environment must not be asked for an address of this machine.
    handlers = [urllib.request.ProxyHandler({})] if local else []
    _state.reported = _state.reported or task == _state.task
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise RuntimeError(f"the server refused the result of task {task}: {error}") from None
    except OSError as error:
        raise RuntimeError(f"the result of task {task} was not delivered: {error}") from error


def claim_stdout() -> None:
    """Keep stdout for the reply: from now on, what anybody prints goes to stderr.

    `serve` does it. Call it earlier where an import prints; a second call does nothing.
    """
    if _state.stream is not None:
        return
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Closed by whoever started this process: the next file would take its number.
            os.open(os.devnull, os.O_RDWR)
    _state.stream = open(os.dup(1), "wb", buffering=0)  # noqa: SIM115  open until the end
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def convert(value: Any, hint: Any) -> Any:
    """A value as its type hint wants it; one that already has the type is left as it is.

    Text becomes ``int``, ``float``, ``bool`` (true, false, yes, no, on, off, 1, 0 in any case), an
    ``Enum`` (by value or name), ``date``, ``datetime``, ``time`` (ISO 8601) or ``Path``; lists,
    tuples, sets, dicts, dataclasses and pydantic models are read as JSON and converted inside as
    well. In a union, choices come first; then text stays text where the union has ``str``.

    Raises:
        ArgumentError: The value cannot be what the hint says.
    """
    if hint is Any or hint is object or hint is inspect.Parameter.empty:
        return value
    if hint is None or hint is type(None):
        if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING):
            return None
        raise ArgumentError(f"{_shown(value)} is not empty")
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hasattr(hint, "__metadata__"):
        return convert(value, hint.__origin__)
    if hasattr(hint, "__supertype__"):
        return convert(value, hint.__supertype__)
    if origin in _UNIONS:
        return _any_of(value, inner)
    if origin is typing.Literal:
        return _literal(value, inner)
    kind = origin or hint
    if kind in _ARRAYS:
        return _array(value, kind, inner)
    if kind in _OBJECTS or (isinstance(kind, type) and issubclass(kind, dict)):
        return _object(value, inner)
    return _plain(value, kind) if isinstance(kind, type) else value


def _plain(value: Any, kind: type) -> Any:
    """A value as an instance of a class."""
    if kind is bool:
        return _boolean(value)
    if kind in (int, float) and isinstance(value, bool):
        raise ArgumentError(f"{_shown(value)} is no number")
    if kind is datetime.date and isinstance(value, datetime.datetime):
        return value.date()
    if _isinstance(value, kind):
        return value
    if kind is str:
        return "" if value is None else _encode(value)
    if issubclass(kind, enum.Enum):
        return _member(value, kind)
    if dataclasses.is_dataclass(kind):
        return _record(value, kind)
    if hasattr(kind, "model_validate_json"):  # a pydantic model
        return _model(value, kind)
    if kind is bytes and isinstance(value, str):
        return value.encode("utf-8")
    if kind is float and isinstance(value, int):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        raise ArgumentError(f"{_shown(value)} is no {_named(kind)}")
    text = value.strip()
    try:
        if kind is int:
            return _whole(text)
        if issubclass(kind, (datetime.date, datetime.time)):
            text = text.replace("/", "-")
            return kind.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "Zz" else text)
        make: Any = kind
        return make(value if issubclass(kind, pathlib.PurePath) else text)
    except Exception:
        raise ArgumentError(f"{_shown(value)} is no {_named(kind)}") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        # "3.0" is what a model writes that thinks in JSON.
        if re.fullmatch(r"[+-]?\d+\.0*", text):
            return int(text.split(".")[0])
        raise


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = _encode(value) if isinstance(value, int) else value
    if isinstance(text, str):
        word = text.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    raise ArgumentError(f"{_shown(value)} is neither true nor false")


def _member(value: Any, kind: Any) -> Any:
    for member in kind:
        if value == member.value and isinstance(value, bool) == isinstance(member.value, bool):
            return member
    text = str(value).strip().lower()
    for member in kind:
        if text in (str(member.value).lower(), member.name.lower()):
            return member
    raise ArgumentError(f"{_shown(value)} is none of {_list(m.value for m in kind)}")


def _literal(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    for choice in choices:
        with contextlib.suppress(ArgumentError):
            if convert(value, type(choice)) == choice:
                return choice
    raise ArgumentError(f"{_shown(value)} is none of {_list(choices)}")


def _any_of(value: Any, hints: tuple[Any, ...]) -> Any:
    if not isinstance(value, str):
        for hint in hints:
            if isinstance(hint, type) and type(value) is hint:
                return value
    reasons = []
    for hint in sorted(hints, key=_rank):
        try:
            if hint is int and float in hints and isinstance(value, str) and "." in value:
                continue
            return convert(value, hint)
        except ArgumentError as error:
            reasons.append(str(error))
    raise ArgumentError(" and ".join(dict.fromkeys(reasons)))


def _rank(hint: Any) -> int:
    """Where a member of a union stands: what is hardest to mistake first, what takes all last."""
    if typing.get_origin(hint) is typing.Literal:
        return 0
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return 0
    if isinstance(hint, type) and issubclass(hint, pathlib.PurePath):
        return 7
    return {str: 1, type(None): 2, int: 3, float: 4, bool: 5}.get(hint, 6)


def _array(value: Any, kind: Any, inner: tuple[Any, ...]) -> Any:
    items = _parsed(value) if isinstance(value, str) else value
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise ArgumentError(f"{_shown(value)} is no JSON array")
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        hints = () if inner == ((),) else inner
        if len(items) != len(hints):
            raise ArgumentError(f"{_shown(value)} has {len(items)} items, not {len(hints)}")
    else:
        hints = (inner[0] if inner else Any,) * len(items)
    try:
        return _ARRAYS[kind](convert(item, hint) for item, hint in zip(items, hints))  # noqa: B905
    except TypeError:  # a set of lists
        raise ArgumentError(f"{_shown(value)} has items that a set cannot hold") from None


def _object(value: Any, inner: tuple[Any, ...]) -> dict[Any, Any]:
    members = _parsed(value) if isinstance(value, str) else value
    if not isinstance(members, Mapping):
        raise ArgumentError(f"{_shown(value)} is no JSON object")
    if not inner:
        return dict(members)
    return {convert(key, inner[0]): convert(item, inner[1]) for key, item in members.items()}


def _model(value: Any, kind: Any) -> Any:
    try:
        return kind.model_validate(_object(value, ()))
    except ValueError as error:
        raise ArgumentError(str(error)) from None


def _record(value: Any, kind: Any) -> Any:
    """An instance of a dataclass from a JSON object."""
    return kind(**_bound(kind, _object(value, ()))[1])


def _bound(
    function: Callable[..., Any], given: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The positional and named arguments for a function, converted."""
    parameters = dict(inspect.signature(function).parameters)
    hints = _hints(function)
    rest = [p for p in parameters.values() if p.kind is p.VAR_KEYWORD]
    taken = [p for p in parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    keys = _matched([p.name for p in taken], given)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    problems = []
    for parameter in taken:
        name = parameter.name
        value = parameter.default
        if name in keys:
            try:
                value = convert(given[keys[name]], hints.get(name, Any))
            except ArgumentError as error:
                problems.append(f"the argument {name!r}: {error}")
        elif value is parameter.empty:
            problems.append(f"the argument {name!r} is missing")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        elif name in keys:
            named[name] = value
    extras = {key: value for key, value in given.items() if key not in keys.values()}
    if rest:
        named.update({k: convert(v, hints.get(rest[0].name, Any)) for k, v in extras.items()})
    else:
        problems += _misspelt(extras, [p.name for p in taken if p.name not in keys])
    if problems:
        names = _list(p.name for p in taken) or "nothing"
        raise ArgumentError(f"{'; '.join(problems)} (the arguments are: {names})")
    return positional, named


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:
        # One hint that this Python cannot read must not cost the others.
        found = dict(getattr(function, "__annotations__", {}))
        for name, hint in found.items():
            if isinstance(hint, str):
                holder = types.SimpleNamespace(__annotations__={name: hint})
                space = getattr(function, "__globals__", {})
                try:
                    found[name] = typing.get_type_hints(holder, space)[name]
                except Exception:
                    found[name] = Any
        return found


def _matched(names: list[str], given: Mapping[str, Any]) -> dict[str, str]:
    """The argument for each parameter: of that name, or of that name in another spelling."""
    keys = {name: name for name in names if name in given}
    for key in given:
        alike = [name for name in names if name not in keys and _fold(name) == _fold(key)]
        if key not in keys and len(alike) == 1:
            keys[alike[0]] = key
    return keys


def _misspelt(extras: Mapping[str, Any], free: list[str]) -> list[str]:
    """Complaints about arguments that look like a parameter that was not given."""
    import difflib

    problems = []
    for key in extras:
        if key in _RESERVED:
            continue
        close = difflib.get_close_matches(_fold(key), [_fold(name) for name in free], 1, 0.75)
        if close:
            meant = next(name for name in free if _fold(name) == close[0])
            problems.append(f"unknown argument {key!r}, did you mean {meant!r}?")
        else:
            print(f"the argument {key!r} is not used", file=sys.stderr)
    return problems


def _commands(functions: tuple[Any, ...]) -> dict[str, Callable[..., Any]]:
    commands: dict[str, Callable[..., Any]] = {}
    for entry in functions:
        more = entry if isinstance(entry, Mapping) else {_name_of(entry): entry}
        for name, function in more.items():
            if name in commands:
                raise ValueError(f"two functions have the name {name!r}")
            commands[name] = function
    if not commands:
        raise ValueError("serve() needs a function")
    return commands


def _chosen(commands: Mapping[str, Callable[..., Any]], given: dict[str, Any]) -> Any:
    word = str(given.get("command", ""))
    alike = [name for name in commands if _fold(name) == _fold(word)]
    name = word if word in commands else alike[0] if len(alike) == 1 else None
    if name is None and len(commands) > 1:
        problem = f"unknown command {word!r}" if word else "the argument 'command' is missing"
        raise ArgumentError(f"{problem} (the commands are: {_list(commands)})")
    function = commands[name] if name is not None else next(iter(commands.values()))
    if name is not None and "command" not in inspect.signature(function).parameters:
        given.pop("command", None)
    return function


def _read_arguments() -> dict[str, Any]:
    data = sys.stdin.buffer.read() if sys.stdin is not None else b""
    if not data.strip():
        return {}
    try:
        arguments = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ArgumentError(f"stdin is not UTF-8: {error}") from None
    except ValueError as error:
        raise ArgumentError(f"stdin is no JSON object: {error}") from None
    if not isinstance(arguments, dict):
        raise ArgumentError(f"stdin is no JSON object but {_shown(arguments)}")
    return arguments


async def _finished(result: Any) -> Any:
    return await result


def _reply(reply: Mapping[str, Any]) -> None:
    data = memoryview(_bytes(reply) + b"\n")
    claim_stdout()
    _state.replied = True
    # A server that has gone away reads no reply, and no complaint either.
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[_state.stream.write(data) or 0 :]


def _fail(text: str) -> None:
    if not _state.replied:
        _reply({"status": "error", "error": text})
    elif _state.task and not _state.reported:
        try:
            report(_state.task, text, failed=True)
        except Exception:
            traceback.print_exc()


def _explained(error: BaseException) -> str:
    if isinstance(error, ArgumentError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the plugin ended itself with exit code {error.code!r}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _bytes(value: Any) -> bytes:
    try:
        return _encode(value).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can carry
        return _encode(value, escape=True).encode("ascii")


def _encode(value: Any, *, escape: bool = False) -> str:
    try:
        return json.dumps(value, ensure_ascii=escape, allow_nan=False, default=_refuse)
    except ValueError as error:  # NaN, infinity, an object that holds itself
        raise TypeError(f"the value is no JSON: {error}") from None


def _refuse(value: Any) -> Any:
    kind = type(value)
    raise TypeError(f"the value is no JSON: it is or holds a {kind.__module__}.{kind.__qualname__}")


def _parsed(text: str) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


def _environment(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise RuntimeError(f"{name} is not set; the plugin server sets it for asynchronous plugins")
    return value


def _checked_task(task_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", task_id):
        raise ValueError(f"a task's id has letters, digits, _ and - only, not {task_id!r}")
    return task_id


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def _isinstance(value: Any, kind: type) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol
        return False


def _named(kind: type) -> str:
    return {int: "whole number", float: "number"}.get(kind, kind.__name__)


def _list(values: Any) -> str:
    return ", ".join(str(value) for value in values)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
