from __future__ import annotations

import pickle
import threading
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.text import analysis
from vcplab.text.analysis import LUCENE_STOPWORDS, Analyzer, Token, default_analyzer
from vcplab.text.normalise import normalise, normalise_aligned

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
CJK_TEXT = st.text("我的猫很可爱智能人工ab1 ，。カタかな한국𠀀々ﾞ̈éé", max_size=30)
MODES = ["bigrams", "words", "both", "characters"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("The cats are RUNNING", ["cat", "run"]),
        ("GPT-4o and GPT-4", ["gpt", "4o", "gpt", "4"]),
        ("dog's dogs’ don't O’Neill", ["dog", "dog", "don't", "o'neil"]),
        ("snake_case __init__ _emphasis_", ["snake_cas", "init", "emphasi"]),
        ("vitamin C 3.14", ["vitamin", "c", "3", "14"]),
        ("ＧＰＴ４ ﬁne Café", ["gpt4", "fine", "café"]),
        ("cafe\u0301", ["café"]),
        ("ΟΔΟΣ οδος", ["οδοσ", "οδοσ"]),
        ("İstanbul", ["istanbul"]),
        ("हिन्दी", ["हिन्दी"]),
        ("🎉party❤\ufe0f", ["🎉", "parti", "❤"]),
        ("!?，。——", []),
        ("to be or not to be", []),
        ("a\ud800b", ["b"]),
    ],
)
def test_words(text: str, terms: list[str]) -> None:
    assert Analyzer(keep_single_cjk=False).analyze(text) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("猫", ["猫"]),
        ("我的猫", ["我的", "的猫"]),
        ("用GPT-4o写", ["用", "gpt", "4o", "写"]),
        ("人工智能，机器", ["人工", "工智", "智能", "机器"]),
        ("カタカナ", ["カタ", "タカ", "カナ"]),
        ("ｶﾞｯｺｳ", ["ガッ", "ッコ", "コウ"]),
        ("한국어", ["한국", "국어"]),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", ["한국"]),
        ("𠀀𠀁𪜀", ["𠀀𠀁", "𠀁𪜀"]),
        ("阿尔·曼", ["阿尔", "曼"]),
        ("2025年５月", ["2025", "年", "5", "月"]),
    ],
)
def test_bigrams(text: str, terms: list[str]) -> None:
    assert Analyzer(keep_single_cjk=False).analyze(text) == terms
    assert Analyzer().analyze_query(text) == terms


def test_documents_also_store_single_characters() -> None:
    # Behind all others, so that terms of a phrase are neighbours across scripts.
    assert Analyzer().analyze("我的猫 cat") == ["我的", "的猫", "cat", "我", "的", "猫"]
    assert Analyzer().analyze_query("猫") == ["猫"]
    assert Analyzer(cjk="words").analyze("小猫") == ["小猫"]


def test_words_and_both() -> None:
    words = Analyzer(cjk="words").analyze("中华人民共和国カナ")
    assert {"中华", "人民", "共和国", "中华人民共和国", "カナ"} <= set(words)
    both = Analyzer(cjk="both", keep_single_cjk=False).analyze("中华人民共和国")
    assert both.count("中华") == 1
    assert {"华人", "民共", "共和国", "中华人民共和国"} <= set(both)


def test_characters() -> None:
    assert Analyzer(cjk="characters").analyze("人工AI") == ["人", "工", "ai"]


def test_parameters_change_terms() -> None:
    text = "The Running cat a 的猫"
    assert Analyzer(stemmer=None, stopwords="none").analyze_query(text) == [
        "the", "running", "cat", "a", "的猫",
    ]  # fmt: skip
    assert Analyzer(lowercase=False, stemmer=None).analyze_query("The IT") == ["The", "IT"]
    assert Analyzer(min_length=4).analyze_query(text) == ["run", "的猫"]
    assert Analyzer(stopwords=frozenset({"cat", "的猫"})).analyze(text) == [
        "the", "run", "a", "的", "猫",
    ]  # fmt: skip
    assert Analyzer(normalize=None).analyze("ＡＢ") == ["ａｂ"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"normalize": "NFX"},
        {"cjk": "trigrams"},
        {"stemmer": "klingon"},
        {"stopwords": "smart"},
        {"min_length": 0},
    ],
)
def test_unknown_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Analyzer(**wrong)  # type: ignore[arg-type]
    assert caught.value.where == next(iter(wrong))
    assert caught.value.next_step


