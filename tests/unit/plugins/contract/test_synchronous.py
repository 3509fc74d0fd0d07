"""The synchronous row of the plugin contract (facts/vcp-protocol §2), in two languages."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.contract.support import (
    Watch,
    add,
    copied,
    each_language,
    marked,
    needs_node,
    none_left,
    refused,
    until,
)
from vcplab.core.errors import VCPErrorCode


@pytest.fixture(scope="module")
def talkers(house: Any) -> Any:
    """The lab with the plugins that reply in every way."""
    return add(house, "PyTalker", "JsTalker", "PyMirror", "JsMirror", "PyLenient", "JsLenient")


NO_JSON = "did not provide a valid initial JSON response"


@each_language
def test_stdin_is_one_json_object_then_the_end(talkers: Any, language: str) -> None:
    args = {"text": "中文 🎲 \u0000 \\", "多": [1, 2.5, None, True], "nested": {"a": {"b": ""}}}
    given = talkers.tools.call(f"{language}Mirror", args)["stdin"]
    assert json.loads(given) == args


@each_language
def test_stdin_is_empty_without_arguments(talkers: Any, language: str) -> None:
    assert talkers.tools.call(f"{language}Mirror", {})["stdin"] == ""


def test_stdin_takes_ten_megabytes(talkers: Any) -> None:
    args = {"text": "中" * 3_500_000}
    assert json.loads(talkers.tools.call("PyMirror", args)["stdin"]) == args


@each_language
def test_the_reply_is_one_json_with_a_status(talkers: Any, language: str) -> None:
    assert talkers.tools.call(f"{language}Talker", {"do": "success"}) == "好的 🎲"
    value = {"list": [1, None], "文": {"a": "b"}}
    reply = talkers.tools.call(f"{language}Talker", {"do": "success", "say": value})
    assert {key: reply[key] for key in value} == value


def test_white_space_around_the_reply_is_no_noise(talkers: Any) -> None:
    assert talkers.tools.call("PyTalker", {"do": "white space"}) == "well"


@pytest.mark.parametrize(
    "do", ["noise", "noise around", "plain", "silence", "two", "list", "no status", "odd status"]
)
def test_anything_else_fails_in_strict_mode(talkers: Any, do: str) -> None:
    failure = refused(talkers, "PyTalker", {"do": do})
    assert NO_JSON in str(failure)
    assert "PyTalker" in str(failure)


@needs_node
@pytest.mark.parametrize("do", ["noise", "noise around", "plain", "silence"])
def test_anything_else_fails_in_strict_mode_in_javascript(talkers: Any, do: str) -> None:
    failure = refused(talkers, "JsTalker", {"do": do})
    assert NO_JSON in str(failure)
    assert "JsTalker" in str(failure)


def test_a_refused_reply_is_quoted(talkers: Any) -> None:
    assert "loading the model" in str(refused(talkers, "PyTalker", {"do": "noise"}))


@each_language
def test_valid_json_beats_the_exit_code(talkers: Any, language: str) -> None:
    assert talkers.tools.call(f"{language}Talker", {"do": "exit 3"}) == "well"


@each_language
def test_a_failing_exit_without_json_tells_code_and_cause(talkers: Any, language: str) -> None:
    text = str(refused(talkers, f"{language}Talker", {"do": "silent exit 3"}))
    assert "3" in text
    assert "the cause of it all" in text
    assert f"{language}Talker" in text


@needs_node
def test_an_exception_in_javascript(talkers: Any) -> None:
    text = str(refused(talkers, "JsTalker", {"do": "throw"}))
    assert "JsTalker" in text
    assert "code 1" in text
    assert "thrown in JavaScript" in text


@each_language
def test_an_error_reply_is_the_plugins_own_error(talkers: Any, language: str) -> None:
    failure = refused(talkers, f"{language}Talker", {"do": "error"})
    assert failure.payload["plugin_error"] == "no such 骰子"
    assert f"{language}Talker" in str(failure)
    assert failure.code == VCPErrorCode.TOOL_EXECUTION_FAILED


def test_an_error_reply_keeps_its_result_whatever_the_exit_code(talkers: Any) -> None:
    payload = refused(talkers, "PyTalker", {"do": "error, exit 1"}).payload
    assert payload["plugin_error"] == "no such 骰子"
    assert payload["result"] == {"hint": 1}


@each_language
def test_stderr_is_ignored_on_success_and_kept_in_the_log(talkers: Any, language: str) -> None:
    assert talkers.tools.call(f"{language}Talker", {"do": "stderr"}) == "well"
    lines = "\n".join(talkers.plugins.logs(f"{language}Talker"))
    assert "first warning" in lines
    assert "中文 line" in lines


def test_a_stderr_flood_does_not_block(talkers: Any) -> None:
    assert talkers.tools.call("PyTalker", {"do": "stderr flood", "megabytes": 50}) == "well"
    assert len(talkers.plugins.logs("PyTalker", limit=10)) <= 10
    assert "the last line" in talkers.plugins.logs("PyTalker")[-1]


@each_language
def test_a_reply_of_ten_megabytes(talkers: Any, language: str) -> None:
    reply = talkers.tools.call(f"{language}Talker", {"do": "large", "characters": 3_500_000})
    assert reply == "中" * 3_500_000


@each_language
def test_bytes_that_are_not_utf8_are_replaced(talkers: Any, language: str) -> None:
    reply = talkers.tools.call(f"{language}Talker", {"do": "bytes"})
    assert reply.startswith("a\ufffd\ufffd")
    assert reply.endswith(" 中🎲")


def test_a_reply_that_comes_byte_by_byte(talkers: Any) -> None:
    assert talkers.tools.call("PyTalker", {"do": "split"}) == "中🎲文"


@each_language
def test_the_time_limit_of_the_manifest_ends_the_whole_group(
    lab: Any, tmp_path: Path, mark: str, language: str
) -> None:
    lab.plugins.add(
        copied(f"{language}Talker", tmp_path, communication={"protocol": "stdio", "timeout": 1000}),
        trust=True,
    )
    ready = tmp_path / "ready"
    began, watch = time.monotonic(), Watch()
    failure = refused(lab, f"{language}Talker", {"do": "sleep", "ready": str(ready)})
    took = time.monotonic() - began
    assert took > 0.9
    assert watch.seconds < 6
    assert ready.exists()
    assert failure.code == VCPErrorCode.TOOL_TIMEOUT
    assert f"{language}Talker" in str(failure)
    assert "plugin_execution_error" in failure.payload
    none_left(mark)


def test_a_grandchild_was_there_to_be_ended(talkers: Any, tmp_path: Path, mark: str) -> None:
    # The test above could pass because nothing was started; here it is seen, then ended.
    ready = tmp_path / "ready"
    task = talkers.plugins.submit("PyTalker", {"do": "sleep", "ready": str(ready)})
    until(ready.exists)
    until(lambda: sum("time.sleep(60)" in " ".join(p.cmdline()) for p in marked(mark)) == 1)
    task.cancel()
    none_left(mark)
    assert task.state == "cancelled"


def test_the_time_limit_of_the_call_wins(talkers: Any, mark: str) -> None:
    began, watch = time.monotonic(), Watch()
    failure = refused(talkers, "PyTalker", {"do": "stay"}, timeout=0.7)
    assert time.monotonic() - began > 0.6
    assert watch.seconds < 4
    assert failure.code == VCPErrorCode.TOOL_TIMEOUT
    none_left(mark)


def test_a_reply_counts_at_exit_only(lab: Any, tmp_path: Path) -> None:
    lab.plugins.add(
        copied("PyTalker", tmp_path, communication={"protocol": "stdio", "timeout": 700}),
        trust=True,
    )
    assert refused(lab, "PyTalker", {"do": "stay"}).code == VCPErrorCode.TOOL_TIMEOUT


def test_a_plugins_own_error_about_time_is_no_time_out(talkers: Any) -> None:
    args = {"do": "error", "say": "the weather server timed out"}
    task = talkers.plugins.submit("PyTalker", args)
    until(lambda: task.done)
    assert task.state == "failed"


@pytest.mark.slow
def test_sixty_seconds_where_the_manifest_has_no_limit(lab: Any, tmp_path: Path) -> None:
    folder = copied("PyBad", tmp_path, communication={"protocol": "stdio"})
    lab.plugins.add(folder, trust=True)
    began, watch = time.monotonic(), Watch()
    assert refused(lab, "PyBad", {"do": "hang"}).code == VCPErrorCode.TOOL_TIMEOUT
    assert time.monotonic() - began > 59
    assert watch.seconds < 66


def test_each_call_leads_its_own_process_group(talkers: Any) -> None:
    assert talkers.tools.call("PyMirror", {"a": 1})["leads_group"] is True


def test_calls_run_at_the_same_time(talkers: Any) -> None:
    tasks = [talkers.plugins.submit("PyTalker", {"do": "pid"}) for _ in range(6)]
    until(lambda: all(task.state == "succeeded" for task in tasks), 20)
    assert len({json.dumps(task.result.value) for task in tasks}) == 6


@each_language
@pytest.mark.parametrize("do", ["success", "noise around"])
def test_lenient_from_the_first_brace_to_the_last(talkers: Any, language: str, do: str) -> None:
    reply = talkers.tools.call(f"{language}Lenient", {"do": do})
    assert reply == ("好的 🎲" if do == "success" else "好的")


@each_language
def test_lenient_takes_text_as_it_is(talkers: Any, language: str) -> None:
    assert talkers.tools.call(f"{language}Lenient", {"do": "plain"}) == "晴，25 度"


@each_language
def test_lenient_does_not_forgive_an_exit_code(talkers: Any, language: str) -> None:
    text = str(refused(talkers, f"{language}Lenient", {"do": "exit 3"}))
    assert f"{language}Lenient" in text
    assert "code 3" in text


@each_language
def test_lenient_sends_arguments_always(talkers: Any, language: str) -> None:
    # Empty standard input would be no JSON to it.
    assert talkers.tools.call(f"{language}Lenient", {}) == "{}"
