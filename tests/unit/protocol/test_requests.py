"""Tool requests: the rules of facts/vcp-protocol §1.1 and §1.2, one case each."""

# ruff: noqa: E501 - a case is a line
from __future__ import annotations

import logging
import pickle

import pytest

from vcplab.core.errors import InvalidInputError, VCPErrorCode
from vcplab.protocol.requests import (
    ParserConfig,
    ToolRequest,
    VCPProtocolParser,
    create_vcp_protocol_parser,
)

S, E = "<<<[TOOL_REQUEST]>>>", "<<<[END_TOOL_REQUEST]>>>"
T = "tool_name:「始」T「末」"


def block(inner: str) -> str:
    return f"{S}\n{inner}\n{E}"


CASES: dict[str, tuple[str, list[tuple[str, dict[str, str]]]]] = {
    "1-example": (
        block(
            "maid:「始」Nova「末」,\ntool_name:「始」SciCalculator「末」,\nexpression:「始」1+1「末」"
        ),
        [("SciCalculator", {"maid": "Nova", "expression": "1+1"})],
    ),
    "1.1-think-is-stripped": (f"<think>{block(T)}</think>", []),
    "1.1-thinking-any-case": (f"<THINKING>{block(T)}</Thinking>{block(T)}", [("T", {})]),
    "1.1-think-attributes": (f'<think budget="9">{block(T)}</think >x', []),
    "1.1-think-blanks": (f"< think >{block(T)}< / think>{block(T)}", [("T", {})]),
    "1.1-think-nested": (f"<think>a<thinking>b</thinking>{block(T)}</think>", []),
    "1.1-think-mixed-nesting": (
        f"<think>a<thinking>b</think>{block(T)}</thinking>{block(T)}",
        [("T", {})],
    ),
    "1.1-think-unclosed-drops-the-rest": (f"{block(T)}<think>{block(T)}", [("T", {})]),
    "1.1-think-stray-closing-is-removed": (f"</think>{block(T)}", [("T", {})]),
    "1.1-think-inside-a-mark": (f"<<<[TOOL_<think>x</think>REQUEST]>>>{T}{E}", [("T", {})]),
    "1.1-thinker-is-no-tag": (f"<thinker>{block(T)}", [("T", {})]),
    "1.1-think-without-bracket-is-text": (f"{block(T)} <think about it", [("T", {})]),
    "1.1-code-fences-do-not-protect": (f"```\n{block(T)}\n```", [("T", {})]),
    "1.1-first-end-mark": (f"{S}{T}{E}a:「始」1「末」{E}", [("T", {})]),
    "1.1-several-blocks": (
        block(T) + "and" + block(T.replace("T「", "U「")),
        [("T", {}), ("U", {})],
    ),
    "1.1-missing-end-stops": (f"{block(T)}{S}{T}", [("T", {})]),
    "1.1-start-in-block-is-content": (f"{S}{T}{S}a:「始」1「末」{E}", [("T", {"a": "1"})]),
    "1.1-marks-case-sensitive": (block(T).lower(), []),
    "1.1-two-brackets-strict": (f"<<[TOOL_REQUEST]>>{T}<<[END_TOOL_REQUEST]>>", []),
    "1.1-one-line": (f"{S}{T}a:「始」1「末」b:「始」2「末」{E}", [("T", {"a": "1", "b": "2"})]),
    "1.1-commas-optional": (
        block(f"{T},,a:「始」1「末」 , b:「始」2「末」,"),
        [("T", {"a": "1", "b": "2"})],
    ),
    "1.1-blanks-around-colon": (block(f"{T} a \n : \n 「始」1「末」"), [("T", {"a": "1"})]),
    "1.1-full-width-colon-fails": (block(f"{T} a：「始」1「末」"), [("T", {})]),
    "1.1-chinese-key-dropped": (block(f"{T} 城市:「始」北京「末」"), [("T", {})]),
    "1.1-hyphen-key-keeps-its-tail": (block(f"{T} a-b:「始」1「末」"), [("T", {"b": "1"})]),
    "1.1-unquoted-ignored": (block(f"{T} a: 5, b:「始」1「末」"), [("T", {"b": "1"})]),
    "1.1-unquoted-archery-ignored": (block(f"{T} archery: true"), [("T", {})]),
    "1.1-digits-first": (block(f"{T} 1a:「始」1「末」"), [("T", {"1a": "1"})]),
    "1.1-multi-line-value": (
        block(f"{T} a:「始」x\n  y, z: 1\n「末」"),
        [("T", {"a": "x\n  y, z: 1"})],
    ),
    "1.1-nested-start-in-value": (block(f"{T} a:「始」x「始」y「末」"), [("T", {"a": "x「始」y"})]),
    "1.1-value-ends-at-first-end": (
        block(f"{T} a:「始」x「末」y「末」b:「始」1「末」"),
        [("T", {"a": "x", "b": "1"})],
    ),
    "1.1-values-trimmed": (block(f"{T} a:「始」\u3000\ufeff x \n「末」"), [("T", {"a": "x"})]),
    "1.1-trim-leaves-what-js-leaves": (
        block(f"{T} a:「始」\x1cx\x85「末」"),
        [("T", {"a": "\x1cx\x85"})],
    ),
    "1.1-always-text": (
        block(f"{T} a:「始」5「末」b:「始」true「末」"),
        [("T", {"a": "5", "b": "true"})],
    ),
    "1.1-empty-value": (block(f"{T} a:「始」「末」"), [("T", {"a": ""})]),
    "1.1-last-duplicate": (block(f"{T} a:「始」1「末」a:「始」2「末」"), [("T", {"a": "2"})]),
    "1.1-last-tool-name": (block(f"{T} tool_name:「始」U「末」"), [("U", {})]),
    "1.1-last-tool-name-empty": (block(f"{T} tool_name:「始」 「末」"), []),
    "1.1-unterminated-keeps-the-earlier": (
        block(f"{T} a:「始」1「末」 b:「始」2"),
        [("T", {"a": "1"})],
    ),
    "1.1-unterminated-swallows-the-later": (block(f"{T} b:「始」2 c:「始」3"), [("T", {})]),
    "1.1-end-mark-in-plain-value": (f"{S}{T} a:「始」x{E}y「末」{E}", [("T", {})]),
    "1.1-no-tool-name": (block("a:「始」1「末」"), []),
    "1.1-empty-block": (block(""), []),
    "1.1-name-in-any-script": (block("tool_name:「始」天气「末」"), [("天气", {})]),
    "1.1-name-trimmed": (block("tool_name:「始」 T\n「末」"), [("T", {})]),
    "1.1-escape": (
        block(f"{T} a:「始ESCAPE」x「末」{E}y「末ESCAPE」"),
        [("T", {"a": f"x「末」{E}y"})],
    ),
    "1.1-escape-restores-four-forms": (
        block(
            f"{T} a:「始ESCAPE」<<<[TOOL_REQUEST_ESCAPE]>>>「始ESCAPE」v<<<[END_TOOL_REQUEST_ESCAPE]>>>「末ESCAPE」"
        ),
        [("T", {"a": f"{S}「始」v{E}"})],
    ),
    "1.1-escape-braces-and-case": (
        block(f"{T} a:{{始escape}}x{E}「末Escape}}"),
        [("T", {"a": f"x{E}"})],
    ),
    "1.1-escape-unclosed-kills": (f"{S}{T} a:「始ESCAPE」x{E} {block(T)}", []),
    "1.1-escape-unclosed-spares-the-earlier": (f"{block(T)}{S}{T} a:「始ESCAPE」x{E}", [("T", {})]),
    "1.1-escape-mark-in-plain-value-hides-the-end": (
        f"{S}{T} a:「始」x「始ESCAPE」{E}「末ESCAPE」「末」{E}",
        [("T", {"a": f"x「始ESCAPE」{E}「末ESCAPE」"})],
    ),
    "1.2-maid-stays": (block(f"{T} maid:「始」Nova「末」"), [("T", {"maid": "Nova"})]),
    "1.2-valet-mirrored": (block(f"{T} valet:「始」V「末」"), [("T", {"valet": "V", "maid": "V"})]),
    "1.2-valet-yields-to-maid": (
        block(f"{T} valet:「始」V「末」maid:「始」N「末」"),
        [("T", {"valet": "V", "maid": "N"})],
    ),
    "1.2-numbered-commands-are-plain-args": (
        block(f"{T} command1:「始」a「末」command2:「始」b「末」"),
        [("T", {"command1": "a", "command2": "b"})],
    ),
}

