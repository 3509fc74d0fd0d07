"""The chat panel: watch agents talk, speak with them, step, interrupt, redo and fork.

A click only submits: the chat goes on by itself, on the library loop, and what it says comes
later as a message. Pieces of streamed text are gathered, so that the browser gets at most twenty
messages a second. Whatever an agent says is text, here and in the browser.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from vcplab.core.errors import InvalidInputError, StateError, VCPError
from vcplab.core.loop import submit, to_worker
from vcplab.widgets.chat_feed import ChatFeed
from vcplab.widgets.plugin_messages import cut_text, error_text

if TYPE_CHECKING:
    from vcplab.agents.chat.chat import GroupChat

__all__ = ["STATIC", "ChatPanel", "chat_panel", "text_of"]

#: Where the browser's half is.
STATIC = Path(__file__).parent / "static"
_PAUSE = 0.05  # seconds between two updates
_MOST_CHATS = 20
_LOWEST, _HIGHEST = 240, 4_000


class ChatPanel(anywidget.AnyWidget):
    """The widget; made by ``chat.panel()``.

    Args:
        chat: The chat.
        height: Its height in pixels.

    Raises:
        InvalidInputError: ``height`` is not from 240 to 4,000.
    """

    _esm = STATIC / "chat_panel.js"
    _css = STATIC / "chat_panel.css"
    part = traitlets.Unicode("panel").tag(sync=True)
    height = traitlets.Int(600).tag(sync=True)
    closable = traitlets.Bool(False).tag(sync=True)

    def __init__(self, chat: GroupChat | None = None, *, height: int = 600) -> None:
        if not isinstance(height, int) or not _LOWEST <= height <= _HIGHEST:
            raise InvalidInputError(
                f"The panel cannot be {height!r} pixels high.",
                where="height",
                next_step=f"give a number from {_LOWEST} to {_HIGHEST:,}",
            )
        super().__init__(height=height)
        self._lock = threading.Lock()  # of the flags that follow
        self._closed = False
        self._wanted = self._whole = self._pumping = False
        self._feeds: dict[str, ChatFeed] = {}
        self._titles: dict[str, str] = {}
        self._tabs: list[dict[str, str]] = []  # as they were last sent
        self.on_msg(self._asked)
        if chat is not None:
            self._show(chat, "main")

    @property
    def chat(self) -> GroupChat | None:
        """The chat of the first tab; None before there is one."""
        feed = next(iter(self._feeds.values()), None)
        return None if feed is None else feed.chat

    @property
    def chats(self) -> tuple[GroupChat, ...]:
        """The chat and its forks, in the order of the tabs."""
        return tuple(feed.chat for feed in self._feeds.values())

    def close(self) -> None:
        """Stop listening and remove it from the notebook; the chat goes on."""
        self._closed = True
        for feed in getattr(self, "_feeds", {}).values():
            feed.close()
        super().close()

    def _show(self, chat: Any, title: str, available: Any = ()) -> str:
        if len(self._feeds) >= _MOST_CHATS:
            raise StateError(
                f"The panel shows {_MOST_CHATS} chats already.",
                where="panel",
                next_step="fork in the notebook, chat.fork(at=...), and show that with .panel()",
            )
        key = str(len(self._feeds) + 1)
        self._titles[key] = title
        self._feeds[key] = ChatFeed(chat, key, self._touch, available)
        self._touch()
        return key

    # What the browser asks

    def _asked(self, _: Any, message: Any, buffers: Any = None) -> None:
        if not isinstance(message, Mapping) or self._closed:
            return
        kind = message.get("kind")
        if kind == "ready":
            with self._lock:
                self._whole = True
            self._touch()
        elif kind == "earlier":
            feed, before = self._feeds.get(str(message.get("chat"))), message.get("before")
            if feed is not None and isinstance(before, int):
                submit(self._send_earlier(feed, before))
        elif kind == "do":
            self.send({"kind": "got", "id": message.get("id")})
            submit(self._answer(message))

    async def _send_earlier(self, feed: ChatFeed, before: int) -> None:
        self.send(feed.earlier(before))

    async def _answer(self, message: Mapping[str, Any]) -> None:
        """Do what was clicked; an error goes back to where the click was."""
        answer: dict[str, Any] = {"kind": "answer", "id": message.get("id"), "problem": ""}
        try:
            answer["show"] = await self._do(message)
        except Exception as error:  # the click's error belongs in the panel, whatever it is
            answer["problem"] = error_text(error)
            answer["refused"] = isinstance(error, InvalidInputError | StateError)
        with self._lock:
            closed = self._closed
        if not closed:
            self.send(answer)
            self._touch()

    async def _do(self, message: Mapping[str, Any]) -> str | None:
        """Do it, and give back the key of a chat that is to be shown, if any."""
        what, feed = str(message.get("what")), self._feeds.get(str(message.get("chat")))
        if feed is None:
            raise StateError("There is no chat yet.", where="panel", next_step="start one")
        chat: Any = feed.chat
        if what == "fork":
            fork = await to_worker(chat.fork, at=text_of(message, "message"))
            return self._show(fork, f"fork {len(self._feeds)}", feed.known.values())
        if what == "take":
            agent = feed.known.get(text_of(message, "agent"))
            if agent is None:
                raise InvalidInputError(
                    "This agent is not known here.", where="panel", next_step="choose one listed"
                )
            if message.get("on"):
                chat.add_agent(agent)
            else:
                chat.remove_agent(agent.id)
        elif what in _AWAITED:
            await _AWAITED[what](chat, message)
        elif what in _CALLED:
            _CALLED[what](chat, message)  # these return at once
        else:
            raise InvalidInputError(
                f"The panel does not know the request {cut_text(what, 100)!r}.",
                where="panel",
                next_step="reload the page, so that it and the kernel are of one version",
            )
        return None

    # What the browser is told

    def _touch(self) -> None:
        """Something may have changed; called from any thread, as often as it likes."""
        with self._lock:
            self._wanted = True
            if self._pumping or self._closed:
                return
            self._pumping = True
        submit(self._pump())

    async def _pump(self) -> None:
        # On the loop itself: the chat changes there, so nothing changes while it is read.
        while True:
            with self._lock:
                if self._closed or not self._wanted:
                    self._pumping = False
                    return
                whole, self._whole, self._wanted = self._whole, False, False
            try:
                self._update(whole)
            except Exception as error:  # a panel that fails says so, and lives on
                self.send({"kind": "problem", "text": error_text(error)})
            await asyncio.sleep(_PAUSE)

    def _update(self, whole: bool) -> None:
        tabs = [{"key": key, "title": title} for key, title in self._titles.items()]
        if whole or tabs != self._tabs:
            self._tabs = tabs
            self.send({"kind": "tabs", "tabs": tabs})
        for feed in list(self._feeds.values()):
            news = feed.news(whole)
            if news is not None:
                self.send(news)

    # What is left without a browser

    def __repr__(self) -> str:
        return f"<ChatPanel of {self.chat!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and the transcript for where there are none (saved pages, other viewers)."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        static = getattr(self.chat, "_repr_html_", None)
        if data is not None and static is not None:
            with suppress(VCPError):
                data["text/html"] = static()
        return bundle


def text_of(message: Mapping[str, Any], name: str) -> str:
    """A text that a request must have.

    Raises:
        InvalidInputError: It lacks it.
    """
    value = message.get(name)
    if not isinstance(value, str):
        raise InvalidInputError(
            f"The request lacks {name!r}.", where="panel", next_step="reload the page"
        )
    return value


async def _say(chat: Any, message: Mapping[str, Any]) -> None:
    to = message.get("to")
    await chat.asay(text_of(message, "text"), to=to if isinstance(to, str) and to else None)


_AWAITED: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "start": lambda chat, message: chat.astart(text_of(message, "topic")),
    "say": _say,
    "step": lambda chat, message: chat.astep(),
    "run": lambda chat, message: chat.arun(),
    "redo": lambda chat, message: chat.aredo(text_of(message, "message")),
    "end": lambda chat, message: chat.aend(),
    "invite": lambda chat, message: chat.arequest_speak(text_of(message, "agent")),
}
_CALLED: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "pause": lambda chat, message: chat.pause(),
    "resume": lambda chat, message: chat.resume(),
    "interrupt": lambda chat, message: chat.interrupt(),
    "mode": lambda chat, message: chat.set_mode(text_of(message, "mode")),
    "approve": lambda chat, message: chat.approve(text_of(message, "approval")),
    "deny": lambda chat, message: chat.deny(text_of(message, "approval")),
}


def chat_panel(chat: GroupChat, **options: Any) -> ChatPanel:
    """Draw a group chat.

    Args:
        chat: The chat.
        **options: Of `ChatPanel`.

    Returns:
        The widget.
    """
    return ChatPanel(chat, **options)
