"""Detection through ``compare``: what detectors see, metrics, thresholds, tables, resuming."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.killed_detection import Noting, samples
from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation import statistics as stats
from vcplab.evaluation.comparison import compare
from vcplab.evaluation.detection.baselines import AlwaysPositive, LengthOnly, StyleOnly
from vcplab.evaluation.detection.board import DetectionBoard
from vcplab.evaluation.detection.metrics import METRICS
from vcplab.evaluation.detection.outputs import output_of, verdict_of
from vcplab.evaluation.samples import GroundingData
from vcplab.evaluation.scoring import forget
from vcplab.protocol.grounding import Evidence, Finding, GoldSpan, Sample, Verdict

ROOT = Path(__file__).parents[3]
TYPES = ("factual", "temporal")


def toy(count: int = 60, seed: int = 0, **fields: Any) -> GroundingData:
    """Responses "<n> <word> end"; the word of hallucinated ones is marked."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(count):
        bad = bool(rng.random() < 0.5)
        text = f"{n:03d} word{'s' * int(rng.integers(0, 9))} end"
        kind = TYPES[n % 2]
        rows.append(
            Sample(
                f"s{n}",
                text,
                (f"context {n // 3}",),
                label=bad,
                spans=(GoldSpan(4, 8, kind),) if bad else (),
                split=("dev", "test", "test")[n // 3 % 3],
                group=f"g{n // 3}",
                language=("en", "zh")[n % 2],
                correction="right" if bad else None,
                meta={"domain": ("news", "mail")[n % 2], "type": kind},
            )
        )
    return GroundingData(tuple(rows), name="toy", **fields)


class Fixed:
    """Says what it was told to say, by sample id."""

    def __init__(self, verdicts: dict[str, Verdict], name: str = "fixed") -> None:
        self.name = name
        self.fingerprint = f"{name}:{sorted(verdicts.items())!r}"
        self._verdicts = verdicts
        self.seen: list[Sample] = []

    def detect(self, given: Sequence[Sample]) -> list[Verdict]:
        self.seen += given
        return [self._verdicts[sample.id] for sample in given]


def knowing(data: GroundingData, seed: int = 1, noise: float = 0.6, **more: Any) -> Fixed:
    """A detector that has an idea of the labels, and finds the second half of the words."""
    rng = np.random.default_rng(seed)
    verdicts = {}
    for sample in data:
        p = float(np.clip(0.5 + (0.2 if sample.label else -0.2) + noise * rng.normal() / 3, 0, 1))
        finding = Finding(6, 10, p, "toy", type="factual")
        remark = Finding(0, 3, None, "toy.style")
        verdicts[sample.id] = Verdict(p, (finding, remark) if p > 0.5 else (remark,))
    return Fixed(verdicts, **more)


def run(systems: Any, data: GroundingData, metrics: Any = None, **options: Any) -> DetectionBoard:
    board = compare(systems, data, metrics, **{"cache": False, "resamples": 200, **options})
    assert isinstance(board, DetectionBoard)
    return board


def value(board: DetectionBoard, metric: str, system: str) -> float:
    frame = board.to_frame()
    return float(frame[(frame["metric"] == metric) & (frame["system"] == system)]["mean"].iloc[0])


def test_baselines_stand_in_every_table() -> None:
    data = toy()
    board = run(knowing(data), data)
    assert board.names == ("fixed", "always", "length", "style")
    assert board.metrics == (
        "AUROC", "AUPRC", "BAcc", "ECE", "char F1", "type F1", "coverage",
    )  # fmt: skip
    assert value(board, "AUROC", "always") == 0.5
    assert value(board, "AUPRC", "always") == pytest.approx(data.prevalence)
    assert value(board, "BAcc", "always") == 0.5
    assert math.isnan(value(board, "ECE", "length"))
    shown = str(board)
    assert "chance for AUPRC" in shown
    assert "Threshold of fixed, length, style: 0.5, one half: the detector has none" in shown
    assert "Threshold of always: 0.5, fixed." in shown
    assert "paired bootstrap of groups" in shown
    assert "whole groups" in shown
    assert board.units == "groups"
    assert f"{len(set(data.groups))} groups" in repr(board)
    assert run(knowing(data), data, baselines=False).names == ("fixed",)
    assert run(knowing(data), data, baselines=[LengthOnly()]).names == ("fixed", "length")
    # A detector of the user's takes the place of the baseline that has its name.
    assert run(knowing(data, name="style"), data).names == ("style", "always", "length")


def test_detectors_see_nothing_that_the_judge_knows() -> None:
    data = toy(6)
    detector = knowing(data)
    run(detector, data)
    assert [s.id for s in detector.seen] == [s.id for s in data]
    for seen in detector.seen:
        assert (seen.label, seen.spans, seen.correction) == (None, None, None)
        assert (seen.group, seen.split, dict(seen.meta)) == ("", "", {})
        assert seen.context == data[seen.id].context


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_every_metric_is_that_of_the_statistics(threshold: float) -> None:
    data = toy(90)
    detector = knowing(data)
    board = run(detector, data, list(METRICS), threshold=threshold, baselines=False)
    y = [float(s.label) for s in data]
    p = [detector._verdicts[s.id].p for s in data]
    wrong = [(q >= threshold) != bool(label) for label, q in zip(y, p, strict=True)]
    sure = stats.confidence_of(p, threshold)
    spans = stats.char_scores(
        stats.span_counts(
            [
                (f.start, f.end, f.type)
                for f in detector._verdicts[s.id].findings
                if f.p is not None
            ],
            [(g.start, g.end, g.type) for g in s.spans],
        )
        for s in data
    )
    counts = stats.confusion(y, p, threshold)
    expected = {
        "AUROC": stats.auroc(y, p),
        "AUPRC": stats.auprc(y, p),
        "BAcc": counts.balanced_accuracy,
        "F1": counts.f1,
        "MCC": counts.mcc,
        "precision": counts.precision,
        "recall": counts.recall,
        "specificity": counts.specificity,
        "accuracy": counts.accuracy,
        "ECE": stats.expected_calibration_error(y, p),
        "ECE mass": stats.expected_calibration_error(y, p, kind="mass"),
        "Brier": stats.brier_score(y, p),
        "NLL": stats.log_loss(y, p),
        "AURC": stats.aurc(wrong, sure),
        "E-AURC": stats.e_aurc(wrong, sure),
        "acc@80": stats.selective_accuracy(wrong, sure, 0.8),
        "acc@90": stats.selective_accuracy(wrong, sure, 0.9),
        "char F1": spans.f1,
        "char P": spans.precision,
        "char R": spans.recall,
        "type F1": spans.type_f1,
        "IoU": spans.iou,
        "coverage": 1.0,
        "prevalence": data.prevalence,
    }
    assert set(expected) == set(METRICS)
    for metric, wanted in expected.items():
        assert value(board, metric, "fixed") == pytest.approx(wanted, abs=1e-9), metric


@pytest.mark.parametrize("name", sorted(METRICS))
def test_weights_are_what_repeating_samples_would_give(name: str) -> None:
    data = toy(30)
    board = run(knowing(data), data, name, baselines=False)
    frame = board._scores[0].round(1)  # ties
    statistic = METRICS[name].statistic(frame)
    if "mass" in name:  # its bins are those of all rows
        return
    for weights in stats.group_resamples(data.groups, resamples=10, seed=2):
        for row, told in zip(weights, statistic(weights), strict=True):
            again = frame.iloc[np.repeat(np.arange(30), row.astype(int))]
            assert told == pytest.approx(METRICS[name].of(again), abs=1e-9)


def test_differences_count_what_both_judge() -> None:
    data = toy(60)
    whole = knowing(data, name="whole")
    half = Fixed(
        {
            s.id: v if n % 2 else Verdict(None, abstained="no luck")
            for n, (s, v) in enumerate((s, knowing(data, 3)._verdicts[s.id]) for s in data)
        },
        "half",
    )
    board = run([whole, half], data, ["AUROC", "coverage"], baselines=False)
    y = np.array([float(s.label) for s in data])
    a = np.array([whole._verdicts[s.id].p for s in data])
    b = np.array([half._verdicts[s.id].p for s in data], dtype=float)  # None becomes NaN
    row = board.to_frame().set_index(["system", "metric"]).loc[("half", "AUROC")]
    both = np.isfinite(b)
    assert row["mean"] == pytest.approx(stats.auroc(y, b))
    assert row["delta"] == pytest.approx(stats.auroc(y, b) - stats.auroc(y[both], a[both]))
    assert row["n"] == both.sum()
    assert value(board, "coverage", "half") == 0.5
    assert any("half: abstains on 30 of 60 samples" in text for text in board.notices)
    assert "no luck" in str(board)
    silent = Fixed({s.id: Verdict(None, abstained="never") for s in data}, "silent")
    none = run([whole, silent], data, baselines=False)
    assert math.isnan(value(none, "AUROC", "silent"))
    assert value(none, "coverage", "silent") == 0.0


def test_a_threshold_from_the_dev_split_is_frozen_for_the_test() -> None:
    data = toy(90)
    test, dev = data.split_named("test"), data.split_named("dev")
    detector = knowing(data)
    board = run(detector, test, threshold="dev")
    best = stats.best_threshold(
        [float(s.label) for s in dev], [detector._verdicts[s.id].p for s in dev]
    )
    table = board.thresholds.set_index("system")
    assert table.loc["fixed", "threshold"] == pytest.approx(best.value)
    assert table.loc["fixed", "n"] == len(dev)
    assert "on toy (dev)" in table.loc["fixed", "chosen"]
    assert table.loc["always", "threshold"] == 0.5
    expected = stats.balanced_accuracy(
        [float(s.label) for s in test], [detector._verdicts[s.id].p for s in test], best.value
    )
    assert value(board, "BAcc", "fixed") == pytest.approx(expected)
    assert len(board.per_sample()) == len(test)
    # Other data do as well; those that are judged do not.
    other = run(detector, test, threshold=dev)
    assert value(other, "BAcc", "fixed") == pytest.approx(expected)
    with pytest.raises(InvalidInputError, match="samples that are judged"):
        run(detector, data, threshold="dev")
    with pytest.raises(InvalidInputError, match="share their text"):
        run(detector, test, threshold=GroundingData(data.samples[:6], name="renamed"))
    with pytest.raises(NotFoundError, match="no split 'validation'"):
        run(detector, test, threshold="validation")
    for wrong in (1.5, True, [0.5]):
        with pytest.raises(InvalidInputError, match="no threshold"):
            run(detector, test, threshold=wrong)


def test_a_fitted_detector_brings_its_threshold() -> None:
    data = toy(60)
    fitted = knowing(data)
    fitted.threshold = 0.7
    own = run(fitted, data).thresholds.set_index("system").loc["fixed"]
    assert own["threshold"] == 0.7
    assert "where it was fitted" in own["chosen"]
    given = run(fitted, data, threshold=0.3).thresholds.set_index("system")
    assert given.loc["fixed", "threshold"] == 0.3
    assert "given" in given.loc["fixed", "chosen"]
    assert given.loc["always", "threshold"] == 0.5


def test_cross_fitted_thresholds_never_see_their_own_group() -> None:
    data = toy(90)
    detector = knowing(data)
    frame = run(detector, data, threshold="cross")._scores[0]
    by_group: dict[str, set[float]] = {}
    for group, threshold in zip(data.groups, frame["threshold"], strict=True):
        by_group.setdefault(group, set()).add(threshold)
    assert all(len(found) == 1 for found in by_group.values())
    y, p = frame["label"].to_numpy(), frame["p"].to_numpy()
    for threshold in set(frame["threshold"]):
        held = frame["threshold"].to_numpy() == threshold
        found = stats.best_threshold(y[~held], p[~held]).value
        assert found == pytest.approx(threshold)


def test_slices_by_type_language_domain_and_length() -> None:
    data = toy(80)
    board = run(knowing(data), data)
    by_type = board.by("type", ["AUROC", "recall"])
    assert list(dict.fromkeys(by_type["type"])) == ["factual", "temporal", "macro"]
    own = by_type[(by_type["type"] == "factual") & (by_type["system"] == "fixed")].iloc[0]
    part = data.filter(type="factual")
    assert own["samples"] == len(part)
    p = [board.verdicts()[s.id].p for s in part]
    assert own["AUROC"] == pytest.approx(stats.auroc([float(s.label) for s in part], p))
    macro = by_type[(by_type["type"] == "macro") & (by_type["system"] == "fixed")].iloc[0]
    values = by_type[(by_type["type"] != "macro") & (by_type["system"] == "fixed")]["AUROC"]
    assert macro["AUROC"] == pytest.approx(values.mean())
    ends = board.by("language", "AUROC", intervals=True)
    assert (ends["AUROC low"].dropna() <= ends["AUROC"][ends["AUROC low"].notna()]).all()
    assert set(board.by("domain")["domain"]) == {"news", "mail", "macro"}
    assert board.by("length")["samples"].iloc[:12:4].sum() == 80
    with pytest.raises(InvalidInputError, match="no column 'colour'"):
        board.by("colour")


def test_faithful_samples_without_a_type_belong_to_every_type() -> None:
    rows = [
        Sample("a", "one two", ("c",), label=True, spans=(GoldSpan(0, 3, "factual"),)),
        Sample("b", "one two", ("d",), label=False, spans=()),
        Sample("c", "one two", ("e",), label=True),
    ]
    data = GroundingData(tuple(rows))
    board = run(Fixed({s.id: Verdict(0.5) for s in data}), data, "AUROC", baselines=False)
    found = board.by("type").set_index("type")["samples"].to_dict()
    assert found == {"factual": 2, "untyped": 2, "macro": 4}


def test_mcnemar_against_the_baseline() -> None:
    data = toy(60)
    board = run([knowing(data), knowing(data, 2, name="other")], data, baseline="other")
    found = board.mcnemar().set_index("system")
    assert list(found.index) == ["fixed", "always", "length", "style"]
    y = np.array([float(s.label) for s in data])
    flags = [
        np.array([board.verdicts(name)[s.id].p >= 0.5 for s in data]) for name in ("fixed", "other")
    ]
    expected = stats.mcnemar(y, *flags)
    assert found.loc["fixed", "p"] == pytest.approx(expected.p)
    assert found.loc["fixed", "only_system_right"] == expected.only_first
    assert (found["p_adjusted"] >= found["p"]).all()
    assert run(knowing(data), data, baseline=None).mcnemar().empty


def test_types_are_confused_as_counted() -> None:
    data = toy(40)
    board = run(knowing(data), data)
    table = board.type_confusion()
    bad = [s for s in data if s.label]
    assert table.to_numpy().sum() == len(bad)
    found = sum(board.verdicts()[s.id].p > 0.5 for s in bad)
    assert table["factual"].sum() == found
    assert table["missed"].sum() == len(bad) - found
    assert list(table.index) == ["factual", "temporal"]
    assert board.type_confusion("always").columns.to_list() == ["untyped"]


def test_curves_agree_with_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_curve, roc_curve

    data = toy(60)
    board = run(knowing(data), data)
    points = board.curve()
    frame = board.per_sample()
    far, tpr, _ = roc_curve(frame["label"], frame["p"], drop_intermediate=False)
    np.testing.assert_allclose(points["recall"], tpr[1:], atol=1e-9)
    np.testing.assert_allclose(points["false_alarms"], far[1:], atol=1e-9)
    precision, recall, _ = precision_recall_curve(frame["label"], frame["p"])
    np.testing.assert_allclose(points["precision"][::-1], precision[:-1], atol=1e-9)
    np.testing.assert_allclose(points["recall"][::-1], recall[:-1], atol=1e-9)
    assert board.reliability()["n"].sum() == 60
    assert board.risk_coverage()["coverage"].iloc[-1] == 1.0
    wrong = board.errors()
    assert len(wrong) == int((frame["flagged"] != frame["label"]).sum())
    assert set(wrong["kind"]) <= {"miss", "false alarm"}
    with pytest.raises(NotFoundError, match="no detector 'x'"):
        board.errors("x")


def test_spans_that_were_not_all_located_do_not_count() -> None:
    data = toy(30)
    rows = [
        Sample("u", "word", ("c",), label=True, spans=(GoldSpan(0, 2),), meta={"unlocated": ["x"]}),
        Sample("n", "word", ("c",), label=True),
        *data.samples,
    ]
    whole = GroundingData(tuple(rows))
    verdicts = {**knowing(data)._verdicts, "u": Verdict(0.9), "n": Verdict(0.9)}
    board = run(Fixed(verdicts), whole, baselines=False)
    alone = run(knowing(data), data, baselines=False)
    assert value(board, "char F1", "fixed") == value(alone, "char F1", "fixed")
    assert "Samples that have what a metric needs: char F1 30, type F1 30." in str(board)


def test_sets_of_one_class_have_span_metrics_only() -> None:
    data = toy(40).filter(label=True)
    board = run(knowing(data), data)
    assert board.metrics == ("char F1", "type F1", "coverage")
    nothing = GroundingData((Sample("a", "text"),))
    with pytest.raises(InvalidDataError, match="has a label"):
        run(Fixed({"a": Verdict(0.5)}), nothing, "AUROC")


def test_verdicts_survive_the_store() -> None:
    finding = Finding(
        0, 2, 0.4, "r", "because", "temporal", "high", (Evidence("e", 1, 2, 3, 0.5, "d"),), "new"
    )
    verdict = Verdict(0.25, (finding,), {"x": 1.5}, None, -2.0, 3.0)
    sample = Sample("a", "text")
    assert verdict_of(output_of(verdict, sample, "d", 9.0)) == verdict
    failed = verdict_of({"error": "boom"})
    assert failed.p is None
    assert "boom" in str(failed.abstained)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no verdict", "not a Verdict"),
        (Verdict(None), "says why it abstains"),
        (Verdict(0.5, abstained="why"), "says why it abstains"),
        (Verdict(1.5), "outside 0 to 1"),
        (Verdict(math.nan), "outside 0 to 1"),
        (Verdict(0.5, (Finding(0, 99, 0.5, "r"),)), "outside the response"),
    ],
)
def test_what_is_no_verdict_is_refused(said: Any, told: str) -> None:
    data = toy(3)
    detector = Fixed(dict.fromkeys((s.id for s in data), said))
    with pytest.raises(InvalidInputError, match=told) as caught:
        run(detector, data, "AUROC")
    assert "fixed, sample 's0'" in str(caught.value.where)


