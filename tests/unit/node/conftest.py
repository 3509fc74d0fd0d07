"""A lab that joins a stand-in server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.joined import Joined
from vcplab.node.standin import Quirks, StandInServer


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[vl.Lab]:
    """A lab without tools."""
    with vl.Lab(tmp_path / "lab") as lab:
        yield lab


@pytest.fixture
def make_server(lab: vl.Lab) -> Iterator[Callable[..., StandInServer]]:
    """Makes servers, which record, with some quirks; the lab leaves before they close."""
    with ExitStack() as stack:

        def make(key: str = "an-ordinary-key", **quirks: Any) -> StandInServer:
            server = StandInServer(key, quirks=Quirks(**quirks), record=True, seed=7)
            return stack.enter_context(server)

        yield make
        lab.node.disconnect(grace=0.0)


@pytest.fixture
def joined(lab: vl.Lab, make_server: Callable[..., StandInServer]) -> Joined:
    """A lab and an ordinary server, which it has not joined yet."""
    return Joined(lab, make_server())
