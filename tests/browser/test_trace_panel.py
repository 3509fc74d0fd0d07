"""The trace panel in a real browser: quick under load, clickable, and text stays text."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Lab

pytestmark = pytest.mark.browser

OPEN = """
import tempfile, time, vcplab as vl
from vcplab.core.trace import span
lab = vl.Lab(tempfile.mkdtemp() + "/lab")
lab.trace.panel()
"""
# A synchronous cell: the kernel answers nothing while it runs.
FEED = """
begin = time.perf_counter(); sent = 0
while time.perf_counter() - begin < {seconds}:
    for _ in range(5):
        with span("request", query="上周五谁提到预算", number=sent):
            with span("memory.search", kind="tool", k=5) as search:
                with span("lane.lexical"): pass
                search.set(hits=3)
            with span("model.chat", kind="client"): pass
        sent += 4
    time.sleep(max(0, begin + sent / 1000 - time.perf_counter()))
rate = sent / (time.perf_counter() - begin)
print("spans per second:", round(rate))
"""
# The time from when a person would have typed or clicked, late timers included, until two frames
# after the answer is in the document.
MEASURE = """
async ({what, value}) => {
  const root = document.querySelector('.vcplab-trace');
  const list = root.querySelector('.vcplab-trace-list');
  const frame = () => new Promise(done => requestAnimationFrame(done));
  const wait = 40 + Math.random() * 60;
  const due = performance.now() + wait;
  await new Promise(done => setTimeout(done, wait));
  if (what === 'search') {
    const input = root.querySelector('input');
    input.value = value;
    input.dispatchEvent(new Event('input'));
    while (list.dataset.query !== value.toLowerCase()) await frame();
  } else {
    const row = [...list.querySelectorAll('[aria-expanded=false]')][0];
    if (!row) return null;
    const id = row.dataset.id;
    row.querySelector('button').click();
    while (list.querySelector(`[data-id="${id}"]`)?.getAttribute('aria-expanded') === 'false') {
      await frame();
    }
  }
  await frame(); await frame();
  return performance.now() - due;
}
"""


def test_quick_under_a_thousand_spans_a_second(lab: Lab) -> None:
    lab.write_notebook("trace.ipynb", [OPEN, FEED.format(seconds=20)])
    lab.open_notebook("trace.ipynb")
    lab.run_cell(0)
    panel = lab.page.locator(".vcplab-trace")
    panel.wait_for()
    lab.run_cell(1)
    lab.page.locator(".vcplab-trace-row").first.wait_for()
    times: dict[str, list[float]] = {"search": [], "expand": []}
    running = "() => document.querySelectorAll('.jp-InputPrompt')[1].textContent.includes('*')"
    while lab.page.evaluate(running):
        for what, value in (("search", "预算"), ("expand", ""), ("search", ""), ("expand", "")):
            took = lab.page.evaluate(MEASURE, {"what": what, "value": value})
            if took is not None:
                times[what].append(took)
    lab.wait_idle()
    assert lab.errors() == []
    rate = int(lab.output_text(1).split(":")[1])
    print("spans per second:", rate)
    for what, values in times.items():
        print(
            f"{what}: {len(values)} times, median {statistics.median(values):.0f} ms, "
            f"worst {max(values):.0f} ms"
        )
        assert len(values) >= 20
        assert statistics.median(values) <= 200
        # All but the worst: this machine may be doing something else for a second.
        assert sorted(values)[-2] <= 1000
    assert rate >= 950
    # Nothing is lost on the way: the panel holds its limit of the latest.
    lab.page.wait_for_function(
        "() => document.querySelector('.vcplab-trace-count').textContent.includes('spans, 0 open')"
    )
    held = int(lab.page.locator(".vcplab-trace-count").inner_text().split(" ")[0].replace(",", ""))
    assert 18_000 <= held <= 20_000
    lab.screenshot("trace_panel_load")


def test_search_expand_details_and_request(lab: Lab) -> None:
    lab.write_notebook(
        "trace_click.ipynb",
        [
            OPEN,
            "with span('request'):\n"
            "    with lab.trace.log.call('SuperDice', {'notation': '2d6'}) as call:\n"
            "        with span('roll'): pass\n"
            "        call.set(output='<img src=x onerror=window.hacked=1>')\n"
            "try:\n"
            "    with span('other <script>window.hacked=2</script>'): 1 / 0\n"
            "except ZeroDivisionError: pass\n"
            "lab.trace.flush()",
        ],
    )
    lab.open_notebook("trace_click.ipynb")
    lab.run_all()
    lab.wait_idle()
    assert lab.errors() == []
    rows = lab.page.locator(".vcplab-trace-row")
    lab.page.wait_for_function("() => document.querySelectorAll('.vcplab-trace-row').length === 2")
    rows.filter(has_text="request").locator("button").click()
    rows.filter(has_text="SuperDice").locator("button").click()
    assert rows.filter(has_text="roll").count() == 1
    rows.filter(has_text="SuperDice").click()
    details = lab.page.locator(".vcplab-trace-more pre")
    details.get_by_text("2d6").wait_for()
    assert "onerror" in details.inner_text()
    lab.page.get_by_role("button", name="Request", exact=True).click()
    assert "tool_call SuperDice [success]" in details.inner_text()
    lab.screenshot("trace_panel")
    lab.page.get_by_label("Search spans").fill("ZeroDivision")
    lab.page.wait_for_function("() => document.querySelectorAll('.vcplab-trace-row').length === 1")
    assert "<script>" in rows.first.inner_text()
    lab.page.get_by_label("Search spans").fill("")
    lab.page.get_by_label("Status", exact=True).select_option("error")
    lab.page.wait_for_function("() => document.querySelectorAll('.vcplab-trace-row').length === 1")
    assert lab.page.evaluate("() => window.hacked") is None
    assert lab.page.locator(".vcplab-trace img").count() == 0
    lab.use_theme("JupyterLab Dark")
    lab.screenshot("trace_panel_dark")
    lab.use_theme("JupyterLab Light")


def test_keys_in_the_panel_are_not_the_notebooks(lab: Lab) -> None:
    lab.write_notebook(
        "trace_keys.ipynb", [OPEN, "with span('a'):\n    with span('b'): pass\nlab.trace.flush()"]
    )
    lab.open_notebook("trace_keys.ipynb")
    lab.run_all()
    lab.wait_idle()
    lab.page.wait_for_function("() => document.querySelectorAll('.vcplab-trace-row').length === 1")
    cells = lab.page.locator(".jp-Notebook .jp-Cell").count()
    lab.page.locator(".vcplab-trace-list").focus()
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("b")  # the notebook's key for a new cell
    lab.page.wait_for_function("() => document.querySelectorAll('.vcplab-trace-row').length === 2")
    assert lab.page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_fourth_notebook_shows_the_answer_and_the_panel(lab: Lab) -> None:
    lab.open_notebook("04_protocol_and_trace.ipynb")
    lab.run_all()
    lab.wait_idle(120)
    assert lab.errors() == []
    shown = lab.page.locator(".jp-OutputArea-output .vcplab").filter(has_text="SuperDice").first
    assert "skipped: no field" in shown.inner_text()
    # Latest first, though what was there before the panel came after what the last cell did.
    newest = lab.page.locator(".vcplab-trace-row").first
    newest.filter(has_text='"number": 39').wait_for()
    lab.screenshot_all("04_protocol_and_trace_whole")