def test_wrong_systems_options_and_metrics_are_refused() -> None:
    data = toy(6)
    with pytest.raises(InvalidInputError, match="int is no detector"):
        run([3], data)
    with pytest.raises(InvalidInputError, match="type is no detector"):
        run([LengthOnly], data)
    with pytest.raises(InvalidInputError, match="Two detectors are called 'fixed'"):
        run([knowing(data), knowing(data)], data)
    with pytest.raises(InvalidInputError, match="no metric 'AUROK'") as caught:
        run(knowing(data), data, "AUROK")
    assert "AUROC" in str(caught.value.next_step)
    with pytest.raises(InvalidInputError, match="no option 'k' for detection"):
        run(knowing(data), data, k=3)
    with pytest.raises(InvalidInputError, match="2 verdicts for 6"):
        run({"short": lambda given: [Verdict(0.5)] * 2}, data, "AUROC")


def test_functions_are_detectors_and_names_are_the_user_s() -> None:
    data = toy(9)

    def half(given: Sequence[Sample]) -> list[Verdict]:
        return [Verdict(0.5) for _ in given]

    board = run({"mine": half, "two": knowing(data)}, data, ["balanced accuracy", "char-f1"])
    assert board.names[:2] == ("mine", "two")
    assert board.metrics == ("BAcc", "char F1")
    assert any("mine: run anew each time" in text for text in board.notices)