FUZZY = {
    "1.1-fuzzy-two-brackets": f"<<[TOOL_REQUEST]>>{T}<<[END_TOOL_REQUEST]>>",
    "1.1-fuzzy-four-brackets-any-case": f"<<<<[tool_request]>>>>{T}<<<<[End_Tool_Request]>>>>",
    "1.1-fuzzy-braces": f"{S}tool_name:{{始}}T{{末}}{E}",
    "1.1-fuzzy-mixed": f"{S}tool_name:{{始」T「末}}{E}",
    "1.1-fuzzy-words-in-mark": f"{S}tool_name:「始x」T「末 y」{E}",
}


@pytest.mark.parametrize("name", CASES)
def test_requests(name: str) -> None:
    text, expected = CASES[name]
    found = VCPProtocolParser().parse_tool_requests(text)
    assert [(request.name, dict(request.args)) for request in found] == expected
    assert VCPProtocolParser().has_tool_requests(text) is bool(expected)


@pytest.mark.parametrize("name", FUZZY)
def test_fuzzy(name: str) -> None:
    assert [r.name for r in VCPProtocolParser(fuzzy=True).parse_tool_requests(FUZZY[name])] == ["T"]
    assert VCPProtocolParser().parse_tool_requests(FUZZY[name]) == []


