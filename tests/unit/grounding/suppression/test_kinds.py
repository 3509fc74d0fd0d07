import pytest

from vcplab.grounding.suppression.kinds import contradicts, kind_of, severity_of, typed
from vcplab.protocol.grounding import Evidence, Finding

SOURCE = Evidence("a passage", 0, 0, 9, 0.8)
SAID = Evidence("a passage", -1, 0, 9, 0.8)
FAR = Evidence("a passage", 0, 0, 9, 0.1)


def finding(text, span, rule, *, p=0.7, evidence=(SOURCE,), **more):
    start = text.index(span)
    return Finding(start, start + len(span), p, rule, evidence=evidence, **more)


@pytest.mark.parametrize(
    ("text", "span", "rule", "evidence", "kind"),
    [
        ("It was built in 1890.", "1890", "lexical.date", (SOURCE,), "temporal"),
        ("它建于1890年5月。", "1890年5月", "lexical.number", (), "temporal"),
        ("It took 28 minutes in all.", "28 minutes", "lexical.number", (SOURCE,), "temporal"),
        ("一共花了28分钟。", "28分钟", "lexical.number", (SOURCE,), "temporal"),
        ("The end is before the start.", "The end", "temporal.order", (), "temporal"),
        ("Revenue rose 15%.", "15%", "lexical.number", (SOURCE,), "factual"),
        ("收入增加了15%。", "15%", "lexical.number", (SOURCE,), "factual"),
        ("收入增加了15%。", "15%", "lexical.number", (FAR,), "confabulation"),
        ("Revenue rose 15%.", "15%", "lexical.number", (), "confabulation"),
        ("You asked for 15 copies.", "15", "lexical.number", (SAID,), "contextual"),
        ("你要了15份。", "15份", "lexical.number", (SAID,), "contextual"),
        ("The deck is made of larch.", "larch", "lexical.entity", (SOURCE,), "factual"),
        ("The deck is made of larch.", "larch", "lexical.entity", (), "confabulation"),
        ("The plan is good, said Anna.", "Anna", "lexical.entity", (SOURCE,), "attribution"),
        ("Anna said the plan is good.", "Anna", "lexical.entity", (SOURCE,), "attribution"),
        ("According to Anna it is good.", "Anna", "lexical.entity", (SOURCE,), "attribution"),
        ("李娜表示计划很好。", "李娜", "lexical.entity", (SOURCE,), "attribution"),
        ("据李娜介绍，计划很好。", "李娜", "lexical.entity", (SOURCE,), "attribution"),
        ("He wrote “all is well”.", "all is well", "lexical.quote", (SOURCE,), "attribution"),
        ("见《红楼梦》。", "红楼梦", "lexical.quote", (), "attribution"),
        ("See [7].", "[7]", "citation.range", (), "attribution"),
        ("It is not allowed.", "not", "lexical.negation", (SOURCE,), "logical"),
        ("这是不允许的。", "不", "lexical.negation", (SOURCE,), "logical"),
        ("Sales fell.", "fell", "lexical.opposite", (SOURCE,), "logical"),
        ("All visitors paid.", "All visitors", "lexical.unsupported", (SOURCE,), "logical"),
        ("所有游客都付了钱。", "所有游客", "lexical.unsupported", (SOURCE,), "logical"),
        ("They put out bins.", "put out bins", "lexical.unsupported", (), "confabulation"),
        ("他们铲了雪。", "铲了雪", "lexical.unsupported", (), "confabulation"),
    ],
)
def test_the_type_follows_from_span_and_evidence(text, span, rule, evidence, kind):
    assert kind_of(finding(text, span, rule, evidence=evidence), text) == kind


def test_what_another_detector_says_is_kept_unless_the_span_says_more():
    text = "Anna sold 5 boats on 3 May 2021."
    judged = finding(text, "sold 5 boats", "judge.claim", type="contextual")
    assert kind_of(judged, text) == "contextual"
    dated = finding(text, "3 May 2021", "judge.claim", type="contextual")
    assert kind_of(dated, text) == "temporal"


def test_a_remark_on_style_keeps_its_type_and_is_low():
    text = "众所周知，天是蓝的。"
    remark = finding(text, "众所周知", "style.certainty", p=None, type="confabulation")
    (one,) = typed([remark], text)
    assert (one.type, one.severity) == ("confabulation", "low")
    assert not contradicts(remark)


@pytest.mark.parametrize(
    ("rule", "p", "more", "severity"),
    [
        ("lexical.number", 0.95, {"suggestion": "12%", "evidence": (SOURCE, SOURCE)}, "critical"),
        ("lexical.number", 0.95, {"suggestion": "12%", "evidence": (SOURCE, FAR)}, "high"),
        ("lexical.entity", 0.95, {}, "high"),
        ("lexical.negation", 0.9, {}, "critical"),
        ("lexical.negation", 0.8, {}, "high"),
        ("lexical.date", 0.7, {}, "medium"),
        ("lexical.unsupported", 0.45, {}, "low"),
    ],
)
def test_severity(rule, p, more, severity):
    assert severity_of(finding("a passage", "passage", rule, p=p, **more)) == severity


@pytest.mark.parametrize(
    ("rule", "evidence", "expected"),
    [
        ("lexical.date", (Evidence("3 May 2021", 0, 0, 10, 1.0),), True),
        ("lexical.date", (Evidence("In May 2021 it rained.", 0, 0, 22, 1.0),), False),
        ("lexical.date", (), False),
        ("lexical.entity", (SOURCE,), False),
        ("lexical.quote", (SOURCE,), False),
        ("lexical.opposite", (SOURCE,), True),
        ("temporal.order", (), True),
        ("temporal.absent", (), False),
        ("citation.url", (), False),
    ],
)
def test_what_a_source_merely_lacks_is_no_contradiction(rule, evidence, expected):
    assert contradicts(finding("a passage", "passage", rule, evidence=evidence)) is expected
