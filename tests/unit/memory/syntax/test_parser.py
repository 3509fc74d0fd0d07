"""The parser: what each spelling means, where errors point, and that nothing is too much."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.display.terminal import display_width
from vcplab.core.errors import InvalidInputError
from vcplab.memory.syntax import (
    AnyOf,
    Boosted,
    Excluded,
    Phrase,
    QuerySyntaxError,
    Word,
    compile_query,
    parse,
)
from vcplab.text.analysis import default_analyzer

W, P = Word, Phrase

MARKS = list('()[]{},:|"\\（）［］｛｝，：｜＂“”「」『』 \u3000\n')
TEXTS = st.text(
    st.one_of(st.sampled_from(MARKS), st.sampled_from(list("ab1.-预算\ud800\U0001f469\u200d"))),
    max_size=30,
)


def strictly(text):
    try:
        return parse(text)
    except QuerySyntaxError as error:
        return error


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        # marks are marks only where they mean something
        ("http://a.b/c|d don't -x 3:4", (W("http://a.b/c|d"), W("don't"), W("-x"), W("3:4"))),
        ("“a ”b“ c”", (P("a "), W("b"), P(" c"))),
        ("”a“ 「b『c』d」", (P("a"), P("b『c』d"))),
        ('＂a＂ "b＂', (P("a"), P("b"))),
        ('"a, (b) [c] {d|e:2}"', (P("a, (b) [c] {d|e:2}"),)),
        ("(a，b, c:2)", (Boosted((W("a"), W("b"), W("c")), 2.0),)),
        ('("a b":1.2)', (Boosted((P("a b"),), 1.2),)),
        ('["a b" c,d]', (Excluded((P("a b"), W("c"), W("d"))),)),
        ("{“a b”|c d|e : 1.3 }", (AnyOf(((P("a b"),), (W("c"), W("d")), (W("e"),)), 1.3),)),
        ("{a, b}", (AnyOf(((W("a"), W("b")),)),)),
        # backslashes take away a mark's meaning, and are text before anything else
        (r"\[a\] (b\:c:2) {d\|e}", (W("[a]"), Boosted((W("b:c"),), 2.0), AnyOf(((W("d|e"),),)))),
        (r"C:\new\dir \\", (W(r"C:\new\dir"), W("\\"))),
        (r'"\"a\" \d"', (P(r'"a" \d'),)),
        (r"a\ b \（", (W("a b"), W("（"))),
        # numbers
        ("(a:+.5) (b:2.) (c:1e-3) (d:１．５) (e:100)", None),
    ],
)
def test_meanings(text, parts):
    if parts is None:
        assert [part.weight for part in parse(text).parts] == [0.5, 2.0, 0.001, 1.5, 100.0]
    else:
        assert parse(text).parts == parts


@pytest.mark.parametrize(
    ("text", "at", "expected", "step"),
    [
        ("预算 （计划", "（", ")", r"\("),
        ("他说 “好", "“", "”", r"\“"),
        ("「a", "「", "」", "」"),
        ("a 」 b", "」", "opening", "Remove"),
        ("(预算:abc)", "abc", "number", ":1.5"),
        ("(a:-1)", "-1", "number", "[term]"),
        ("(a:1e9)", "1e9", "number", ":1.5"),
        ("(a:1_0)", "1_0", "number", ":1.5"),
        ("(a:1 2)", "1", ")", ":1.5"),
        ("{甲:1.2|乙}", "|", "}", "(a:0.5) (b:1.3)"),
        ("(甲|乙)", "|", ")", "{a|b:1.5}"),
        ("[a {b}]", "{", "]", "[a] [b]"),
        ("{(a)}", "(", "}", "(a:0.5)"),
        ("((a))", "(a", ")", "Brackets do not nest"),
        ("[a)", ")", "]", "]"),
        ("{甲||乙}", "|乙", "a word", "Write"),
        ('x "  "', '"', "words", "Write"),
        ("［］", "［", "a word", r"\["),
    ],
)
def test_errors_say_where_what_and_how(text, at, expected, step):
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text)
    error = caught.value
    position = error.details["position"]
    assert text[position:].startswith(at)
    assert expected in error.details["expected"]
    assert step in error.next_step
    _, shown, pointer = error.message.split("\n")
    # The caret stands under the character, however wide what precedes it is.
    assert shown[4:] == text
    assert display_width(pointer) == display_width("    " + text[:position]) + 1
    assert str(error).endswith(f"\nNext: {error.next_step}")
    assert isinstance(error, InvalidInputError)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.details == error.details


def test_a_long_query_is_shown_around_the_place():
    with pytest.raises(QuerySyntaxError) as caught:
        parse("\t长" * 500 + "(x\n" + "\ud800\x1b" * 500)
    _, shown, pointer = caught.value.message.split("\n")
    assert shown.isprintable()
    assert shown.strip()[0] == shown[-1] == "…"
    before = shown[: shown.index("(")]
    assert display_width(before) == pointer.index("^")
    shown.encode()


def test_only_texts_are_parsed():
    with pytest.raises(InvalidInputError, match="NoneType"):
        parse(None)


@given(text=st.one_of(TEXTS, st.text(st.characters())))
def test_leniency_never_fails_and_agrees_with_strictness(text):
    loose = parse(text, lenient=True)
    assert parse(str(loose)) == loose
    end = 0
    for part in loose.parts:
        assert end <= part.span[0] < part.span[1] <= len(text)
        end = part.span[1]
    strict = strictly(text)
    if isinstance(strict, QuerySyntaxError):
        assert 0 <= strict.details["position"] <= len(text)
        assert loose.notices
    else:
        assert loose == strict
        assert loose.notices == strict.notices


@given(text=st.one_of(TEXTS, st.text(st.characters())))
def test_no_text_is_lost_leniently(text):
    """All letters of the query are in some part, in order (weights are in no text)."""

    def texts(part):
        if isinstance(part, AnyOf):
            return "".join(item.text for option in part.options for item in option)
        return getattr(part, "text", None) or "".join(item.text for item in part.items)

    found = "".join(map(texts, parse(text, lenient=True).parts))
    letters = [char for char in text if char in "ab预算"]
    assert [char for char in found if char in "ab预算"] == letters


@pytest.mark.parametrize(
    ("text", "words", "notices"),
    [
        (":) hello (world", [":)", "hello", "(world"], 2),
        ("(预算:abc) 计划", ["(预算:abc)", "计划"], 1),
        ("((a) b", ["("], 1),
        ('5" screen', ['5"', "screen"], 1),
        ('"" [] a', ['""', "[]", "a"], 2),
        ("{a|(b)}", ["{a|", "}"], 1),
        ("[a:2] b", ["b"], 1),
        ("x" * 20 + ")" * 30, ["x" * 20 + ")" * 30], 11),
    ],
)
def test_leniency_takes_the_rest_as_words(text, words, notices):
    tree = parse(text, lenient=True)
    assert [part.text for part in tree.parts if isinstance(part, Word)][: len(words)] == words
    assert len(tree.notices) == notices


HOSTILE = [
    "(" * 100_000,
    "([{" * 33_333,
    ")" * 100_000,
    '"' * 99_999,
    "「" * 100_000,
    '「“"『' * 25_000,
    "( 「 " * 25_000,
    '{ "a" ( "b" [ ' * 7_000,
    "(a:" * 33_333,
    "(a:" + "1" * 100_000 + ")",
    "{" + "a|" * 50_000,
    "\\" * 99_999,
    '"' + '\\"' * 50_000,
    "a b, " * 20_000,
    "(" + "x " * 50_000,
    " " * 100_000,
    "\ud800😀" * 50_000,
    "{" + "a:" * 50_000 + "|b:1}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
def test_time_is_linear(text):
    began = time.process_time()
    tree = parse(text, lenient=True)
    assert len(str(strictly(text))) <= len(text) * 2
    assert len(tree.notices) <= 11
    # About a tenth of that; a quadratic scan would take minutes.
    assert time.process_time() - began < 5


@pytest.mark.parametrize("text", ["(" * 1_000_000, '"' * 999_999, "[" + "记忆" * 500_000])
def test_a_megabyte_is_refused_in_few_words(text):
    error = strictly(text)
    assert isinstance(error, QuerySyntaxError)
    assert len(str(error)) < 600


def test_a_long_lenient_query_compiles():
    tree = parse("(memory 记忆 " * 5_000, lenient=True)
    assert compile_query(tree, default_analyzer()).terms == {"memori": 5000.0, "记忆": 5000.0}
