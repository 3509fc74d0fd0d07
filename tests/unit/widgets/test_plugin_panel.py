"""The plugin panel without a browser: what it asks of the lab, what it sends, what it keeps out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.plugins.parameters import Parameter
from vcplab.protocol.results import ImagePart, TextPart, ToolResult
from vcplab.widgets.plugin_panel import PluginPanel, plugin_panel

HOSTILE = "<img src=x onerror=alert(1)>"
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@dataclass(frozen=True)
class Row:
    name: str
    state: str = "ready"
    problem: str | None = None
    calls: int = 0
    errors: int = 0
    p95: float | None = None
    display_name: str = ""
    description: str = ""
    version: str = "1.0.0"
    type: str = "synchronous"
    dialect: str = "toolbox"
    host: str = "stdio"
    callable: bool = True
    watched: bool = False
    source: str = "/plugins"


@dataclass(frozen=True)
class Command:
    identifier: str = ""
    command: str | None = None
    description: str = ""
    example: str = ""
    parameters: tuple[Parameter, ...] = ()


class Task:
    """A task that ends when the test says so, in a thread of its own."""

    def __init__(self) -> None:
        self.state = "running"
        self.reply: Any = None
        self.result: ToolResult | None = None
        self.stopped = threading.Event()
        self.slow = 0.0
        self._callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)

    def cancel(self) -> None:
        self.stopped.set()
        self.end("cancelled", ToolResult("T", success=False, error="It was cancelled."))

    def end(self, state: str, result: ToolResult) -> None:
        # The state can be seen before the result: only the call back says that both are there.
        self.state = state
        time.sleep(self.slow)
        self.result = result
        for callback in self._callbacks:
            thread = threading.Thread(target=callback, args=(self,))
            thread.start()
            thread.join()


class Subscribed:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@dataclass
class Facet:
    """What the panel uses of ``lab.plugins``."""

    known: dict[str, Row] = field(default_factory=dict)
    wanted: dict[str, tuple[Parameter, ...]] = field(default_factory=dict)
    able: dict[str, tuple[Command, ...]] = field(default_factory=dict)
    text: str | None = "# README"
    lines: list[str] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    subscription: Subscribed = field(default_factory=Subscribed)
    failure: Exception | None = None
    looked: int = 0

    def rows(self) -> list[Row]:
        self.looked += 1
        if self.failure is not None:
            raise self.failure
        return list(self.known.values())

    def parameters(self, name: str) -> tuple[Parameter, ...]:
        return self.wanted.get(name, ())

    def commands(self, name: str) -> tuple[Command, ...]:
        return self.able.get(name, ())

    def readme(self, name: str) -> str | None:
        return self.text

    def logs(self, name: str, limit: int = 200) -> list[str]:
        return self.lines[-limit:]

    def on_change(self, callback: Callable[[Any], object]) -> Subscribed:
        self.changed = callback
        return self.subscription

    def submit(self, name: str, args: Mapping[str, Any], origin: str = "") -> Task:
        self.asked.append((f"submit {name}", dict(args)))
        if args.get("bad"):
            raise InvalidInputError("No.", where="args", next_step="leave it out")
        self.tasks.append(Task())
        return self.tasks[-1]

    def enable(self, name: str) -> None:
        self._act("enable", name, "ready")

    def disable(self, name: str) -> None:
        self._act("disable", name, "disabled")

    def reload(self, name: str) -> None:
        self._act("reload", name, "broken")
        raise RuntimeError(HOSTILE)

    def trust(self, name: str) -> None:
        self._act("trust", name, "ready")

    def _act(self, action: str, name: str, state: str) -> None:
        assert threading.current_thread() is not threading.main_thread()
        self.asked.append((action, name))
        self.known[name] = replace(self.known[name], state=state)
        self.changed(object())


class Browser:
    """The other end of the panel: keeps what is sent, and waits for it."""

    def __init__(self, panel: PluginPanel) -> None:
        self.panel = panel
        self.messages: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._news = threading.Condition()

    def receive(self, message: dict[str, Any]) -> None:
        json.dumps(message, allow_nan=False, ensure_ascii=False).encode()  # as Jupyter sends it
        with self._news:
            self.messages.append(message)
            self.times.append(time.monotonic())
            self._news.notify_all()

    def say(self, **message: Any) -> None:
        self.panel._handle_custom_msg(message, [])

    def until(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self._news:
            assert self._news.wait_for(lambda: any(map(right, self.messages)), 10), self.messages
            return next(filter(right, reversed(self.messages)))

    def run(self, state: str) -> dict[str, Any]:
        return self.until(lambda m: m["kind"] == "run" and m["state"] == state)

    def answer(self, to: str) -> dict[str, Any]:
        return self.until(lambda m: m.get("to") == to)

    def rows(self) -> dict[str, dict[str, Any]]:
        """The table as it stands, from the messages alone."""
        table: dict[str, dict[str, Any]] = {}
        for message in self.messages:
            if message["kind"] == "rows":
                table = {} if message["whole"] else table
                for key in message["gone"]:
                    del table[key]
                table.update({row["key"]: row for row in message["rows"]})
        return {row["name"]: row for row in table.values()}


@pytest.fixture
def facet() -> Facet:
    rows = [Row("Dice"), Row("Bad", "broken", problem=HOSTILE), Row("New", "untrusted")]
    return Facet({row.name: row for row in rows})


@pytest.fixture
def browser(facet: Facet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    panel = plugin_panel(facet)
    browser = Browser(panel)
    monkeypatch.setattr(panel, "send", browser.receive)
    yield browser
    panel.close()


@pytest.fixture
def ready(browser: Browser) -> Browser:
    browser.say(kind="ready")
    browser.until(lambda m: m["kind"] == "rows")
    return browser


def key(browser: Browser, name: str) -> str:
    found = browser.rows()[name]["key"]
    assert isinstance(found, str)
    return found


def test_a_browser_gets_all_rows_and_then_only_what_changed(facet: Facet, ready: Browser) -> None:
    (whole,) = ready.messages
    assert whole["whole"]
    assert [row["name"] for row in whole["rows"]] == ["Dice", "Bad", "New"]
    assert ready.rows()["Bad"]["problem"] == HOSTILE  # text; what is drawn is the browser's matter
    facet.known["Dice"] = replace(facet.known["Dice"], calls=1, p95=float("nan"))
    del facet.known["New"]
    facet.changed(object())
    news = ready.until(lambda m: m["kind"] == "rows" and not m["whole"])
    assert [row["name"] for row in news["rows"]] == ["Dice"]
    assert len(news["gone"]) == 1
    assert set(ready.rows()) == {"Dice", "Bad"}


def test_events_of_many_threads_are_gathered(facet: Facet, ready: Browser) -> None:
    def call() -> None:
        for _ in range(500):
            row = facet.known["Dice"]
            facet.known["Dice"] = replace(row, calls=row.calls + 1)
            facet.changed(object())
            time.sleep(0.0005)

    before = facet.looked
    begin = time.monotonic()
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    facet.known["Dice"] = replace(facet.known["Dice"], calls=10_000)
    facet.changed(object())
    ready.until(lambda m: m["kind"] == "rows" and m["rows"][0]["calls"] == 10_000)
    took = time.monotonic() - begin
    assert facet.looked - before <= took * 10 + 2
    assert len(ready.messages) - 1 <= took * 10 + 2
    gaps = [b - a for a, b in zip(ready.times[1:], ready.times[2:], strict=False)]
    assert all(gap >= 0.09 for gap in gaps)


def test_rows_of_one_name_stay_apart(facet: Facet, ready: Browser) -> None:
    facet.known["other"] = Row("Dice", "clash", problem="another has this name", source="/b")
    facet.known["third"] = Row("Dice", "clash", problem="another has this name", source="/b")
    facet.changed(object())
    news = ready.until(lambda m: m["kind"] == "rows" and not m["whole"])
    assert len({row["key"] for row in news["rows"]}) == 2
    ready.say(kind="details", key=news["rows"][0]["key"])
    details = ready.until(lambda m: m["kind"] == "details")
    assert details["readme"] is None  # not the other plugin's


def test_a_run_goes_from_click_to_result(facet: Facet, ready: Browser) -> None:
    ready.say(kind="run", key=key(ready, "Dice"), run="r-1", args={"notation": "2d6", "n": 1})
    assert facet.asked == [("submit Dice", {"notation": "2d6", "n": 1})]
    running = ready.run("running")
    assert not running["ended"]
    assert running["args"] == '{"notation": "2d6", "n": 1}'
    facet.tasks[0].reply, facet.tasks[0].state = "on its way", "pending"
    assert ready.run("pending")["parts"] == [{"kind": "text", "text": "on its way"}]
    facet.tasks[0].slow = 0.3
    facet.tasks[0].end("succeeded", ToolResult("Dice", {"total": 7, "who": HOSTILE}))
    done = ready.run("succeeded")
    assert done["ended"]
    assert done["elapsed"] > 0
    ((kind, text),) = [tuple(part.values()) for part in done["parts"]]
    assert kind == "json"
    assert json.loads(text) == {"total": 7, "who": HOSTILE}


@pytest.mark.parametrize(
    ("result", "parts"),
    [
        (ToolResult("T", None), []),
        (ToolResult("T", {"original_plugin_output": "hi", "timestamp": "now"}), [("text", "hi")]),
        (ToolResult("T", 5), [("json", "5")]),
        (
            ToolResult("T", parts=(TextPart("a"), ImagePart(PIXEL))),
            [("text", "a"), ("image", PIXEL)],
        ),
        (
            ToolResult(
                "T",
                {
                    "status": "success",
                    "content": [{"type": "image_url", "image_url": {"url": PIXEL}}],
                    "total": 3,
                },
            ),
            [("image", PIXEL), ("json", '{\n  "total": 3\n}')],
        ),
        (
            ToolResult("T", parts=(ImagePart("https://example.org/x.png"),)),
            [("note", "Picture, not loaded: https://example.org/x.png")],
        ),
        (
            ToolResult("T", parts=(ImagePart("data:text/html,<script>alert(1)</script>"),)),
            [("note", "Picture, not loaded: data:text/html,<script>alert(1)</script>")],
        ),
        (ToolResult("T", success=False, error="It broke\nhere"), [("error", "It broke\nhere")]),
        (
            ToolResult("T", {"partial": 1}, success=False, error="No"),
            [("error", "No"), ("json", '{\n  "partial": 1\n}')],
        ),
        (ToolResult("T", "a\ud800b\u202ec\x00"), [("text", "a\ufffdb\ufffdc\ufffd")]),
    ],
)
def test_what_is_shown_of_a_result(
    facet: Facet, ready: Browser, result: ToolResult, parts: list[tuple[str, str]]
) -> None:
    ready.say(kind="run", key=key(ready, "Dice"), run="r1", args={})
    facet.tasks[0].end("succeeded" if result.success else "failed", result)
    message = ready.until(lambda m: m["kind"] == "run" and m["ended"])
    assert [(part["kind"], part["text"]) for part in message["parts"]] == parts


def test_large_results_are_cut(facet: Facet, ready: Browser) -> None:
    ready.say(kind="run", key=key(ready, "Dice"), run="r1", args={})
    picture = ImagePart(f"data:image/png;base64,{'A' * 17_000_000}")
    parts = (TextPart("x" * 300_000), picture)
    facet.tasks[0].end("succeeded", ToolResult("Dice", parts=parts))
    text, note = ready.run("succeeded")["parts"]
    assert len(text["text"]) < 201_000
    assert text["text"].endswith("(300,000 characters in all)")
    assert note["kind"] == "note"


def test_cancel_ends_one_of_two(facet: Facet, ready: Browser) -> None:
    dice = key(ready, "Dice")
    for run in ("a", "b"):
        ready.say(kind="run", key=dice, run=run, args={})
    ready.say(kind="cancel", run="a", key=dice)
    assert ready.run("cancelled")["parts"] == [{"kind": "error", "text": "It was cancelled."}]
    assert facet.tasks[0].stopped.is_set()
    assert not facet.tasks[1].stopped.is_set()
    facet.tasks[1].end("timed_out", ToolResult("Dice", success=False))
    assert ready.run("timed_out")["parts"] == [{"kind": "error", "text": "It ended as timed_out."}]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"key": "Dice", "run": "r", "args": {"bad": 1}}, "[INVALID_INPUT] No. (in args)"),
        ({"key": "Dice", "run": "r", "args": ["no"]}, "not an object"),
        ({"key": "nobody", "run": "r", "args": {}}, "no longer there"),
        ({"key": None, "run": "r", "args": {}}, "no longer there"),
    ],
)
def test_a_run_that_cannot_start_says_why(
    ready: Browser, message: dict[str, Any], said: str
) -> None:
    known = {name: row["key"] for name, row in ready.rows().items()}
    ready.say(kind="run", **{**message, "key": known.get(message["key"], message["key"])})
    (part,) = ready.run("failed")["parts"]
    assert part["kind"] == "error"
    assert said in part["text"]


def test_switches_and_their_errors(facet: Facet, ready: Browser) -> None:
    for action in ("disable", "enable"):
        ready.say(kind=action, key=key(ready, "Dice"))
        assert not ready.answer(action)["problem"]
    ready.say(kind="trust", key=key(ready, "New"))
    assert not ready.answer("trust")["problem"]
    ready.say(kind="reload", key=key(ready, "Dice"))
    answer = ready.answer("reload")
    assert answer["problem"] == f"RuntimeError: {HOSTILE}"
    assert answer["key"] == key(ready, "Dice")
    assert facet.asked == [("disable", "Dice"), ("enable", "Dice"), ("trust", "New"),
                           ("reload", "Dice")]  # fmt: skip
    ready.until(lambda m: m["kind"] == "rows" and m["rows"][0]["state"] == "broken")


@pytest.mark.parametrize("kind", ["unload", "submit", "__init__", "close", 5, None, ["trust"]])
def test_nothing_else_can_be_asked(facet: Facet, ready: Browser, kind: object) -> None:
    ready.say(kind=kind, key=key(ready, "Dice"))
    assert "does not know" in ready.until(lambda m: m["kind"] == "answer")["problem"]
    ready.panel._handle_custom_msg("nonsense", [])
    ready.say(kind="run", run={"a": 1}, key=key(ready, "Dice"), args={})
    ready.until(lambda m: m["kind"] == "answer" and m["to"] == "run")
    assert facet.asked == []


def test_details_hold_what_a_form_needs(facet: Facet, ready: Browser) -> None:
    example = (
        "<<<[TOOL_REQUEST]>>>\ntool_name:「始」Dice「末」,\ncommand:「始」roll「末」,\n"
        "notation:「始」2d6「末」\n<<<[END_TOOL_REQUEST]>>>"
    )
    parameters = (
        Parameter("content", type="string", required=True),
        Parameter("n", type="integer", schema={"minimum": 1, "maximum": "x"}),
        Parameter("mode", choices=("a", 2, None), default="a", has_default=True),
        Parameter("odd", type="number", default=float("inf"), has_default=True, declared=False),
        Parameter("deep", type="object", default={"a": [1, "\ud800"]}, has_default=True),
    )
    facet.wanted["Dice"] = parameters
    facet.able["Dice"] = (
        Command("R", "N/A", HOSTILE, example, parameters),
        Command("S", None, "no example"),
    )
    facet.lines = ["\x1b[31mred", "x" * 5_000]
    ready.say(kind="details", key=key(ready, "Dice"))
    details = ready.until(lambda m: m["kind"] == "details")
    content, n, mode, odd, deep = details["parameters"]
    assert content["long"]
    assert content["required"]
    assert not n["long"]
    assert n["minimum"] == 1
    assert "maximum" not in n
    assert mode["choices"] == ["a", 2, None]
    assert odd["default"] == "inf"
    assert not odd["declared"]
    assert deep["default"] == {"a": [1, "\ufffd"]}
    roll, other = details["commands"]
    assert (roll["word"], roll["label"], roll["description"]) == ("roll", "N/A", HOSTILE)
    assert (other["word"], other["label"]) == (None, "S")
    assert details["readme"] == "# README"
    assert details["logs"][0] == "\ufffd[31mred"
    assert len(details["logs"][1]) < 4_100


def test_open_details_follow_the_plugin(facet: Facet, ready: Browser) -> None:
    ready.say(kind="details", key=key(ready, "Dice"))
    ready.until(lambda m: m["kind"] == "details")
    facet.lines.append("later")
    facet.changed(object())
    ready.until(lambda m: m["kind"] == "details" and m["logs"] == ["later"])
    sent = sum(m["kind"] == "details" for m in ready.messages)
    facet.known["Dice"] = replace(facet.known["Dice"], calls=9)
    facet.changed(object())
    ready.until(lambda m: m["kind"] == "rows" and m["rows"][0]["calls"] == 9)
    assert sum(m["kind"] == "details" for m in ready.messages) == sent  # nothing new in them


def test_parts_that_cannot_be_told_do_not_hide_the_others(
    facet: Facet, ready: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> str:
        raise OSError("gone")

    monkeypatch.setattr(facet, "readme", fail)
    facet.lines = ["still here"]
    ready.say(kind="details", key=key(ready, "Dice"))
    details = ready.until(lambda m: m["kind"] == "details")
    assert details["problems"] == ["OSError: gone"]
    assert details["logs"] == ["still here"]


def test_a_browser_that_comes_back_gets_everything_again(facet: Facet, ready: Browser) -> None:
    ready.say(kind="run", key=key(ready, "Dice"), run="r1", args={})
    facet.tasks[0].end("succeeded", ToolResult("Dice", "seven"))
    ready.run("succeeded")
    ready.messages.clear()
    ready.say(kind="ready")
    ready.until(lambda m: m["kind"] == "rows" and m["whole"])
    assert len(ready.rows()) == 3
    assert ready.run("succeeded")["parts"] == [{"kind": "text", "text": "seven"}]


def test_only_the_latest_runs_are_kept(facet: Facet, ready: Browser) -> None:
    dice = key(ready, "Dice")
    ready.say(kind="run", key=dice, run="first", args={})  # goes on for ever
    for number in range(60):
        ready.say(kind="run", key=dice, run=f"r{number}", args={})
        facet.tasks[-1].end("succeeded", ToolResult("Dice", number))
    assert len(ready.panel._runs) == 40
    assert {"first", "r59"} <= ready.panel._runs.keys()


def test_closing_stops_it(facet: Facet, ready: Browser) -> None:
    ready.say(kind="run", key=key(ready, "Dice"), run="r1", args={})
    ready.run("running")
    ready.panel.close()
    assert facet.subscription.closed
    asked = list(facet.asked)
    facet.changed(object())
    facet.tasks[0].end("succeeded", ToolResult("Dice", 1))
    ready.panel._asked(None, {"kind": "trust", "key": "New\n/plugins"})
    assert facet.asked == asked
    assert not facet.tasks[0].stopped.is_set()
    ready.panel.close()


def test_a_lab_that_was_closed_says_so(facet: Facet, ready: Browser) -> None:
    facet.failure = StateError("The lab was closed.", where="lab", next_step="open it again")
    facet.changed(object())
    assert "closed" in ready.until(lambda m: m["kind"] == "problem")["text"]
    assert _html(ready.panel) is None
    facet.failure = None
    facet.known["Dice"] = replace(facet.known["Dice"], calls=2)
    facet.changed(object())  # and it goes on
    ready.until(lambda m: m["kind"] == "rows" and not m["whole"])


def test_without_widgets_there_is_a_table(facet: Facet, browser: Browser) -> None:
    html = _html(browser.panel)
    assert html is not None
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert HOSTILE not in html
    assert "untrusted" in html


def _html(panel: PluginPanel) -> str | None:
    bundle: Any = panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    found = data.get("text/html")
    return None if found is None else str(found)


@pytest.mark.parametrize("lines", [0, 10**6])
def test_bad_numbers_of_lines(facet: Facet, lines: int) -> None:
    with pytest.raises(InvalidInputError):
        plugin_panel(facet, log_lines=lines)
