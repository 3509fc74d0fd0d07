"""What stays as it is."""

from __future__ import annotations

import time

import pytest

from vcplab.prompt.purifier.protect import protected_spans


def pieces(text: str, *, code: bool = True) -> list[str]:
    return [text[span.start : span.end] for span in protected_spans(text, code=code)]


REQUEST = "<<<[TOOL_REQUEST]>>>\nmaid:「始」N「末」\n<<<[END_TOOL_REQUEST]>>>"


@pytest.mark.parametrize(
    "piece",
    [
        "```py\nx\n```",
        "~~~~\n```\n~~~\n~~~~",
        "  ```\n  x\n  ```",
        "> ```\n> x\n> ```",
        "- ```\n  x\n  ```",
        "```\nx\n`````",
        "```\nnever closed\n\nto the end",
        "`code`",
        "``a ` b``",
        REQUEST,
        "<<[tool_request]>> x <<[end_tool_request]>>",
        "<<<[TOOL_REQUEST]>>>a:「始ESCAPE」<<<[END_TOOL_REQUEST]>>>「末ESCAPE」<<<[END_TOOL_REQUEST]>>>",
        "<<<[TOOL_RESULT]>>>\n  x\n<<<[/TOOL_RESULT]>>>",
        "<<<DailyNoteStart>>>\nMaid: x\n<<<DailyNoteEnd>>>",
        "[[VCP调用结果信息汇总:\n- 工具名称: X\nVCP调用结果结束]]",
        "「始」a\n\nb「末」",
        "「始exp」a「末exp」",
        "「始ESCAPE」「始」a「末」「末ESCAPE」",
        '<!-- VCP_TOOL_PAYLOAD -->\n[{"type": "text", "text": "“x”  ]"}]',
        '<!-- VCP_RAG_BLOCK_START {"a": 1} -->',
        "<<<[ROLE_DIVIDE_USER]>>>",
        "{{角色日记本}}",
        "[[公共日记本:1.5::Time::Group(a,b)]]",
        "《《知识库::Rerank》》",
        "<<小吉日记本>>",
    ],
)
def test_pieces_that_stay(piece: str) -> None:
    before, after = ("before\n", "") if "never closed" in piece else ("before\n", "\nafter  it")
    assert pieces(f"{before}{piece}{after}") == [piece]


@pytest.mark.parametrize(
    "text",
    [
        "a ` b\nc ` d",
        "``a` b",
        "x ```not a fence",
        "```a`b\nx",
        "<<<[TOOL_REQUEST]>>> without an end",
        "<<<[TOOL_REQUEST]>>>「始ESCAPE」<<<[END_TOOL_REQUEST]>>>",
        "「始」open",
        "closed「末」",
        "{{}} [[]] 《《》》 <<>> [[a\nb]]",
        "1 << 2",
        "<!-- VCP_TOOL_PAYLOAD -->\n[broken",
    ],
)
def test_pieces_that_do_not(text: str) -> None:
    found = [piece for piece in pieces(text) if not piece.startswith("<!--")]
    assert found == []


def test_code_alone_can_be_open() -> None:
    text = f"`a` {{{{Date}}}}\n```\nx\n```\n{REQUEST}"
    assert pieces(text) == ["`a`", "{{Date}}", "```\nx\n```", REQUEST]
    assert pieces(text, code=False) == ["{{Date}}", REQUEST]


def test_a_fence_inside_a_value_opens_nothing() -> None:
    text = "「始」\n```\n「末」\nfree  text"
    assert pieces(text) == ["「始」\n```\n「末」"]


@pytest.mark.parametrize(
    "piece",
    [
        "`",
        "``` ",
        "\n```",
        "「始」",
        "「始ESCAPE」",
        "<<<[TOOL_REQUEST]>>>",
        "[[",
        "<<",
        "{{",
        "> ",
        "- ",
        "`a``b```",
        "<!-- VCP_",
        "<<<[TOOL_REQUEST]>>>「始ESCAPE」「末ESCAPE」",
    ],
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece)) + "「始ESCAPE」"
    start = time.process_time()
    protected_spans(text)
    assert time.process_time() - start < 5
