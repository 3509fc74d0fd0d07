"""The network commands against an HTTP server on the loopback interface."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from filekit import network
from filekit.commands import run
from filekit.problems import FileProblem
from filekit.settings import Settings
from filekit.web import visible_text

HTML = (
    b"<html><head><title>A &amp; B</title><style>p{}</style></head><body><script>x()</script>"
    b"<h1>Head</h1><p>One  <b>two</b><br>three</p></body></html>"
)
PNG = b"\x89PNG\r\n\x1a\n" + b"rest"
PAGES: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/a.txt": (200, {"Content-Type": "text/plain; charset=utf-8"}, "第一\n第二\n".encode()),
    "/gbk.txt": (200, {"Content-Type": "text/plain; charset=GBK"}, "你好".encode("gbk")),
    "/odd.txt": (200, {"Content-Type": "text/plain; charset=hex"}, b"plain"),
    "/page": (200, {"Content-Type": "text/html"}, HTML),
    "/p.png": (200, {"Content-Type": "image/png"}, PNG),
    "/b.zip": (200, {"Content-Type": "application/zip"}, b"PK\0\x01"),
    "/large": (200, {"Content-Type": "text/plain"}, b"x" * 200_001),
    "/packed": (200, {"Content-Encoding": "gzip"}, b"x"),
    "/gone": (404, {}, b""),
    "/moved": (302, {"Location": "/a.txt"}, b""),
    "/loop": (302, {"Location": "/loop"}, b""),
    "/to-file": (302, {"Location": "file:///etc/hostname"}, b""),
    "/to-metadata": (302, {"Location": "http://169.254.169.254/latest"}, b""),
    "/%E6%96%87%20a.txt": (200, {"Content-Type": "text/plain"}, b"quoted"),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"only this")
            return
        status, headers, data = PAGES.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.path != "/large":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        allowed=f"docs={tmp_path}", network=True, private_network=True, max_bytes=200_000
    )


def read(settings: Settings, url: str, **more: Any) -> dict[str, Any]:
    return run({"command": "WebReadFile", "url": url, **more}, settings)


def test_texts_pages_and_pictures(settings: Settings, site: str) -> None:
    reply = read(settings, site + "/a.txt", lines="2")
    assert reply["content"][0]["text"] == "第二\n"
    assert read(settings, site + "/gbk.txt")["content"][0]["text"] == "你好"
    assert read(settings, site + "/odd.txt")["content"][0]["text"] == "plain"
    assert read(settings, site + "/moved")["url"] == site + "/a.txt"
    assert read(settings, site + "/文 a.txt")["content"][0]["text"] == "quoted"
    assert (
        read(settings, site + "/page")["content"][0]["text"] == "A & B\n\nHead\n\nOne two\nthree\n"
    )
    assert read(settings, site + "/page", raw="true")["content"][0]["text"] == HTML.decode()
    assert read(settings, site + "/p.png")["content"][1]["type"] == "image_url"
    assert read(settings, site + "/b.zip")["binary"] is True


@pytest.mark.parametrize(
    ("path", "needle"),
    [
        ("/gone", "404"),
        ("/loop", "redirects"),
        ("/to-file", "not http"),
        ("/to-metadata", "special address"),
        ("/large", "more than 200000 bytes"),
        ("/packed", "packed"),
        ("/short", "broke off"),
    ],
)
def test_what_goes_wrong_is_told(settings: Settings, site: str, path: str, needle: str) -> None:
    with pytest.raises(FileProblem, match=needle):
        read(settings, site + path)


@pytest.mark.parametrize(
    ("url", "needle"),
    [
        ("file:///etc/hostname", "not http"),
        ("ftp://127.0.0.1/", "not http"),
        ("http://", "no machine"),
        ("http://me:pw@127.0.0.1/", "user name"),
        ("http://127.0.0.1:99999/", "no address"),
        ("http://169.254.169.254/", "special address"),
        ("http://0.0.0.0/", "special address"),
        ("http://[::ffff:169.254.169.254]/", "special address"),
    ],
)
def test_addresses_that_are_never_loaded(settings: Settings, url: str, needle: str) -> None:
    with pytest.raises(FileProblem, match=needle):
        read(settings, url)


def test_the_network_is_off_unless_configured(settings: Settings, site: str) -> None:
    off = replace(settings, network=False)
    for command in ("WebReadFile", "DownloadFile"):
        with pytest.raises(FileProblem, match="ALLOW_NETWORK=true"):
            run({"command": command, "url": site + "/a.txt"}, off)
    public = replace(settings, private_network=False)
    port = site.rsplit(":", 1)[1]
    for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "[::1]"):
        with pytest.raises(FileProblem, match=r"ALLOW_PRIVATE_NETWORK=true|cannot be loaded"):
            read(public, f"http://{host}:{port}/a.txt")


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(host: str, port: int, **_: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("8.8.8.8", port)), (*kind, ("10.0.0.1", port))]

    monkeypatch.setattr(network.socket, "getaddrinfo", answer)
    with pytest.raises(FileProblem, match=r"10\.0\.0\.1"):
        read(replace(settings, private_network=False), "http://mixed.example/")


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, True),
        ("2001:4860:4860::8888", True, True),
        ("127.0.0.1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.0.1", False, True),
        ("::1", False, True),
        ("fd00::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("64:ff9b::7f00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
        ("255.255.255.255", False, False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False, False),
        ("100.64.0.1", False, False),
    ],
)
def test_addresses(address: str, public: bool, private: bool) -> None:
    assert network.allowed_address(address, private=False) is public
    assert network.allowed_address(address, private=True) is private


def test_downloads_land_in_a_root(settings: Settings, site: str, tmp_path: Path) -> None:
    reply = run({"command": "DownloadFile", "url": site + "/b.zip"}, settings)
    assert reply["path"] == "docs:downloads/b.zip"
    reply = run({"command": "DownloadFile", "url": site + "/b.zip"}, settings)
    assert (reply["path"], reply["renamed"]) == ("docs:downloads/b-2.zip", True)
    assert (tmp_path / "downloads" / "b.zip").read_bytes() == b"PK\0\x01"
    reply = run(
        {"command": "DownloadFile", "url": site + "/moved", "filePath": "docs:x/y.txt"}, settings
    )
    assert (tmp_path / "x" / "y.txt").read_bytes() == PAGES["/a.txt"][2]
    for wrong in ("docs:../y.txt", "docs:.trash/y.txt"):
        with pytest.raises(FileProblem):
            run({"command": "DownloadFile", "url": site + "/a.txt", "filePath": wrong}, settings)
    for path in ("/gone", "/large", "/short"):
        with pytest.raises(FileProblem):
            run({"command": "DownloadFile", "url": site + path}, settings)
    assert sorted(p.name for p in (tmp_path / "downloads").iterdir()) == ["b-2.zip", "b.zip"]


def test_a_server_that_never_answers_ends_in_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(FileProblem, match=r"cannot be loaded|took more"):
            read(settings, url)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", "\n"),
        ("<p>a<p>b", "a\nb\n"),
        ("<head><title>T</title><body>x", "T\n\nx\n"),
        ("<script>if (a</b) {}</script>after", "after\n"),
        ("a &lt;b&gt; &#x4f60;", "a <b> 你\n"),
        ("<style>never closed", "\n"),
    ],
)
def test_visible_text(html: str, text: str) -> None:
    assert visible_text(html) == text