def test_a_detector_that_fails_is_told_and_left_out() -> None:
    data = toy(9)
    good = knowing(data)

    class Breaking(Fixed):
        def detect(self, given: Sequence[Sample]) -> list[Verdict]:
            if any(sample.id == "s4" for sample in given):
                raise ValueError("boom")
            return super().detect(given)

    bad = Breaking(good._verdicts, "bad")
    with pytest.raises(ValueError, match="boom"):
        run(bad, data)
    board = run([good, bad], data, on_error="record")
    assert [(f.system, f.item) for f in board.failures] == [("bad", "s4")]
    assert value(board, "coverage", "bad") == pytest.approx(8 / 9)


def test_threads_give_the_same() -> None:
    data = toy(80)
    alone = run(knowing(data), data).to_frame()
    with ThreadPoolExecutor(4) as pool:
        beside = run(knowing(data), data, executor=pool).to_frame()
    assert alone.equals(beside)


def test_the_baselines_by_hand() -> None:
    rows = [
        Sample("a", "Studies show that it is definitely so."),
        Sample("b", "研究表明，绝对如此。"),
        Sample("c", "It rained."),
    ]
    style = StyleOnly().detect(rows)
    assert [v.raw for v in style] == [2.0, 2.0, 0.0]
    assert [v.p for v in style] == pytest.approx([2 / 3, 2 / 3, 0])
    assert [rows[0].response[f.start : f.end] for f in style[0].findings] == [
        "Studies show", "definitely",
    ]  # fmt: skip
    length = LengthOnly().detect(rows)
    assert length[0].p > length[1].p == length[2].p == pytest.approx(10 / 210)
    always = AlwaysPositive().detect(rows)
    assert {v.p for v in always} == {1.0}
    assert (always[0].findings[0].start, always[0].findings[0].end) == (0, len(rows[0].response))


