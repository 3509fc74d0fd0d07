import dataclasses
import json

import pytest

from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    SchemaMismatchError,
)
from vcplab.grounding.detectors.lexical import LexicalDetector
from vcplab.protocol.grounding import Sample
from vcplab.protocol.ports import Detector

EN = (
    "Acme was founded in 2010 in Berlin by Anna Schmidt. In 2023 its revenue rose 12% to "
    "$3.5 million. The company does not plan to hire more people. "
    '"We are happy with 35 people," said Schmidt.',
)
ZH = ("张伟在2023年5月3日去了北京，买了三十五本书。公司的收入增加了12%。他没有去上海。",)


def found(response, context, **more):
    (verdict,) = LexicalDetector().detect([Sample("s", response, context, **more)])
    return [
        (response[finding.start : finding.end], finding.rule.removeprefix("lexical."))
        for finding in verdict.findings
    ]


def test_it_is_a_detector():
    assert isinstance(LexicalDetector(), Detector)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("Anna Schmidt founded Acme in Berlin in 2010.", []),
        ("Acme was founded in 2012 in Munich.", [("2012", "date"), ("Munich", "entity")]),
        ("Its revenue rose 15% in 2023.", [("15%", "number")]),
        ("Its revenue rose by twelve percent.", []),
        ("Acme's revenue fell 12% in 2023.", [("fell", "opposite")]),
        ("Acme's revenue did not rise in 2023.", [("not", "negation")]),
        ("Acme plans to hire more people.", [("Acme plans to hire more people", "negation")]),
        ("The company does not plan to hire more people.", []),
        (
            'Schmidt said: "We are happy with everything".',
            [("We are happy with everything", "quote")],
        ),
    ],
)
def test_english_findings(response, expected):
    assert found(response, EN) == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("张伟买了35本书。", []),
        ("张伟买了三十六本书。", [("三十六本", "number")]),
        ("公司的收入减少了12%。", [("减少", "opposite")]),
        ("张伟在2023年6月3日去了北京。", [("2023年6月3日", "date")]),
        ("李娜去了北京。", [("李娜", "entity")]),
        ("张伟没有买书。", [("没有", "negation")]),
        ("他去了上海。", [("他去了上海", "negation")]),
        ("张伟未来会去北京。", []),
    ],
)
def test_chinese_findings(response, expected):
    assert found(response, ZH) == expected


def test_a_wrong_number_comes_with_evidence_and_what_should_stand_there():
    response = "In 2023 its revenue rose 15% to $3.5 million."
    (verdict,) = LexicalDetector().detect([Sample("s", response, ("Nothing here.", *EN))])
    (finding,) = verdict.findings
    assert (finding.type, finding.severity, finding.suggestion) == ("factual", "high", "12%")
    best = finding.evidence[0]
    assert best.source == 1
    assert EN[0][best.start : best.end] == best.text == "12%"
    assert "revenue rose" in finding.evidence[1].text


def test_units_are_converted():
    assert found("The path is 3000 m long.", ("The path is 3 km long.",)) == []
    assert found("The path is 3000 km long.", ("The path is 3 km long.",)) == [
        ("3000 km", "number")
    ]


def test_findings_do_not_overlap_and_lie_inside_the_response():
    response = 'On 5 May 2021 the "Grand Munich Fair" drew 4,000 visitors, 30% more than in 2019.'
    (verdict,) = LexicalDetector().detect([Sample("s", response, EN)])
    ends = 0
    for finding in verdict.findings:
        assert ends <= finding.start < finding.end <= len(response)
        ends = finding.end
    assert len(verdict.findings) >= 3


@pytest.mark.parametrize("context", [(), ("",), ("  \n",)])
def test_without_context_it_abstains(context):
    (verdict,) = LexicalDetector().detect([Sample("s", "Acme was founded in 2012.", context)])
    assert verdict.p is None
    assert verdict.abstained == "There is no context."
    assert verdict.findings == ()


def test_a_response_without_words_is_abstained_from():
    (verdict,) = LexicalDetector().detect([Sample("s", "…!", EN)])
    assert verdict.p is None
    assert verdict.abstained == "The response has no words."


def test_the_history_is_a_source_with_its_own_number():
    sample = Sample("s", "The meeting is at 5 pm.", history=("Hello.", "The meeting is at 4 pm."))
    (verdict,) = LexicalDetector().detect([sample])
    (finding,) = verdict.findings
    assert finding.evidence[0].source == -1
    assert finding.evidence[0].docno == "1"
    (verdict,) = LexicalDetector(use_history=False).detect([sample])
    assert verdict.abstained == "There is no context."


def test_nothing_leaks_between_calls():
    detector = LexicalDetector()
    sample = Sample("s", "Its revenue rose 15% in 2023.", EN)
    first = dataclasses.replace(detector.detect([sample])[0], ms=0)
    detector.detect([Sample("o", "Its revenue rose 15% in 2023.", ("It rose 15%.",))])
    assert dataclasses.replace(detector.detect([sample])[0], ms=0) == first


def labelled(count=40):
    samples = []
    for number in range(count):
        context = (
            f"In week {number} the team met {number + 3} times and sold {number + 40} boxes of tea "
            f"to the shop in Lund. The manager praised the new driver.",
        )
        truth = f"The team sold {number + 40} boxes of tea to the shop in Lund."
        wrong = f"The team sold {number + 400} boxes of coffee to a school in Oslo."
        for label, response in ((False, truth), (True, wrong)):
            samples.append(
                Sample(f"{number}-{label}", response, context, label=label, group=str(number))
            )
    return samples


