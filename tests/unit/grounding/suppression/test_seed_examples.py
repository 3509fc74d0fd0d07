"""Seed 002's examples of purification and detection, and the fields that they promise."""

from __future__ import annotations

from vcplab.core.loop import run
from vcplab.grounding.suppression import create_hallucination_suppressor
from vcplab.prompt.purifier import create_context_purifier
from vcplab.protocol.grounding import HALLUCINATION_TYPES

HISTORY = [
    {"role": "user", "content": "我的航班周一从12号登机口起飞，对吧？"},
    {"role": "assistant", "content": "对，您的航班周一从12号登机口起飞。"},
]
KNOWLEDGE = [
    {"id": "tower", "content": "这座塔高300米，1889年建成，由35名工人看守。"},
    "The company does not plan to hire more people. Revenue rose 12% in 2023.",
]


def test_purification():
    purifier = create_context_purifier(
        {"maxTokens": 4000, "removeDuplicates": True, "truncateStrategy": "smart"}
    )
    long_context = (
        "第一段话，说的是塔，塔在河边，河水很清，两岸都是树，树下有长椅。\n\n" * 4
        + "“引文”   和\r\n空白。"
    )
    result = purifier.purify(long_context)
    told = (
        f"原始: {result.original_length} → 净化后: {result.purified_length}",
        f"估算Token: {result.estimated_tokens}",
        f"修改: {', '.join(m.type for m in result.modifications)}",
    )
    assert told[0] == f"原始: {len(long_context)} → 净化后: {len(result.content)}"
    assert 0 < result.estimated_tokens <= 4000
    assert told[2] == "修改: whitespace, quote, newline, duplicate"
    assert set(result.to_dict()) == {
        "content", "originalLength", "purifiedLength", "estimatedTokens", "modifications",
        "truncated", "duplicatesRemoved",
    }  # fmt: skip


def test_detection():
    suppressor = create_hallucination_suppressor({"autoFix": True, "markUncertain": True})
    output = "这座塔高500米，由三十五名工人看守。The company plans to hire more people."
    result = run(
        suppressor.asuppress(output, {"conversationHistory": HISTORY, "knowledgeBase": KNOWLEDGE})
    )
    assert 0 <= result.overall_confidence < 0.5
    assert result.processed_text == (
        "这座塔高300米，由三十五名工人看守。(unverified) The company plans to hire more people."
    )
    number, denied = result.detections
    assert (number.text, number.suggestion, number.type) == ("500米", "300米", "factual")
    assert (denied.text, denied.type) == ("The company plans to hire more people", "logical")
    assert number.evidence[0].docno == "tower"
    for one in result.detections:
        assert one.type in HALLUCINATION_TYPES
        assert one.severity in ("low", "medium", "high", "critical")
        assert output[slice(*one.span)] == one.text
        assert one.reason
        assert 0 < one.confidence <= 1
    plain = result.to_dict()
    assert plain["originalText"] == output == result.reverted()
    assert plain["wasModified"] is True
    assert [(m["type"], m["replacement"]) for m in plain["modifications"]] == [
        ("fix", "300米"),
        ("mark", "(unverified) "),
    ]
    assert set(plain["modifications"][0]) == {"type", "original", "replacement", "reason"}


def test_the_same_call_without_awaiting():
    suppressor = create_hallucination_suppressor(auto_fix=True, mark_uncertain=True)
    result = suppressor.suppress(
        "您的航班周一从15号登机口起飞。", conversation_history=HISTORY, knowledge_base=KNOWLEDGE
    )
    assert [one.text for one in result.detections] == ["15号"]
    assert result.was_modified
    clean = suppressor.suppress("塔高300米。", knowledge_base=KNOWLEDGE)
    assert (clean.detections, clean.was_modified) == ((), False)
    assert clean.overall_confidence > 0.5
