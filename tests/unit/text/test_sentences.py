from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.text.sentences import Span, sentences


@pytest.mark.parametrize(
    "expected",
    [
        # English
        ["Dr. Smith went home.", "He slept."],
        ["It is e.g. this one.", "Next."],
        ["He lives in the U.S.", "She left.", "The U.S. Army came."],
        ["See No. 5 of it.", "No.", "I won't."],
        ["See Fig. 3 and p. 12.", "Done."],
        ["Pi is 3.14 today.", "v2.0.1 is out.", "Done."],
        ["Visit https://a.com/x?y=1.2.", "Then go."],
        ["Write to a.b@c.org now.", "Thanks!"],
        ["Wait... what?", "OK...", "Next one."],
        ["J. K. Rowling wrote it.", "George W. Bush too.", "So do I.", "He left."],
        ["We met at 10:30 a.m.", "Bob came late.", "At 5 p.m. Monday we left."],
        ['He asked, "Really?" she said.', '"Yes."', "Then left."],
        ["i went home.", "it was nice."],
        ["Give approx. five."],
        ["(This is one. This is two.)", "Next."],
        ["He came (it was late. Very late) and left.", "Bye."],
        ["Apple Inc. announced it.", "I work at Apple Inc.", "The pay is good."],
        ["He sat.", "Mary stood.", "On Sat. Mary left."],
        ["What?!", "No way!", "Really?"],
        ["Apples, pears, etc. are fruit.", "I like them."],
        ["It cost $5.", "Then $6.50 more."],
        ["In 2020.", "Then came 2021."],
        ["Prof. A. Turing et al. were right.", "Yes."],
        ["**Done.**", "Next."],
        ["No terminator here"],
        ["Mr. and Mrs. Lee vs. the city.", "Open."],
        ["He moved to Washington, D.C.", "It rained."],
        ["It was 5 a.m. when we left."],
        # Chinese
        ["“你好。”", "他说。", "“再见！”"],
        ["他说：“好！”，然后走了。", "我想……", "算了。"],
        ["（真的！）", "他走了。", "他（真的！）走了。"],
        ["看《你好，李焕英！》了吗？", "看了。"],
        ["第一句。", '"第二句。"', "第三句。"],
        ["**重点。**", "后面。", "完了。", "**重点**"],
        ["版本3.14发布。", "今天很好.", "我们走."],
        ["什么？！", "真的吗?!", "好吧"],
        ["「はい。」", "と言った。", "そうか。"],
        ["今天10:30见A.I.小组。", "好的！"],
        ["花了1.2万元。", "太贵了……"],
        ["见https://a.com/b。", "然后呢？"],
        ["他来了；她走了，我没动。"],
        ["『完。』", "终。"],
    ],
)
def test_table(expected: list[str]) -> None:
    for separator in (" ", "") if all(not piece.isascii() for piece in expected) else (" ",):
        assert [span.text for span in sentences(separator.join(expected))] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. Buy milk.\n2. Sell it. Now.\n- x\n", ["1. Buy milk.", "2. Sell it.", "Now.", "- x"]),
        ("一. 引言\n二. 方法", ["一. 引言", "二. 方法"]),
        ("第一行\n第二行\r\n\r\n第三行", ["第一行", "第二行", "第三行"]),
        (
            "Code:\n```py\na = 1. B\n\nb\n```\nEnd. Fin.",
            ["Code:", "```py\na = 1. B\n\nb\n```", "End.", "Fin."],
        ),
        ("```\nopen. Ended", ["```\nopen. Ended"]),
        ("went home\nslept early", ["went home", "slept early"]),
        (
            "This is a line that somebody wrapped after many\nwords. Next.",
            ["This is a line that somebody wrapped after many\nwords.", "Next."],
        ),
        ("", []),
        ("  \n\t", []),
    ],
)
def test_lines(text: str, expected: list[str]) -> None:
    assert [span.text for span in sentences(text)] == expected


def check(text: str) -> None:
    spans = sentences(text)
    at = 0
    for span in spans:
        assert isinstance(span, Span)
        assert text[at : span.start].strip() == ""
        assert text[span.start : span.end] == span.text != ""
        assert span.text == span.text.strip()
        at = span.end
    assert text[at:].strip() == ""


@given(st.text(st.characters(exclude_categories=())))
@settings(deadline=None, max_examples=120)
def test_any_text(text: str) -> None:
    check(text)


@given(st.text("aB1 .!?…。！？”\"'（）()[]*`~\n-，好“《》:/@\u3000"))
@settings(deadline=None, max_examples=200)
def test_texts_of_nothing_but_edges(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    "unit",
    ["a", ".", "a. ", "(", "好", "\n", "a.b", "“", '"*', "http://", "```", "```\n", "...!", "《"],
)
def test_time_is_linear(unit: str) -> None:
    started = time.process_time()
    sentences(unit * 8_000)
    assert time.process_time() - started < 2
