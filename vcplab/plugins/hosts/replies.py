"""Reading what a stdio plugin wrote (facts/vcp-protocol §2, the contract table)."""

from __future__ import annotations

import json
from typing import Any, Final

from vcplab.plugins.failures import ContractError, execution_failure
from vcplab.plugins.processes import Ending
from vcplab.protocol.results import ToolFailure

__all__ = ["first_reply", "read_reply"]

_SHOWN: Final = 200
_DECODER: Final = json.JSONDecoder()


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
            f'Plugin "{plugin}" wrote more than {len(ending.output) >> 20} MiB and was ended.',
            plugin,
            ending,
            "let it answer with a file or a summary, or raise reply_limit",
        )
    text = ending.output.decode("utf-8", "replace").strip()
    if lenient:
        return _lenient(text, ending, plugin)
    reply = _reply(text)
    if reply is not None:
        return reply
    if ending.code != 0:
        raise _exited(ending, plugin, text)
    raise _broken(
        f'Plugin "{plugin}" exited successfully but did not provide a valid initial JSON response.'
        f" Stdout: {text[:_SHOWN]}",
        plugin,
        ending,
        'print exactly one JSON object, {"status": "success", "result": …}, and nothing else',
    )


def first_reply(output: bytes | bytearray) -> dict[str, Any] | None:
    """The first complete JSON object with a status, of a child that goes on (asynchronous).

    Args:
        output: What it wrote so far.

    Returns:
        The reply; None while there is none.
    """
    if b"}" not in output:
        return None
    text = output.decode("utf-8", "replace")
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            # It may only be incomplete: what stands inside it must not be taken for the reply.
            if error.pos >= len(text) or error.msg.startswith("Unterminated"):
                return None
            at = text.find("{", at + 1)
            continue
        except RecursionError:
            return None
        if _is_reply(value):
            return dict(value)
        at = text.find("{", end)
    return None


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
    message = f'Plugin "{plugin}" exited with code {ending.code}.'
    if text:
        message += f" Stdout: {text[:_SHOWN]}"
    errors = ending.errors.decode("utf-8", "replace").strip()
    if errors:
        # The end says what went wrong; the beginning of a traceback does not.
        message += f" Stderr: {errors[-_SHOWN:]}"
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
