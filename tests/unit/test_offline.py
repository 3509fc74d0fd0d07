"""Nothing leaves the machine: the guard, and the import in a process that would tell.

The demo runs in such a process in `cli/test_demo.py`, the notebooks in `tests/notebooks`, and
JupyterLab in `tests/browser`.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

CONNECT = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=1)"
LOOK_UP = "import socket; socket.getaddrinfo('vcplab.invalid', 80)"
EXTENSION = (
    "import _socket; s = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM);"
    "s.connect(('192.0.2.1', 9))"
)


def _run(
    arguments: list[str], environment: dict[str, str], cwd: Path, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def _attempts(environment: dict[str, str]) -> str:
    log = Path(environment["VCPLAB_TEST_SOCKET_LOG"])
    return log.read_text(encoding="utf-8") if log.exists() else ""


@pytest.mark.parametrize("code", [CONNECT, LOOK_UP, EXTENSION])
def test_the_guard_sees_and_refuses(
    code: str, offline_environment: dict[str, str], tmp_path: Path
) -> None:
    # A guard that sees nothing would let every test below pass.
    done = _run([sys.executable, "-c", code], offline_environment, tmp_path)
    assert done.returncode != 0
    assert "NetworkAttemptError" in done.stderr
    assert "socket." in _attempts(offline_environment)


def test_the_guard_lets_loopback_pass(offline_environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('localhost', {port}), timeout=5).close()"
        done = _run([sys.executable, "-c", code], offline_environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert _attempts(offline_environment) == ""


def test_the_guard_of_this_process_refuses_too(outside_attempts: list[str]) -> None:
    with pytest.raises(OSError, match="nothing may leave this machine"):
        socket.create_connection(("192.0.2.1", 9), timeout=1)
    assert outside_attempts == ["socket.connect 192.0.2.1:9"]
    outside_attempts.clear()  # it was meant


def test_import_opens_no_socket(offline_environment: dict[str, str], tmp_path: Path) -> None:
    code = "import vcplab as vl; [getattr(vl, name) for name in vl.__all__]"
    done = _run([sys.executable, "-c", code], offline_environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert _attempts(offline_environment) == ""
