import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.loop import run
from vcplab.grounding.suppression.streaming import StreamCutter

DATA = Path(__file__).resolve().parents[4] / "datasets" / "hallucinations" / "data.jsonl"
KB = ["The tower is 300 m high. Revenue rose 12% in 2023. 塔高300米。他没有去上海。"]
TEXT = (
    "The tower is 500 m high (so it is. Yes.) in all. 塔高500米。“他去了上海。”他说。\n\n"
    "```python\nx = 15  # The tower is 500 m high.\n```\nRevenue rose 15% in 2023.\n"
    "<<<[TOOL_REQUEST]>>>\ntool_name:「始」The tower is 500 m high.「末」\n"
    "<<<[END_TOOL_REQUEST]>>>\nIt stands in Paris. Done"
)


def cut(text, size):
    return [text[at : at + size] for at in range(0, len(text), size)]


def wholes(text, size):
    cutter = StreamCutter(("⚠️",))
    found = [piece for part in cut(text, size) for piece in cutter.feed(part)]
    return [*found, cutter.rest()]


@pytest.mark.parametrize("size", [1, 2, 7, 30, 10_000])
def test_joined_it_is_the_whole_text_after_suppression(suppressor, size):
    whole = suppressor.suppress(TEXT, knowledge_base=KB).processed_text
    assert "".join(suppressor.stream(cut(TEXT, size), knowledge_base=KB)) == whole
    assert "x = 15  # The tower is 500 m high." in whole
    assert whole.startswith("The tower is 300 m high")


def test_asynchronous_pieces_give_asynchronous_ones(suppressor):
    async def pieces():
        for piece in cut(TEXT, 5):
            yield piece

    async def joined():
        return "".join([one async for one in suppressor.stream(pieces(), knowledge_base=KB)])

    assert run(joined()) == suppressor.suppress(TEXT, knowledge_base=KB).processed_text


def test_the_answers_of_the_data_set(suppressor):
    for line in DATA.read_text(encoding="utf-8").splitlines()[::24]:
        row = json.loads(line)
        whole = suppressor.suppress(row["response"], knowledge_base=row["context"])
        streamed = suppressor.stream(cut(row["response"], 9), knowledge_base=row["context"])
        assert "".join(streamed) == whole.processed_text


def test_sentences_come_as_soon_as_they_are_certain(suppressor):
    def pieces():
        yield "The tower is 500 m high. It is "
        seen.append(list(got))
        yield "old and grey and well known. Yes, it "
        seen.append(list(got))

    seen, got = [], []
    for one in suppressor.stream(pieces(), knowledge_base=KB):
        got.append(one)
    assert seen[0] == []
    assert seen[1] == ["The tower is 300 m high. "]
    assert "".join(got) == "The tower is 300 m high. It is old and grey and well known. Yes, it "


def test_what_was_done_about_each_sentence_is_told(suppressor):
    told = []
    text = "The tower is 500 m high. It stands in the town of Paris, they say."
    list(suppressor.stream([text], knowledge_base=KB, on_suppression=told.append))
    assert [one.original_text for one in told] == [text[:25], text[25:]]
    first, second = told
    assert first.detections[0].text == "500 m"
    (place,) = second.detections
    assert second.original_text[slice(*place.span)] == "Paris"
    assert second.patches.revert(second.processed_text) == second.original_text


def test_a_long_text_is_read_with_what_came_just_before(suppressor):
    text = "The tower is 300 m high. " * 60 + "The tower is 500 m high."
    streamed = "".join(suppressor.stream(cut(text, 400), knowledge_base=KB))
    assert streamed.endswith("The tower is 300 m high.")


def test_a_fence_is_given_line_by_line():
    cutter = StreamCutter()
    assert cutter.feed("Look:\n```\none = 1\ntw") == [
        ("Look:\n", False),
        ("```\n", True),
        ("one = 1\n", True),
    ]
    assert cutter.feed("o = 2\n```\n") == [("two = 2\n", True), ("```\n", True)]
    assert cutter.rest() == ("", False)


@pytest.mark.parametrize("size", [1, 3, 11])
@pytest.mark.parametrize(
    "whole",
    [
        "<<<[TOOL_REQUEST]>>>\na:「始」One is. Two is. Three.「末」\n<<<[END_TOOL_REQUEST]>>>",
        "<<<DailyNoteStart>>>\nOne. Two. Three, and so on and so on.\n<<<DailyNoteEnd>>>",
        "“One is here. Two is there. Three is everywhere.”",
        "（一来了。二也来了。三没有来，四也没有来。五来了。）",
    ],
)
def test_blocks_brackets_and_quotations_are_in_one_piece(whole, size):
    found = wholes(f"Before it all. {whole} and after it, more of it. And so on to the end.", size)
    assert "".join(text for text, _ in found).count(whole) == 1
    assert any(whole in text for text, _ in found)


def test_a_mark_stays_with_the_sentence_before_it():
    found = wholes("他说：“好的。”⚠️然后他就走了，再也没有回来，大家都很想念他。", 4)
    assert all(not text.startswith("⚠️") for text, _ in found)


@given(st.text(alphabet='ab. 。“”"()`\n<>[]「」始末⚠️', max_size=60), st.integers(1, 20))
def test_nothing_is_lost_and_nothing_added(text, size):
    assert "".join(piece for piece, _ in wholes(text, size)) == text
