"""What dialling says when it does not come to a connection, and what it never says."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wires import Bare, Echo, connect_proxy, destroy, make_certificates, status, until
from vcplab.core.errors import InvalidInputError, MissingDependencyError, VCPErrorCode
from vcplab.net._failures import Place, explain
from vcplab.net.dial import Dial, DialOptions

KEY = "key-123456"
CONNECTION = VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
AUTH = VCPErrorCode.DISTRIBUTED_AUTH_FAILED
TIMEOUT = VCPErrorCode.DISTRIBUTED_TIMEOUT
PLACE = Place(server="vcp.example:6005", secure=False, proxy=None, open_timeout=15)


async def idle(wire):
    async for _ in wire:
        pass


async def problem(url, attempts=1, **options):
    """The state after so many attempts, or the open one."""
    given = {"first_delay": 0.001, "longest_delay": 0.001, "proxy": None, **options}
    states = []
    dial = Dial(url, DialOptions(**given), told=states.append)
    task = asyncio.create_task(dial.run(idle))

    def seen():
        waits = [state for state in states if state.phase == "waiting"]
        return len(waits) >= attempts or any(state.phase == "open" for state in states)

    await until(seen)
    await dial.stop()
    await task
    for state in states:
        assert KEY not in repr(state)
    ends = [state for state in states if state.phase in ("waiting", "open")]
    return ends[0] if ends[0].phase == "open" else ends[attempts - 1]


def test_nobody_listens():
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            state = await problem(f"ws://{host}:{port}/VCP_Key={KEY}")
            assert state.problem.startswith(f"Nobody listens at {host}:{port}.")
            assert "Start the main server" in state.problem
            assert state.code is CONNECTION

    asyncio.run(main())


def test_no_answer():
    async def main():
        async def hang(reader, writer, head):
            await reader.read()

        async with Bare(hang) as server:
            state = await problem(server.url, open_timeout=0.1)
            assert f"No answer from 127.0.0.1:{server.port} within 0.1 s" in state.problem
            assert state.code is TIMEOUT

    asyncio.run(main())


def test_a_destroyed_socket_is_a_bad_key_from_the_second_time():
    async def main():
        async with Bare(destroy) as server:
            first = await problem(server.url)
            assert "without an answer" in first.problem
            assert "check key" not in first.problem
            assert first.code is AUTH
            for attempts in (2, 3):
                state = await problem(server.url, attempts)
                assert f"{attempts} times in a row" in state.problem
                assert "check key and path (the server may also be shutting down)" in state.problem
                assert state.code is AUTH

    asyncio.run(main())


def test_a_socket_that_is_closed_politely_without_an_answer_counts_too():
    async def main():
        async def close(reader, writer, head):
            writer.close()

        async with Bare(close) as server:
            assert "check key and path" in (await problem(server.url, 2)).problem

    asyncio.run(main())


def test_other_failures_in_between_begin_the_count_anew():
    async def main():
        answers = iter([destroy, status("503 No"), destroy, destroy, destroy])

        async def changing(reader, writer, head):
            await next(answers, destroy)(reader, writer, head)

        async with Bare(changing) as server:
            assert "check key" not in (await problem(server.url, 3)).problem

    asyncio.run(main())


@pytest.mark.parametrize(
    ("line", "headers", "expected", "code"),
    [
        ("401 Unauthorized", "", "Check the key", AUTH),
        ("403 Forbidden", "", "Check the key", AUTH),
        ("404 Not Found", "", "Check the path", CONNECTION),
        ("301 Moved", "Location: https://127.0.0.1/node/VCP_Key=key-123456\r\n", "wss://", None),
        ("302 Moved", "Location: http://other.example/VCP_Key=key-123456\r\n", "moved to", None),
        ("307 Moved", "", "it has moved.", None),
        ("308 Moved", "Location: http://[bad\r\n", "it has moved.", None),
        ("502 Bad Gateway", "", "gateway", CONNECTION),
        ("429 Too Many", "", "too many", CONNECTION),
        ("200 OK", "", "WebSocket upgrades", CONNECTION),
        ("500 Oops", "", "HTTP 500", CONNECTION),
    ],
)
def test_an_http_status_instead(line, headers, expected, code):
    async def main():
        async with Bare(status(line, headers)) as server:
            state = await problem(server.url)
            assert expected in state.problem
            assert line.split()[0] in state.problem
            assert state.code is (code or CONNECTION)
            assert all(head.startswith("GET /node/VCP_Key=key-123456 ") for head in server.heads)

    asyncio.run(main())


def test_something_that_is_no_http():
    async def main():
        async def ssh(reader, writer, head):
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n")
            writer.close()

        async with Bare(ssh) as server:
            assert "does not speak HTTP" in (await problem(server.url)).problem

    asyncio.run(main())


def test_an_upgrade_that_is_none():
    async def main():
        async with Bare(status("101 Switching", "Upgrade: nonsense\r\n")) as server:
            assert "is no WebSocket server" in (await problem(server.url)).problem

    asyncio.run(main())


def test_headers_are_sent():
    async def main():
        async with Echo() as server:
            state = await problem(server.url, headers={"X-Token": "abc"})
            assert state.phase == "open"
            assert server.headers[0]["X-Token"] == "abc"

    asyncio.run(main())


# TLS


def test_an_authority_of_ones_own(certificates, tmp_path):
    async def main():
        async with Echo(tls=certificates.server) as server:
            state = await problem(server.url)
            assert "certificate" in state.problem
            assert "Pass ca=" in state.problem
            assert (await problem(server.url, ca=certificates.ca)).phase == "open"
            (tmp_path / "ours.pem").write_bytes(certificates.ca.read_bytes())
            assert (await problem(server.url, ca=str(tmp_path))).phase == "open"
            wrong_name = server.url.replace("localhost", "127.0.0.1")
            state = await problem(wrong_name, ca=certificates.ca)
            assert "Use the name that stands in the certificate" in state.problem

    asyncio.run(main())


def test_tls_where_there_is_none(certificates):
    async def main():
        async def refuse(reader, writer):
            await reader.read(10)
            if expected == "does not speak TLS":
                writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                writer.close()
            else:
                writer.transport.abort()

        for expected in ("does not speak TLS", "hung up while TLS"):
            server = await asyncio.start_server(refuse, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            state = await problem(f"wss://127.0.0.1:{port}/VCP_Key={KEY}", 2)
            assert expected in state.problem
            assert "use ws://" in state.problem.lower()
            assert state.code is CONNECTION
            server.close()
            await server.wait_closed()
        async with Echo(tls=certificates.server) as secure:
            state = await problem(secure.url.replace("wss:", "ws:"))
            assert state.phase == "waiting"

    asyncio.run(main())


def test_expired_certificates_in_words():
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = "certificate has expired"
    assert "Renew" in explain(error, PLACE).text


# Proxies


def test_through_an_http_proxy(certificates):
    async def main():
        async with Echo() as plain, Echo(tls=certificates.server) as secure:
            for server, ca in ((plain, None), (secure, certificates.ca)):
                async with Bare(connect_proxy(server.port)) as proxy:
                    through = f"http://127.0.0.1:{proxy.port}"
                    state = await problem(server.url, proxy=through, ca=ca)
                    assert state.phase == "open", state
                    assert proxy.heads[0].startswith(f"CONNECT localhost:{server.port} ")

    asyncio.run(main())


def test_a_proxy_with_a_password():
    async def main():
        async with Echo() as server:
            basic = "Basic dXNlcjpwYXNzLXcwcmQ="  # user:pass-w0rd
            async with Bare(connect_proxy(server.port, basic)) as proxy:
                right = f"http://user:pass-w0rd@127.0.0.1:{proxy.port}"
                assert (await problem(server.url, proxy=right)).phase == "open"
                wrong = f"http://user:wr0ng-word@127.0.0.1:{proxy.port}"
                state = await problem(server.url, proxy=wrong)
                assert "407" in state.problem
                assert f"http://127.0.0.1:{proxy.port}" in state.problem
                assert "wr0ng-word" not in state.problem
                assert "wr0ng" not in repr(DialOptions(proxy=wrong))

    asyncio.run(main())


def test_a_proxy_that_fails():
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        state = await problem("ws://vcp.example/x", proxy=f"http://127.0.0.1:{port}")
        assert f"Nobody listens at the proxy http://127.0.0.1:{port}." in state.problem
        async with Bare(status("502 Bad Gateway")) as proxy:
            through = f"http://127.0.0.1:{proxy.port}"
            state = await problem("ws://vcp.example/x", proxy=through)
            assert "found no way to vcp.example:80" in state.problem

        async def nonsense(reader, writer, head):
            writer.write(b"what?\r\n\r\n")
            writer.close()

        async with Bare(nonsense) as proxy:
            through = f"http://127.0.0.1:{proxy.port}"
            state = await problem("ws://vcp.example/x", proxy=through)
            assert "did not answer as a proxy does" in state.problem

    asyncio.run(main())


@pytest.fixture
def no_proxies(monkeypatch):
    for name in ("ws", "wss", "http", "https", "socks", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    return monkeypatch


def test_the_proxy_of_the_environment_but_never_for_this_machine(no_proxies):
    async def main():
        async with Echo() as server, Bare(connect_proxy(server.port)) as proxy:
            no_proxies.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            elsewhere = server.url.replace("localhost", "vcp.example")
            assert (await problem(elsewhere, proxy=True)).phase == "open"
            assert len(proxy.heads) == 1
            assert (await problem(server.url, proxy=True)).phase == "open"
            assert len(proxy.heads) == 1

    asyncio.run(main())


def test_a_bad_proxy_of_the_environment(no_proxies):
    no_proxies.setenv("ws_proxy", "gopher://user:pass-w0rd@127.0.0.1:70")
    state = asyncio.run(problem("ws://vcp.example/x", proxy=True))
    assert "no URL of a proxy" in state.problem
    assert "pass-w0rd" not in state.problem


# In words, without a network


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.gaierror(-2, "Name or service not known"), "is unknown"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no way to"),
        (OSError(f"Multiple exceptions: [Errno {errno.ENETUNREACH}] x, y"), "no way to"),
        (OSError(f"Multiple exceptions: [Errno {errno.ECONNREFUSED}] x, y"), "Nobody listens"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        (ConnectionResetError(), "without an answer"),
        (ssl.SSLError(1, "[SSL: TLSV1_ALERT] no"), "TLS with"),
        (TimeoutError(), "No answer"),
        (ImportError("socks"), "python-socks"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_errors_in_words(error, expected):
    told = explain(error, PLACE)
    assert expected in told.text
    assert told.text[0].isupper() or told.text.startswith("vcp.example")


# Options and addresses


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("open_timeout", 0),
        ("ping_period", -1),
        ("ping_period", float("inf")),
        ("ping_period", "20"),
        ("ping_period", True),
        ("close_timeout", 0),
        ("first_delay", -1),
        ("first_delay", 61),
        ("longest_delay", float("nan")),
        ("stable_after", None),
        ("max_size", 0),
        ("max_size", 1.5),
        ("max_size", True),
        ("proxy", 7),
        ("proxy", "127.0.0.1:3128"),
        ("proxy", "http://"),
        ("proxy", "http://h/path"),
        ("proxy", "http://h:99999"),
        ("proxy", "http://user@h"),
        ("headers", {"a b": "c"}),
        ("headers", {"Host": "h"}),
        ("headers", {"Sec-WebSocket-Key": "h"}),
        ("headers", {"X": "a\r\nInjected: yes"}),
        ("headers", {"X": 1}),
        ("headers", {"X": "é"}),
        ("ca", "/nowhere/at/all.pem"),
    ],
)
def test_options_that_cannot_be(name, value):
    with pytest.raises(InvalidInputError) as caught:
        DialOptions(**{name: value})
    assert caught.value.where == name
    assert caught.value.next_step


def test_an_authority_that_is_none(tmp_path):
    with pytest.raises(InvalidInputError, match="folder without certificates"):
        DialOptions(ca=tmp_path)
    (tmp_path / "a.pem").write_text("no certificate")
    for ca in (tmp_path, tmp_path / "a.pem"):
        with pytest.raises(InvalidInputError, match="PEM"):
            DialOptions(ca=ca)


def test_a_socks_proxy_without_its_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="python-socks"):
        DialOptions(proxy="socks5://127.0.0.1:1080")


def test_options_keep_their_own_headers_and_show_none():
    headers = {"Authorization": "Bearer s3cr3t-t0ken"}
    options = DialOptions(headers=headers, proxy="http://user:pass-w0rd@127.0.0.1:1")
    headers["X"] = "later"
    assert dict(options.headers) == {"Authorization": "Bearer s3cr3t-t0ken"}
    assert "s3cr3t" not in repr(options)
    assert "pass-w0rd" not in repr(options)
    assert hash(options) == hash(options)
    assert DialOptions() == DialOptions()


@pytest.mark.parametrize(
    "url",
    [
        "http://h/VCP_Key=key-123456",
        "ws:///VCP_Key=key-123456",
        "ws://h:99999/VCP_Key=key-123456",
        "ws://[::1/VCP_Key=key-123456",
        "ws://h/VCP_Key=key-123456#f",
        "ws://key-123456@h/",
        "key-123456",
        "",
    ],
)
def test_addresses_that_are_none_are_not_repeated(url):
    with pytest.raises(InvalidInputError) as caught:
        Dial(url)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://h/node/VCP_Key=key-123456", "ws://h/node/VCP_Key=•••"),
        ("wss://h:1/vcp_key=key-123456?deviceName=a", "wss://h:1/vcp_key=•••"),
        ("ws://user:key-123456@[::1]:6005/", "ws://[::1]:6005/"),
        ("ws://h/a/VCP_Key=key-123456/more", "ws://h/a/VCP_Key=•••"),
    ],
)
def test_addresses_are_shown_without_the_key(url, shown):
    dial = Dial(url)
    assert dial.shown == shown
    assert KEY not in repr(dial)
    assert KEY not in dial.scrub(f"GET {url} failed, {url.partition('h')[2]} too")


@given(
    key=st.text("abcXYZ0189-._~!$&'()*+,;=@%", min_size=6, max_size=30),
    before=st.sampled_from(["", "/base", "/a/b"]),
)
def test_no_text_holds_the_key(key, before):
    url = f"ws://vcp.example:6005{before}/vcp-distributed-server/VCP_Key={key}"
    dial = Dial(url, secrets=[key])
    for text in (
        url,
        f"GET {url[20:]} HTTP/1.1",
        f"the key '{key}' is bad",
        repr(dial),
        dial.shown,
    ):
        assert key not in dial.scrub(text).replace("VCP_Key", "")


def test_short_keys_are_hidden_as_words():
    dial = Dial("ws://h/VCP_Key=abc", secrets=["abc"])
    assert dial.scrub("bad key abc, abcd is none") == "bad key •••, abcd is none"


def test_an_error_nobody_foresaw_does_not_escape(monkeypatch):
    async def main():
        dial = Dial("ws://127.0.0.1:9/VCP_Key=key-123456", DialOptions(first_delay=0.001))

        async def odd(serve):
            raise KeyError(KEY)

        monkeypatch.setattr(dial, "_once", odd)
        task = asyncio.create_task(dial.run(idle))
        await until(lambda: dial.state.failures > 1)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert "unforeseen" not in (dial.state.problem or "")

    asyncio.run(main())


def test_a_certificate_for_another_name(tmp_path):
    pytest.importorskip("ssl")
    try:
        ca, certificate, key = make_certificates(tmp_path, "elsewhere.example")
    except FileNotFoundError:
        pytest.skip("needs the openssl command to make certificates")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def main():
        async with Echo(tls=context) as server:
            state = await problem(server.url, ca=ca)
            assert "Use the name" in state.problem

    asyncio.run(main())
