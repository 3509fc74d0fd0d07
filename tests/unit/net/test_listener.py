"""The listener, with real sockets: what is let in, what is not, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import logging
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.loop import library_loop, run, submit
from vcplab.net.listener import BODY_LIMIT, Listener, Mount, listener, new_token

pytest.importorskip("uvicorn", reason="needs uvicorn")
httpx2 = pytest.importorskip("httpx2", reason="needs httpx2")

TOKEN = "hush-0123456789"


@pytest.fixture
def house():
    own = Listener()
    yield own
    own.close(0)


@pytest.fixture
def client():
    with httpx2.Client(trust_env=False, timeout=10) as own:
        yield own


@pytest.fixture
def websockets():
    return pytest.importorskip("websockets", reason="needs websockets")


async def echo(scope, receive, send):
    """Answer with what was asked."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    told = {
        "method": scope["method"],
        "path": scope["path"],
        "root_path": scope["root_path"],
        "size": len(body),
    }
    await respond(send, json.dumps(told).encode())


async def respond(send, body=b"ok", status=200):
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def raw(mount_or_port, text, *, read=True):
    """Bytes over a socket of our own, and everything that comes back."""
    port = (
        mount_or_port
        if isinstance(mount_or_port, int)
        else int(mount_or_port.url.split(":")[2].split("/")[0])
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as own:
        own.sendall(text.encode("latin-1"))
        got = b""
        while read and (data := own.recv(65536)):
            got += data
        return got.decode("latin-1")


def status(answer):
    return int(answer.split(" ", 2)[1])


# --- mounting


def test_nothing_listens_before_the_first_mount(house):
    assert not house.is_running
    assert house.port is house.url is None
    assert repr(house) == "<Listener idle: 0 mounts>"
    mount = house.mount("/x", echo)
    assert house.is_running
    assert mount.url == f"http://127.0.0.1:{house.port}/x" == f"{house.url}/x"
    assert "1 mounts" in repr(house)
    assert repr(mount).endswith("/x: open>")


def test_an_app_is_reached_under_its_prefix(house, client):
    mount = house.mount("/tea", echo)
    told = client.post(f"{mount.url}/cups/2?sugar=1", content=b"hello").json()
    assert told == {"method": "POST", "path": "/tea/cups/2", "root_path": "/tea", "size": 5}
    assert client.get(mount.url).json()["path"] == "/tea"
    for path in ("", "/", "/teapot", "/Tea", "/other"):
        answer = client.get(house.url + path)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "NOT_FOUND"


def test_two_mounts_and_one_within_another(house, client):
    async def named(name, scope, receive, send):
        await respond(send, name)

    for prefix in ("/", "/a", "/a/b"):
        house.mount(prefix, lambda *given, prefix=prefix: named(prefix.encode(), *given))
    found = {path: client.get(house.url + path).text for path in ("/", "/x", "/a", "/ab", "/a/b/c")}
    assert found == {"/": "/", "/x": "/", "/a": "/a", "/ab": "/", "/a/b/c": "/a/b"}


def test_a_prefix_is_taken_once(house, client):
    mount = house.mount("/a", echo)
    with pytest.raises(StateError, match="'/a' already"):
        house.mount("/a", echo)
    mount.close()
    assert not mount.is_open
    assert client.get(mount.url).status_code == 404
    mount.close()  # again: nothing happens
    again = house.mount("/a", echo)
    mount.close()  # the old one is not the new one
    assert again.is_open
    assert client.get(again.url).status_code == 200


@pytest.mark.parametrize(
    "prefix", ["", "a", "/a/", "//a", "/a//b", "/a b", "/../a", "/./a", "/a%2f", "/茶", None, 1]
)
def test_prefixes_that_are_none(house, prefix):
    with pytest.raises(InvalidInputError, match="no prefix"):
        house.mount(prefix, echo)
    assert not house.is_running


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"token": ""}, "token"),
        ({"token": "a b"}, "token"),
        ({"token": "a/b"}, "token"),
        ({"token": "茶"}, "token"),
        ({"origins": ["localhost:8888"]}, "origins"),
        ({"origins": ["http://localhost:8888/lab"]}, "origins"),
        ({"origins": ["*"]}, "origins"),
        ({"origins": ["http://me@localhost"]}, "origins"),
        ({"body_limit": -1}, "body_limit"),
        ({"body_limit": 1.5}, "body_limit"),
        ({"app": "app"}, "app"),
        ({"app": None}, "app"),
    ],
)
def test_arguments_that_are_none(house, options, where):
    with pytest.raises(InvalidInputError) as caught:
        house.mount("/x", **{"app": echo, **options})
    assert caught.value.where == where
    assert not house.is_running


