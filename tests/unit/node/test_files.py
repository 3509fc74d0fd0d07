"""Files that servers ask for: through the socket, from named folders, and from nowhere else."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.joined import FAST, Gate, Joined, eventually
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.node.standin import StandInServer
from vcplab.protocol.results import ToolFailure

MIB = 2**20
PICTURE = b"\x89PNG\r\n\x1a\n\x00\xff"


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder to share, with something beside it that is not."""
    folder = tmp_path / "shared"
    (folder / "deep er").mkdir(parents=True)
    (folder / "a.png").write_bytes(PICTURE)
    (folder / "deep er" / "雪 100%.txt").write_text("snow", "utf-8")
    (folder / ".env").write_text("KEY=1")
    (tmp_path / "outside.txt").write_text("outside")
    return folder


@pytest.fixture
def node(joined: Joined) -> Joined:
    """A lab that joined, and shares nothing yet."""
    joined.join(name="here")
    return joined


def fetch(joined: Joined, url: str) -> dict[str, Any]:
    return dict(joined.server.fetch_file(url, server="here"))


def test_nothing_is_served_unless_it_is_shared(node: Joined, shared: Path) -> None:
    for url in ("file:///shared/a.png", (shared / "a.png").as_uri(), str(shared / "a.png")):
        with pytest.raises(ToolFailure, match=r"No shared folder"):
            fetch(node, url)
    assert node.lab.node.links[0].status().errors == 3


def test_files_of_a_shared_folder(node: Joined, shared: Path) -> None:
    node.lab.node.share("figures", shared)
    wanted = {
        "status": "success", "fileData": base64.b64encode(PICTURE).decode(),
        "mimeType": "image/png",
    }  # fmt: skip
    urls = ["file:///figures/a.png", "file://figures/a.png", "file:///FIGURES/a.png"]
    if sys.platform != "win32":
        urls += [str(shared / "a.png"), (shared / "a.png").as_uri(), f"file://{shared}/a.png"]
    for url in urls:
        assert fetch(node, url) == wanted, url
    snow = fetch(node, "file:///figures/deep%20er/%E9%9B%AA%20100%25.txt")
    assert snow["mimeType"] == "text/plain"
    assert base64.b64decode(snow["fileData"]) == b"snow"
    status = node.lab.node.links[0].status()
    assert (status.errors, status.answered) == (0, len(urls) + 1)


ELSEWHERE = [
    "file:///figures/../outside.txt", "file:///figures/%2e%2e/outside.txt",
    "file:///figures/..%2foutside.txt", "file:///figures/deep%20er/../../outside.txt",
    "file:///figures/%252e%252e/outside.txt", "file:///figures/link", "file:///figures/.env",
    "file:///figures/", "file:///figures", "file:///figures/deep%20er", "file:///other/a.png",
    "file:///etc/passwd", "/etc/passwd", "file:///C:/Windows/win.ini", "C:\\Windows\\win.ini",
    "file:///C|/Windows/win.ini", "\\\\server\\share\\a.txt", "file://server/share/a.txt",
    "~/.ssh/id_rsa", "file:///~/.bashrc", "http://127.0.0.1/a.png", "",
    "file:///figures/a.png\0.txt", "file:///figures/" + "a" * 10_000,
]  # fmt: skip


def test_no_address_leads_out_of_it(node: Joined, shared: Path, tmp_path: Path) -> None:
    if sys.platform != "win32":
        os.symlink(tmp_path / "outside.txt", shared / "link")
    node.lab.node.share("figures", shared)
    for url in ELSEWHERE:
        with pytest.raises(ToolFailure) as refused:
            fetch(node, url)
        told = node.frames("tool_result")[-1].text
        # What is there, and where, is nobody's business.
        assert str(tmp_path) not in told, url
        assert "outside" not in told.replace(url, ""), url
        assert "Traceback" not in told, url
        assert str(refused.value), url
    status = node.lab.node.links[0].status()
    assert (status.errors, status.reconnects) == (len(ELSEWHERE), 0)


