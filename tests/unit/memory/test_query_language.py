"""DeepMemo's query language: trees, errors that point, and what is found."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.index.ports import StructuredQuery
from vcplab.memory.index.postings import PostingsIndex
from vcplab.memory.index.tantivy import TantivyIndex
from vcplab.memory.index.weighting import BM25Weighting
from vcplab.memory.stages.lexical import BM25, Tantivy
from vcplab.memory.syntax import (
    AnyOf,
    Boosted,
    Excluded,
    Phrase,
    QuerySyntaxError,
    QueryTree,
    Word,
    compile_query,
    parse,
)
from vcplab.text.analysis import default_analyzer

W, P = Word, Phrase


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        (" , ，, ", ()),
        ("budget", (W("budget"),)),
        ("budget, plan", (W("budget"), W("plan"))),
        ("预算，计划 会议", (W("预算"), W("计划"), W("会议"))),
        ('"new york"', (P("new york"),)),
        ("“新的计划”", (P("新的计划"),)),
        ("「甲」『乙』", (P("甲"), P("乙"))),
        ("(budget:1.5)", (Boosted((W("budget"),), 1.5),)),
        ("（预算：1.5）", (Boosted((W("预算"),), 1.5),)),
        ('(plan "new york" : 0.5)', (Boosted((W("plan"), P("new york")), 0.5),)),
        ("(a)", (Boosted((W("a"),), 1.0),)),
        ("(a:0)", (Boosted((W("a"),), 0.0),)),
        ("[draft]", (Excluded((W("draft"),)),)),
        ("［草稿］ [a:2]", (Excluded((W("草稿"),)), Excluded((W("a"),)))),
        ("{a|b c|“d e”}", (AnyOf(((W("a"),), (W("b"), W("c")), (P("d e"),)), 1.0),)),
        ("｛甲｜乙：1.3｝", (AnyOf(((W("甲"),), (W("乙"),)), 1.3),)),
        ("foo(bar:2)baz", (W("foo"), Boosted((W("bar"),), 2.0), W("baz"))),
        ("10:30 a|b c++", (W("10:30"), W("a|b"), W("c++"))),
        (r"\(x\) a\,b", (W("(x)"), W("a,b"))),
        (r'"say \"hi\""', (P('say "hi"'),)),
        ('5"', None),
        ("word\\", (W("word\\"),)),
    ],
)
def test_trees(text, parts):
    if parts is None:
        with pytest.raises(QuerySyntaxError):
            parse(text)
    else:
        assert parse(text) == QueryTree(parts)


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("budget (plan", 7, "never closed"),
        ("a) b", 1, "without an opening"),
        ("a ]", 2, "without an opening"),
        ("预算 “计划", 3, "phrase is never closed"),
        ("()", 0, "Nothing stands in"),
        ("x []", 2, "Nothing stands in"),
        ("{a||b}", 3, "Nothing stands in"),
        ("{a|}", 3, "Nothing stands in"),
        ("(:2)", 1, "Nothing stands in"),
        ("(a:b)", 3, "no weight"),
        ("(a:-1)", 3, "no weight"),
        ("(a:nan)", 3, "no weight"),
        ("(a:inf)", 3, "no weight"),
        ("(a:)", 3, "no weight"),
        ("(a:1", 3, "no weight"),
        ("([a])", 1, "inside ()"),
        ("{a|(b)}", 3, "inside {}"),
        ("(a]", 2, "inside ()"),
        ('x ""', 2, "empty phrase"),
    ],
)
def test_errors_point_at_the_character(text, position, told):
    with pytest.raises(QuerySyntaxError, match=told.replace("(", r"\(").replace(")", r"\)")) as bad:
        parse(text)
    assert bad.value.details["position"] == position
    assert isinstance(bad.value, InvalidInputError)
    assert bad.value.next_step
    shown, pointer = bad.value.message.splitlines()[1:3]
    assert shown.strip() == text.strip()
    wide = sum(2 if c >= "⺀" else 1 for c in text[:position])
    assert pointer.index("^") - 4 == wide or "“" in text


WORDS = st.text(
    st.characters(exclude_characters=" \t\n\r", exclude_categories=["Z", "C"]), min_size=1
)
ITEMS = st.one_of(
    st.builds(Word, WORDS), st.builds(Phrase, st.text(min_size=1).filter(lambda t: t.strip()))
)
LISTS = st.lists(ITEMS, min_size=1, max_size=3).map(tuple)
WEIGHTS = st.floats(0, 9)
PARTS = st.one_of(
    ITEMS,
    st.builds(Boosted, LISTS, WEIGHTS),
    st.builds(Excluded, LISTS),
    st.builds(AnyOf, st.lists(LISTS, min_size=1, max_size=3).map(tuple), WEIGHTS),
)


@given(parts=st.lists(PARTS, max_size=5))
def test_the_text_of_a_tree_gives_the_tree_again(parts):
    tree = QueryTree(tuple(parts))
    assert parse(str(tree)) == tree


@given(text=st.text(st.characters()))
def test_any_text_parses_or_is_refused(text):
    refused = None
    try:
        tree = parse(text)
    except QuerySyntaxError as error:
        refused = error
    if refused is None:
        assert parse(str(tree)) == tree
    else:
        assert 0 <= refused.details["position"] <= len(text)


@pytest.mark.parametrize("text", ["(" * 200_000, "a," * 200_000, "[a]" * 100_000, '"' * 99_999])
def test_time_is_linear(text):
    began = time.process_time()
    message = ""
    try:
        parse(text)
    except QuerySyntaxError as error:
        message = error.message
    assert len(message) < 300
    assert time.process_time() - began < 5


def test_compiling():
    analyzer = default_analyzer()
    compiled = compile_query(
        parse('Budgets, (budget:1.5), {plan|"new york":2}, "预算会议", "猫", (off:0)')
        + parse("[分词器] [a b] [the]"),
        analyzer,
    )
    assert compiled == StructuredQuery(
        {"budget": 2.5, "plan": 2.0, "猫": 1.0},
        ((("new", "york"), 2.0), (("预算", "算会", "会议"), 1.0)),
        (("分词", "词器"), ("b",)),
    )
    assert compile_query(parse("the"), analyzer).terms == {}
    for nothing in ("[draft]", "[a] [b c]"):
        with pytest.raises(QuerySyntaxError, match="only says what not to find"):
            compile_query(parse(nothing), analyzer)
    both = parse("plan") + parse("[draft]")
    assert compile_query(both, analyzer).excluded == (("draft",),)


TOKENS = st.lists(st.sampled_from("abc"), max_size=7)


@given(
    documents=st.lists(TOKENS, min_size=1, max_size=8),
    terms=st.dictionaries(st.sampled_from("abd"), st.sampled_from([0.5, 1.0, 2.0]), max_size=2),
    phrases=st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), min_size=2, max_size=3).map(tuple), st.just(1.5)
        ),
        max_size=2,
    ),
    excluded=st.lists(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=2).map(tuple), max_size=2
    ),
    gone=st.sets(st.integers(0, 7), max_size=2),
    data=st.data(),
)
def test_both_indexes_find_what_the_definition_says(
    documents, terms, phrases, excluded, gone, data
):
    query = StructuredQuery(terms, tuple(phrases), tuple(excluded))
    mask = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents)))
    )

    def has(tokens, words):
        n = len(words)
        return any(tuple(tokens[i : i + n]) == words for i in range(len(tokens)))

    exact = PostingsIndex(lambda rows: [documents[row] for row in rows])
    disk = TantivyIndex()
    for index in (exact, disk):
        index.add(range(len(documents)), documents)
        index.delete(sorted(gone))
    for within in (None, mask):
        wanted = {
            row
            for row, tokens in enumerate(documents)
            if row not in gone
            and (within is None or within[row])
            and (any(t in tokens for t in terms) or any(has(tokens, w) for w, _ in phrases))
            and not any(has(tokens, w) for w in excluded)
        }
        view = exact.view(BM25Weighting())
        for index in (view, disk):
            (found,) = index.search([query], 99, mask=within)
            assert set(found.rows.tolist()) == wanted
            rows = np.arange(len(documents))
            scores = index.score(query, rows)
            if within is None:
                assert {row for row in rows.tolist() if scores[row] > 0} - gone == wanted
            assert np.allclose(scores[found.rows], found.scores)
        if not gone:  # Tantivy's statistics count the removed until a merge
            assert np.allclose(view.score(query, rows), disk.score(query, rows), rtol=1e-5)


def test_an_index_without_tokens_says_so():
    index = PostingsIndex()
    index.add([0], [["a", "b"]])
    with pytest.raises(StateError, match="no positions"):
        index.view(BM25Weighting()).search([StructuredQuery({}, ((("a", "b"), 1.0),))], 3)


CORPUS = Corpus(
    [
        Document("plan", "The budget plan for New York"),
        Document("draft", "A draft of the budget"),
        Document("york", "york new"),
        Document("zh", "关于 BM25 分词器 的会议，预算另议"),
        Document("zh2", "分词 与 词器 是两回事"),
    ]
)


@pytest.mark.parametrize("lane", [BM25, Tantivy])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("budget [draft]", {"plan"}),
        ('"new york"', {"plan"}),
        ("new york", {"plan", "york"}),
        ("“BM25 分词器”", {"zh"}),
        ("分词 [分词器]", {"zh2"}),
        ("{york|预算}", {"plan", "york", "zh"}),
        ("(draft:0) york", {"plan", "york"}),
        ("the", set()),
        ("", set()),
    ],
)
def test_lanes_speak_it(lane, query, found):
    hits = lane(syntax="deepmemo").on(CORPUS).search(query)
    assert {p.docno for p in hits} == found


@pytest.mark.parametrize("lane", [BM25, Tantivy])
def test_lanes_with_presets_weights_and_reasons(lane):
    system = lane(syntax="deepmemo", preset="[draft]")
    assert [p.docno for p in system.on(CORPUS).search("budget")] == ["plan"]
    heavy = lane(syntax="deepmemo").on(CORPUS).search("(draft:9) budget plan york")
    assert heavy[0].docno == "draft"
    why = system.on(CORPUS).why("budget", "draft")
    assert "excluded by [draft]" in why.accounts[-1].reason
    why = lane(syntax="deepmemo").on(CORPUS).why('"new york" budget', "plan")
    assert '"new york"' in why.accounts[-1].reason
    with pytest.raises(QuerySyntaxError):
        system.on(CORPUS).search("(a")
    with pytest.raises(QuerySyntaxError):
        lane(syntax="deepmemo", preset="(a")
    with pytest.raises(InvalidInputError, match="preset"):
        lane(preset="a")
    with pytest.raises(InvalidInputError, match="syntax"):
        lane(syntax="lucene")
    assert lane(syntax="deepmemo").fingerprint != lane().fingerprint
