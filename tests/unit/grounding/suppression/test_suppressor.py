import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.core.loop import run
from vcplab.grounding.suppression import (
    Delete,
    HallucinationSuppressor,
    Hedge,
    Mark,
    Replace,
    create_hallucination_suppressor,
)
from vcplab.protocol.grounding import Evidence, Finding, Sample, Verdict
from vcplab.protocol.messages import Message, Passage
from vcplab.protocol.ports import Detector

KB = (
    "The tower is 300 m high. It was built in 1889. Revenue rose 12% to 40 million in 2023.",
    "The company does not plan to hire more people. Anna Schmidt likes the old bridge.",
    "塔高300米，建于1889年。公司收入增加了12%。他没有去上海，买了三十五本书。",
)


def after(suppressor, text, kb=KB, **more):
    result = suppressor.suppress(text, knowledge_base=kb, **more)
    assert result.reverted() == text
    return result.processed_text


class Pointer:
    """A detector that objects to words wherever they stand."""

    name = "pointer"

    def __init__(self, *words, p=0.9, suggestion=None, rule="pointer.word"):
        self.words, self.p, self.suggestion, self.rule = words, p, suggestion, rule

    @property
    def fingerprint(self):
        return f"pointer:{self.words}:{self.p}:{self.suggestion}"

    def detect(self, samples):
        return [
            Verdict(
                p=0.5,
                findings=tuple(
                    Finding(
                        at, at + len(word), self.p, self.rule, "It is pointed at.",
                        evidence=(Evidence("a passage", 0, 0, 9, 0.1),),
                        suggestion=self.suggestion,
                    )
                    for word in self.words
                    for at in range(len(sample.response))
                    if sample.response.startswith(word, at)
                ),
            )
            for sample in samples
        ]  # fmt: skip


# What it does by default


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The tower is 500 m high.", "The tower is 300 m high."),
        ("塔高500米。", "塔高300米。"),
        ("Revenue rose 15% in 2023.", "Revenue rose 12% in 2023."),
        ("The tower is 300 m high.", "The tower is 300 m high."),
        (
            "The company plans to hire more people.",
            "(unverified) The company plans to hire more people.",
        ),
        ("他去了上海。", "（待核实）他去了上海。"),
        ("The tower was built in Paris.", "The tower was built in Paris⚠️."),
    ],
)
def test_numbers_are_replaced_the_rest_is_marked_or_hedged(suppressor, text, expected):
    assert after(suppressor, text) == expected


def test_its_result_tells_everything_in_the_seeds_words(suppressor):
    text = "The tower is 500 m high and stands in Paris."
    result = suppressor.suppress(text, knowledge_base=KB)
    number, place = result.detections
    assert text[slice(*number.span)] == number.text == "500 m"
    assert (number.type, number.suggestion) == ("factual", "300 m")
    assert number.evidence[0].source == -2
    assert (place.text, place.severity) == ("Paris", "high")
    assert result.was_modified
    assert 0 <= result.overall_confidence < 0.1
    plain = json.loads(json.dumps(result.to_dict()))
    assert set(plain) >= {
        "originalText", "processedText", "detections", "overallConfidence", "wasModified",
        "modifications",
    }  # fmt: skip
    assert [one["type"] for one in plain["modifications"]] == ["fix", "mark"]
    assert plain["modifications"][0]["original"] == "500 m"
    assert plain["detections"][0]["span"] == {"start": 13, "end": 18}
    assert "2 changes" in repr(result)


def test_its_html_shows_hostile_text_as_text(suppressor):
    text = "<script>alert(1)</script> The tower is 500 m high. <b>x</b>"
    html = suppressor.suppress(text, knowledge_base=KB)._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert ">500 m</del>" in html
    assert ">300 m</ins>" in html


# What went wrong elsewhere


@pytest.mark.parametrize(
    "text",
    ["公司未来会盖一座塔。", "塔未来还会在。", "他非常喜欢那座塔。", "这不但是塔，也是标志。"],
)
def test_characters_inside_words_are_no_negation(suppressor, text):
    result = suppressor.suppress(text, knowledge_base=["公司会盖一座塔。塔还会在。他喜欢那座塔。"])
    assert all(one.type != "logical" for one in result.detections)


@pytest.mark.parametrize(
    ("text", "source"),
    [("他去了上海。", "他没有去上海。"), ("他没有去上海。", "他去了上海。")],
)
def test_a_negation_on_one_side_is_found(suppressor, text, source):
    (one,) = suppressor.suppress(text, knowledge_base=[source]).detections
    assert one.type == "logical"


