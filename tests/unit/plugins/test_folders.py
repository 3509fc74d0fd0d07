"""Folders of every dialect, loaded and called."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.core.errors import VCPErrorCode
from vcplab.plugins.events import InternalPluginExecute

node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is missing")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[vl.Lab]:
    with vl.Lab(tmp_path / "lab") as lab:
        yield lab


def _folder(
    tmp_path: Path, manifest: dict[str, Any], files: dict[str, str], name: str = "X"
) -> Path:
    folder = tmp_path / "plugins" / name
    folder.mkdir(parents=True)
    file = "manifest.json" if "params" in manifest or "mine" in manifest else "plugin-manifest.json"
    (folder / file).write_text(json.dumps(manifest), "utf-8")
    for path, text in files.items():
        (folder / path).write_text(text, "utf-8")
    return folder


CHERRY = {
    "name": "my_plugin",
    "pluginType": "synchronous",
    "params": [{"name": "input", "type": "string", "required": True}],
}


@node
def test_cherry_in_javascript(lab: vl.Lab, tmp_path: Path) -> None:
    script = """
    module.exports = { execute: async (params) => {
      if (params.input === 'no') return { success: false, error: 'refused' };
      return { success: true, output: `处理结果: ${params.input}` };
    } };
    """
    entry = {"type": "script", "script": "index.js"}
    lab.plugins.add(
        _folder(tmp_path, {**CHERRY, "entryPoint": entry}, {"index.js": script}), trust=True
    )
    assert lab.tools.my_plugin(input="a") == "处理结果: a"
    with pytest.raises(vl.ToolFailure, match="refused"):
        lab.tools.my_plugin(input="no")
    with pytest.raises(vl.VCPError, match="'input' is missing"):
        lab.tools.my_plugin()


def test_cherry_in_python(lab: vl.Lab, tmp_path: Path) -> None:
    script = "def execute(params):\n    return {'success': True, 'output': params['input'] * 2}\n"
    entry = {"type": "script", "script": "main.py"}
    lab.plugins.add(
        _folder(tmp_path, {**CHERRY, "entryPoint": entry}, {"main.py": script}), trust=True
    )
    assert lab.tools.my_plugin(input="ab") == "abab"


def test_cherry_external_command(lab: vl.Lab, tmp_path: Path) -> None:
    manifest = {"name": "ext", "version": "1", "type": "synchronous", "command": "python m.py",
                "mine": True}  # fmt: skip
    lab.plugins.add(
        _folder(tmp_path, manifest, {"m.py": "print('noise')\nprint('{\"status\": \"success\", "
                                             "\"result\": 3}')\n"}),
        trust=True,
    )  # fmt: skip
    assert lab.tools.ext() == 3


def test_cherry_static_module(lab: vl.Lab, tmp_path: Path) -> None:
    manifest = {
        "name": "Sky",
        "pluginType": "static",
        "params": [],
        "entryPoint": {"type": "script", "script": "i.py"},
    }
    script = "def execute(params):\n    return {'success': True, 'output': 'sunny'}\n"
    lab.plugins.add(_folder(tmp_path, manifest, {"i.py": script}), trust=True)
    _until(lambda: lab.variables.resolve_all("{{VCPSky}}") == "sunny")


SEED_000 = {"name": "Many", "version": "1.0.0", "type": "tool", "description": "d"}


def test_seed_000_says_its_tools(lab: vl.Lab, tmp_path: Path) -> None:
    script = """
def initialize(config):
    print("starting", config["DebugMode"])
