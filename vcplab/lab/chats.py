"""The lab's group chats: made with its model, tools and variables, kept in its folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat.chat import GroupChat
from vcplab.agents.chat.log import ChatRow, ChatStore
from vcplab.core.display import html_table, style_block
from vcplab.core.settings import Settings
from vcplab.core.workspace import Workspace
from vcplab.models.chat.choosing import as_chat_model
from vcplab.models.chat.openai import OpenAIChat
from vcplab.protocol.ports import ChatModel

__all__ = ["ChatsFacet", "lab_model"]


class ChatsFacet:
    """``lab.chats``: the chats of a lab, by id or name.

    ::

        chat = lab.group_chat([...], name="review")
        lab.chats["review"]                    # the newest of that name, where its log ends

    Args:
        workspace: The lab's folder.
        defaults: What every chat gets unless it says otherwise: model, tools, variables, seed.
    """

    def __init__(self, workspace: Workspace, defaults: Mapping[str, Any]) -> None:
        self._workspace = workspace
        self._defaults = dict(defaults)
        self._held: ChatStore | None = None
        self._open: dict[str, GroupChat] = {}

    @property
    def store(self) -> ChatStore:
        """Where the logs are; made when first needed, in memory where a read-only lab has none."""
        if self._held is None:
            path = self._workspace.private / "chats.sqlite3"
            read_only = self._workspace.read_only
            exists = path.exists()
            self._held = (
                ChatStore(path, read_only=read_only) if exists or not read_only else ChatStore()
            )
        return self._held

    def create(
        self,
        agents: Iterable[Agent | Mapping[str, Any] | str] = (),
        mode: Any = None,
        **options: Any,
    ) -> GroupChat:
        """A new chat; see `GroupChat` for what it takes.

        Args:
            agents: The agents.
            mode: The speaking mode.
            **options: Everything else.

        Raises:
            ReadOnlyError: Somebody else owns the lab.
        """
        self._workspace.require_writable()
        chat = GroupChat(agents, mode, **{**self._defaults, "store": self.store, **options})
        self._open[chat.id] = chat
        return chat

    def open(self, chat: str, **options: Any) -> GroupChat:
        """A chat of this lab, going on where its log ends.

        Args:
            chat: Its id or name; the newest of several of that name.
            **options: As for `GroupChat.load`: ``model``, ``mode``, ``stop`` …

        Raises:
            NotFoundError: There is none.
        """
        known = self.store.row(chat, newest=True).id
        if known not in self._open or options:
            kept = {k: v for k, v in self._defaults.items() if k != "seed"}
            self._open[known] = GroupChat.load(known, store=self.store, **{**kept, **options})
        return self._open[known]

    def delete(self, chat: str) -> None:
        """Drop a chat and its log.

        Args:
            chat: Its id or name.

        Raises:
            NotFoundError: There is none.
            InvalidDataError: Another chat was forked from it.
            ReadOnlyError: Somebody else owns the lab.
        """
        self._workspace.require_writable()
        known = self.store.row(chat).id
        self.store.delete(known)
        self._open.pop(known, None)

    def rows(self) -> list[ChatRow]:
        """The chats, oldest first."""
        return self.store.rows()

    def close(self) -> None:
        """Interrupt what is going on and close the file."""
        for chat in self._open.values():
            chat.close()
        if self._held is not None:
            self._held.close()

    def __getitem__(self, chat: str) -> GroupChat:
        return self.open(chat)

    def __iter__(self) -> Iterator[str]:
        return iter([row.id for row in self.rows()])

    def __len__(self) -> int:
        return len(self.rows())

    def _ipython_key_completions_(self) -> list[str]:
        return [row.name for row in self.rows()]

    def __repr__(self) -> str:
        return f"<ChatsFacet {len(self)} chats>"

    def _repr_html_(self) -> str:
        rows = [
            (
                row.name,
                row.id,
                row.parent or "",
                str(row.events),
                row.created.isoformat(" ", "minutes"),
            )
            for row in self.rows()
        ]
        head = ["name", "id", "forked from", "events", "created"]
        return style_block() + html_table(head, rows, caption="Group chats")


def lab_model(given: Any, settings: Settings) -> ChatModel | None:
    """The chat model of a lab; None where neither the lab nor its settings name one.

    Args:
        given: What the lab was opened with.
        settings: The lab's settings.
    """
    if given is not None:
        return as_chat_model(given)
    if settings.model_url is None:
        return None
    key = settings.model_key
    return OpenAIChat(
        base_url=settings.model_url, api_key=None if key is None else key.get_secret_value()
    )
