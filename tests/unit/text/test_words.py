"""Words with their kinds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.text.words import tagged_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("你是专业的写作助手", ["你", "是", "专业", "的", "写作", "助手"]),
        ("会C++和Node.js、GPT-4o。", ["会", "C++", "和", "Node.js", "GPT-4o"]),
        ("C# isn't C.", ["C#", "isn't", "C"]),
        ("プロのプログラマー", ["プロ", "の", "プログラマー"]),
        ("한국어 공부", ["한국어", "공부"]),
        ("Ёлка, naïve", ["Ёлка", "naïve"]),
        ("", []),
        ("，。!", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [word.text for word in tagged_words(text)] == words


def test_kinds() -> None:
    kinds = {word.text: word.tag for word in tagged_words("小说 AI カタ の 한국")}
    assert kinds == {"小说": "n", "AI": "latin", "カタ": "katakana", "の": "cjk", "한국": "hangul"}


@settings(max_examples=100)
@given(st.text(max_size=60))
def test_offsets_are_exact(text: str) -> None:
    words = tagged_words(text)
    assert all(text[word.start : word.end] == word.text != "" for word in words)
    assert all(one.end <= after.start for one, after in pairwise(words))