def test_only_loopback():
    for host in ("0.0.0.0", "", "192.168.1.1", "example.com", "::", "127.0.0.1.evil.com"):
        with pytest.raises(InvalidInputError, match="this machine"):
            Listener(host)
    for port in (-1, 65536, "80", True):
        with pytest.raises(InvalidInputError, match="port"):
            Listener(port=port)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/net")
def test_the_port_is_on_loopback_alone(house):
    house.mount("/x", echo)
    found = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as file:
            for line in list(file)[1:]:
                local, state = line.split()[1], line.split()[3]
                address, port = local.split(":")
                if int(port, 16) == house.port and state == "0A":
                    found.append(address)
    assert found == ["0100007F"]


def test_the_other_loopback(client):
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        own = Listener("::1")
        mount = own.mount("/x", echo)
        assert mount.url.startswith("http://[::1]:")
        assert client.get(mount.url).status_code == 200
        own.close()


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        own = Listener(port=other.getsockname()[1])
        with pytest.raises(StateError, match="cannot have"):
            own.mount("/x", echo)
        assert not own.is_running


def test_the_port_that_was_asked_for(client):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = Listener("localhost", port)
    for _ in range(2):  # and again at once after closing
        mount = own.mount("/x", echo)
        assert mount.url == f"http://127.0.0.1:{port}/x"
        assert client.get(mount.url).status_code == 200
        own.close()


def test_the_processes_own_listener():
    assert listener() is listener()
    listener().close()  # another test may have used it
    assert not listener().is_running


