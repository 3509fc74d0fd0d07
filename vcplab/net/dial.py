"""Dialling: a WebSocket connection that is opened again whenever it is lost.

::

    async def serve(wire: Wire) -> None:
        async for message in wire:
            ...

    dial = Dial("wss://vcp.example/vcp-distributed-server/VCP_Key=…", secrets=[key])
    await dial.run(serve)       # until cancelled, or `await dial.stop()` elsewhere

Waits between attempts grow with full jitter (`vcplab.net.backoff`). A connection whose other side
is silently gone is found by pings; time in which our own loop stood still does not count against
it, and is told by `vcplab.net.pulse`. No message, log line or repr holds the key.
"""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from vcplab.core.clock import current_clock
from vcplab.core.errors import StateError, VCPError, VCPErrorCode
from vcplab.net._address import Address
from vcplab.net._failures import PROBLEM_HEADER, Problem, explain
from vcplab.net._options import DialOptions
from vcplab.net.backoff import Backoff
from vcplab.net.pulse import loop_pulse
from vcplab.net.wire import Wire

__all__ = ["PROBLEM_HEADER", "Dial", "DialOptions", "DialState", "Phase", "Wire"]

Phase = Literal["idle", "connecting", "open", "waiting", "closed"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialState:
    """How a dial stands.

    Attributes:
        phase: "idle" before `Dial.run`; "connecting"; "open"; "waiting" to dial again; "closed".
        failures: Failures since the last stable connection.
        problem: The latest problem and what to do about it; None while all is well.
        code: Its stable code.
        retry_at: When it dials again; only while it waits.
        since: When the phase began.
    """

    phase: Phase
    failures: int = 0
    problem: str | None = None
    code: VCPErrorCode | None = None
    retry_at: datetime | None = None
    since: datetime


class Dial:
    """Keeps one connection to an address open. Used on the loop on which `run` runs.

    Args:
        url: A ws:// or wss:// address.
        options: How to dial; the defaults if None.
        shown: The address as messages may show it; by default the scheme, the host, and the path
            with whatever follows ``VCP_Key=`` hidden.
        secrets: Texts that no message, log line or repr may hold, e.g. the key.
        rng: Where the jitter comes from; one's own generator if None.
        told: Called with each new state, on the loop.
        dropped: How often in a row the server has cut the handshake before.

    Raises:
        InvalidInputError: Not such an address.
    """

    def __init__(
        self,
        url: str,
        options: DialOptions | None = None,
        *,
        shown: str | None = None,
        secrets: Iterable[str] = (),
        rng: random.Random | None = None,
        told: Callable[[DialState], object] | None = None,
        dropped: int = 0,
    ) -> None:
        self.options = options or DialOptions()
        self._address = Address(url, self.options, shown, secrets)
        self.shown = self._address.shown
        self._told = told
        self._backoff = Backoff(
            self.options.first_delay,
            self.options.longest_delay,
            self.options.stable_after,
            rng,
        )
        self._state = DialState(phase="idle", since=current_clock().now())
        self._dropped = dropped
        self._wire: Wire | None = None
        self._ended: asyncio.Future[None] | None = None
        self._nudge: asyncio.Future[None] | None = None
        self._goodbye: tuple[int, str] | None = None
        self._restarts = 0

    def __repr__(self) -> str:
        return f"<Dial {self.shown}: {self._state.phase}>"

    @property
    def state(self) -> DialState:
        """How it stands. Any thread may ask."""
        return self._state

    @property
    def wire(self) -> Wire | None:
        """The open connection, if there is one."""
        return self._wire

    async def run(self, serve: Callable[[Wire], Awaitable[object]]) -> None:
        """Connect, serve, and dial again, until `stop` or cancellation.

        Args:
            serve: Called with each new connection. When it returns, the connection is closed; when
                the connection ends, it gets ``close_timeout`` seconds and is then cancelled. What
                it raises counts as a lost connection, and is logged, unless it only says that the
                connection is gone, as `Wire.send` does.

        Raises:
            StateError: It runs already.
        """
        if self._ended is not None and not self._ended.done():
            raise StateError(
                f"The dial to {self.shown} runs already.",
                where="Dial.run",
                next_step="make a Dial of its own for each task",
            )
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        self._nudge = loop.create_future()
        pulse = loop_pulse()  # stalls of the loop are told while anything is dialled
        pulse.hold()
        try:
            while self._goodbye is None:
                await self._round(serve)
        finally:
            pulse.release()
            self._nudge = None
            self._set("closed", problem=self._state.problem, code=self._state.code)
            self._ended.set_result(None)

    def redial(self) -> None:
        """Close the present connection, if there is one, and dial at once, without a wait.

        It does nothing unless it runs. It is no failure, and does not end the counting of them.
        """
        self._wake()

    async def stop(self, code: int = 1000, reason: str = "Client initiated disconnect") -> None:
        """Close the connection and end `run`; returns when that has ended.

        A dial that was stopped does not run again.

        Args:
            code: The WebSocket close code.
            reason: Why; VCPChat's words by default (facts/vcp-protocol §4.4).
        """
        if self._goodbye is None:
            self._goodbye = (code, reason)
        self._wake()
        if self._ended is None:
            self._set("closed")
        elif not self._ended.done():
            await asyncio.shield(self._ended)

    def _wake(self) -> None:
        if self._nudge is not None and not self._nudge.done():
            self._nudge.set_result(None)

    async def _round(self, serve: Callable[[Wire], Awaitable[object]]) -> None:
        """One attempt, the connection if it comes to one, and the wait after it."""
        problem: Problem | None
        try:
            problem = await self._once(serve)
        except Exception as error:
            self._log_error("dialling failed in an unforeseen way", error)
            problem = Problem(f"Dialling failed: {type(error).__name__}: {error}.")
        assert self._nudge is not None
        if problem is not None and not self._nudge.done():
            self._dropped = self._dropped + 1 if problem.silent else 0
            self._backoff.lost()
            delay = self._backoff.delay()
            text = self.scrub(problem.text)
            _logger.info("%s: %s Next attempt in %.1f s.", self.shown, text, delay)
            self._set(
                "waiting",
                problem=text,
                code=problem.code,
                retry_at=current_clock().now() + timedelta(seconds=delay),
            )
            await asyncio.wait({self._nudge}, timeout=delay)
        if self._nudge.done() and self._goodbye is None:
            self._nudge = asyncio.get_running_loop().create_future()

    async def _once(self, serve: Callable[[Wire], Awaitable[object]]) -> Problem | None:
        """Connect and serve. What went wrong; None if a redial or stop was asked for."""
        assert self._nudge is not None
        nudge = self._nudge
        self._set("connecting", problem=self._state.problem, code=self._state.code)
        attempt = asyncio.create_task(self._open())
        either: set[asyncio.Future[Any]] = {attempt, nudge}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if nudge.done() or not attempt.done():
                await _discard(attempt)
        if nudge.done():
            return None
        error = attempt.exception()
        if error is not None:
            if isinstance(error, VCPError):
                return Problem(error.message, error.next_step or "", error.code)
            return explain(error, self._address.place, self._dropped)
        wire = attempt.result()
        self._wire = wire
        self._dropped = 0
        self._backoff.opened()
        _logger.info("%s: connected", self.shown)
        self._set("open")
        try:
            return await self._serve(serve, wire, nudge)
        finally:
            self._wire = None

    async def _open(self) -> Wire:
        from vcplab.net._connection import open_connection

        options = self.options
        place, proxy = self._address.route()
        secure = place.secure or (proxy is not None and proxy.startswith("https:"))
        connection = await open_connection(
            self._address.url,
            proxy=proxy,
            tls=options.trust() if secure else None,
            headers=options.headers,
            open_timeout=options.open_timeout,
            close_timeout=options.close_timeout,
            max_size=options.max_size,
            logger=_logger,
            scrub=self.scrub,
        )
        connection.watch(options.ping_period)
        return Wire(
            connection, shown=self.shown, close_timeout=options.close_timeout, scrub=self.scrub
        )

    async def _serve(
        self,
        serve: Callable[[Wire], Awaitable[object]],
        wire: Wire,
        nudge: asyncio.Future[None],
    ) -> Problem | None:
        gone = wire._connection.connection_lost_waiter
        work: asyncio.Task[object] = asyncio.create_task(_call(serve, wire))
        grace = self.options.close_timeout
        first: set[asyncio.Future[Any]] = {work, nudge, gone}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            code, reason = (1000, "")
            if nudge.done():
                code, reason = self._goodbye or (1000, "")
            if not gone.done():
                await wire.close(code, reason)
            if not work.done():
                await asyncio.wait({work}, timeout=grace)
        finally:
            try:
                if not work.done():
                    work.cancel()
                    await asyncio.wait({work}, timeout=grace)
                if not gone.done():
                    await wire.close(1001)
            finally:
                wire._connection.transport.abort()  # only where a second cancellation came
        if not work.done():
            _logger.error("%s: what served the connection does not end", self.shown)
        elif (
            not work.cancelled()
            and (error := work.exception()) is not None
            and not _tells_of_the_loss(error)
        ):
            self._log_error("what served the connection failed", error)
            if not nudge.done():
                return Problem(f"What served the connection failed: {type(error).__name__}.")
        if nudge.done():
            return None
        code_ = VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
        if wire.is_dead:
            code_ = VCPErrorCode.DISTRIBUTED_TIMEOUT
        return Problem(wire.ended or "The connection was closed.", "", code_)

    def scrub(self, text: str) -> str:
        """A text without the key, the address's path, and other secrets."""
        return self._address.scrub(text)

    def _log_error(self, what: str, error: BaseException) -> None:
        trace = "".join(traceback.format_exception(error))
        _logger.error("%s: %s\n%s", self.shown, what, self.scrub(trace))

    def _set(self, phase: Phase, **more: Any) -> None:
        self._state = DialState(
            phase=phase, failures=self._backoff.failures, since=current_clock().now(), **more
        )
        if self._told is None:
            return
        try:
            self._told(self._state)
        except Exception as error:
            self._log_error("what is told of changes failed", error)


async def _call(serve: Callable[[Wire], Awaitable[object]], wire: Wire) -> object:
    return await serve(wire)


def _tells_of_the_loss(error: BaseException) -> bool:
    """Whether it is what `Wire.send` raises once the connection is gone."""
    lost = VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
    return isinstance(error, StateError) and error.code == lost


async def _discard(attempt: asyncio.Future[Wire]) -> None:
    """Cancel an attempt; a connection that opened all the same is closed."""
    attempt.cancel()
    await asyncio.wait({attempt})
    if not attempt.cancelled() and attempt.exception() is None:
        await attempt.result().close()
