import json

import pytest

from vcplab.core.clock import FrozenClock
from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.grounding.detectors.citation import CitationDetector
from vcplab.grounding.detectors.combined import CombinedDetector
from vcplab.grounding.detectors.style import StyleDetector
from vcplab.grounding.detectors.temporal import TemporalDetector
from vcplab.protocol.grounding import Finding, Sample, Verdict
from vcplab.protocol.ports import Detector

NOW = FrozenClock("2026-03-01T09:00+08:00")


class Says:
    def __init__(self, name, *verdicts):
        self.name = name
        self.fingerprint = f"{name}-1"
        self.verdicts = verdicts

    def detect(self, samples):
        return [self.verdicts[at % len(self.verdicts)] for at in range(len(samples))]


def samples(n=40):
    """Half of them with another year than their context."""
    return [
        Sample(
            str(at),
            f"The mill opened in {2000 + at % 7 + (at % 2)}, says [1].",
            (f"The mill opened in {2000 + at % 7}.",),
            label=bool(at % 2),
            group=str(at // 2),
        )
        for at in range(n)
    ]


def parts():
    return [TemporalDetector(NOW), CitationDetector(), StyleDetector()]


def test_fitting_saving_and_loading(tmp_path):
    plain = CombinedDetector(parts())
    assert isinstance(plain, Detector)
    assert not plain.calibrated
    fitted = plain.fit(samples())
    assert fitted.calibrated
    assert not plain.calibrated
    verdicts = fitted.detect(samples())
    right = [v.p > v2 for v, v2 in zip(verdicts[1::2], (w.p for w in verdicts[::2]), strict=True)]
    assert all(right)
    fitted.save(tmp_path / "model.json")
    assert json.loads((tmp_path / "model.json").read_text())["schema"] == plain.schema
    again = plain.load(tmp_path / "model.json")
    assert again.fingerprint == fitted.fingerprint != plain.fingerprint
    assert [v.p for v in again.detect(samples())] == [v.p for v in verdicts]
    assert again.threshold == fitted.threshold
    # The day of the clock is no reason to refuse a model; other parts are.
    tomorrow = CombinedDetector([TemporalDetector(FrozenClock("2026-03-02T09:00Z")), *parts()[1:]])
    assert tomorrow.load(tmp_path / "model.json").calibrated
    with pytest.raises(SchemaMismatchError):
        CombinedDetector(parts()[:2]).load(tmp_path / "model.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InvalidDataError):
        plain.load(tmp_path / "broken.json")
    with pytest.raises(InvalidInputError, match="other detectors"):
        CombinedDetector(parts()[:1], fitted.aggregator)


def test_calibration_and_contributions():
    fitted = CombinedDetector(parts()).fit(samples())
    moved = fitted.fit_calibration(samples(20), method="platt")
    assert moved.aggregator.domain is not None
    assert next(iter(fitted.contributions(samples()[1]))).startswith("temporal.")
    assert CombinedDetector(parts()).contributions(samples()[1]) == {}
    with pytest.raises(InvalidInputError):
        CombinedDetector(parts()).fit_calibration(samples())
    with pytest.raises(InvalidInputError):
        CombinedDetector(parts()).save("nowhere.json")


def test_nothing_to_fit():
    with pytest.raises(InvalidInputError, match="No sample"):
        CombinedDetector(parts()).fit([Sample("s", "It rained.", label=True)])


def test_the_surer_finding_wins_and_remarks_stay():
    one = Says("one", Verdict(0.6, (Finding(0, 5, 0.6, "one.a"), Finding(9, 12, 0.3, "one.b"))))
    two = Says("two", Verdict(0.9, (Finding(3, 6, 0.9, "two.a"), Finding(0, 12, None, "two.s"))))
    (verdict,) = CombinedDetector([one, two]).detect([Sample("s", "x" * 12)])
    assert [finding.rule for finding in verdict.findings] == ["two.s", "two.a", "one.b"]
    assert verdict.p == 0.9


def test_features_are_a_union_with_abstentions():
    one = Says("one", Verdict(None, abstained="No."), Verdict(0.5, features={"one.x": 2.0, "y": 3}))
    two = Says("two", Verdict(0.25))
    first, second = CombinedDetector([one, two]).detect([Sample("a", "x"), Sample("b", "x")])
    assert first.features == {
        "one.p": 0.0, "one.abstained": 1.0, "two.p": 0.25, "two.abstained": 0.0,
    }  # fmt: skip
    assert second.features == {
        "one.x": 2.0, "one.y": 3.0, "one.p": 0.5, "one.abstained": 0.0, "two.p": 0.25,
        "two.abstained": 0.0,
    }  # fmt: skip


def test_it_abstains_where_every_part_does():
    (verdict,) = CombinedDetector([Says("one", Verdict(None, abstained="No."))]).detect(
        [Sample("s", "x")]
    )
    assert verdict.p is None
    assert verdict.abstained == "one: No."


def test_what_cannot_be_combined():
    with pytest.raises(InvalidInputError, match="no detector to combine"):
        CombinedDetector([])
    with pytest.raises(InvalidInputError, match="are called"):
        CombinedDetector([StyleDetector(), StyleDetector()])
    with pytest.raises(InvalidInputError, match="is no detector"):
        CombinedDetector({"x": 3})
    assert set(CombinedDetector({"a": StyleDetector(), "b": StyleDetector()}).detectors) == {
        "a", "b",
    }  # fmt: skip
    short = Says("short", Verdict(0.5))
    short.detect = lambda samples: []
    with pytest.raises(InvalidDataError):
        CombinedDetector([short]).detect([Sample("s", "x")])
