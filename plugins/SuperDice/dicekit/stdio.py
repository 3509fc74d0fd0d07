"""The stdio contract of a synchronous plugin: JSON in, exactly one JSON object out."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from .problems import DiceProblem

__all__ = ["serve"]


def serve(name: str, answer: Callable[[dict[str, Any]], Any]) -> None:
    """Read one request from standard input, answer it on standard output.

    The exit code stays 0 for errors as well: some hosts drop the reply of a plugin that
    ends with another one.

    Args:
        name: Name of the plugin, for errors.
        answer: Turns the arguments into the result; `DiceProblem` is the caller's fault.
    """
    out = sys.stdout.buffer
    # A stray print would spoil the one JSON object, so it goes to the log instead.
    sys.stdout = sys.stderr
    try:
        reply = {"status": "success", "result": answer(_request(sys.stdin.buffer.read()))}
    except DiceProblem as problem:
        reply = {"status": "error", "error": str(problem)}
    except Exception as error:
        traceback.print_exc()
        reply = {
            "status": "error",
            "error": f"{name} failed unexpectedly ({type(error).__name__}): {error}. "
            "The traceback is in the plugin's log; please report it with your request.",
        }
    try:
        out.write(json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace"))
        out.flush()
    except BrokenPipeError:
        # Whoever asked is gone; Python would complain once more while closing the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _request(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise DiceProblem(
            f"The request is not JSON in UTF-8 ({error}): send one object with the arguments"
        ) from error
    if not isinstance(value, dict):
        raise DiceProblem('The request must be a JSON object, such as {"notation": "2d6"}')
    return value
