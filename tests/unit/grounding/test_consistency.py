import math

import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.detectors.consistency import SelfConsistencyDetector, semantic_entropy
from vcplab.grounding.detectors.cross_encoder import NLIDetector
from vcplab.models.embedding.hashing import HashEmbedder
from vcplab.protocol.grounding import Sample
from vcplab.protocol.ports import Detector

SAME = "The mill was opened in 2017 in the old town."
AGREED = Sample("a", "The mill opened in 2017.", others=(SAME, SAME))
ALONE = Sample("b", "The mill opened in 2017. Zebras paint purple bridges.", others=(SAME, SAME))


def entails(pairs):
    return [float(hypothesis.lower()[:8] in premise.lower()) for premise, hypothesis in pairs]


@pytest.mark.parametrize("agreement", ["lexical", HashEmbedder(), NLIDetector(entails)])
def test_what_nobody_else_says(agreement):
    detector = SelfConsistencyDetector(agreement)
    assert isinstance(detector, Detector)
    agreed, alone = detector.detect([AGREED, ALONE])
    assert agreed.p < alone.p
    assert agreed.findings == ()
    (finding,) = alone.findings
    assert ALONE.response[finding.start : finding.end] == "Zebras paint purple bridges."
    assert tuple(alone.features) == detector.names
    assert agreed.features["consistency.others"] == 2
    assert not detector.calibrated


def test_another_number_is_another_answer():
    detector = SelfConsistencyDetector()
    same, other = detector.detect(
        [
            Sample("a", "他买了35本书。", others=("他买了三十五本书。",)),
            Sample("b", "他买了36本书。", others=("他买了三十五本书。",)),
        ]
    )
    assert same.p < 0.5 < other.p


@pytest.mark.parametrize(
    ("answers", "groups", "entropy"),
    [
        (["It is Paris."] * 4, [0, 0, 0, 0], 0.0),
        (["It is Paris.", "It is Rome.", "Madrid city.", "Vienna!"], [0, 1, 2, 3], math.log(4)),
        (["It is Paris.", "Rome, they say.", "It is Paris."], [0, 1, 0],
         -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))),
    ],
)  # fmt: skip
def test_semantic_entropy(answers, groups, entropy):
    detector = SelfConsistencyDetector()
    assert detector.groups(answers) == groups
    assert semantic_entropy(groups) == pytest.approx(entropy, abs=1e-12)
    (verdict,) = detector.detect([Sample("s", answers[0], others=tuple(answers[1:]))])
    assert verdict.features["consistency.entropy"] == pytest.approx(entropy, abs=1e-12)
    assert verdict.features["consistency.clusters"] == len(set(groups))


def test_abstention():
    class English(HashEmbedder):
        languages = frozenset({"en"})

    said = SelfConsistencyDetector().detect([Sample("a", "It."), Sample("b", "…", others=("It.",))])
    assert [verdict.p for verdict in said] == [None, None]
    (verdict,) = SelfConsistencyDetector(English()).detect(
        [Sample("c", "下雨了。", others=("下",))]
    )
    assert verdict.abstained == "The model does not read the language zh."


def test_options_and_fitting():
    lowest = SelfConsistencyDetector(aggregate="min", entropy=False)
    assert lowest.names == ("consistency.min", "consistency.mean", "consistency.others")
    assert lowest.detect([ALONE])[0].p > SelfConsistencyDetector().detect([ALONE])[0].p
    samples = [
        Sample(str(at), (ALONE if at % 2 else AGREED).response, others=(SAME,),
               label=bool(at % 2), group=str(at // 2))
        for at in range(20)
    ]  # fmt: skip
    fitted = lowest.fit(samples)
    low, high = fitted.detect(samples[:2])
    assert low.p < 0.5 < high.p
    for wrong in ({"agreement": "vibes"}, {"aggregate": "max"}):
        with pytest.raises(InvalidInputError):
            SelfConsistencyDetector(**wrong)
