"""Docstrings in the three styles, and such as nobody taught anybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.plugins.functions import parse_docstring

GOOGLE = """Roll dice.

    The tray is drawn
    as well.

    Args:
        notation (str): What to roll,
            e.g. 2d6.
        times: How often.
        **more: The rest.

    Returns:
        The sum: a number.

    Raises:
        ValueError: Never.
    """
NUMPY = """Roll dice.

    The tray is drawn
    as well.

    Parameters
    ----------
    notation : str
        What to roll,
        e.g. 2d6.
    times, often : int, optional
        How often.

    Returns
    -------
    int
        The sum: a number.
    """
REST = """Roll dice.

    The tray is drawn
    as well.

    :param str notation: What to roll,
        e.g. 2d6.
    :param times: How often.
    :returns: The sum: a number.
    """


@pytest.mark.parametrize(
    ("text", "more"),
    [(GOOGLE, {"more": "The rest."}), (NUMPY, {"often": "How often."}), (REST, {})],
)
def test_every_style_says_the_same(text: str, more: dict[str, str]) -> None:
    body, parameters, returns = parse_docstring(text)
    assert body == "Roll dice.\n\nThe tray is drawn\nas well."
    assert parameters == {"notation": "What to roll, e.g. 2d6.", "times": "How often.", **more}
    assert returns == "The sum: a number."


@pytest.mark.parametrize(
    ("section", "returns"),
    [
        ("dict[str, int]: Counts.", "Counts."),
        ("int | None: The number.", "The number."),
        ("The answer: a text.", "The answer: a text."),
        ("A sentence.", "A sentence."),
    ],
)
def test_what_is_returned(section: str, returns: str) -> None:
    assert parse_docstring(f"Do it.\n\nReturns:\n    {section}\n")[2] == returns


@pytest.mark.parametrize("text", [None, "", "   \n  "])
def test_nothing(text: str | None) -> None:
    assert parse_docstring(text) == ("", {}, "")


@pytest.mark.parametrize(
    "text", ["掷骰子。", "One line", "Two\nlines.", "Args: none of it", ":param"]
)
def test_prose_is_all_body(text: str) -> None:
    body, parameters, _ = parse_docstring(text)
    assert parameters == {}
    assert body.replace("\n", " ") in (text.replace("\n", " "), text.replace("\n", "  "), text)


def test_chinese_descriptions() -> None:
    body, parameters, returns = parse_docstring(
        "掷骰子。\n\nArgs:\n    文本: 内容。\n\nReturns:\n    点数。\n"
    )
    assert (body, parameters, returns) == ("掷骰子。", {"文本": "内容。"}, "点数。")


@given(st.text(st.sampled_from(" \n:-ARargsPparmetRun()*[]中"), max_size=80))
def test_no_text_is_too_strange(text: str) -> None:
    body, parameters, returns = parse_docstring(text)
    assert isinstance(body, str)
    assert isinstance(returns, str)
    assert all(isinstance(value, str) for value in parameters.values())