FLAGS = {
    "1.2-archery-true": ("archery:「始」true「末」", {"archery": True}),
    "1.2-archery-no-reply": (
        "archery:「始」no_reply「末」",
        {"archery": True, "archery_no_reply": True},
    ),
    "1.2-archery-else": ("archery:「始」yes「末」", {"archery": False}),
    "1.2-ink": ("ink:「始」mark_history「末」", {"ink": True}),
    "1.2-ink-else": ("ink:「始」yes「末」", {"ink": False}),
    "1.2-river": ("river:「始」last:3「末」", {"river": "last:3"}),
    "1.2-vref": ("vref:「始」2「末」", {"vref": "2"}),
    "1.2-timely-contact": (
        "timely_contact:「始」2026-12-01-09:30「末」",
        {"timely_contact": "2026-12-01-09:30"},
    ),
    "1.2-tool-password": ("tool_password:「始」123456「末」", {"tool_password": "123456"}),
}


@pytest.mark.parametrize("name", FLAGS)
def test_reserved_keys(name: str) -> None:
    inner, expected = FLAGS[name]
    (request,) = VCPProtocolParser().parse_tool_requests(block(f"{T} {inner}"))
    assert dict(request.args) == {}
    assert {key: getattr(request, key) for key in expected} == expected


def test_a_password_is_not_shown() -> None:
    (request,) = VCPProtocolParser().parse_tool_requests(
        block(f"{T} tool_password:「始」123456「末」")
    )
    assert "123456" not in repr(request)


def test_span_and_raw_text() -> None:
    text = f"a<think>b</think>{block(T)}c"
    (request,) = VCPProtocolParser().parse_tool_requests(text)
    assert request.span is not None
    assert text[slice(*request.span)] == request.raw_text == block(T)
    split = f"x{S}{T}<think>hm</think>{E}y"
    (request,) = VCPProtocolParser().parse_tool_requests(split)
    assert request.span is not None
    assert split[slice(*request.span)] == split[1:-1]
    assert request.raw_text == f"{S}{T}{E}"


def test_the_answer_in_pieces() -> None:
    answer = VCPProtocolParser().parse(f"Let me see.<think>2?</think> {block(T)} Done.")
    assert answer.text == "Let me see.  Done."
    assert answer.reasoning == "2?"
    assert [request.name for request in answer.requests] == ["T"]
    assert repr(answer) == "<ParsedAnswer 1 request (T)>"


def test_an_answer_shows_itself_and_executes_nothing() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    inner = f"{T} a:「始」{hostile}「末」 tool_password:「始」123456「末」 b: 5"
    shown = (
        VCPProtocolParser().parse(f"{hostile}<think>{hostile}</think>{block(inner)}")._repr_html_()
    )
    assert "<img" not in shown
    assert shown.count("&lt;img") == 3
    assert "skipped: no field" in shown
    assert "<b>T</b>  [tool_password" in shown
    assert "123456" not in shown


SKIPS = {
    "no end mark": f"x{S}{T}",
    "opaque value without end": f"{S}{T} a:「始ESCAPE」x{E}",
    "no tool_name": block("a:「始」1「末」"),
    "no field": block(f"{T} 城市:「始」北京「末」"),
    "value without end": block(f"{T} a:「始」1"),
    "reasoning without end": "<think>x",
    "closing tag without beginning": "x</think>",
}


@pytest.mark.parametrize("reason", SKIPS)
def test_debug_explains(reason: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="vcplab.protocol.requests")
    answer = VCPProtocolParser(debug=True).parse(SKIPS[reason])
    assert [skipped.reason for skipped in answer.skipped] == [reason]
    assert reason in caplog.text
    assert S not in answer.text


