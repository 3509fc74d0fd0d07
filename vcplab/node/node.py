"""The node: the lab as seen by main servers, from a background thread.

::

    node = Node(manager, caller)
    link = await node.aconnect("ws://127.0.0.1:6005", key)     # the link lives on by itself
    node.status()

Everything runs on the library's loop, so a long cell does not stall calls: asynchronous tools run
there, plain functions in worker threads, plugins in their processes. A C call that holds the GIL
stalls all of Python; that is noticed, reported, and does not end a link whose server is patient.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from vcplab.core.errors import NotFoundError, StateError
from vcplab.core.events import EventBus, Subscription
from vcplab.core.loop import blocking, on_library_loop, run
from vcplab.net.pulse import Stall, loop_pulse
from vcplab.node.address import read_address
from vcplab.node.calls import CallBook
from vcplab.node.dialects import speech_of
from vcplab.node.events import NodeEvent
from vcplab.node.exposure import Exposure, ExposurePreview
from vcplab.node.guard import Guard
from vcplab.node.link import Link
from vcplab.node.logbook import LogBook
from vcplab.node.parts import LinkParts
from vcplab.node.roots import Roots
from vcplab.node.rows import CallRow, LogLine, NodeStatus, calls_frame
from vcplab.node.sidecar import Sidecar
from vcplab.node.terms import checked_name, checked_seconds, dial_options, link_id, plain_key
from vcplab.plugins.calling import Caller
from vcplab.plugins.events import (
    PluginDisabled,
    PluginEnabled,
    PluginErrorEvent,
    PluginRegistered,
    PluginsReloaded,
    PluginUnregistered,
    TaskReported,
)
from vcplab.plugins.manager import PluginManager
from vcplab.protocol.dialect import checked_dialect

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Node"]

_CHANGES: Final = (
    PluginRegistered,
    PluginUnregistered,
    PluginEnabled,
    PluginDisabled,
    PluginsReloaded,
    PluginErrorEvent,
)


class Node:
    """A manager's tools, offered to main servers.

    Attributes:
        events: What happens, as `vcplab.node.events`.
        roots: Folders from which servers may fetch files; none at first.
        note: Writes a line to the log: level, link (empty for the node itself), text.

    Args:
        manager: The plugins.
        caller: Calls their tools.
        secrets: Gives texts that no frame may hold, beside those that the manager knows.
        paths: Local paths by the name that stands for them in frames.
    """

    def __init__(
        self,
        manager: PluginManager,
        caller: Caller,
        *,
        secrets: Callable[[], tuple[str, ...]] = tuple,
        paths: Mapping[str, Path] | None = None,
    ) -> None:
        self.events = EventBus()
        self._manager = manager
        self._caller = caller
        self._book = CallBook()
        self._links: dict[str, Link] = {}
        self._lock = threading.Lock()
        self._joining = asyncio.Lock()
        self._keys: set[str] = set()
        self._learnt: list[str] = []
        self._more_secrets = secrets
        self._known: tuple[tuple[Any, ...], tuple[str, ...]] = ((), ())
        manager.masking.on_secret(lambda *fresh: self._learnt.extend(fresh))
        self._guard = Guard(self._secrets, dict(paths or {}))
        self._log = LogBook(self.events, self._guard.error)
        self.note = self._log.note
        self.roots = Roots(carries=self._guard.carries)
        self._subscriptions = [
            *(manager.events.subscribe(kind, self._stir) for kind in _CHANGES),
            manager.events.subscribe(TaskReported, self._reported),
        ]
        self._stalls: Any = None
        self._closed = False

    # Connecting

    def preview(
        self, expose: bool | str | Iterable[str] | None = None, *, prefix: str = ""
    ) -> ExposurePreview:
        """What a server would be offered.

        Args:
            expose: As for `aconnect`.
            prefix: As for `aconnect`.

        Raises:
            InvalidInputError: A pattern or the prefix is impossible.
        """
        return self._exposure(expose, prefix).preview(self._manager)

    @on_library_loop
    async def aconnect(
        self,
        url: str | None = None,
        key: str | SecretStr | None = None,
        name: str | None = None,
        expose: bool | str | Iterable[str] | None = None,
        *,
        dialect: str = "toolbox",
        prefix: str = "",
        wait: float = 5.0,
        sidecar: bool = False,
        **options: Any,
    ) -> Link:
        """Become a node of a main server, until `adisconnect`.

        The link goes on in the background: it reconnects with growing pauses, and tools that are
        added, changed or removed are told to the server. The same call again, as when a cell is
        run once more, leaves the link as it is but for what is offered; one to the same server with
        other terms takes its place.

        Args:
            url: The server, e.g. ``ws://127.0.0.1:6005``; `read_address` says what else.
            key: Its ``Key``; not needed where the address holds it.
            name: How the node calls itself.
            expose: What is offered. None: the notebook's functions. A pattern or several: plugins
                whose name matches, too; ``"!pattern"`` leaves out. False: nothing.
            dialect: ``toolbox``, ``intellicore`` or ``cherry``: how tools are registered.
            prefix: Stands before each tool's name at the server.
            wait: Seconds to wait for the connection; it is tried on afterwards as well.
            sidecar: Whether a process beside this one keeps the connections, so that they survive a
                C call that holds the GIL for longer than the server is patient.
            **options: Of `vcplab.net.dial.DialOptions`: ``ca``, ``proxy``, ``ping_period``,
                ``first_delay``, ``longest_delay``, ``headers``, …

        Returns:
            The link; its ``problem`` says why it is not connected, if it is not.

        Raises:
            InvalidInputError: Address, key, name, pattern, dialect or an option is impossible.
            StateError: The sidecar could not be started, or the lab was closed.
        """
        address = read_address(url, plain_key(key))
        speech = speech_of(checked_dialect(dialect))
        dialling, wait = dial_options(options), checked_seconds(wait, "wait")
        exposure = self._exposure(expose, prefix)
        id_ = link_id(address)
        parts = LinkParts(
            id=id_,
            name=checked_name(name),
            address=address,
            speech=speech,
            options=dialling,
            exposure=exposure,
            manager=self._manager,
            caller=self._caller,
            roots=self.roots,
            guard=self._guard,
            book=self._book,
            events=self.events,
            log=self.note,
            sidecar=Sidecar(address, dialling, partial(self.note, "warning", id_))
            if sidecar
            else None,
        )
        async with self._joining:  # of two at once, one takes the place of the other
            link = await self._joined(parts)
        return await self._awaited(link, wait)

    @on_library_loop
    async def adisconnect(self, link: Link | str | None = None, *, grace: float = 2.0) -> None:
        """End a link, or all.

        Args:
            link: The link, or its identifier; None for all.
            grace: Seconds that calls get which run.

        Raises:
            NotFoundError: There is no such link.
        """
        chosen = self.links if link is None else (link if isinstance(link, Link) else self[link],)
        await asyncio.gather(*(one.aclose(grace) for one in chosen))
        with self._lock:
            self._links = {k: one for k, one in self._links.items() if one not in chosen}

    disconnect = blocking(adisconnect)

    # What there is

    @property
    def links(self) -> tuple[Link, ...]:
        """The links, in the order in which they were made."""
        with self._lock:
            return tuple(self._links.values())

    def __getitem__(self, name: str) -> Link:
        """A link by its identifier, the server's address, or the node's name there.

        Raises:
            NotFoundError: There is none.
        """
        for link in self.links:
            if name in (link.id, link.shown, link.name):
                return link
        raise NotFoundError(
            f"There is no link {name!r}.",
            where="link",
            next_step=f"the links are: {', '.join(link.id for link in self.links) or 'none yet'}",
        )

    def __iter__(self) -> Any:
        return iter(self.links)

    def __len__(self) -> int:
        return len(self.links)

    def __bool__(self) -> bool:
        return True

    def status(self) -> NodeStatus:
        """How the links stand."""
        return NodeStatus(tuple(link.status() for link in self.links))

    def calls(self, limit: int = 200) -> list[CallRow]:
        """The latest calls, newest first; those that run are always among them.

        Args:
            limit: How many at most of those that ended; the latest 500 are kept.
        """
        return [call.row(self._guard.error) for call in self._book.latest(limit)]

    def to_frame(self) -> pd.DataFrame:
        """The latest calls as a frame, with the fields of `CallRow`.

        ``ms`` are milliseconds, ``began`` is in UTC.
        """
        return calls_frame(self.calls(1_000))

    def log(self, limit: int = 200) -> list[LogLine]:
        """The latest lines of the log, oldest first.

        Args:
            limit: How many at most.
        """
        return self._log.latest(limit)

    def on_change(self, callback: Callable[[NodeEvent], object]) -> Subscription:
        """Listen to everything that happens to the node.

        Args:
            callback: Called with the event, in the thread where it happens.
        """
        return self.events.subscribe(NodeEvent, callback)

    # Files

    def share(self, name: str, path: str | Path) -> None:
        """Let servers fetch files of a folder, by ``file:///name/…``.

        Args:
            name: What the folder is called in addresses.
            path: The folder.

        Raises:
            InvalidInputError: The name is impossible or taken, or there is no such folder.
        """
        self.roots.add(name, path)

    def unshare(self, name: str) -> None:
        """Share a folder no more.

        Raises:
            NotFoundError: None of this name is shared.
        """
        self.roots.remove(name)

    def close(self) -> None:
        """End all links; closing twice is allowed."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
        if self.links:
            run(self.adisconnect(grace=0.5))
        if self._stalls is not None:
            self._stalls.close()
            self._stalls = None

    # Inside

    async def _joined(self, parts: LinkParts) -> Link:
        before = self._links.get(parts.id)
        if before is not None and before.goes_on_as(parts):
            return before  # the cell was run once more
        if before is not None:
            await before.aclose()
        self._keys.add(parts.address.key)
        self._watch_stalls()
        if parts.sidecar is not None:
            await parts.sidecar.start()
        if self._closed:
            if parts.sidecar is not None:
                await parts.sidecar.close()
            raise StateError(
                "A node cannot connect: its lab was closed.",
                where=parts.id,
                next_step="open the lab again, lab = vl.Lab(path), and use that one",
            )
        link = Link(parts)
        if before is not None:
            link.take_over(before)
        with self._lock:
            self._links[parts.id] = link
        link.begin()
        return link

    async def _awaited(self, link: Link, wait: float) -> Link:
        try:
            async with asyncio.timeout(wait):
                await link.first_try()
        except TimeoutError:
            self.note("warning", link.id, f"{link.shown} has not answered within {wait:g} s")
        return link

    def _secrets(self) -> tuple[str, ...]:
        # Asked for every frame: the same tuple as long as nothing new is known.
        more = self._more_secrets()
        state = (len(self._learnt), len(self._keys), more)
        if state != self._known[0]:
            self._known = (state, (*self._learnt, *self._keys, *more))
        return self._known[1]

    def _exposure(self, expose: bool | str | Iterable[str] | None, prefix: str) -> Exposure:
        return Exposure(expose, prefix=prefix, clean=self._guard.error)

    def _stir(self, event: object) -> None:
        if isinstance(event, PluginErrorEvent) and event.arguments is not None:
            return  # a call failed; nothing changed
        for link in self.links:
            link.stir()

    def _reported(self, event: TaskReported) -> None:
        link_id = event.origin.removeprefix("node:")
        if link_id == event.origin:
            return  # no server began it
        link = self._links.get(link_id)
        if link is None:
            text = f"the report of {event.plugin}'s task {event.task} has no link to go by"
            self.note("warning", link_id, text)
        else:
            link.forward(event.plugin, event.task, event.data)

    def _watch_stalls(self) -> None:
        if self._stalls is None:
            self._stalls = loop_pulse().listen(self._stalled)

    def _stalled(self, stall: Stall) -> None:
        text = (
            f"the kernel stood still for {stall.seconds:.1f} s (a call that held the GIL); calls"
            " waited meanwhile"
        )
        for link in self.links:
            self.note("warning", link.id, text)

    def __repr__(self) -> str:
        told = "; ".join(f"{link.shown}: {link.status().told()}" for link in self.links)
        return f"<{type(self).__name__} {told or 'not connected'}>"

    def _repr_html_(self) -> str:
        return self.status()._repr_html_()
