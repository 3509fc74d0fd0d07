"""Nothing of an untrusted folder runs; a change asks again (check 6)."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.plugins.failures import PluginUnavailableError

MakePlugin = Callable[..., Path]


def _canaries(folder: Path) -> dict[str, Any]:
    """Everything in a plugin's folder that could run, each leaving a file behind."""
    mark = "import pathlib; pathlib.Path(r'{}').write_text('ran')\n"
    canary = folder.parent.parent / "canary"
    code = mark.format(canary)
    for name in ("main.py", "conftest.py", "__init__.py", "sitecustomize.py", "setup.py"):
        (folder / name).write_text(code)
    (folder / "index.js").write_text(f"require('fs').writeFileSync({str(canary)!r}, 'ran')")
    return {"canary": canary}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pluginType": "static", "refreshIntervalCron": "* * * * * *"},
        {"pluginType": "asynchronous"},
        {"pluginType": "messagePreprocessor", "entryPoint": {"script": "index.js"}},
        {"pluginType": "hybridservice", "entryPoint": {"script": "index.js"}},
        {"pluginType": None, "type": "tool", "main": "index.js"},
    ],
)
def test_nothing_of_an_untrusted_folder_runs(
    tmp_path: Path, make_plugin: MakePlugin, fields: dict[str, Any]
) -> None:
    folder = make_plugin("Canary", **fields)
    if fields.get("pluginType", "") is None:
        text = (folder / "plugin-manifest.json").read_text()
        text = text.replace('"pluginType": null, ', "").replace('"entryPoint"', '"x"')
        (folder / "plugin-manifest.json").write_text(text)
    canary = _canaries(folder)["canary"]
    with vl.Lab(tmp_path / "lab") as lab:
        (row,) = lab.plugins.add(tmp_path / "plugins", watch=True)
        assert row.state == "untrusted"
        with pytest.raises(PluginUnavailableError, match="untrusted"):
            lab.tools.call("Canary", {})
        lab.plugins.reload()
        lab.plugins.enable("Canary")
        lab.plugins.load("Canary")
        lab.plugins.preprocess([{"role": "user", "content": "x"}])
        lab.plugins.readme("Canary")
        lab.tools.handle("<<<[TOOL_REQUEST]>>>tool_name:「始」Canary「末」<<<[END_TOOL_REQUEST]>>>")
        # An edit in a watched folder that was never trusted is no consent either.
        (folder / "new.py").write_text("1")
        time.sleep(0.8)
        assert lab.plugins.row("Canary").state == "untrusted"
        assert not canary.exists()
        # The canary can sing: trusted, the same acts let it.
        if "index.js" in str(fields) and shutil.which("node") is None:
            return
        with contextlib.suppress(vl.VCPError):
            lab.plugins.trust("Canary")
            lab.plugins.preprocess([{"role": "user", "content": "x"}])
            lab.tools.call("Canary", {})
        _wait(canary.exists)


def test_trust_is_remembered_and_a_change_asks_again(
    tmp_path: Path, make_plugin: MakePlugin
) -> None:
    folder = make_plugin()
    with vl.Lab(tmp_path / "lab") as lab:
        (row,) = lab.plugins.add(folder, trust=True)
        assert row.state == "ready"
        assert lab.tools.call("Echo", {"a": "1"}) == {"a": "1"}
    with vl.Lab(tmp_path / "lab") as lab:  # added again by itself
        assert lab.plugins.row("Echo").state == "ready"
        assert lab.tools.call("Echo", {"a": "2"}) == {"a": "2"}
    (folder / "main.py").write_text((folder / "main.py").read_text() + "\n# changed")
    with vl.Lab(tmp_path / "lab") as lab:
        row = lab.plugins.row("Echo")
        assert row.state == "changed"
        assert "lab.plugins.trust" in (row.problem or "")
        with pytest.raises(PluginUnavailableError, match="changed"):
            lab.tools.call("Echo", {})
        assert lab.plugins.trust("Echo").state == "ready"
        assert lab.tools.call("Echo", {"a": "3"}) == {"a": "3"}


def test_a_new_neighbour_is_not_trusted(tmp_path: Path, make_plugin: MakePlugin) -> None:
    make_plugin()
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(tmp_path / "plugins", trust=True, watch=True)
        make_plugin("Other")
        _wait(lambda: "Other" in [row.name for row in lab.plugins.rows()])
        assert lab.plugins.row("Other").state == "untrusted"
        assert lab.plugins.row("Echo").state == "ready"


def test_edits_in_a_watched_folder_are_covered(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin()
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True, watch=True)
        script = (folder / "main.py").read_text()
        (folder / "main.py").write_text(
            script.replace('"success", "result"', '"success", "v": 2, "result"')
        )
        _wait(lambda: lab.plugins.catalogue.get("Echo").version.number and (
            (lab.plugins.catalogue.get("Echo").version.snapshot.folder / "main.py").read_text()
            != script
        ))  # fmt: skip
        assert lab.tools.call("Echo", {}) == {}
    with vl.Lab(tmp_path / "lab") as lab:  # the hash was renewed
        assert lab.plugins.row("Echo").state == "ready"


def test_a_reload_is_no_consent(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin()
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        (folder / "main.py").write_text("raise SystemExit(3)")
        with pytest.raises(PluginUnavailableError, match="changed since"):
            lab.plugins.reload("Echo")
        assert lab.tools.call("Echo", {"a": 1}) == {"a": 1}  # the trusted copy goes on
        assert "changed since" in (lab.plugins.row("Echo").problem or "")
        lab.plugins.reload("Echo", trust=True)
        assert lab.plugins.row("Echo").problem is None


def test_distrust_and_trust_false(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin()
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        assert lab.plugins.distrust("Echo").state == "untrusted"
        with pytest.raises(PluginUnavailableError):
            lab.tools.call("Echo", {})
        lab.plugins.trust("Echo")
        (row,) = lab.plugins.add(folder, trust=False)
        assert row.state == "untrusted"
        with pytest.raises(PluginUnavailableError):
            lab.tools.call("Echo", {})


def _wait(done: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)