def test_one_clash_is_told_once_with_one_mark(make):
    text = "The company does not plan anything. The company plans to hire more people."
    result = make(mark_uncertain=True).suppress(
        text, knowledge_base=[KB[1], KB[1] + " ", "As said: " + KB[1]]
    )
    (one,) = result.detections
    assert text[slice(*one.span)] == "The company plans to hire more people"
    assert len(result.patches) == 1


def test_a_span_is_exact_wherever_it_stands(suppressor):
    for ahead in ("", "😀 Well. ", "好的。", "One. Two.\n\n- "):
        text = f"{ahead}The tower is 500 m high."
        (one,) = [
            d for d in suppressor.suppress(text, knowledge_base=KB).detections if d.suggestion
        ]
        assert text[slice(*one.span)] == "500 m"
        assert one.span[0] == len(ahead) + 13


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Anna is fond of the bridge.", "Anna likes the bridge, which is old."),
        ("安娜很喜爱那座桥。", "安娜喜欢那座旧桥。"),
    ],
)
def test_a_paraphrase_is_not_unsupported(suppressor, text, source):
    result = suppressor.suppress(text, knowledge_base=[source])
    assert result.detections == ()
    assert not result.was_modified


def test_nothing_is_left_of_an_earlier_call(suppressor):
    text = "The tower is 500 m high."
    held = suppressor.suppress(text, knowledge_base=KB)
    free = suppressor.suppress(text)
    assert held.was_modified
    assert (free.detections, free.overall_confidence, free.was_modified) == ((), None, False)
    assert free.abstained
    assert suppressor.suppress(text, knowledge_base=KB) == held


def test_threads_do_not_disturb_each_other(suppressor):
    results = {}

    def work(number):
        kb = [f"The tower is {number} m high."]
        results[number] = after(suppressor, "The tower is 7777 m high.", kb)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(100, 108)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: f"The tower is {n} m high." for n in range(100, 108)}


# What it leaves alone

INERT = (
    "```\nThe tower is 500 m high.\n```",
    "`The tower is 500 m high.`",
    "<<<[TOOL_REQUEST]>>>\nheight:「始」The tower is 500 m high.「末」\n<<<[END_TOOL_REQUEST]>>>",
    "[[The tower is 500 m high.]]",
)


@pytest.mark.parametrize("inert", INERT)
def test_code_and_blocks_keep_their_bytes_and_are_not_read(suppressor, inert):
    assert suppressor.suppress(inert, knowledge_base=KB).detections == ()
    text = f"The tower is 500 m high.\n\n{inert}\n\nIt was built in Paris."
    expected = f"The tower is 300 m high.\n\n{inert}\n\nIt was built in Paris⚠️."
    assert after(suppressor, text) == expected


@pytest.mark.parametrize("marks", ["“”", '""', "「」", "『』"])
def test_in_quotations_nothing_is_replaced_and_the_mark_stands_behind(suppressor, marks):
    text = f"It says {marks[0]}The tower is 500 m high{marks[1]} here."
    result = after(suppressor, text)
    assert result == f"It says {marks[0]}The tower is 500 m high{marks[1]}⚠️ here."


@pytest.mark.parametrize(
    "text",
    [
        "1. Anna likes the bridge.\n2. Revenue rose.",
        "1、公司收入增加了。\n2）他买了书。",
        "## 3. Revenue",
    ],
)
def test_numbers_of_lists_are_no_numbers(suppressor, text):
    assert suppressor.suppress(text, knowledge_base=KB).detections == ()


# The conversation


def test_a_conversation_can_contradict(suppressor):
    said = [{"role": "user", "content": "My flight to Rome leaves at gate 12 on Monday."}]
    result = suppressor.suppress(
        "Your flight to Rome leaves at gate 15 on Monday.", conversation_history=said
    )
    (one,) = result.detections
    assert (one.text, one.type, one.evidence[0].source) == ("15", "contextual", -1)


@pytest.mark.parametrize(
    "text",
    ["The bridge in Lyon has 7 arches.", "里昂的桥有七个桥拱。", "See https://example.org/x [4]."],
)
def test_a_text_need_not_follow_from_the_conversation(suppressor, text):
    result = suppressor.suppress(
        text, conversation_history=["Tell me of bridges.", "讲讲桥。"], question="Well?"
    )
    assert (result.detections, result.overall_confidence) == ((), None)
    assert "conversation" in result.abstained


