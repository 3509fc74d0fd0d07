import copy
import json

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.grounding.aggregation import Aggregator, Boosting, fit_boosting
from vcplab.grounding.aggregation.boosting import _exported, _peer
from vcplab.grounding.aggregation.logistic import grouped_folds
from vcplab.grounding.detectors.combined import CombinedDetector
from vcplab.grounding.detectors.lexical import LexicalDetector
from vcplab.grounding.detectors.style import StyleDetector
from vcplab.protocol.grounding import Sample

NAMES = ("a", "b", "c")


def made(count=400, seed=0):
    """Rows whose label no straight line tells."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(count, 3)), 2) * (1.0, 10.0, 0.1)
    y = rng.random(count) < 1 / (1 + np.exp(-3 * x[:, 0] * x[:, 1] / 10))
    return x, y, [row // 4 for row in range(count)]


@pytest.fixture(scope="module")
def fitted():
    return fit_boosting(*made(), rounds=(5, 40))


@pytest.mark.parametrize("rounds", [1, 30])
def test_scores_are_scikit_learns(rounds):
    x, y, _ = made()
    peer = _peer(x, y, rounds)
    model = _exported(peer, 3)
    stored = Boosting.from_dict(json.loads(json.dumps(model.to_dict())))
    assert stored == model
    # Unseen rows, and rows that lie on the thresholds.
    edges = sorted({value for tree in model.trees for value in tree.threshold})
    for rows in (x, made(5000, seed=1)[0], np.repeat(np.array(edges)[:, None], 3, axis=1)):
        assert np.abs(stored.scores(rows) - peer.decision_function(rows)).max() < 1e-9
    assert stored.scores(x[0])[0] == pytest.approx(peer.decision_function(x[:1])[0], abs=1e-9)
    assert isinstance(peer, HistGradientBoostingClassifier)


def test_contributions_add_up_and_know_what_matters(fitted):
    x, _, _ = made(2500, seed=2)
    model = fitted.model
    parts = model.contributions(x)
    assert np.allclose(parts.sum(axis=1) + model.intercept, model.scores(x), atol=1e-9)
    told = np.abs(parts).mean(axis=0)
    assert told[2] < min(told[:2]) / 2
    lone = _exported(_peer(*made(60)[:2], 1), 3)
    assert np.allclose(lone.contributions(x[:3]).sum(axis=1), lone.scores(x[:3]) - lone.intercept)


def test_held_out_scores_come_from_models_that_did_not_see_the_group(fitted):
    x, y, groups = made()
    assert fitted.rounds in (5, 40)
    for inside, outside in list(grouped_folds(y, groups, 5))[:2]:
        peer = _peer(x[inside], y[inside], fitted.rounds)
        assert np.allclose(fitted.held_out[outside], peer.decision_function(x[outside]))
    loss = np.mean(np.logaddexp(0, np.where(y, -fitted.held_out, fitted.held_out)))
    assert fitted.loss == pytest.approx(loss)
    other = 45 - fitted.rounds
    assert fit_boosting(x, y, groups, rounds=(other,)).loss > fitted.loss
    assert len(fitted.model.trees) == fitted.rounds


def test_few_rows_give_a_model_that_says_little():
    x, y, groups = made(24)
    model = fit_boosting(x, y, groups).model
    assert np.ptp(model.scores(x)) == 0
    assert model.contributions(x).any() == np.False_


@pytest.mark.parametrize("change", ["labels", "nan"])
def test_what_cannot_be_fitted_is_refused(change):
    x, y, groups = made(40)
    if change == "nan":
        x[3, 1] = np.nan
    else:
        y[:] = True
    with pytest.raises(InvalidInputError):
        fit_boosting(x, y, groups)


def aggregated(**options):
    x, y, groups = made()
    return Aggregator.fit(x, y, groups, names=NAMES, schema="s", model="boosting", **options)


def test_an_aggregator_of_trees_is_stored_and_refused_as_any_other(tmp_path):
    x, y, groups = made()
    model = aggregated()
    assert {"n", "positives", "rounds", "loss"} == set(model.facts)
    straight = Aggregator.fit(x, y, groups, names=NAMES, schema="s")
    assert model.facts["loss"] < straight.facts["loss"]
    assert "kind" not in straight.to_dict()["model"]
    path = tmp_path / "trees.json"
    model.save(path)
    loaded = Aggregator.load(path, names=NAMES, schema="s", training=model.training)
    assert loaded == model
    assert loaded.fingerprint == model.fingerprint != straight.fingerprint
    assert np.array_equal(loaded.probabilities(x), model.probabilities(x))
    p = model.probabilities(x)
    assert ((p > 0) & (p < 1)).all()
    moved = loaded.fit_calibration(x[:100], ~y[:100])
    assert moved.model is loaded.model
    for asked in (
        {"names": ("a", "c", "b"), "schema": "s"}, {"names": NAMES, "schema": "t"},
        {"names": NAMES, "schema": "s", "training": "0"},
    ):  # fmt: skip
        with pytest.raises(SchemaMismatchError):
            Aggregator.load(path, **asked)
    strange = {**model.to_dict(), "model": {"kind": "forest"}}
    with pytest.raises(SchemaMismatchError, match="forest"):
        Aggregator.from_dict(strange, names=NAMES, schema="s")
    narrow = {**model.to_dict()["model"], "width": 4}
    with pytest.raises(InvalidDataError, match="features"):
        Aggregator.from_dict({**model.to_dict(), "model": narrow}, names=NAMES, schema="s")
    with pytest.raises(InvalidInputError, match="forest"):
        Aggregator.fit(x, y, groups, names=NAMES, schema="s", model="forest")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("feature", 3), ("feature", -2), ("left", 0), ("right", 10_000), ("left", None),
        ("threshold", float("nan")), ("value", float("inf")), ("value", "much"),
    ],
)  # fmt: skip
def test_broken_trees_are_refused(fitted, name, value):
    data = copy.deepcopy(fitted.model.to_dict())
    data["trees"][1][name][0] = value
    with pytest.raises(InvalidDataError, match="broken"):
        Boosting.from_dict(data)
    short = copy.deepcopy(fitted.model.to_dict())
    short["trees"][0][name].pop()
    for broken in ({**data, "trees": []}, {**data, "trees": None}, short, {"kind": "boosting"}):
        with pytest.raises(InvalidDataError):
            Boosting.from_dict(broken)


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(3)
    made = []
    for number in range(120):
        year, wrong = 1900 + number, bool(rng.random() < 0.5)
        said = year + 7 if wrong else year
        made.append(
            Sample(
                str(number), f"The mill opened in {said}.", (f"The mill opened in {year}.",),
                label=wrong, group=f"g{number}",
            )
        )  # fmt: skip
    return made


@pytest.mark.parametrize(
    "kind",
    [
        lambda: LexicalDetector(("numbers", "dates", "alignment"), aggregator=None),
        lambda: CombinedDetector([LexicalDetector(aggregator=None), StyleDetector()]),
    ],
)
def test_detectors_are_fitted_with_trees(kind, samples, tmp_path):
    detector = kind()
    fitted = detector.fit(samples, model="boosting")
    assert isinstance(fitted.aggregator.model, Boosting)
    assert fitted.calibrated
    right, wrong = (
        np.mean([v.p for v, s in zip(fitted.detect(samples), samples, strict=True) if s.label is w])
        for w in (False, True)
    )
    assert wrong > 0.8 > 0.2 > right
    fitted.save(tmp_path / "model.json")
    loaded = kind().load(tmp_path / "model.json")
    assert loaded.fingerprint == fitted.fingerprint
    assert [v.p for v in loaded.detect(samples[:9])] == [v.p for v in fitted.detect(samples[:9])]
    assert loaded.contributions(samples[0])
    with pytest.raises(InvalidInputError, match="forest"):
        detector.fit(samples, model="forest")
