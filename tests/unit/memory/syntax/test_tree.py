"""Trees of queries: canonical text, spans, joining, refusals."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.memory.syntax import AnyOf, Boosted, Excluded, Phrase, QueryTree, Word, parse

# Marks, wide marks, spaces, backslashes and digits far more often than chance would give them.
NASTY = st.sampled_from(
    list("\\\\()[]{},:|\"'（）［］｛｝，：｜＂“”「」『』 \t\n\u3000ab1.预\ud800😀")
)
TEXTS = st.text(st.one_of(NASTY, st.characters()), min_size=1, max_size=8)
ITEMS = st.one_of(
    st.builds(Word, TEXTS), st.builds(Phrase, TEXTS.filter(lambda text: text.strip()))
)
LISTS = st.lists(ITEMS, min_size=1, max_size=3).map(tuple)
WEIGHTS = st.one_of(st.floats(0, 2), st.floats(0, 1e6), st.integers(0, 9))
PARTS = st.one_of(
    ITEMS,
    st.builds(Boosted, LISTS, WEIGHTS),
    st.builds(Excluded, LISTS),
    st.builds(AnyOf, st.lists(LISTS, min_size=1, max_size=3).map(tuple), WEIGHTS),
)
TREES = st.builds(QueryTree, st.lists(PARTS, max_size=5).map(tuple))


@given(tree=TREES)
def test_canonical_text_gives_the_tree_again(tree):
    text = str(tree)
    again = parse(text)
    assert again == tree
    assert str(again) == text
    assert not again.notices
    assert parse(text, lenient=True) == tree


def each(part):
    if isinstance(part, AnyOf):
        return [item for option in part.options for item in option]
    return list(part.items) if isinstance(part, Boosted | Excluded) else []


@given(tree=TREES, preset=TREES)
def test_spans_name_the_source_of_every_part(tree, preset):
    """What a span cuts out of the source parses to the very part, before and after joining."""
    joined = parse(str(tree)) + parse(str(preset))
    assert joined.parts == tree.parts + preset.parts
    end = 0
    for part in joined.parts:
        assert part.span[0] >= end
        end = part.span[1]
        assert parse(joined.source[part.span[0] : end]).parts == (part,)
        for item in each(part):
            begin, stop = item.span
            assert part.span[0] < begin < stop < end
            inside = joined.source[begin:stop]
            assert parse(f"({inside})").parts == (Boosted((item,)),)


def test_canonical_text_is_readable():
    text = "预算,  （a  “b c”：１．５）[x: 2] {甲｜ 乙 :2.0} 10:30 C:\\dir ( once )"
    assert str(parse(text)) == r'预算 (a "b c":1.5) [x] {甲|乙:2} 10:30 C:\\dir (once)'


def test_the_plain_text_is_what_is_looked_for():
    tree = parse('plan, (预算 "new york":2) [draft “old one”] {a|b c:0.5} (off:0) {x|y:0}')
    assert tree.plain() == "plan 预算 new york a b c"
    assert parse("[draft]").plain() == ""


def test_joining_keeps_notices_and_leniency():
    strict, loose = parse("a [b:2]"), parse("c )", lenient=True)
    joined = strict + loose + strict
    assert joined.lenient
    assert not strict.lenient
    assert joined.notices == strict.notices + loose.notices
    assert len(joined.notices) == 2
    assert (QueryTree(()) + strict).source == strict.source
    assert (strict + QueryTree(())).parts == strict.parts


def test_spans_notices_and_sources_are_not_identity():
    a, b = parse("x"), parse("   x  ")
    assert a == b
    assert hash(a) == hash(b)
    assert a.parts[0].span != b.parts[0].span
    assert pickle.loads(pickle.dumps(b)).parts[0].span == (3, 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Word(""),
        lambda: Phrase(" \t"),
        lambda: Boosted((), 1.0),
        lambda: Excluded(()),
        lambda: AnyOf(()),
        lambda: AnyOf(((Word("a"),), ())),
        lambda: Boosted((Word("a"),), -0.1),
        lambda: Boosted((Word("a"),), float("nan")),
        lambda: Boosted((Word("a"),), float("inf")),
        lambda: AnyOf(((Word("a"),),), 1e7),
    ],
)
def test_impossible_parts_are_refused(make):
    with pytest.raises(InvalidInputError) as bad:
        make()
    assert bad.value.next_step
