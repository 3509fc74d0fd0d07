"""What several rooms' unit tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.tiny_llm import TinyServer, make_model, missing, tiny_server

OFFLINE = Path(__file__).resolve().parents[1] / "support" / "offline"


class Demos(NamedTuple):
    """Two runs of `vcplab demo`, one after the other, and what they tried to reach."""

    first: str
    second: dict[str, Any]
    report: str
    attempts: str


@pytest.fixture(scope="session")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Demos:
    """The demo as a newcomer runs it, twice, in processes that refuse and log the network."""
    pytest.importorskip("sentence_transformers", reason="needs the [dense] extra")
    folder = tmp_path_factory.mktemp("demo")
    log = folder / "sockets.log"
    environment = {
        **os.environ,
        "VCPLAB_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(OFFLINE),
        "VCPLAB_TEST_SOCKET_LOG": str(log),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "vcplab", "demo", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "Warning" not in done.stderr
        return done.stdout

    first = run()
    report = (folder / "vcplab-demo-report.html").read_text(encoding="utf-8")
    second = json.loads(run("--json", "--report", "other.html"))
    assert (folder / "other.html").is_file()
    attempts = log.read_text(encoding="utf-8") if log.exists() else ""
    return Demos(first, second, report, attempts)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's file, made once."""
    if lacking := missing():
        pytest.skip(f"a real llama.cpp server needs {', '.join(lacking)}")
    return make_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="session")
def tiny(tiny_model: Path) -> Iterator[TinyServer]:
    """A server with eight slots of 2,048 tokens that asks for no key."""
    with tiny_server(tiny_model) as server:
        yield server
