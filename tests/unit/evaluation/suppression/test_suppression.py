from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation.comparison import compare
from vcplab.evaluation.samples import GroundingData
from vcplab.evaluation.suppression.board import SuppressionBoard
from vcplab.evaluation.suppression.edits import Edit, counts_of, edits_of, gold_of, restores
from vcplab.protocol.grounding import GoldSpan, Sample, Verdict

TEXT = "It weighs 80 kilos and is very red."
TRUTH = "It weighs 30 kilos and is very red."
WRONG = Sample(
    "wrong", TEXT, ("It weighs 30 kilos.",), label=True, spans=(GoldSpan(10, 12, "factual"),),
    correction=TRUTH, group="a", language="en",
)  # fmt: skip
RIGHT = Sample("right", TRUTH, WRONG.context, label=False, spans=(), group="a", language="en")
ZH = Sample(
    "zh", "它重八十公斤。", ("它重三十公斤。",), label=True, spans=(GoldSpan(2, 4, "factual"),),
    correction="它重三十公斤。", group="b", language="zh",
)  # fmt: skip


@dataclass
class Patch:
    start: int
    end: int
    old: str
    new: str
    policy: str
    rule: str = "r"


class Doing:
    """Does to a text what it is told; with its patches."""

    def __init__(self, name, doing, fingerprint=None, patched=True):
        self.name, self.doing, self.patched = name, doing, patched
        self.fingerprint = fingerprint
        self.seen = []

    def suppress(self, text, *, knowledge_base, conversation_history, question):
        self.seen.append((text, knowledge_base, conversation_history, question))
        patches = [Patch(a, b, text[a:b], new, how) for a, b, new, how in self.doing.get(text, ())]
        after = text
        for one in reversed(patches):
            after = after[: one.start] + one.new + after[one.end :]
        made = SimpleNamespace(original_text=text, processed_text=after)
        if self.patched:
            made.patches = patches
            made.detections = [
                SimpleNamespace(span=(10, 12), rule="r"), SimpleNamespace(span=(26, 30), rule="r"),
            ]  # fmt: skip
        return made


DATA = GroundingData((WRONG, RIGHT, ZH), name="three")


def run(systems, data=DATA, **options):
    return compare(
        systems, data, task="suppression", resamples=50, progress=False, baseline=None,
        cache=False, **options,
    )  # fmt: skip


def value(board, system, metric):
    frame = board.to_frame().set_index(["system", "metric"])
    return frame.loc[(system, metric), "mean"]


def test_what_is_taken_away_is_held_against_gold():
    doing = Doing("doing", {TEXT: [(10, 12, "30", "replace")], TRUTH: [(26, 30, "", "delete")]})
    board = run(doing)
    assert isinstance(board, SuppressionBoard)
    assert value(board, "doing", "edit precision") == pytest.approx(2 / 6)
    assert value(board, "doing", "removed") == pytest.approx(2 / 4)
    correct = len(TEXT) - 2 + len(TRUTH) + len(ZH.response) - 2
    assert value(board, "doing", "kept") == pytest.approx(1 - 4 / correct)
    assert value(board, "doing", "cleaned") == pytest.approx(1 / 2)
    assert value(board, "doing", "restored") == 1
    assert value(board, "doing", "clean altered") == 1
    assert value(board, "nothing", "kept") == 1
    assert value(board, "nothing", "removed") == 0
    assert math.isnan(value(board, "nothing", "edit precision"))
    total = len(TEXT) + len(TRUTH) + len(ZH.response)
    assert value(board, "everything", "edit precision") == pytest.approx(4 / total)
    assert value(board, "everything", "cleaned") == 1


def test_suppressors_see_no_gold():
    doing = Doing("doing", {})
    sample = replace(WRONG, history=("Hi.",), question="How heavy?")
    run(doing, GroundingData((sample, RIGHT), name="two"))
    assert doing.seen[0] == (TEXT, ["It weighs 30 kilos."], ["Hi."], "How heavy?")


def test_marks_are_judged_by_what_they_speak_of():
    marks = [(12, 12, "⚠️", "mark"), (30, 30, "⚠️", "mark")]
    board = run(Doing("marking", {TEXT: marks, TRUTH: [(0, 0, "(unverified) ", "hedge")]}))
    assert value(board, "marking", "kept") == 1
    assert value(board, "marking", "clean altered") == 0
    assert value(board, "marking", "clean touched") == 1
    # Two of 2 + 4 characters in the wrong one; the hedge speaks of the first finding.
    assert value(board, "marking", "mark precision") == pytest.approx(2 / (2 + 4 + 2))
    policies = board.policies().set_index(["system", "policy"])
    assert policies.loc[("marking", "mark"), "precision"] == pytest.approx(2 / 6)
    assert policies.loc[("marking", "mark"), "hits"] == pytest.approx(1 / 2)
    assert policies.loc[("marking", "hedge"), "clean"] == 1
    assert set(board.policies("rule")["rule"]) >= {"r"}


