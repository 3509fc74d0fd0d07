"""The node panel in a real browser, with a main server in another process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vcplab.node.standin import StandInProcess
from vcplab.protocol.results import ToolFailure

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.conftest import Lab

pytestmark = pytest.mark.browser

KEY = "the-Key-of-a-stand-in-77"
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"

# Tools that wait do so for a file, so that no test has to guess how long.
TOOLS = r'''
import asyncio, os, pathlib, tempfile, time
import vcplab as vl

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"
{before}
gate = pathlib.Path({gate!r})
lab = vl.Lab(tempfile.mkdtemp())


@lab.tool
def add(a: int, b: int) -> int:
    """把两个数相加。Adds two numbers."""
    return int(a) + int(b)


@lab.tool
async def wait_for_it(question: str) -> str:
    """Takes its time."""
    while not gate.exists():
        await asyncio.sleep(0.02)
    return "answer to " + question


@lab.tool
def fail() -> str:
    """Always fails."""
    raise ValueError("the disk is full")


@lab.tool(expose=False)
def private() -> str:
    """Not for servers."""
    return "no"


@lab.tool(description=HOSTILE)
def hostile(text: str) -> dict:
    return {{"said": HOSTILE, "heard": text}}


panel = lab.node.panel()
panel
'''
BUSY = "print('sleeping', flush=True)\nwhile not gate.exists(): time.sleep(0.02)\nprint('awake')"


@pytest.fixture
def main_server() -> Iterator[StandInProcess]:
    with StandInProcess(KEY) as running:
        yield running


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def _open(lab: Lab, name: str, gate: Path, *cells: str, before: str = "") -> Page:
    lab.write_notebook(name, [TOOLS.format(gate=str(gate), before=before), *cells])
    lab.open_notebook(name)
    lab.run_cell(0)
    lab.page.locator(".vcplab-node-preview tr[data-name=add]").wait_for()
    lab.wait_idle()
    assert lab.errors() == []
    lab.execute("notebook:hide-all-cell-code")
    return lab.page


def _connect(page: Page, url: str, key: str) -> None:
    page.get_by_label("Server", exact=True).fill(url)
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Connect", exact=True).click()


def _link(page: Page, state: str) -> Locator:
    return page.locator(f".vcplab-node-link[data-state={state}]")


def _call(page: Page, tool: str, state: str) -> Locator:
    return page.locator(f".vcplab-node-call[data-tool={tool}][data-state={state}]").first


def test_connect_call_switch_and_restart(
    lab: Lab, main_server: StandInProcess, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    check = f"print('clean', {KEY[:8]!r} not in repr(panel.get_state()))"
    page = _open(lab, "node_panel.ipynb", gate, BUSY, check)

    # Before there is a link: what would be offered, as the patterns have it.
    preview = page.locator(".vcplab-node-preview")
    assert "4 tools are exposed" in preview.inner_text()
    assert "made with expose=False" in preview.locator("tr[data-name=private]").inner_text()
    page.get_by_label("Expose").fill("Nobody* !fail")
    preview.get_by_text("'Nobody*' matches no plugin").wait_for()
    assert "left out by '!fail'" in preview.locator("tr[data-name=fail]").inner_text()
    page.get_by_label("Expose").fill("")
    preview.get_by_text("4 tools are exposed").wait_for()
    lab.screenshot_all("node_panel_form")

    # The key is seen while the button is held, and leaves the page with the click.
    key = page.get_by_label("Key", exact=True)
    key.fill(KEY)
    assert key.get_attribute("type") == "password"
    page.get_by_role("button", name="Show the key").hover()
    page.mouse.down()
    assert key.get_attribute("type") == "text"
    page.mouse.up()
    assert key.get_attribute("type") == "password"
    _connect(page, main_server.url, KEY)
    assert key.input_value() == ""
    link = _link(page, "open")
    link.wait_for()
    assert not page.locator(".vcplab-node-connect").is_visible()
    page.locator(".vcplab-node-tool[data-name=add][data-state=registered]").wait_for()
    main_server.wait_for_tool("add")
    assert "private" not in main_server.tools

    # Calls, live.
    answer = threads.submit(main_server.call, "wait_for_it", question="为什么?", maid="Nova")
    going = _call(page, "wait_for_it", "running")
    going.wait_for()
    took = going.locator(".vcplab-node-took").inner_text()
    page.wait_for_function(
        "t => document.querySelector('.vcplab-node-call .vcplab-node-took').innerText !== t",
        arg=took,
    )
    assert "为什么?" in going.inner_text()
    assert "by Nova" in going.inner_text()
    gate.touch()
    answer.result(30)
    assert "answer to 为什么?" in _call(page, "wait_for_it", "succeeded").inner_text()
    with pytest.raises(ToolFailure, match="the disk is full"):
        main_server.call("fail")
    assert "the disk is full" in _call(page, "fail", "failed").inner_text()
    page.locator(".vcplab-node-counter[data-name=errors] b", has_text="1").wait_for()
    page.locator(".vcplab-node-spark:not([hidden])").wait_for()
    page.locator(".vcplab-node-counter[data-name=lost]").hover()
    page.get_by_role("tooltip").filter(has_text="delivered to nobody").wait_for()
    lab.screenshot_all("node_panel_calls")
    page.mouse.move(0, 0)

    # A synchronous cell: calls are answered and seen; a click waits for the kernel, and says so.
    gate.unlink()
    lab.run_cell(1)
    page.locator(".jp-OutputArea-output", has_text="sleeping").wait_for()
    assert main_server.call("add", a=2, b=40)["original_plugin_output"] == 42
    assert "42" in _call(page, "add", "succeeded").inner_text()
    switch = page.get_by_role("switch", name="Offer add to")
    switch.click()
    page.get_by_text("Waiting for the kernel: it is busy").wait_for()
    assert "add" in main_server.tools
    gate.touch()
    main_server.wait_for_tool("add", present=False)
    page.locator(".vcplab-node-tool[data-name=add]", has_text="switched off").wait_for()
    assert switch.get_attribute("aria-checked") == "false"
    page.get_by_text("Waiting for the kernel: it is busy").wait_for(state="detached")
    page.get_by_role("button", name="Back to the rule for add").click()
    main_server.wait_for_tool("add")
    page.locator(".vcplab-node-tool[data-name=add][data-state=registered]").wait_for()

    # The server goes and comes back.
    main_server.kill()
    waiting = _link(page, "waiting")
    waiting.locator(".vcplab-node-trouble", has_text="Start the main server").wait_for()
    waiting.locator(".vcplab-node-count", has_text="in ").wait_for()
    lab.screenshot("node_panel_waiting")
    main_server.start()
    again = page.get_by_role("button", name="Reconnect now")
    again.click()
    link.wait_for()
    assert not again.is_visible()
    main_server.wait_for_tool("add", timeout=30)
    page.locator(".vcplab-node-counter[data-name=reconnects] b", has_text="1").wait_for()

    # The key is nowhere: not in the page, not in what the widget would give to another.
    assert KEY not in page.content()
    lab.run_cell(2)
    lab.cell_output(2).get_by_text("clean True").wait_for()
    page.get_by_role("button", name="Disconnect", exact=True).click()
    page.get_by_text("Not connected").wait_for()
    main_server.wait_for_tool("add", present=False)
    page.get_by_role("tab", name="Log", exact=True).click()
    page.locator(".vcplab-node-entry", has_text="closed the link").wait_for()
    assert lab.errors() == []


def test_settings_wrong_key_and_hostile_text(
    lab: Lab, main_server: StandInProcess, tmp_path: Path
) -> None:
    before = (
        f"os.environ.update(VCP_SERVER={main_server.url!r}, VCP_KEY={KEY!r}, SERVER_NAME='实验台')"
    )
    page = _open(lab, "node_hostile.ipynb", tmp_path / "gate", before=before)
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    key = page.get_by_label("Key", exact=True)
    assert page.get_by_label("Server", exact=True).input_value() == main_server.url
    assert page.get_by_label("Name", exact=True).input_value() == "实验台"
    assert key.get_attribute("placeholder") == "from the settings"
    assert key.input_value() == ""
    key.press_sequentially("a-bad-key")  # also the notebook's keys for new cells, and to delete
    page.keyboard.press("Enter")
    trouble = page.locator(".vcplab-node-link .vcplab-node-trouble")
    trouble.wait_for()
    while not trouble.get_by_text("check key and path").is_visible():
        again = page.get_by_role("button", name="Reconnect now")
        again.or_(trouble.get_by_text("check key and path")).first.wait_for()
        if again.is_visible():
            again.click()
        page.wait_for_timeout(100)
    page.get_by_text("It is not connected yet").wait_for()
    lab.screenshot("node_panel_wrong_key")
    page.get_by_role("button", name="Connect", exact=True).click()  # with the settings' own
    _link(page, "open").wait_for()
    assert page.locator(".vcplab-node-link").count() == 1

    main_server.wait_for_tool("hostile")
    main_server.call("hostile", text=HOSTILE, maid=HOSTILE)
    main_server.call("add", a=1, b=2)
    done = _call(page, "hostile", "succeeded")
    done.get_by_role("button", name="Show the details of the call of hostile").click()
    assert HOSTILE in done.locator("pre").nth(1).inner_text()
    assert f"by {HOSTILE}" in done.inner_text()
    assert HOSTILE in page.locator(".vcplab-node-tool[data-name=hostile]").inner_text()
    page.get_by_label("Filter calls").fill("onerror")
    _call(page, "add", "succeeded").wait_for(state="detached")
    page.get_by_label("Filter calls").fill("<script>nothing")
    page.get_by_text("Nothing matches.").wait_for()
    page.get_by_label("Filter calls").fill("")
    _call(page, "add", "succeeded").wait_for()
    page.get_by_role("tab", name="Calls", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.locator(".vcplab-node-entry", has_text="connected to").first.wait_for()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells

    lab.use_theme("JupyterLab Dark")
    page.get_by_role("button", name="Connect…").click()
    lab.screenshot_all("node_panel_dark")
    lab.use_theme("JupyterLab Light")
    page.set_viewport_size({"width": 820, "height": 1000})
    lab.screenshot_all("node_panel_narrow")
    assert page.evaluate(
        """() => ['', '-list', '-calls', '-log'].every(name => [
            ...document.querySelectorAll(`.vcplab-node${name}`)
        ].every(box => box.scrollWidth <= box.clientWidth))"""
    )

    # Everything above was text: no element of a server's making, and no script, ran.
    assert page.locator(".vcplab-node").locator("script, img, iframe").count() == 0
    # An onerror comes a moment after its element: first that of one that is made now.
    page.evaluate(
        "() => new Promise(done => Object.assign(new Image(), { onerror: () => done(), src: 'x' }))"
    )
    assert page.evaluate("() => window.hacked") is None
    # And the canary sings where it can.
    page.evaluate("html => { document.createElement('div').innerHTML = html }", HOSTILE)
    page.wait_for_function("() => window.hacked === 1")
