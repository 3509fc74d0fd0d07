"""The node panel: links to main servers, what they are offered, and the calls that come from them.

A click only submits: connecting and closing happen on the library's loop, and the answer comes
later as a message. The panel looks four times a second while a link lives instead of listening to
every call: a server may call thousands of times a second, and a row for each would slow them down.
It looks only while a browser shows it. Whatever a server sends is text, here and in the browser.

A key that is typed goes to the kernel once, as part of a message. It is in no trait, so in no state
of the widget that a notebook or another page could get.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.core.loop import submit, to_worker
from vcplab.core.redaction import MASK, Redactor
from vcplab.node.events import ExposureChanged, LinkChanged, NodeLogged
from vcplab.protocol.dialect import DIALECTS
from vcplab.widgets.node_messages import (
    Rate,
    Table,
    address_shown,
    call_message,
    expose_of,
    link_message,
    log_message,
    preview_message,
    static_view,
    tool_messages,
)
from vcplab.widgets.plugin_messages import cut_text, error_text

if TYPE_CHECKING:
    from vcplab.lab.node import NodeFacet
    from vcplab.node.events import NodeEvent
    from vcplab.node.preview import ExposurePreview
    from vcplab.node.rows import LinkStatus, LogLine

__all__ = ["NodePanel", "node_panel"]

_STATIC = Path(__file__).parent / "static"
_PAUSE = 0.1  # seconds between two updates, at least
_LOOK = 0.25  # seconds between two looks while a link lives
_IDLE = 1.0  # the same while none does
_CALLS = 200
_VIEWERS = 20
_ID = re.compile(r"[a-z0-9-]{1,64}")
_KEY_IN_URL = re.compile(r"VCP_Key=([^\s?#]+)")


class NodePanel(anywidget.AnyWidget):
    """The widget; made by ``lab.node.panel()``.

    Args:
        facet: The lab's node.
        log_lines: How many lines of its log it shows.

    Raises:
        InvalidInputError: ``log_lines`` is not from 10 to 1,000.
    """

    _esm = _STATIC / "node_panel.js"
    _css = _STATIC / "node_panel.css"

    def __init__(self, facet: NodeFacet, log_lines: int = 200) -> None:
        if not 10 <= log_lines <= 1_000:
            raise InvalidInputError(
                f"The panel cannot show {log_lines} lines of a log.",
                where="log_lines",
                next_step="give a number from 10 to 1,000",
            )
        super().__init__()
        self._made_in = copy_context()
        self._facet = facet
        self._log_lines = log_lines
        self._lock = threading.Lock()  # of what follows
        self._closed = False
        self._viewers: set[str] = set()
        self._pumping = False
        self._whole = False  # a browser knows nothing yet
        self._stale: set[str] = set()  # links whose offer may have changed
        self._logged = False
        self._expose: object = None  # what the form asks to be shown
        self._asked_preview = False
        self._news = asyncio.Event()  # only touched on the library's loop
        # Only the pump touches these: there is one at a time.
        self._links, self._tools = Table("links"), Table("tools")
        self._calls = Table("calls", ordered=False)  # its numbers say it
        self._previews: dict[str, ExposurePreview] = {}
        self._rates: dict[str, Rate] = {}
        self._counted: object = None
        self._last_line: LogLine | None = None
        self._previewed: dict[str, Any] | None = None
        self._previewed_at = 0.0
        self._trouble = ""
        self.on_msg(self._asked)
        self._subscriptions = [
            facet.events.subscribe(kind, self._happened)
            for kind in (LinkChanged, ExposureChanged, NodeLogged)
        ]

    def close(self) -> None:
        """Stop listening and remove it from the notebook; links go on."""
        for subscription in getattr(self, "_subscriptions", ()):
            subscription.close()
        self._closed = True
        super().close()

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to the browser, as from the cell that made the panel.

        ipykernel hands a click to the subshell from which the latest message was sent. Sent from
        the context of a click, messages would bind the next clicks to the subshell of a page that
        may be gone, and whether a click waits for a running cell would be a matter of luck.
        """
        self._made_in.copy().run(super().send, content, buffers)

    # What the browser asks

    def _asked(self, _: Any, message: Any, buffers: Any = None) -> None:
        if not isinstance(message, Mapping) or self._closed:
            return
        kind, viewer = str(message.get("kind"))[:40], message.get("viewer")
        if kind in {"ready", "away"}:
            if isinstance(viewer, str) and _ID.fullmatch(viewer):
                self._shown(viewer, kind == "ready")
        elif kind == "preview":
            with self._lock:
                self._expose, self._asked_preview = message.get("expose"), True
            self._touch()
        else:
            self.send({"kind": "heard", "request": _request(message)})
            submit(self._answer(kind, message))

    def _shown(self, viewer: str, here: bool) -> None:
        with self._lock:
            if not here:
                self._viewers.discard(viewer)
                return
            if len(self._viewers) >= _VIEWERS:  # pages that went without a word
                self._viewers.clear()
            self._viewers.add(viewer)
            self._whole = True
        self._touch()

    async def _answer(self, kind: str, message: Mapping[str, Any]) -> None:
        """Do what was clicked, on the library's loop; an error goes back to where the click was."""
        acts = {
            "connect": self._connect,
            "disconnect": self._disconnect,
            "retry": self._retry,
            "switch": self._switch,
        }
        answer: dict[str, Any] = {"kind": "answer", "to": kind, "request": _request(message)}
        answer.update(link=cut_text(message.get("link"), 300), problem="")
        try:
            if kind not in acts:
                answer["problem"] = f"The panel does not know the request {kind!r}."
            else:
                answer.update(await acts[kind](message) or {})
        except Exception as error:  # the click's error belongs in the panel, whatever it is
            answer["problem"] = _without(_keys_in(message), error_text(error))
        self.send(answer)
        self._news.set()

    async def _connect(self, message: Mapping[str, Any]) -> dict[str, Any]:
        url, key, name = (_typed(message, field) for field in ("url", "key", "name"))
        if url == self._defaults()["url"]:
            url = None  # the settings' own address may hold the key
        link = await self._facet.aconnect(
            url,
            key,
            name,
            expose_of(message.get("expose")),
            dialect=_typed(message, "dialect") or DIALECTS[0],
            show=False,
        )
        # What was typed as the address may have held the key: the form goes on without it.
        return {"link": link.id, "url": address_shown(link.shown), "waits": link.state != "open"}

    async def _disconnect(self, message: Mapping[str, Any]) -> None:
        await self._facet.adisconnect(str(message.get("link")))

    async def _retry(self, message: Mapping[str, Any]) -> None:
        self._facet[str(message.get("link"))].retry()

    async def _switch(self, message: Mapping[str, Any]) -> None:
        link, on = self._facet[str(message.get("link"))], message.get("on")
        link.expose(str(message.get("name")), on if isinstance(on, bool) else None)
        with self._lock:
            self._stale.add(link.id)

    # What the browser is told

    def _happened(self, event: NodeEvent) -> None:
        with self._lock:
            if isinstance(event, NodeLogged):
                self._logged = True
            elif isinstance(event, ExposureChanged):
                self._stale.add(event.link)
        self._touch()

    def _touch(self) -> None:
        """Something may have changed; called from any thread, as often as it likes."""
        with self._lock:
            if self._closed or not self._viewers:
                return
            begin, self._pumping = not self._pumping, True
        submit(self._pump() if begin else self._wake())

    async def _wake(self) -> None:
        self._news.set()

    async def _pump(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._viewers:
                    self._pumping = False
                    return
                whole, self._whole = self._whole, False
            self._news.clear()
            live = False
            try:
                # Here, and not in a thread: it reads what changes on this loop.
                links = self._facet.status().links
                live = any(link.state != "closed" for link in links)
                await to_worker(self._update, links, whole)
                self._complain("")
            except Exception as error:  # e.g. the lab was closed
                self._complain(error_text(error))
            await asyncio.sleep(_PAUSE)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), (_LOOK if live else _IDLE) - _PAUSE)

    def _complain(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            self.send({"kind": "problem", "text": text})

    def _update(self, links: tuple[LinkStatus, ...], whole: bool) -> None:
        if whole:
            self._forget()
            self.send(self._defaults())
        self._rates = {link.id: self._rates.get(link.id) or Rate() for link in links}
        rates = {link.id: self._rates[link.id].of(_calls_of(link)) for link in links}
        self._tell(self._links.news({one.id: link_message(one, rates[one.id]) for one in links}))
        self._tell_tools(links)
        self._tell_preview(bool(links))
        self._tell_calls(links)
        self._tell_log()
        if whole:
            self.send({"kind": "loaded"})

    def _forget(self) -> None:
        for table in (self._links, self._tools, self._calls):
            table.forget()
        self._counted = self._previewed = self._last_line = None
        self._trouble, self._logged = "", True

    def _tell(self, message: dict[str, Any] | None) -> None:
        if message is not None:
            self.send(message)

    def _tell_tools(self, links: tuple[LinkStatus, ...]) -> None:
        with self._lock:
            stale, self._stale = self._stale, set()
        known: dict[str, Any] = {link.id: link for link in self._facet.links}
        self._previews = {name: kept for name, kept in self._previews.items() if name in known}
        rows: dict[str, dict[str, Any]] = {}
        for status in links:
            link = known.get(status.id)
            if link is None:
                continue
            if status.id in stale or status.id not in self._previews:
                self._previews[status.id] = link.preview()
            preview, switches = self._previews[status.id], link.exposure.switches
            rows.update(tool_messages(status.id, preview, status.tools, switches))
        self._tell(self._tools.news(rows))

    def _tell_preview(self, linked: bool) -> None:
        """What would be offered: when it was asked for, and all the time while there is no link."""
        with self._lock:
            asked, self._asked_preview = self._asked_preview, False
            expose = self._expose
        now = time.monotonic()
        due = not linked and now - self._previewed_at >= _IDLE
        if not (asked or due or self._previewed is None):
            return
        self._previewed_at = now
        try:
            message = preview_message(self._facet.preview(expose_of(expose)))
        except InvalidInputError as error:  # a pattern that is still being typed
            message = {"kind": "preview", "title": "", "rows": [], "problem": error_text(error)}
        if message != self._previewed:
            self._previewed = message
            self.send(message)

    def _tell_calls(self, links: tuple[LinkStatus, ...]) -> None:
        counted = [(link.id, link.running, _calls_of(link)) for link in links]
        if counted == self._counted:
            return
        self._counted = counted
        calls = self._facet.calls(_CALLS)
        self._tell(self._calls.news({str(call.id): call_message(call) for call in calls}))

    def _tell_log(self) -> None:
        with self._lock:
            logged, self._logged = self._logged, False
        if not logged:
            return
        lines = self._facet.log(self._log_lines)
        known = (at for at in range(len(lines) - 1, -1, -1) if lines[at] is self._last_line)
        begin = next(known, -1) + 1
        if lines:
            whole, self._last_line = begin == 0, lines[-1]
            news = [log_message(line) for line in lines[begin:]]
            self.send({"kind": "log", "lines": news, "whole": whole, "limit": self._log_lines})

    def _defaults(self) -> dict[str, Any]:
        """What the settings say, without the key: only whether there is one."""
        defaults = self._facet.defaults
        return {
            "kind": "defaults",
            "url": address_shown(defaults.url or ""),
            "name": cut_text(defaults.name, 300),
            "has_key": defaults.has_key,
            "dialects": list(DIALECTS),
        }

    # What is left without a browser

    def __repr__(self) -> str:
        return f"<NodePanel of {self._facet!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and a table for where there are none (saved pages, other viewers)."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            with suppress(VCPError):  # the lab was closed: the widget still shows what it has
                data["text/html"] = str(static_view(self._facet))
        return bundle


def _request(message: Mapping[str, Any]) -> str:
    request = message.get("request")
    return request if isinstance(request, str) and _ID.fullmatch(request) else ""


def _typed(message: Mapping[str, Any], field: str) -> str | None:
    value = message.get(field)
    return (value.strip() or None) if isinstance(value, str) else None


def _keys_in(message: Mapping[str, Any]) -> list[str]:
    """The keys that a message holds."""
    found = _KEY_IN_URL.findall(str(message.get("url")))
    key = _typed(message, "key")
    return [*found, key] if key else found


def _without(keys: list[str], text: str) -> str:
    for key in keys:  # the redactor leaves short ones alone
        text = text.replace(key, MASK)
    return Redactor(keys).text(text)


def _calls_of(link: LinkStatus) -> int:
    return link.answered + link.errors + link.cancelled + link.lost + link.running


def node_panel(facet: NodeFacet, **options: Any) -> NodePanel:
    """Draw ``lab.node``.

    Args:
        facet: The lab's node.
        **options: Of `NodePanel`.

    Returns:
        The widget.
    """
    return NodePanel(facet, **options)
