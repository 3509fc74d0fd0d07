"""The linter for prompts."""

from __future__ import annotations

import pytest

from vcplab.prompt.lint import lint_prompt
from vcplab.prompt.placeholders import PlaceholderProvider, TimeProvider, VariableEngine

S, E = "<<<[TOOL_REQUEST]>>>", "<<<[END_TOOL_REQUEST]>>>"


def engine() -> VariableEngine:
    made = VariableEngine()
    made.register_provider(TimeProvider())
    made.register_provider(PlaceholderProvider({"Name": "Nova", "a": "{{b}}", "b": "{{a}}"}))
    return made


def kinds(text: str, **options: object) -> list[tuple[str, str]]:
    report = lint_prompt(text, engine(), **options)  # type: ignore[arg-type]
    return [(issue.kind, issue.text) for issue in report]


def test_a_sound_prompt_has_no_issues() -> None:
    text = f"你是{{{{Name}}}}，今天是 {{{{Date}}}}。{S}tool_name:「始」T「末」{E}"
    report = lint_prompt(text, engine(), tools=["T"])
    assert not report
    assert len(report) == 0
    assert "nothing to mend" in repr(report)


def test_unknown_placeholders_with_the_near_name_and_the_place() -> None:
    (issue,) = lint_prompt("one\ntwo {{Dates}}", engine())
    assert (issue.kind, issue.line, issue.column) == ("unresolved placeholder", 2, 5)
    assert "{{Date}}" in issue.message


def test_a_circle_hides_nothing_else() -> None:
    assert kinds("{{a}} {{nope}}") == [
        ("placeholder error", "{{a}}"),
        ("unresolved placeholder", "{{nope}}"),
    ]


@pytest.mark.parametrize("text", ["{{ Date }}", "{{Date }}", "{{Date}", "{Date}}", "｛｛Date｝｝"])
def test_what_only_looks_like_one(text: str) -> None:
    assert kinds(f"a {text} b") == [("not a placeholder", text)]


def test_unknown_tools() -> None:
    text = f"{S}tool_name:「始」SuperDise「末」{E}"
    (issue,) = lint_prompt(text, tools=["SuperDice"])
    assert (issue.kind, issue.message) == ("unknown tool", "did you mean 'SuperDice'?")
    assert not lint_prompt(text)


def test_examples_that_a_server_would_not_read() -> None:
    text = f"{S}tool_name:「始」T「末」 城市:「始」x「末」{E} and {S}tool_name:「始」T「末」"
    assert [issue.message.split(";")[0] for issue in lint_prompt(text)] == [
        "no field",
        "no end mark",
    ]


def test_talk_of_reasoning_is_no_reasoning() -> None:
    text = f"Put thoughts into <think>. {S}tool_name:「始」Nope「末」{E}"
    assert [issue.kind for issue in lint_prompt(text, tools=["T"])] == ["unknown tool"]


def test_it_shows_itself() -> None:
    report = lint_prompt("{{<b>}}", engine())
    assert list(report.to_frame()["kind"]) == ["unresolved placeholder"]
    assert "<b>" not in report._repr_html_()
