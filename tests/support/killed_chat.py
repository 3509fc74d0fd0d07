"""A chat whose process is killed, again and again, and that goes on where its log ends.

::

    python tests/support/killed_chat.py FOLDER KILLS SEED

One process imports everything and forks a child for every stretch of the chat. Each child opens
the store, goes on with the same plan as if nothing had happened, and is ended by SIGKILL: at a
random tick of its own (before or after an event is written, between two pieces of a reply), or
by its parent after a random time. What the store then holds is written to ``FOLDER/report.json``;
judging it is the tests' part.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import vcplab as vl
from vcplab.agents.chat.chat import GroupChat
from vcplab.agents.chat.log import ChatStore
from vcplab.core.errors import NotFoundError
from vcplab.models.chat.failures import ModelError
from vcplab.models.chat.recording import request_key
from vcplab.plugins.handling import Handled
from vcplab.protocol.completions import ChatPiece, ChatRequest
from vcplab.protocol.requests import ParsedAnswer, VCPProtocolParser
from vcplab.protocol.results import ToolResult

ID = "killed"
NAMES = ("甲", "乙", "丙", "丁")
_TOOL = """我查一下。
<<<[TOOL_REQUEST]>>>
tool_name:「始」look「末」,
key:「始」{key}「末」
<<<[END_TOOL_REQUEST]>>>"""


def never() -> None:
    """The tick of a process that is not killed."""


class ByRequest:
    """Answers by the request alone, so that a call made again gives the same; no model."""

    name = "by-request"

    def __init__(self, tick: Callable[[], None] = never, *, failing: bool = True) -> None:
        self._tick = tick
        self._failing = failing

    def reply(self, request: ChatRequest) -> str:
        """What is answered.

        Raises:
            ModelError: This request is one of those that fail.
        """
        key = request_key(request)
        dice = int(key[:8], 16)
        if request.purpose == "position":
            stance = "approve" if dice % 4 else "reject"
            answer: dict[str, Any] = {"stance": stance, "confidence": 1, "reason": key[:6]}
            return "not JSON" if dice % 11 == 0 else json.dumps(answer)
        if request.purpose == "select":
            return json.dumps({"agent": NAMES[dice % 4], "reason": key[:6]})
        if dice % 13 == 0 and self._failing:
            raise ModelError(f"Failed on {key[:6]}.")
        asked_before = any("TOOL_REQUEST" in str(m.content) for m in request.messages[-2:])
        if dice % 4 == 1 and not asked_before:
            return _TOOL.format(key=key[:8])
        called = f"@{NAMES[dice // 7 % 4]} 你说呢？" if dice % 3 == 0 else ""
        return f"{request.agent} 说 {key[:8]}，一二三四五。{called}"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPiece]:
        """The answer in a few pieces."""
        text = self.reply(request)
        for at in range(0, len(text), 8):
            self._tick()
            await asyncio.sleep(0)
            yield ChatPiece(text[at : at + 8])
        yield ChatPiece(finish_reason="stop")


class Look:
    """One tool, which leaves a line in a file whenever it runs.

    Args:
        canary: The file.
        during: Called in the middle of a run.
    """

    def __init__(self, canary: Path, during: Callable[[], None] = never) -> None:
        self._canary = canary
        self._during = during

    async def ahandle(
        self, answer: str | ParsedAnswer, *, messages: Sequence[Mapping[str, Any]] = ()
    ) -> Handled:
        """Execute every request in an answer."""
        parsed = VCPProtocolParser().parse(answer) if isinstance(answer, str) else answer
        found = []
        for request in parsed.requests:
            with self._canary.open("a") as file:
                file.write(f"{request.args['key']}\n")
            self._during()
            found.append(f"found {request.args['key']}")
        message = {"role": "user", "content": "; ".join(found)}
        return Handled(parsed, (), message, "toolbox", False)

    async def aexecute(self, name: str, args: Mapping[str, Any] | None = None) -> ToolResult:
        """Not used: this model asks in text."""
        raise NotImplementedError

    def descriptions(self) -> Mapping[str, str]:
        """What a model is told of it."""
        return {"look": "look: finds a key."}

    def definitions(self) -> list[dict[str, Any]]:
        """None."""
        return []


#: What people do: speak, let run until a round, change the mode. The n-th of a kind is known to
#: be done by counting the log's events of its kind.
PLAN: tuple[tuple[str, Any], ...] = (
    ("say", "我们开始吧"),
    ("run", 4),
    ("mode", {"mode": "random", "count": 2}),
    ("run", 7),
    ("mode", {"mode": "consensus", "threshold": 0.75, "max_rounds": 3}),
    ("say", "要不要做？"),
    ("run", 11),
    ("mode", "selected"),
    ("say", "@丁 先说"),
    ("private", "悄悄问一句"),
    ("run", 18),
    ("mode", "sequential"),
    ("run", 99),
)


def go_on(
    store: ChatStore, canary: Path, tick: Callable[[], None] = never, **options: Any
) -> GroupChat:
    """Begin the chat, or go on where it was, to its end."""
    given: dict[str, Any] = {
        "model": ByRequest(tick),
        "tools": Look(canary, options.pop("during", never)),
        **options,
    }
    try:
        store.row(ID)
    except NotFoundError:
        chat = GroupChat(id=ID, store=store, stop=vl.stop.rounds(20), seed=7, **given)
    else:
        # The stopping condition of a chat that had not begun is in nobody's log.
        chat = GroupChat.load(ID, store=store, stop=vl.stop.rounds(20), seed=7, **given)
    for name in NAMES[len(chat.agents) :]:
        chat.add_agent(vl.Agent(name, f"你是{name}。", role="host" if name == "甲" else "expert"))
    if not chat.state.config:
        chat.start("做不做")
    if chat.state.is_active:
        chat.run(rounds=0)
    done = {"say": 0, "mode": 0}
    logged = {
        "say": sum(event.type == "user:speak" for event in chat.events),
        "mode": sum(event.type == "mode:changed" for event in chat.events),
    }
    for kind, what in PLAN:
        if kind == "run":
            while chat.state.is_active and chat.state.round < what:
                chat.run(rounds=what - chat.state.round)
            continue
        kind_of = "say" if kind == "private" else kind
        done[kind_of] += 1
        if done[kind_of] <= logged[kind_of] or not chat.state.is_active:
            continue
        if kind == "mode":
            chat.set_mode(what)
        else:
            chat.say(what, to=["乙", "丙"] if kind == "private" else None)
    return chat


def lines_of(path: Path) -> list[str]:
    """The canonical lines that a store holds."""
    store = ChatStore(path)
    try:
        return [event.line for event in store.read(ID)]
    except NotFoundError:
        return []
    finally:
        store.close()


def _stretch(path: Path, canary: Path, ticks: int | None) -> int:
    """One child: its process id."""
    child = os.fork()
    if child:
        return child
    left = ticks

    def tick() -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    write = ChatStore.append

    def append(self: ChatStore, chat: str, rows: Any) -> None:
        tick()
        write(self, chat, rows)
        tick()

    ChatStore.append = append  # type: ignore[method-assign]
    status = 1
    try:
        go_on(ChatStore(path), canary, tick)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _main(folder: Path, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    calm, canary = folder / "calm.sqlite3", folder / "calm.txt"
    canary.touch()
    begun = time.monotonic()
    _, status = os.waitpid(_stretch(calm, canary, None), 0)
    whole = time.monotonic() - begun
    report: dict[str, Any] = {
        "undisturbed": lines_of(calm), "status": status, "runs": canary.read_text().split(),
        "kills": [], "ends": [],
    }  # fmt: skip
    number = 0
    while len(report["kills"]) < kills:
        number += 1
        path, canary = folder / f"{number}.sqlite3", folder / f"{number}.txt"
        canary.touch()
        in_tool = False
        while True:
            enough = len(report["kills"]) >= kills or in_tool
            by_tick = dice.random() < 0.6
            ticks = dice.randint(1, 150) if by_tick and not enough else None
            child = _stretch(path, canary, ticks)
            if ticks is None and not enough:
                time.sleep(dice.uniform(0, whole))
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            lines = lines_of(path)
            if status == 0:
                runs = canary.read_text().split()
                report["ends"].append({"lines": lines, "in_tool": in_tool, "runs": runs})
                break
            in_tool = bool(lines) and json.loads(lines[-1])["type"] == "tool:call"
            report["kills"].append({"status": status, "ticks": ticks, "lines": lines})
            if os.WTERMSIG(status) != signal.SIGKILL:
                break
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
