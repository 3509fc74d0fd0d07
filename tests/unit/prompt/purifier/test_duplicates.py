"""Paragraphs that are there twice."""

from __future__ import annotations

import pytest

from vcplab.prompt.purifier import ContextPurifier

ENGLISH = (
    "The committee met on Tuesday and agreed to postpone the release of the report until the "
    "figures from the northern stations have been checked by the second team."
)
CHINESE = "委员会周二开会，同意把报告推迟到北方各站的数据由第二组核对之后再发布，大家都没有意见。"


def result_of(*paragraphs: str, **options: object) -> tuple[str, int]:
    result = ContextPurifier(**options).purify("\n\n".join(paragraphs))
    return result.content, result.duplicates_removed


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_exact_and_near_duplicates(text: str) -> None:
    near = text.replace("agreed", "decided").replace("大家都", "大家")
    for again in (text, f"  {text}", text.upper(), text.replace("，", ", "), near):
        content, count = result_of("One.", text, "Two.", again, "Three.")
        assert count == 1, again
        assert content == f"One.\n\n{text}\n\nTwo.\n\nThree."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ENGLISH.replace("Tuesday", "day 12"), ENGLISH.replace("Tuesday", "day 13")),
        (ENGLISH, ENGLISH.replace("have been", "have not been")),
        (CHINESE.replace("第二组", "第三组"), CHINESE),
        (CHINESE, CHINESE.replace("同意", "不同意")),
        (CHINESE + "花了1.2万元。", CHINESE + "花了1.2亿元。"),
        (f"{ENGLISH} It was `a`.", f"{ENGLISH} It was `b`."),
        (f"{ENGLISH} -3", f"{ENGLISH} 3"),
    ],
)
def test_what_says_something_else_stays(one: str, other: str) -> None:
    _, count = result_of(one, other)
    assert count == 0


def test_short_paragraphs_stay() -> None:
    content, count = result_of("Yes.", "---", "Yes.", "---", "好的。", "好的。")
    assert count == 0
    assert content.count("Yes.") == 2


def test_code_and_blocks_stay() -> None:
    fence = "```\nsome code that is long enough to count\n\n\nand more\n```"
    block = "<<<[TOOL_REQUEST]>>>\ntool_name:「始」SciCalculator「末」\n<<<[END_TOOL_REQUEST]>>>"
    content, count = result_of(fence, block, fence, block)
    assert count == 0
    assert content == "\n\n".join([fence, block, fence, block])


def test_the_threshold() -> None:
    near = ENGLISH.replace("agreed to postpone", "decided to delay")
    assert result_of(ENGLISH, near)[1] == 0
    assert result_of(ENGLISH, near, duplicate_threshold=0.7)[1] == 1
    exactly = ENGLISH.replace(",", "").replace("The", "the")
    assert result_of(ENGLISH, exactly, duplicate_threshold=1)[1] == 1
    one_letter = ENGLISH.replace("figures", "figure")
    assert result_of(ENGLISH, one_letter, duplicate_threshold=1)[1] == 0
    assert result_of(ENGLISH, ENGLISH, removeDuplicates=False)[1] == 0


def test_the_last_ones_go_with_the_lines_before_them() -> None:
    assert result_of("Start.", ENGLISH, ENGLISH, ENGLISH) == (f"Start.\n\n{ENGLISH}", 2)
    assert result_of(ENGLISH, ENGLISH, "End.") == (f"{ENGLISH}\n\nEnd.", 1)


def test_many_paragraphs() -> None:
    own = [
        f"Report {word}: {word * 3} was seen near the {word} by several people of {word}."
        for word in ("".join(chr(97 + (n * k) % 26) for k in (1, 3, 5, 7)) for n in range(26))
    ]
    content, count = result_of(*own, *own)
    assert count == len(own)
    assert content == "\n\n".join(own)
