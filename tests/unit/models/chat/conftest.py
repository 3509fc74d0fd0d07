"""A real server for the tests of chat models, started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tiny_llm import TinyServer, make_model, missing, tiny_server


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