def test_the_report_is_one_file_and_inert(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> word"
    rows = [
        Sample(
            f"{n}",
            f"{evil} {n}",
            (evil,),
            label=n % 2 == 0,
            spans=(GoldSpan(0, 4, "factual"),) if n % 2 == 0 else (),
            meta={"domain": ("<b>", "y")[n % 2]},
        )
        for n in range(12)
    ]
    data = GroundingData(tuple(rows), name=evil)
    board = run(Fixed({s.id: Verdict(0.1 * (n % 7)) for n, s in enumerate(data)}, evil), data)
    page = board.report(tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "<b>" not in page
    for told in ("McNemar", "Thresholds", "By domain", "By length", "Types found by", "Data"):
        assert told in page
    assert "<script" not in board._repr_html_()


def test_what_was_judged_is_not_judged_again(tmp_path: Path) -> None:
    data = toy(80)
    cache = tmp_path / "cache.sqlite3"
    first = knowing(data)
    run(first, data, cache=cache)
    forget()
    again = knowing(data)
    board = run(again, data, cache=cache)
    assert again.seen == []
    assert board._result.computed == 0
    # Gold may change: verdicts stay, scores do not.
    forget()
    turned = GroundingData(
        tuple(Sample(s.id, s.response, s.context, label=not s.label, language=s.language)
              for s in data),
        name="turned",
    )  # fmt: skip
    other = run(knowing(data), turned, "AUROC", cache=cache)
    assert other._result.computed == 0
    assert value(other, "AUROC", "fixed") == pytest.approx(1 - value(board, "AUROC", "fixed"))


@pytest.mark.parametrize("count", [500, pytest.param(5_000, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, count: int) -> None:
    cache, calls = tmp_path / "cache.sqlite3", tmp_path / "calls.txt"
    code = [sys.executable, "-m", "tests.support.killed_detection", str(cache), str(calls)]
    stop = count * 3 // 5 + 7
    killed = subprocess.run(
        [*code, str(stop), str(count)], cwd=ROOT, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(calls.read_text().split()) == stop
    kept = stop // 32 * 32
    data = samples(count)
    board = compare(Noting(calls), data, cache=cache, resamples=50, progress=False)
    after = calls.read_text().split()[stop:]
    # Whole blocks are never judged twice; the one that was cut off is judged again.
    assert after == [f"s{n}" for n in range(kept, count)]
    assert value(board, "AUROC", "noting") == pytest.approx(
        stats.auroc([float(s.label) for s in data], [int(s.response[9:-1]) / 1000 for s in data])
    )