@pytest.mark.parametrize(
    "history",
    [
        ["The tower is 300 m high."],
        [Message("user", "The tower is 300 m high.")],
        [{"role": "assistant", "content": None, "tool_calls": []}, {"content": KB[0]}],
        [{"role": "user", "content": [{"type": "text", "text": "The tower is 300 m high."}]}],
    ],
)
def test_messages_of_any_shape(suppressor, history):
    result = suppressor.suppress("The tower is 500 m high.", conversation_history=history)
    assert result.processed_text == "The tower is 300 m high."


# The knowledge base


class Library:
    name = "library"

    def __init__(self):
        self.asked = []

    def search(self, query, k=10):
        self.asked.append(query)
        return [Passage("doc-7", "The tower is 300 m high.", 1.0, 0)]


@pytest.mark.parametrize(
    "kb",
    [
        "The tower is 300 m high.",
        ["The tower is 300 m high."],
        {"id": "doc-7", "text": "The tower is 300 m high."},
        [{"docno": "doc-7", "content": "The tower is 300 m high."}],
        [Passage("doc-7", "The tower is 300 m high.", 1.0, 0)],
        Library(),
        ["Nothing of the kind.", Library()],
    ],
)
def test_knowledge_of_any_shape(suppressor, kb):
    result = suppressor.suppress("The tower is 500 m high.", knowledge_base=kb)
    assert result.processed_text == "The tower is 300 m high."
    assert result.detections[0].evidence[0].docno in ("0", "doc-7")


def test_a_retriever_is_asked_for_each_sentence(suppressor):
    library = Library()
    suppressor.suppress("One is here. Two are there.", knowledge_base=library)
    assert library.asked == ["One is here.", "Two are there."]


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"text": 5}, "text"),
        ({"text": "x", "conversation_history": "said"}, "conversation_history"),
        ({"text": "x", "conversation_history": [5]}, "conversation_history[0]"),
        ({"text": "x", "knowledge_base": [5]}, "knowledge_base[0]"),
        ({"text": "x", "knowledge_base": {"a": 1}}, "knowledge_base[0]"),
        ({"text": "x", "question": 5}, "question"),
        ({"text": "x", "context": ["y"]}, "context"),
        ({"text": "x", "context": {"knowledge": []}}, "context"),
    ],
)
def test_what_is_no_text_is_refused(suppressor, arguments, where):
    with pytest.raises(InvalidInputError) as caught:
        suppressor.suppress(**arguments)
    assert caught.value.where == where


# Every option


def test_switched_off(make):
    off = make(enabled=False)
    result = off.suppress("The tower is 500 m high.", knowledge_base=KB)
    assert (result.was_modified, result.detections, result.overall_confidence) == (False, (), None)
    assert "switched off" in result.abstained
    assert off.detect([Sample("s", "The tower is 500 m high.", KB)])[0].abstained


def test_without_fixes_numbers_are_marked(make):
    assert after(make(auto_fix=False), "The tower is 500 m high.") == "The tower is 500 m⚠️ high."


def test_without_marks_only_fixes(make):
    text = "The tower in Paris is 500 m high. The company plans to hire more people."
    assert after(make(mark_uncertain=False), text) == text.replace("500", "300")


def test_another_marker(make):
    marked = after(make(uncertain_marker="(?)"), "The tower was built in Paris.")
    assert marked == "The tower was built in Paris(?)."


@pytest.mark.parametrize("marker", ["", "  ", "`x`", "a\nb", "[x]", "“x”", "word", 5])
def test_markers_that_could_not_be_known_again_are_refused(make, marker):
    with pytest.raises(InvalidInputError):
        make(uncertain_marker=marker)


@pytest.mark.parametrize(
    ("check", "left"),
    [
        ("factual", ["Paris"]),
        ("lexical.number", ["Paris"]),
        ("lexical", []),
        ("temporal", ["500 m", "Paris"]),
    ],
)
def test_disabled_checks(make, check, left):
    text = "The tower is 500 m high. It was built in Paris in 1999."
    off = make(disabled_checks=(check,) if check == "temporal" else (check, "temporal"))
    found = off.suppress(text, knowledge_base=["The tower is 300 m high. It stood in 1889."])
    assert [one.text for one in found.detections] == left


