"""`vcplab node`: real connections, no key in sight, a clean end."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from vcplab import cli
from vcplab.cli.following import Follower
from vcplab.core._settings_sources import SHARED
from vcplab.core.clock import current_clock
from vcplab.node.events import CallEnded, CallStarted, NodeLogged
from vcplab.node.rows import CallRow
from vcplab.node.standin import StandInServer

KEY = "planted-key-7f3a91"
TOOLS = '''
import neighbour

@lab.tool
def shout(text: str) -> str:
    """Say it loud."""
    return neighbour.loud(text)

@lab.tool
def fails() -> None:
    """Fail."""
    raise ValueError("\\x1b[31mno\\x07")
'''


@pytest.fixture
def server() -> Iterator[StandInServer]:
    with StandInServer(KEY) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a script, a key file and no settings."""
    for name in SHARED:
        monkeypatch.delenv(name, raising=False)
    here = tmp_path / "here"
    here.mkdir()
    (here / "tools.py").write_text(TOOLS, encoding="utf-8")
    (here / "neighbour.py").write_text("def loud(t):\n    return t.upper()\n", encoding="utf-8")
    (here / "key").write_text(f"{KEY}\n", encoding="utf-8")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return here


@pytest.fixture
def start(root: Path, folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `vcplab node` in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "vcplab", "node", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def read_until(stream: IO[str] | None, text: str) -> list[str]:
    assert stream is not None
    lines: list[str] = []
    for line in stream:
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    pytest.fail(f"{text!r} never came; there was {lines}")


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    assert KEY not in captured.out + captured.err
    return captured.out, captured.err


def test_check_says_what_is_exposed_and_that_it_works(
    server: StandInServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = cli.main(
        ["node", "--url", server.url, "--key-file", "key", "--tools", "tools.py", "--check"]
    )
    out, err = told(capsys)
    assert (done, err) == (0, "")
    assert "2 tools are exposed" in out
    assert out.index("Say it loud.") < out.index("connected to") < out.index("registered: fails")
    assert "VCP_Key=•••" in out
    assert server.counts["registered"] == 2
    assert not list(folder.glob("vcplab.json"))  # a lab for this run only


def test_settings_of_the_folder_name_the_server(
    server: StandInServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"VCP_SERVER={server.url}\nVCP_KEY='{KEY}'\nSERVER_NAME=my-node\n"
    (folder / "config.env").write_text(text, encoding="utf-8")
    assert cli.main(["node", "--check"]) == 0
    assert "as 'my-node'" in told(capsys)[0]
    assert cli.main(["node", "--check", "--name", "other"]) == 0
    assert "as 'other'" in told(capsys)[0]
    # A lab's own folder decides for the lab.
    assert cli.main(["node", "--check", "--lab", "my-lab"]) == 1
    assert "VCP_SERVER" in told(capsys)[1]
    (folder / "config.env").rename(folder / "my-lab" / "config.env")
    os.chdir(folder / "my-lab")
    assert cli.main(["node", "--check"]) == 0
    assert "as 'my-node'" in told(capsys)[0]


def test_patterns_prefix_plugins_and_shared_folders(
    server: StandInServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new-plugin", "Fresh", "--to", "plugs"]) == 0
    assert cli.main(["new-plugin", "Other", "--to", "plugs"]) == 0
    capsys.readouterr()
    common = ["node", "--url", server.url, "--key-file", "key", "--check", "--plugins", "plugs"]
    more = ["--tools", "tools.py", "--expose", "Fr*", "--hide", "fai*", "--prefix", "my_"]
    assert cli.main([*common, *more, "--trust", "--share", "pics=."]) == 0
    out, _ = told(capsys)
    assert "registered: my_Fresh, my_shout" in out
    assert "left out by '!fai*'" in out
    assert cli.main([*common, "--expose", "Fresh"]) == 0
    assert "untrusted" in told(capsys)[0]


def test_a_wrong_key_is_told_with_what_to_check(
    server: StandInServer,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("wrong-key-5521\nmore\n"))
    assert cli.main(["node", "--url", server.url, "--key-file", "-", "--check"]) == 1
    out, err = told(capsys)
    assert "Check the key" in err
    assert "DISTRIBUTED_AUTH_FAILED" in err
    assert "wrong-key-5521" not in out + err


def test_nobody_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{probe.getsockname()[1]}"
        assert cli.main(["node", "--url", url, "--key-file", "key", "--check"]) == 1
    assert "DISTRIBUTED_CONNECTION_ERROR" in told(capsys)[1]


def key_in_the_address(folder: Path) -> list[str]:
    return ["--url", f"ws://h:1/vcp-distributed-server/VCP_Key={KEY}"]


def no_server(folder: Path) -> list[str]:
    return []


def no_key(folder: Path) -> list[str]:
    return ["--url", "ws://127.0.0.1:9"]


def empty_key(folder: Path) -> list[str]:
    (folder / "empty").write_text(" \n", encoding="utf-8")
    return ["--url", "ws://127.0.0.1:9", "--key-file", "empty"]


def failing(folder: Path) -> list[str]:
    (folder / "bad.py").write_text("raise RuntimeError('oops')", encoding="utf-8")
    return ["--tools", "bad.py"]


def leaving(folder: Path) -> list[str]:
    (folder / "bad.py").write_text("raise SystemExit(0)", encoding="utf-8")
    return ["--tools", "bad.py"]


def misspelt(folder: Path) -> list[str]:
    (folder / "bad.py").write_text("def (", encoding="utf-8")
    return ["--tools", "bad.py"]


def no_tool(folder: Path) -> list[str]:
    (folder / "bad.py").write_text("lab.tool(3)", encoding="utf-8")
    return ["--tools", "bad.py"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (key_in_the_address, "--key-file"),
        (no_server, "VCP_SERVER"),
        (no_key, "VCP_KEY"),
        (empty_key, "no key in"),
        (lambda folder: ["--key-file", "missing"], "cannot be read"),
        (lambda folder: ["--key-file", "."], "cannot be read"),
        (lambda folder: ["--port", "5"], "--stand-in"),
        (lambda folder: ["--stand-in", "--check"], "--check and --url"),
        (lambda folder: ["--stand-in", "--port", "70000"], "port"),
        (lambda folder: ["--wait", "0"], "--wait"),
        (lambda folder: ["--wait", "nan"], "--wait"),
        (lambda folder: ["--share", "pics"], "NAME=FOLDER"),
        (lambda folder: ["--share", "pics=missing"], "'pics'"),
        (lambda folder: ["--plugins", "missing"], "missing"),
        (lambda folder: ["--tools", "missing.py"], "no such Python script"),
        (lambda folder: ["--tools", "key"], "no such Python script"),
        (failing, "RuntimeError: oops"),
        (leaving, "SystemExit"),
        (misspelt, "SyntaxError"),
        (no_tool, "INVALID_INPUT"),
        (lambda folder: ["--expose", "a/b"], "path"),
        (lambda folder: ["--lab", "key"], "key"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: Callable[[Path], list[str]],
    says: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["node", *arguments(folder)]) == 1
    _, err = told(capsys)
    assert says in err
    assert "next:" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_calls_are_told_and_a_signal_ends_it_cleanly(
    number: signal.Signals, server: StandInServer, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("--url", server.url, "--key-file", "key", "--tools", "tools.py")
    lines = read_until(process.stdout, "registered: ")
    assert server.call("shout", {"text": "hi", "maid": "Nova"})["original_plugin_output"] == "HI"
    lines += read_until(process.stdout, "shout succeeded in ")
    assert lines[-1].endswith("ms for Nova")
    with pytest.raises(Exception, match="no"):
        server.call("fails")
    lines += read_until(process.stdout, "fails failed")
    process.send_signal(number)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "closed the link" in rest
    text = "\n".join([*lines, rest])
    assert "Traceback" not in text
    assert KEY not in text
    assert not {"\x1b", "\x07"} & set(text)
    deadline = time.monotonic() + 5
    while server.tools and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not server.tools


def test_a_reader_that_leaves_ends_it(
    server: StandInServer, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("--url", server.url, "--key-file", "key", "--tools", "tools.py")
    read_until(process.stdout, "registered: ")
    assert process.stdout is not None
    process.stdout.close()
    server.call("shout", {"text": "hi"})
    assert process.wait(20) == 1


def test_the_stand_in_shows_who_comes_and_goes(
    start: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    process = start("--stand-in")
    lines = read_until(process.stdout, "curl")
    values = dict(line.strip().split("=", 1) for line in lines if line.startswith("  VCP_"))
    Path("new-key").write_text(values["VCP_KEY"], encoding="utf-8")
    arguments = ["node", "--url", values["VCP_SERVER"], "--key-file", "new-key", "--check"]
    assert cli.main([*arguments, "--name", "me", "--tools", "tools.py", "--wait", "20"]) == 0
    assert values["VCP_KEY"] not in capsys.readouterr().out
    Path("new-key").write_text("something-else", encoding="utf-8")
    assert cli.main(arguments) == 1
    read_until(process.stdout, "1 connection refused")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in rest


def test_the_key_of_a_file_is_not_printed_by_the_stand_in(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    process = start("--stand-in", "--key-file", "key")
    lines = read_until(process.stdout, "curl")
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert KEY not in "\n".join([*lines, rest])


def call(**values: object) -> CallRow:
    given = {"id": 1, "link": "l", "tool": "t", "state": "succeeded", "ms": 3.4, **values}
    return CallRow(began=current_clock().now(), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("verbose", [False, True])
def test_lines_are_short_and_safe(verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    follower = Follower(verbose=verbose)
    began = call(state="running", arguments="{'x': 1}")
    follower.tell(CallStarted(link="l", call=began))
    hostile = "\x1b]0;title\x07" + "long " * 100
    follower.tell(CallEnded(link="l", call=call(state="timed_out", error=hostile, maid="a\nb")))
    follower.tell(NodeLogged(link="l", level="warning", text="slow\x9b31m"))
    follower.print_waiting()
    lines = capsys.readouterr().out.splitlines()
    assert ("t called: {'x': 1}" in lines[0]) is verbose
    assert len(lines) == 2 + verbose
    assert "t timed out in 3 ms for a b: " in lines[-2]
    assert lines[-2].endswith("…")
    assert lines[-1].endswith("warning: slow\ufffd31m")
    assert all(line.isprintable() for line in lines)
    follower.stop()
    follower.print_until_stopped()


def test_the_settings_of_nodes_are_told_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["node", "--help"])
    shown = capsys.readouterr().out
    for name in ("VCP_SERVER", "VCP_KEY", "SERVER_NAME"):
        assert name in shown
    assert "--key " not in shown
