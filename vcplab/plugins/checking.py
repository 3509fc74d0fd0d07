"""Checking a new version before it takes calls, without running any of it."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from vcplab.core.errors import InvalidDataError, VCPErrorCode
from vcplab.plugins.manifest import Manifest
from vcplab.plugins.processes import Child, CommandLine

__all__ = ["check_scripts"]

_JAVASCRIPT: Final = (".js", ".cjs", ".mjs")
_SECONDS: Final = 10.0
# In a child, because compiling can warn, recurse deeply, and take memory.
_COMPILE: Final = (
    "import sys\nfor path in sys.argv[1:]:\n"
    "    compile(open(path, 'rb').read(), path, 'exec', dont_inherit=True)\n"
)
_LINE: Final = re.compile(r"(?:line |:)(\d+)$", re.MULTILINE)


async def check_scripts(manifest: Manifest, folder: Path, changed: Iterable[str] = ()) -> None:
    """Check that a plugin's script is there, is not empty, and that it can be parsed.

    Args:
        manifest: The plugin's manifest.
        folder: Its folder, or a copy.
        changed: Other files that changed, by relative path; scripts among them are parsed, too.

    Raises:
        InvalidDataError: One of them is missing, empty or broken; the error names the line.
    """
    entry = _entry(manifest, folder)
    scripts = {folder / name for name in changed}
    if entry is not None:
        if not entry.is_file():
            raise _broken(entry, "it is not there", folder)
        if not entry.read_bytes().strip():
            raise _broken(entry, "it is empty", folder)
        scripts.add(entry)
    present = sorted(path for path in scripts if path.is_file())
    python = [str(path) for path in present if path.suffix == ".py"]
    if python:
        await _check((sys.executable, "-I", "-S", "-W", "ignore", "-c", _COMPILE, *python), folder)
    node = shutil.which("node")
    for path in present:
        if node is not None and path.suffix in _JAVASCRIPT:
            await _check((node, "--check", str(path)), folder)


def _entry(manifest: Manifest, folder: Path) -> Path | None:
    """The script that is started, where the command line names one."""
    entry = manifest.entry
    if entry.script:
        return folder / entry.script
    if entry.command:
        with suppress(ValueError):
            for word in shlex.split(entry.command)[1:]:
                if word.endswith((".py", *_JAVASCRIPT)):
                    return folder / word
    return None


async def _check(command: tuple[str, ...], folder: Path) -> None:
    child = await Child.start(CommandLine(command), folder, dict(os.environ), b"")
    try:
        async with asyncio.timeout(_SECONDS):
            ending = await child.wait()
    except TimeoutError:
        return  # a machine this busy says nothing about the script
    finally:
        await child.close()
    if ending.code == 0:
        return
    text = ending.errors.decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines()]
    why = next((line for line in reversed(lines) if "Error" in line), "it cannot be parsed")
    places = _LINE.findall(text)
    script = next((Path(p) for p in reversed(command) if p in text), Path(command[-1]))
    raise _broken(script, f"line {places[-1]}: {why}" if places else why, folder)


def _broken(script: Path, why: str, folder: Path) -> InvalidDataError:
    name = script.relative_to(folder) if script.is_relative_to(folder) else script
    return InvalidDataError(
        f"{name} cannot run: {why}.",
        code=VCPErrorCode.PLUGIN_LOAD_ERROR,
        where=str(name),
        next_step="mend the file",
    )