@pytest.mark.parametrize(("level", "least"), [("relaxed", 0.75), ("normal", 0.5), ("strict", 0.0)])
def test_levels(level, least):
    for p in (0.01, 0.49, 0.5, 0.74, 0.75, 1.0):
        mine = HallucinationSuppressor(Pointer("tall", p=p), fact_check_level=level)
        found = mine.suppress("It is tall.", knowledge_base=KB).detections
        assert bool(found) is (p >= least)


def test_words_of_its_own_in_a_sentence_that_a_source_says():
    pointer = Pointer("tall", rule="pointer.unsupported")
    for threshold, found in ((0.0, 0), (0.05, 0), (0.1, 0), (0.11, 1), (1.0, 1)):
        mine = HallucinationSuppressor(pointer, semantic_threshold=threshold)
        assert len(mine.suppress("It is tall.", knowledge_base=KB).detections) == found


@pytest.mark.parametrize(
    "options",
    [
        {"autofix": True},
        {"auto_fix": "yes"},
        {"semantic_threshold": 2},
        {"semantic_threshold": True},
        {"fact_check_level": "hard"},
        {"detector": 5},
        {"policies": ["mark"]},
        {"disabled_checks": [5]},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(InvalidInputError):
        HallucinationSuppressor(None, options)


def test_options_are_changed_for_the_calls_that_follow(make):
    mine = make()
    mine.update_config({"autoFix": False}, uncertain_marker="(?)")
    assert (mine.get_config().auto_fix, mine.options.uncertain_marker) == (False, "(?)")
    assert after(mine, "The tower is 500 m high.") == "The tower is 500 m(?) high."
    with pytest.raises(InvalidInputError):
        mine.update_config(autoFix="no")
    assert mine.options.auto_fix is False
    assert "auto_fix=False" in repr(mine)


def test_the_fingerprint_tells_options_and_detectors_apart(make):
    prints = {
        make().fingerprint,
        make(auto_fix=False).fingerprint,
        make(policies=(Mark(),)).fingerprint,
        make(policies=(Mark(marker="(?)"),)).fingerprint,
        make(policies=(Hedge(share=0.1),)).fingerprint,
        make(policies=(Hedge(words={"en": "(?) "}),)).fingerprint,
        make(semantic_threshold=0.5).fingerprint,
        HallucinationSuppressor(Pointer("x")).fingerprint,
        HallucinationSuppressor(Pointer("y")).fingerprint,
    }
    assert len(prints) == 9
    assert make().fingerprint == make().fingerprint


# Policies


def test_deletion_is_refused_without_a_measured_precision():
    with pytest.raises(InvalidInputError, match="is not given"):
        Delete()
    with pytest.raises(InvalidInputError, match=r"it is 0\.69"):
        Delete(precision=0.69)
    assert Delete(precision=0.7).precision == 0.7


@pytest.mark.parametrize(
    ("text", "sentence", "expected"),
    [
        ("It is very tall, they say.", False, "It is tall, they say."),
        ("very tall it is.", False, "tall it is."),
        ("It is tall, very", False, "It is tall,"),
        ("One. It is very tall. Two.", True, "One. Two."),
    ],
)
def test_deletion_takes_one_space_with_it(text, sentence, expected):
    delete = Delete(precision=0.8, sentence=sentence)
    mine = HallucinationSuppressor(Pointer("very"), policies=[delete])
    assert after(mine, text) == expected
    assert mine.suppress(text, knowledge_base=KB).modifications[0].type == "remove"


def test_policies_take_by_rule_type_and_floor():
    def first(*policies, **pointer):
        mine = HallucinationSuppressor(Pointer("tall", **pointer), policies=policies)
        return after(mine, "It is tall, and that is all that there is to be said of it.")[:13]

    assert first(Mark()) == "It is tall⚠️,"
    assert first(Mark(precision_floor=0.95)) == "It is tall, a"
    assert first(Mark(rules="lexical")) == "It is tall, a"
    assert first(Mark(rules="pointer", marker="(!)")) == "It is tall(!)"
    assert first(Mark(types=["logical"])) == "It is tall, a"
    assert first(Hedge(share=0.9)) == "It is tall, a"
    assert first(Hedge(share=0.0)) == "(unverified) "
    assert first(Replace(rules=()), suggestion="low") == "It is low, an"
    assert first(Replace(), suggestion="low") == "It is tall, a"


def test_what_would_not_read_is_not_put_in():
    mine = HallucinationSuppressor(Pointer("35 books", suggestion="三十五本"), policies=[
        Replace(rules=())
    ])  # fmt: skip
    assert after(mine, "He has 35 books.") == "He has 35 books."
    known = HallucinationSuppressor(Pointer("15", suggestion="12"), policies=[Replace(rules=())])
    assert after(known, "It rose from 12 to 15.") == "It rose from 12 to 15."
    assert after(known, "It rose to 15.") == "It rose to 12."


@pytest.mark.parametrize(
    "policy", [{"precision_floor": 2}, {"precision": -1}, {"types": ("wrong",)}]
)
def test_impossible_policies_are_refused(policy):
    with pytest.raises(InvalidInputError):
        Mark(**policy)
    with pytest.raises(InvalidInputError, match="English"):
        Hedge(words={"zh": "（？）"})


def test_a_hedge_stands_behind_the_sign_of_a_list():
    mine = HallucinationSuppressor(Pointer("They all know", "他去了上海"), policies=[Hedge()])
    text = "Plans:\n- They all know.\n1. 他去了上海。\n## **They all know**"
    assert after(mine, text) == (
        "Plans:\n- (unverified) They all know.\n1. （待核实）他去了上海。\n"
        "## **(unverified) They all know**"
    )


def test_a_mark_does_not_split_a_character():
    mine = HallucinationSuppressor(Pointer("cafe"), policies=[Mark()])
    assert after(mine, "A cafe\u0301 there.") == "A cafe\u0301⚠️ there."


def test_replacements_that_never_settle_are_not_made():
    class Fickle(Pointer):
        def detect(self, samples):
            return [
                Verdict(0.9, (Finding(0, 1, 0.95, "lexical.number", "", suggestion=new),))
                for sample in samples
                for new in ["b" if sample.response[0] == "a" else "a"]
            ]

    mine = HallucinationSuppressor(Fickle())
    once = after(mine, "a, so.")
    assert once == "a⚠️, so."
    assert after(mine, once) == once


# Doing it again

WORDS = st.sampled_from(
    [
        "The tower", "is", "500 m", "300 m", "high", "Revenue", "rose", "15%", "12%", "did not",
        "in 1890", "in 1889", "Anna Schmidt", "Paris", "⚠️", "(unverified) ", "（待核实）", "“", "”",
        '"', "`", "```\n", "- ", ". ", ", ", "\n", "塔高", "五百米", "300米", "没有", "他",
        "去了上海", "买了", "三十六本书", "收入", "增加了15%", "。", "，", "[3]",
        "<<<[TOOL_REQUEST]>>>", "<<<[END_TOOL_REQUEST]>>>", "12月3日", "28 minutes", " said Bob",
        "The company plans to hire more people",
    ]
)  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(WORDS, max_size=14),
    st.sampled_from(["", " "]),
    st.sampled_from(["normal", "strict"]),
)
def test_suppressing_again_changes_nothing(make, words, joint, level):
    mine = make(fact_check_level=level, policies=(Replace(), Hedge(), Mark(precision_floor=0.0)))
    text = joint.join(words)
    once = mine.suppress(text, knowledge_base=KB)
    assert once.reverted() == text
    again = mine.suppress(once.processed_text, knowledge_base=KB)
    assert again.processed_text == once.processed_text
    assert [one.span for one in once.detections] == sorted(one.span for one in once.detections)


# As a detector


def test_it_is_a_detector(suppressor):
    assert isinstance(suppressor, Detector)
    samples = [
        Sample("a", "The tower is 500 m high.", KB),
        Sample("b", "The tower is 300 m high.", KB),
        Sample("c", "The tower is 300 m high."),
    ]
    bad, good, open_ = suppressor.detect(samples)
    (finding,) = bad.findings
    assert (finding.suggestion, finding.type, finding.evidence[0].source) == (
        "300 m",
        "factual",
        0,
    )
    assert bad.p > 0.9 > 0.1 > good.p
    assert (open_.p, open_.findings) == (None, ())
    assert open_.abstained
    assert suppressor.detect([]) == []
    assert suppressor.threshold is None
    assert not suppressor.calibrated


def test_awaited_and_created_by_the_seeds_name(make):
    created = create_hallucination_suppressor({"autoFix": True}, detector=Pointer("tall"))
    result = run(created.asuppress("It is tall.", {"conversationHistory": [], "knowledgeBase": KB}))
    assert result.processed_text == "It is tall⚠️."
