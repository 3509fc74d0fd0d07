"""Calls recorded, replayed as tests, and compared between versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidDataError, StateError
from vcplab.plugins.failures import PluginUnavailableError

MakePlugin = Callable[..., Path]
DOUBLE = """
import json, sys
args = json.loads(sys.stdin.read() or "{}")
if args.get("n") == "bad":
    print(json.dumps({"status": "error", "error": "no number"}))
else:
    result = {"n": int(args["n"]) * 2, "timestamp": id(args)}
    print(json.dumps({"status": "success", "result": result}))
"""


def test_record_save_replay(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin("Double", DOUBLE)
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True, watch=False)

        @lab.tool
        def half(n: float) -> float:
            return n / 2

        with lab.tools.record() as recording:
            lab.tools.Double(n="3")
            with pytest.raises(vl.ToolFailure):
                lab.tools.Double(n="bad")
            lab.tools.half(n="5")
            with pytest.raises(vl.VCPError):
                lab.tools.half(n="x")
        lab.tools.half(n="7")  # not recorded any more
        assert [call.tool for call in recording.calls] == ["Double", "Double", "half", "half"]
        path = recording.save(tmp_path / "calls.jsonl")
        outputs = lab.tools.replay(path)
        assert outputs.same, outputs.rows
        outputs.check()
        assert not lab.tools.replay(path, ignore=()).same  # the timestamp differs

        (folder / "main.py").write_text(DOUBLE.replace("* 2", "* 3"))
        lab.plugins.reload("Double", trust=True)
        outputs = lab.tools.replay(path)
        assert [row.same for row in outputs.rows] == [False, True, True, True]
        assert '-   "n": 6' in outputs.rows[0].diff
        assert '+   "n": 9' in outputs.rows[0].diff
        with pytest.raises(StateError, match="1 of 4 calls gave another output"):
            outputs.check()
        assert list(outputs.to_frame()["same"]) == [False, True, True, True]
        assert "different" in outputs._repr_html_()


def test_two_versions(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin("Double", DOUBLE)
    other = make_plugin("Double", DOUBLE.replace("* 2", "+ 2"), root="next")
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        outputs = lab.tools.diff("Double", other, [{"n": "2"}, {"n": "3"}, {"n": "bad"}])
        assert [row.same for row in outputs.rows] == [True, False, True]
        with lab.tools.record() as recording:
            lab.tools.Double(n="2")
        assert lab.tools.diff("Double", other, recording).same
        broken = make_plugin("Double", "def (", root="broken")
        with pytest.raises(PluginUnavailableError, match="broken"):
            lab.tools.diff("Double", broken, [])


def test_no_recording(tmp_path: Path) -> None:
    for text in ("", "{}", '{"vcplab": "plugin calls", "version": 99}', "x"):
        (tmp_path / "x.jsonl").write_text(text)
        with vl.Lab(tmp_path / "lab") as lab, pytest.raises(InvalidDataError):
            lab.tools.replay(tmp_path / "x.jsonl")
