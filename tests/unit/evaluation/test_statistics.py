from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.bootstrap import bootstrap_interval, bootstrap_intervals
from vcplab.evaluation.statistics import (
    adjust,
    check_correction,
    effect_size,
    holm,
    paired_difference,
    paired_permutation_test,
    paired_permutation_tests,
    paired_t_test,
    paired_t_tests,
)


def _mean(x, axis):
    return x.mean(axis=axis)


def _difference(x, y, axis):
    return x.mean(axis=axis) - y.mean(axis=axis)


def _scipy_permutation(a, b, seed, resamples=9999):
    return stats.permutation_test(
        (a, b),
        _difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(seed),
    ).pvalue


def _scores(kind: str, n: int, rows: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    table = random.random((rows, n))
    if kind == "binary":  # Success@k: many ties in the null distribution
        return (table < 0.4).astype(float)
    if kind == "coarse":  # P@5
        return np.round(table * 5) / 5
    if kind == "reciprocal":  # RR, mostly the same for both
        return 1 / np.where(table < 0.8, 1.0, np.ceil(table * 50 - 39))
    return table


@pytest.mark.parametrize("kind", ["smooth", "binary", "coarse", "reciprocal"])
@pytest.mark.parametrize("n", [6, 13, 14, 120])
def test_permutation_p_is_scipys(kind: str, n: int) -> None:
    a, b = _scores(kind, n, 2, seed=n)
    for seed in (0, 7):
        p = paired_permutation_test(a, b, seed=seed)
        assert abs(p - _scipy_permutation(a, b, seed)) <= 1e-9


@pytest.mark.parametrize("kind", ["smooth", "binary", "coarse"])
def test_many_permutation_tests_equal_each_alone(kind: str) -> None:
    a, b = _scores(kind, 150, 5, seed=1), _scores(kind, 150, 5, seed=2)
    together = paired_permutation_tests(a, b, seed=3)
    alone = [_scipy_permutation(x, y, 3) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-9)


def test_p_does_not_depend_on_how_swaps_are_batched(monkeypatch) -> None:
    from vcplab.evaluation import permutation

    a, b = _scores("coarse", 50, 3, seed=1), _scores("coarse", 50, 3, seed=2)
    whole = paired_permutation_tests(a, b, resamples=999)
    monkeypatch.setattr(permutation, "_CELLS", 333)
    np.testing.assert_array_equal(paired_permutation_tests(a, b, resamples=999), whole)


def test_small_samples_are_tested_exactly() -> None:
    a = np.array([0.9, 0.8, 0.7, 0.6])
    b = a - np.array([0.1, 0.2, 0.3, 0.05])
    # All four differences have one sign: 2 of 16 assignments are as extreme.
    assert paired_permutation_test(a, b) == pytest.approx(2 / 16, abs=1e-12)


@pytest.mark.parametrize("kind", ["smooth", "binary", "coarse"])
def test_t_p_is_scipys(kind: str) -> None:
    a, b = _scores(kind, 90, 4, seed=1), _scores(kind, 90, 4, seed=2)
    expected = stats.ttest_rel(a, b, axis=1).pvalue
    np.testing.assert_allclose(paired_t_tests(a, b), expected, rtol=0, atol=1e-9)
    assert paired_t_test(a[0], b[0]) == pytest.approx(stats.ttest_rel(a[0], b[0]).pvalue, abs=1e-9)


@pytest.mark.parametrize("method", ["percentile", "BCa"])
@pytest.mark.parametrize("kind", ["smooth", "binary"])
def test_interval_is_scipys(method: str, kind: str) -> None:
    values = _scores(kind, 80, 1, seed=4)[0]
    expected = stats.bootstrap(
        (values,),
        _mean,
        n_resamples=4000,
        confidence_level=0.9,
        method=method,
        vectorized=True,
        rng=np.random.default_rng(11),
    ).confidence_interval
    found = bootstrap_interval(values, confidence=0.9, resamples=4000, method=method, seed=11)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)


def test_intervals_do_not_depend_on_how_samples_are_batched(monkeypatch) -> None:
    from vcplab.evaluation import bootstrap

    table = _scores("smooth", 50, 3, seed=1).T
    whole = bootstrap_intervals(table, resamples=1000)
    monkeypatch.setattr(bootstrap, "_CELLS", 333)
    np.testing.assert_allclose(whole, bootstrap_intervals(table, resamples=1000), atol=1e-12)