@pytest.fixture(scope="module")
def fitted():
    return LexicalDetector().fit(labelled())


def test_a_fitted_detector_tells_them_apart(fitted):
    samples = labelled(46)[80:]
    for sample, verdict in zip(samples, fitted.detect(samples), strict=True):
        assert (verdict.p >= fitted.threshold) == sample.label
        assert verdict.raw is not None
        assert tuple(verdict.features) == fitted.names
    assert fitted.fingerprint != LexicalDetector().fingerprint


def test_of_candidate_families_the_one_with_the_lowest_held_out_loss_is_taken():
    candidates = (("quotes",), ("coverage", "numbers"), ("quotes", "dates"))
    chosen = LexicalDetector().fit(labelled(), candidates=candidates)
    assert chosen.families == ("coverage", "numbers")
    assert chosen.aggregator.names == chosen.names
    with pytest.raises(InvalidInputError, match="has not"):
        LexicalDetector(("dates",)).fit(labelled(), candidates=(("quotes",),))


def test_calibration_to_a_domain_keeps_the_regression(fitted):
    samples = labelled(46)[80:]
    # A domain where half of what looks wrong is right.
    domain = [
        dataclasses.replace(s, label=s.label and number % 4 == 1)
        for number, s in enumerate(samples)
    ]
    calibrated = fitted.fit_calibration(domain)
    assert calibrated.aggregator.model == fitted.aggregator.model
    assert calibrated.fingerprint != fitted.fingerprint
    wrong = [s for s in samples if s.label]
    before = fitted.detect(wrong)[0]
    after = calibrated.detect(wrong)[0]
    assert after.raw == before.raw
    assert after.p < before.p
    with pytest.raises(InvalidInputError, match="no fitted model"):
        LexicalDetector(aggregator=None).fit_calibration(domain)


def test_saved_and_loaded_it_says_the_same(fitted, tmp_path):
    path = tmp_path / "model.json"
    fitted.save(path)
    loaded = LexicalDetector().load(path, training=fitted.aggregator.training)
    assert loaded.fingerprint == fitted.fingerprint
    sample = labelled(1)[1]
    assert loaded.detect([sample])[0].p == fitted.detect([sample])[0].p
    with pytest.raises(SchemaMismatchError, match="training"):
        LexicalDetector().load(path, training="other")
    with pytest.raises(SchemaMismatchError, match="names"):
        LexicalDetector(("coverage",)).load(path)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "schema": "lexical-0"}))
    with pytest.raises(SchemaMismatchError, match="schema"):
        LexicalDetector().load(path)
    path.write_text("{")
    with pytest.raises(InvalidDataError):
        LexicalDetector().load(path)
    with pytest.raises(InvalidInputError, match="no fitted model"):
        LexicalDetector(aggregator=None).save(path)


def test_what_cannot_be_used_is_refused(fitted):
    with pytest.raises(NotFoundError, match="nonsense"):
        LexicalDetector(("nonsense",))
    with pytest.raises(InvalidInputError, match="other features"):
        LexicalDetector(("coverage",), aggregator=fitted.aggregator)
    with pytest.raises(InvalidInputError, match="label and a context"):
        LexicalDetector().fit([Sample("s", "Hello.", EN)])


def test_the_shipped_model_is_the_default_and_says_where_it_comes_from():
    detector = LexicalDetector()
    assert detector.calibrated
    assert 0 < detector.threshold < 1
    told = detector.aggregator.provenance
    assert {one["licence"].split()[0].rstrip(";") for one in told["sets"]} == {
        "MIT", "Apache-2.0", "annotations",
    }  # fmt: skip
    assert sum(one["n"] for one in told["sets"]) == detector.aggregator.facts["n"]
    right, wrong = detector.detect(
        [
            Sample("r", "Acme was founded in Berlin in 2010.", EN),
            Sample("w", "Acme was founded in Munich in 2012 with 70 employees.", EN),
        ]
    )
    assert right.p < wrong.p
    assert tuple(wrong.features) == detector.names


def test_without_the_families_that_the_shipped_model_needs_rules_decide():
    assert LexicalDetector(("coverage",)).aggregator is None
    rules = LexicalDetector(aggregator=None)
    assert not rules.calibrated
    assert rules.threshold is None
    assert rules.fingerprint != LexicalDetector().fingerprint


def test_the_shipped_model_of_other_features_is_refused():
    from vcplab.grounding.models import shipped

    with pytest.raises(SchemaMismatchError, match="schema"):
        shipped("lexical", "lexical-0")


def test_contributions_add_up_to_the_score():
    detector = LexicalDetector()
    sample = Sample("w", "Acme was founded in Munich in 2012 with 70 employees.", EN)
    parts = detector.contributions(sample)
    (verdict,) = detector.detect([sample])
    total = sum(part.weight for part in parts) + detector.aggregator.model.intercept
    assert total == pytest.approx(verdict.raw)
    assert abs(parts[0].weight) == max(abs(part.weight) for part in parts)
    assert all(verdict.features[part.feature] == part.value for part in parts)
    assert LexicalDetector(aggregator=None).contributions(sample) == []
    assert detector.contributions(Sample("n", "Acme was founded.")) == []
