"""The stand-in server's HTTP side, and the one in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from vcplab.core.errors import (
    InvalidInputError,
    OperationTimeoutError,
    StateError,
    VCPErrorCode,
)
from vcplab.node.standin import MainServer, Quirks, StandInProcess, StandInServer
from vcplab.protocol.results import ToolFailure

pytest.importorskip("websockets", reason="needs websockets")

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect


def serve_node(ws: ClientConnection) -> None:
    """Answer calls until the connection is gone."""
    with contextlib.suppress(ConnectionClosed):
        for message in ws:
            frame = json.loads(message)
            if frame["type"] == "execute_tool":
                data = frame["data"]
                args = data["toolArgs"]
                answer = {"requestId": data["requestId"], "status": "success", "result": args}
                if args.get("fail"):
                    answer |= {"status": "error", "error": args["fail"]}
                ws.send(json.dumps({"type": "tool_result", "data": answer}))


@contextlib.contextmanager
def echo_node(server: StandInServer | StandInProcess) -> Iterator[ClientConnection]:
    """A bare node with the tool Echo."""
    url = f"{server.url}/vcp-distributed-server/VCP_Key={server.key}"
    with connect(url, compression=None, proxy=None, max_size=None, ping_interval=None) as ws:
        tools = [{"name": "Echo", "pluginType": "synchronous", "entryPoint": {}}]
        ws.send(json.dumps({"type": "register_tools", "data": {"serverName": "n", "tools": tools}}))
        thread = threading.Thread(target=serve_node, args=[ws])
        thread.start()
        server.wait_for_tool("Echo")
        yield ws
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def server():
    with StandInServer(key="k-123") as own:
        yield own


@pytest.fixture(scope="module")
def process():
    with StandInProcess() as own:
        yield own


def ask(port: int, method: str, path: str, body: bytes = b"", key: str | None = "k-123"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


BLOCK = """<<<[TOOL_REQUEST]>>>
maid:「始」Nova「末」,
tool_name:「始」Echo「末」,
text:「始」你好「末」
<<<[END_TOOL_REQUEST]>>>"""


def test_a_person_calls_a_tool(server):
    with echo_node(server):
        status, body = ask(server.port, "POST", "/v1/human/tool", BLOCK.encode())
        assert status == 200
        assert body.pop("timestamp")
        assert body == {"maid": "Nova", "text": "你好", "MaidName": "Nova"}
        failing = BLOCK.replace("text", "fail").encode()
        status, body = ask(server.port, "POST", "/v1/human/tool", failing)
        assert status == 500
        assert body["plugin_execution_error"] == "你好"


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "status"),
    [
        ("POST", "/v1/human/tool", b"no request", "k-123", 400),
        ("POST", "/v1/human/tool", b"\xff", "k-123", 400),
        ("POST", "/v1/human/tool", BLOCK.encode(), "wrong", 401),
        ("POST", "/v1/human/tool", BLOCK.encode(), None, 401),
        ("GET", "/stand-in/state", b"", "wrong", 401),
        ("GET", "/v1/human/tool", b"", "k-123", 404),
        ("POST", "/stand-in/explode", b"", "k-123", 404),
        ("POST", "/stand-in/kick?server=nobody", b"", "k-123", 400),
    ],
)
def test_what_is_refused_is_said_in_json(server, method, path, body, key, status):
    got, answer = ask(server.port, method, path, body, key)
    assert got == status
    assert answer["error"]
    assert "k-123" not in json.dumps(answer)


def test_the_state_tells_of_nodes_and_tools(server):
    with echo_node(server) as ws:
        place = {"serverName": "n", "placeholders": {"A": "1"}}
        ws.send(json.dumps({"type": "update_static_placeholders", "data": place}))
        server.wait_until(lambda own: own.placeholders)
        _, state = ask(server.port, "GET", "/stand-in/state")
        assert state["tools"]["Echo"]["displayName"] == "[云端] Echo"
        assert [node["serverName"] for node in state["nodes"]] == ["n"]
        assert state["placeholders"] == {"{{A}}": "1"}
        assert state["counts"]["registered"] == 1
        assert state["pending"] == 0


def test_one_client_for_the_stand_in_and_a_real_server(server):
    with echo_node(server):
        for url in (server.url, server.http_url, f"127.0.0.1:{server.port}"):
            main = MainServer(url, "k-123")
            result = main.call("Echo", text="a", number=5, many=[1, "b"])
            assert (result["text"], result["number"], result["many"]) == ("a", "5", '[1, "b"]')
        with pytest.raises(ToolFailure) as caught:
            main.call("Echo", fail="broken")
        assert caught.value.payload["plugin_execution_error"] == "broken"
        with pytest.raises(ToolFailure, match="Nobody"):
            main.call("Nobody")
        assert "k-123" not in repr(main)


def test_the_client_says_what_is_wrong(server):
    with pytest.raises(StateError) as caught:
        MainServer(server.url, "wrong").call("Echo")
    assert caught.value.code is VCPErrorCode.DISTRIBUTED_AUTH_FAILED
    with pytest.raises(StateError, match="path"):
        MainServer(f"{server.http_url}/elsewhere", "k-123").call("Echo")
    port = server.port
    server.close()
    with pytest.raises(StateError) as caught:
        MainServer(f"http://127.0.0.1:{port}", "k-123").call("Echo")
    assert caught.value.code is VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
    for url, key in (("ftp://x", "k"), ("http://", "k"), ("http://x:99999", "k")):
        with pytest.raises(InvalidInputError):
            MainServer(url, key)
    for key in ("", "a\nb", "é"):
        with pytest.raises(InvalidInputError):
            MainServer("http://x", key)
    with pytest.raises(InvalidInputError):
        MainServer("http://x", "k").call("Echo", thing=object())


def test_a_process_of_its_own(process):
    with echo_node(process):
        assert process.call("Echo", text="hello")["text"] == "hello"
        assert set(process.tools) == {"Echo"}
        assert process.state()["nodes"][0]["serverName"] == "n"
        process.stall()
        process.resume()
        assert process.kick() == 1
        process.wait_for_tool("Echo", present=False)
        with pytest.raises(OperationTimeoutError):
            process.wait_for_tool("Echo", timeout=0.1)
    process.drain()
    with pytest.raises(Exception, match=r"HTTP|closed|EOF|did not receive"), echo_node(process):
        pass
    process.resume()
    with echo_node(process):
        pass
    assert process.key not in repr(process)


def test_it_comes_back_on_its_port_and_remembers_nothing(process):
    port, pid = process.port, process.pid
    with echo_node(process):
        process.restart()
    assert process.port == port
    assert process.pid != pid
    assert process.tools == {}
    with echo_node(process):
        assert process.call("Echo", a="b")["a"] == "b"


@pytest.mark.skipif(sys.platform == "win32", reason="ps is POSIX")
def test_neither_key_nor_settings_are_on_the_command_line(process):
    line = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(process.pid)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "vcplab.node.standin" in line
    assert process.key not in line


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_an_interrupt_of_the_notebook_does_not_reach_it(process):
    assert os.getpgid(process.pid) != os.getpgid(0)


def test_it_says_goodbye_when_closed_and_nothing_when_killed():
    own = StandInProcess(quirks=Quirks(acknowledges=False)).start()
    for end, code in ((own.close, 1001), (own.kill, 1006)):
        own.start()
        url = f"{own.url}/vcp-distributed-server/VCP_Key={own.key}"
        with connect(url, proxy=None) as ws:
            end()
            with pytest.raises(ConnectionClosed):
                ws.recv(timeout=5)
            assert ws.close_code == code
    assert not own.is_running
    assert own.pid is None
    with pytest.raises(StateError, match="does not run"):
        own.state()
    own.close()


def test_a_process_that_cannot_start_says_why():
    with StandInServer() as taken, pytest.raises(StateError, match=str(taken.port)):
        StandInProcess(port=taken.port).start()
    with pytest.raises(OperationTimeoutError):
        StandInProcess(start_timeout=0.001).start()


def is_there(pid: int) -> bool:
    """Whether a process that is no child of ours runs."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="a parent that kills itself is POSIX")
def test_it_ends_when_its_parent_does():
    code = (
        "import os, sys\n"
        "from vcplab.node.standin import StandInProcess\n"
        "own = StandInProcess().start()\n"
        "print(own.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    pid = int(ran.stdout)
    deadline = time.monotonic() + 10
    while is_there(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_by_hand_it_makes_a_key_and_prints_it():
    child = subprocess.Popen(
        [sys.executable, "-m", "vcplab.node.standin", "--port", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        said = json.loads(child.stdout.readline())
        assert said["url"] == f"ws://127.0.0.1:{said['port']}"
        status, _ = ask(said["port"], "GET", "/stand-in/state", key=said["key"])
        assert status == 200
        child.stdin.close()
        assert child.wait(10) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
