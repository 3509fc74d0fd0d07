"""Metrics of detection against scikit-learn, statsmodels, and fixtures worked out by hand."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation import statistics as stats
from vcplab.evaluation.statistics.ranked import RankedItems

NAN = math.nan


def drawn(seed: int, n: int = 400, digits: int | None = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(float)
    p = np.clip(rng.normal(0.35 + 0.2 * y, 0.2), 0, 1)
    return y, p if digits is None else p.round(digits)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [1, 2, None])
def test_ranking_metrics_agree_with_scikit_learn(seed: int, digits: int | None) -> None:
    y, p = drawn(seed, digits=digits)
    assert stats.auroc(y, p) == pytest.approx(sk.roc_auc_score(y, p), abs=1e-9)
    assert stats.auprc(y, p) == pytest.approx(sk.average_precision_score(y, p), abs=1e-9)
    assert stats.prevalence(y) == pytest.approx(y.mean(), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.77])
def test_decisions_agree_with_scikit_learn(seed: int, threshold: float) -> None:
    y, p = drawn(seed)
    flagged = p >= threshold
    assert stats.balanced_accuracy(y, p, threshold) == pytest.approx(
        sk.balanced_accuracy_score(y, flagged), abs=1e-9
    )
    assert stats.f1_score(y, p, threshold) == pytest.approx(sk.f1_score(y, flagged), abs=1e-9)
    assert stats.matthews(y, p, threshold) == pytest.approx(
        sk.matthews_corrcoef(y, flagged), abs=1e-9
    )
    counts = stats.confusion(y, p, threshold)
    tn, fp, fn, tp = sk.confusion_matrix(y, flagged).ravel()
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (tp, fp, fn, tn)
    assert counts.precision == pytest.approx(sk.precision_score(y, flagged), abs=1e-9)
    assert counts.accuracy == pytest.approx(sk.accuracy_score(y, flagged), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_probability_metrics_agree_with_scikit_learn(seed: int) -> None:
    y, p = drawn(seed)
    assert stats.brier_score(y, p) == pytest.approx(sk.brier_score_loss(y, p), abs=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert stats.log_loss(y, p) == pytest.approx(sk.log_loss(y, p), abs=1e-9)
    for kind, name in (("width", "uniform"), ("mass", "quantile")):
        observed, predicted = calibration_curve(y, p, n_bins=10, strategy=name)
        points = stats.reliability_bins(y, p, kind=kind)
        np.testing.assert_allclose(points["observed"], observed, atol=1e-9)
        np.testing.assert_allclose(points["predicted"], predicted, atol=1e-9)
        ece = float((np.abs(predicted - observed) * points["n"]).sum() / len(y))
        assert stats.expected_calibration_error(y, p, kind=kind) == pytest.approx(ece, abs=1e-9)


def test_calibration_error_by_hand() -> None:
    y, p = [0, 1, 1, 0], [0.1, 0.1, 0.9, 0.35]
    # (0, .1]: mean p .1, observed .5, 2 items; (.3, .4]: .35, 0; (.8, .9]: .9, 1.
    assert stats.expected_calibration_error(y, p) == pytest.approx(
        (2 * 0.4 + 0.35 + 0.1) / 4, abs=1e-12
    )
    assert stats.expected_calibration_error(y, p, bins=1) == pytest.approx(
        abs(0.3625 - 0.5), abs=1e-12
    )


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1, allow_nan=False)), min_size=1, max_size=40),
    st.sampled_from([None, 1, 3, 10]),
    st.sampled_from(["width", "mass"]),
)
def test_brier_parts_add_up(items: list[tuple[bool, float]], bins: int | None, kind: str) -> None:
    y, p = zip(*items, strict=True)
    parts = stats.brier_parts(y, p, bins=bins, kind=kind)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within
    assert total == pytest.approx(parts.brier, abs=1e-9)
    if bins is None:
        assert parts.within == pytest.approx(0, abs=1e-9)


def test_brier_parts_by_hand() -> None:
    parts = stats.brier_parts([0, 1, 1, 1], [0.2, 0.2, 0.8, 0.8])
    # Bins .2 (observed .5) and .8 (observed 1), prevalence .75.
    assert parts.reliability == pytest.approx((0.09 + 0.04) / 2, abs=1e-12)
    assert parts.resolution == pytest.approx(0.0625, abs=1e-12)
    assert parts.uncertainty == pytest.approx(0.1875, abs=1e-12)
    assert parts.brier == pytest.approx((0.04 + 0.64 + 0.04 + 0.04) / 4, abs=1e-12)


def test_aurc_by_hand() -> None:
    wrong, sure = [0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6]
    risks = [0, 1 / 2, 1 / 3, 2 / 4]
    assert stats.aurc(wrong, sure) == pytest.approx(sum(risks) / 4, abs=1e-12)
    best = (0 + 0 + 1 / 3 + 2 / 4) / 4
    assert stats.e_aurc(wrong, sure) == pytest.approx(sum(risks) / 4 - best, abs=1e-12)
    assert stats.e_aurc([0, 0, 1], [3, 2, 1]) == pytest.approx(0, abs=1e-12)
    assert stats.selective_accuracy(wrong, sure, 0.5) == pytest.approx(0.5)
    assert stats.selective_accuracy(wrong, sure, 0.75) == pytest.approx(2 / 3)
    curve = stats.risk_coverage(wrong, sure)
    assert curve["coverage"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve["risk"].tolist() == pytest.approx(risks)


def test_equal_confidence_means_the_mean_over_all_orders() -> None:
    wrong, sure = [1, 0, 0, 1, 0], [0.9, 0.5, 0.5, 0.5, 0.1]
    seen = []
    for order in itertools.permutations([1, 2, 3]):
        ranked = [wrong[i] for i in (0, *order, 4)]
        seen.append(np.mean(np.cumsum(ranked) / np.arange(1, 6)))
    assert stats.aurc(wrong, sure) == pytest.approx(np.mean(seen), abs=1e-12)


def test_confidence_orders_decisions_at_any_threshold() -> None:
    p = np.linspace(0, 1, 21)
    at_half = stats.confidence_of(p)
    np.testing.assert_allclose(at_half, 2 * np.maximum(p, 1 - p) - 1, atol=1e-12)
    skewed = stats.confidence_of([0.0, 0.2, 0.6, 1.0], 0.2)
    assert skewed.tolist() == pytest.approx([1, 0, 0.5, 1])
    assert np.isfinite(stats.confidence_of([0.0, 0.5, 1.0], 0.0)).all()
    assert np.isfinite(stats.confidence_of([0.0, 0.5, 1.0], 1.0)).all()


def test_spans_by_hand() -> None:
    one = stats.span_counts([(0, 4), (2, 6)], [(5, 10)])
    assert (one.predicted, one.gold, one.both) == (6, 5, 1)
    assert stats.iou(one) == pytest.approx(1 / 10)
    clean = stats.span_counts([], [])
    assert stats.iou(clean) == 1.0
    two = stats.span_counts([(0, 3)], [(0, 3)])
    scores = stats.char_scores([one, clean, two])
    assert scores.precision == pytest.approx(4 / 9)
    assert scores.recall == pytest.approx(4 / 8)
    assert scores.f1 == pytest.approx(8 / 17)
    assert scores.iou == pytest.approx((0.1 + 1 + 1) / 3)
    assert scores.n == 3


def test_types_have_to_agree_and_untyped_never_does() -> None:
    counts = stats.span_counts(
        [(0, 4, "temporal"), (4, 8, "factual"), (8, 9, None)],
        [(0, 8, "factual"), (8, 9, None)],
    )
    assert counts.both == 9
    assert counts.typed_both == 4
    assert stats.char_scores([counts]).type_f1 == pytest.approx(2 * 4 / (9 + 9))


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8), st.sampled_from("abc")), max_size=6),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8), st.sampled_from("abc")), max_size=6),
)
def test_span_counts_are_those_of_sets(
    ours: list[tuple[int, int, str]], theirs: list[tuple[int, int, str]]
) -> None:
    a = [(start, start + size, kind) for start, size, kind in ours]
    b = [(start, start + size, kind) for start, size, kind in theirs]
    in_a = {i for start, end, _ in a for i in range(start, end)}
    in_b = {i for start, end, _ in b for i in range(start, end)}
    typed_a = {(i, kind) for start, end, kind in a for i in range(start, end)}
    typed_b = {(i, kind) for start, end, kind in b for i in range(start, end)}
    counts = stats.span_counts(a, b)
    assert (counts.predicted, counts.gold, counts.both) == (len(in_a), len(in_b), len(in_a & in_b))
    assert (counts.typed_predicted, counts.typed_gold, counts.typed_both) == (
        len(typed_a), len(typed_b), len(typed_a & typed_b),
    )  # fmt: skip


def test_what_is_no_span_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no span"):
        stats.span_counts([(4, 2)], [])
    with pytest.raises(InvalidInputError, match="no span"):
        stats.span_counts([], [(-1, 2)])


def test_mcnemar_agrees_with_statsmodels() -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    rng = np.random.default_rng(4)
    y, a, b = (rng.integers(0, 2, 200) for _ in range(3))
    found = stats.mcnemar(y, a, b)
    table = [[found.both, found.only_first], [found.only_second, found.neither]]
    assert found.p == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-9)
    assert found.both + found.neither + found.only_first + found.only_second == 200
    assert stats.mcnemar(y, a, a).p == 1.0
    with pytest.raises(InvalidInputError, match="decision"):
        stats.mcnemar([1, 0], [0.3, 0.2], [1, 0])


@pytest.mark.parametrize("aim", ["balanced_accuracy", "f1", "mcc"])
def test_the_best_threshold_is_best_and_splits_as_it_says(aim: str) -> None:
    y, p = drawn(7)
    found = stats.best_threshold(y, p, aim)
    measured = {
        "balanced_accuracy": stats.balanced_accuracy,
        "f1": stats.f1_score,
        "mcc": stats.matthews,
    }[aim]
    assert measured(y, p, found.value) == pytest.approx(found.reached, abs=1e-9)
    every = [measured(y, p, t) for t in np.unique(p)]
    assert found.reached == pytest.approx(max(every), abs=1e-9)


def test_costs_move_the_threshold() -> None:
    y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.9]
    careful = stats.best_threshold(y, p, "cost", miss=10, alarm=1)
    bold = stats.best_threshold(y, p, "cost", miss=1, alarm=10)
    assert 0.2 < careful.value <= 0.3
    assert 0.6 < bold.value <= 0.7
    assert careful.reached == pytest.approx(1 / 6)
    with pytest.raises(InvalidInputError, match="negative"):
        stats.best_threshold([1, 1], [0.1, 0.2])


def test_nan_is_left_out_and_a_missing_class_is_nan() -> None:
    y, p = [1, 0, None, 1, 0], [0.9, NAN, 0.4, 0.8, 0.1]
    assert stats.auroc(y, p) == 1.0
    assert stats.brier_score(y, p) == pytest.approx((0.01 + 0.04 + 0.01) / 3)
    assert math.isnan(stats.auroc([1, 1], [0.1, 0.2]))
    assert math.isnan(stats.auprc([0, 0], [0.1, 0.2]))
    assert math.isnan(stats.balanced_accuracy([1, 1], [0.1, 0.2]))
    for metric in (
        stats.auroc, stats.auprc, stats.brier_score, stats.log_loss, stats.aurc, stats.e_aurc,
        stats.expected_calibration_error, stats.f1_score, stats.matthews,
        stats.selective_accuracy,
    ):  # fmt: skip
        assert math.isnan(metric([], []))
        assert math.isnan(metric([None], [0.5]))


@pytest.mark.parametrize(
    ("y", "p", "told"),
    [
        ([1, 0], [0.1], "2 labels and 1 scores"),
        ([1, 2], [0.1, 0.2], "neither true nor false"),
        (["yes"], [0.1], "not a list of numbers"),
        ([[1]], [[0.1]], "dimensions"),
    ],
)
def test_bad_input_is_refused(y: list, p: list, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        stats.auroc(y, p)


def test_scores_are_no_probabilities() -> None:
    assert stats.auroc([1, 0], [12.0, -3.0]) == 1.0
    with pytest.raises(InvalidInputError, match="outside 0 to 1"):
        stats.expected_calibration_error([1, 0], [12.0, -3.0])


def test_intervals_over_single_items_are_those_of_the_bootstrap_of_means() -> None:
    values = np.random.default_rng(1).random(30)

    def mean(weights: np.ndarray) -> np.ndarray:
        return weights @ values / weights.sum(axis=1)

    ours = stats.bootstrap_groups(mean, list(range(30)), resamples=500, seed=3)
    theirs = stats.bootstrap_interval(values, resamples=500, seed=3)
    assert ours.low == pytest.approx(theirs.low, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, abs=1e-9)


def test_weights_are_what_repeating_items_would_give() -> None:
    y, p = drawn(3, 40, 1)
    groups = [f"g{i // 4}" for i in range(40)]
    ranked = RankedItems.of(y, p)
    for weights in stats.group_resamples(groups, resamples=25, seed=1):
        assert (weights.reshape(len(weights), 10, 4).std(axis=2) == 0).all()
        assert (weights.sum(axis=1) == 40).all()
        for row, auroc, auprc in zip(
            weights, ranked.auroc(weights), ranked.auprc(weights), strict=True
        ):
            again = np.repeat(np.arange(40), row.astype(int))
            assert auroc == pytest.approx(sk.roc_auc_score(y[again], p[again]), abs=1e-9)
            assert auprc == pytest.approx(sk.average_precision_score(y[again], p[again]), abs=1e-9)


def test_groups_widen_intervals_and_seeds_fix_them() -> None:
    y, p = drawn(2, 60)
    y, p = np.repeat(y, 10), np.repeat(p, 10)
    auroc = RankedItems.of(y, p).auroc
    alone = stats.bootstrap_groups(auroc, list(range(600)), resamples=400, seed=5)
    grouped = stats.bootstrap_groups(auroc, [i // 10 for i in range(600)], resamples=400, seed=5)
    again = stats.bootstrap_groups(auroc, [i // 10 for i in range(600)], resamples=400, seed=5)
    assert grouped == again
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert math.isnan(stats.bootstrap_groups(auroc, ["one"] * 600, resamples=10).low)


def test_the_paired_p_is_two_sided_and_never_zero() -> None:
    assert stats.paired_bootstrap_p(np.full(99, 0.1)) == pytest.approx(2 / 100)
    assert stats.paired_bootstrap_p(-np.full(99, 0.1)) == pytest.approx(2 / 100)
    assert stats.paired_bootstrap_p(np.zeros(99)) == 1.0
    assert stats.paired_bootstrap_p(np.array([-1.0, 1.0] * 50)) == 1.0
    assert math.isnan(stats.paired_bootstrap_p(np.array([NAN])))
