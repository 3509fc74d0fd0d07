from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.text.language import (
    dominant_language,
    dominant_languages,
    is_covered,
    language_shares,
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hello world", "en"),
        ("Ça va très bien", "en"),
        ("ＨＥＬＬＯ", "en"),
        ("上周五谁提到预算", "zh"),
        ("漢字繁體", "zh"),
        ("𠀀𠀁", "zh"),
        ("用GPT-4o写Python代码", "zh"),
        ("请看 https://example.org/a/very/long/address/indeed", "zh"),
        ("今日は天気がいいですね", "ja"),
        ("東京タワー", "ja"),
        ("他喜欢动画《の》和漫画作品以及小说", "zh"),
        ("오늘은 날씨가 좋아요", "ko"),
        ("Привет, как дела", "ru"),
        ("مرحبا بالعالم", "ar"),
        ("שלום עולם", "he"),
        ("नमस्ते दुनिया", "hi"),
        ("สวัสดีชาวโลก", "th"),
        ("Γειά σου Κόσμε", "el"),
        ("ᚠᚢᚦᚨᚱᚲ", "mis"),
        ("12.5% — 3/4 🎉", "und"),
        ("１２３", "und"),
        ("", "und"),
        ("\ud800", "und"),
        ("我 use this long English sentence mostly", "en"),
    ],
)
def test_dominant_language(text: str, code: str) -> None:
    assert dominant_language(text) == code


def test_many_at_once() -> None:
    assert dominant_languages(["a", "你", "1"]) == ["en", "zh", "und"]
    assert dominant_languages([]) == []


def test_shares() -> None:
    assert language_shares("你好abc") == {"zh": pytest.approx(2 / 3), "en": pytest.approx(1 / 3)}
    assert language_shares("12") == {}


@pytest.mark.parametrize(
    ("code", "languages", "covered"),
    [
        ("zh", {"en"}, False),
        ("ru", {"en"}, False),
        ("mis", {"en"}, False),
        ("en", {"en"}, True),
        ("en", {"fr"}, True),
        ("zh", {"zh-Hans", "en_US"}, True),
        ("zh", {"yue"}, True),
        ("ru", {"uk"}, True),
        ("zh", None, True),
        ("und", {"en"}, True),
        ("zh", frozenset(), False),
    ],
)
def test_is_covered(code: str, languages: set[str] | None, covered: bool) -> None:
    assert is_covered(code, languages) is covered


@given(st.text(st.characters(exclude_categories=())))
@settings(deadline=None, max_examples=200)
def test_any_text(text: str) -> None:
    code = dominant_language(text)
    shares = language_shares(text)
    assert sum(shares.values()) == pytest.approx(1) or not shares
    if not text.isascii():
        assert code == next(iter(shares), "und") or shares[code] == max(shares.values())
