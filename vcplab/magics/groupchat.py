"""The cell magic ``%%groupchat``: what the cell says is said in a chat.

::

    %load_ext vcplab

    %%groupchat chat --rounds 2
    请先确定文章大纲

The replies appear under the cell, word by word as they come; ■ stops them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError
from vcplab.magics.variables import held, unquoted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from vcplab.agents.chat.events import ChatEvent

__all__ = ["load", "unload"]

_MAGIC = "groupchat"


def load(ip: InteractiveShell) -> None:
    """Make ``%%groupchat`` known to a shell; twice does no harm.

    Args:
        ip: The shell.
    """
    register: Any = ip.register_magic_function  # its types are those of another function
    register(_magic(ip), magic_kind="cell", magic_name=_MAGIC)


def unload(ip: InteractiveShell) -> None:
    """Take ``%%groupchat`` away again.

    Args:
        ip: The shell.
    """
    ip.magics_manager.magics["cell"].pop(_MAGIC, None)


def _magic(ip: Any) -> Callable[..., None]:
    from IPython.core import magic, magic_arguments

    def groupchat(line: str, cell: str) -> None:
        """Say the cell's text in a chat, and show what the agents reply."""
        try:
            given = untyped.parse_argstring(made, line)
        except ValueError as error:  # a quotation mark that is not closed
            raise InvalidInputError(
                f"The line of the magic cannot be read: {error}.",
                where=f"%%{_MAGIC}",
                next_step=f"write for example %%{_MAGIC} chat --rounds 2",
            ) from error
        _say(
            ip,
            cell.strip(),
            variable=unquoted(given.chat),
            to=[unquoted(name) or "" for name in given.to or ()],
            topic=unquoted(given.topic),
            rounds=given.rounds,
        )

    untyped: Any = magic_arguments
    argument = untyped.argument
    made: Any = groupchat
    for decorator in (
        argument("--rounds", type=int, default=1, help="rounds; the first answers what is said"),
        argument("--to", action="append", help="an agent to whom it is said privately"),
        argument("--topic", help="what a chat that is not going on is started with"),
        argument("chat", nargs="?", help="the variable that holds the chat"),
        untyped.magic_arguments(),
        magic.no_var_expand,
    ):
        made = decorator(made)
    return groupchat


def _say(
    ip: InteractiveShell,
    text: str,
    *,
    variable: str | None,
    to: list[str],
    topic: str | None,
    rounds: int,
) -> None:
    if rounds < 1:
        raise InvalidInputError(
            f"{rounds} rounds are none.", where=f"%%{_MAGIC} --rounds", next_step="give 1 or more"
        )
    _, chat = held(
        ip.user_ns, variable, _is_chat,
        what="chat", where=f"%%{_MAGIC}", option="",
        next_step="import vcplab as vl; {} = vl.GroupChat([…], model=…)", usual="chat",
    )  # fmt: skip
    if not chat.state.is_active:
        chat.start(topic or text)
    with chat.subscribe(_Printer(chat.state.name_of)):
        chat.say(text, to or None)
        if rounds > 1 and chat.state.is_active:
            chat.run(rounds - 1)


def _is_chat(value: object) -> bool:
    from vcplab.agents.chat.chat import GroupChat

    return isinstance(value, GroupChat)


class _Printer:
    """Prints replies as they come."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        self._name_of = name_of
        self._open: str | None = None

    def __call__(self, event: ChatEvent) -> None:
        agent = event.agent_id or ""
        if event.type == "agent:stream" and event.data["chunk"]:
            if self._open != agent:
                self._close()
                self._open = agent
                sys.stdout.write(f"{self._name_of(agent)}: ")
            sys.stdout.write(event.data["chunk"])
            sys.stdout.flush()
        elif event.type == "agent:speak":
            if self._open != agent:
                sys.stdout.write(f"{self._name_of(agent)}: {event.data['text']}")
            self._open = agent
            self._close()
        elif event.type == "agent:silent":
            self._close()
            error = event.data.get("error") or {}
            why = error.get("message", event.data["why"])
            sys.stdout.write(f"{self._name_of(agent)} said nothing: {why}\n")

    def _close(self) -> None:
        if self._open is not None:
            sys.stdout.write("\n")
            self._open = None
