from __future__ import annotations

import pytest
from dicekit.grammar import MAX_DICE, parse
from dicekit.problems import NotationProblem
from dicekit.tree import FUDGE, Binary, Dice, Keep, Negate, Node, Number, Repeat, show
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def dice(draw: st.DrawFn) -> Dice:
    count = draw(st.integers(1, 20))
    faces = draw(st.sampled_from([FUDGE, 1, 2, 4, 6, 20, 100, 1_000_000]))
    explode = draw(st.booleans()) if faces > 1 else False
    keep = draw(
        st.none()
        | st.builds(Keep, st.sampled_from(["kh", "kl", "dh", "dl"]), st.integers(1, count))
    )
    return Dice(count, faces, explode, keep)


LEAVES = st.builds(Number, st.integers(0, 1_000_000)) | dice()
TREES: st.SearchStrategy[Node] = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Negate, inner) | st.builds(Binary, st.sampled_from("+-*"), inner, inner)
    ),
    max_leaves=8,
)


@given(TREES | st.builds(Repeat, st.integers(1, 5), TREES))
def test_printing_parses_back(tree: Node) -> None:
    text = show(tree)
    if len(text) <= 200:
        assert parse(text) == tree


@given(st.text("0123456789dkhlF%!x+-*() １２ｄ＋骰?", max_size=30))
def test_any_text_parses_or_points_into_itself(text: str) -> None:
    problem = tree = None
    try:
        tree = parse(text)
    except NotationProblem as error:
        problem = error
    if problem is None:
        assert parse(show(tree)) == tree
    else:
        assert 0 <= problem.position <= len(text)
        assert str(problem).splitlines()[-1] == " " * problem.position + "^"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("d20", "1d20"),
        (" 2D6 + 1d20 ", "2d6+1d20"),
        ("２ｄ６＋１×３", "2d6+1*3"),
        ("d%", "1d100"),
        ("3dF", "3dF"),
        ("3df*2", "3dF*2"),
        ("4d6k3", "4d6kh3"),
        ("4d6kh", "4d6kh1"),
        ("4d6dl!", "4d6!dl1"),
        ("3X(2d6+1)", "3x(2d6+1)"),
        ("((1))", "1"),
        ("1-(2-3)", "1-(2-3)"),
        ("(1-2)-3", "1-2-3"),
        ("-(1+2)*3", "-(1+2)*3"),
        ("+5", "5"),
    ],
)
def test_forms(text: str, tree: str) -> None:
    assert show(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "empty"),
        ("2d", 2, "number of faces"),
        ("2d6+", 4, "ends too early"),
        ("2d6 3", 4, "sign"),
        ("2d6€", 3, "not part of"),
        ("(2d6", 4, "closing bracket"),
        ("2d6)", 3, "closes nothing"),
        ("0d6", 0, "1 to 1000"),
        ("1+1001d6", 2, "1 to 1000"),
        ("600d6+600d6", 6, "1200"),
        ("3x(400d6)", 3, "1200"),
        ("d0", 1, "1 to 1000000 faces"),
        ("d1000001", 1, "too large"),
        ("1+" + "9" * 100, 2, "too large"),
        ("2d6kh3", 5, "kept or dropped"),
        ("2d6kh0", 5, "kept or dropped"),
        ("4d6kh1kl1", 6, "once"),
        ("4d6!!", 4, "One !"),
        ("3dF!", 3, "explode"),
        ("d1!", 2, "explode"),
        ("2d6d4", 3, "cannot follow"),
        ("dl1", 0, "first"),
        ("3x2d6", 2, "brackets"),
        ("0x(1)", 0, "1 to 100 times"),
        ("1+3x(1)", 3, "very front"),
        ("3x(1)+1", 5, "sign"),
        ("(" * 31 + "1" + ")" * 31, 30, "nested"),
        ("-" * 31 + "1", 30, "nested"),
        ("1+" * 120, 200, "200 are allowed"),
    ],
)
def test_mistakes_point_at_the_character(text: str, position: int, reason: str) -> None:
    with pytest.raises(NotationProblem, match="notation") as caught:
        parse(text)
    assert caught.value.position == position
    assert reason in caught.value.reason


def test_a_book_makes_no_long_error() -> None:
    with pytest.raises(NotationProblem) as caught:
        parse("d6+" * 1_000_000)
    assert len(str(caught.value)) < 1000
    assert MAX_DICE == 1000
