"""What must hold when things happen at once, go wrong, or are kept from view."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, StateError
from vcplab.plugins import loading
from vcplab.plugins.failures import PluginUnavailableError

MakePlugin = Callable[..., Path]
SAYS = 'print(\'{{"status": "success", "result": "{}"}}\')\n'


def _until(done: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def _request(tool: str) -> str:
    return f"<<<[TOOL_REQUEST]>>>tool_name:「始」{tool}「末」<<<[END_TOOL_REQUEST]>>>"


# -- secrets ---------------------------------------------------------------------------------------

LEAKY = """
import json, os, sys
print("key", os.environ["MY_API_KEY"], "pin", os.environ["SITE"], file=sys.stderr)
raise RuntimeError("cannot use " + os.environ["MY_API_KEY"])
"""
LEAKY_LATER = """
import os
raise RuntimeError("cannot post to " + os.environ["CALLBACK_BASE_URL"])
"""


def test_secrets_stay_out_of_trace_logs_errors_and_state(
    tmp_path: Path, make_plugin: MakePlugin
) -> None:
    schema = {"MY_API_KEY": "string", "SITE": {"type": "string", "secret": True}}
    folder = make_plugin("Leaky", LEAKY, configSchema=schema)
    (folder / "config.env").write_text("MY_API_KEY=plainvalue42xyz\nSITE=opensesame\n")
    make_plugin("Later", LEAKY_LATER, pluginType="asynchronous")
    texts = []
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(tmp_path / "plugins", trust=True)
        for name in ("Leaky", "Later"):
            with pytest.raises(vl.ToolFailure) as caught:
                lab.tools.call(name, {"x": 1})
            texts += [str(caught.value), json.dumps(caught.value.details)]
            texts += [lab.tools.execute(name, {"x": 1}).text, "\n".join(lab.plugins.logs(name))]
            lab.plugins.submit(name, {"x": 2}).wait(20)
        texts += [repr(lab.plugins.config("Leaky")), str(lab.plugins.invoke("vcp:plugin:list"))]
        token = next(iter(lab.plugins.callbacks._tokens.values()))
        assert "•••" in texts[0]
    for path in (tmp_path / "lab" / ".vcplab").glob("*.sqlite3*"):
        texts.append(path.read_bytes().decode("latin-1"))
    for text in texts:
        for secret in ("plainvalue42xyz", "opensesame", token):
            assert secret not in text


# -- values ----------------------------------------------------------------------------------------


def test_an_odd_value_or_exit_harms_no_other_call(tmp_path: Path) -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError("no")

        def to_dict(self, needed: int) -> None: ...

    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    values: dict[str, Any] = {
        "nan": {"loss": float("nan")},
        "frame": pd.DataFrame({"a": [1.0, None]}),
        "array": np.arange(3),
        "circle": circle,
        "deep": deep,
        "rude": Rude(),
    }
    with vl.Lab(tmp_path / "lab") as lab:

        @lab.tool
        def give(what: str) -> Any:
            return values[what]

        @lab.tool
        def leave() -> None:
            sys.exit(3)

        @lab.tool
        def okay() -> str:
            return "ok"

        def ask(what: str) -> str:
            return (
                f"<<<[TOOL_REQUEST]>>>tool_name:「始」give「末」,what:「始」{what}「末」"
                "<<<[END_TOOL_REQUEST]>>>"
            )

        answer = "".join(map(ask, values)) + _request("leave") + _request("okay")
        handled = lab.tools.handle(answer)
        assert [r.success for r in handled.results] == [True] * 6 + [False, True]
        assert "SystemExit" in handled.results[6].text
        by_name = dict(zip(values, handled.results, strict=False))
        assert by_name["nan"].value["loss"] is None
        assert by_name["frame"].value["original_plugin_output"] == [{"a": 1.0}, {"a": None}]
        assert by_name["array"].value["original_plugin_output"] == [0, 1, 2]
        assert handled.text
        for name in ("leave", "okay"):
            assert lab.plugins.submit(name).wait(10) is not None
        with pytest.raises(vl.ToolFailure, match="SystemExit"):
            lab.tools.leave()


def test_arguments_reach_a_process_as_json(tmp_path: Path, make_plugin: MakePlugin) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(make_plugin("Echo"), trust=True)
        given = {
            "x": np.arange(2000),
            "n": np.int64(3),
            "f": pd.DataFrame({"a": [1]}),
            "nan": float("nan"),
            "s": {1},
        }
        got = lab.tools.call("Echo", given)
        assert got == {"x": list(range(2000)), "n": 3, "f": [{"a": 1}], "nan": None, "s": [1]}


# -- versions --------------------------------------------------------------------------------------


def _refused(act: Callable[[str], object]) -> None:
    with pytest.raises(vl.VCPError):
        act("Echo")


def test_distrust_and_unload_during_a_load_win(
    tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    check = loading.check_scripts

    async def slow_check(*args: Any) -> None:
        begun.set()
        while not go.is_set():
            await __import__("asyncio").sleep(0.01)
        await check(*args)

    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(make_plugin("Echo"), trust=True)
        for act in (lab.plugins.distrust, lab.plugins.unload):
            monkeypatch.setattr(loading, "check_scripts", slow_check)
            begun.clear()
            go.clear()
            reload = threading.Thread(target=_refused, args=(lab.plugins.reload,))
            reload.start()
            begun.wait(10)
            acting = threading.Thread(target=act, args=("Echo",))
            acting.start()
            time.sleep(0.1)
            go.set()
            reload.join(20)
            acting.join(20)
            monkeypatch.setattr(loading, "check_scripts", check)
            with pytest.raises(vl.VCPError):
                lab.tools.call("Echo", {})
            if act == lab.plugins.distrust:
                assert lab.plugins.row("Echo").state == "untrusted"
                lab.plugins.trust("Echo")
        assert lab.plugins.rows() == []


def test_adding_again_after_an_edit_loads_it(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin("Echo", SAYS.format("one"))
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        make_plugin("Echo", SAYS.format("two"), description="second")
        (row,) = lab.plugins.add(folder)  # without trust: what ran before goes on, whole
        assert (row.state, row.description) == ("ready", "Echo does it.")
        assert "changed since" in (row.problem or "")
        assert lab.tools.Echo() == "one"
        (row,) = lab.plugins.add(folder, trust=True)
        assert (row.state, row.description, row.problem) == ("ready", "second", None)
        assert lab.tools.Echo() == "two"
        (folder / "plugin-manifest.json").write_text("{broken")
        (row,) = lab.plugins.add(folder, trust=True)
        assert row.state == "ready"
        assert "cannot be read" in (row.problem or "")
        assert lab.tools.Echo() == "two"


COUNTS = """
import json, pathlib
path = pathlib.Path("count.txt")
count = int(path.read_text()) + 1 if path.exists() else 1
path.write_text(str(count))
print(json.dumps({"status": "success", "result": count}))
"""


def test_what_a_plugin_wrote_outlives_a_broken_save(
    tmp_path: Path, make_plugin: MakePlugin
) -> None:
    folder = make_plugin("Counts", COUNTS)
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        assert lab.tools.Counts() == 1
        (folder / "main.py").write_text("def (")
        with pytest.raises(vl.VCPError):
            lab.plugins.reload("Counts", trust=True)
        assert lab.tools.Counts() == 2
        (folder / "main.py").write_text(COUNTS)
        copies = [p for p in (tmp_path / "lab/.vcplab/plugins").iterdir() if "Counts" in p.name]
        assert len(copies) == 1  # the broken one is gone
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.trust("Counts")
        assert lab.tools.Counts() == 3
    assert os.stat(tmp_path / "lab/.vcplab/plugins").st_mode & 0o077 == 0


def test_back_to_an_earlier_content_while_a_call_of_it_drains(
    tmp_path: Path, make_plugin: MakePlugin
) -> None:
    slow = "import time\ntime.sleep(1.5)\n" + SAYS.format("A")
    folder = make_plugin("Echo", slow)
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        assert lab.tools.Echo() == "A"
        running = lab.plugins.submit("Echo")
        _until(lambda: lab.plugins.catalogue.get("Echo").version.active)
        (folder / "main.py").write_text(SAYS.format("B"))
        lab.plugins.reload("Echo", trust=True)
        assert lab.tools.Echo() == "B"
        (folder / "main.py").write_text(slow)
        lab.plugins.reload("Echo", trust=True)
        assert running.wait(20).success
        assert lab.tools.Echo() == "A"


def test_cancelling_does_not_withdraw_a_new_version(
    tmp_path: Path, make_plugin: MakePlugin
) -> None:
    fields = {"pluginType": "asynchronous"}
    folder = make_plugin("Later", SAYS.format("old"), **fields)
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        lab.tools.Later()
        mark = tmp_path / "began"
        (folder / "main.py").write_text(
            f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(60)\n"
        )
        lab.plugins.reload("Later", trust=True)
        task = lab.plugins.submit("Later")
        _until(mark.exists)
        assert task.cancel()
        time.sleep(0.3)
        assert lab.plugins.row("Later").problem is None


# -- names, nodes and what runs by itself ----------------------------------------------------------

TICKS = "import pathlib, time\npathlib.Path(r'{}').write_text(str(time.time()))\nprint('{}')\n"


def test_only_who_holds_a_name_runs_by_itself(tmp_path: Path, make_plugin: MakePlugin) -> None:
    fields = {
        "pluginType": "static",
        "refreshIntervalCron": "* * * * * *",
        "capabilities": {"systemPromptPlaceholders": [{"placeholder": "{{VCPNow}}"}]},
    }
    first = make_plugin("Now", TICKS.format(tmp_path / "1", "FIRST"), **fields)
    second = make_plugin("Now", TICKS.format(tmp_path / "2", "SECOND"), root="others", **fields)
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(first, trust=True)
        lab.plugins.add(second, trust=True)
        _until((tmp_path / "1").exists)
        time.sleep(1.2)
        assert not (tmp_path / "2").exists()
        assert lab.variables.resolve_all("{{VCPNow}}") == "FIRST"
        lab.plugins.unload("Now")  # then the second holds the name
        _until(lambda: lab.variables.resolve_all("{{VCPNow}}") == "SECOND")
        lab.plugins.disable("Now")
        assert lab.variables.resolve_all("{{VCPNow}}") == "{{VCPNow}}"


def test_a_switched_off_preprocessor_changes_nothing(tmp_path: Path) -> None:
    manifest = {"id": "P", "name": "P", "type": "preprocessor", "version": "1"}
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.register(manifest, processor=lambda messages: [*messages, "x"])
        assert lab.plugins.preprocess([]) == ["x"]
        lab.plugins.disable("P")
        assert lab.plugins.preprocess([]) == []
        lab.plugins.enable("P")
        assert lab.plugins.preprocess([]) == ["x"]


def test_a_node_cannot_take_the_place_of_functions(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        lab.tool(lambda: "mine", name="k")
        tools = [{"name": "k", "pluginType": "synchronous"}]
        assert lab.plugins.register_distributed_tools("kernel", tools) == []
        assert lab.plugins.unregister_all_distributed_tools("kernel") == []
        assert lab.tools.k() == "mine"


# -- watching --------------------------------------------------------------------------------------


def test_watching_two_roots_and_unloading_in_one(tmp_path: Path, make_plugin: MakePlugin) -> None:
    one = make_plugin("One", SAYS.format("1"), root="first")
    two = make_plugin("Two", SAYS.format("1"), root="second")
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(one.parent, trust=True, watch=True)
        lab.plugins.add(two.parent, trust=True, watch=True)
        for folder, name in ((one, "One"), (two, "Two")):
            (folder / "main.py").write_text(SAYS.format("2"))
            _until(lambda name=name: lab.tools.call(name) == "2")
        lab.plugins.unload("One")
        (one / "main.py").write_text(SAYS.format("3"))
        (two / "main.py").write_text(SAYS.format("3"))
        _until(lambda: lab.tools.Two() == "3")
        assert [row.name for row in lab.plugins.rows()] == ["Two"]


def test_an_edit_of_a_folder_that_is_not_watched_itself(
    tmp_path: Path, make_plugin: MakePlugin
) -> None:
    folder = make_plugin("Echo", SAYS.format("good"))
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder.parent, trust=True, watch=True)
        lab.plugins.add(folder, trust=True, watch=False)
        lab.plugins.disable("Echo")
        (folder / "main.py").write_text(SAYS.format("evil"))
        time.sleep(1)
        lab.plugins.enable("Echo")
        with pytest.raises(PluginUnavailableError):
            lab.tools.Echo()


# -- labs ------------------------------------------------------------------------------------------


def test_a_closed_lab_says_so(tmp_path: Path, make_plugin: MakePlugin) -> None:
    lab = vl.Lab(tmp_path / "lab")
    lab.plugins.add(make_plugin("Echo"), trust=True)
    lab.close()
    with pytest.raises(StateError, match="its lab was closed"):
        lab.tools.Echo()


def test_a_second_process_has_the_same_plugins(tmp_path: Path, make_plugin: MakePlugin) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(make_plugin("Echo"), trust=True)
        code = (
            "import sys, vcplab as vl\n"
            "with vl.Lab(sys.argv[1]) as lab:\n"
            "    assert lab.read_only\n"
            "    print(lab.tools.Echo.acall, lab.tools.call('Echo', {'a': 1}))\n"
            "    lab.plugins.distrust('Echo')\n"
            "    print(lab.plugins.row('Echo').state)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "lab")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "{'a': 1}" in done.stdout
        assert done.stdout.splitlines()[-1] == "untrusted"
        assert lab.tools.Echo(a=2) == {"a": 2}


def test_an_unknown_dialect_is_refused_before_anything_runs(tmp_path: Path) -> None:
    ran: list[int] = []
    with vl.Lab(tmp_path / "lab") as lab:
        lab.tool(lambda: ran.append(1), name="run")
        with pytest.raises(InvalidInputError, match="dialect"):
            lab.tools.handle(_request("run"), dialect="klingon")  # type: ignore[arg-type]
        assert ran == []
        forbidding = [{"role": "system", "content": "[[VCPToolUse=Forbidden]]"}]
        assert lab.tools.handle(_request("run"), messages=forbidding).marked == ()
        handled = lab.tools.handle("<<<[TOOL_REQUEST]>>>tool_name: run")
        assert handled.notes
        assert "passed over" in repr(handled)


def test_a_tool_of_several_commands_asks_which(tmp_path: Path) -> None:
    manifest = {"name": "Many", "version": "1", "type": "tool", "main": "m.py"}
    folder = tmp_path / "Many"
    folder.mkdir()
    (folder / "plugin-manifest.json").write_text(json.dumps(manifest))
    (folder / "m.py").write_text(
        "def getTools():\n    return [{'name': 'a'}, {'name': 'b'}]\n"
        "def executeTool(name, args):\n    return name\n"
    )
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        assert lab.tools.Many(command="b") == "b"
        for arguments in ({}, {"command": "c"}):
            with pytest.raises(InvalidInputError, match="a, b"):
                lab.tools.call("Many", arguments)


def test_a_fixed_static_value_of_cherry(tmp_path: Path) -> None:
    manifest = {
        "name": "CS1",
        "type": "static",
        "defaultValue": "v",
        "placeholders": [{"placeholder": "{{CV1}}"}],
    }
    folder = tmp_path / "CS1"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with vl.Lab(tmp_path / "lab") as lab:
        (row,) = lab.plugins.add(folder, trust=True)
        assert (row.state, row.dialect) == ("ready", "cherry")
        assert lab.variables.resolve_all("{{CV1}}") == "v"
