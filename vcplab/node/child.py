"""A module of ours run as a child process: told its settings on stdin, heard once on stdout.

The settings may hold keys, and a process list shows command lines; so they go over the child's
standard input. The child answers with one JSON line and runs until its standard input closes, so
it ends when this process does, however that ends. ■ and Ctrl-C do not reach it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from vcplab.core.errors import OperationTimeoutError, StateError
from vcplab.core.redaction import MASK

__all__ = ["ModuleChild"]

_END: Final = 5.0


class ModuleChild:
    """Starts ``python -m module`` and ends it; blocking, safe from any thread.

    Args:
        module: The module; it reads one JSON line and writes one, ``{"error": …}`` if it failed.
        what: What messages call it, e.g. ``"The sidecar"``.
        start_timeout: Seconds that it has for starting.
    """

    def __init__(self, module: str, what: str, *, start_timeout: float = 30.0) -> None:
        self._module = module
        self._what = what
        self._start_timeout = start_timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<ModuleChild {self._module}: {self.pid or 'not running'}>"

    @property
    def is_running(self) -> bool:
        """Whether it is there."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        return self._child.pid if self._child is not None and self.is_running else None

    def start(self, settings: Mapping[str, Any], *, secrets: tuple[str, ...] = ()) -> Any:
        """Start it, unless it runs.

        Args:
            settings: What it is told, JSON-able.
            secrets: Texts among them that no message may repeat.

        Returns:
            What it answered; None if it ran already.

        Raises:
            StateError: It could not start.
            OperationTimeoutError: It did not start in time.
        """
        with self._lock:
            if self.is_running:
                return None
            self._tidy()
            said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _tidy
            options: dict[str, Any] = (
                {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined, unused-ignore]
                if sys.platform == "win32"
                # An interrupt of the notebook goes to its whole process group.
                else {"start_new_session": True}
            )
            # -P: a json.py beside the notebook is not ours.
            child = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-P", "-m", self._module, "--stdin"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=_environment(),
                **options,
            )
            self._child, self._said = child, said
            try:
                return self._hear(child, settings, secrets)
            except BaseException:
                self._stop(child, True)
                self._tidy()
                raise

    def stop(self, *, abrupt: bool = False) -> None:
        """End it, and wait until it is gone; may be called again.

        Args:
            abrupt: As a crash would.
        """
        with self._lock:
            if self._child is not None:
                self._stop(self._child, abrupt)
            self._tidy()

    def wait(self) -> None:
        """Wait until it ends by itself."""
        child = self._child
        if child is not None:
            child.wait()

    def _hear(
        self, child: subprocess.Popen[bytes], settings: Mapping[str, Any], secrets: tuple[str, ...]
    ) -> Any:
        assert child.stdin is not None
        assert child.stdout is not None
        timed_out = threading.Event()

        def give_up() -> None:
            timed_out.set()
            child.kill()

        timer = threading.Timer(self._start_timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            with suppress(OSError):
                child.stdin.write(json.dumps(settings).encode() + b"\n")
                child.stdin.flush()
            line = child.stdout.readline()
        finally:
            timer.cancel()
        if timed_out.is_set():
            raise OperationTimeoutError(
                f"{self._what} did not start within {self._start_timeout:g} s.",
                where=self._module,
                next_step="give it more time",
            )
        try:
            ready = json.loads(line)
        except ValueError:
            ready = {"error": self._last_words(child)}
        if "error" in ready:
            told = str(ready["error"])
            for secret in secrets:
                told = told.replace(secret, MASK)
            raise StateError(
                f"{self._what} could not start: {told}",
                where=self._module,
                next_step="give another port, or 0 for any free one",
            )
        return ready

    def _last_words(self, child: subprocess.Popen[bytes]) -> str:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_END)
        assert self._said is not None
        self._said.seek(0)
        lines = self._said.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {child.poll()}"

    def _stop(self, child: subprocess.Popen[bytes], abrupt: bool) -> None:
        if not abrupt:
            assert child.stdin is not None
            with suppress(OSError):
                child.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_END)
        if child.poll() is None:
            child.kill()
        child.wait()

    def _tidy(self) -> None:
        child, self._child = self._child, None
        said, self._said = self._said, None
        files = [said] if child is None else [said, child.stdin, child.stdout]
        for file in files:
            if file is not None:
                with suppress(OSError):
                    file.close()


def _environment() -> dict[str, str]:
    """This process's, with our own package in reach where it is not installed."""
    environment = dict(os.environ)
    root = Path(__file__).resolve().parents[2]
    if root.name not in ("site-packages", "dist-packages"):
        path = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{path}{os.pathsep}{root}" if path else str(root)
    return environment
