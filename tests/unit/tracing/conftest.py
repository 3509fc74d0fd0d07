"""A recorder that writes into a fresh folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vcplab.tracing import Recorder, TraceStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    with TraceStore(tmp_path / "trace.sqlite3") as store:
        yield store


@pytest.fixture
def recorder(store: TraceStore) -> Iterator[Recorder]:
    with Recorder(store) as recorder:
        yield recorder
