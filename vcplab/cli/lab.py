"""``vcplab lab``: JupyterLab on a working copy of the notebooks."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vcplab.core.errors import MissingDependencyError, NotFoundError, StateError

__all__ = [
    "SUMMARY",
    "WorkingCopy",
    "add_arguments",
    "lab_command",
    "lab_environment",
    "notebooks_source",
    "run",
    "working_copy",
]

SUMMARY = "Open the tutorial notebooks in JupyterLab, in a copy that is yours to edit."

_RECORD = ".vcplab-notebooks.json"
_DEFAULT_FOLDER = "vcplab-notebooks"
# Neither a question about news nor a look for updates, whatever the front-end's own defaults are.
_FRONT_END_DEFAULTS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    }
}


@dataclass(frozen=True, slots=True)
class WorkingCopy:
    """What `working_copy` did, file names relative to the folder.

    Attributes:
        folder: Where the copy is.
        added: Files that were not there.
        renewed: Files that the user had left as they were and that have a newer edition.
        kept: Files that the user has changed and that differ from the current edition.
    """

    folder: Path
    added: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(_DEFAULT_FOLDER),
        metavar="PATH",
        help=f"folder of the working copy (default: ./{_DEFAULT_FOLDER}); edited files are kept",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, do not open a browser"
    )
    parser.add_argument(
        "--port", type=int, default=None, help="port on 127.0.0.1 (default: 8888 or the next free)"
    )
    parser.add_argument(
        "extra",
        nargs="*",
        metavar="-- OPTION",
        help="everything after a lone -- is handed to JupyterLab as it is",
    )


def run(arguments: argparse.Namespace) -> int:
    """Copy the notebooks and serve them until stopped.

    Raises:
        MissingDependencyError: JupyterLab or the kernel is not installed.
    """
    missing = [name for name in ("jupyterlab", "ipykernel") if not importlib.util.find_spec(name)]
    if missing:
        raise MissingDependencyError(
            f"{' and '.join(missing)} is not installed",
            where="vcplab lab",
            next_step='install the extra: pip install "vcplab[lab]"',
        )
    copy = working_copy(notebooks_source(), arguments.dir)
    for label, names in (("added", copy.added), ("renewed", copy.renewed)):
        if names:
            print(f"{label}: {', '.join(names)}")
    if copy.kept:
        print(f"kept as you edited them: {', '.join(copy.kept)}")
    with tempfile.TemporaryDirectory(prefix="vcplab-lab-") as settings:
        environment = lab_environment(os.environ, Path(settings))
        command = lab_command(
            copy.folder,
            port=arguments.port,
            browser=not arguments.no_browser,
            extra=arguments.extra,
        )
        print(f"JupyterLab on {copy.folder} (stop it with Ctrl-C)", flush=True)
        return _serve(command, environment)


def notebooks_source() -> Path:
    """The folder of the notebooks as published: of the checkout, or of the installed wheel.

    Raises:
        NotFoundError: Neither is there.
    """
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent
    candidates = [package / "_bundled" / "notebooks"]
    if (checkout / "pyproject.toml").is_file():
        candidates.insert(0, checkout / "notebooks")
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise NotFoundError(
        "the notebooks are not part of this installation",
        where=str(package),
        next_step="install vcplab from its wheel, or run this in a clone of its repository",
    )


def working_copy(source: Path, folder: Path) -> WorkingCopy:
    """Bring a folder up to date with the published notebooks, never over the user's own changes.

    A file that still is what an earlier call wrote is renewed; one that differs from it is the
    user's and stays. The record of what was written is ``.vcplab-notebooks.json`` in the folder.

    Args:
        source: The published notebooks.
        folder: The working copy; made if missing. The source itself is left alone.

    Raises:
        StateError: The folder is a file, or cannot be written.
    """
    folder = folder.expanduser().resolve()
    if folder == source.resolve():
        return WorkingCopy(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record_path = folder / _RECORD
        written = _read_record(record_path)
        added, renewed, kept = [], [], []
        for path in sorted(source.rglob("*")):
            relative = path.relative_to(source)
            if not path.is_file() or any(part.startswith((".", "__")) for part in relative.parts):
                continue
            name = relative.as_posix()
            target = folder / name
            new = _digest(path)
            if not target.exists():
                added.append(name)
            elif (old := _digest(target)) == new:
                written[name] = new
                continue
            elif old == written.get(name):
                renewed.append(name)
            else:
                kept.append(name)
                continue
            _copy(path, target)
            written[name] = new
        _write(record_path, json.dumps(written, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise StateError(
            f"the working copy cannot be written: {error}",
            where=str(folder),
            next_step="name another folder with --dir",
        ) from error
    return WorkingCopy(folder, tuple(added), tuple(renewed), tuple(kept))


def lab_command(
    folder: Path, *, port: int | None = None, browser: bool = True, extra: Sequence[str] = ()
) -> list[str]:
    """The command that serves a folder on loopback, without news, update checks or terminals."""
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    if port is not None:
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        command.append("--no-browser")
    if getattr(os, "geteuid", lambda: 1)() == 0:
        command.append("--allow-root")
    return [*command, *extra]


def lab_environment(base: Mapping[str, str], settings: Path) -> dict[str, str]:
    """The server's environment: front-end defaults that ask nothing of the network.

    The server makes its own token and prints the address with it, unless the caller's environment
    names one in JUPYTER_TOKEN. It never goes on the command line, which other users can read.

    Args:
        base: The environment to start from.
        settings: A folder for the front-end's defaults; the user's own settings stay in force.
    """
    folder = settings / "labconfig"
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "default_setting_overrides.json", json.dumps(_FRONT_END_DEFAULTS))
    environment = dict(base)
    path = [str(settings), environment.get("JUPYTER_CONFIG_PATH", "")]
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(part for part in path if part)
    return environment


def _serve(command: Sequence[str], environment: Mapping[str, str]) -> int:
    process = subprocess.Popen(command, env=dict(environment))  # noqa: S603  own fixed command
    # A request to end goes on to the server, which shuts its kernels down.
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # Ctrl-C reaches the server as well, which asks its own question first.
                continue
    finally:
        signal.signal(signal.SIGTERM, before)
        if process.poll() is None:
            process.terminate()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_record(path: Path) -> dict[str, str]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Without a record every differing file counts as the user's: the safe side.
        return {}
    return {str(k): str(v) for k, v in record.items()} if isinstance(record, dict) else {}


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(path, temporary)
    temporary.replace(target)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)