def test_routes_of_starlette(house, client, caplog):
    pytest.importorskip("starlette", reason="needs starlette")
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse
    from starlette.routing import Route, WebSocketRoute

    async def cup(request):
        number = request.path_params["number"]
        if number == 0:
            raise HTTPException(410, "drunk")
        return JSONResponse(
            {"cup": number, "body": len(await request.body()), "half": 1 / (number - 9)}
        )

    async def chat(websocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    routes = [Route("/cups/{number:int}", cup, methods=["POST"]), WebSocketRoute("/chat", chat)]
    mount = house.mount("/tea", routes, token=TOKEN, body_limit=10)
    url = mount.secret_url
    assert client.post(f"{url}/cups/8", content=b"x").json() == {"cup": 8, "body": 1, "half": -1.0}
    assert client.post(f"{url}/cups/0").status_code == 410
    assert client.get(f"{url}/cups/1").status_code == 405
    assert client.post(f"{url}/bowls/1").status_code == 404
    big = client.post(f"{url}/cups/8", content=iter([b"x" * 6] * 2))
    assert (big.status_code, big.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert not caplog.records
    failed = client.post(f"{url}/cups/9")
    assert (failed.status_code, failed.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "ZeroDivisionError" in caplog.text
    assert "ZeroDivision" not in failed.text


# --- Host and Origin


def test_the_host_of_a_rebound_name_is_no_way_in(house):
    mount = house.mount("/x", echo)
    port = house.port

    def ask(*hosts):
        lines = "".join(f"Host: {host}\r\n" for host in hosts)
        return raw(mount, f"GET /x HTTP/1.1\r\n{lines}Connection: close\r\n\r\n")

    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        assert status(ask(host)) == 200
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        "localhost:1",
        f"localhost.evil.example:{port}",
        f"127.0.0.1:{port}@evil.example",
        f"127.0.0.2:{port}",
        f"0.0.0.0:{port}",
        f"localhost.:{port}",
        "",
    ):
        answer = ask(host)
        assert status(answer) == 421, host
        assert "WRONG_HOST" in answer
    # Two of them, or none: HTTP/1.1 forbids it, HTTP/1.0 does not.
    assert status(ask(f"127.0.0.1:{port}", "evil.example")) in (400, 421)
    assert status(raw(mount, "GET /x HTTP/1.0\r\n\r\n")) == 421
    target = (
        f"GET http://evil.example/x HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    )
    assert status(raw(mount, target)) == 404


def test_foreign_origins(house, client):
    mount = house.mount("/x", echo, origins=["http://localhost:8888", "HTTPS://Lab.Example"])
    other = house.mount("/y", echo)
    own = [f"http://{host}:{house.port}" for host in ("127.0.0.1", "localhost", "[::1]")]
    for origin in own:
        assert client.get(other.url, headers={"Origin": origin}).status_code == 200
    for origin in ("http://localhost:8888", "https://lab.example", *own):
        assert client.get(mount.url, headers={"Origin": origin}).status_code == 200
    for origin in (
        "null",
        "http://evil.example",
        f"http://evil.example:{house.port}",
        f"https://127.0.0.1:{house.port}",
        "http://localhost",
        "http://localhost:8888.evil.example",
        "",
    ):
        for url in (mount.url, other.url):
            answer = client.get(url, headers={"Origin": origin})
            assert answer.status_code == 403, origin
            assert answer.json()["error"]["code"] == "WRONG_ORIGIN"
    assert client.get(other.url, headers={"Origin": "http://localhost:8888"}).status_code == 403
    two = [("Origin", own[0]), ("Origin", "http://evil.example")]
    assert client.get(mount.url, headers=two).status_code == 403


# --- the token


def test_the_token(house, client):
    mount = house.mount("/x", echo, token=TOKEN)
    assert mount.token == TOKEN
    assert mount.secret_url == f"{mount.url}/{TOKEN}"
    for headers in (
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer  {TOKEN}"},
        {"X-VCPLab-Token": TOKEN},
    ):
        answer = client.get(f"{mount.url}/a", headers=headers)
        assert answer.json()["root_path"] == "/x"
    told = client.get(f"{mount.secret_url}/plugin/7").json()
    assert told["path"] == f"/x/{TOKEN}/plugin/7"
    assert told["root_path"] == f"/x/{TOKEN}"
    assert client.get(mount.secret_url).status_code == 200
    for url, headers in (
        (mount.url, {}),
        (f"{mount.url}/a/{TOKEN}", {}),
        (f"{mount.url}//{TOKEN}", {}),
        (f"{mount.url}/{TOKEN}x", {}),
        (f"{mount.url}/{TOKEN[:-1]}", {}),
        (f"{mount.url}/{TOKEN.upper()}", {}),
        (f"{mount.url}?token={TOKEN}", {}),
        (mount.url, {"Authorization": TOKEN}),
        (mount.url, {"Authorization": f"Basic {TOKEN}"}),
        (mount.url, {"Authorization": "Bearer"}),
        (mount.url, {"X-VCPLab-Token": ""}),
        (mount.url, {"X-VCPLab-Token": TOKEN + "\xff"}),
    ):
        answer = client.get(url, headers={k: v.encode("latin-1") for k, v in headers.items()})
        assert answer.status_code == 401, (url, headers)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in answer.text
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) == 32


def test_a_token_that_has_signs_in_it(house, client):
    mount = house.mount("/x", echo, token="a%2F?#&=+é"[:-1])
    assert client.get(f"{mount.secret_url}/y").json()["root_path"] == "/x/a%2F?#&=+"


def test_the_token_in_a_path_is_not_logged(house, websockets, caplog):
    async def either(scope, receive, send):
        await (echo if scope["type"] == "http" else repeat)(scope, receive, send)

    with caplog.at_level(logging.INFO):
        mount = house.mount("/x", either, token=TOKEN)
        host = f"Host: 127.0.0.1:{house.port}\r\nConnection: close"
        for token, expected in ((TOKEN, 200), (f"{TOKEN}wrong", 401)):
            assert status(raw(mount, f"GET /x/{token} HTTP/1.1\r\n{host}\r\n\r\n")) == expected
        with connect(mount, f"/{TOKEN}") as own:
            own.send("a")
            assert own.recv(timeout=5) == "a"
    assert TOKEN not in caplog.text
    assert logging.getLogger("uvicorn.access").propagate
    assert logging.getLogger("uvicorn.error").level == logging.NOTSET


# --- size


def test_bodies_have_a_limit(house, client):
    reached = []

    async def counting(scope, receive, send):
        reached.append(scope["method"])
        await echo(scope, receive, send)

    mount = house.mount("/x", counting, body_limit=1000)
    assert client.post(mount.url, content=b"x" * 1000).json()["size"] == 1000
    assert client.post(mount.url, content=iter([b"x" * 100] * 10)).json()["size"] == 1000
    assert reached == ["POST", "POST"]
    declared = client.post(mount.url, content=b"x" * 1001)
    assert declared.status_code == 413
    assert reached == ["POST", "POST"]  # said beforehand, so the app never saw it
    streamed = client.post(mount.url, content=iter([b"x" * 100] * 11))
    assert streamed.status_code == 413
    assert streamed.json()["error"] == {
        "code": "TOO_LARGE",
        "message": "The body is larger than 1,000 bytes.",
    }
    assert client.get(mount.url).status_code == 200
    assert BODY_LIMIT == 100 * 2**20


def test_a_client_that_goes_on_sending_gets_the_answer(house, client):
    ended = threading.Event()
    seen = []

    async def greedy(scope, receive, send):
        while (message := await receive())["type"] == "http.request":
            seen.append(len(message["body"]))
        seen.append(message["type"])
        await respond(send)  # too late: it has been answered
        ended.set()

    mount = house.mount("/x", greedy, body_limit=100_000)
    assert client.post(mount.url, content=b"x" * 4_000_000).status_code == 413
    assert not seen
    assert client.post(mount.url, content=iter([b"x" * 50_000] * 80)).status_code == 413
    assert ended.wait(5)
    assert seen.pop() == "http.disconnect"
    assert sum(seen) <= 100_000
    locked = house.mount("/y", greedy, token=TOKEN)
    assert client.post(locked.url, content=b"x" * 4_000_000).status_code == 401


def test_a_lie_about_the_length(house):
    mount = house.mount("/x", echo, body_limit=10)
    head = f"POST /x HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nConnection: close\r\n"
    assert status(raw(mount, f"{head}Content-Length: 99999999999999999999999\r\n\r\n")) in (
        400,
        413,
    )
    assert status(raw(mount, f"{head}Content-Length: -1\r\n\r\n")) == 400
    assert status(raw(mount, f"{head}Content-Length: 3\r\n\r\nabcdef")) == 200
    assert status(raw(mount, "nonsense\r\n\r\n")) == 400


# --- errors


def test_an_error_in_an_app(house, client, caplog):
    async def broken(scope, receive, send):
        raise RuntimeError("secret detail")

    async def silent(scope, receive, send):
        pass

    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("in the middle")

    for prefix, app in {"/broken": broken, "/silent": silent, "/half": half}.items():
        house.mount(prefix, app)
    for prefix in ("/broken", "/silent"):
        answer = client.get(house.url + prefix)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "INTERNAL_ERROR"
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
    with pytest.raises(httpx2.RemoteProtocolError):  # not taken for a whole answer
        client.get(f"{house.url}/half")
    assert "secret detail" in caplog.text
    assert "in the middle" in caplog.text
    assert {record.name for record in caplog.records} == {"vcplab.net"}
    assert len(caplog.records) == 3


def test_an_app_has_nothing_of_the_mounting_cells_context(house, client):
    cell = contextvars.ContextVar("cell", default="none")

    async def show(scope, receive, send):
        await respond(send, cell.get().encode())

    cell.set("first")
    mount = house.mount("/x", show)
    assert client.get(mount.url).text == "none"


# --- several at a time


def test_requests_run_side_by_side(house):
    count, everybody = 0, None

    async def together(scope, receive, send):
        nonlocal count, everybody
        everybody = everybody or asyncio.Event()
        count += 1
        if count == 20:
            everybody.set()
        await everybody.wait()
        await respond(send)

    mount = house.mount("/x", together)

    async def all_of_them():
        async with httpx2.AsyncClient(trust_env=False, timeout=10) as own:
            answers = await asyncio.gather(*(own.get(mount.url) for _ in range(20)))
        return {answer.status_code for answer in answers}

    assert run(all_of_them()) == {200}


def test_rooms_that_mount_at_once_share_one_server(house):
    async def both():
        mounts = await asyncio.gather(*(house.amount(f"/{n}", echo) for n in range(10)))
        return {mount.url.rpartition("/")[0] for mount in mounts}

    assert run(both()) == {house.url}
    house.close()
    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=house.mount, args=(f"/{number}", echo)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert "8 mounts" in repr(house)


# --- WebSockets


async def repeat(scope, receive, send):
    """Send back what comes, and what the path was."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "boom":
            raise RuntimeError("secret detail")
        if message.get("text") == "root":
            message["text"] = scope["root_path"]
        await send({**message, "type": "websocket.send"})


def connect(mount, path="", **options):
    from websockets.sync.client import connect as open_one

    return open_one(mount.url.replace("http:", "ws:") + path, proxy=None, max_size=None, **options)


def test_a_websocket(house, websockets):
    mount = house.mount("/ws", repeat, token=TOKEN)
    with connect(mount, f"/{TOKEN}/more") as own:
        own.send("茶")
        assert own.recv(timeout=5) == "茶"
        own.send(b"\x00\x01")
        assert own.recv(timeout=5) == b"\x00\x01"
        own.send("root")
        assert own.recv(timeout=5) == f"/ws/{TOKEN}"
        own.send("x" * 2_000_000)
        assert len(own.recv(timeout=5)) == 2_000_000
    with connect(mount, additional_headers={"X-VCPLab-Token": TOKEN}) as own:
        own.send("a")
        assert own.recv(timeout=5) == "a"


def test_websockets_are_checked_before_they_are_accepted(house, websockets):
    from websockets.exceptions import InvalidStatus

    reached = []

    async def noting(scope, receive, send):
        reached.append(scope["path"])
        await repeat(scope, receive, send)

    mount = house.mount("/ws", noting, token=TOKEN)

    def refused(path="", **headers):
        with (
            pytest.raises(InvalidStatus) as caught,
            connect(mount, path, additional_headers={k.title(): v for k, v in headers.items()}),
        ):
            pass
        assert json.loads(caught.value.response.body)["error"]["message"]
        return caught.value.response.status_code

    assert refused() == 401
    assert refused("/wrong") == 401
    assert refused(f"/{TOKEN}", origin="http://evil.example") == 403
    assert refused(f"/{TOKEN}", origin="null") == 403
    upgrade = (
        f"GET /ws/{TOKEN} HTTP/1.1\r\nHost: evil.example:{house.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    assert status(raw(mount, upgrade)) == 421
    assert (
        status(raw(mount, upgrade.replace("/ws", "/none").replace("evil.example", "localhost")))
        == 404
    )
    assert reached == []


def test_a_message_that_is_too_large(house, websockets, caplog):
    from websockets.exceptions import ConnectionClosed

    mount = house.mount("/ws", repeat, body_limit=1000)
    for message in ("茶" * 400, b"x" * 1001):
        with connect(mount) as own:
            own.send("x" * 1000)
            assert len(own.recv(timeout=5)) == 1000
            own.send(message)
            with pytest.raises(ConnectionClosed) as caught:
                own.recv(timeout=5)
            assert caught.value.rcvd.code == 1009
    assert not caplog.records


def test_an_error_in_a_websocket(house, websockets, caplog):
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    mount = house.mount("/ws", repeat)
    with connect(mount) as own:
        own.send("boom")
        with pytest.raises(ConnectionClosed) as caught:
            own.recv(timeout=5)
        assert caught.value.rcvd.code == 1011
        assert "secret" not in caught.value.rcvd.reason
    assert "secret detail" in caplog.text

    async def early(scope, receive, send):
        raise RuntimeError("before it was accepted")

    other = house.mount("/early", early)
    with pytest.raises(InvalidStatus) as caught, connect(other):
        pass
    assert caught.value.response.status_code == 500
    assert len(caplog.records) == 2


def test_closing_a_mount_hangs_up(house, websockets):
    from websockets.exceptions import ConnectionClosed

    mount = house.mount("/ws", repeat)
    other = house.mount("/other", repeat)
    with connect(mount) as one, connect(other) as two:
        mount.close()
        with pytest.raises(ConnectionClosed) as caught:
            one.recv(timeout=5)
        assert caught.value.rcvd.code == 1001
        two.send("still here")
        assert two.recv(timeout=5) == "still here"


# --- the end


class Slow:
    """An app that waits to be let go."""

    def __init__(self):
        self.entered = threading.Event()
        self.cancelled = False

    async def __call__(self, scope, receive, send):
        self.go = asyncio.Event()
        self.entered.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        await respond(send, b"late")

    def ask(self, client, url):
        """Ask in a thread, and return once the request is under way."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.get(url)))
        thread.start()
        assert self.entered.wait(5)

        def answer():
            thread.join(10)
            return answers[0]

        return answer


def test_a_request_that_is_under_way_may_finish(house, client, caplog):
    slow = Slow()
    mount = house.mount("/x", slow)
    answer = slow.ask(client, mount.url)
    closing = submit(mount.aclose(30))
    while mount.is_open:
        time.sleep(0.001)
    with httpx2.Client(trust_env=False) as another:
        assert another.get(mount.url).status_code == 404
    assert not closing.done()
    library_loop().run(_set(slow.go))
    closing.result(5)
    assert answer().text == "late"
    assert not slow.cancelled
    assert not caplog.records


async def _set(event):
    event.set()


@pytest.mark.parametrize("what", ["mount", "listener", "loop"])
def test_a_request_that_does_not_finish_is_told(house, client, caplog, what):
    slow = Slow()
    mount = house.mount("/x", slow)
    answer = slow.ask(client, mount.url)
    {"mount": mount, "listener": house}[what].close(0) if what != "loop" else library_loop().close()
    assert slow.cancelled
    assert answer().status_code == 503
    assert answer().json()["error"]["code"] == "CLOSING"
    assert not mount.is_open
    assert not caplog.records
    assert house.is_running is (what == "mount")


def test_an_app_that_will_not_stop(house, client):
    entered = threading.Event()

    async def stubborn(scope, receive, send):
        entered.set()
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.3)
        await respond(send)

    mount = house.mount("/x", stubborn)
    thread = threading.Thread(target=client.get, args=(mount.url,))
    thread.start()
    assert entered.wait(5)
    mount.close(0)  # comes back all the same
    thread.join(5)


def test_it_begins_anew_after_it_was_closed(house, client):
    first = house.mount("/x", echo)
    house.close()
    assert not house.is_running
    assert not first.is_open
    with pytest.raises(httpx2.ConnectError):
        client.get(first.url)
    house.close()
    second = house.mount("/x", echo)
    assert client.get(second.url).status_code == 200
    first.close()  # of another time
    assert second.is_open


def test_it_begins_anew_after_the_loop_was_closed(house, client):
    first = house.mount("/x", echo)
    assert client.get(first.url).status_code == 200  # a connection is left open
    library_loop().close()
    assert not house.is_running
    assert not first.is_open
    with httpx2.Client(trust_env=False) as another, pytest.raises(httpx2.ConnectError):
        another.get(first.url)
    second = house.mount("/x", echo)
    assert client.get(second.url).status_code == 200
    first.close()
    assert second.is_open


def test_an_open_connection_does_not_hold_up_the_end(house):
    mount = house.mount("/x", echo)
    with socket.create_connection(("127.0.0.1", house.port)) as idle:
        idle.sendall(b"GET /x HT")  # and never the rest
        assert httpx2.get(mount.url, trust_env=False).status_code == 200
        began = time.monotonic()
        house.close()
        assert time.monotonic() - began < 5
        idle.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert idle.recv(10) == b""


def child(source, **environment):
    """Run a program that ends by itself and says nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def test_no_thread_and_no_socket_is_left():
    source = """
        import gc, os, threading, time
        import httpx2
        from vcplab.core.loop import library_loop
        from vcplab.net.listener import Listener

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        def sockets():
            if not os.path.isdir("/proc/self/fd"):
                return 0
            links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
            return sum("socket" in os.readlink(link) for link in links if os.path.islink(link))

        before = sockets()
        own = Listener()
        for how in ("listener", "loop"):
            mount = own.mount("/x", app)
            with httpx2.Client(trust_env=False) as client:
                assert client.get(mount.url).status_code == 204
                if how == "listener":
                    own.close()
                library_loop().close()
            gc.collect()
            deadline = time.monotonic() + 5  # the loop's own helpers end soon after it
            while threading.enumerate() != [threading.main_thread()]:
                assert time.monotonic() < deadline, threading.enumerate()
            assert sockets() == before, (sockets(), before)
        own.mount("/x", app)  # and the third is closed by the exit
        print("done")
    """
    assert child(source) == "done\n"


def test_importing_it_loads_no_server():
    source = """
        import sys
        import vcplab.net.listener
        print({"uvicorn", "starlette", "websockets", "h11"} & set(sys.modules))
    """
    assert child(source) == "set()\n"


def test_the_loop_is_not_held_up_while_the_server_is_imported():
    source = """
        import asyncio, threading
        from vcplab.core.loop import run
        from vcplab.net.listener import Listener

        async def watched():
            seen, done = [], asyncio.Event()

            async def look():
                import sys
                while not done.is_set():
                    loaded = "uvicorn.protocols.http.h11_impl" in sys.modules
                    seen.append("uvicorn" in sys.modules and not loaded)
                    await asyncio.sleep(0)

            looking = asyncio.create_task(look())
            await Listener().amount("/x", watched)
            done.set()
            await looking
            return any(seen)  # the loop went on turning in the midst of it

        print(run(watched()))
    """
    assert child(source) == "True\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_begins_without_mounts():
    source = """
        import os, socket, sys, warnings
        import httpx2
        from vcplab.net.listener import listener
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, from 3.12 on

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

        def get(url):
            return httpx2.get(url, trust_env=False).text

        mount = listener().mount("/x", app)
        idle = httpx2.Client(trust_env=False)
        assert idle.get(mount.url).text == str(os.getpid())
        readable, writable = os.pipe()
        ready, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                assert not listener().is_running and not mount.is_open
                mount.close()  # the parent's: nothing happens
                assert get(mount.url) == str(os.getppid())
                own = listener().mount("/x", app)
                assert own.url != mount.url and get(own.url) == str(os.getpid())
                os.write(tell, b"x")
                os.read(readable, 1)  # lives on while the parent closes its listener
            except BaseException:
                import traceback
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(tell)
        os.read(ready, 1)
        assert idle.get(mount.url).text == str(os.getpid())
        listener().close()
        try:
            get(mount.url)
        except httpx2.ConnectError:
            print("the port is free")
        os.write(writable, b"x")
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        idle.close()
    """
    assert child(source) == "the port is free\n0\n"


def test_a_mount_is_a_value_that_shows_itself(house):
    mount = house.mount("/", echo, token=TOKEN)
    assert isinstance(mount, Mount)
    assert mount.prefix == "/"
    assert mount.secret_url == f"{house.url}/{TOKEN}"
    assert TOKEN not in repr(mount)
    assert TOKEN not in repr(house)
