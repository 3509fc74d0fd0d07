"""One child process: fed, read within limits, and ended with all that it started."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vcplab.plugins.processes.command import CommandLine
from vcplab.plugins.processes.guard import guard
from vcplab.plugins.processes.sweeping import MARK, descendants, kill

__all__ = ["Child", "Ending", "Limits"]

_CHUNK: Final = 1 << 16
_STDERR_KEPT: Final = 1 << 16
_HEAD: Final = 1000
_FIRST_LOOK: Final = 0.02
_LAST_LOOK: Final = 0.32


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may do.

    Attributes:
        reply: Bytes of standard output.
        grace: Seconds that the pipes are read on after the process itself has ended, because a
            process that it started holds them.
    """

    reply: int = 64 * 2**20
    grace: float = 0.2


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended.

    Attributes:
        code: Its exit code; negative for a signal.
        output: Its standard output.
        errors: The end of its standard error, at most 64 KiB.
        overflow: How much it may write, if it was ended because it wrote more; else 0.
    """

    code: int
    output: bytes
    errors: bytes
    overflow: int = 0


class _Pipes(SubprocessStreamProtocol):
    """Knows when the process itself has ended.

    ``Process.wait`` of Python 3.11 also waits for its pipes, which a grandchild may hold open.
    """

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=limit, loop=loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Child:
    """A running child. Made by `start`; must be closed by `close`, whatever happens.

    Attributes:
        mark: The mark of its call.
        output: What it wrote so far.
        stopped: Whether it is being ended by us, for no fault of its own.
    """

    def __init__(
        self,
        process: Process,
        exited: asyncio.Event,
        mark: str,
        limits: Limits,
        on_output: Callable[[bytearray], object] | None,
        on_error_text: Callable[[bytes], object] | None,
    ) -> None:
        self.mark = mark
        self.output = bytearray()
        self.stopped = False
        self._process = process
        self._exited = exited
        self._limits = limits
        self._errors = bytearray()
        self._overflow = False
        self._muted = False
        self._on_output = on_output
        self._on_error_text = on_error_text
        self._readers: list[asyncio.Task[None]] = []
        self._ended = False
        self._seen: dict[int, str] = {}

    @classmethod
    async def start(
        cls,
        command: CommandLine,
        folder: Path,
        environment: Mapping[str, str],
        data: bytes,
        *,
        limits: Limits | None = None,
        on_output: Callable[[bytearray], object] | None = None,
        on_error_text: Callable[[bytes], object] | None = None,
    ) -> Child:
        """Start a process and feed it.

        Args:
            command: What is started.
            folder: Its working folder.
            environment: Its environment, to which the call's mark is added.
            data: What it reads from standard input, which then ends.
            limits: What it may do.
            on_output: Called with all of its output whenever there is more.
            on_error_text: Called with each piece of its standard error.

        Raises:
            OSError: It cannot be started.
        """
        keeper = guard()
        mark = keeper.begin()
        extra: dict[str, Any] = {}
        if sys.platform == "win32":
            extra["creationflags"] = (
                subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
            )
        else:
            extra["start_new_session"] = True
        try:
            loop = asyncio.get_running_loop()
            transport, protocol = await loop.subprocess_exec(
                lambda: _Pipes(limit=_CHUNK, loop=loop),
                *command.arguments,
                stdin=subprocess.PIPE if data else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env={**environment, MARK: mark},
                **extra,
            )
            process = Process(transport, protocol, loop)
        except BaseException:
            keeper.end(mark, None)
            raise
        keeper.started(process.pid)
        child = cls(process, protocol.exited, mark, limits or Limits(), on_output, on_error_text)
        child._readers = [
            asyncio.create_task(child._read_output()),
            asyncio.create_task(child._read_errors()),
        ]
        child._readers.append(asyncio.create_task(child._observe()))
        if data:
            child._readers.append(asyncio.create_task(child._feed(data)))
        return child

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self._process.pid

    async def wait(self) -> Ending:
        """Wait until it has ended and its pipes are read."""
        await self._exited.wait()
        reading = self._readers[:2]
        _, open_pipes = await asyncio.wait(reading, timeout=self._limits.grace)
        if open_pipes:
            self.end()  # what holds the pipes goes, then they close
            await asyncio.wait(reading, timeout=1)
        code = self._process.returncode
        return Ending(
            code if code is not None else -1,
            bytes(self.output),
            bytes(self._errors),
            self._limits.reply if self._overflow else 0,
        )

    def mute(self) -> None:
        """Keep nothing more of what it writes; it may write as much as it likes."""
        self._muted = True

    def end(self) -> None:
        """End it and all that it started; may be called again."""
        if self._process.returncode is None:
            self._seen |= descendants(self.pid)
            if sys.platform == "win32":  # the tree first: without its root it is none
                _end_tree(self._process.pid)
            with suppress(ProcessLookupError):
                self._process.kill()
        if not self._ended:
            self._ended = True
            guard().end(self.mark, self._process.pid)
            kill(dict(self._seen))  # it is still added to, on the loop

    async def close(self) -> None:
        """`end`, and wait until nothing of ours is left of it."""
        self.end()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._exited.wait(), 5)
        for reader in self._readers:
            if not reader.done():
                reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        # Without this a pipe that a runaway still holds would be closed by the garbage collector.
        transport = getattr(self._process, "_transport", None)
        if transport is not None:
            transport.close()

    async def _observe(self) -> None:
        """Note what it starts: a process may leave its group and clear its mark, and lose it."""
        pause = _FIRST_LOOK
        while self._process.returncode is None:
            await asyncio.sleep(pause)
            self._seen |= descendants(self.pid)
            pause = min(2 * pause, _LAST_LOOK)

    async def _feed(self, data: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        # It need not read what it is given; it may have closed its side already.
        with suppress(BrokenPipeError, ConnectionResetError):
            pipe.write(data)
            await pipe.drain()
        with suppress(BrokenPipeError, ConnectionResetError, OSError):
            pipe.close()

    async def _read_output(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        while data := await pipe.read(_CHUNK):
            if self._muted:
                continue
            if len(self.output) + len(data) > self._limits.reply:
                self._overflow = True
                del self.output[_HEAD:]
                self.end()
                return
            self.output += data
            if self._on_output is not None:
                self._on_output(self.output)

    async def _read_errors(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        while data := await pipe.read(_CHUNK):
            self._errors += data
            if len(self._errors) > 2 * _STDERR_KEPT:
                del self._errors[:-_STDERR_KEPT]
            if self._on_error_text is not None:
                self._on_error_text(data)


def _end_tree(pid: int) -> None:
    system = os.environ.get("SYSTEMROOT", r"C:\Windows")
    subprocess.run(  # noqa: S603 - the system's own program, an integer
        [rf"{system}\System32\taskkill.exe", "/F", "/T", "/PID", str(pid)],
        check=False,
        capture_output=True,
    )
