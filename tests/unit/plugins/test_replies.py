"""What a child wrote: strict, lenient, and the first JSON of one that goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.plugins.failures import ContractError
from vcplab.plugins.hosts.lines import LogLines
from vcplab.plugins.hosts.replies import FirstReply, exit_code, read_reply
from vcplab.plugins.processes import Ending
from vcplab.plugins.statics import fold_blocks

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(
    JSON,
    st.sampled_from(["", "note {\n", '{"log": 1}\n', "{x} ", '"{', "中文 "]),
    st.lists(st.integers(1, 9), max_size=60),
    st.booleans(),
)
def test_the_first_reply_comes_whole_whatever_the_pieces(
    result: Any, noise: str, sizes: list[int], ascii: bool
) -> None:
    reply = {"result": result, "status": "success"}
    data = (noise + json.dumps(reply, ensure_ascii=ascii) + "\n{later}").encode()
    first, output, found, at = FirstReply(), bytearray(), None, 0
    while at < len(data) and found is None:
        size = sizes.pop() if sizes else 5
        output += data[at : at + size]
        at += size
        found = first.look(output)
    assert found == reply


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": {"status": "success"}',  # what is inside must not be taken for it
        '{"status": "running"}',
        '{"status": "success", "result": NaN}',
        "[1]",
        "{" * 5000,
    ],
)
def test_no_first_reply(text: str) -> None:
    assert FirstReply().look(text.encode()) is None


def test_a_flood_is_read_once() -> None:
    first, output = FirstReply(), bytearray()
    for _ in range(400):
        output += b'{"n": 1}\n' * 100
        assert first.look(output) is None
    output += b'{"status": "success"}'
    assert first.look(output) == {"status": "success"}


def _ending(output: str, code: int = 0, errors: str = "") -> Ending:
    return Ending(code, output.encode(), errors.encode())


@pytest.mark.parametrize(
    ("output", "code", "wanted"),
    [
        ('{"status": "success", "result": 1}', 3, {"status": "success", "result": 1}),
        (' \n{"status": "error", "error": "x"}\n', 0, {"status": "error", "error": "x"}),
    ],
)
def test_strict(output: str, code: int, wanted: dict[str, Any]) -> None:
    assert read_reply(_ending(output, code), "X") == wanted


@pytest.mark.parametrize(
    ("output", "code", "told"),
    [
        ('note\n{"status": "success"}', 0, "did not provide a valid initial JSON response"),
        ('{"status": "success"}{"status": "success"}', 0, "valid initial JSON"),
        ('{"status": "done"}', 0, "valid initial JSON"),
        ("[" * 100_000, 0, "valid initial JSON"),
        ("oops", 2, r"exited with code 2\. Stdout: oops"),
        ("", -9, r"exited with code -9 \(SIGKILL\)"),
    ],
)
def test_strict_refuses(output: str, code: int, told: str) -> None:
    with pytest.raises(ContractError, match=told) as caught:
        read_reply(_ending(output, code), "X")
    assert caught.value.payload["plugin_execution_error"].startswith('Plugin "X"')


def test_the_telling_line_of_a_traceback_is_shown() -> None:
    python = "Traceback (most recent call last):\n  File x\nValueError: the reason\n"
    node = "x.js:1\nthrow new Error('y')\n\nError: the reason\n    at x (y:1:2)\n\nNode.js v20\n"
    for errors in (python, node):
        with pytest.raises(ContractError, match="Error: the reason"):
            read_reply(_ending("", 1, errors), "X")


@pytest.mark.parametrize(
    ("output", "code", "wanted"),
    [
        ("just text", 0, {"status": "success", "result": "just text"}),
        ("", 0, {"status": "success", "result": ""}),
        ('noise {"status": "success", "result": 2} more', 0, {"status": "success", "result": 2}),
        ('{"a": 1}', 0, {"status": "success", "result": {"a": 1}}),
        ('{"success": true, "output": "o"}', 0, {"status": "success", "result": "o"}),
        (
            '{"success": true, "output": "o", "data": {"d": 1}}',
            0,
            {"status": "success", "result": {"output": "o", "data": {"d": 1}}},
        ),
        ('{"success": false, "error": "e"}', 0, {"status": "error", "error": "e"}),
        ('{"status": "error", "error": "e"}', 1, {"status": "error", "error": "e"}),
    ],
)
def test_lenient(output: str, code: int, wanted: dict[str, Any]) -> None:
    assert read_reply(_ending(output, code), "X", lenient=True) == wanted


def test_lenient_takes_no_success_of_a_failed_process() -> None:
    with pytest.raises(ContractError):
        read_reply(_ending('{"status": "success"}', 1), "X", lenient=True)


def test_exit_codes() -> None:
    assert (exit_code(0), exit_code(-11), exit_code(-200)) == ("0", "-11 (SIGSEGV)", "-200")


def test_log_lines_are_live_and_bounded() -> None:
    lines: list[str] = []
    log = LogLines(lines.append)
    log.feed(b"a\nb")
    assert lines == ["a"]
    log.feed("中".encode()[:2])
    log.feed("中".encode()[2:] + b"\n")
    assert lines == ["a", "b中"]
    for number in range(5000):
        log.feed(f"{number}\n".encode())
    log.feed(b"x" * 100_000)
    log.close()
    assert len(lines) < 400
    assert any("left out" in line for line in lines)
    assert max(map(len, lines)) <= 4000


def test_folds() -> None:
    assert fold_blocks("plain [===not a fold===]") is None
    text = "head\n[===vcp_fold: 0.0===]\nalways\n[===vcp_fold: 0.5 ::desc: more of it ===]\nmore"
    assert fold_blocks(text) == [
        {"threshold": 0.0, "description": "", "content": "head"},
        {"threshold": 0.0, "description": "", "content": "always"},
        {"threshold": 0.5, "description": "more of it", "content": "more"},
    ]
    value = {"vcp_dynamic_fold": True, "fold_blocks": [{"threshold": 0.4, "content": "c"}]}
    assert fold_blocks(json.dumps(value)) == [{"threshold": 0.4, "description": "", "content": "c"}]
    assert fold_blocks('{"a": 1}') is None
