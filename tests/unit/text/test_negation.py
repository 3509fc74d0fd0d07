from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.growth import assert_linear
from vcplab.text.negation import find_cues, is_negated, modality


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("未来会更好", False), ("他没有来", True), ("他没来", True), ("他不来", True),
        ("我从未去过北京", True),
        ("他尚未完成", True), ("非常好", False), ("他非常不高兴", True), ("非洲很大", False),
        ("这并非事实", True),
        ("不但便宜，而且好用", False), ("不仅如此", False), ("不断增长", False),
        ("不少人来了", False),
        ("味道不错", False), ("不久以后他回来了", False), ("差不多好了", False),
        ("不过他来了", False),
        ("无论如何都要去", False), ("无数人来了", False), ("无法完成", True),
        ("毫无疑问是他", False),
        ("毫无结果", True), ("无人机飞走了", False), ("无人生还", True), ("是不是真的", False),
        ("有没有水", False),
        ("你去不去", False), ("能不能来", False), ("是否完成", False), ("我不得不走", False),
        ("他不能不去", False),
        ("没有人不知道", False), ("这不可能", True), ("未必会来", True), ("别走", True),
        ("你别说话", True),
        ("别人都走了", False), ("特别好", False), ("区别很大", False), ("识别出来了", False),
        ("请勿吸烟", True),
        ("禁止停车", True), ("他拒绝签字", True), ("缺乏经验", True), ("说不定会下雨", False),
        ("看不见", True),
        ("做不到", True), ("了不起的人", False), ("对不起", False), ("没关系", False),
        ("除非下雨", False),
        ("忍不住笑了", False), ("淹没了村庄", False), ("不锈钢锅", False), ("公司否认了传闻", True),
        ("不同的人", False), ("莫斯科很冷", False), ("未成年人", False), ("他无意参加", True),
        ("无意间听到", False),
        ("川流不息", False), ("避免浪费", False),
        ("He did not come.", True), ("He didn't come.", True), ("He didn’t come.", True),
        ("She never left.", True),
        ("no longer works", True), ("Nobody came.", True), ("None of them came.", True),
        ("without sugar", True),
        ("He cannot swim.", True), ("It won't start.", True), ("neither of them", True),
        ("He hardly slept.", True),
        ("He failed to win.", True), ("unable to walk", True), ("It lacks salt.", True),
        ("He refused to pay.", True),
        ("not only cheap but good", False), ("nothing but trouble", False),
        ("There is no doubt he won.", False),
        ("no fewer than 30 people", False), ("No. 5 is here", False), ("no matter what", False),
        ("whether or not he came", False), ("He couldn't help laughing.", False),
        ("You came, didn't you?", False),
        ("nevertheless he came", False), ("nothing less than a triumph", False),
        ("He never said nothing.", False),
        ("notable note in the north", False), ("a knot", False), ("It is unlikely to rain.", True),
        ("not just him", False), ("tea instead of coffee", True), ("He denied it.", True),
        ("why not go", False),
        ("can't wait to see it", False), ("NOT APPROVED", True), ("It is impossible.", True),
    ],
)  # fmt: skip
def test_negation(text: str, negated: bool) -> None:
    assert is_negated(text) is negated


