"""The lab's faces of its plugins: tools as functions, placeholders, export, pushes."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, NotFoundError

MANIFEST: dict[str, Any] = {
    "name": "Paint",
    "displayName": "画图",
    "pluginType": "asynchronous",
    "entryPoint": {"command": "python paint.py"},
    "communication": {"timeout": 30000},
    "webSocketPush": {"enabled": True, "messageType": "painted", "targetClientType": "VCPLog"},
    "capabilities": {
        "invocationCommands": [
            {
                "command": "draw",
                "description": "Draws <b>.",
                "parameters": {
                    "type": "object",
                    "properties": {"size": {"type": "integer", "default": 3}, "what": {}},
                    "required": ["what"],
                },
            }
        ]
    },
}
SCRIPT = """
import json, os, sys, time
args = json.loads(sys.stdin.read())
text = "{{VCP_ASYNC_RESULT::Paint::t1}} " + os.environ["CALLBACK_BASE_URL"]
print(json.dumps({"status": "success", "result": text}), flush=True)
time.sleep(20)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[vl.Lab]:
    folder = tmp_path / "Paint"
    folder.mkdir()
    (folder / "plugin-manifest.json").write_text(json.dumps(MANIFEST))
    (folder / "paint.py").write_text(SCRIPT)
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        yield lab


def test_a_tool_is_a_function(lab: vl.Lab) -> None:
    tool = lab.tools.Paint
    signature = inspect.signature(tool)
    assert str(signature) == "(what, size: int = 3)"
    assert "Draws <b>." in (tool.__doc__ or "")
    assert repr(tool) == "<Tool Paint(what, size: int = 3)>"
    assert "Paint" in dir(lab.tools)
    assert "Paint" in lab.tools
    assert list(lab.tools) == ["Paint"]
    with pytest.raises(AttributeError, match="did you mean 'Paint'"):
        _ = lab.tools.Pain
    with pytest.raises(NotFoundError):
        lab.tools["Pain"]
    with pytest.raises(InvalidInputError, match="3 values"):
        tool(1, 2, 3)
    assert "<b>" not in lab.tools._repr_html_()


def test_a_task_its_placeholder_and_its_push(lab: vl.Lab) -> None:
    text = lab.tools.Paint("a cat")
    placeholder, _, address = text.partition(" ")
    assert lab.variables.resolve_all(placeholder) == "[任务 Paint (ID: t1) 结果待更新...]"
    task = lab.tools.tasks.get("t1")
    assert task.state == "pending"
    body = json.dumps({"status": "Succeed", "message": "a cat was drawn"}).encode()
    request = urllib.request.Request(f"{address}/Paint/t1", body, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    assert task.wait(10).success
    assert lab.variables.resolve_all(f"got: {placeholder}") == "got: a cat was drawn"
    lines = [line for line in lab.trace.log.get_recent_logs() if line.category == "plugin"]
    assert [line.message for line in lines] == ["Paint: painted"]
    assert lines[0].data["target"] == "VCPLog"


def test_reports_outlive_the_session(lab: vl.Lab, tmp_path: Path) -> None:
    address = lab.tools.Paint("x").partition(" ")[2]
    body = json.dumps({"pluginName": "Paint", "taskId": "t1", "message": "done"}).encode()
    with urllib.request.urlopen(urllib.request.Request(address, body), timeout=10) as answer:
        assert answer.status == 200
    lab.close()
    with vl.Lab(tmp_path / "lab") as again:
        assert again.variables.resolve_all("{{VCP_ASYNC_RESULT::Paint::t1}}") == "done"


def test_placeholders_of_tools(lab: vl.Lab) -> None:
    text = lab.variables.resolve_all("{{VCPPaint}}")
    assert text == "- 画图 (Paint) - 命令: draw:\n    Draws <b>."

    @lab.tool
    def shout(text: str) -> str:
        """Say it louder."""
        return text.upper()

    both = lab.variables.resolve_all("{{VCPAllTools}}")
    assert both.startswith(text + "\n\n---\n\n- shout (shout) - 命令: shout:")
    lab.plugins.disable("Paint")
    assert "Paint" not in lab.variables.resolve_all("{{VCPAllTools}}")


def test_definitions(lab: vl.Lab) -> None:
    (one,) = lab.tools.definitions()
    assert one["inputSchema"] == {
        "type": "object",
        "properties": {"size": {"type": "integer", "default": 3}, "what": {}},
        "required": ["what"],
    }


def half(number: float, of: int = 2) -> float:
    """Divide a number.

    Args:
        number: The number.
        of: By what.
    """
    return number / of


def test_export(lab: vl.Lab, tmp_path: Path) -> None:
    lab.tool(half, timeout=7)
    for tool in ("half", lab.tools.half, half):
        target = tmp_path / f"out-{type(tool).__name__}"
        folder = lab.export(tool, to=target)
        manifest = json.loads((folder / "plugin-manifest.json").read_text("utf-8"))
        assert (manifest["name"], manifest["communication"]["timeout"]) == ("half", 7000)
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "discover", "-s", "tests"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(InvalidInputError, match="no function"):
        lab.export("Paint", to=tmp_path)
    lab.plugins.unload("half")
    lab.plugins.add(folder, trust=True)
    assert lab.tools.half(number="5") == half(5)


def test_they_show_themselves(lab: vl.Lab) -> None:
    assert repr(lab.plugins) == "<PluginsFacet 1 ready>"
    frame = lab.plugins.to_frame()
    assert frame.loc[0, "name"] == "Paint"
    assert frame.loc[0, "state"] == "ready"
    assert "<table" in lab.plugins._repr_html_()
    assert "1 of them running" not in repr(lab.tools.tasks)


def test_a_result_of_parts_shows_itself_safely() -> None:
    from vcplab.plugins.shown import PartsResult

    evil = "<img src=x onerror=alert(1)>"
    parts = [
        {"type": "text", "text": evil},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,AA=="}},
        {"type": "image_url", "image_url": {"url": 'http://x/"><script>'}},
        {"type": "image_url", "image_url": {"url": 'data:image/png;base64,"onload="x'}},
        {"type": "audio", "data": evil},
        "odd",
    ]
    shown = PartsResult({"content": parts, "total": evil})
    assert shown["total"] == evil
    html = shown._repr_html_()
    assert html.count("<img ") == 2
    assert 'src="data:image/svg+xml;base64,AA=="' in html
    assert "<script" not in html
    assert "<img src=x" not in html
    assert '"onload=' not in html
