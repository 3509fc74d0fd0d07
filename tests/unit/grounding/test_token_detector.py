import json

import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.grounding.detectors.tokens import TokenDetector
from vcplab.protocol.grounding import GoldSpan, Sample
from vcplab.protocol.ports import Detector

PLACES = ("Lund", "Oslo", "Riga", "Graz", "Bern", "Brno", "Cork", "Faro", "Kiel", "Metz")


def sample(number):
    here = PLACES[number % 10]
    context = (f"On day {number} the driver brought tea to the shop in {here} and went home.",)
    good = f"The driver brought tea to the shop in {here}"
    wrong = ["with a broken umbrella", "for a famous violinist", "without any paperwork"][
        number % 3
    ]
    response = f"{good} {wrong}."
    start = len(good) + 1
    return Sample(
        f"{number}", response, context, spans=(GoldSpan(start, start + len(wrong)),),
        group=str(number),
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    clean = [
        Sample(f"c{n}", f"The driver brought tea to {PLACES[n % 10]}.", sample(n).context, spans=(),
               group=str(n))
        for n in range(12)
    ]  # fmt: skip
    return TokenDetector().fit([sample(number) for number in range(36)] + clean)


def test_it_is_a_detector():
    assert isinstance(TokenDetector(), Detector)


def test_it_marks_the_unsupported_phrase_and_nothing_else(fitted):
    for number in range(40, 46):
        one = sample(number)
        (verdict,) = fitted.detect([one])
        (gold,) = one.spans
        (finding,) = verdict.findings
        assert (finding.start, finding.end) == (gold.start, gold.end)
        assert finding.p >= fitted.threshold
        assert verdict.p == max(p for _, _, p in fitted.probabilities(one))


def test_before_fitting_and_without_context_it_abstains(fitted):
    (verdict,) = TokenDetector().detect([sample(1)])
    assert (verdict.p, verdict.abstained) == (None, "The detector has not been fitted.")
    (verdict,) = fitted.detect([Sample("s", "The driver brought tea.")])
    assert (verdict.p, verdict.abstained) == (None, "There is no context.")
    with pytest.raises(InvalidInputError, match="not been fitted"):
        TokenDetector().probabilities(sample(1))


def test_saved_and_loaded_it_says_the_same(fitted, tmp_path):
    path = tmp_path / "spans.json"
    fitted.save(path)
    loaded = TokenDetector().load(path, training=fitted.model.training)
    assert loaded.fingerprint == fitted.fingerprint
    assert loaded.probabilities(sample(41)) == fitted.probabilities(sample(41))
    with pytest.raises(SchemaMismatchError):
        TokenDetector(("coverage", "phrases")).load(path)
    with pytest.raises(SchemaMismatchError):
        TokenDetector().load(path, training="other")
    data = json.loads(path.read_text())
    data["first"]["weights"].pop()
    data["first"]["mean"].pop()
    data["first"]["scale"].pop()
    path.write_text(json.dumps(data))
    with pytest.raises(InvalidDataError):
        TokenDetector().load(path)
    path.write_text("[]")
    with pytest.raises(InvalidDataError):
        TokenDetector().load(path)


def test_a_threshold_can_be_set(fitted):
    strict = TokenDetector(model=fitted.model, threshold=1.0)
    assert strict.detect([sample(41)])[0].findings == ()
    assert strict.fingerprint != fitted.fingerprint
    with pytest.raises(InvalidInputError, match="no probability"):
        TokenDetector(threshold=2)