@pytest.mark.parametrize(
    ("text", "words", "negated"),
    [
        ("He did not come, but she stayed.", "come", True),
        ("He did not come, but she stayed.", "stayed", False),
        ("He came and did not stay", "came", False),
        ("She did not, however, sign it.", "sign", True),
        ("I don't think that he left", "left", True),
        ("Although it was not cold, they lit a fire.", "fire", False),
        ("不是苹果而是梨", "苹果", True),
        ("不是苹果而是梨", "梨", False),
        ("他没有去北京，去了上海", "北京", True),
        ("他没有去北京，去了上海", "上海", False),
        ("虽然没下雨但是很冷", "下雨", True),
        ("虽然没下雨但是很冷", "冷", False),
        ("因为不舒服所以休息", "休息", False),
        ("没有一个人不高兴", "高兴", False),
        ("未来三天没有雨", "雨", True),
        ("未来三天没有雨", "未来三天", False),
        ("1,000 people did not pay 2,500 dollars", "2,500", True),
        ("The U.S. did not sign. They waited.", "waited", False),
    ],
)
def test_scope(text: str, words: str, negated: bool) -> None:
    at = text.index(words)
    assert is_negated(text, (at, at + len(words))) is negated


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("他来了", "plain"), ("他可能来了", "hedged"), ("也许会下雨", "hedged"),
        ("似乎没人", "hedged"), ("据说他走了", "hedged"),
        ("大概三十人", "hedged"), ("我觉得可以", "hedged"), ("他未必会来", "hedged"),
        ("看来要下雨", "hedged"),
        ("恐怕来不及", "hedged"), ("说不定", "hedged"), ("有可能成功", "hedged"),
        ("这种可能性", "plain"), ("不可能成功", "plain"),
        ("他一定会来", "certain"), ("肯定是他", "certain"), ("毫无疑问是他", "certain"),
        ("显然错了", "certain"), ("确实如此", "certain"),
        ("必须完成", "plain"), ("未来会更好", "plain"),
        ("He came.", "plain"), ("He may come.", "hedged"), ("He came in May.", "plain"),
        ("May 3 was cold.", "plain"),
        ("She might stay.", "hedged"), ("Perhaps it rained.", "hedged"),
        ("It probably rained.", "hedged"),
        ("It seems fine.", "hedged"), ("He is reportedly ill.", "hedged"),
        ("Results suggest a link.", "hedged"),
        ("I think he left.", "hedged"), ("It is unlikely.", "hedged"),
        ("It could be true.", "hedged"),
        ("He definitely left.", "certain"), ("Clearly it works.", "certain"),
        ("There is no doubt he won.", "certain"),
        ("He must have left.", "certain"), ("He must leave.", "plain"),
        ("It always works.", "certain"),
        ("It will certainly work, though perhaps slowly.", "hedged"), ("the mighty river", "plain"),
    ],
)  # fmt: skip
def test_modality(text: str, mood: str) -> None:
    assert modality(text) == mood


def test_modality_of_a_span() -> None:
    text = "It may rain, but he certainly left."
    rain, left = text.index("rain"), text.index("left")
    assert modality(text, (rain, rain + 4)) == "hedged"
    assert modality(text, (left, left + 4)) == "certain"
    assert modality(text, (0, 2)) == "plain"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("他打算明年退休", ["plan"]), ("必须完成", ["obligation"]), ("公司计划扩张", ["plan"]),
        ("他未必会来", ["hedge", "negation"]), ("He plans to leave.", ["plan"]),
        ("You must not enter.", ["obligation", "negation"]),
        ("He will leave.", ["plan"]), ("You should rest.", ["obligation"]),
        ("unlikely", ["hedge", "negation"]),
        ("没有可能", ["negation", "hedge"]),
    ],
)  # fmt: skip
def test_kinds(text: str, kinds: list[str]) -> None:
    assert [cue.kind for cue in find_cues(text)] == kinds


def test_known_cues_are_not_looked_for_again() -> None:
    text = "He did not come."
    cues = find_cues(text)
    assert is_negated(text, cues=cues)
    assert not is_negated(text, cues=[])
    assert modality("Perhaps.", cues=[]) == "plain"


_PIECES = st.sampled_from(
    [
        "不", "没", "有", "未", "来", "非", "常", "无", "别", "可能", "一定", "是", "，", "。",
        "但", "而", "得", "他", "not", "n't", "can", "'", "’", "may", "May", "never", "no",
        "nothing",
        "but", ",", ".", "doubt", "only", "will", "must", "the", "likely", "un", "in", "however",
        "性",
        " ", "\n", "\ud800", "🙂", "ſ",
    ]
)  # fmt: skip


@given(
    st.lists(_PIECES, max_size=30).map("".join)
    | st.lists(_PIECES, max_size=20).map(" ".join)
    | st.text(max_size=60)
)
@settings(max_examples=300)
def test_offsets_and_scopes(text: str) -> None:
    last = 0
    for cue in find_cues(text):
        assert last <= cue.start < cue.end
        assert text[cue.start : cue.end] == cue.text
        assert cue.scope[0] == cue.start
        assert cue.end <= cue.scope[1] <= len(text)
        last = cue.start
    assert is_negated(text) in (True, False)


@pytest.mark.parametrize(
    "unit",
    [
        "不",
        "不是",
        "not ",
        "not, however, ",
        "n't ",
        "可能",
        "may ",
        "no",
        "，",
        "未",
        ", in fact, ",
        "too ",
        "是不",
    ],
)
def test_no_text_is_slow(unit: str) -> None:
    assert_linear(find_cues, unit)
