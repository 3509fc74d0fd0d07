import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.grounding.aggregation import (
    Aggregator,
    Isotonic,
    Logistic,
    Platt,
    calibrator_from,
    fit_isotonic,
    fit_logistic,
    fit_platt,
)
from vcplab.grounding.aggregation.aggregator import balanced_threshold
from vcplab.grounding.aggregation.logistic import grouped_folds


def made(count=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)) * (1.0, 10.0, 0.1)
    y = rng.random(count) < 1 / (1 + np.exp(-(x[:, 0] + x[:, 1] / 10)))
    return x, y, [row // 4 for row in range(count)]


def test_the_regression_is_scikit_learns_on_standardised_features():
    x, y, groups = made()
    fitted = fit_logistic(x, y, groups, strengths=(0.3,))
    z = (x - x.mean(0)) / x.std(0)
    peer = LogisticRegression(C=0.3, max_iter=300, tol=1e-4).fit(z, y)
    assert np.allclose(fitted.model.scores(x), peer.decision_function(z), atol=1e-9)
    parts = fitted.model.contributions(x)
    assert np.allclose(parts.sum(axis=1) + fitted.model.intercept, fitted.model.scores(x))


def test_held_out_scores_come_from_models_that_did_not_see_the_group():
    x, y, groups = made(60)
    first = fit_logistic(x, y, groups, strengths=(0.1,)).held_out
    changed = y.copy()
    changed[:4] = ~changed[:4]
    # The folds may not change with the labels, so the groups' sizes are kept; the scores of the
    # first group do not depend on its own labels unless it moved to another fold.
    folds = [set(out) for _, out in grouped_folds(y, groups, 5)]
    assert sorted(row for fold in folds for row in fold) == list(range(60))
    for fold in folds:
        assert {row for row in range(60) if groups[row] in {groups[one] for one in fold}} == fold
    assert len(first) == 60


def test_the_penalty_with_the_lowest_held_out_loss_is_chosen():
    x, y, groups = made()
    losses = {
        strength: fit_logistic(x, y, groups, strengths=(strength,)).loss
        for strength in (0.001, 0.1, 1.0)
    }
    chosen = fit_logistic(x, y, groups, strengths=tuple(losses))
    assert chosen.strength == min(losses, key=losses.get)
    assert chosen.loss == losses[chosen.strength]


@pytest.mark.parametrize(
    ("labels", "groups"),
    [([True] * 6, [1, 2, 3, 4, 5, 6]), ([True, False] * 3, [1] * 6), ([True, False], [1, 2, 3])],
)
def test_what_cannot_be_cross_validated_is_refused(labels, groups):
    with pytest.raises(InvalidInputError):
        fit_logistic(np.zeros((len(labels), 1)), labels, groups)


def test_features_that_are_no_numbers_are_refused():
    x, y, groups = made(20)
    x[3, 1] = np.nan
    with pytest.raises(InvalidInputError, match="finite"):
        fit_logistic(x, y, groups)


def test_platt_finds_the_curve_the_labels_were_drawn_from():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=20_000) * 2
    labels = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * scores - 1)))
    fitted = fit_platt(scores, labels)
    assert fitted.slope == pytest.approx(0.5, abs=0.03)
    assert fitted.shift == pytest.approx(-1, abs=0.05)


def test_platt_stays_modest_where_labels_are_few_and_separable():
    p = fit_platt([-2, -1, 1, 2], [False, False, True, True])([-2, 2])
    assert 0.05 < p[0] < 0.4
    assert 0.6 < p[1] < 0.95


def test_scores_that_say_the_opposite_are_flattened():
    fitted = fit_platt([1.0, 2.0, 3.0, 4.0], [True, True, False, False])
    assert fitted.slope == 0
    assert fitted([1, 4]) == pytest.approx([0.5, 0.5])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(-20, 20), st.booleans()), min_size=2, max_size=40).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_calibration_keeps_the_order_and_is_stored_exactly(rows):
    scores = [score for score, _ in rows]
    labels = [label for _, label in rows]
    for fitted in (fit_platt(scores, labels), fit_isotonic(scores, labels)):
        p = fitted(sorted(scores))
        assert ((p >= 0) & (p <= 1)).all()
        assert (np.diff(p) >= -1e-12).all()
        assert calibrator_from(fitted.to_dict()) == fitted


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"method": "magic"},
        {"method": "platt", "slope": -1, "shift": 0},
        {"method": "platt", "slope": float("nan"), "shift": 0},
        {"method": "isotonic", "scores": [0, 1], "values": [0.9, 0.1]},
        {"method": "isotonic", "scores": [1, 0], "values": [0.1, 0.9]},
        {"method": "isotonic", "scores": [], "values": []},
        {"method": "isotonic", "scores": [0], "values": [1.5]},
    ],
)
def test_a_broken_calibration_is_refused(data):
    with pytest.raises(InvalidDataError):
        calibrator_from(data)


def test_a_broken_regression_is_refused():
    good = Logistic((0.0,), (1.0,), (2.0,), 0.5)
    assert Logistic.from_dict(good.to_dict()) == good
    for change in ({"scale": [0.0]}, {"mean": []}, {"weights": ["x"]}, {"intercept": float("inf")}):
        with pytest.raises(InvalidDataError):
            Logistic.from_dict({**good.to_dict(), **change})


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0]), st.booleans()),
        min_size=2,
        max_size=30,
    ).filter(lambda rows: len({label for _, label in rows}) == 2)
)
def test_no_threshold_has_a_better_balanced_accuracy(rows):
    p = np.array([value for value, _ in rows])
    y = np.array([label for _, label in rows])
    best = balanced_accuracy_score(y, p >= balanced_threshold(p, y))
    for other in (-1, 0.05, 0.2, 0.4, 0.6, 0.9, 2):
        assert best >= balanced_accuracy_score(y, p >= other) - 1e-12


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_an_aggregator_is_stored_exactly(method, tmp_path):
    x, y, groups = made()
    model = Aggregator.fit(x, y, groups, names=["a", "b", "c"], schema="s", method=method)
    model = model.fit_calibration(x[:100], y[:100], method=method)
    path = tmp_path / "m.json"
    model.save(path)
    loaded = Aggregator.load(path, names=["a", "b", "c"], schema="s")
    assert loaded == model
    assert loaded.fingerprint == model.fingerprint
    assert (loaded.probabilities(x) == model.probabilities(x)).all()
    other = Aggregator.fit(x, ~y, groups, names=["a", "b", "c"], schema="s", method=method)
    assert other.training != model.training


def test_calibrators_compute_what_they_say():
    assert Platt(2.0, -1.0)([0.5])[0] == pytest.approx(0.5)
    assert Isotonic((0.0, 2.0), (0.2, 0.6))([-5, 1, 9]) == pytest.approx([0.2, 0.4, 0.6])