def test_debug_is_silent_unless_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    VCPProtocolParser().parse(SKIPS["no end mark"])
    assert not caplog.records


@pytest.mark.parametrize(
    ("inner", "hint"),
    [("a：「始」1「末」", "full-width"), ("城市:「始」x「末」", "ASCII"), ("a: 5", "「始」")],
)
def test_hints_name_the_likely_slip(inner: str, hint: str) -> None:
    (skipped,) = VCPProtocolParser().parse(block(f"{T} {inner}")).skipped
    assert hint in skipped.hint


def test_custom_marks_as_in_the_seed() -> None:
    parser = create_vcp_protocol_parser(
        {
            "toolRequestStartMarker": "<<<[TOOL]>>>",
            "toolRequestEndMarker": "<<<[/TOOL]>>>",
            "debug": True,
        }
    )
    (request,) = parser.parse_tool_requests(f"<<<[TOOL]>>>{T}<<<[/TOOL]>>>")
    assert request.name == "T"
    text = parser.format_tool_request("T", {"a": "<<<[/TOOL]>>>"})
    assert [dict(r.args) for r in parser.parse_tool_requests(text)] == [{"a": "<<<[/TOOL]>>>"}]
    parser.update_config({"paramStartMarker": "{{", "paramEndMarker": "}}"})
    assert parser.get_config().tool_request_start_marker == "<<<[TOOL]>>>"
    (request,) = parser.parse_tool_requests("<<<[TOOL]>>>tool_name:{{T}}<<<[/TOOL]>>>")
    assert request.name == "T"


def test_the_sdk_reads_no_escape_and_no_reasoning() -> None:
    sdk = VCPProtocolParser(escape=False, strip_reasoning=False)
    assert sdk.parse_tool_requests(block("tool_name:「始ESCAPE」T「末ESCAPE」")) == []
    assert len(sdk.parse_tool_requests(f"<think>{block(T)}</think>")) == 1


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"toolRequestStartMarker": ""}, "tool_request_start_marker"),
        ({"param_start_marker": "「末」"}, "param_end_marker"),
        ({"startMarker": "x"}, "config"),
    ],
)
def test_bad_options(options: dict[str, str], where: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        create_vcp_protocol_parser(options)
    assert caught.value.where == where
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("name", "args", "character"),
    [
        ("T", {"城市": "x"}, "城"),
        ("T", {"a b": "x"}, " "),
        ("T", {"": "x"}, ""),
        ("T", {"a": " x"}, " "),
        ("T", {"a": "x\n"}, "\n"),
        ("T", {"a": "x<think>"}, "k"),
        ("T", {"a": "x「末ESCAPE」y"}, "」"),
        ("T", {"a": "<<<[TOOL_REQUEST_ESCAPE]>>>「末」"}, None),
        ("", {}, ""),
        ("a「末ESCAPE」", {}, "」"),
    ],
)
def test_what_cannot_be_written(name: str, args: dict[str, str], character: str | None) -> None:
    with pytest.raises(InvalidInputError) as caught:
        VCPProtocolParser().format_tool_request(name, args)
    assert caught.value.code is VCPErrorCode.INVALID_PROTOCOL
    if character is not None:
        assert caught.value.details["character"] == character
    assert caught.value.next_step


def test_requests_are_values() -> None:
    request = ToolRequest("T", {"a": "1"}, archery_no_reply=True)
    assert request.archery
    assert pickle.loads(pickle.dumps(request)) == request
    assert len({request, ToolRequest("T", {"a": "1"}, archery_no_reply=True)}) == 1
    with pytest.raises(TypeError):
        request.args["a"] = "2"  # type: ignore[index]
    assert request.to_dict() == {"name": "T", "args": {"a": "1"}, "archery": True, "rawText": ""}
    assert ToolRequest.of(request.to_dict()) == ToolRequest("T", {"a": "1"}, archery=True)


@pytest.mark.parametrize("args", [{"a": 5}, {"tool_name": "x"}, {1: "x"}])
def test_arguments_are_texts_and_not_reserved(args: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError):
        ToolRequest("T", args)


def test_config_is_a_value() -> None:
    assert ParserConfig.of({"debug": True}) == ParserConfig(debug=True)
    assert ParserConfig.of(ParserConfig(fuzzy=True), debug=True) == ParserConfig(
        fuzzy=True, debug=True
    )
