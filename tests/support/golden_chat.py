"""The chat of the golden log: every kind of event in one conversation, made the same way each time.

``golden/calls.jsonl`` beside the tests of the log holds its model calls and ``golden/chat.jsonl``
its canonical log. The calls were recorded from the script below, a stand-in that understands
nothing: they are no model's words. Run as a program it does one of two things::

    python tests/support/golden_chat.py make             # both files anew, from the script
    python tests/support/golden_chat.py run CALLS OUT    # the chat on the recording, its log to OUT
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import vcplab as vl
from vcplab.agents.chat.events import ChatEvent
from vcplab.core.clock import FrozenClock, use_clock
from vcplab.models.chat.failures import ModelError
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest
from vcplab.protocol.messages import ToolCall

GOLDEN = Path(__file__).resolve().parent.parent / "unit" / "agents" / "chat" / "golden"
CALLS = GOLDEN / "calls.jsonl"
LOG = GOLDEN / "chat.jsonl"
#: Tools put the time into their results.
CLOCK = FrozenClock("2026-03-01T09:00+08:00")

ASKS_TOOL = """让我盖个章。
<<<[TOOL_REQUEST]>>>
tool_name:「始」stamp「末」,
text:「始」初稿 “v1”「末」
<<<[END_TOOL_REQUEST]>>>"""

#: What somebody says in the n-th call of its own for a purpose; anything else is made up below.
_REPLIES: dict[tuple[str | None, str, int], Any] = {
    ("林", "speak", 1): ASKS_TOOL,
    ("林", "speak", 2): "章盖好了，@bob 请看一下。",
    (
        "bob",
        "speak",
        1,
    ): "[bob的发言]: Looks fine to me.\u2028Odd line\u2029ends\x85, \ttabs and \u3000。",
    ("Ада", "speak", 1): ModelError("The endpoint went away.", next_step="Start it again."),
    ("小红😀", "speak", 1): [ChatPiece("half \ud83d of a smile"), ChatPiece(finish_reason="stop")],
    ("bob", "speak", 2): ChatReply(
        "Stamping natively.",
        tool_calls=(ToolCall("call_1", "stamp", '{"text": "native \\u2603"}'),),
    ),
    ("bob", "speak", 3): "<think>They need not see this.</think>Done; mail x@bob.com if not.",
    ("Ада", "speak", 5): "Это к «@小红😀», 她懂。",
    ("小红😀", "speak", 6): "@Ада 你自己说；@bob 也来。",
    ("林", "position", 1): {"stance": "approve", "confidence": 0.9, "reason": "好"},
    ("bob", "position", 1): "no JSON at all",
    ("bob", "position", 2): {"stance": "reject", "confidence": 0.4, "reason": "too early"},
    ("小红😀", "position", 1): {"stance": "approve", "confidence": 1, "reason": "👍🏽"},
    ("林", "position", 2): {"stance": "approve", "confidence": 1, "reason": "仍然好"},
    ("bob", "position", 3): {"stance": "Approve", "confidence": 0.8, "reason": "convinced"},
    ("小红😀", "position", 2): {"stance": "approve", "confidence": 1, "reason": "👍🏽👍🏽"},
    (None, "select", 1): {"agent": "nobody", "reason": "?"},
    (None, "select", 2): {"agent": "小红😀", "reason": "轮到她了"},
    (None, "select", 3): {"agent": "林", "reason": ""},
    (None, "select", 4): {"agent": "BOB", "reason": "last"},
}
_LONG = "一二三四五六七八九十"


class _Script:
    """Replies in the order in which each is asked; deterministic, without understanding."""

    def __init__(self) -> None:
        self._asked: Counter[tuple[str | None, str]] = Counter()

    def __call__(self, request: ChatRequest) -> Any:
        key = (request.agent, request.purpose)
        self._asked[key] += 1
        number = self._asked[key]
        default = f"{request.agent} 第 {number} 句：{_LONG}  é e\u0301 \N{LATIN SMALL LETTER I} İ ß"
        return _REPLIES.get((*key, number), default)


def agents() -> list[vl.Agent]:
    """Who takes part; an unequal company on purpose."""
    return [
        vl.Agent("林", "你是主持人。", role="host", priority=80, keywords=["总结"]),
        vl.Agent("bob", "You are {{agentName}}.", keywords=["build", "构建"], aliases=["Bobby"]),
        vl.Agent("Ада", "Ты — Ада.", expertise=["математика"], priority=60, temperature=0.3),
        vl.Agent("小红😀", "你是小红。", keywords=["校对"], max_tokens=200),
        vl.Agent("观察者", "You listen.", role="observer"),
    ]


def play(model: Any, lab: vl.Lab, **options: Any) -> vl.GroupChat:
    """The whole conversation.

    Args:
        model: The recording, or the script.
        lab: Whose tool ``stamp`` is called.
        **options: Of the chat, e.g. its store.
    """
    chat = vl.GroupChat(
        agents(),
        mode="sequential",
        model=model,
        stop=vl.stop.rounds(40) | vl.stop.text("TERMINATE"),
        seed=20260301,
        tools=lab.tools,
        name="金色 golden",
        max_speakers=3,
        window_tokens=700,
        **options,
    )
    waiting: list[asyncio.Task[Any]] = []
    scenes = {"interrupt": False, "speak": False}
    pieces: Counter[int] = Counter()

    def meddle(event: ChatEvent) -> None:
        """What people do in the middle of a turn, at an exact piece of it."""
        turn = event.data["turn"]
        pieces[turn] += 1
        if scenes["interrupt"] and pieces[turn] == 4:
            scenes["interrupt"] = False
            chat.interrupt(event.agent_id)
        elif scenes["speak"] and pieces[turn] == 3:
            scenes["speak"] = False
            waiting.append(asyncio.ensure_future(chat.asay("我插一句：先停一下，@小红😀 你说。")))

    chat.subscribe(meddle, "agent:stream")
    chat.start("写一篇关于 AI 的文章 ✍️")
    chat.say("  先确定大纲\r\n\tthen half \udc00 a character, \u200bzero width\n")
    chat.set_mode({"mode": "random", "weights": {"bob": 3, "林": 1}, "count": 2})
    chat.run(rounds=2)
    chat.set_mode("natural")
    chat.say("校对一下？")
    scenes["interrupt"] = True
    chat.step()
    chat.run(rounds=1)
    chat.set_mode("mention")
    chat.say("@Bobby and `@林`, not a@林.cn: build it")
    chat.say("私下说：数学？", to=["Ада", "林"])
    chat.set_mode("keyword")
    chat.say("математика 怎么样")
    chat.redo()
    chat.redo(agent="林")
    chat.remove_agent("Ада")
    chat.add_agent(vl.Agent("Zoë", "You are new.", role="moderator", id="zoe-1"))
    chat.remove_agent("zoe-1")
    chat.set_topic("要不要发布？")
    chat.set_mode({"mode": "consensus", "threshold": 0.9, "quorum": 1, "max_rounds": 3})
    chat.say("讨论一下")
    chat.run(rounds=3)
    chat.set_mode("selected")
    chat.run(rounds=2)
    chat.request_speak("观察者", "user_request")
    chat.handle_user_input("谁来？ 构建 build")
    chat.step()
    chat.set_mode("sequential")
    scenes["speak"] = True
    chat.run(rounds=2)
    chat.end("够了", "他们同意发布。")
    chat.start()
    chat.say("再来一轮")
    return chat


def open_lab(folder: str | Path, canary: Path | None = None) -> vl.Lab:
    """A lab with the tool.

    Args:
        folder: Its folder.
        canary: Gets a byte whenever the tool runs.
    """
    lab = vl.Lab(folder)

    @lab.tool
    def stamp(text: str) -> str:
        """Put a stamp on a text.

        Args:
            text: The text.
        """
        if canary is not None:
            with canary.open("ab") as file:
                file.write(b"x")
        return f"【已盖章 ✔】{text}"

    return lab


def _main(arguments: list[str]) -> None:
    calls, out = (CALLS, LOG) if arguments[0] == "make" else map(Path, arguments[1:])
    model: Any
    if arguments[0] == "make":
        calls.unlink(missing_ok=True)
        model = vl.Recorded.record(vl.Scripted(_Script(), name="script"), calls)
    else:
        model = vl.Recorded(calls)
    with tempfile.TemporaryDirectory() as folder, open_lab(folder) as lab, use_clock(CLOCK):
        play(model, lab).save(out)


if __name__ == "__main__":
    _main(sys.argv[1:])
