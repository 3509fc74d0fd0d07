"""Programs that run one call of a module plugin in a child process.

A module plugin exports functions and reads no stdin, so a child of its own needs an adapter. Each
adapter stands alone: Node's built-in modules or Python's standard library, nothing of vcplab.

The protocol, the same in every language: the arguments are the operation (``call``, ``describe``
or ``preprocess``) and the script's path; stdin is one JSON object ``{"tool", "args", "config",
"style", "messages"?}``; stdout is exactly one line of JSON, ``{"status": "success", "result": …}``
or ``{"status": "error", "error": "…"}`` (facts/vcp-protocol §2); everything that the plugin prints
goes to stderr. ``style`` is one of `STYLES`; without it, the functions that are there decide.
"""

from __future__ import annotations

from pathlib import Path

from vcplab.core.errors import NotFoundError

__all__ = ["OPERATIONS", "STYLES", "runner_path"]

OPERATIONS = ("call", "describe", "preprocess")
"""What a runner can be asked to do with a module."""

STYLES = ("cherry", "module", "toolbox", "preprocessor")
"""The shapes of modules: ``execute`` (seed 001), ``executeTool`` (seed 000), ``processToolCall``
and ``processMessages`` (facts/vcp-protocol §2)."""

_FILES = {
    "javascript": "run_module.cjs",
    "js": "run_module.cjs",
    "node": "run_module.cjs",
    "python": "run_module.py",
    "py": "run_module.py",
}


def runner_path(language: str) -> Path:
    """The adapter's file, to be started as ``node FILE …`` or ``python FILE …``.

    Args:
        language: "javascript" (or "js", "node") or "python" (or "py").

    Raises:
        NotFoundError: There is no runner for the language.
    """
    name = _FILES.get(language.strip().lower())
    if name is None:
        raise NotFoundError(
            f"There is no runner for modules in {language!r}.",
            where="language",
            next_step='Take "javascript" or "python", or let the plugin speak stdio itself.',
        )
    return Path(__file__).with_name(name)
