"""Tools that change while a server is joined: no running call is lost, nothing is sent in vain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.joined import Gate, Joined, eventually, put_plugin
from vcplab.node import line
from vcplab.node.standin import StandInServer
from vcplab.protocol.results import ToolFailure

AT_ONCE = 1.0
"""Seconds within which a server has to know."""


@pytest.fixture
def gates() -> dict[str, Gate]:
    """What holds the calls of each tool; made when first asked for."""

    class Gates(dict[str, Gate]):
        def __missing__(self, name: str) -> Gate:
            return self.setdefault(name, Gate())

    return Gates()


@pytest.fixture
def put(joined: Joined, gates: dict[str, Gate]) -> Callable[..., None]:
    """Defines a tool, as running its cell does; its calls are held by the gate of its name."""

    def put(name: str, said: str = "first", about: str = "It waits.", **options: Any) -> None:
        async def tool(text: str = "") -> str:
            await gates[name].passed()
            return f"{said}: {text}"

        tool.__doc__ = about
        joined.lab.tool(tool, name=name, **options)

    return put


def describes(server: StandInServer, name: str) -> str | None:
    manifest = server.tools.get(name)
    return None if manifest is None else str(manifest["description"])


def lines(server: StandInServer) -> dict[str, str]:
    """The server's name of each connection, by its tools."""
    return {",".join(sorted(node.tools)): node.server_id for node in server.nodes}


# --- The promise


