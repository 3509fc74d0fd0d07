import pytest

from vcplab.grounding.detectors.style import StyleDetector, find_style
from vcplab.protocol.grounding import Sample
from vcplab.protocol.ports import Detector


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This is definitely true.", ["certainty"]),
        ("He indefinitely waits.", []),
        ("Studies show that it works.", ["citation"]),
        ("Studies show [2] that it works.", []),
        ("Everyone always agrees.", ["generalisation", "generalisation"]),
        ("She said “everyone always agrees”.", []),
        ("`always = never`", []),
        ("```\nalways\n```\nok", []),
        ("毫无疑问，这是对的。", ["certainty"]),
        ("研究表明它有效。", ["citation"]),
        ("所有人都知道。", ["generalisation"]),
        ("他说“所有人都知道”。", []),
        ("绝对值是三，他肯定了方案。", []),
        ("It rained.", []),
    ],
)
def test_patterns(text, expected):
    hits = find_style(text)
    assert [hit.family for hit in hits] == expected
    assert all(text[hit.start : hit.end] == hit.text for hit in hits)


def test_it_reports_and_does_not_judge():
    detector = StyleDetector()
    assert isinstance(detector, Detector)
    (verdict,) = detector.detect([Sample("s", "Definitely, everyone agrees.")])
    assert verdict.p is None
    assert verdict.abstained == "Style says nothing about truth."
    assert [one.p for one in verdict.findings] == [None, None]
    assert verdict.features == {
        "style.certainty": 1.0, "style.citation": 0.0, "style.generalisation": 1.0,
        "style.hits": 2.0,
    }  # fmt: skip
    assert tuple(verdict.features) == detector.names
