"""Run one call of a Python module plugin: ``python run_module.py OPERATION SCRIPT < request.json``.

Standard library only, because the plugin's interpreter may be another one than vcplab's. The
protocol is described in the package beside this file; the Node twin is ``run_module.cjs``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

__all__ = ["main"]

_CLEANUP_SECONDS = 1.0
_NAMES = {
    "execute": ("execute",),
    "initialize": ("initialize",),
    "getTools": ("get_tools", "getTools"),
    "executeTool": ("execute_tool", "executeTool"),
    "cleanup": ("cleanup",),
    "processToolCall": ("process_tool_call", "processToolCall"),
    "processMessages": ("process_messages", "processMessages"),
    "shutdown": ("shutdown",),
}
_NEEDED = {
    "cherry": "execute",
    "module": "executeTool",
    "toolbox": "processToolCall",
    "preprocessor": "processMessages",
}
_LAST = {"module": "cleanup", "toolbox": "shutdown", "preprocessor": "shutdown"}
_EXPORTS = ("plugin", "Plugin", "tool", "Tool", "exports", "module", "default")
_MOST_ARGUMENTS = 99
_VARIABLE_ARGUMENTS = 0x04  # inspect.CO_VARARGS, without importing inspect


class _Problem(Exception):
    """What goes into the reply without a traceback."""


class _Loop:
    """One event loop for all calls, made when the first one is asynchronous."""

    def __init__(self) -> None:
        self._loop: Any = None

    def settled(self, value: Any) -> Any:
        """The value, awaited where it can be awaited."""
        if not hasattr(value, "__await__"):
            return value
        if self._loop is None:
            import asyncio

            self._loop = asyncio.new_event_loop()

        async def wait() -> Any:
            return await value

        return self._loop.run_until_complete(wait())


def main(arguments: list[str]) -> int:
    """Do what the command line says; returns the exit code."""
    reply_to = _take_stdout()
    loop = _Loop()
    last: Any = None
    try:
        request = _request(arguments)
        operation, script = arguments[0], os.path.abspath(arguments[1])
        sys.argv = [script]
        module = _load(script)
        style = _style(operation, request, module)
        target = _target(module, _needed(operation, style))
        last = _function(target, _LAST.get(style, ""))
        reply = _perform(operation, style, target, request, loop)
        text = _line(reply)
        code = 0
    except _Problem as problem:
        text, code = _line({"status": "error", "error": str(problem)}), 1
    except SystemExit as error:
        said = f"The module ended the process (exit code {error.code}) before it answered."
        text, code = _line({"status": "error", "error": said}), 1
    except BaseException as error:
        _print_stack()
        text, code = _line({"status": "error", "error": _worded(error)}), 1
    if not _write(reply_to, text):
        return 1
    # Whatever the module does from here on (a cleanup that hangs, threads that are still running),
    # the process is gone in a second.
    watchdog = threading.Timer(_CLEANUP_SECONDS, os._exit, (code,))
    watchdog.daemon = True
    watchdog.start()
    if last is not None:
        try:
            loop.settled(last())
        except BaseException:
            _print_stack()
    return code


def _take_stdout() -> int:
    """Keep the real stdout for the reply; everything printed from here on goes to stderr."""
    reply_to = os.dup(1)
    os.dup2(2, 1)  # also for C code and for the plugin's own children
    if hasattr(sys.stderr, "reconfigure"):
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.stdout = sys.stderr
    return reply_to


def _request(arguments: list[str]) -> dict[str, Any]:
    if len(arguments) != 2 or arguments[0] not in ("call", "describe", "preprocess"):
        raise _Problem("Usage: run_module.py call|describe|preprocess SCRIPT < request.json")
    raw = sys.stdin.buffer.read()
    # A plugin that reads stdin itself finds its end instead of waiting.
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    try:
        request = json.loads(raw.decode("utf-8")) if raw.strip() else {}
    except ValueError as error:
        raise _Problem(f"The request on stdin is not JSON in UTF-8: {error}.") from None
    if not isinstance(request, dict):
        raise _Problem("The request on stdin is JSON, but not an object.")
    for key, kind in (("args", dict), ("config", dict), ("messages", list)):
        if not isinstance(request.setdefault(key, kind()), kind):
            raise _Problem(f"The request's {key!r} is not a JSON {_json_name(kind)}.")
    return request


def _json_name(kind: type) -> str:
    return "object" if kind is dict else "array"


def _load(script: str) -> Any:
    import importlib.util

    if not os.path.isfile(script):
        raise _Problem(f"There is no script {os.path.basename(script)!r} in the plugin's folder.")
    # Where this file lies is no place to import from; beside the script is.
    sys.path[0:1] = [os.path.dirname(script)]
    stem = os.path.splitext(os.path.basename(script))[0]
    name = stem if stem.isidentifier() and stem not in sys.modules else "vcp_plugin_module"
    from importlib.machinery import SourceFileLoader

    spec = importlib.util.spec_from_file_location(
        name, script, loader=SourceFileLoader(name, script)
    )
    if spec is None or spec.loader is None:
        raise _Problem(f"The script {os.path.basename(script)!r} cannot be loaded.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _style(operation: str, request: dict[str, Any], module: Any) -> str:
    style = request.get("style")
    if style is None:
        if operation == "preprocess":
            return "preprocessor"
        for style, needed in _NEEDED.items():
            if any(_function(target, needed) for target in _candidates(module, needed)):
                return style
        wanted = ", ".join(f"{_NAMES[needed][0]}()" for needed in _NEEDED.values())
        raise _Problem(f"The module has none of the functions that make it a plugin: {wanted}.")
    if style not in _NEEDED:
        raise _Problem(f"There is no style {style!r} of modules; there are {', '.join(_NEEDED)}.")
    return str(style)


def _needed(operation: str, style: str) -> str:
    if operation == "preprocess":
        return "processMessages"
    if style == "module" and operation == "describe":
        return "getTools"
    # A hybrid service is both: asked for a call, it is treated as a toolbox.
    return "processToolCall" if style == "preprocessor" and operation == "call" else _NEEDED[style]


def _candidates(module: Any, needed: str) -> list[Any]:
    """Where the functions may be: the module, what it exports by name, its classes."""
    found = [module]
    found += [getattr(module, name) for name in _EXPORTS if hasattr(module, name)]
    found += [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return found


def _target(module: Any, needed: str) -> Any:
    for candidate in _candidates(module, needed):
        if _function(candidate, needed) is not None:
            return candidate() if isinstance(candidate, type) else candidate
    wanted = " or ".join(f"{name}()" for name in _NAMES[needed])
    raise _Problem(f"The module has no function {wanted}.")


def _function(target: Any, name: str) -> Any:
    for spelling in _NAMES.get(name, ()):
        # An exported mapping of functions is as good as an object.
        found = (
            target.get(spelling) if isinstance(target, dict) else getattr(target, spelling, None)
        )
        if callable(found):
            return found
    return None


def _called(function: Any, *arguments: Any) -> Any:
    """Call with as many of the arguments as the function takes: (config) or (config, deps)."""
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_flags & _VARIABLE_ARGUMENTS:
        return function(*arguments[: code.co_argcount - (hasattr(function, "__self__"))])
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return function(*arguments)
    takes = 0
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            takes = _MOST_ARGUMENTS
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            takes += 1
    return function(*arguments[:takes])


def _perform(
    operation: str, style: str, target: Any, request: dict[str, Any], loop: _Loop
) -> dict[str, Any]:
    arguments, config = request["args"], request["config"]
    if operation == "describe" and style != "module":
        names = [name for spelt in _NAMES.values() for name in spelt if _has(target, name)]
        return {"status": "success", "result": {"style": style, "functions": names}}
    start = _function(target, "initialize")
    if style != "cherry" and start is not None:
        loop.settled(_called(start, config, _deps()))
    work = _function(target, _needed(operation, style))
    if operation == "describe":
        return {"status": "success", "result": loop.settled(work())}
    if operation == "preprocess":
        messages = loop.settled(_called(work, request["messages"], config))
        if not isinstance(messages, list):
            raise _Problem("process_messages() did not return a list of messages.")
        return {"status": "success", "result": messages}
    if style == "cherry":
        return _cherry(loop.settled(_called(work, arguments)))
    if style == "module":
        return _plain(loop.settled(_called(work, request.get("tool"), arguments)))
    return _plain(loop.settled(_called(work, arguments, _context(request))))


def _has(target: Any, name: str) -> bool:
    return callable(target.get(name) if isinstance(target, dict) else getattr(target, name, None))


def _deps() -> dict[str, Any]:
    def push(*said: Any) -> None:
        print(*said, file=sys.stderr)

    return {"vcpLogFunctions": {"pushVcpLog": push, "pushVcpInfo": push}}


def _context(request: dict[str, Any]) -> dict[str, Any]:
    given = request.get("context")
    given = given if isinstance(given, dict) else {}
    return {
        "requestIp": given.get("requestIp", os.environ.get("VCP_REQUEST_IP")),
        "sourceNode": given.get("sourceNode"),
        "pluginName": given.get("pluginName", request.get("tool")),
        "signal": threading.Event(),
    }


def _cherry(value: Any) -> dict[str, Any]:
    """The reply that ``{success, output, data}`` means (seed 001)."""
    if not isinstance(value, dict) or "success" not in value:
        return _plain(value)
    if not value["success"]:
        said = value.get("error") or value.get("output") or "The plugin failed and gave no reason."
        return {"status": "error", "error": said if isinstance(said, str) else json.dumps(said)}
    output, data = value.get("output"), value.get("data")
    if data is None or data in ("", [], {}):
        return {"status": "success", "result": output}
    result = {"data": data} if output is None else {"output": output, "data": data}
    return {"status": "success", "result": result}


def _plain(value: Any) -> dict[str, Any]:
    # A module that speaks the stdio contract itself is taken at its word (facts §1.5).
    if isinstance(value, dict):
        if value.get("status") == "error":
            return {"error": "The plugin failed and gave no reason.", **value}
        if value.get("status") == "success" and "result" in value:
            return value
    return {"status": "success", "result": value}


def _line(reply: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(reply, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise _Problem(f"The module's result cannot be written as JSON: {error}.") from None
    try:
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair: escaped it is JSON all the same
        return json.dumps(reply).encode("ascii") + b"\n"


def _print_stack() -> None:
    import traceback  # takes milliseconds that a call without an error need not spend

    traceback.print_exc()


def _worded(error: BaseException) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name


def _write(reply_to: int, text: bytes) -> bool:
    left = memoryview(text)
    try:
        while left:
            left = left[os.write(reply_to, left) :]
        os.close(reply_to)
    except OSError:  # whoever asked is gone
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
