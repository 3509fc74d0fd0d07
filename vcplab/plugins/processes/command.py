"""Command lines of manifests (facts/vcp-protocol §2: split on blanks, run by a shell)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vcplab.core.errors import NotFoundError, VCPErrorCode

__all__ = ["CommandLine", "command_line", "program"]

_SHELL: Final = re.compile(r"[|&;<>()$`\\*?\[\]{}~\n!#]")
_CMD: Final = re.compile(r"[|&<>^%\"]")
_PYTHONS: Final = frozenset({"python", "python3", "py"})


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What is started.

    Attributes:
        arguments: The program and its arguments.
    """

    arguments: tuple[str, ...]


def command_line(command: str, folder: Path, environ: Mapping[str, str]) -> CommandLine:
    """Read the command line of a manifest.

    A plain one is started directly, one with signs of the shell by ``sh -c`` (on Windows, and for
    batch files, by ``cmd /c``), as servers do. ``python`` is this interpreter, so that what was
    installed for the notebook is there for its plugins; other programs are looked for in PATH.

    Args:
        command: The text of ``entryPoint.command``.
        folder: Where it runs.
        environ: The environment, whose PATH counts.

    Raises:
        NotFoundError: There is no such program.
    """
    windows = os.name == "nt"
    shell = CommandLine(
        ("cmd", "/d", "/s", "/c", command) if windows else ("/bin/sh", "-c", command)
    )
    if (_CMD if windows else _SHELL).search(command):
        return shell
    try:
        words = shlex.split(command, posix=not windows)
    except ValueError:  # an open quote: the shell will say so
        return shell
    first = program(words[0], folder, environ)
    if windows and not first.lower().endswith(".exe"):
        return shell  # a batch file needs it
    return CommandLine((first, *words[1:]))


def program(name: str, folder: Path, environ: Mapping[str, str]) -> str:
    """The path of a program.

    Args:
        name: Its name or path, relative to the folder.
        folder: Where it runs.
        environ: The environment, whose PATH counts.

    Raises:
        NotFoundError: There is none.
    """
    if name in _PYTHONS:
        return sys.executable
    if os.sep in name:
        path = folder / name
        found = str(path) if path.is_file() else None
    else:
        found = shutil.which(name, path=environ.get("PATH"))
    if found is None:
        raise NotFoundError(
            f"There is no program {name!r}.",
            code=VCPErrorCode.PLUGIN_LOAD_ERROR,
            where="entryPoint.command",
            next_step="install it, or see that it is in PATH where Jupyter was started",
        )
    return found
