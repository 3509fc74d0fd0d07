"""From trees to the queries of an index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.memory.index.ports import StructuredQuery
from vcplab.memory.syntax import (
    Excluded,
    Phrase,
    QuerySyntaxError,
    QueryTree,
    Word,
    compile_query,
    compile_with_notices,
    parse,
)
from vcplab.text.analysis import Analyzer, default_analyzer


def compiled(text, analyzer=None, **options):
    return compile_query(parse(text, **options), analyzer or default_analyzer())


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", StructuredQuery({})),
        ("Memories the memory", StructuredQuery({"memori": 2.0})),
        ("向量检索", StructuredQuery({"向量": 1.0, "量检": 1.0, "检索": 1.0})),
        ("“向量检索”", StructuredQuery({}, ((("向量", "量检", "检索"), 1.0),))),
        ("“向量”", StructuredQuery({"向量": 1.0})),
        (
            '(db "a vector":1.5) {db|"vector db":2}',
            StructuredQuery({"vector": 1.5, "db": 3.5}, ((("vector", "db"), 2.0),)),
        ),
        ('"x y" ("X, Y":0.5)', StructuredQuery({}, ((("x", "y"), 1.5),))),
        ("(a1:0) {b1|c1:0} d1", StructuredQuery({"d1": 1.0})),
        (
            "记忆 [分词器 草稿 “old plan” GPT-4o 草稿]",
            StructuredQuery(
                {"记忆": 1.0}, (), (("分词", "词器"), ("草稿",), ("old", "plan"), ("gpt", "4o"))
            ),
        ),
        ("“BM25 分词器”", StructuredQuery({}, ((("bm25", "分词", "词器"), 1.0),))),
    ],
)
def test_queries(text, query):
    assert compiled(text) == query


PLAIN = st.text(st.characters(exclude_categories=["P", "S", "C", "Z"]), min_size=1, max_size=6)


@given(words=st.lists(PLAIN, max_size=5))
def test_words_mean_what_they_mean_in_a_plain_query(words):
    analyzer = default_analyzer()
    terms = {}
    for word in words:
        for term in analyzer.analyze_query(word):
            terms[term] = terms.get(term, 0) + 1
    query = compiled(" ".join(words))
    assert dict(query.terms) == terms
    assert not query.phrases
    assert not query.excluded


@pytest.mark.parametrize("text", ["[草稿]", " [a1] [b1, c1]", "(a:1)[:b"])
def test_queries_that_only_exclude_are_refused(text):
    if text.startswith("("):
        assert compiled(text, lenient=True).terms  # what is refused elsewhere is text here
        return
    with pytest.raises(QuerySyntaxError, match="only says what not to find") as caught:
        compiled(text)
    assert caught.value.details == {
        "position": text.index("["),
        "expected": "a word to look for",
    }
    query, notices = compile_with_notices(parse(text, lenient=True), default_analyzer())
    assert not query.terms
    assert query.excluded
    assert notices == ("The query only says what not to find: it finds nothing.",)
    # A preset that looks for something makes it whole.
    whole = compile_query(parse(text) + parse("plan"), default_analyzer())
    assert whole.terms == {"plan": 1.0}
    assert whole.excluded == query.excluded


def test_a_tree_made_by_hand_is_refused_with_its_own_text():
    with pytest.raises(QuerySyntaxError, match="draft"):
        compile_query(QueryTree((Excluded((Word("draft"),)),)), default_analyzer())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("the", ["No part of the query has a term"]),
        ("the [draft]", ["No part of the query has a term"]),
        ("，。、 ！", ["No part of the query has a term"]),
        ("(plan:0)", ["(plan:0) has the weight 0", "No part"]),
        ('plan "to the"', ['"to the" has no terms (stop words, punctuation): it finds nothing']),
        ("plan [the]", ["the has no terms (stop words, punctuation): it excludes nothing"]),
        ("plan [draft:2]", ["An exclusion has no weight (character 6)"]),
        ("plan", []),
        ("", []),
    ],
)
def test_notices(text, told):
    _, notices = compile_with_notices(parse(text), default_analyzer())
    assert len(notices) == len(told)
    assert all(start in notice for start, notice in zip(told, notices, strict=True))


@pytest.mark.parametrize("cjk", ["bigrams", "both", "characters"])
@given(
    before=st.text("机器学习方法 a，", max_size=6),
    phrase=st.text("机器学习方法", min_size=2, max_size=6),
    after=st.text("机器学习方法 a，", max_size=6),
)
def test_the_terms_of_a_chinese_phrase_are_in_a_row_where_it_occurs(cjk, before, phrase, after):
    analyzer = Analyzer(cjk=cjk)
    query = compile_query(QueryTree((Phrase(phrase),)), analyzer)
    tokens = analyzer.analyze(before + phrase + after)
    if query.phrases:
        ((words, weight),) = query.phrases
        assert weight == 1
        starts = range(len(tokens) - len(words) + 1)
        assert any(tuple(tokens[at : at + len(words)]) == words for at in starts)
    else:
        assert set(query.terms) <= set(tokens)


def test_dictionary_words_cannot_promise_it():
    pytest.importorskip("rjieba")
    query, notices = compile_with_notices(parse("“机器学习方法”"), Analyzer(cjk="words"))
    assert len(query.phrases[0][0]) > 1
    assert 'cjk="bigrams"' in notices[0]
