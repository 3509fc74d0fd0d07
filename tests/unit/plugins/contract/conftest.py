"""Labs with the test plugins, and a marker on whatever they start."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.unit.plugins.contract.support import MARK, clear, none_left


@pytest.fixture(scope="module")
def mark() -> Iterator[str]:
    """A marker that all processes of a module's plugins bear in their environment."""
    name = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, name)
        yield name
    clear(name)


@pytest.fixture
def lab(tmp_path: Path, mark: str) -> Iterator[Any]:
    """A lab; once it is closed, nothing of its plugins may be left."""
    clear(mark)
    with vl.Lab(tmp_path / "lab") as lab:
        yield lab
    none_left(mark)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, mark: str) -> Iterator[Any]:
    """A lab for all tests of a module, because adding JavaScript starts Node."""
    with vl.Lab(tmp_path_factory.mktemp("house") / "lab") as lab:
        yield lab
    none_left(mark)