def get_tools():
    return [{"name": "add", "description": "Adds.", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"]}}, {"name": "echo"}]
def execute_tool(name, params):
    return params["a"] + params["b"] if name == "add" else params
def cleanup():
    pass
"""
    lab.plugins.add(
        _folder(tmp_path, {**SEED_000, "main": "plugin.py"}, {"plugin.py": script}), trust=True
    )
    assert [c.identifier for c in lab.plugins.commands("Many")] == ["add", "echo"]
    assert lab.tools.Many(command="add", a="1", b=2) == 3
    assert lab.tools.call("Many", {"command": "echo", "x": "y"})["x"] == "y"
    with pytest.raises(vl.VCPError, match="'b' is missing"):
        lab.tools.Many(command="add", a="1")


@node
def test_hybrid_services_answer_calls(lab: vl.Lab, tmp_path: Path) -> None:
    manifest = {
        "name": "Hybrid",
        "pluginType": "hybridservice",
        "entryPoint": {"script": "h.js"},
        "communication": {"protocol": "direct"},
    }
    script = """
    class H { async initialize(config) { this.ready = 'DebugMode' in config; }
      async processToolCall(args) { return { ready: this.ready, args }; } shutdown() {} }
    module.exports = new H();
    """
    lab.plugins.add(_folder(tmp_path, manifest, {"h.js": script}), trust=True)
    assert lab.tools.Hybrid(text="x") == {"ready": True, "args": {"text": "x"}}


@pytest.mark.parametrize(
    "manifest",
    [
        {"name": "S", "pluginType": "service", "entryPoint": {"command": "python a.py"}},
        {
            "name": "P",
            "pluginType": "messagePreprocessor",
            "entryPoint": {"command": "python a.py"},
        },
        {"id": "I", "type": "preprocessor"},
        {"id": "D", "type": "distributed"},
        {"id": "V", "type": "service"},
    ],
)
def test_what_nothing_can_run_says_so(
    lab: vl.Lab, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    (row,) = lab.plugins.add(_folder(tmp_path, manifest, {"a.py": "1"}), trust=True)
    assert row.state == "unsupported"
    assert "nothing here can run" in (row.problem or "")
    assert lab.plugins.preprocess(["m"]) == ["m"]


def test_an_internal_plugin_of_a_folder(lab: vl.Lab, tmp_path: Path) -> None:
    lab.plugins.add(_folder(tmp_path, {"id": "Ask", "type": "internal"}, {}), trust=True)
    lab.plugins.events.subscribe(InternalPluginExecute, lambda event: event.respond("yes"))
    assert lab.tools.Ask() == "yes"


def test_a_program_that_is_missing(lab: vl.Lab, tmp_path: Path) -> None:
    manifest = {
        "name": "Gone",
        "pluginType": "synchronous",
        "entryPoint": {"command": "no-such-program-here x"},
    }
    lab.plugins.add(_folder(tmp_path, manifest, {}), trust=True)
    with pytest.raises(vl.ToolFailure, match='Failed to start plugin "Gone"') as caught:
        lab.tools.Gone()
    assert "no-such-program-here" in str(caught.value)
    assert caught.value.code == VCPErrorCode.TOOL_EXECUTION_FAILED


def test_a_shells_command_line(lab: vl.Lab, tmp_path: Path) -> None:
    manifest = {
        "name": "Shell",
        "pluginType": "synchronous",
        "entryPoint": {"command": 'cat > /dev/null; echo "{\\"status\\": \\"success\\"}"'},
    }
    lab.plugins.add(_folder(tmp_path, manifest, {}), trust=True)
    assert lab.tools.Shell() == {}


def test_a_toolbox_folder_read_leniently(lab: vl.Lab, tmp_path: Path) -> None:
    manifest = {
        "name": "Loose",
        "pluginType": "synchronous",
        "entryPoint": {"command": "python a.py"},
    }
    folder = _folder(
        tmp_path, manifest, {"a.py": "import sys\nprint('plain', len(sys.stdin.read()))"}
    )
    lab.plugins.add(folder, trust=True)
    with pytest.raises(vl.ToolFailure, match="valid initial JSON"):
        lab.tools.Loose()
    lab.plugins.unload("Loose")
    lab.plugins.add(folder, lenient=True)
    assert lab.tools.Loose() == "plain 2"


def test_a_link_that_leads_out_counts_by_its_content(lab: vl.Lab, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text('print(\'{"status": "success", "result": 1}\')')
    manifest = {
        "name": "Linked",
        "pluginType": "synchronous",
        "entryPoint": {"command": "python main.py"},
    }
    folder = _folder(tmp_path, manifest, {})
    (folder / "main.py").symlink_to(os.path.relpath(outside, folder))
    lab.plugins.add(folder, trust=True)
    outside.write_text('print(\'{"status": "success", "result": 2}\')')
    assert lab.tools.Linked() == 1  # the trusted copy
    with pytest.raises(vl.VCPError, match="changed"):
        lab.plugins.reload("Linked")


def test_a_static_plugin_that_fails_says_so(lab: vl.Lab, tmp_path: Path) -> None:
    manifest = {
        "name": "Ill",
        "pluginType": "static",
        "entryPoint": {"command": "python a.py"},
        "capabilities": {"systemPromptPlaceholders": [{"placeholder": "{{VCPIll}}"}]},
    }
    lab.plugins.add(_folder(tmp_path, manifest, {"a.py": "raise SystemExit(4)"}), trust=True)
    _until(lambda: "code 4" in (lab.plugins.row("Ill").problem or ""))
    assert lab.variables.resolve_all("{{VCPIll}}").startswith("[Error updating Ill: ")


def test_a_bad_cron_is_told(lab: vl.Lab, tmp_path: Path) -> None:
    manifest = {
        "name": "Late",
        "pluginType": "static",
        "refreshIntervalCron": "every day",
        "entryPoint": {"command": "python a.py"},
    }
    (row,) = lab.plugins.add(_folder(tmp_path, manifest, {"a.py": "1"}), trust=True)
    assert row.state == "broken"
    assert "cron" in (row.problem or "")


def _until(done: Callable[[], bool], seconds: float = 20) -> None:
    import time

    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
