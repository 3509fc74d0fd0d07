"""The detection panel in a real browser: one notebook, one kernel, all that a reader does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Lab

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"

# Forty English and Chinese responses about a number, a third of them with the wrong one; the last
# is hostile. The detector is right about most of them, and mends what it flags.
BOARD = r'''
import tempfile
from pathlib import Path

import vcplab as vl
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import Evidence, Finding, GoldSpan, Sample, Verdict

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"
labels = Path(tempfile.mkdtemp()) / "labels.jsonl"


def sample(n):
    zh, bad = n % 2 == 0, n % 3 == 0
    context = f"会议开了 {n + 10} 分钟，大家都到了。" if zh else f"The talk took {n + 10} minutes."
    said = str(n + 17) if bad else str(n + 10)
    before = "😀 记录说，会议开了 " if zh else "😀 The notes say that it took "
    after = " 分钟。" if zh else " minutes."
    span = GoldSpan(len(before), len(before) + len(said), "factual" if n % 2 else "temporal")
    return Sample(
        f"s{n}",
        before + said + after,
        (context,),
        question="会议开了多久？" if zh else "How long did it take?",
        label=bad,
        spans=(span,) if bad else (),
        correction=before + str(n + 10) + after if bad else None,
        group=f"g{n}",
        language="zh" if zh else "en",
    )


samples = [sample(n) for n in range(40)]
samples.append(
    Sample(
        "s-" + HOSTILE, HOSTILE + " 不是这样的。", (HOSTILE,), question=HOSTILE, label=True,
        spans=(GoldSpan(0, 8, None, HOSTILE),), correction=HOSTILE, group=HOSTILE, language="en",
        meta={"writer": HOSTILE},
    )
)


class Patch:
    def __init__(self, start, end, old, new):
        self.start, self.end, self.old, self.new = start, end, old, new
        self.policy, self.rule, self.reason, self.p = "replace", "made.number", HOSTILE, 0.9


class Made:
    def __init__(self, text, patches):
        self.processed_text, self.patches = text, patches


class Detector:
    """Looks for the first number of the context; sees every fifth wrongly."""

    name = "made <b>up</b>"
    fingerprint = "made-1"
    threshold = 0.5

    def numbers(self, text):
        return "".join(c if c.isdigit() else " " for c in text).split()

    def _one(self, sample):
        said, held = self.numbers(sample.response), self.numbers(sample.context[0])
        if "onerror" in sample.response:
            return Verdict(
                0.05,
                (Finding(2, 14, 0.3, HOSTILE, HOSTILE, evidence=(Evidence(HOSTILE),)),),
                {HOSTILE: 1.0},
            )
        wrong = said[0] != held[0]
        odd = int(held[0]) % 5 == 0
        start = sample.response.index(said[0])
        evidence = Evidence(held[0], 0, sample.context[0].index(held[0]),
                            sample.context[0].index(held[0]) + len(held[0]))
        findings = (
            Finding(start, start + len(said[0]), 0.9, "made.number", f"It says {held[0]}.",
                    "factual", "high", (evidence,), held[0]),
        ) if wrong != odd else ()
        p = 0.62 + int(held[0]) / 200 if wrong != odd else 0.42 - int(held[0]) / 200
        return Verdict(p, findings, {"wrong": float(wrong), "odd": float(odd)})

    def detect(self, samples):
        return [self._one(sample) for sample in samples]

    def contributions(self, sample):
        return {HOSTILE: 2.0} if "onerror" in sample.response else {"wrong": 1.25, "odd": -0.5}

    def suppress(self, text, conversation_history=(), knowledge_base=(), question=""):
        said, held = self.numbers(text), self.numbers(knowledge_base[0])
        if not said or said == held[:1]:
            return Made(text, [])
        start = text.index(said[0])
        patch = Patch(start, start + len(said[0]), said[0], held[0])
        return Made(text[:start] + held[0] + text[start + len(said[0]):], [patch])


data = GroundingData(tuple(samples), name="made " + HOSTILE)
board = vl.compare(Detector(), data, resamples=200)
panel = board.panel(labels=labels, page=10)
panel
'''
BUSY = """
import time
gate = labels.parent / "gate"
print("sleeping", flush=True)
while not gate.exists(): time.sleep(0.02)
print("awake")
"""
CHECK = """
print(panel.labels["s15"].label, panel.labels["s15"].note, len(labels.read_text().splitlines()))
print(panel.relabelled()["s15"].label, labels.parent)
"""


def test_threshold_errors_labels_and_hostile_text(lab: Lab) -> None:
    lab.write_notebook("detection_panel.ipynb", [BOARD, CHECK, BUSY])
    lab.open_notebook("detection_panel.ipynb")
    lab.run_cell(0)
    page = lab.page
    panel = page.locator(".vcplab-detect")
    rows = panel.locator(".vcplab-detect-row")
    rows.first.wait_for()
    lab.wait_idle()
    assert lab.errors() == []
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    lab.execute("notebook:hide-all-cell-code")

    # The numbers at the detector's own threshold.
    def count(cell: str) -> int:
        return int(panel.locator(f"[data-cell={cell}] b").inner_text())

    def four() -> list[int]:
        return [count(cell) for cell in ("tp", "fn", "fp", "tn")]

    number = panel.get_by_label("Threshold as a number")
    assert number.input_value() == "0.5"
    assert four() == [11, 4, 5, 21]
    assert panel.locator("dd[data-metric='balanced accuracy']").inner_text() == ".771"
    assert panel.locator(".vcplab-detect-chart svg path").count() >= 7
    found = panel.locator(".vcplab-detect-found")
    assert found.inner_text() == "9 samples"

    # The slider, by keys; the matrix follows at once, the list after the kernel's answer.
    slider = panel.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    assert four() == [15, 0, 26, 0]
    found.get_by_text("26 samples, 1 to 10 shown").wait_for()
    panel.get_by_role("button", name="After ›").click()
    found.get_by_text("11 to 20 shown").wait_for()
    panel.get_by_role("button", name="Flag less: to the next operating point").click()
    assert four() != [15, 0, 26, 0]
    panel.get_by_role("button", name="Back to 0.5").click()
    assert four() == [11, 4, 5, 21]
    found.get_by_text("9 samples").wait_for()

    # Costs: where a miss is dear, all are flagged.
    assert "Cost here: 9 " in panel.locator(".vcplab-detect-cost-now").inner_text()
    panel.get_by_label("A miss costs").fill("10")
    assert "Cost here: 45 " in panel.locator(".vcplab-detect-cost-now").inner_text()
    go = panel.get_by_role("button", name="Go there")
    go.click()
    assert go.is_disabled()
    assert count("fn") == 0
    panel.get_by_role("button", name="Back to 0.5").click()
    panel.get_by_label("A miss costs").fill("2")

    # A miss: what the data say and what was found are marked apart, by keys alone.
    panel.locator("[data-cell=fp]").click()
    found.get_by_text("5 samples").wait_for()
    panel.get_by_label("Which samples").select_option("hits")
    found.get_by_text("11 samples").wait_for()
    panel.get_by_label("Search").fill("s21")
    panel.locator(".vcplab-detect-row[title=s21]").focus()
    page.keyboard.press("Enter")
    detail = panel.locator(".vcplab-detect-detail")
    both = detail.locator(".vcplab-detect-response mark[data-gold][data-found]")
    both.wait_for()
    assert both.inner_text() == "38"
    assert "31" in detail.locator(".vcplab-detect-source mark[data-found]").inner_text()
    assert "It says 31." in detail.locator(".vcplab-detect-finding").inner_text()
    assert "+1.25" in detail.locator(".vcplab-detect-why").inner_text()
    detail.get_by_role("button", name="Show before and after").click()
    change = detail.locator(".vcplab-detect-diff")
    change.locator("ins").wait_for()
    assert (change.locator("del").inner_text(), change.locator("ins").inner_text()) == ("38", "31")
    detail.get_by_text("✓ on a gold span").wait_for()
    lab.screenshot_all("detection_panel")

    # A label of one's own, kept in the kernel and in its file.
    panel.get_by_label("Search").fill("s15")
    panel.get_by_label("Which samples").select_option("all")
    panel.locator(".vcplab-detect-row[title=s15]").click()
    detail.locator(".vcplab-detect-id", has_text="s15").wait_for()
    detail.get_by_label("faithful").check()
    detail.get_by_label("Note").fill("算上了休息")
    detail.get_by_role("button", name="Keep").click()
    detail.get_by_text("Kept: faithful").wait_for()
    panel.get_by_role("tab", name="Your labels (1)").click()
    with page.expect_download() as download:
        panel.get_by_role("button", name="Save as JSONL").click()
    saved = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert (saved["id"], saved["label"], saved["was"]) == ("s15", False, True)
    assert saved["note"] == "算上了休息"
    lab.run_cell(1)
    lab.cell_output(1).get_by_text("False 算上了休息 1").wait_for()

    # Parts and types; tabs by keys.
    page.keyboard.press("Shift+Tab")
    panel.get_by_role("tab", name="Samples").click()
    page.keyboard.press("ArrowRight")
    panel.get_by_role("row", name="macro").wait_for()
    panel.get_by_label("Parts by").select_option("language")
    panel.get_by_role("row", name="zh 20").wait_for()
    page.get_by_role("tab", name="Types").click()
    panel.get_by_role("row", name="factual", exact=False).last.wait_for()

    # Another detector, and one that is text.
    panel.get_by_label("Detector").select_option(label="always (baseline)")
    panel.locator("[data-cell=fn] b", has_text="0").wait_for()
    panel.get_by_label("Detector").select_option(label="made <b>up</b>")
    page.get_by_role("tab", name="Samples").click()
    panel.get_by_label("Search").fill("onerror")
    rows.get_by_text("不是这样的").click()
    detail.locator(".vcplab-detect-id", has_text="onerror").wait_for()
    assert HOSTILE in detail.locator(".vcplab-detect-response").inner_text()
    assert HOSTILE in detail.locator(".vcplab-detect-reason").inner_text()
    assert HOSTILE in detail.locator(".vcplab-detect-why").inner_text()
    assert HOSTILE in panel.locator(".vcplab-detect-head").inner_text()
    lab.screenshot("detection_panel_hostile")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells

    # The looks: dark, and narrow.
    panel.get_by_label("Search").fill("")
    panel.get_by_label("Which samples").select_option("errors")
    found.get_by_text("9 samples").wait_for()
    rows.first.click()
    detail.locator(".vcplab-detect-finding, .vcplab-detect-part").first.wait_for()
    lab.use_theme("JupyterLab Dark")
    lab.screenshot_all("detection_panel_dark")
    lab.use_theme("JupyterLab Light")
    page.set_viewport_size({"width": 780, "height": 1000})
    lab.screenshot_all("detection_panel_narrow")
    beyond = page.evaluate(
        """() => { const right = node => node.getBoundingClientRect().right;
            const edge = right(document.querySelector('.vcplab-detect'));
            return [...document.querySelectorAll('.vcplab-detect *')]
                .filter(node => right(node) > edge + 1).map(node => node.className); }"""
    )
    assert beyond == []
    page.set_viewport_size({"width": 1280, "height": 1000})

    # A cell that holds the kernel: the threshold moves all the same, and what waits is said.
    lab.run_cell(2)
    page.locator(".jp-OutputArea-output", has_text="sleeping").wait_for()
    number.fill("0.01")
    assert four() == [15, 0, 26, 0]
    panel.get_by_text("Waiting for the kernel: it is busy").wait_for()
    where = lab.output_text(1).split()[-1]
    with open(f"{where}/gate", "w", encoding="utf-8"):
        pass
    found.get_by_text("26 samples").wait_for()
    panel.get_by_text("Waiting for the kernel: it is busy").wait_for(state="detached")
    assert lab.errors() == []

    # Everything above was text: no element of anybody's making, and no script, ran.
    assert panel.locator("script, img, iframe, b b").count() == 0
    page.evaluate(
        "() => new Promise(done => Object.assign(new Image(), { onerror: () => done(), src: 'x' }))"
    )
    assert page.evaluate("() => window.hacked") is None
