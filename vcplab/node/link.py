"""A link to one main server: its lines, and keeping them in step with the lab."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

from vcplab.core.errors import OperationTimeoutError, StateError, VCPErrorCode
from vcplab.core.loop import blocking, on_library_loop
from vcplab.core.trace import attach
from vcplab.net.dial import Dial, DialState, Wire
from vcplab.net.pulse import loop_pulse
from vcplab.node.answering import Answering
from vcplab.node.calls import Call
from vcplab.node.dialects import Acknowledged
from vcplab.node.duties import Duties
from vcplab.node.events import CallEnded, CallStarted, ExposureChanged, LinkChanged
from vcplab.node.exposure import ExposedTool, ExposurePreview
from vcplab.node.line import Line
from vcplab.node.measuring import measure
from vcplab.node.parts import LinkParts
from vcplab.node.rows import LinkState, LinkStatus
from vcplab.node.soon import soon
from vcplab.node.spreading import SHARED, spread
from vcplab.node.standing import STATES, Standing
from vcplab.node.terms import checked_seconds

__all__ = ["Link"]


class Link:
    """The lab as a node of one main server. Made by ``lab.node.connect()``.

    Attributes:
        id: Its identifier: the server's host and port.
        name: How the node calls itself there.
        shown: The server's address, without the key.
        exposure: What the server is offered.
    """

    def __init__(self, parts: LinkParts) -> None:
        self.id = parts.id
        self.name = parts.name
        self.shown = parts.address.shown
        self.exposure = parts.exposure
        self.speech = parts.speech
        self.guard = parts.guard
        self.ignored: Counter[str] = Counter()
        self.malformed = 0
        self._parts = parts
        self.answering = Answering(
            parts.id, parts.address.shown, parts.caller, self._offered, parts.roots, parts.guard,
            parts.book, self._call_changed, parts.options.max_size,
        )  # fmt: skip
        self._server_id: str | None = None
        self._standing = Standing()
        self._offers: Mapping[str, ExposedTool] = {}
        self._duties = Duties(
            parts.name, parts.speech, parts.guard,
            statics=lambda: self.exposure.statics(parts.manager),
            beat=parts.options.ping_period,
        )  # fmt: skip
        self._stirred = asyncio.Event()
        self._change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines: dict[str, Line] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Task[None] | None = None
        self._closed = self._has_looked = False
        self._main = Line(self, self._dial, main=True, beside=self._duties.on)

    # For users

    @property
    def state(self) -> LinkState:
        """``open``, ``connecting``, ``waiting`` (for the next try) or ``closed``."""
        return self._standing.state

    @property
    def problem(self) -> str | None:
        """What keeps it, or one of its tools, from its server; None while nothing does."""
        if self._standing.problem is not None or self.state != "open":
            return self._standing.problem
        states = (line.dial.state for line in list(self._lines.values()))
        lost = next((s for s in states if s.phase == "waiting" and s.problem is not None), None)
        return None if lost is None else f"a tool waits for its own connection: {lost.problem}"

    @on_library_loop
    async def await_open(self, timeout: float = 30.0) -> Link:
        """Wait until it is connected and its tools have been sent.

        Args:
            timeout: Seconds.

        Returns:
            The link.

        Raises:
            StateError: It was closed.
            OperationTimeoutError: It is not connected; the error says what is wrong.
        """
        timeout = checked_seconds(timeout, "timeout")
        try:
            async with asyncio.timeout(timeout):
                while not self._settled():
                    if self._closed:
                        raise StateError(
                            f"The link to {self.shown} was closed.",
                            where=self.id,
                            next_step="lab.node.connect() makes another",
                        )
                    await asyncio.shield(self._change)
        except TimeoutError:
            raise OperationTimeoutError(
                f"{self.shown} is not reached: {self.problem or 'no answer yet'}",
                code=self._main.dial.state.code or VCPErrorCode.DISTRIBUTED_TIMEOUT,
                where=self.id,
                next_step="start the server, or check address and key; it goes on trying",
            ) from None
        return self

    wait = blocking(await_open)

    def expose(self, name: str, on: bool | None = True) -> None:
        """Offer a tool to this server, or take it back.

        Args:
            name: The tool, as the lab calls it.
            on: Whether it is offered; None gives the decision back to the rules.

        Raises:
            NotFoundError: There is no such tool.
        """
        if on is not None:
            self._parts.manager.catalogue.get(name)
        self.exposure.switch(name, on)
        self.stir()

    def preview(self) -> ExposurePreview:
        """What this server is offered, tool by tool, and why."""
        return self.exposure.preview(self._parts.manager)

    def retry(self) -> None:
        """Try again at once, if it waits for the next try."""
        if self._main.wire is None:
            soon(self._main.dial.redial)

    def status(self) -> LinkStatus:
        """How it stands."""
        return measure(
            self, self._main, self._all_lines(),
            [(tool, self._line_of(name)) for name, tool in self._offers.items()],
            server_id=self._server_id,
            reconnects=self._standing.reconnects,
            since=self._standing.since,
        )  # fmt: skip

    @on_library_loop
    async def aclose(self, grace: float = 2.0) -> None:
        """End it: calls that run get a moment, then they are cancelled.

        Args:
            grace: Seconds for calls that run.
        """
        grace = checked_seconds(grace, "grace")
        if self._ending is None:
            self._closed = True
            self._stirred.set()
            # A task: it goes on to the end when who asks is interrupted, or is one of its calls.
            self._ending = asyncio.create_task(self._end(grace))
        elif not (await asyncio.wait({self._ending}, timeout=grace))[0]:
            self.answering.cancel_all()  # whoever asked before was more patient
        await asyncio.shield(self._ending)

    close = blocking(aclose)

    async def _end(self, grace: float) -> None:
        lines = self._all_lines()
        running = [c.task for line in lines for c in line.calls.values() if c.task is not None]
        if running and grace > 0:
            await asyncio.wait(running, timeout=grace)
        self.answering.cancel_all()
        await asyncio.gather(*(line.close() for line in lines), return_exceptions=True)
        for job in tuple(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        if self._parts.sidecar is not None:
            await self._parts.sidecar.close()
        loop_pulse().release()
        self._note_state("closed", None)

    def __repr__(self) -> str:
        return repr(self.status())

    def _repr_html_(self) -> str:
        return self.status()._repr_html_()

    # For the node

    def begin(self) -> None:
        """Connect; on the library's loop."""
        loop_pulse().hold()
        with attach({}):  # calls are requests of their own, not parts of the cell that connected
            self._start(self._main.run())
            self._start(self._keep())

    def goes_on_as(self, parts: LinkParts) -> bool:
        """Take on these terms if it can as it is, and say whether; switches go on in any case.

        Args:
            parts: What another link would be made of.
        """
        if self._closed:
            return False
        for name, on in self.exposure.switches.items():  # a person's, also if the link is replaced
            parts.exposure.switch(name, on)
        own = self._parts
        same = (own.address, own.name, own.speech.dialect, own.options) == (
            parts.address, parts.name, parts.speech.dialect, parts.options,
        ) and (own.sidecar is None) is (parts.sidecar is None)  # fmt: skip
        if same:
            self.exposure = parts.exposure
            self.stir()
            self.retry()
        return same

    def take_over(self, before: Link) -> None:
        """Send the reports that the link before this one, which is closed, could not send."""
        self._duties.take_over(before._duties)

    async def first_try(self) -> None:
        """Wait until it is connected with its tools sent, or the first try failed."""
        while not self._settled() and not self._closed and self._main.dial.state.problem is None:
            await asyncio.shield(self._change)

    def stir(self) -> None:
        """Tools may have changed; from any thread."""
        if not self._closed:
            soon(self._stirred.set)

    def forward(self, plugin: str, task: str, body: Mapping[str, Any]) -> None:
        """Send the report of a task that this server began; from any thread.

        It waits for the connection if there is none.

        Args:
            plugin: The plugin, as the lab calls it.
            task: The task.
            body: What it reported.
        """
        soon(lambda: self._duties.report(plugin, task, body))

    # For its lines

    def node_name(self, line: Line) -> str:
        """The node's name, and that of a tool which has a line alone: servers list each line."""
        if line.main or len(line.tools) != 1:
            return self.name
        return f"{self.name}/{next(iter(line.tools))}"

    def addresses(self, line: Line, wire: Wire) -> dict[str, Any]:
        """What a line reports of where the node is.

        Files are asked of the node whose address a request came from (facts/vcp-protocol §4.7), so
        the main line alone names one: that by which the server sees this machine.
        """
        known = self._parts.sidecar is None or self._parts.address.is_loopback
        local = [wire.local_address] if line.main and known and wire.local_address else []
        return self.speech.addresses(self.node_name(line), local)

    def changed(self, line: Line) -> None:
        """A line's state or registration changed."""
        if self._closed:
            return
        if line.main:
            state = line.dial.state
            self._note_state(STATES[state.phase], state.problem)
            if state.phase == "open":  # the server is there again: the others need not wait
                for other in self._lines.values():
                    if other.dial.state.phase == "waiting":
                        other.dial.redial()
        self._parts.events.publish(ExposureChanged(link=self.id))
        self._announce()

    def acknowledged(self, line: Line, told: Acknowledged) -> None:
        """The server told something of a line."""
        if line.main and told.server_id is not None:
            self._server_id = told.server_id
        taken = line.registered if told.tools is None else told.tools
        if missing := [name for name in line.registered if name not in taken]:
            text = f"the server did not take on {', '.join(missing)}: is the name taken?"
            self._parts.log("warning", self.id, text)

    def ended(self, line: Line) -> None:
        """A line carries nothing any more."""
        for key, known in list(self._lines.items()):
            if known is line:
                del self._lines[key]
                if line.tools and not self._closed:
                    self._stirred.set()  # it was wanted again in the very moment

    # Inside

    def _dial(self, told: Callable[[DialState], None]) -> Dial:
        address, sidecar, options = self._parts.address, self._parts.sidecar, self._parts.options
        url = address.url
        secrets: tuple[str, ...] = (address.key,)
        if sidecar is not None:  # which goes by proxy and TLS in our stead
            url, secrets = sidecar.url, (*secrets, sidecar.token)
            options = replace(options, proxy=None, ca=None, headers={})
        return Dial(url, options, shown=address.shown, secrets=secrets, told=told)

    def _start(self, coroutine: Any) -> None:
        job: asyncio.Task[None] = asyncio.create_task(coroutine)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def _all_lines(self) -> list[Line]:
        return [self._main, *self._lines.values()]

    def _settled(self) -> bool:
        """Whether it is connected, and what is offered has been sent."""
        if self._main.wire is None or not self._has_looked or self._stirred.is_set():
            return False
        return all(
            (line := self._line_of(name)) is not None and line.state_of(name) == "registered"
            for name in self._offers
        )

    def _line_of(self, name: str) -> Line | None:
        return next((line for line in self._all_lines() if name in line.tools), None)

    def _note_state(self, state: LinkState, problem: str | None) -> None:
        if not self._standing.change(state, problem):
            return
        if (line := self._standing.line(self.shown, self.name)) is not None:
            self._parts.log(line[0], self.id, line[1])
        self._parts.events.publish(LinkChanged(link=self.id, state=state, problem=problem))

    def _offered(self, name: str) -> ExposedTool | None:
        tool, line = self._offers.get(name), self._line_of(name)
        if tool is not None and line is not None and not line.accepts(name):
            raise StateError(f"{name} is being replaced; call it again in a moment.", where=name)
        return tool

    def _call_changed(self, call: Call) -> None:
        # A row for every call would be dear; nobody may be looking.
        kind = CallStarted if call.state == "running" else CallEnded
        if self._parts.events.has_subscribers(kind):
            row = call.row(self._parts.guard.error)
            self._parts.events.publish(kind(link=self.id, call=row))

    async def _keep(self) -> None:
        """Keep what the lines carry in step with what the lab has."""
        self._stirred.set()
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            if self._closed:
                return
            began = perf_counter()
            self._offers = self.exposure.tools(self._parts.manager)
            self._assign()
            self._has_looked = True
            self._announce()
            self._parts.events.publish(ExposureChanged(link=self.id))
            # A cell that defines ten tools is one change; and with thousands of them to look
            # through, calls and the cell that makes more keep most of the loop.
            await asyncio.sleep(min(0.5, max(0.02, 4 * (perf_counter() - began))))

    def _assign(self) -> None:
        if self.speech.unregister is not None:
            self._main.want(self._offers)
            return
        shared = self._lines.get(SHARED)
        held = () if shared is None else tuple(shared.tools)
        for key, tools in spread(self._offers, self._lines, held).items():
            line = self._lines.get(key)
            if line is not None:
                line.want(tools)
                continue
            line = self._lines[key] = Line(self, self._dial)
            line.want(tools)
            self._start(self._when_open(line))

    def _announce(self) -> None:
        change, self._change = self._change, asyncio.get_running_loop().create_future()
        change.set_result(None)

    async def _when_open(self, line: Line) -> None:
        # One line tries whether the server is there; the others follow.
        while self._main.wire is None and not self._closed:
            await asyncio.shield(self._change)
        if line.tools and not self._closed:
            await line.run()
        else:
            self.ended(line)
