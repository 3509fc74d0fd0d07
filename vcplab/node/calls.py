"""The calls of a node: those that run, and the latest ones that ended."""

from __future__ import annotations

import asyncio
import itertools
import json
import reprlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from time import perf_counter_ns
from typing import Any, Final

from vcplab.core.clock import current_clock, epoch_ns
from vcplab.node.rows import CallRow, CallState

__all__ = ["Call", "CallBook"]

_KEPT: Final = 500
_SHOWN: Final = 300
_serial = itertools.count(1)


class Call:
    """One call, from its frame to its answer.

    What a table shows of it is made only when somebody looks: thousands of calls a second come.

    Attributes:
        id: Counts the calls of this process.
        link: The link's identifier.
        tool: The tool, as the server calls it.
        request_id: The server's identifier.
        state: How it stands.
        error: Why it failed.
        given_up: Whether the server took it back.
        task: What runs it.
    """

    __slots__ = (
        "_arguments",
        "_at",
        "_began",
        "_ended",
        "_result",
        "error",
        "given_up",
        "id",
        "link",
        "maid",
        "request_id",
        "state",
        "task",
        "tool",
    )

    def __init__(
        self, link: str, tool: str, request_id: Any, arguments: Mapping[str, Any], size: int
    ) -> None:
        self.id = next(_serial)
        self.link = link
        self.tool = tool
        self.request_id = request_id
        self.state: CallState = "running"
        self.error: str | None = None
        self.given_up = False
        self.task: asyncio.Task[None] | None = None
        self._at = epoch_ns()
        maid = arguments.get("maid")
        self.maid = maid[:100] if isinstance(maid, str) else None
        # Large arguments are not kept alive by a table of the latest calls.
        self._arguments: Any = arguments if size < 2_000 else _short(arguments)
        self._result = ""
        self._began = perf_counter_ns()
        self._ended: int | None = None

    def end(self, state: CallState, *, result: str = "", error: str | None = None) -> None:
        """Note how it ended.

        Args:
            state: How.
            result: The frame that answered it, or its beginning.
            error: Why it failed.
        """
        self._ended = perf_counter_ns()
        self.state = state
        self._result = result[: _SHOWN * 2]
        self.error = error
        self.task = None

    @property
    def ms(self) -> float:
        """Milliseconds that it took, or has taken until now."""
        return ((self._ended or perf_counter_ns()) - self._began) / 1e6

    def row(self, clean: Callable[[str], str] = str) -> CallRow:
        """What is shown of it.

        Args:
            clean: Takes secrets out of a text.
        """
        arguments = self._arguments
        if not isinstance(arguments, str):
            arguments = _text(arguments)
        _, found, result = self._result.partition('"result":')
        if len(self._result) < _SHOWN * 2:  # it is whole: two braces, or one in JSON-RPC, close it
            result = result.removesuffix("}" if self._result.startswith('{"jsonrpc"') else "}}")
        return CallRow(
            id=self.id,
            link=self.link,
            tool=_cut(clean(self.tool)),
            state=self.state,
            began=datetime.fromtimestamp(self._at / 1e9, current_clock().zone),
            ms=self.ms,
            arguments=_cut(clean(arguments)),
            result=_cut(clean(result)) if found else "",
            error=self.error,
            maid=None if self.maid is None else clean(self.maid),
        )


class CallBook:
    """The calls of a node, and what listens to them."""

    def __init__(self) -> None:
        self._latest: deque[Call] = deque(maxlen=_KEPT)
        self._running: dict[int, Call] = {}

    def begin(self, call: Call) -> None:
        """A call came."""
        self._running[call.id] = call
        self._latest.append(call)

    def end(self, call: Call) -> None:
        """A call ended."""
        self._running.pop(call.id, None)

    def latest(self, limit: int) -> list[Call]:
        """The latest calls, newest first; those that run are always among them.

        Args:
            limit: How many at most of those that ended.
        """
        ended = [call for call in reversed(tuple(self._latest)) if call.state != "running"]
        running: Iterable[Call] = tuple(self._running.values())
        return sorted([*running, *ended[:limit]], key=lambda call: -call.id)

    def __len__(self) -> int:
        return len(self._running)


_reader = reprlib.Repr()  # keywords of its constructor came with Python 3.12
_reader.maxdict, _reader.maxlist, _reader.maxlevel = 8, 6, 3
_reader.maxstring = _reader.maxother = _SHOWN


def _short(value: Any) -> str:
    return _cut(_reader.repr(value))


def _text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return _short(value)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
