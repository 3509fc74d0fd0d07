"""What only a real front-end can show: rendering, interruption, where output lands, escaping."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Lab

SYSTEMS = ("BM25", "Dense", "RRF", "LightMemo")


def test_first_notebook_runs_and_shows_the_table(lab: Lab) -> None:
    lab.open_notebook("01_compare_memories.ipynb")
    lab.run_all()
    lab.wait_idle(150)
    assert lab.errors() == []
    table = lab.page.locator(".jp-OutputArea-output table", has_text="LightMemo").first
    table.scroll_into_view_if_needed()
    rows = table.locator("tbody tr").all_inner_texts()
    for system in SYSTEMS:
        row = next(row for row in rows if system in row)
        assert re.search(r"\b0?\.\d{3}", row), row
    assert lab.screenshot("01_compare_memories").stat().st_size > 20_000
    assert lab.page.get_by_text("Jupyter news").count() == 0
    lab.screenshot_all("01_compare_memories_whole")
    # A name broken over lines, or text pushed to the right, is the front-end's style winning.
    name = table.locator("tbody td", has_text="LightMemo")
    assert name.evaluate("e => getComputedStyle(e).textAlign") == "left"
    lines = "e => { const r = document.createRange(); r.selectNodeContents(e);"
    assert name.evaluate(lines + " return r.getClientRects().length }") == 1

    lab.use_theme("JupyterLab Dark")
    table.scroll_into_view_if_needed()
    lab.screenshot("01_compare_memories_dark")
    text, ground = table.locator("tbody td").first.evaluate(
        """e => { const luminance = c => c.match(/[\\d.]+/g).slice(0, 3)
                    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
                 let box = e; const clear = c => c === 'transparent' || /, 0\\)$/.test(c);
                 while (box.parentElement && clear(getComputedStyle(box).backgroundColor))
                     box = box.parentElement;
                 return [luminance(getComputedStyle(e).color),
                         luminance(getComputedStyle(box).backgroundColor)]; }"""
    )
    assert text - ground > 80, "the table cannot be read in the dark theme"


def test_second_notebook_shows_hits_reasons_and_reliability(lab: Lab) -> None:
    lab.open_notebook("02_memory_on_disk.ipynb")
    lab.run_all()
    lab.wait_idle(150)
    assert lab.errors() == []
    tables = lab.page.locator(".jp-OutputArea-output table")
    captions = tables.locator("caption").all_inner_texts()
    assert any("DeepMemo" in caption for caption in captions)
    assert any("AUROC" in caption for caption in captions)
    why = tables.filter(has_text="does not meet the condition").first
    why.scroll_into_view_if_needed()
    assert "filter" in why.inner_text()
    board = tables.filter(has_text="MeshMemo + variety").first
    assert len(board.locator("tbody tr").all()) >= 6
    lab.screenshot_all("02_memory_on_disk_whole")


def test_stop_button_cancels_a_blocking_call(lab: Lab) -> None:
    lab.write_notebook(
        "stop.ipynb",
        [
            "import asyncio, vcplab as vl\n"
            "record = []\n"
            "async def job():\n"
            "    print('started')\n"
            "    try:\n"
            "        await asyncio.sleep(60)\n"
            "    except asyncio.CancelledError:\n"
            "        record.append('cancelled')\n"
            "        raise",
            "vl.run(job())",
            "print(record)",
        ],
    )
    lab.open_notebook("stop.ipynb")
    lab.run_cell(0)
    lab.wait_idle()
    lab.run_cell(1)
    lab.cell_output(1).get_by_text("started").wait_for()
    lab.page.locator("[data-command='notebook:interrupt-kernel']").first.click()
    lab.wait_idle(10)
    assert any("KeyboardInterrupt" in error for error in lab.errors())
    lab.run_cell(2)
    lab.wait_idle()
    assert lab.output_text(2).strip() == "['cancelled']"
    lab.screenshot("stop")


def test_a_submitted_coroutine_prints_under_its_own_cell(lab: Lab) -> None:
    lab.write_notebook(
        "submit.ipynb",
        [
            "import asyncio, vcplab as vl\n"
            "async def later():\n"
            "    await asyncio.sleep(1.5)\n"
            "    print('from the first cell')\n"
            "future = vl.submit(later())",
            "print('second'); print('pending:', not future.done())",
            "future.result()",
        ],
    )
    lab.open_notebook("submit.ipynb")
    lab.run_all()
    lab.cell_output(0).get_by_text("from the first cell").wait_for()
    lab.wait_idle()
    assert lab.errors() == []
    assert lab.output_text(0).strip() == "from the first cell"
    assert lab.output_text(1).split("\n")[:2] == ["second", "pending: True"]
    assert lab.output_text(2).strip() == ""


def test_hostile_names_stay_text(lab: Lab) -> None:
    hostile = "<img src=x onerror=window.hacked=1><script>window.hacked=2</script>"
    lab.write_notebook(
        "hostile.ipynb",
        [
            "import vcplab as vl\n"
            f"hostile = {hostile!r}\n"
            "documents = [vl.Document(id=hostile, text='the budget ' + hostile, tags=(hostile,)),\n"
            "             vl.Document(id='other', text='something else')]\n"
            "corpus = vl.Corpus.from_documents(documents, name=hostile)\n"
            "corpus",
            "hits = vl.BM25().on(corpus).search('budget', 5)\nhits",
            "hits.to_frame()",
        ],
    )
    lab.open_notebook("hostile.ipynb")
    lab.run_all()
    lab.wait_idle()
    assert lab.errors() == []
    assert "<img src=x" in lab.output_text(1)
    assert lab.page.locator(".jp-OutputArea-output img").count() == 0
    assert lab.page.evaluate("() => window.hacked") is None
    lab.screenshot("hostile")