def test_it_is_a_value() -> None:
    one = Analyzer(stopwords={"b", "a"})  # type: ignore[arg-type]
    assert one == Analyzer(**one.get_params())
    assert hash(one) == hash(Analyzer(stopwords=frozenset("ab")))
    assert pickle.loads(pickle.dumps(one)) == one
    assert default_analyzer() is default_analyzer() == Analyzer()
    assert len(LUCENE_STOPWORDS) == 33


def test_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = {Analyzer(cjk=mode).fingerprint for mode in MODES}  # type: ignore[arg-type]
    prints |= {Analyzer(stemmer=None).fingerprint, Analyzer(stopwords="none").fingerprint}
    assert len(prints) == 6
    before = Analyzer().fingerprint
    assert before == Analyzer().fingerprint
    monkeypatch.setattr(analysis, "_VERSION", 99)
    assert Analyzer().fingerprint != before


def test_spans_give_original_offsets() -> None:
    text = "Ｄog's ﬁne e\u0301té ㍿ 智能体"
    tokens = Analyzer(keep_single_cjk=False).spans(text)
    assert [(token.term, text[token.start : token.end]) for token in tokens] == [
        ("dog", "Ｄog's"), ("fine", "ﬁne"), ("été", "e\u0301té"),
        ("株式", "㍿"), ("式会", "㍿"), ("会社", "㍿"), ("智能", "智能"), ("能体", "能体"),
    ]  # fmt: skip
    assert tokens[0] == Token("dog", 0, 5)


@pytest.mark.parametrize("mode", MODES)
@given(text=ANY_TEXT | CJK_TEXT)
@settings(deadline=None, max_examples=100)
def test_any_text(mode: str, text: str) -> None:
    analyzer = Analyzer(cjk=mode)  # type: ignore[arg-type]
    terms = analyzer.analyze(text)
    spans = analyzer.spans(text)
    assert [span.term for span in spans] == terms == analyzer.analyze_many([text, ""])[0]
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(terms)
    # A query's terms are a document's.
    assert set(analyzer.analyze_query(text)) <= set(terms)
    for span in spans:
        # What was marked contains the term: analysing it alone gives it again.
        if mode != "words":
            assert span.term in analyzer.analyze(text[span.start : span.end])


@given(
    before=CJK_TEXT, query=st.text("我的猫很可爱智能人工", min_size=1, max_size=6), after=CJK_TEXT
)
@settings(deadline=None, max_examples=80)
def test_a_chinese_query_finds_the_text_it_occurs_in(before: str, query: str, after: str) -> None:
    for analyzer in (Analyzer(), Analyzer(cjk="both"), Analyzer(cjk="characters")):
        document = set(analyzer.analyze(f"{before}{query}{after}"))
        assert document >= set(analyzer.analyze_query(query)) or analyzer.cjk == "both"
        assert document & set(analyzer.analyze_query(query))


@given(text=ANY_TEXT, form=st.sampled_from(["NFKC", "NFC", None]), lowercase=st.booleans())
@settings(deadline=None, max_examples=150)
def test_alignment(text: str, form: str | None, lowercase: bool) -> None:
    aligned = normalise_aligned(text, form, lowercase=lowercase)  # type: ignore[arg-type]
    assert aligned.text == normalise(text, form, lowercase=lowercase)  # type: ignore[arg-type]
    if aligned.starts is not None:
        assert aligned.ends is not None
        assert len(aligned.starts) == len(aligned.ends) == len(aligned.text)


def test_alignment_of_every_character_after_every_kind_of_base() -> None:
    # Whatever can join a base letter must be in its cluster: else lengths would differ.
    second = {
        parts.split()[-1]
        for parts in map(unicodedata.decomposition, map(chr, range(0x80, 0x20000)))
        if parts and not parts.startswith("<")
    }
    codes = sorted({int(code, 16) for code in second} | set(range(0x80, 0x3200)))
    for base in "aか\u1100가\u09c7":
        text = "".join(base + chr(code) for code in codes)
        aligned = normalise_aligned(text, "NFKC", lowercase=False)
        assert aligned.starts is not None
        assert len(aligned.starts) == len(aligned.text)


def test_threads_do_not_share_a_stemmer() -> None:
    expected = Analyzer().analyze("running quickly happily " * 50)
    results: list[bool] = []

    def work() -> None:
        for _ in range(50):
            results.append(Analyzer().analyze("running quickly happily " * 50) == expected)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200
    assert all(results)


def test_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "_CACHED_WORDS", 10)
    analyzer = Analyzer(min_length=2)
    words = [f"word{number}" for number in range(100)]
    assert analyzer.analyze(" ".join(words)) == words
    assert len(analyzer._words()) <= 10
    for length in range(1, 40):
        Analyzer(min_length=length).analyze("x")
    assert len(analysis._local.caches) <= 16