def test_without_patches_the_difference_counts():
    doing = {TEXT: [(10, 12, "30", "x")], ZH.response: [(2, 3, "三", "x")]}
    board = run(Doing("plain", doing, patched=False))
    rows = board.edits("plain")
    assert list(rows["old"]) == ["80", "八"]
    assert list(rows["new"]) == ["30", "三"]
    assert list(rows["restored"]) == [1, 1]
    assert value(board, "plain", "edit precision") == 1


def test_a_replacement_counts_the_words_that_change():
    (edit,) = edits_of(
        SimpleNamespace(patches=[Patch(10, 18, "80 kilos", "30 kilos", "replace")]), TEXT
    )
    assert (edit.old, edit.new) == ("80", "30")


@pytest.mark.parametrize(
    ("edit", "right"),
    [
        (Edit(10, 12, "80", "30", "replace"), True),
        (Edit(10, 12, "80", "thirty", "replace"), True),
        (Edit(10, 12, "80", "31", "replace"), False),
        (Edit(31, 34, "red", "blue", "replace"), False),
        (Edit(10, 12, "80", "", "delete"), None),
    ],
)
def test_a_replacement_restores_what_the_correction_says(edit, right):
    assert restores(edit, WRONG) is right


def test_gold_without_spans_is_what_the_correction_has_not():
    assert gold_of(replace(WRONG, spans=None)) == [(10, 12)]
    assert gold_of(replace(WRONG, spans=None, correction=None)) is None
    assert gold_of(replace(RIGHT, spans=None)) == []
    assert gold_of(replace(ZH, spans=None)) == [(2, 3)]
    unknown = counts_of([], replace(WRONG, spans=None, correction=None))
    assert math.isnan(unknown["kept"])
    assert unknown["replaced"] == 0


class Judge:
    name = "judge"

    def __init__(self, fingerprint="judge/1"):
        self.fingerprint = fingerprint
        self.asked = 0

    def detect(self, samples):
        self.asked += len(samples)
        return [Verdict(0.9 if "80" in sample.response else 0.2) for sample in samples]


def test_a_judge_says_what_is_left():
    doing = Doing("doing", {TEXT: [(10, 12, "30", "replace")]})
    board = run(doing, GroundingData((WRONG, RIGHT), name="two"), judge=Judge())
    assert value(board, "doing", "judge before") == pytest.approx(0.9)
    assert value(board, "doing", "judge drop") == pytest.approx(0.7)
    assert value(board, "nothing", "judge drop") == 0
    assert value(board, "everything", "judge drop") == pytest.approx(0.9)


def test_texts_slices_and_the_report(tmp_path):
    doing = Doing("doing", {TEXT: [(10, 12, "30", "replace")]})
    board = run(doing)
    texts = board.texts().set_index("id")
    assert texts.loc["wrong", "after"] == TRUTH
    assert texts.loc["zh", "edits"] == 0
    by = board.by("language", "removed").set_index(["language", "system"])
    assert by.loc[("en", "doing"), "removed"] == 1
    assert by.loc[("zh", "doing"), "removed"] == 0
    page = board.report(tmp_path / "r.html").read_text()
    assert "edit precision" in page
    assert "Policies" in page
    assert "edit precision" in board.to_text()
    with pytest.raises(NotFoundError, match="no suppressor"):
        board.edits("other")


def test_it_is_not_computed_again(tmp_path):
    changes = {TEXT: [(10, 12, "30", "replace")]}
    options = {"resamples": 50, "progress": False, "cache": tmp_path / "c", "baseline": None}
    first = Doing("doing", changes, "doing/1")
    task = DATA.suppression_task(judge=Judge())
    frame = compare(first, task, **options).to_frame()
    assert len(first.seen) == 3
    again = Doing("doing", changes, "doing/1")
    assert compare(again, DATA.suppression_task(judge=Judge()), **options).to_frame().equals(frame)
    assert again.seen == []
    compare(again, DATA.suppression_task(judge=Judge("judge/2")), **options)
    assert len(again.seen) == 3


def test_what_cannot_be_measured_is_refused():
    doing = Doing("doing", {})
    bare = GroundingData((replace(WRONG, spans=None, correction=None),), name="bare")
    with pytest.raises(InvalidDataError, match="judge"):
        run(doing, bare)
    with pytest.raises(InvalidInputError, match="does not suppress"):
        run(Judge())
    with pytest.raises(InvalidInputError, match="no detector"):
        run(doing, judge=object())
    with pytest.raises(InvalidInputError, match="no metric"):
        run(doing, metrics="AUROC")
    with pytest.raises(InvalidInputError, match="called"):
        run([Doing("a", {}), Doing("a", {})])
    with pytest.raises(InvalidInputError, match="task"):
        compare(doing, DATA, task="other")
    with pytest.raises(InvalidInputError, match="threshold"):
        run(doing, threshold=0.5)


def test_a_suppressor_that_fails_is_told():
    class Failing(Doing):
        def suppress(self, text, **given):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(Failing("failing", {}))
    board = run([Failing("failing", {}), Doing("doing", {})], on_error="record")
    assert {failure.system for failure in board.failures} == {"failing"}
    assert math.isnan(value(board, "failing", "kept"))
