"""Bad plugins: the kernel goes on, the error says which plugin and why, no process is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.unit.plugins.contract.support import (
    Watch,
    add,
    clear,
    each_language,
    marked,
    none_left,
    refused,
    until,
)
from vcplab.core.errors import VCPErrorCode


@pytest.fixture(scope="module")
def bads(house: Any) -> Any:
    """The lab with the bad plugins and a good one."""
    return add(house, "PyBad", "JsBad", "PyTalker")


@pytest.fixture
def bad(bads: Any, mark: str) -> Iterator[Any]:
    """After each bad plugin a good one still works."""
    clear(mark)
    yield bads
    assert bads.tools.call("PyTalker", {"do": "success"}) == "好的 🎲"


def started(bad: Any, name: str, do: str, count: int, mark: str) -> Any:
    """A call that is running and has started all it wants to."""
    task = bad.plugins.submit(name, {"do": do, "count": count})
    until(lambda: len(marked(mark)) > count, 30, f"{count} processes of {do}")
    return task


def ended(task: Any, name: str, mark: str) -> None:
    """The task fails for its time limit and leaves nothing."""
    until(lambda: task.state == "timed_out", 15)
    assert name in task.result.error
    none_left(mark)


def test_a_small_fork_bomb(bad: Any, mark: str) -> None:
    ended(started(bad, "PyBad", "fork bomb, double", 6, mark), "PyBad", mark)


@pytest.mark.slow
@pytest.mark.parametrize(
    "do", ["fork bomb", "fork bomb, new sessions", "fork bomb, double", "fork bomb, no trace"]
)
def test_a_fork_bomb_of_fifty(bad: Any, mark: str, do: str) -> None:
    task = bad.plugins.submit("PyBad", {"do": do, "count": 50})
    # The time limit of 2 s may come before the fiftieth.
    until(lambda: len(marked(mark)) > 30, 30)
    ended(task, "PyBad", mark)


@each_language
@pytest.mark.parametrize("do", ["fork bomb", "fork bomb, new sessions"])
def test_a_small_fork_bomb_is_ended_by_cancelling(
    bad: Any, mark: str, language: str, do: str
) -> None:
    task = started(bad, f"{language}Bad", do, 4, mark)
    task.cancel()
    none_left(mark)
    assert task.state == "cancelled"


def test_children_without_a_trace_of_the_call_are_found(bad: Any, mark: str) -> None:
    task = started(bad, "PyBad", "fork bomb, no trace", 4, mark)
    task.cancel()
    none_left(mark)


def test_what_a_plugin_leaves_behind_after_success_goes(bad: Any, mark: str) -> None:
    args = {"do": "fork bomb, then success", "count": 4}
    assert bad.tools.call("PyBad", args, timeout=10) == "done"
    none_left(mark)


def test_a_pipe_held_open_by_a_grandchild_does_not_hold_the_call(bad: Any, mark: str) -> None:
    watch = Watch()
    assert bad.tools.call("PyBad", {"do": "held pipe"}, timeout=20) == "done"
    assert watch.seconds < 5
    none_left(mark)


@each_language
@pytest.mark.parametrize("do", ["hang", "hang, deaf"])
def test_a_hang(bad: Any, mark: str, language: str, do: str) -> None:
    failure = refused(bad, f"{language}Bad", {"do": do}, timeout=0.8)
    assert failure.code == VCPErrorCode.TOOL_TIMEOUT
    assert f"{language}Bad" in str(failure)
    assert "0.8" in str(failure) or "800" in str(failure)
    none_left(mark)


def test_what_a_hanging_plugin_said_is_in_the_log(bad: Any) -> None:
    refused(bad, "PyBad", {"do": "hang, complaining"}, timeout=0.8)
    assert "waiting for a server" in "\n".join(bad.plugins.logs("PyBad"))


def test_a_hundred_megabytes(bad: Any, mark: str) -> None:
    before = psutil.Process().memory_info().rss
    failure = refused(bad, "PyBad", {"do": "100 MB"}, timeout=20)
    assert "PyBad" in str(failure)
    assert "plugin_execution_error" in failure.payload
    assert len(str(failure)) < 4000
    assert psutil.Process().memory_info().rss - before < 300 * 2**20
    none_left(mark)


@each_language
def test_garbage(bad: Any, mark: str, language: str) -> None:
    failure = refused(bad, f"{language}Bad", {"do": "garbage"}, timeout=10)
    assert f"{language}Bad" in str(failure)
    assert "did not provide a valid initial JSON response" in str(failure)
    assert len(str(failure)) < 4000
    none_left(mark)


@each_language
def test_a_crash_names_the_signal(bad: Any, mark: str, language: str) -> None:
    failure = refused(bad, f"{language}Bad", {"do": "crash"}, timeout=10)
    assert f"{language}Bad" in str(failure)
    assert "SIGSEGV" in str(failure) or "signal 11" in str(failure)
    none_left(mark)


@pytest.mark.parametrize("size", [10, 4_000_000])
def test_closing_stdin_and_replying_is_no_error(
    bad: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setenv("CONTRACT_CLOSES_STDIN", "reply")
    assert bad.tools.call("PyBad", {"text": "x" * size}, timeout=10) == "did not listen"


def test_closing_stdin_and_leaving(bad: Any, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    monkeypatch.setenv("CONTRACT_CLOSES_STDIN", "leave")
    failure = refused(bad, "PyBad", {"text": "x" * 4_000_000}, timeout=10)
    assert "PyBad" in str(failure)
    assert "did not provide a valid initial JSON response" in str(failure)
    none_left(mark)


def test_closing_stdin_and_hanging(bad: Any, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    monkeypatch.setenv("CONTRACT_CLOSES_STDIN", "hang")
    failure = refused(bad, "PyBad", {"text": "x" * 4_000_000}, timeout=1)
    assert failure.code == VCPErrorCode.TOOL_TIMEOUT
    none_left(mark)


@pytest.mark.parametrize("do", ["closed stdout", "all closed", "endless"])
def test_staying_without_an_end(bad: Any, mark: str, do: str) -> None:
    failure = refused(bad, "PyBad", {"do": do}, timeout=0.6)
    assert failure.code == VCPErrorCode.TOOL_TIMEOUT
    assert "PyBad" in str(failure)
    none_left(mark)


def test_a_program_that_is_not_there(bad: Any) -> None:
    folder = bad.path / "made" / "Gone"
    folder.mkdir(parents=True)
    (folder / "plugin-manifest.json").write_text(
        '{"name": "Gone", "pluginType": "synchronous",'
        ' "entryPoint": {"command": "no-such-program-anywhere x"},'
        ' "communication": {"protocol": "stdio"}}'
    )
    bad.plugins.add(folder, trust=True)
    failure = refused(bad, "Gone", {"a": 1})
    assert "Gone" in str(failure)
    assert "no-such-program-anywhere" in str(failure)


def test_unloading_ends_what_runs(lab: Any, mark: str) -> None:
    task = started(add(lab, "PyBad"), "PyBad", "fork bomb, new sessions", 3, mark)
    lab.plugins.unload("PyBad")
    none_left(mark)
    until(lambda: task.state not in ("pending", "running"))
    assert task.state != "succeeded"


def test_closing_the_lab_ends_what_runs(lab: Any, mark: str) -> None:
    bomb = started(add(lab, "PyBad"), "PyBad", "fork bomb, new sessions", 3, mark)
    hang = lab.plugins.submit("PyBad", {"do": "hang, deaf"})
    lab.close()
    none_left(mark)
    for task in (bomb, hang):
        assert task.state in ("cancelled", "failed", "lost")
