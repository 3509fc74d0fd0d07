"""A kernel process that is killed leaves no plugin process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.plugins.contract.support import MARK, Watch, marked, none_left, until

HERE = Path(__file__).resolve().parent
# Three bombs of six, a hang, a sleeper with its child, and a task that goes on.
STARTED = 3 * 6 + 1 + 2 + 1


@pytest.fixture
def kernel(tmp_path: Path, mark: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    """The process with everything running; 2 s are the shortest limit of its calls."""
    environment = {key: value for key, value in os.environ.items() if key != MARK}
    environment["PYTHONPATH"] = str(root)
    with subprocess.Popen(
        [sys.executable, str(HERE / "kernel.py"), str(tmp_path), mark, str(tmp_path / "go")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_plugin_process_is_left_after(
    kernel: subprocess.Popen[str], mark: str, number: signal.Signals
) -> None:
    until(lambda: len(marked(mark)) >= STARTED, 20, "everything runs")
    watch = Watch()
    kernel.send_signal(number)
    kernel.wait(timeout=30)
    none_left(mark, 3.0 - watch.seconds, watchdog=True)