def test_running_a_cell_again_changes_the_body_at_once(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("tool", "old")
    link = joined.join()
    before = (lines(joined.server), len(joined.frames("register_tools")))
    running = joined.begin("tool", {"text": "a"})
    gates["tool"].reached()
    put("tool", "new")  # the same cell with another body
    after = joined.begin("tool", {"text": "b"})
    gates["tool"].reached(2)
    assert link.status().tools[0].state == "registered"
    gates["tool"].open()
    assert running.result(10)["original_plugin_output"] == "old: a"
    assert after.result(10)["original_plugin_output"] == "new: b"
    assert (lines(joined.server), len(joined.frames("register_tools"))) == before
    assert joined.server.counts["registered"] == 1


def test_a_new_tool_arrives_while_others_run(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("first")
    joined.join()
    running = joined.begin("first", {"text": "a"})
    gates["first"].reached()
    before = lines(joined.server)
    put("second")
    joined.server.wait_for_tool("second", timeout=AT_ONCE)
    gates["second"].open()
    assert joined.call("second", text="b") == "first: b"
    gates["first"].open()
    assert running.result(10)["original_plugin_output"] == "first: a"
    assert before.items() <= lines(joined.server).items()


def test_a_removed_tool_goes_while_others_run(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("stays")
    put("goes")
    joined.join()
    running = joined.begin("stays", {"text": "a"})
    gates["stays"].reached()
    kept = lines(joined.server)["stays"]
    joined.lab.plugins.unload("goes")
    joined.server.wait_for_tool("goes", present=False, timeout=AT_ONCE)
    gates["stays"].open()
    assert running.result(10)["original_plugin_output"] == "first: a"
    assert lines(joined.server)["stays"] == kept
    with pytest.raises(ToolFailure, match="goes"):
        joined.call("goes")


def test_a_removed_tool_ends_its_own_calls_first(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("goes")
    link = joined.join()
    running = [joined.begin("goes", {"text": str(n)}) for n in range(3)]
    gates["goes"].reached(3)
    joined.lab.plugins.unload("goes")
    eventually(lambda: not link.status().tools)
    assert "goes" in joined.server.tools  # its connection waits
    gates["goes"].open()
    results = [call.result(10)["original_plugin_output"] for call in running]
    assert results == ["first: 0", "first: 1", "first: 2"]
    joined.server.wait_for_tool("goes", present=False, timeout=AT_ONCE)
    joined.server.wait_until(lambda server: len(server.nodes) == 1)
    eventually(lambda: link.status().lines == 1)


def test_a_tool_described_anew_arrives_while_others_run(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("other")
    put("tool")
    joined.join()
    running = joined.begin("other", {"text": "a"})
    gates["other"].reached()
    kept = lines(joined.server)["other"]
    put("tool", about="It waits longer.")
    joined.server.wait_until(
        lambda server: describes(server, "tool") == "It waits longer.", timeout=AT_ONCE
    )
    gates["other"].open()
    assert running.result(10)["original_plugin_output"] == "first: a"
    assert lines(joined.server)["other"] == kept


def test_a_tool_described_anew_waits_for_its_own_calls_only(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("other")
    put("tool", "old")
    link = joined.join()
    mine = joined.begin("tool", {"text": "a"})
    others = joined.begin("other", {"text": "b"})
    gates["tool"].reached()
    gates["other"].reached()
    put("tool", "new", about="It waits longer.")
    state = eventually(lambda: {t.name: t for t in link.status().tools}["tool"].state == "draining")
    assert state
    assert {t.name: t.state for t in link.status().tools}["other"] == "registered"
    assert describes(joined.server, "tool") == "It waits."
    # It can be called meanwhile, and runs the new body.
    late = joined.begin("tool", {"text": "c"})
    gates["tool"].reached(2)
    gates["tool"].open()
    assert mine.result(10)["original_plugin_output"] == "old: a"
    assert late.result(10)["original_plugin_output"] == "new: c"
    joined.server.wait_until(
        lambda server: describes(server, "tool") == "It waits longer.", timeout=AT_ONCE
    )
    assert not others.done()
    gates["other"].open()
    assert others.result(10)["original_plugin_output"] == "first: b"
    assert joined.call("tool", text="d") == "new: d"
    status = link.status()
    assert (status.lost, status.errors, status.answered) == (0, 0, 4)
    assert joined.server.counts["rejected"] == 0


# --- More of the same


def test_described_anew_twice_while_its_calls_run(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("tool", "1")
    joined.join()
    running = joined.begin("tool")
    gates["tool"].reached()
    put("tool", "2", about="Second.")
    put("tool", "3", about="Third.")
    gates["tool"].open()
    assert running.result(10)["original_plugin_output"] == "1: "
    joined.server.wait_until(lambda s: describes(s, "tool") == "Third.", timeout=AT_ONCE)
    told = [frame.data["data"]["tools"][0]["description"] for frame in joined.frames()
            if frame.type == "register_tools"]  # fmt: skip
    # Never one of them while the call ran; the second may still be told if it ended in between.
    assert (told[0], told[-1]) == ("It waits.", "Third.")
    assert len(told) <= 3


def test_changed_and_changed_back_while_its_calls_run(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("tool")
    link = joined.join()
    before = lines(joined.server)
    running = joined.begin("tool")
    gates["tool"].reached()
    put("tool", about="For a moment.")
    eventually(lambda: link.status().tools[0].state == "draining")
    put("tool")
    eventually(lambda: link.status().tools[0].state == "registered")
    gates["tool"].open()
    assert running.result(10)["original_plugin_output"] == "first: "
    assert joined.call("tool", text="b") == "first: b"
    assert lines(joined.server) == before


def test_removed_and_back_while_its_calls_run(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("tool", "old")
    joined.join()
    running = joined.begin("tool")
    gates["tool"].reached()
    joined.lab.plugins.unload("tool")
    put("tool", "new", about="Once more.")
    gates["tool"].open()
    assert running.result(10)["original_plugin_output"] == "old: "
    joined.server.wait_until(lambda s: describes(s, "tool") == "Once more.", timeout=AT_ONCE)
    assert joined.call("tool") == "new: "


def test_removed_and_back_at_once(joined: Joined, put: Callable[..., None]) -> None:
    put("tool")
    joined.join()
    for n in range(10):
        joined.lab.plugins.unload("tool")
        put("tool", about=f"Number {n}.")
    joined.server.wait_until(lambda s: describes(s, "tool") == "Number 9.", timeout=5)
    joined.settled()
    assert len(joined.server.nodes) == 2


def test_a_new_signature_is_told(joined: Joined) -> None:
    joined.lab.tool(lambda a=1: a, name="tool")
    joined.join()

    def more(a: int = 1, b: int = 2) -> int:
        return a + b

    joined.lab.tool(more, name="tool")

    def knows_b(server: StandInServer) -> bool:
        return "- b (" in json.dumps(server.tools.get("tool", {}), ensure_ascii=False, default=dict)

    joined.server.wait_until(knows_b, timeout=AT_ONCE)
    assert joined.call("tool", a="3", b="4") == 7


def test_a_new_limit_is_told(joined: Joined, put: Callable[..., None]) -> None:
    put("tool")
    joined.join()
    put("tool", timeout=7)
    joined.server.wait_until(
        lambda s: "tool" in s.tools and s.tools["tool"]["communication"]["timeout"] == 7000,
        timeout=AT_ONCE,
    )


def test_a_tool_is_renamed(
    joined: Joined, put: Callable[..., None], gates: dict[str, Gate]
) -> None:
    put("old_name")
    joined.join(prefix="lab_")
    running = joined.begin("lab_old_name")
    gates["old_name"].reached()
    joined.lab.plugins.unload("old_name")
    put("new_name")
    joined.server.wait_for_tool("lab_new_name", timeout=AT_ONCE)
    gates["old_name"].open()
    gates["new_name"].open()
    assert running.result(10)["original_plugin_output"] == "first: "
    joined.server.wait_for_tool("lab_old_name", present=False, timeout=AT_ONCE)
    assert joined.call("lab_new_name") == "first: "


def test_switches(joined: Joined, put: Callable[..., None], gates: dict[str, Gate]) -> None:
    put("tool")
    put("hidden", expose=False)
    link = joined.join()
    running = joined.begin("tool")
    gates["tool"].reached()
    link.expose("tool", False)
    link.expose("hidden", True)
    joined.server.wait_for_tool("hidden", timeout=AT_ONCE)
    gates["tool"].open()
    assert running.result(10)["original_plugin_output"] == "first: "
    joined.server.wait_for_tool("tool", present=False, timeout=AT_ONCE)
    link.expose("tool", None)
    link.expose("hidden", None)
    joined.server.wait_for_tool("tool", timeout=AT_ONCE)
    joined.server.wait_for_tool("hidden", present=False, timeout=AT_ONCE)
    assert joined.call("tool") == "first: "


def test_kept_back_from_now_on(joined: Joined, put: Callable[..., None]) -> None:
    put("tool")
    joined.join()
    put("tool", expose=False)
    joined.server.wait_for_tool("tool", present=False, timeout=AT_ONCE)
    put("tool", expose=True)
    joined.server.wait_for_tool("tool", timeout=AT_ONCE)


def test_a_cell_of_ten_tools_is_one_change(joined: Joined, put: Callable[..., None]) -> None:
    joined.join()
    for n in range(10):
        put(f"tool_{n}")
    joined.server.wait_until(lambda server: len(server.tools) == 10, timeout=AT_ONCE)
    joined.settled()
    assert joined.server.counts["registered"] == 10
    assert joined.server.counts["skipped"] == 0


def test_a_tool_that_never_rests_is_told_all_the_same(
    joined: Joined,
    put: Callable[..., None],
    gates: dict[str, Gate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "_DRAIN", 0.0)
    put("tool")
    put("other")
    joined.join()
    running = joined.begin("tool")
    gates["tool"].reached()
    put("tool", about="It waits longer.")

    def refused() -> bool:
        try:
            joined.begin("tool", {}, timeout=0.05).result(10)
        except ToolFailure as error:
            return "being replaced" in str(error)
        return False

    eventually(refused)
    gates["other"].open()
    assert joined.call("other") == "first: "  # others are as they were
    gates["tool"].open()
    assert running.result(10)["original_plugin_output"] == "first: "
    joined.server.wait_until(lambda s: describes(s, "tool") == "It waits longer.", timeout=AT_ONCE)


def test_tools_that_others_hold_come_when_they_are_free(
    tmp_path: Path, joined: Joined, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server skips names that are taken, without a word (facts/vcp-protocol §4.2).
    monkeypatch.setattr(line, "_ALWAYS", 0.2)
    with vl.Lab(tmp_path / "other") as other:
        other.tool(lambda: "other", name="tool")
        Joined(other, joined.server).join(name="other")
        put("tool", "mine")
        joined.join(name="mine")
        assert joined.server.counts["skipped"] >= 1
        assert joined.call("tool") == "other"
        other.node.disconnect()
        joined.server.wait_for_tool("tool", timeout=5)
        assert lines(joined.server).keys() == {"", "tool"}


# --- More tools than lines


def test_forty_tools(joined: Joined, put: Callable[..., None], gates: dict[str, Gate]) -> None:
    names = [f"tool_{n:02}" for n in range(40)]
    for name in names:
        put(name)
    link = joined.join()
    server = joined.server
    eventually(lambda: set(server.tools) == set(names))
    assert link.status().lines == len(server.nodes) == 34  # its own, 32 of one tool, one shared
    (shared,) = (node for node in server.nodes if len(node.tools) > 1)
    assert len(shared.tools) == 8
    assert shared.server_name == "lab"
    assert len(shared.tools) + sum(len(node.tools) == 1 for node in server.nodes) == 40

    running = {name: joined.begin(name, {"text": name}) for name in names}
    for name in names:
        gates[name].reached()
    alone = next(name for name in names if name not in shared.tools)
    one, two, *rest = shared.tools

    # What is alone goes as soon as its own call ended; what shares, as soon as those beside it did.
    put(one, about="Described anew.")
    joined.lab.plugins.unload(alone)
    gates[alone].open()
    assert running.pop(alone).result(10)["original_plugin_output"] == f"first: {alone}"
    server.wait_for_tool(alone, present=False, timeout=AT_ONCE)
    gates[one].open()
    assert running.pop(one).result(10)["original_plugin_output"] == f"first: {one}"
    assert describes(server, one) == "It waits."
    for name in (two, *rest):
        gates[name].open()
        assert running.pop(name).result(10)["original_plugin_output"] == f"first: {name}"
    server.wait_until(lambda s: describes(s, one) == "Described anew.", timeout=AT_ONCE)
    assert len(running) == 31
    assert not any(call.done() for call in running.values())

    # The line that became free is the next new tool's.
    put("newcomer")
    server.wait_for_tool("newcomer", timeout=AT_ONCE)
    eventually(lambda: "newcomer" in lines(server))
    for name, call in running.items():
        gates[name].open()
        assert call.result(10)["original_plugin_output"] == f"first: {name}"
    joined.settled()
    status = link.status()
    assert (status.lost, status.errors, status.answered) == (0, 0, 40)
    assert server.counts["rejected"] == 0


# --- Where tools can be unregistered


@pytest.mark.parametrize("dialect", ["intellicore", "cherry"])
def test_unregistering_disturbs_nobody(
    dialect: str,
    joined: Joined,
    make_server: Callable[..., StandInServer],
    put: Callable[..., None],
    gates: dict[str, Gate],
) -> None:
    put("tool", "old")
    put("goes")
    joined = Joined(joined.lab, make_server(dialect=dialect))
    link = joined.join(dialect=dialect)
    running = [joined.begin("tool", {"text": "a"}), joined.begin("goes", {"text": "b"})]
    gates["tool"].reached()
    gates["goes"].reached()
    before = [node.server_id for node in joined.server.nodes]
    put("tool", "new", about="Described anew.")
    joined.lab.plugins.unload("goes")
    put("comes")
    joined.server.wait_until(
        lambda s: set(s.tools) == {"tool", "comes"} and describes(s, "tool") == "Described anew.",
        timeout=AT_ONCE,
    )
    for name in ("tool", "goes", "comes"):
        gates[name].open()
    results = [call.result(10)["original_plugin_output"] for call in running]
    assert results == ["old: a", "first: b"]
    assert joined.call("tool") == "new: "
    assert [node.server_id for node in joined.server.nodes] == before
    assert link.status().lines == 1


# --- Folder plugins

PLUGIN = """
import json, pathlib, sys, time
given = json.load(sys.stdin)
while not pathlib.Path(given["until"]).exists():
    time.sleep(0.005)
print(json.dumps({"status": "success", "result": "SAID"}))
"""


def test_a_folder_plugin_is_switched_and_loaded_anew(joined: Joined, tmp_path: Path) -> None:
    folder = put_plugin(tmp_path / "plugins", "Folder", PLUGIN.replace("SAID", "old"))
    lab, server = joined.lab, joined.server
    lab.plugins.add(tmp_path / "plugins", trust=True)
    joined.join("Fold*")
    now, later = tmp_path / "now", tmp_path / "later"
    now.touch()
    assert joined.call("Folder", until=str(now)) == "old"
    before = lines(server)

    # Another body alone is nothing that a server has to know.
    running = joined.begin("Folder", {"until": str(later)})
    eventually(lambda: lab.node.links[0].status().running == 1)
    put_plugin(tmp_path / "plugins", "Folder", PLUGIN.replace("SAID", "new"))
    lab.plugins.reload("Folder", trust=True)
    assert joined.call("Folder", until=str(now)) == "new"
    assert lines(server) == before

    # Another description is, once its call has ended.
    put_plugin(tmp_path / "plugins", "Folder", PLUGIN, description="Described anew.")
    lab.plugins.reload("Folder", trust=True)
    later.touch()
    assert running.result(20)["original_plugin_output"] == "old"
    server.wait_until(lambda s: describes(s, "Folder") == "Described anew.", timeout=5)

    lab.plugins.disable("Folder")
    server.wait_for_tool("Folder", present=False, timeout=AT_ONCE)
    lab.plugins.enable("Folder")
    server.wait_for_tool("Folder", timeout=5)
    assert joined.call("Folder", until=str(now)) == "SAID"

    lab.plugins.unload("Folder")
    server.wait_for_tool("Folder", present=False, timeout=AT_ONCE)
    assert folder.is_dir()


def test_folder_plugins_that_come_later(joined: Joined, tmp_path: Path) -> None:
    joined.join("Weather*")
    for name in ("WeatherNow", "Diary"):
        put_plugin(tmp_path / "plugins", name, PLUGIN)
    joined.lab.plugins.add(tmp_path / "plugins")  # not trusted
    assert joined.server.tools == {}
    joined.lab.plugins.trust("Diary")
    joined.lab.plugins.trust("WeatherNow")
    joined.server.wait_for_tool("WeatherNow", timeout=5)
    assert set(joined.server.tools) == {"WeatherNow"}
    joined.lab.plugins.distrust("WeatherNow")
    joined.server.wait_for_tool("WeatherNow", present=False, timeout=AT_ONCE)
