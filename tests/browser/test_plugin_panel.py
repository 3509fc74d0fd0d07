"""The plugin panel in a real browser: forms, runs, pictures, switches, and text stays text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.conftest import Lab

pytestmark = pytest.mark.browser

DICE = Path(__file__).resolve().parents[2] / "plugins" / "SuperDice"

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"

# A facet whose plugins are in every state there is.
FAKE = r'''
import base64, threading, time, uuid
from dataclasses import dataclass, replace
from vcplab.core.errors import InvalidInputError
from vcplab.plugins.parameters import Parameter, check_arguments, from_schema
from vcplab.plugins.tasks import Task
from vcplab.protocol.results import ToolResult
from vcplab.widgets.plugin_panel import plugin_panel

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"
SVG = (
    "<svg xmlns='http://www.w3.org/2000/svg' width='240' height='80' onload='window.hacked=3'>"
    "<script>window.top.hacked=4</script><rect width='240' height='80' fill='#2b6'/>"
    "<circle cx='40' cy='40' r='20' fill='#fff'/></svg>"
)
URL = "data:image/svg+xml;base64," + base64.b64encode(SVG.encode()).decode()
README = """# Super dice 骰子
Rolls **many** dice, *fair* ones, `2d6` of them. <img src=x onerror='window.hacked=5'>

## Use
1. Write a notation such as `4d6kh3`
2. Press *Run*
   - with a seed
   - or without

```python
lab.tools.SuperDice(notation="2d6")  # <b>not bold</b>
```

> 这个插件投掷骰子并绘制托盘；长的中文说明应当在合适的位置换行，而不是把面板撑宽。

| dice | meaning |
|---|---|
| `3dF` | fudge |

