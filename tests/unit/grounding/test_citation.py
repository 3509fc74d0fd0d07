import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.grounding.detectors.citation import CitationDetector
from vcplab.protocol.grounding import Sample
from vcplab.protocol.ports import Detector

CONTEXT = (
    "Revenue rose in 2023, the annual report says (https://acme.example/report/2023). "
    "“We are very happy with the result,” said Anna Schmidt.",
    "Smith (2019) measured the effect, doi:10.1234/abc.5. "
    "倪虹说：“我们的传球太急了。”《红楼梦》很长。",
)


def judge(response, context=CONTEXT, **more):
    context = (context,) if isinstance(context, str) else context
    (verdict,) = CitationDetector().detect([Sample("s", response, context, **more)])
    return verdict


def found(response, context=CONTEXT):
    return [
        (response[one.start : one.end], one.rule.removeprefix("citation."))
        for one in judge(response, context).findings
    ]


def test_it_is_a_detector():
    assert isinstance(CitationDetector(), Detector)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("It rose [1], others say [3].", [("[3]", "number")]),
        ("It rose [1, 4].", [("[1, 4]", "number")]),
        ("收入增加了【3】。", [("【3】", "number")]),
        ("收入增加了[2]。", []),
        ("Take `b[7]` and [3](https://acme.example/report/2023).", []),
        ("See https://acme.example/report/2023.", []),
        ("See http://www.acme.example/report/2023/ there.", []),
        ("See https://acme.example for more.", []),
        ("See https://acme.example/fake.", [("https://acme.example/fake", "url")]),
        ("DOI 10.1234/abc.5.", []),
        ("DOI 10.9999/zzz.", [("10.9999/zzz", "doi")]),
        ("It is known (Smith, 2019).", []),
        ("It is known (Jones, 2020).", [("Jones, 2020", "author")]),
        ("Smith (2021) found it.", [("Smith (2021)", "year")]),
        ("他读《红楼梦》。", []),
        ("他读《水浒传》。", [("水浒传", "title")]),
        ("Schmidt said: “We are very happy with the result.”", []),
        ("“We are very happy with the result,” said Bob Miller.", [("Bob Miller", "speaker")]),
        ("He said: “We are very happy with the result.”", []),
        ("张三说：“我们的传球太急了。”", [("张三", "speaker")]),
        ("倪虹表示：“我们的传球太急了。”", []),
        (
            "Schmidt said: “The weather is terrible today.”",
            [("The weather is terrible today.", "quote")],
        ),
        (
            "Schmidt said: “We are quite happy with the results.”",
            [("We are quite happy with the results.", "wording")],
        ),
        ("So “happy” it was, says [1].", []),
        ("Revenue rose in 2023 according to the annual report [2].", [("[2]", "misplaced")]),
        ("Revenue rose in 2023 according to the annual report [1].", []),
    ],
)
def test_findings(response, expected):
    assert found(response) == expected


@pytest.mark.parametrize(
    ("context", "response", "expected"),
    [
        (
            "The cook said “soup is the soul of a house”. The driller said “ice has no memory”.",
            "The driller is quoted with “soup is the soul of a house”.",
            ["swap"],
        ),
        (
            "The cook said “soup is the soul of a house”. The driller said “ice has no memory”.",
            "The cook is quoted with “soup is the soul of a house”.",
            [],
        ),
        ("老板娘说“汤要熬足八小时”，师傅说“面要醒两遍”。", "“面要醒两遍”出自老板娘。", ["swap"]),
        ("老板娘说“汤要熬足八小时”，师傅说“面要醒两遍”。", "“面要醒两遍”出自师傅。", []),
        (
            "限高写在《风貌导则》里。《消防规定》只管通道。",
            "限高的依据是《消防规定》。",
            ["swap"],
        ),
    ],
)
def test_who_said_what(context, response, expected):
    assert [rule for _, rule in found(response, context)] == expected


def test_speakers_of_a_history_are_told_by_its_lines():
    verdict = judge(
        "阿明说：“明天一起去爬山吧。”", (), history=("小李：“明天一起去爬山吧。”", "阿明：好的。")
    )
    (finding,) = verdict.findings
    assert (finding.rule, finding.suggestion) == ("citation.speaker", "小李")
    assert finding.evidence[0].source == -1
    assert finding.evidence[0].docno == "0"


def test_a_list_of_references_says_which_numbers_there_are():
    listed = "It rose [3].\n\n[1] One.\n[2] Two.\n[3] Three."
    assert found(listed) == []
    assert found("It rose [7].", "As said.\n[7] Seven.") == []


def test_abstention_and_features():
    assert judge("It rose.").abstained == "The response cites nothing."
    assert judge("It rose [1].", ()).abstained == (
        "There is no source to hold the citations against."
    )
    verdict = judge("It rose [3].")
    assert verdict.p == pytest.approx(0.85)
    assert tuple(verdict.features) == CitationDetector.names
    assert verdict.features["citation.absent"] == 1
    assert judge("It rose [2].").p == 0.0


PIECES = st.sampled_from(
    ["“", "”", "said Anna", "[1]", "[9-2]", "《", "》", "10.1234/x", "https://a.b/c",
     "(Smith, 2019)", "倪虹说：", "我们的传球太急了", "We are very happy with the result", "。",
     ". ", "\n", "`", "[3]("]
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_offsets_lie_in_the_text(response):
    for one in judge(response).findings:
        assert 0 <= one.start < one.end <= len(response)
        for proof in one.evidence:
            assert CONTEXT[proof.source][proof.start : proof.end] == proof.text
