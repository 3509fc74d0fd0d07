"""The frame of the command line: exit codes, messages, no traceback unless asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vcplab import cli
from vcplab.core.errors import InvalidDataError


def _fail(*_: object) -> int:
    raise InvalidDataError("the file is broken", where="a.jsonl", next_step="mend line 3")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("vcplab ")


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["demo", "--nothing"], ["lab", "--port", "x"]]
)
def test_what_is_not_understood_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert "usage: vcplab" in capsys.readouterr().err


def test_an_error_is_one_message_with_a_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.doctor, "run", _fail)
    assert cli.main(["doctor"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "vcplab: the file is broken (in a.jsonl)\n  next: mend line 3\n  code: INVALID_DATA\n"
    )


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.doctor, "run", _fail)
    with pytest.raises(InvalidDataError):
        cli.main(["doctor", "--debug"])


def test_an_interrupt_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.doctor, "run", interrupt)
    assert cli.main(["doctor"]) == 130
    assert capsys.readouterr().err == "vcplab: stopped\n"


def test_module_and_narrow_console(root: Path) -> None:
    # A console that cannot show Chinese gets question marks instead of a crash.
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", "vcplab", "--help"],
        capture_output=True,
        env=environment,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    for name in ("demo", "compare", "lab", "doctor"):
        assert name.encode() in done.stdout


def test_a_reader_that_leaves_is_no_error(root: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vcplab", "doctor"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stderr:
        message = stderr.read()
    process.wait(60)
    assert b"Traceback" not in message