See [the notes](https://example.org/dice), [a trap](javascript:alert(1)) and ![logo](x.png).

""" + "[a](" * 1200 + "\n\n" + "`` ` " * 900 + "\n\n" + " **" * 1600
EXAMPLE = (
    "<<<[TOOL_REQUEST]>>>\ntool_name:「始」SuperDice「末」,\ncommand:「始」roll「末」,\n"
    "notation:「始」2d6「末」\n<<<[END_TOOL_REQUEST]>>>"
)
SCHEMA = {
    "properties": {
        "notation": {"type": "string", "description": "What to roll, e.g. 2d6+1d20."},
        "times": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "exploding": {"type": "boolean"},
        "colour": {"enum": ["teal", "crimson", 3], "default": "teal"},
        "weights": {"type": "array", "description": "按面给出的权重"},
        "options": {"type": "object"},
        "content": {"type": "string", "description": "说明"},
    },
    "required": ["notation"],
}


@dataclass(frozen=True)
class Row:
    name: str
    state: str = "ready"
    problem: str = None
    calls: int = 0
    errors: int = 0
    p95: float = None
    display_name: str = ""
    description: str = ""
    version: str = "1.0.0"
    type: str = "synchronous"
    dialect: str = "toolbox"
    host: str = "stdio"
    callable: bool = True
    watched: bool = False
    source: str = "/home/nova/plugins"


@dataclass(frozen=True)
class Command:
    identifier: str
    command: str = None
    description: str = ""
    example: str = ""
    parameters: tuple = ()


ROWS = [
    Row("SuperDice", display_name="Super dice 骰子", calls=41, errors=2, p95=38.4,
        description="Rolls dice from a notation such as 2d6+1d20 and draws the tray."),
    Row("Hostile", description=HOSTILE, display_name=HOSTILE, calls=3, p95=3.2, watched=True),
    Row("Failing", description="总是失败的插件", host="kernel", dialect="cell", source="kernel"),
    Row("SlowSearch", type="asynchronous", description="Searches for a long time."),
    Row("Weather", type="static", callable=False, dialect="cherry", p95=1203.0, calls=4),
    Row("Newcomer", "untrusted", "Its folder is not trusted yet."),
    Row("Edited", "changed", "manifest.json and 2 other files changed since you trusted it."),
    Row("Old", "disabled", dialect="intellicore"),
    Row("Broken", "broken", f"plugin-manifest.json is not JSON: {HOSTILE}", type="", host=""),
    Row("Tavern", "unsupported", "It needs a host for JavaScript.", type="messagePreprocessor"),
    Row("Later", "waiting", "It waits for SuperDice."),
    Row("SuperDice", "clash", "Another plugin has this name.", source="/elsewhere"),
]


class Off:
    def close(self):
        pass


class Facet:
    def __init__(self):
        self.known = {row.name + row.source: row for row in ROWS}
        self.listeners, self.lines, self.reloads = [], ["[dice] ready", HOSTILE], 0

    def rows(self):
        return list(self.known.values())

    def parameters(self, name):
        if name == "SlowSearch":
            return (Parameter("query", type="any", description="e.g. 预算", declared=False),)
        return () if name == "Failing" else from_schema(SCHEMA)

    def commands(self, name):
        wanted = self.parameters(name)
        if name == "Hostile":
            return (Command("a", HOSTILE, HOSTILE, HOSTILE, wanted), Command("b", "b"))
        if name == "SuperDice":
            seed = (Parameter("seed", type="any"),)
            return (
                Command("roll", "roll", "Rolls dice.\n- notation: what to roll", EXAMPLE, wanted),
                Command("tray", "tray", "Draws a tray.", parameters=seed),
            )
        return ()

    def readme(self, name):
        return README if name != "Failing" else None

    def logs(self, name, limit=200):
        return list(self.lines)

    def on_change(self, callback):
        self.listeners.append(callback)
        return Off()

    def set(self, name, **changes):
        for key, row in self.known.items():
            if row.name == name and row.state != "clash":
                self.known[key] = replace(row, **changes)
        for listener in self.listeners:
            listener(None)

    def enable(self, name):
        self.set(name, state="ready", problem=None)

    trust = enable

    def disable(self, name):
        self.set(name, state="disabled")

    def reload(self, name):
        self.reloads += 1
        time.sleep(0.2)
        if name == "Failing":
            raise InvalidInputError("It has no manifest.", where=name, next_step="put it back")
        self.set(name, version=f"1.0.{self.reloads}")

    def submit(self, name, args, origin=""):
        if args.get("command") != "tray":
            args = check_arguments(self.parameters(name), args, name)
        task = Task(name, args, uuid.uuid4().hex)
        over = threading.Event()
        task.on_cancel(over.set)
        threading.Thread(target=self.work, args=(name, args, task, over)).start()
        return task

    def work(self, name, args, task, over):
        self.lines.append(f"[{name}] {args}")
        picture = {"type": "image_url", "image_url": {"url": URL}}
        if name == "SlowSearch":
            task.answer("Working on it: {{VCP_ASYNC_RESULT::SlowSearch::1}}")
            over.wait(60)
        elif name == "Failing":
            error = "Failing (stdio) failed with exit code 3.\nTraceback:\n  " + HOSTILE
            task.finish("failed", ToolResult(name, success=False, error=error))
        elif name == "Hostile":
            outside = {"type": "image_url", "image_url": {"url": "https://example.org/pixel.png"}}
            content = [{"type": "text", "text": HOSTILE}, picture, outside]
            task.finish("succeeded", ToolResult(name, {"said": HOSTILE, "content": content}))
        else:
            value = {"total": 17, "content": [{"type": "text", "text": "总点数 17"}, picture]}
            task.finish("succeeded", ToolResult(name, value))
        row = next(row for row in self.rows() if row.name == name)
        self.set(name, calls=row.calls + 1, p95=41.5)


facet = Facet()
plugin_panel(facet)
'''

# A lab with plugins on disk: one that crashes, a hostile, an untrusted and a torn one, and dice.
REAL = r"""
import json, pathlib, tempfile
import vcplab as vl

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"
root = pathlib.Path(tempfile.mkdtemp())


def write(name, code, folder="trusted"):
    place = root / folder / name
    place.mkdir(parents=True)
    (place / "main.py").write_text("import json, sys\n" + code, encoding="utf-8")
    (place / "README.md").write_text(f"# {{name}}\n{{HOSTILE}}", encoding="utf-8")
    command = dict(commandIdentifier=name, command=name, description=HOSTILE)
    manifest = dict(
        manifestVersion="1.0.0", name=name, displayName=HOSTILE, version="1.0.0",
        description=HOSTILE, pluginType="synchronous",
        entryPoint=dict(type="stdio", command="python main.py"),
        communication=dict(protocol="stdio", timeout=20000),
        capabilities=dict(invocationCommands=[command]),
    )
    text = json.dumps(manifest)[: -1 if name == "Torn" else None]
    (place / "plugin-manifest.json").write_text(text, encoding="utf-8")


answer = "print(json.dumps(dict(status='success', result={{!r}})))"
write("Crashing", "sys.exit('the disk is full')")
write("Hostile", answer.format(HOSTILE))
write("Torn", "")
write("Stranger", answer.format("at your service"), "found")
lab = vl.Lab(root / "lab")
lab.plugins.add(root / "trusted", trust=True)
lab.plugins.add({dice!r}, trust=True)
lab.plugins.add(root / "found")
lab.plugins.panel()
"""


def _open(lab: Lab, name: str, *cells: str) -> Page:
    lab.write_notebook(name, [FAKE, *cells])
    lab.open_notebook(name)
    lab.run_cell(0)
    lab.wait_idle()
    assert lab.errors() == []
    _row(lab, "SuperDice").wait_for()
    lab.execute("notebook:hide-all-cell-code")
    return lab.page


def _row(lab: Lab, name: str) -> Locator:
    return lab.page.locator(f".vcplab-plugins-row[data-name='{name}']").first


def _choose(lab: Lab, name: str) -> None:
    _row(lab, name).get_by_role("button").click()
    lab.page.locator(".vcplab-plugins-heading", has_text=name).wait_for()


def _runs(lab: Lab, state: str) -> Locator:
    return lab.page.locator(f".vcplab-plugins-run[data-state='{state}']")


def _run(lab: Lab, state: str = "succeeded") -> Locator:
    before = _runs(lab, state).count()
    lab.page.get_by_role("button", name="Run", exact=True).click()
    _runs(lab, state).nth(before).wait_for()
    return _runs(lab, state).first


def test_the_labs_own_plugins(lab: Lab) -> None:
    lab.write_notebook("plugin_lab.ipynb", [REAL.format(dice=str(DICE))])
    lab.open_notebook("plugin_lab.ipynb")
    lab.run_all()
    lab.wait_idle()
    assert lab.errors() == []
    page = lab.page
    for name, state in (
        ("SuperDice", "ready"),
        ("Crashing", "ready"),
        ("Hostile", "ready"),
        ("Stranger", "untrusted"),
        ("Torn", "broken"),
    ):
        page.locator(f".vcplab-plugins-row[data-name={name}][data-state={state}]").wait_for()
    lab.execute("notebook:hide-all-cell-code")

    _choose(lab, "SuperDice")
    page.get_by_label("notation").fill("2d6+1d20")
    page.get_by_label("seed").fill("7")
    done = _run(lab)
    page.wait_for_function(
        "() => document.querySelector('.vcplab-plugins-run img')?.naturalWidth > 0"
    )
    assert "2d6+1d20" in done.inner_text()
    _row(lab, "SuperDice").locator(".vcplab-plugins-col-calls", has_text="1").wait_for()
    lab.screenshot_all("plugin_panel_dice")
    lab.use_theme("JupyterLab Dark")
    lab.screenshot_all("plugin_panel_dice_dark")
    lab.use_theme("JupyterLab Light")

    _choose(lab, "Crashing")
    failed = _run(lab, "failed").locator(".vcplab-plugins-failure")
    assert "Crashing" in failed.inner_text()
    page.get_by_role("tab", name="Log", exact=True).click()
    page.locator(".vcplab-plugins-log", has_text="the disk is full").wait_for()
    lab.screenshot_all("plugin_panel_crash")

    _choose(lab, "Hostile")
    assert HOSTILE in _run(lab).inner_text()
    page.get_by_role("tab", name="README", exact=True).click()
    page.locator(".vcplab-plugins-readme", has_text=HOSTILE).wait_for()
    enabled = page.get_by_role("switch", name="Enabled")
    enabled.click()
    page.locator("[data-name=Hostile][data-state=disabled]").wait_for()
    enabled.click()
    page.locator("[data-name=Hostile][data-state=ready]").wait_for()
    page.get_by_role("button", name="Reload", exact=True).click()
    page.get_by_role("button", name="Reload", exact=True).and_(page.locator(":enabled")).wait_for()
    page.locator("[data-name=Hostile][data-state=ready]").wait_for()

    _choose(lab, "Stranger")
    assert page.get_by_role("button", name="Run", exact=True).is_disabled()
    page.get_by_role("button", name="Trust this plugin").click()
    page.locator("[data-name=Stranger][data-state=ready]").wait_for()
    assert "at your service" in _run(lab).inner_text()
    assert page.locator(".vcplab-plugins").locator("script, svg, iframe").count() == 0
    assert page.evaluate("() => window.hacked") is None


def test_a_form_checks_and_runs(lab: Lab) -> None:
    page = _open(
        lab,
        "plugin_form.ipynb",
        "import time\nprint('sleeping', flush=True)\ntime.sleep(8)\nprint('awake')",
    )
    assert page.locator(".vcplab-plugins-count").inner_text() == "12 plugins, 5 ready"
    page.get_by_label("Search plugins").fill("骰子")
    page.wait_for_function("() => document.querySelectorAll('.vcplab-plugins-row').length === 1")
    page.get_by_label("Search plugins").fill("")
    page.get_by_label("State", exact=True).select_option("clash")
    page.wait_for_function("() => document.querySelectorAll('.vcplab-plugins-row').length === 1")
    page.get_by_label("State", exact=True).select_option("")
    lab.screenshot("plugin_panel_list")

    _choose(lab, "SuperDice")
    page.get_by_label("notation").wait_for()
    page.get_by_label("times").fill("11")
    page.get_by_label("weights").fill("[1,")
    page.get_by_label("options").fill("[1]")
    page.get_by_role("button", name="Run", exact=True).click()
    wrong = page.locator(".vcplab-plugins-wrong:not(:empty)").all_inner_texts()
    assert wrong[:2] == ["This is required.", "This must be at most 10."]
    assert wrong[2].startswith("This is not JSON")
    assert wrong[3] == "This must be an object: {…}"
    assert page.evaluate("() => document.activeElement.matches('[aria-invalid=true]')")
    assert page.locator(".vcplab-plugins-run").count() == 0
    page.get_by_label("notation").fill("2d6 预算")
    page.get_by_label("times").fill("3")
    page.get_by_label("weights").fill("[1, 2]")
    page.get_by_label("options").fill('{"a": 1}')
    page.get_by_label("exploding").click()
    page.get_by_label("colour").select_option("3")
    done = _run(lab)
    sent = json.loads(done.locator("header code").inner_text())
    assert sent == {
        "command": "roll",
        "notation": "2d6 预算",
        "times": 3,
        "exploding": True,
        "colour": 3,
        "weights": [1, 2],
        "options": {"a": 1},
    }
    picture = done.locator("img")
    page.wait_for_function(
        "() => document.querySelector('.vcplab-plugins-run img').naturalWidth === 240"
    )
    assert picture.get_attribute("alt") == "Picture 2 from SuperDice"
    assert '"total": 17' in done.inner_text()
    lab.screenshot_all("plugin_panel_run")
    lab.use_theme("JupyterLab Dark")
    lab.screenshot_all("plugin_panel_run_dark")
    lab.use_theme("JupyterLab Light")
    page.get_by_role("tab", name="Log", exact=True).click()
    page.locator(".vcplab-plugins-log", has_text="[SuperDice] {").wait_for()
    page.get_by_role("tab", name="Run", exact=True).click()
    page.get_by_label("Command", exact=True).select_option("tray")
    page.get_by_label("seed").fill("7")
    sent = json.loads(_run(lab).locator("header code").inner_text())
    assert sent == {"command": "tray", "seed": 7}

    # What is typed stays while another plugin is looked at, and where the form is built anew.
    _choose(lab, "SlowSearch")
    page.get_by_label("query").fill("007")
    page.get_by_label("more arguments").fill('{"limit": 5}')
    going = _run(lab, "pending")
    assert json.loads(going.locator("header code").inner_text()) == {"query": "007", "limit": 5}
    assert "Working on it" in going.inner_text()
    going.get_by_role("button", name="Cancel").click()
    _runs(lab, "cancelled").wait_for()
    _choose(lab, "SuperDice")
    page.get_by_label("seed").wait_for()
    assert page.get_by_label("seed").input_value() == "7"

    # A synchronous cell: the click waits, and says so.
    lab.run_cell(1)
    # Not the kernel's status: a click's own message makes it busy for a moment too.
    page.locator(".jp-OutputArea-output", has_text="sleeping").wait_for()
    page.get_by_role("button", name="Run", exact=True).click()
    waiting = _runs(lab, "asked").locator("header", has_text="waiting for the kernel")
    waiting.wait_for()
    page.wait_for_function(
        "() => document.querySelectorAll('[data-state=succeeded].vcplab-plugins-run').length === 3"
    )
    assert lab.errors() == []
    page.set_viewport_size({"width": 1040, "height": 1000})
    lab.screenshot_all("plugin_panel_narrow")
    assert page.evaluate(
        """() => [...document.querySelectorAll('.vcplab-plugins, .vcplab-plugins-list')]
            .every(box => box.scrollWidth <= box.clientWidth)"""
    )


def test_what_a_plugin_says_stays_text(lab: Lab) -> None:
    page = _open(lab, "plugin_hostile.ipynb")
    assert HOSTILE in _row(lab, "Hostile").inner_text().replace("\n", "")
    _choose(lab, "Hostile")
    page.get_by_label("notation").fill(HOSTILE)
    done = _run(lab)
    assert done.locator("pre").first.inner_text() == HOSTILE
    assert "Picture, not loaded: https://example.org/pixel.png" in done.inner_text()
    page.wait_for_function(
        "() => document.querySelector('.vcplab-plugins-run img').naturalWidth === 240"
    )
    lab.screenshot_all("plugin_panel_hostile")
    page.get_by_role("tab", name="Log", exact=True).click()
    page.locator(".vcplab-plugins-log", has_text=HOSTILE).wait_for()
    page.get_by_role("tab", name="README", exact=True).click()
    readme = page.locator(".vcplab-plugins-readme")
    assert "<img src=x onerror='window.hacked=5'>" in readme.inner_text()
    assert readme.locator("h3").inner_text() == "Super dice 骰子"
    assert readme.locator("ol > li").count() == 2
    assert readme.locator("ol ul > li").count() == 2
    assert readme.locator("strong").first.inner_text() == "many"
    assert "<b>not bold</b>" in readme.locator("pre code").inner_text()
    links = readme.locator("a").evaluate_all("all => all.map(a => [a.href, a.rel, a.textContent])")
    assert links == [["https://example.org/dice", "noopener noreferrer", "the notes"]]
    lab.screenshot("plugin_panel_readme")
    _choose(lab, "Broken")
    page.locator(".vcplab-plugins-trouble", has_text=HOSTILE).wait_for()
    _choose(lab, "Failing")
    failed = _run(lab, "failed")
    assert HOSTILE in failed.locator(".vcplab-plugins-failure").inner_text()
    lab.screenshot_all("plugin_panel_failure")
    # Everything above was text: no element of a plugin's making, and no script, ran.
    panel = page.locator(".vcplab-plugins")
    assert panel.locator("script, svg, iframe, b").count() == 0
    assert panel.locator("img:not([src^='data:image/'])").count() == 0
    # An onerror comes a moment after its element: first that of one that is made now.
    page.evaluate(
        "() => new Promise(done => Object.assign(new Image(), { onerror: () => done(), src: 'x' }))"
    )
    assert page.evaluate("() => window.hacked") is None
    # And the canary sings where it can.
    page.evaluate("html => { document.createElement('div').innerHTML = html }", HOSTILE)
    page.wait_for_function("() => window.hacked === 1")


def test_switches_reload_and_trust(lab: Lab) -> None:
    page = _open(lab, "plugin_switches.ipynb")
    _choose(lab, "SuperDice")
    enabled = page.get_by_role("switch", name="Enabled")
    run = page.get_by_role("button", name="Run", exact=True)
    run.wait_for()
    assert enabled.get_attribute("aria-checked") == "true"
    enabled.click()
    page.locator(".vcplab-plugins-row[data-state=disabled][data-name=SuperDice]").wait_for()
    page.wait_for_function(
        "() => document.querySelector('.vcplab-plugins-main[type=submit]').disabled"
    )
    enabled.click()
    page.locator(".vcplab-plugins-row[data-state=ready][data-name=SuperDice]").wait_for()
    page.get_by_label("notation").fill("3d6")
    page.get_by_role("button", name="Reload", exact=True).click()
    page.locator(".vcplab-plugins-version", has_text="1.0.1").wait_for()
    assert page.get_by_label("notation").input_value() == "3d6"
    _choose(lab, "Failing")
    page.get_by_role("button", name="Reload", exact=True).click()
    alarm = page.locator(".vcplab-plugins-more .vcplab-plugins-alarm")
    alarm.filter(has_text="It has no manifest. (in Failing) Next: put it back").wait_for()
    _choose(lab, "Edited")
    lab.screenshot_all("plugin_panel_changed")
    assert run.is_disabled()
    page.get_by_role("button", name="Trust these changes").click()
    page.locator(".vcplab-plugins-row[data-state=ready][data-name=Edited]").wait_for()
    assert not page.locator(".vcplab-plugins-trust").is_visible()


def test_keys(lab: Lab) -> None:
    page = _open(lab, "plugin_keys.ipynb")
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    first, second = page.locator(".vcplab-plugins-open").all()[:2]
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert second.get_attribute("aria-expanded") == "true"
    _choose(lab, "SuperDice")
    page.get_by_label("notation").focus()
    page.keyboard.type("bad add")  # the notebook's keys for new cells, and to delete one
    page.keyboard.press("Enter")
    _runs(lab, "succeeded").wait_for()
    page.get_by_role("tab", name="Run", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", name="Log").get_attribute("aria-selected") == "true"
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
