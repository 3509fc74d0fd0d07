from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError, MissingDependencyError
from vcplab.text import fold
from vcplab.text.analysis import Analyzer
from vcplab.text.fold import fold_chinese, fold_fingerprint
from vcplab.text.highlight import highlight, highlight_html

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
HAN_TEXT = st.text("預算预算薴苧苎乾干髮發发衞衛卫著着臺台裡裏里ａ①㍿﨑豈𠮷é🎉 ,。", max_size=30)
SIMPLIFIED = Analyzer(fold="simplified")


@pytest.fixture
def opencc() -> None:
    pytest.importorskip("opencc", reason="folding needs the optional package OpenCC")


@pytest.mark.usefixtures("opencc")
@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        ("budget", "budget"),
        ("上週五誰提到預算", "上周五谁提到预算"),
        ("上周五谁提到预算", "上周五谁提到预算"),
        ("頭髮發現乾坤裡裏", "头发发现干坤里里"),
        ("香港衞生署", "香港卫生署"),
        ("名著 顯著", "名著 显著"),  # Taiwan's table would say 着
        ("薴", "苎"),  # by way of 苧
        ("カタカナ 한국어 Ünïcödé 🎉", "カタカナ 한국어 Ünïcödé 🎉"),
        ("a\ud800預\udfff", "a\ud800预\udfff"),
        ("\0\U0010ffff\n預", "\0\U0010ffff\n预"),
    ],
)
def test_characters_are_folded_alone(text: str, folded: str) -> None:
    assert fold_chinese(text) == folded


@pytest.mark.usefixtures("opencc")
@settings(deadline=None, max_examples=200)
@given(text=st.one_of(ANY_TEXT, HAN_TEXT))
def test_any_text_keeps_its_length_and_folds_once(text: str) -> None:
    folded = fold_chinese(text)
    assert len(folded) == len(text)
    assert fold_chinese(folded) == folded
    assert folded == "".join(map(fold_chinese, text))


@pytest.mark.usefixtures("opencc")
def test_every_character_folds_once() -> None:
    everything = "".join(map(chr, range(0x110000)))
    folded = fold_chinese(everything)
    assert len(folded) == 0x110000
    assert fold_chinese(folded) == folded
    changed = sum(a != b for a, b in zip(everything, folded, strict=True))
    assert 3500 < changed < 10_000


@pytest.mark.usefixtures("opencc")
@pytest.mark.parametrize("cjk", ["bigrams", "words", "both", "characters"])
def test_the_analyser_finds_one_script_by_the_other(cjk: str) -> None:
    analyzer = Analyzer(cjk=cjk, fold="simplified")  # type: ignore[arg-type]
    assert analyzer.analyze("明年的預算") == analyzer.analyze("明年的预算")
    assert analyzer.analyze_query("預算") == analyzer.analyze_query("预算")
    plain = Analyzer(cjk=cjk)  # type: ignore[arg-type]
    assert plain.analyze_query("預算") != plain.analyze_query("预算")
    assert plain.analyze("預算") == Analyzer(cjk=cjk, fold="none").analyze("預算")  # type: ignore[arg-type]


@pytest.mark.usefixtures("opencc")
@settings(deadline=None, max_examples=150)
@given(text=st.one_of(ANY_TEXT, HAN_TEXT))
def test_spans_agree_with_terms_and_stand_in_the_original(text: str) -> None:
    tokens = SIMPLIFIED.spans(text)
    assert [token.term for token in tokens] == SIMPLIFIED.analyze(text)
    plain = [(token.start, token.end) for token in Analyzer().spans(text)]
    assert [(token.start, token.end) for token in tokens] == plain
    assert "".join(fragment.text for fragment in highlight(text, "预算", SIMPLIFIED)) == text


@pytest.mark.usefixtures("opencc")
def test_the_original_is_highlighted() -> None:
    html = highlight_html("Ｑ３的預算<b>太少", "预算", SIMPLIFIED)
    assert html == "Ｑ３的<mark>預算</mark>&lt;b&gt;太少"


@pytest.mark.usefixtures("opencc")
def test_stop_words_are_folded_too() -> None:
    analyzer = Analyzer(fold="simplified", cjk="words", stopwords=frozenset({"這個"}))
    assert analyzer.analyze("這個預算") == analyzer.analyze("这个预算") == ["预算"]


@pytest.mark.usefixtures("opencc")
def test_the_fingerprint_knows_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SIMPLIFIED.fingerprint != Analyzer().fingerprint
    assert SIMPLIFIED.get_params()["fold"] == "simplified"
    assert Analyzer(**SIMPLIFIED.get_params()) == SIMPLIFIED
    before = SIMPLIFIED.fingerprint
    monkeypatch.setattr("vcplab.text.analysis.fold_fingerprint", lambda: "another table")
    assert SIMPLIFIED.fingerprint != before
    assert len(fold_fingerprint()) == 16


def test_an_unknown_fold_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="fold='traditional'") as caught:
        Analyzer(fold="traditional")  # type: ignore[arg-type]
    assert caught.value.next_step


def test_without_opencc_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    fold._table.cache_clear()
    fold.fold_fingerprint.cache_clear()
    try:
        for act in (
            lambda: fold_chinese("預算"),
            lambda: SIMPLIFIED.analyze("預算"),
            lambda: SIMPLIFIED.fingerprint,
        ):
            with pytest.raises(MissingDependencyError, match="OpenCC") as caught:
                act()
            assert "pip install opencc" in (caught.value.next_step or "")
        assert SIMPLIFIED.analyze("budget cuts") == ["budget", "cut"]
        assert Analyzer().analyze_query("預算") == ["預算"]
        assert Analyzer().fingerprint
    finally:
        fold._table.cache_clear()
        fold.fold_fingerprint.cache_clear()


def test_importing_the_analyser_loads_neither_opencc_nor_numpy() -> None:
    code = (
        "import sys, vcplab.text.analysis as a; a.Analyzer().analyze('預算');"
        "print({'opencc', 'numpy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout.strip(), result.returncode) == ("set()", 0), result.stderr
