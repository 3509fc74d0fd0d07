from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.text.analysis import Analyzer
from vcplab.text.highlight import Fragment, highlight, highlight_html


def hits(text: str, query: str, **options: object) -> list[str]:
    return [piece.text for piece in highlight(text, query, **options) if piece.hit]  # type: ignore[arg-type]


def test_matches_are_those_of_the_index() -> None:
    assert hits("He was running; dogs’ and Ｄog's", "runs dog") == ["running", "dogs", "Ｄog's"]
    assert hits("ﬁne", "fine") == ["ﬁne"]
    assert hits("人工智能与智能体", "智能体") == ["智能", "智能体"]
    assert hits("我的猫很可爱", "猫") == ["猫"]
    assert hits("ｶﾞｯｺｳ", "ガッコウ") == ["ｶﾞｯｺｳ"]
    assert hits("anything", "the") == []
    assert hits("小猫咪", "小猫", analyzer=Analyzer(cjk="both")) == ["小猫"]


def test_terms_are_taken_as_they_are() -> None:
    assert [piece.hit for piece in highlight("running", ["run"])] == [True]
    assert [piece.hit for piece in highlight("running", ["running"])] == [False]


def test_fragments() -> None:
    assert highlight("a cat!", "cat") == [
        Fragment("a ", 0, 2, False),
        Fragment("cat", 2, 5, True),
        Fragment("!", 5, 6, False),
    ]
    assert highlight("", "cat") == []


def test_html_is_escaped() -> None:
    assert (
        highlight_html("<b>cat</b> & 'x'", "cat b")
        == "&lt;<mark>b</mark>&gt;<mark>cat</mark>&lt;/<mark>b</mark>&gt; &amp; &#x27;x&#x27;"
    )


def test_window_prefers_distinct_terms() -> None:
    text = "cat cat cat " + "filler " * 30 + "cat and dog " + "filler " * 30
    shown = highlight(text, "cat dog", window=40)
    assert [piece.text for piece in shown if piece.hit] == ["cat", "dog"]
    assert shown[-1].end - shown[0].start <= 40
    # Words at the edges are whole.
    assert text[shown[0].start - 1] == " " or text[shown[0].start] == " "
    html = highlight_html(text, "cat dog", window=40)
    assert html.startswith("…")
    assert html.endswith("…")
    assert highlight_html("short cat", "cat", window=40) == "short <mark>cat</mark>"


def test_window_without_matches_is_the_beginning() -> None:
    shown = highlight("一二三四五六七八九十", "猫", window=4)
    assert [(piece.text, piece.hit) for piece in shown] == [("一二三四", False)]


def test_window_must_be_positive() -> None:
    with pytest.raises(InvalidInputError):
        highlight("a", "a", window=0)


@given(
    text=st.text(st.characters(exclude_categories=()) | st.sampled_from("猫狗ab ﬁé"), max_size=80),
    query=st.text(st.characters(exclude_categories=()) | st.sampled_from("猫狗ab ﬁé"), max_size=10),
    window=st.none() | st.integers(1, 30),
)
@settings(deadline=None, max_examples=120)
def test_any_text(text: str, query: str, window: int | None) -> None:
    shown = highlight(text, query, window=window)
    highlight_html(text, query, window=window)
    for piece in shown:
        assert text[piece.start : piece.end] == piece.text != ""
    for one, following in pairwise(shown):
        assert one.end == following.start
        assert not (one.hit and following.hit)
    if window is None:
        assert "".join(piece.text for piece in shown) == text
    else:
        assert sum(len(piece.text) for piece in shown) <= window
        assert shown or not text
