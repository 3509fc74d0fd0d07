"""The chat panel without a browser: what it sends, what it asks of the chat, what it keeps out."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from vcplab.agents.agent import Agent
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.fold import fold
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.loop import on_library_loop, run, to_worker
from vcplab.widgets.agent_selector import GroupAgentSelector
from vcplab.widgets.chat_panel import ChatPanel, chat_panel
from vcplab.widgets.group_chat_panel import GroupChatPanel

HOSTILE = "<img src=x onerror=alert(1)>\u202e\ud800"
TIME = datetime(2024, 5, 1, 12, tzinfo=UTC)
WRITER = Agent("Writer", avatar="✍️", role="host", description="Writes")
CRITIC = Agent("校对专家", id="critic", role="expert", expertise=("校对",))


class Subscribed:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@dataclass
class Total:
    currency: str | None = None
    cost_text: str = "–"


class Ledger:
    def __init__(self) -> None:
        self.total = Total()


class Chat:
    """What the panel uses of a chat: a log, its fold, and commands that are noted."""

    def __init__(self, agents: tuple[Agent, ...] = (WRITER, CRITIC)) -> None:
        self.name = "Talk"
        self.mode = "sequential"
        self.status = "new"
        self.state = ChatState()
        self.ledger = Ledger()
        self.events: tuple[ChatEvent, ...] = ()
        self.asked: list[tuple[Any, ...]] = []
        self.listeners: list[tuple[Callable[[ChatEvent], object], Subscribed]] = []
        self.failure: Exception | None = None
        self.pending_approvals: list[dict[str, Any]] = []
        self.hold = threading.Event()
        self.hold.set()
        for agent in agents:
            self.log("agent:join", agent=agent.to_dict())

    def subscribe(
        self, callback: Callable[[ChatEvent], object], type: str | None = None
    ) -> Subscribed:
        subscribed = Subscribed()
        self.listeners.append((callback, subscribed))
        return subscribed

    def log(self, kind: str, /, seconds: float = 0.0, **data: Any) -> ChatEvent:
        seq = len(self.events)
        message = fold(self.state, seq, kind, data, time=TIME, seconds=seconds)
        # The log keeps events without their messages; who listens gets them with it.
        event = ChatEvent(type=kind, data=data, seq=seq, seconds=seconds)
        self.events = (*self.events, event)
        return self._tell(replace(event, message=message))

    def live(self, kind: str, /, **data: Any) -> ChatEvent:
        return self._tell(ChatEvent(type=kind, data=data))

    def ask(self, **question: Any) -> None:
        self.pending_approvals = [*self.pending_approvals, question]
        self.live("approval:asked", **question)

    def _tell(self, event: ChatEvent) -> ChatEvent:
        for callback, subscribed in self.listeners:
            if not subscribed.closed:
                callback(event)
        return event

    def _call(self, *asked: Any) -> None:
        assert threading.current_thread() is not threading.main_thread()
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure

    @on_library_loop
    async def asay(self, text: str, to: str | None = None) -> list[ChatMessage]:
        self._call("say", text, to)
        await to_worker(self.hold.wait, 10)
        return []

    async def astart(self, topic: str = "") -> None:
        self._call("start", topic)
        self.status = "idle"
        self.log("chat:start", topic=topic)

    async def astep(self) -> None:
        self._call("step")

    async def arun(self) -> None:
        self._call("run")

    async def aredo(self, message_id: str) -> None:
        self._call("redo", message_id)

    async def arequest_speak(self, agent: str) -> None:
        self._call("invite", agent)

    async def aend(self) -> None:
        self._call("end")

    def fork(self, at: str) -> Chat:
        self._call("fork", at)
        return Chat((WRITER,))

    def add_agent(self, agent: Agent) -> None:
        self._call("add", agent.id)
        self.log("agent:join", agent=agent.to_dict())

    def remove_agent(self, agent: str) -> None:
        self._call("remove", agent)
        self.log("agent:leave", agent=agent)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name in {"pause", "resume", "interrupt", "set_mode", "approve", "deny"}:
            return lambda *given: self._call(name, *given)
        raise AttributeError(name)

    def _repr_html_(self) -> str:
        return "<p>transcript</p>"


class Browser:
    """The other end of the panel: keeps what is sent, waits for it, and adds it up."""

    def __init__(self, panel: ChatPanel) -> None:
        self.panel = panel
        self.messages: list[dict[str, Any]] = []
        self.chats: dict[str, dict[str, Any]] = {}
        self._news = threading.Condition()
        self._ids = 0

    def receive(self, message: Mapping[str, Any]) -> None:
        # A lone surrogate or a NaN could not be sent.
        plain = json.loads(json.dumps(message, allow_nan=False, ensure_ascii=False).encode())
        with self._news:
            self.messages.append(plain)
            if plain["kind"] == "update":
                self._add(plain)
            self._news.notify_all()

    def _add(self, update: dict[str, Any]) -> None:
        empty: dict[str, Any] = {"items": {}, "drafts": {}, "approvals": []}
        chat = self.chats.setdefault(update["chat"], empty)
        if update["whole"]:
            chat.update({"items": {}, "drafts": {}, "approvals": []})
        for name in ("state", "agents", "approvals"):
            chat[name] = update.get(name, chat.get(name))
        for gone in update.get("gone", ()):
            chat["items"].pop(gone, None)
        chat["items"].update({item["id"]: item for item in update.get("items", ())})
        chat["items"] = dict(sorted(chat["items"].items(), key=lambda pair: pair[1]["n"]))
        for ended in update.get("ended", ()):
            chat["drafts"].pop(ended, None)
        chat["drafts"].update({draft["id"]: draft for draft in update.get("drafts", ())})
        for draft, text in update.get("pieces", {}).items():
            chat["drafts"][draft]["text"] += text
        for draft, tools in update.get("tools", {}).items():
            chat["drafts"][draft]["tools"] = tools

    def say(self, **message: Any) -> None:
        self.panel._asked(self.panel, message)

    def ask(self, what: str, chat: str = "1", **more: Any) -> str:
        self._ids += 1
        self.say(kind="do", id=str(self._ids), chat=chat, what=what, **more)
        return str(self._ids)

    def do(self, what: str, chat: str = "1", **more: Any) -> dict[str, Any]:
        name = self.ask(what, chat, **more)
        return self.until(lambda m: m["kind"] == "answer" and m["id"] == name)

    def until(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self._news:
            assert self._news.wait_for(lambda: any(map(right, self.messages)), 10), self.messages
            return next(filter(right, reversed(self.messages)))

    def shows(self, right: Callable[[dict[str, Any]], Any], chat: str = "1") -> dict[str, Any]:
        def there() -> bool:
            with suppress(KeyError):
                return chat in self.chats and bool(right(self.chats[chat]))
            return False

        with self._news:
            assert self._news.wait_for(there, 10), self.chats
            return self.chats[chat]

    def items(self, kind: str, chat: str = "1") -> list[dict[str, Any]]:
        return [item for item in self.chats[chat]["items"].values() if item["kind"] == kind]


@pytest.fixture
def chat() -> Chat:
    return Chat()


def _browser(panel: ChatPanel, monkeypatch: pytest.MonkeyPatch) -> Browser:
    browser = Browser(panel)
    monkeypatch.setattr(panel, "send", browser.receive)
    browser.say(kind="ready")
    browser.until(lambda m: m["kind"] == "update" and m["whole"])
    return browser


@pytest.fixture
def browser(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    panel = chat_panel(chat)  # type: ignore[arg-type]
    yield _browser(panel, monkeypatch)
    panel.close()


def _has(item: str) -> Callable[[dict[str, Any]], bool]:
    return lambda chat: item in chat["items"]


def test_a_browser_gets_the_chat_as_it_stands(chat: Chat, browser: Browser) -> None:
    shown = browser.chats["1"]
    assert browser.messages[0] == {"kind": "tabs", "tabs": [{"key": "1", "title": "main"}]}
    assert shown["state"]["status"] == "new"
    assert shown["state"]["mode"] == "sequential"
    assert [(a["id"], a["name"], a["here"]) for a in shown["agents"]] == [
        ("Writer", "Writer", True),
        ("critic", "校对专家", True),
    ]
    assert shown["agents"][0]["about"] == "Writes"
    assert shown["agents"][1]["about"] == "校对"
    assert shown["items"] == {}  # those who are there from the beginning are no news


def test_messages_say_who_why_and_how_much(chat: Chat, browser: Browser) -> None:
    chat.log("chat:start", topic="茶")
    chat.log("user:speak", text=f"Hello {HOSTILE}", to=["critic"])
    speakers = [{"agent": "Writer", "reason": "its turn", "priority": 80, "action": "ask"}]
    chat.log("round:start", round=1, speakers=[*speakers, {"agent": "critic"}])
    chat.state.config = {"show_thinking": True}
    said = chat.log(
        "agent:speak",
        agent="Writer",
        text="Yes",
        usage=[12, 3],
        estimated=True,
        reasoning="because",
        finish="length",
    )
    chat.log("agent:speak", agent="critic", text="N", interrupted=True, finish=None)
    last = chat.log("chat:end", reason="The limit of 2 messages is reached.", summary="S")
    browser.shows(_has(f"e{last.seq}"))
    user, writer, critic = browser.items("message")
    assert user["user"]
    assert user["to"] == ["校对专家"]
    assert user["text"] == "Hello <img src=x onerror=alert(1)>\ufffd\ufffd"
    assert said.message is not None
    assert writer["id"] == said.message.id
    assert (writer["agent"], writer["name"], writer["to"]) == ("Writer", "Writer", None)
    assert (writer["input"], writer["output"], writer["estimated"]) == (12, 3, True)
    assert (writer["round"], writer["turn"], writer["reason"]) == (1, 1, "its turn")
    assert writer["reasoning"] == "because"
    assert writer["cut"]
    assert not writer["interrupted"]
    assert critic["interrupted"]
    assert not critic["cut"]
    assert writer["time"] == TIME.timestamp() * 1000
    (begun,) = browser.items("round")
    assert begun["speakers"] == [
        {
            "who": "Writer",
            "name": "Writer",
            "reason": "its turn",
            "action": "ask",
            "priority": "80",
        },
        {"who": "critic", "name": "校对专家", "reason": "", "action": "", "priority": ""},
    ]
    (end,) = browser.items("end")
    assert (end["text"], end["summary"]) == ("The limit of 2 messages is reached.", "S")
    state = browser.chats["1"]["state"]
    assert (state["input"], state["output"], state["estimated"]) == (12, 3, True)
    numbers = [item["n"] for item in browser.chats["1"]["items"].values()]
    assert numbers == sorted(set(numbers))


def test_reasoning_stays_where_the_chat_does_not_show_it(chat: Chat, browser: Browser) -> None:
    chat.state.config = {"show_thinking": False}
    said = chat.log("agent:speak", agent="Writer", text="Yes", reasoning="because")
    browser.shows(_has(f"m{said.seq}"))
    assert browser.items("message")[0]["reasoning"] == ""


def test_streamed_pieces_are_gathered(chat: Chat, browser: Browser) -> None:
    chat.status = "speaking"
    chat.live("agent:thinking", agent="Writer", turn=1, round=1, reason="its turn", priority=50)
    browser.shows(lambda shown: "Writer#1" in shown["drafts"])
    draft = browser.chats["1"]["drafts"]["Writer#1"]
    assert (draft["name"], draft["reason"], draft["text"]) == ("Writer", "its turn", "")
    before = len(browser.messages)
    text = "".join(f"{number} " for number in range(2_000))
    for piece in text.split():
        chat.live("agent:stream", agent="Writer", turn=1, chunk=f"{piece} ")
    browser.shows(lambda shown: shown["drafts"]["Writer#1"]["text"] == text)
    assert len(browser.messages) - before < 40  # of 2,000
    assert browser.items("message") == []
    said = chat.log("agent:speak", agent="Writer", text="0 to 1999")
    browser.shows(_has(f"m{said.seq}"))
    assert browser.chats["1"]["drafts"] == {}


def test_two_speak_at_once(chat: Chat, browser: Browser) -> None:
    for agent in ("Writer", "critic"):
        chat.live("agent:thinking", agent=agent, turn=1, round=1)
    chat.live("agent:stream", agent="Writer", turn=1, chunk="a")
    chat.live("agent:stream", agent="critic", turn=1, chunk="b")
    shown = browser.shows(lambda s: [d["text"] for d in s["drafts"].values()] == ["a", "b"])
    error = {"code": "TIMED_OUT", "message": HOSTILE, "next_step": "look"}
    chat.log("agent:silent", agent="Writer", why="failed", error=error, partial="a")
    browser.shows(lambda s: len(s["drafts"]) == 1)
    assert list(shown["drafts"]) == ["critic#1"]
    (silent,) = browser.items("silent")
    assert (silent["name"], silent["why"], silent["partial"]) == ("Writer", "failed", "a")
    assert silent["error"] == "[TIMED_OUT] <img src=x onerror=alert(1)>\ufffd\ufffd Next: look"


def test_tools_are_shown_with_the_turn(chat: Chat, browser: Browser) -> None:
    chat.live("agent:thinking", agent="Writer", turn=1)
    chat.live("agent:stream", agent="Writer", turn=1, chunk="I shall roll.")
    browser.shows(lambda s: s["drafts"]["Writer#1"]["text"] == "I shall roll.")
    chat.log("model:call", agent="critic", purpose="position", text="no part of the talk")
    chat.log("model:call", agent="Writer", purpose="speak", text="I shall roll.", usage=[1, 1])
    dice = [{"tool": "Dice", "arguments": {"notation": "2d6"}}, {"tool": "Web", "arguments": "q"}]
    chat.log("tool:call", agent="Writer", calls=dice)
    browser.shows(
        lambda s: [t["state"] for t in s["drafts"]["Writer#1"]["tools"]][2:] == ["running"]
    )
    assert browser.chats["1"]["drafts"]["Writer#1"]["text"] == ""  # the answer begins anew
    chat.log("tool:result", agent="Writer", text="7\nno", texts=["7", "no"])
    chat.log("tool:call", agent="Writer", calls=dice)
    chat.log("tool:result", agent="Writer", text="both", texts=["both"])
    said = chat.log("agent:speak", agent="Writer", text="Seven.")
    browser.shows(_has(f"m{said.seq}"))
    (message,) = browser.items("message")
    assert [(t["name"], t["state"], t["result"]) for t in message["tools"]] == [
        ("", "said", "I shall roll."),
        ("Dice", "answered", "7"),
        ("Web", "answered", "no"),
        ("Dice", "answered", "Its answer stands with the next."),
        ("Web", "answered", "both"),
    ]
    assert [t["arguments"] for t in message["tools"][1:3]] == ['{"notation": "2d6"}', "q"]
    again = chat.log("agent:speak", agent="Writer", text="And on.")
    browser.shows(_has(f"m{again.seq}"))
    assert browser.items("message")[1]["tools"] == []


def test_positions_and_their_verdict_are_one_table(chat: Chat, browser: Browser) -> None:
    chat.log("position", agent="Writer", stance="approve", confidence=0.9, reason="good")
    chat.log("position", agent="critic", stance="reject", confidence=0.5)
    chat.log("conflict:detected", agents=["Writer", "critic"], agreement=0.5)
    chat.log("position", agent="critic", stance="approve", confidence=1.0)
    positions = {"Writer": {"stance": "approve", "confidence": 0.95}}
    last = chat.log("consensus:reached", stance="approve", agreement=1.0, positions=positions)
    browser.shows(lambda s: s["items"].get(f"e{last.seq - 1}", {}).get("verdict"))
    first, second = browser.items("positions")
    assert first["verdict"] == "conflict:detected"
    assert first["facts"] == "agreement 0.5"
    assert first["rows"] == [
        {"name": "Writer", "stance": "approve", "confidence": "0.9", "reason": "good"},
        {"name": "校对专家", "stance": "reject", "confidence": "0.5", "reason": ""},
    ]
    assert second["verdict"] == "consensus:reached"
    assert [row["confidence"] for row in second["rows"]] == ["1", "0.95"]


def test_what_is_taken_back_goes(chat: Chat, browser: Browser) -> None:
    said = chat.log("agent:speak", agent="Writer", text="No")
    browser.shows(_has(f"m{said.seq}"))
    chat.log("message:removed", message=f"m{said.seq}")
    browser.shows(lambda shown: not shown["items"])


def test_questions_to_the_user(chat: Chat, browser: Browser) -> None:
    chat.ask(id="a1", kind="tool", agent="critic", text="Dice {}")
    shown = browser.shows(lambda s: s["approvals"])
    assert shown["approvals"] == [
        {"id": "a1", "about": "tool", "name": "校对专家", "text": "Dice {}"}
    ]
    assert browser.do("approve", approval="a1")["problem"] == ""
    assert chat.asked == [("approve", "a1")]
    chat.pending_approvals = []
    chat.live("approval:given", id="a1", approved=True)
    browser.shows(lambda s: s["approvals"] == [])


@pytest.mark.parametrize(
    ("what", "more", "asked"),
    [
        ("start", {"topic": "茶"}, ("start", "茶")),
        ("say", {"text": "@Writer hi", "to": ""}, ("say", "@Writer hi", None)),
        ("say", {"text": "psst", "to": "critic"}, ("say", "psst", "critic")),
        ("step", {}, ("step",)),
        ("run", {}, ("run",)),
        ("redo", {"message": "m4"}, ("redo", "m4")),
        ("invite", {"agent": "critic"}, ("invite", "critic")),
        ("pause", {}, ("pause",)),
        ("resume", {}, ("resume",)),
        ("interrupt", {}, ("interrupt",)),
        ("end", {}, ("end",)),
        ("mode", {"mode": "random"}, ("set_mode", "random")),
        ("deny", {"approval": "a"}, ("deny", "a")),
        ("take", {"agent": "critic", "on": False}, ("remove", "critic")),
    ],
)
def test_a_click_becomes_a_call(
    chat: Chat, browser: Browser, what: str, more: dict[str, Any], asked: tuple[Any, ...]
) -> None:
    answer = browser.do(what, **more)
    assert answer["problem"] == ""
    assert chat.asked == [asked]


def test_a_click_returns_at_once(chat: Chat, browser: Browser) -> None:
    chat.hold.clear()
    name = browser.ask("say", text="slow", to="")
    # The test stands where the kernel's thread stands: it came back while the call still waits.
    assert browser.messages[-1] == {"kind": "got", "id": name}
    assert browser.do("interrupt")["problem"] == ""
    assert not any(m["kind"] == "answer" and m["id"] == name for m in browser.messages)
    chat.hold.set()
    browser.until(lambda m: m["kind"] == "answer" and m["id"] == name)


@pytest.mark.parametrize(
    ("failure", "text", "refused"),
    [
        (
            StateError("It is over.", where="chat", next_step="start it again"),
            "It is over. (in chat) Next: start it again",
            True,
        ),
        (RuntimeError(HOSTILE), "RuntimeError: <img src=x onerror=alert(1)>", False),
    ],
)
def test_errors_go_back_to_the_click(
    chat: Chat, browser: Browser, failure: Exception, text: str, refused: bool
) -> None:
    chat.failure = failure
    answer = browser.do("step")
    assert text in answer["problem"]
    assert answer["refused"] is refused


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("__init__", {}),
        ("redo", {}),
        ("redo", {"message": 3}),
        ("take", {"agent": "nobody", "on": True}),
        ("say", {"text": None}),
    ],
)
def test_nothing_else_can_be_asked(
    chat: Chat, browser: Browser, what: str, more: dict[str, Any]
) -> None:
    answer = browser.do(what, **more)
    assert answer["problem"]
    assert answer["refused"]
    assert chat.asked == []
    assert "There is no chat" in browser.do("step", chat="9")["problem"]
    browser.panel._asked(browser.panel, "no mapping")


def test_an_agent_that_left_can_come_back(chat: Chat, browser: Browser) -> None:
    chat.log("chat:start")
    browser.do("take", agent="critic", on=False)
    shown = browser.shows(lambda s: [a["here"] for a in s["agents"]] == [True, False])
    browser.shows(lambda s: len(s["items"]) == 2)
    assert [(n.get("name"), n["text"]) for n in browser.items("note")][1] == (
        "校对专家",
        "has left.",
    )
    browser.do("take", agent="critic", on=True)
    browser.shows(lambda s: all(a["here"] for a in s["agents"]))
    assert chat.asked == [("remove", "critic"), ("add", "critic")]
    assert shown["agents"][1]["name"] == "校对专家"


def test_a_fork_is_a_tab_of_its_own(chat: Chat, browser: Browser) -> None:
    answer = browser.do("fork", message="m2")
    assert answer["show"] == "2"
    assert chat.asked == [("fork", "m2")]
    browser.until(lambda m: m["kind"] == "tabs" and len(m["tabs"]) == 2)
    tabs = [m for m in browser.messages if m["kind"] == "tabs"][-1]["tabs"]
    assert [tab["title"] for tab in tabs] == ["main", "fork 1"]
    fork = browser.panel.chats[1]
    assert isinstance(fork, Chat)
    browser.shows(lambda s: [a["here"] for a in s["agents"]] == [True, False], "2")
    said = fork.log("agent:speak", agent="Writer", text="Elsewhere")
    browser.shows(_has(f"m{said.seq}"), "2")
    assert browser.chats["1"]["items"] == {}
    assert browser.do("step", chat="2")["problem"] == ""
    assert fork.asked == [("step",)]


def test_forks_have_an_end(chat: Chat, browser: Browser) -> None:
    answers = [browser.do("fork", message="m2") for _ in range(20)]
    assert [bool(answer["problem"]) for answer in answers] == [False] * 19 + [True]
    assert "chat.fork(at=...)" in answers[-1]["problem"]


def test_long_chats_come_in_windows(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1_000):
        chat.log("user:speak", text=str(number))
    panel = chat_panel(chat)  # type: ignore[arg-type]
    browser = _browser(panel, monkeypatch)
    whole = browser.until(lambda m: m["kind"] == "update" and m["whole"])
    assert whole["total"] == 1_000
    assert [item["text"] for item in whole["items"]] == [str(n) for n in range(800, 1_000)]
    browser.say(kind="earlier", chat="1", before=whole["items"][0]["n"])
    more = browser.until(lambda m: m.get("earlier") is True)
    assert [item["text"] for item in more["items"]] == [str(n) for n in range(600, 800)]
    assert more["total"] == 1_000
    panel.close()


def test_two_panels_agree_and_a_late_one_goes_on(
    chat: Chat, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = chat.log("agent:speak", agent="Writer", text="One")
    chat.live("agent:thinking", agent="critic", turn=2)
    chat.live("agent:stream", agent="critic", turn=2, chunk="Tw")
    late = chat_panel(chat)  # type: ignore[arg-type]
    second = _browser(late, monkeypatch)
    chat.live("agent:stream", agent="critic", turn=2, chunk="o")
    second.shows(lambda s: [d["text"] for d in s["drafts"].values()] == ["… o"])
    browser.shows(lambda s: [d["text"] for d in s["drafts"].values()] == ["Two"])
    last = chat.log("agent:speak", agent="critic", text="Two")
    for one in (browser, second):
        one.shows(_has(f"m{last.seq}"))
        assert [m["text"] for m in one.items("message")] == ["One", "Two"]
        assert one.chats["1"]["drafts"] == {}
    assert browser.chats == second.chats
    assert said.message is not None
    late.close()
    late.close()


def test_a_page_that_comes_back_gets_everything_again(chat: Chat, browser: Browser) -> None:
    chat.log("agent:speak", agent="Writer", text="One")
    chat.live("agent:thinking", agent="critic", turn=2)
    chat.live("agent:stream", agent="critic", turn=2, chunk="Two")
    chat.ask(id="a1", kind="turn", agent="critic", text="")
    before = browser.shows(lambda s: s["approvals"] and s["drafts"])
    kept = json.loads(json.dumps(before))
    browser.chats.clear()
    browser.say(kind="ready")
    after = browser.shows(lambda s: bool(s["items"]))
    assert after == kept


def test_events_of_the_time_before_the_first_look_come_once(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = ChatPanel(chat)  # type: ignore[arg-type]
    chat.live("agent:thinking", agent="Writer", turn=1)
    chat.live("agent:stream", agent="Writer", turn=1, chunk="On")
    chat.log("agent:speak", agent="Writer", text="One")
    browser = _browser(panel, monkeypatch)
    assert [item["text"] for item in browser.items("message")] == ["One"]
    assert browser.chats["1"]["drafts"] == {}
    panel.close()


def test_meters_follow_the_ledger(chat: Chat, browser: Browser) -> None:
    assert browser.chats["1"]["state"]["cost"] == ""
    chat.ledger.total = Total("USD", "0.0123 USD")
    chat.log("agent:speak", agent="Writer", text="One", usage=[5, 6], seconds=1.5)
    state = browser.shows(lambda s: s["state"]["output"] == 6)["state"]
    assert (state["cost"], state["turn"], state["seconds"]) == ("0.0123 USD", 1, 1.5)


def test_only_pictures_that_need_no_network(chat: Chat, browser: Browser) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgo="
    svg = "data:image/svg+xml,<svg/>"
    said = chat.log("user:speak", text="", images=[pixel, svg, "https://example.org/a.png"])
    browser.shows(_has(f"m{said.seq}"))
    assert browser.items("message")[0]["images"] == [pixel]


def test_closing_stops_it(chat: Chat, browser: Browser) -> None:
    browser.panel.close()
    assert all(subscribed.closed for _, subscribed in chat.listeners)
    before = len(browser.messages)
    chat.log("agent:speak", agent="Writer", text="One")
    browser.say(kind="do", id="1", chat="1", what="step")
    run(asyncio.sleep(0))
    assert len(browser.messages) == before
    assert chat.asked == []


def test_without_widgets_there_is_the_transcript(chat: Chat) -> None:
    panel = chat_panel(chat)  # type: ignore[arg-type]
    bundle = panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/html"] == "<p>transcript</p>"
    assert "application/vnd.jupyter.widget-view+json" in data
    panel.close()


@pytest.mark.parametrize("height", [0, 239, 4_001, "tall"])
def test_bad_heights(chat: Chat, height: Any) -> None:
    with pytest.raises(InvalidInputError, match="240 to 4,000"):
        chat_panel(chat, height=height)  # type: ignore[arg-type]


# The panel that begins without a chat


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Agent], dict[str, Any]]]:
    """What chats were made of."""
    made: list[tuple[list[Agent], dict[str, Any]]] = []

    def make(agents: list[Agent], **options: Any) -> Chat:
        made.append((agents, options))
        return Chat(tuple(agents))

    module = ModuleType("vcplab.agents.chat.chat")
    module.GroupChat = make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


ASSISTANTS = [
    {"id": "a1", "name": "产品经理", "prompt": "你是一个产品经理", "emoji": "😀"},
    {"id": "a2", "name": "Engineer", "systemPrompt": "Build."},
    CRITIC,
]


def test_choose_start_and_close(
    made: list[tuple[list[Agent], dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    config = {"speakingMode": "mention", "maxRounds": 10, "name": "产品讨论"}
    panel = GroupChatPanel(
        available_assistants=ASSISTANTS,
        initial_config=config,
        on_close=lambda: closed.append(True),
        model="model",  # type: ignore[arg-type]
    )
    browser = _browser(panel, monkeypatch)
    state, agents = browser.chats["1"]["state"], browser.chats["1"]["agents"]
    assert (state["status"], state["mode"], state["name"]) == ("setup", "mention", "产品讨论")
    assert [(a["id"], a["avatar"], a["here"]) for a in agents] == [
        ("a1", "😀", True),
        ("a2", "", True),
        ("critic", "", True),
    ]
    assert panel.closable
    assert "There is no chat" in browser.do("step")["problem"]
    assert "Nobody" in browser.do("start", topic="t", agents=[], mode="mention")["problem"]
    assert made == []
    answer = browser.do("start", topic="新功能", agents=["a2", "a1", "x"], mode="mention")
    assert answer["problem"] == ""
    ((chosen, options),) = made
    assert [agent.id for agent in chosen] == ["a1", "a2"]
    assert chosen[0].system_prompt == "你是一个产品经理"
    assert options == {
        "speaking_mode": "mention",
        "max_rounds": 10,
        "name": "产品讨论",
        "model": "model",
    }
    chat = panel.chat
    assert isinstance(chat, Chat)
    assert chat.asked == [("start", "新功能")]
    browser.shows(lambda s: s["state"]["status"] == "idle")
    assert [a["here"] for a in browser.chats["1"]["agents"]] == [True, True, False]
    assert browser.do("start", topic="again", agents=["a1"])["problem"] == ""
    assert len(made) == 1
    browser.ask("close")
    run(_until(lambda: closed == [True]))
    assert chat.asked[-1] == ("pause",)
    assert panel.comm is None or panel._closed


async def _until(right: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if right():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


def test_the_mode_that_was_chosen_wins(
    made: list[tuple[list[Agent], dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = GroupChatPanel(["A", "B"], {"mode": "keyword"}, max_speakers=1)
    browser = _browser(panel, monkeypatch)
    assert browser.do("start", topic="", agents=["B"], mode="random")["problem"] == ""
    ((chosen, options),) = made
    assert [agent.name for agent in chosen] == ["B"]
    assert options == {"mode": "random", "max_speakers": 1}
    panel.close()


@pytest.mark.parametrize(
    ("assistants", "config", "error"),
    [
        (["A", "A"], None, "Two agents"),
        ([{"id": 3}, 4], None, "no agent"),
        (["A"], "mention", "mapping"),
    ],
)
def test_what_is_no_panel(assistants: Any, config: Any, error: str) -> None:
    with pytest.raises(InvalidInputError, match=error):
        GroupChatPanel(assistants, config)


def test_the_selector_knows_what_is_chosen() -> None:
    changes: list[list[str]] = []
    selector = GroupAgentSelector(ASSISTANTS, on_change=changes.append)
    assert selector.selected == ["a1", "a2", "critic"]
    assert [row["name"] for row in selector.assistants] == ["产品经理", "Engineer", "校对专家"]
    selector.set_state({"selected": ["critic", "a1"]})  # as the browser does
    assert selector.selected == ["a1", "critic"]
    assert [agent.id for agent in selector.agents] == ["a1", "critic"]
    assert changes == [["a1", "critic"]]
    with pytest.raises(InvalidInputError, match="no agent 'x'"):
        selector.selected = ["x"]
    assert selector.selected == ["a1", "critic"]
    assert GroupAgentSelector(ASSISTANTS, selected=[CRITIC]).selected == ["critic"]


def test_an_error_of_the_users_function_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(ids: list[str]) -> None:
        if not ids:
            raise ValueError(HOSTILE)

    selector = GroupAgentSelector(["A"], on_change=refuse)
    sent: list[Any] = []
    monkeypatch.setattr(selector, "send", sent.append)
    selector.selected = []
    selector.selected = ["A"]
    assert sent[0]["text"].startswith("ValueError: <img")
    assert sent[1]["text"] == ""
