"""Reading what a stdio plugin wrote (facts/vcp-protocol §2, the contract table)."""

from __future__ import annotations

import json
import re
import signal
from contextlib import suppress
from typing import Any, Final

from vcplab.plugins.failures import ContractError, execution_failure
from vcplab.plugins.processes import Ending
from vcplab.protocol.results import ToolFailure

__all__ = ["FirstReply", "exit_code", "read_reply"]

_SHOWN: Final = 200
_MOST_FAILURES: Final = 1000
_NO_NUMBER: Final = re.compile(r"[:\[,]\s*-?(?:NaN|Infinity)\b")
_OPENING: Final = re.compile(rb'\{(?=\s*["}])')
_PLAIN: Final = re.compile(rb'["{}]')
_QUOTED: Final = re.compile(rb'["\\\x00-\x1f]')
# The line of a traceback, Python's or Node's, that says what went wrong.
_TELLING: Final = re.compile(
    r"^(?:Uncaught )?[\w.]*(?:Error|Exception|Interrupt)\b.*$", re.MULTILINE
)


def read_reply(ending: Ending, plugin: str, *, lenient: bool = False) -> dict[str, Any]:
    """The reply of a child that has ended.

    Strict, as VCPToolBox reads: standard output is exactly one JSON object with a ``status`` of
    ``success`` or ``error``; then the exit code does not count. Lenient, as VCPChat reads: JSON is
    looked for from the first ``{`` to the last ``}``, other output is the result as text, and an
    exit code other than 0 is always an error.

    Args:
        ending: How it ended.
        plugin: Its name.
        lenient: Which of the two.

    Returns:
        ``{"status", "result" | "error", …}``.

    Raises:
        ContractError: There is no such reply.
    """
    if ending.overflow:
        raise _broken(
            f'Plugin "{plugin}" wrote more than {ending.overflow >> 20} MiB and was ended.',
            plugin,
            ending,
            "let it answer with a file or a summary instead",
        )
    text = ending.output.decode("utf-8", "replace").strip()
    if lenient:
        return _lenient(text, ending, plugin)
    reply = _reply(text)
    if reply is not None:
        return reply
    if ending.code != 0:
        raise _exited(ending, plugin, text)
    step = 'print exactly one JSON object, {"status": "success", "result": …}, and nothing else'
    if _NO_NUMBER.search(text):
        step += "; NaN and Infinity are no JSON"
    raise _broken(
        f'Plugin "{plugin}" exited successfully but did not provide a valid initial JSON response.'
        f" Stdout: {text[:_SHOWN]}",
        plugin,
        ending,
        step,
    )


class FirstReply:
    """Looks for the first complete JSON object with a status in output that still grows.

    Noise before it is passed over (facts/vcp-protocol §2, asynchronous). What was read is not read
    again, so a flood costs no more than its length.
    """

    def __init__(self) -> None:
        self._start = -1  # of the object being read; -1 while none is
        self._at = 0
        self._depth = 0
        self._quoted = False
        self._failures = 0

    def look(self, output: bytes | bytearray) -> dict[str, Any] | None:
        """The reply; None while there is none.

        Args:
            output: All of the output so far.
        """
        while self._failures < _MOST_FAILURES:
            if self._start < 0 and not self._begin(output):
                return None
            mark = (_QUOTED if self._quoted else _PLAIN).search(output, self._at)
            if mark is None:
                self._at = len(output)
                return None
            sign = mark[0]
            self._at = mark.end()
            if self._quoted:
                if sign == b"\\":
                    if self._at >= len(output):  # what it escapes is still to come
                        self._at -= 1
                        return None
                    self._at += 1
                elif sign == b'"':
                    self._quoted = False
                else:  # a line break: this is no JSON
                    self._give_up()
            elif sign == b'"':
                self._quoted = True
            elif sign == b"{":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth == 0:
                    reply = self._read(bytes(output[self._start : self._at]))
                    if reply is not None:
                        return reply
        return None

    def _begin(self, output: bytes | bytearray) -> bool:
        found = _OPENING.search(output, self._at)
        if found is None:
            # It may be the last character, with the rest still to come.
            last = output.rfind(b"{", self._at)
            tail = last >= 0 and not output[last + 1 :].strip()
            self._at = last if tail else len(output)
            return False
        self._start, self._at = found.start(), found.start() + 1
        self._depth, self._quoted = 1, False
        return True

    def _read(self, text: bytes) -> dict[str, Any] | None:
        try:
            value = json.loads(text.decode("utf-8", "replace"), parse_constant=_refuse)
        except (ValueError, RecursionError):
            self._give_up()
            return None
        self._start = -1
        return value if _is_reply(value) else None

    def _give_up(self) -> None:
        """What began as an object is none: look behind its first sign."""
        self._failures += 1
        self._at, self._start = self._start + 1, -1


def exit_code(code: int) -> str:
    """An exit code as text; a signal also by its name."""
    if code < 0:
        with suppress(ValueError):
            return f"{code} ({signal.Signals(-code).name})"
    return str(code)


def _lenient(text: str, ending: Ending, plugin: str) -> dict[str, Any]:
    if ending.code != 0:
        reply = _reply(_braced(text))
        if reply is not None and reply["status"] == "error":
            return reply
        raise _exited(ending, plugin, text)
    try:
        value = json.loads(_braced(text), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return {"status": "success", "result": text}
    if not isinstance(value, dict):
        return {"status": "success", "result": text}
    if _is_reply(value):
        return value
    if isinstance(value.get("success"), bool):  # Cherry's {success, output, data, error}
        return _from_cherry(value)
    return {"status": "success", "result": value}


def _from_cherry(value: dict[str, Any]) -> dict[str, Any]:
    if not value["success"]:
        error = value.get("error") or value.get("output") or "The plugin reported no reason."
        return {"status": "error", "error": error}
    output, data = value.get("output"), value.get("data")
    result = output if not data else {"output": output, "data": data}
    return {"status": "success", "result": result}


def _braced(text: str) -> str:
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def _reply(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if _is_reply(value) else None


def _is_reply(value: Any) -> bool:
    return isinstance(value, dict) and value.get("status") in ("success", "error")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _exited(ending: Ending, plugin: str, text: str) -> ToolFailure:
    message = f'Plugin "{plugin}" exited with code {exit_code(ending.code)}.'
    if text:
        message += f" Stdout: {text[:_SHOWN]}"
    errors = ending.errors.decode("utf-8", "replace").strip()
    if errors:
        telling = _TELLING.findall(errors)
        message += f" Stderr: {telling[-1][:_SHOWN] if telling else errors[-_SHOWN:]}"
    return _broken(message, plugin, ending, f'see its log: lab.plugins.logs("{plugin}")')


def _broken(message: str, plugin: str, ending: Ending, next_step: str) -> ToolFailure:
    return execution_failure(
        ContractError,
        message,
        plugin,
        next_step,
        exit_code=ending.code,
        stderr=ending.errors.decode("utf-8", "replace")[-4000:],
    )