@given(
    st.lists(st.floats(0, 1, allow_nan=False), min_size=2, max_size=40),
    st.floats(0.5, 0.99),
)
def test_interval_lies_within_the_scores(values: list[float], confidence: float) -> None:
    for method in ("percentile", "BCa"):
        found = bootstrap_interval(values, confidence=confidence, resamples=200, method=method)
        assert min(values) - 1e-9 <= found.low <= found.high + 1e-9 <= max(values) + 2e-9


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_holm_is_statsmodels(count: int) -> None:
    p_values = np.random.default_rng(count).random(count) ** 3
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])


def test_holm_passes_over_missing_tests() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    np.testing.assert_allclose(adjusted, [0.02, math.nan, 0.04])
    assert adjust([0.2], "none").tolist() == [0.2]
    assert math.isnan(holm([math.nan])[0])


def test_unknown_correction_is_refused() -> None:
    check_correction("fdr_bh")
    for act in (lambda: check_correction("hulm"), lambda: adjust([0.1, 0.2], "hulm")):
        with pytest.raises(InvalidInputError, match="holm"):
            act()


def test_effect_sizes() -> None:
    random = np.random.default_rng(0)
    a, b = random.random(60), random.random(60)
    difference = a - b
    assert effect_size(a, b) == pytest.approx(difference.mean() / difference.std(ddof=1))
    spread = (a.std(ddof=1) + b.std(ddof=1)) / 2
    assert effect_size(a, b, kind="d_av") == pytest.approx(difference.mean() / spread)
    assert effect_size(a, b) == pytest.approx(-effect_size(b, a))


def test_equal_systems_differ_in_nothing() -> None:
    a = np.random.default_rng(0).random(50)
    found = paired_difference(a, a.copy())
    assert (found.mean, found.low, found.high, found.effect) == (0, 0, 0, 0)
    assert (found.p_t, found.p_permutation) == (1, 1)
    assert (found.wins, found.ties, found.losses, found.n) == (0, 50, 0, 50)


def test_a_constant_gain_is_certain() -> None:
    b = np.zeros(30)
    found = paired_difference(b + 0.5, b)
    assert found.effect == math.inf
    assert found.p_t == 0
    assert found.p_permutation == pytest.approx(2 / 10_000)
    assert (found.low, found.high) == (0.5, 0.5)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_items_give_no_p(n: int) -> None:
    found = paired_difference(np.ones(n), np.zeros(n))
    for value in (found.p_t, found.p_permutation, found.low, found.high, found.effect):
        assert math.isnan(value)
    assert found.n == n


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 2.0], [1.0]),
        ([1.0, math.nan], [1.0, 2.0]),
        ([1.0, math.inf], [1.0, 2.0]),
        (["x", "y"], [1.0, 2.0]),
        ([[1.0], [2.0]], [[1.0], [2.0]]),
    ],
)
def test_what_cannot_be_paired_is_refused(a, b) -> None:
    for act in (paired_permutation_test, paired_t_test, effect_size, paired_difference):
        with pytest.raises(InvalidInputError):
            act(a, b)


@pytest.mark.parametrize("options", [{"confidence": 1.0}, {"resamples": 0}, {"method": "normal"}])
def test_bad_interval_options_are_refused(options) -> None:
    with pytest.raises(InvalidInputError):
        bootstrap_interval([0.1, 0.2], **options)


def test_unknown_effect_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="d_z"):
        effect_size([0.1, 0.2], [0.1, 0.3], kind="glass")  # type: ignore[arg-type]


def test_statistics_of_a_comparison_are_cheap() -> None:
    from vcplab.evaluation.summary import TestPlan, summarise

    random = np.random.default_rng(0)
    scores = {metric: random.random((4, 300)) for metric in ("nDCG@10", "R@20", "RR")}
    plan = TestPlan(seed=1)
    summarise(["a", "b", "c", "d"], {"warm": scores["RR"][:, :20]}, 0, plan)  # imports
    began = time.process_time()
    frame = summarise(["a", "b", "c", "d"], scores, 0, plan)
    assert time.process_time() - began < 4  # 0.8 s on a quiet machine
    again = time.process_time()
    assert summarise(["a", "b", "c", "d"], scores, 0, plan).equals(frame)
    assert time.process_time() - again < 0.05