def test_broken_requests(node: Joined, shared: Path) -> None:
    node.lab.node.share("figures", shared)
    for args in ({}, {"fileUrl": None}, {"fileUrl": ["file:///figures/a.png"]}, {"fileUrl": 7}):
        with pytest.raises(ToolFailure):
            node.server.raw_call("internal_request_file", args, 10, server="here")
    assert fetch(node, "file:///figures/a.png")["status"] == "success"


def test_large_files(node: Joined, shared: Path) -> None:
    data = os.urandom(MIB) * 20
    (shared / "large.bin").write_bytes(data)
    with (shared / "too-large.bin").open("wb") as file:
        file.truncate(100 * MIB)
    node.lab.node.share("figures", shared)
    assert base64.b64decode(fetch(node, "file:///figures/large.bin")["fileData"]) == data
    with pytest.raises(ToolFailure, match="larger than"):
        fetch(node, "file:///figures/too-large.bin")
    assert node.lab.node.links[0].status().reconnects == 0


def test_shared_no_more(node: Joined, shared: Path) -> None:
    lab = node.lab
    lab.node.share("figures", shared)
    assert fetch(node, "file:///figures/a.png")["status"] == "success"
    lab.node.unshare("figures")
    with pytest.raises(ToolFailure):
        fetch(node, "file:///figures/a.png")
    with pytest.raises(NotFoundError):
        lab.node.unshare("figures")
    for name, path in (("x", shared), ("figures", shared / "a.png"), ("root", "/")):
        with pytest.raises(InvalidInputError):
            lab.node.share(name, path)


def test_files_that_hold_the_servers_key_stay(node: Joined, shared: Path) -> None:
    (shared / "notes.txt").write_text(f"the key is {node.server.key}")
    node.lab.node.share("figures", shared)
    with pytest.raises(ToolFailure, match="No shared folder"):
        fetch(node, "file:///figures/notes.txt")


def test_files_are_served_while_tools_run(joined: Joined, shared: Path) -> None:
    gate = Gate()

    @joined.lab.tool
    async def held() -> str:
        await gate.passed()
        return "done"

    joined.lab.node.share("figures", shared)
    joined.join(name="here")
    call = joined.begin("held")
    gate.reached()
    assert fetch(joined, "file:///figures/a.png")["status"] == "success"
    gate.open()
    assert call.result(10)["original_plugin_output"] == "done"
    row = next(r for r in joined.lab.node.calls() if r.tool == "internal_request_file")
    assert row.state == "succeeded"


def test_the_node_is_found_by_its_address(joined: Joined, shared: Path) -> None:
    # VCPToolBox asks the node whose address the request came from (facts/vcp-protocol §4.7).
    joined.lab.tool(lambda: "x", name="tool")
    joined.lab.node.share("figures", shared)
    joined.join(name="here")
    (asked,) = (n for n in joined.server.nodes if "127.0.0.1" in n.local_ips)
    answer = joined.server.fetch_file("file:///figures/a.png", server=asked.server_id)
    assert answer["status"] == "success"


def test_fetch_file_of_the_sdk(
    lab: vl.Lab, make_server: Callable[..., StandInServer], shared: Path
) -> None:
    server = make_server(dialect="intellicore")
    lab.node.share("figures", shared)
    link = lab.node.connect(server.url, server.key, dialect="intellicore", show=False, **FAST)
    link.wait(10)
    (node,) = server.nodes
    answer = server.fetch_file("file:///figures/a.png", server=node.server_id)
    assert set(answer) == {"type", "requestId", "success", "content"}
    assert base64.b64decode(answer["content"]) == PICTURE
    with pytest.raises(ToolFailure, match="No shared folder"):
        server.fetch_file("/etc/passwd", server=node.server_id)
    refused = [f.data for f in server.frames if f.type == "file_result"][-1]
    assert set(refused) == {"type", "requestId", "success", "error"}
    assert refused["success"] is False
    eventually(lambda: link.status().errors == 1)
    assert lab.node.calls()[0].state == "failed"
