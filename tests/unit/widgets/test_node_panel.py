"""The node panel without a browser: what it asks of the node, what it sends, what it keeps out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import vcplab
from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, NotFoundError, StateError
from vcplab.core.events import EventBus
from vcplab.net.pulse import Stall
from vcplab.node.events import ExposureChanged, LinkChanged, NodeLogged
from vcplab.node.preview import ExposurePreview, ExposureRow
from vcplab.node.rows import CallRow, LinkStatus, LogLine, NodeStatus, ToolStatus
from vcplab.node.standin import StandInServer
from vcplab.widgets.node_messages import Rate, Table, address_shown, expose_of, link_message
from vcplab.widgets.node_panel import NodePanel, node_panel

HOSTILE = "<img src=x onerror=alert(1)>"
KEY = "typed-Key-77"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOWN = "ws://127.0.0.1:6005/vcp-distributed-server/VCP_Key=•••"


def status(name: str = "127.0.0.1:6005", **changes: Any) -> LinkStatus:
    zero = dict.fromkeys(
        ("lines", "running", "answered", "errors", "cancelled", "timed_out", "lost", "refused",
         "reconnects", "malformed", "bytes_in", "bytes_out"), 0,
    )  # fmt: skip
    known: dict[str, Any] = {
        "id": name, "name": "lab", "url": SHOWN, "state": "open", "problem": None,
        "next_try": None, "server_id": "dist-1", "dialect": "toolbox", "tools": (),
        "ignored": {}, "latency_ms": None, "latencies": (), "stalls": (), "since": AT,
    }  # fmt: skip
    return LinkStatus(**{**zero, **known, **changes})


def row(name: str = "add", exposed: bool = True, **changes: Any) -> ExposureRow:
    made = ExposureRow(name, name, "notebook", exposed, "a function", "synchronous", "Adds.")
    return replace(made, **changes)


def call(number: int, state: Any = "succeeded", **changes: Any) -> CallRow:
    made = CallRow(number, "127.0.0.1:6005", "add", state, AT, 1.5, '{"a": 1}', "3")
    return replace(made, **changes)


@dataclass(frozen=True)
class Defaults:
    url: str | None = None
    name: str = "vcplab-lab"
    has_key: bool = False


@dataclass
class Exposure:
    switches: dict[str, bool] = field(default_factory=dict)


@dataclass
class Link:
    """What the panel uses of a link."""

    id: str = "127.0.0.1:6005"
    shown: str = SHOWN
    state: str = "open"
    rows: list[ExposureRow] = field(default_factory=lambda: [row()])
    exposure: Exposure = field(default_factory=Exposure)
    asked: list[Any] = field(default_factory=list)
    looked: int = 0

    def preview(self) -> ExposurePreview:
        self.looked += 1
        return ExposurePreview(self.rows)

    def expose(self, name: str, on: bool | None) -> None:
        if all(known.name != name for known in self.rows):
            raise NotFoundError(f"There is no tool {name!r}.", where="name")
        self.asked.append((name, on))
        if on is None:
            self.exposure.switches.pop(name, None)
        else:
            self.exposure.switches[name] = on

    def retry(self) -> None:
        self.asked.append("retry")


@dataclass
class Facet:
    """What the panel uses of ``lab.node``."""

    found: dict[str, LinkStatus] = field(default_factory=dict)
    known: dict[str, Link] = field(default_factory=dict)
    rows: list[ExposureRow] = field(default_factory=lambda: [row(), row("private", False)])
    made: list[CallRow] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    defaults: Defaults = field(default_factory=Defaults)
    events: EventBus = field(default_factory=EventBus)
    asked: list[Any] = field(default_factory=list)
    failure: Exception | None = None
    looked: int = 0

    @property
    def links(self) -> tuple[Link, ...]:
        return tuple(self.known.values())

    def __getitem__(self, name: str) -> Link:
        if name not in self.known:
            raise NotFoundError(f"There is no link {name!r}.", where="link")
        return self.known[name]

    def status(self) -> NodeStatus:
        self.looked += 1
        if self.failure is not None:
            raise self.failure
        return NodeStatus(tuple(self.found.values()))

    def preview(self, expose: list[str] | None = None) -> ExposurePreview:
        if expose == ["a/b"]:
            raise InvalidInputError("'a/b' looks like a path.", where="expose")
        return ExposurePreview(self.rows, [f"{p} matches nothing." for p in expose or ()])

    def calls(self, limit: int) -> list[CallRow]:
        return self.made[:limit]

    def log(self, limit: int) -> list[LogLine]:
        return self.lines[-limit:]

    async def aconnect(self, *given: Any, **options: Any) -> Link:
        self.asked.append((*given, options))
        if given[1] == "bad":
            raise RuntimeError(f"{given[0]} with bad {HOSTILE}")
        self.join(Link(state="waiting" if given[1] == "wrong" else "open"))
        return self.links[-1]

    async def adisconnect(self, name: str) -> None:
        link = self[name]
        del self.known[link.id], self.found[link.id]
        self.asked.append(f"disconnect {name}")

    def join(self, link: Link, **changes: Any) -> Link:
        self.known[link.id] = link
        self.found[link.id] = status(link.id, **changes)
        self.events.publish(LinkChanged(link=link.id, state="open"))
        return link

    def change(self, **changes: Any) -> None:
        for name, known in self.found.items():
            self.found[name] = replace(known, **changes)

    def note(self, text: str) -> None:
        self.lines.append(LogLine(AT, "info", "", text))
        self.events.publish(NodeLogged(link="", level="info", text=text))


class Browser:
    """The other end of the panel: keeps what is sent, and waits for it."""

    def __init__(self, panel: NodePanel) -> None:
        self.panel = panel
        self.messages: list[dict[str, Any]] = []
        self._news = threading.Condition()

    def receive(self, message: dict[str, Any]) -> None:
        json.dumps(message, allow_nan=False, ensure_ascii=False).encode()  # as Jupyter sends it
        with self._news:
            self.messages.append(message)
            self._news.notify_all()

    def say(self, **message: Any) -> None:
        self.panel._handle_custom_msg(message, [])

    def until(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self._news:
            assert self._news.wait_for(lambda: any(map(right, self.messages)), 10), self.messages
            return next(filter(right, reversed(self.messages)))

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        request = f"r{len(self.messages)}"
        self.say(kind=kind, request=request, **fields)
        return self.until(lambda m: m["kind"] == "answer" and m["request"] == request)

    def row(self, table: str, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        message = self.until(lambda m: m["kind"] == table and any(map(right, m["rows"])))
        return next(filter(right, message["rows"]))

    def kinds(self) -> list[str]:
        return [message["kind"] for message in self.messages]


@pytest.fixture
def facet() -> Facet:
    return Facet()


@pytest.fixture
def browser(facet: Facet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    panel = node_panel(facet)  # type: ignore[arg-type]
    browser = Browser(panel)
    monkeypatch.setattr(panel, "send", browser.receive)
    yield browser
    panel.close()


@pytest.fixture
def ready(browser: Browser) -> Browser:
    browser.say(kind="ready", viewer="page-1")
    browser.until(lambda m: m["kind"] == "loaded")
    return browser


def test_without_a_link_it_shows_what_would_be_offered(facet: Facet, ready: Browser) -> None:
    preview = ready.until(lambda m: m["kind"] == "preview")
    assert preview["title"] == "1 tool is exposed."
    assert [(r["name"], r["exposed"]) for r in preview["rows"]] == [
        ("add", True),
        ("private", False),
    ]
    facet.rows.append(row("fresh"))  # written in a cell: no event tells it while there is no link
    news = ready.until(lambda m: m["kind"] == "preview" and len(m["rows"]) == 3)
    assert news["title"] == "2 tools are exposed."
    ready.say(kind="preview", expose="Weather*,  !x")
    told = ready.until(lambda m: m["kind"] == "preview" and m["problem"])
    assert told["problem"] == "Weather* matches nothing.\n!x matches nothing."
    ready.say(kind="preview", expose="a/b")
    assert "looks like a path" in ready.until(
        lambda m: m["kind"] == "preview" and not m["rows"]
    )["problem"]  # fmt: skip


def test_a_link_and_then_only_what_changed(facet: Facet, ready: Browser) -> None:
    facet.join(Link(), latencies=(1.0, 2.345), stalls=(Stall(AT, 1.5), Stall(AT, 2.0)),
               ignored={HOSTILE: 2, "vcp_log": 5})  # fmt: skip
    link = ready.row("links", lambda r: r["id"] == "127.0.0.1:6005")
    assert link["url"] == "ws://127.0.0.1:6005"
    assert link["latencies"] == [1.0, 2.35]
    assert link["ignored"] == [["vcp_log", 5], [HOSTILE, 2]]
    assert (link["stall_count"], link["stall_seconds"]) == (2, 3.5)
    ready.row("tools", lambda r: r["name"] == "add")
    ready.messages.clear()
    looked = facet.looked
    while facet.looked < looked + 4:
        time.sleep(0.01)
    assert ready.messages == []  # nothing new
    facet.change(state="waiting", problem=f"Nobody listens. {HOSTILE}", answered=3)
    link = ready.row("links", lambda r: r["state"] == "waiting")
    assert (link["problem"], link["answered"]) == (f"Nobody listens. {HOSTILE}", 3)
    assert set(ready.kinds()) <= {"links", "calls"}


def test_what_counts_by_itself_is_no_news(facet: Facet, ready: Browser) -> None:
    soon = AT + timedelta(seconds=8)
    with use_clock(FrozenClock(AT)):
        first = link_message(status(state="waiting", next_try=soon), 0.0)
    with use_clock(FrozenClock(AT + timedelta(seconds=3))):
        then = link_message(status(state="waiting", next_try=soon), 0.0)
    assert (first["live"], then["live"]) == (8.0, 5.0)
    table = Table("links")
    assert table.news({"a": first}) is not None
    assert table.news({"a": then}) is None
    assert table.news({"a": {**then, "state": "open"}}) is not None
    facet.made = [call(2, "running"), call(1)]
    facet.join(Link(), running=1, answered=1)
    running = ready.row("calls", lambda r: r["id"] == 2)
    assert (running["ms"], running["live"]) == (None, 1.5)
    facet.made = [call(2, "running", ms=900.0), call(1)]
    facet.change(errors=1)
    ready.row("links", lambda r: r["errors"] == 1)
    facet.made = [call(2, "timed_out", ms=950.0, error="too slow"), call(1)]
    facet.change(running=0)
    ended = ready.row("calls", lambda r: r["state"] == "timed_out")
    assert (ended["ms"], ended["live"], ended["error"]) == (950.0, None, "too slow")
    assert len([m for m in ready.messages if m["kind"] == "calls" and m["rows"]]) == 2


def test_a_table_tells_what_is_gone_and_moved() -> None:
    table = Table("t")
    whole = table.news({"a": {"n": 1}, "b": {"n": 1}})
    assert whole is not None
    assert (whole["whole"], whole["order"]) == (True, ["a", "b"])
    news = table.news({"c": {"n": 2}, "b": {"n": 1}})
    assert news == {"kind": "t", "whole": False, "rows": [{"key": "c", "n": 2}], "gone": ["a"],
                    "order": ["c", "b"]}  # fmt: skip
    table.forget()
    assert (table.news({}) or {})["whole"]


def test_tools_bear_their_switch_and_their_state(facet: Facet, ready: Browser) -> None:
    shown = [row(wire="lab_add"), row("stuck", False, why="untrusted: no"), row("off", False)]
    link = Link(rows=shown, exposure=Exposure({"stuck": True}))
    facet.join(link, tools=(ToolStatus("lab_add", "add", "notebook", "draining", 1, 9),))
    add = ready.row("tools", lambda r: r["name"] == "add")
    assert (add["wire"], add["state"], add["running"], add["calls"]) == (
        "lab_add",
        "draining",
        1,
        9,
    )
    assert (add["on"], add["switched"]) == (True, False)
    stuck = ready.row("tools", lambda r: r["name"] == "stuck")
    assert (stuck["on"], stuck["exposed"], stuck["switched"]) == (True, False, True)
    off = ready.row("tools", lambda r: r["name"] == "off")
    assert (off["on"], off["state"], off["calls"]) == (False, "", None)
    looked = link.looked
    facet.change(answered=5)
    ready.row("links", lambda r: r["answered"] == 5)
    assert link.looked == looked  # what is offered is judged anew only when something changed
    link.rows = [row("other")]
    facet.events.publish(ExposureChanged(link=link.id))
    ready.row("tools", lambda r: r["name"] == "other")


def test_switch_retry_and_disconnect(facet: Facet, ready: Browser) -> None:
    link = facet.join(Link())
    for on in (False, True, None, "yes"):
        assert not ready.ask("switch", link=link.id, name="add", on=on)["problem"]
    assert link.asked == [("add", False), ("add", True), ("add", None), ("add", None)]
    assert not ready.ask("retry", link=link.id)["problem"]
    assert link.asked[-1] == "retry"
    answer = ready.ask("switch", link=link.id, name=HOSTILE, on=True)
    assert f"There is no tool {HOSTILE!r}" in answer["problem"]
    assert "There is no link" in ready.ask("retry", link="elsewhere")["problem"]
    ready.row("links", lambda r: r["id"] == link.id)
    assert not ready.ask("disconnect", link=link.id)["problem"]
    assert facet.asked == [f"disconnect {link.id}"]
    ready.until(lambda m: m["kind"] == "links" and link.id in m["gone"])
    assert "There is no link" in ready.ask("disconnect", link=link.id)["problem"]


def test_connect_hands_on_what_was_typed(facet: Facet, ready: Browser) -> None:
    answer = ready.ask("connect", url=" ws://127.0.0.1:6005 ", key=KEY, name="desk",
                       expose="Super*, !Old", dialect="cherry")  # fmt: skip
    assert facet.asked == [
        ("ws://127.0.0.1:6005", KEY, "desk", ["Super*", "!Old"],
         {"dialect": "cherry", "show": False}),
    ]  # fmt: skip
    assert answer["link"] == "127.0.0.1:6005"
    assert (answer["url"], answer["waits"], answer["problem"]) == ("ws://127.0.0.1:6005", False, "")
    assert ready.ask("connect", url="x", key="wrong")["waits"]
    ready.ask("connect", url="", key="  ", name="", expose=" ", dialect=None)
    blank = (None, None, None, None, {"dialect": "toolbox", "show": False})
    assert facet.asked[-1] == blank
    facet.defaults = Defaults(SHOWN, has_key=True)
    ready.ask("connect", url="ws://127.0.0.1:6005")  # the settings' own: its key may be in there
    assert facet.asked[-1] == blank


def test_a_key_never_comes_back(facet: Facet, ready: Browser) -> None:
    facet.defaults = Defaults(SHOWN, "desk", True)
    ready.say(kind="ready", viewer="page-2")
    defaults = ready.until(lambda m: m["kind"] == "defaults" and m["has_key"])
    assert (defaults["url"], defaults["name"]) == ("ws://127.0.0.1:6005", "desk")
    problem = ready.ask("connect", url=f"ws://h/VCP_Key={KEY}", key="bad")["problem"]
    assert problem == f"RuntimeError: ws://h/VCP_Key=••• with ••• {HOSTILE}"
    ready.ask("connect", url=f"ws://h/vcp-distributed-server/VCP_Key={KEY}", key=KEY)
    told = json.dumps([ready.messages, repr(ready.panel.get_state())])
    assert KEY not in told
    facet.asked.clear()
    assert KEY not in repr(vars(ready.panel))


@pytest.mark.parametrize("kind", ["close", "status", "__init__", 5, None, ["connect"]])
def test_nothing_else_can_be_asked(facet: Facet, ready: Browser, kind: Any) -> None:
    assert "does not know" in ready.ask(kind, link="127.0.0.1:6005")["problem"]
    ready.panel._handle_custom_msg("nonsense", [])  # type: ignore[arg-type]
    ready.say(kind="ready", viewer={"a": 1})
    ready.say(kind="connect", request={"a": 1}, url=5, key=[KEY], name={})
    ready.until(lambda m: m["kind"] == "answer" and m["request"] == "")
    assert facet.asked == [(None, None, None, None, {"dialect": "toolbox", "show": False})]


def test_it_looks_only_while_somebody_sees_it(facet: Facet, browser: Browser) -> None:
    facet.join(Link())
    facet.note("before")
    assert facet.looked == 0
    for viewer in ("a", "b"):
        browser.say(kind="ready", viewer=viewer)
    browser.until(lambda m: m["kind"] == "log")
    browser.say(kind="away", viewer="a")
    facet.note("one is left")
    browser.until(lambda m: m["kind"] == "log" and m["lines"][-1]["text"] == "one is left")
    browser.say(kind="away", viewer="b")
    until = time.monotonic() + 10
    while browser.panel._pumping and time.monotonic() < until:
        time.sleep(0.01)
    assert not browser.panel._pumping
    looked = facet.looked
    facet.note("nobody")
    assert facet.looked == looked
    browser.messages.clear()
    browser.say(kind="ready", viewer="c")
    log = browser.until(lambda m: m["kind"] == "log")
    assert [line["text"] for line in log["lines"]] == ["before", "one is left", "nobody"]
    assert browser.until(lambda m: m["kind"] == "links")["whole"]


def test_events_of_many_threads_are_gathered(facet: Facet, ready: Browser) -> None:
    facet.join(Link())

    def work() -> None:
        for number in range(300):
            facet.note(str(number))
            facet.events.publish(ExposureChanged(link="127.0.0.1:6005"))

    before, began = facet.looked, time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    facet.note("last")
    ready.until(lambda m: m["kind"] == "log" and m["lines"][-1]["text"] == "last")
    assert facet.looked - before <= (time.monotonic() - began) * 10 + 3


def test_the_log_sends_what_is_new(facet: Facet, ready: Browser) -> None:
    for text in ("one", "two\ud800"):
        facet.note(text)
    ready.until(lambda m: m["kind"] == "log" and m["lines"][-1]["text"] == "two\ufffd")
    facet.note(HOSTILE)
    news = ready.until(lambda m: m["kind"] == "log" and m["lines"][-1]["text"] == HOSTILE)
    assert (len(news["lines"]), news["whole"]) == (1, False)
    facet.lines = [LogLine(AT, "warning", "l", str(n)) for n in range(500)]
    facet.note("end")
    news = ready.until(lambda m: m["kind"] == "log" and m["lines"][-1]["text"] == "end")
    assert (len(news["lines"]), news["whole"]) == (200, True)


def test_a_lab_that_was_closed_says_so(facet: Facet, ready: Browser) -> None:
    facet.failure = StateError("The lab was closed.", where="lab", next_step="open it again")
    facet.note("x")
    assert "closed" in ready.until(lambda m: m["kind"] == "problem")["text"]
    assert _html(ready.panel) is None
    facet.failure = None
    facet.note("y")  # and it goes on
    assert ready.until(lambda m: m["kind"] == "problem" and not m["text"])


def test_closing_stops_it(facet: Facet, ready: Browser) -> None:
    facet.join(Link())
    ready.row("links", lambda r: r["state"] == "open")
    ready.panel.close()
    assert not facet.events.has_subscribers(NodeLogged)
    ready.panel._asked(None, {"kind": "disconnect", "link": "127.0.0.1:6005"})
    assert facet.asked == []
    ready.panel.close()


def test_without_widgets_there_is_a_table(facet: Facet, browser: Browser) -> None:
    facet.rows.append(row(HOSTILE))
    html = _html(browser.panel)
    assert html is not None
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert HOSTILE not in html
    facet.join(Link(), state="waiting", problem=HOSTILE)
    html = _html(browser.panel)
    assert html is not None
    assert "waiting: &lt;img" in html
    assert HOSTILE not in html


def _html(panel: NodePanel) -> str | None:
    bundle = panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    html = data.get("text/html")
    assert html is None or isinstance(html, str)
    return html


def test_log_lines_are_bounded(facet: Facet) -> None:
    with pytest.raises(InvalidInputError, match="5000 lines"):
        NodePanel(facet, log_lines=5_000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("", None),
        (" , ", None),
        (None, None),
        ("a", ["a"]),
        ("a，b、c\n!d  e*", ["a", "b", "c", "!d", "e*"]),
    ],
)
def test_patterns_are_read_from_one_line(text: Any, patterns: list[str] | None) -> None:
    assert expose_of(text) == patterns


def test_addresses_are_shown_as_they_are_typed() -> None:
    assert address_shown(SHOWN) == "ws://127.0.0.1:6005"
    assert address_shown("wss://h/base/vcp-distributed-server/VCP_Key=•••") == "wss://h/base"
    assert address_shown("") == ""


def test_the_rate_is_that_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("vcplab.widgets.node_messages.time.monotonic", lambda: now)
    rate, seen = Rate(), []
    for total in (50, 60, 70, 70, 70, 70, 70, 70, 70, 70):
        seen.append(rate.of(total))
        now += 1.0
    assert seen[:3] == [0.0, 10.0, 10.0]
    assert seen[-1] == 0.0
    now -= 0.5
    assert rate.of(1_000) == 0.0  # not twice within a second
    assert rate.of(3) == 0.0  # another link


def test_a_lab_shows_the_calls_of_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StandInServer(KEY) as server, vcplab.Lab(tmp_path) as lab:

        @lab.tool
        def add(a: int, b: int) -> int:
            """Adds."""
            return int(a) + int(b)

        panel = lab.node.panel()
        browser = Browser(panel)
        monkeypatch.setattr(panel, "send", browser.receive)
        browser.say(kind="ready", viewer="page")
        assert not browser.ask("connect", url=server.url, key=KEY)["problem"]
        browser.row("tools", lambda r: r["name"] == "add" and r["state"] == "registered")
        server.wait_for_tool("add")
        server.call("add", {"a": 2, "b": 40, "maid": "Nova"})
        done = browser.row("calls", lambda r: r["state"] == "succeeded")
        assert (done["tool"], done["result"], done["maid"]) == ("add", "42", "Nova")
        browser.ask("switch", link=lab.node.links[0].id, name="add", on=False)
        server.wait_for_tool("add", present=False)
        browser.row("tools", lambda r: r["name"] == "add" and not r["on"] and r["switched"])
        assert KEY not in json.dumps(browser.messages)
        panel.close()
