import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.grounding.detectors.temporal import TemporalDetector
from vcplab.protocol.grounding import Sample
from vcplab.protocol.ports import Detector

NOW = FrozenClock("2026-03-01T09:00+08:00")


def judge(response, context=(), **more):
    context = (context,) if isinstance(context, str) else tuple(context)
    (verdict,) = TemporalDetector(NOW).detect([Sample("s", response, context, **more)])
    return verdict


def found(response, context=()):
    return [
        (response[one.start : one.end], one.rule.removeprefix("temporal."))
        for one in judge(response, context).findings
    ]


def test_it_is_a_detector():
    assert isinstance(TemporalDetector(), Detector)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("It happened on 30 February 2023.", [("30 February 2023", "impossible")]),
        ("会议在2023年2月29日召开。", [("2023年2月29日", "impossible")]),
        ("It happened on 29 February 2024.", []),
        ("Tuesday, 3 May 2023 was hot.", [("Tuesday", "weekday")]),
        ("Wednesday, 3 May 2023 was hot.", []),
        ("2023年5月3日（星期四）很热。", [("星期四", "weekday")]),
        ("2023年5月3日（星期三）很热。", []),
        ("The fair ran from 2015 to 2010.", [("2015 to 2010", "order")]),
        ("He was born on 3 May 1990 and died in 1985.", [("1985", "order")]),
        ("It lasted from 2010 to 2015, a total of nine years.", [("nine years", "duration")]),
        ("It lasted from 2010 to 2015, a total of five years.", []),
        (
            "The meeting ran from 9:00 to 11:00 and took three hours.",
            [("three hours", "duration")],
        ),
        ("The meeting ran from 9:00 to 11:00 and took about two hours.", []),
        ("会议下午2点到4点，历时3小时。", [("3小时", "duration")]),
        ("会议下午2点到4点，历时2小时。", []),
        ("值班从22:00到6:00，历时8小时。", []),
        ("展览从5月3日到5月5日，为期三天。", []),
        ("展览从5月3日到5月5日，为期九天。", [("九天", "duration")]),
        ("他1990年出生，2020年去世，享年35岁。", [("享年35岁", "age")]),
        ("他1990年出生，2020年去世，享年30岁。", []),
        ("She was born in 1950 and is now 40 years old.", [("40 years old", "age")]),
        ("She was born in 1950 and is now 75 years old.", []),
        ("In 2031 the company opened.", [("2031", "future")]),
        ("In 2031 the company will open.", []),
        ("公司于2027年成立了。", [("2027年", "future")]),
        ("公司将于2027年成立。", []),
        ("Yesterday (5 February 2026) it rained.", [("5 February 2026", "relative")]),
        ("Yesterday (28 February 2026) it rained.", []),
        ("昨天（2026年2月27日）下雨。", [("2026年2月27日", "relative")]),
        ("`born 2023-02-30` is code.", []),
    ],
)
def test_what_contradicts_itself(response, expected):
    assert found(response) == expected


@pytest.mark.parametrize(
    ("context", "response", "expected"),
    [
        ("The mill opened in May 2017.", "The mill opened in 2017.", []),
        ("The mill opened in 2017.", "The mill opened in 2018.", [("2018", "conflict")]),
        ("The mill is old.", "The mill opened in 2018.", [("2018", "absent")]),
        ("磨坊2017年5月3日开业。", "磨坊在2017年开业。", []),
        ("磨坊2017年5月3日开业。", "磨坊5月4日开业。", [("5月4日", "conflict")]),
        # Distances and sums of what the source says.
        ("It closed at 21:40 and opened at 22:25.", "It was closed for 45 minutes.", []),
        (
            "It closed at 21:40 and opened at 22:25.",
            "It was closed for 90 minutes.",
            [("90 minutes", "absent")],
        ),
        ("It moved in 2018 and added Fridays after a year.", "Fridays date from 2019.", []),
        ("她七岁学琴，十一岁登台。", "她学琴四年后登台。", []),
        ("昨天下雨。", "前天下雨。", [("前天", "relative")]),
        ("昨天下雨。", "2026年2月28日下雨。", []),
        # The reader of times does not see these in the source; they are there all the same.
        ("九点多就熄了灯。", "他们九点熄灯。", []),
    ],
)
def test_against_the_source(context, response, expected):
    assert found(response, context) == expected


def test_a_conflict_tells_what_the_source_says():
    context = "The mill opened in 2017. It is made of wood."
    (finding,) = judge("The mill opened in 2018.", context).findings
    evidence = finding.evidence[0]
    assert finding.suggestion == evidence.text == "2017"
    assert context[evidence.start : evidence.end] == evidence.text
    assert finding.type == "temporal"


def test_the_weekday_that_would_be_right_is_suggested():
    assert judge("Tue, 3 May 2023").findings[0].suggestion == "Wed"
    assert judge("2023年5月3日星期四").findings[0].suggestion == "星期三"


def test_a_mistake_of_the_source_is_not_the_responses():
    wrong = "Tuesday, 3 May 2023 was hot."
    assert found(wrong, wrong) == []


def test_abstention():
    assert judge("It rained.", "It rained.").abstained == "The response names no time."
    assert judge("It rained in 2023.").p is None
    assert "no source" in str(judge("It rained in 2023.").abstained)
    assert judge("It rained in 2023.", "It rained in 2023.").p == 0.0
    assert not TemporalDetector().calibrated


def test_the_history_counts_as_a_source():
    verdict = judge("It opened in 2018.", history=("It opened in 2017.",))
    assert verdict.findings[0].evidence[0].source == -1


def test_the_clock_in_force_is_asked():
    sample = Sample("s", "In 2031 the company opened.")
    detector = TemporalDetector()
    with use_clock(FrozenClock("2040-01-01T00:00Z")):
        later = detector.fingerprint
        assert detector.detect([sample])[0].p is None
    with use_clock(NOW):
        assert detector.fingerprint != later
        assert detector.detect([sample])[0].findings
        assert detector.lasting_fingerprint in detector.fingerprint


def test_features_have_the_declared_names():
    verdict = judge("In 2031 it opened.", "It is old.")
    assert tuple(verdict.features) == TemporalDetector.names
    assert verdict.features["temporal.wrong"] == 1


PIECES = st.sampled_from(
    ["3 May 2023", "昨天", "(", "星期四", "from 9:00 to ", "8:00", "享年", "30岁", "born in ",
     "died in ", "2031年", "三天", "了。", "`", " ", "\n", "5月", "in 2010", "last week", "0000-00"]
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(PIECES, max_size=10).map("".join), st.lists(PIECES, max_size=6).map("".join))
def test_offsets_lie_in_the_text_and_do_not_overlap(response, context):
    verdict = judge(response, context)
    end = 0
    for one in verdict.findings:
        assert end <= one.start < one.end <= len(response)
        end = one.end
        for proof in one.evidence:
            assert context[proof.start : proof.end] == proof.text
    assert verdict.p is None or 0 <= verdict.p <= 1
