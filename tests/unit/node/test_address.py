"""Addresses of main servers: every form that people write, and keys that are never shown."""

from __future__ import annotations

import copy
import string
import traceback

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from websockets.uri import parse_uri

from vcplab.core.errors import InvalidInputError
from vcplab.node.address import NODE_PATH, ServerAddress, read_address

KEY = "s3cr3t-K&y=%41/x"
END = f"/{NODE_PATH}/VCP_Key="
GOOD = "".join(sorted(set(string.ascii_letters + string.digits + "!$%&'()*+,-./:;=@[]_~")))
BAD = ' ?#"`{}|\\^<>\x00\t\n\r\x7f\x85钥é'


@pytest.mark.parametrize(
    ("written", "dialled", "http"),
    [
        ("127.0.0.1:6005", "ws://127.0.0.1:6005", "http://127.0.0.1:6005"),
        ("127.0.0.1", "ws://127.0.0.1:6005", "http://127.0.0.1:6005"),
        ("localhost", "ws://localhost:6005", "http://localhost:6005"),
        (" localhost:7 \n", "ws://localhost:7", "http://localhost:7"),
        ("vcp.example.org/base", "ws://vcp.example.org:6005/base", None),
        ("[::1]:7005", "ws://[::1]:7005", "http://[::1]:7005"),
        ("[::1]", "ws://[::1]:6005", None),
        ("::1", "ws://[::1]:6005", None),
        ("fe80::1%eth0", "ws://[fe80::1%eth0]:6005", None),
        ("http://127.0.0.1:6005", "ws://127.0.0.1:6005", "http://127.0.0.1:6005"),
        ("https://example.org", "wss://example.org", "https://example.org"),
        ("HTTPS://Example.ORG/", "wss://example.org", "https://example.org"),
        ("ws://example.org", "ws://example.org", "http://example.org"),
        ("wss://example.org:8443/vcp/", "wss://example.org:8443/vcp", None),
        (f"ws://h:1/{NODE_PATH}", "ws://h:1", "http://h:1"),
        (f"ws://h:1/{NODE_PATH}/", "ws://h:1", "http://h:1"),
        (f"ws://h:1/a/b/{NODE_PATH}/", "ws://h:1/a/b", "http://h:1/a/b"),
        ("http://h:6005/v1/chat/completions", "ws://h:6005", "http://h:6005"),
        ("https://h/base/v1", "wss://h/base", "https://h/base"),
        ("ws://h:6005/VCPlog", "ws://h:6005", "http://h:6005"),
        ("ws://服务器.example:6005", "ws://xn--zfru1ggxt.example:6005", None),
    ],
)
def test_every_form_of_an_address(written: str, dialled: str, http: str | None) -> None:
    address = read_address(written, KEY)
    assert address.url == f"{dialled}{END}{KEY}"
    assert address.shown == str(address) == f"{dialled}{END}•••"
    assert address.key == KEY
    assert address.http_url == http or http is None
    assert "VCP_Key" not in address.http_url
    # What is shown can be given again.
    again = address.shown.removesuffix("VCP_Key=•••")
    assert read_address(again, KEY) == address


@pytest.mark.parametrize("head", ["ws://h:6005", "h:6005", "http://h:6005"])
@pytest.mark.parametrize("path", [NODE_PATH, "VCPlog", "vcpinfo"])
def test_the_full_form_brings_its_key(head: str, path: str) -> None:
    written = f"{head}/{path}/VCP_Key={KEY}"
    for key in (None, "", "  ", KEY, f"{KEY}\n", SecretStr(KEY)):
        address = read_address(written, key)
        assert address.url == f"ws://h:6005{END}{KEY}"
        assert address.key == KEY


def test_a_key_is_never_decoded_and_may_hold_slashes() -> None:
    address = read_address("ws://h:1/vcp-distributed-server/VCP_Key=a%2Fb/../VCP_Key=c")
    assert address.key == "a%2Fb/../VCP_Key=c"
    assert address.url.endswith("/VCP_Key=a%2Fb/../VCP_Key=c")


def test_another_path() -> None:
    address = read_address("https://h/base/nodes/", KEY, path="/nodes")
    assert address.url == f"wss://h/base/nodes/VCP_Key={KEY}"


def test_this_machine_is_told_apart() -> None:
    here = ["localhost", "127.0.0.1", "127.8.9.1:80", "::1", "http://[::1]:1", "vcp.localhost"]
    for written in here:
        assert read_address(written, KEY).is_loopback, written
    for written in ("10.0.0.1", "localhost.example.org", "https://example.org", "::2"):
        assert not read_address(written, KEY).is_loopback, written


def refused(url: object, key: object = KEY) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        read_address(url, key)  # type: ignore[arg-type]
    error = caught.value
    assert error.where in ("url", "key")
    assert error.next_step
    assert KEY not in "".join(traceback.format_exception(error))
    return error


def test_what_is_missing_names_the_settings() -> None:
    for url in (None, "", "  "):
        error = refused(url)
        assert (error.where, "VCP_SERVER" in str(error.next_step)) == ("url", True)
    for key in (None, "", " \n", SecretStr("")):
        error = refused("127.0.0.1:6005", key)
        assert (error.where, "VCP_KEY" in str(error.next_step)) == ("key", True)
    assert refused(f"ws://h{END}", None).where == "key"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (5, "must be text"),
        ("ftp://h", "ws://, wss://"),
        ("file:///etc/passwd", "ws://, wss://"),
        ("ws://", "no host"),
        ("ws:///vcp-distributed-server", "no host"),
        ("ws://:6005", "no host"),
        ("my host", "no host"),
        ("h:0", "port"),
        ("h:65536", "port"),
        ("h:port", "port"),
        ("ws://[::1", "cannot be read"),
        ("ws://h\n:1/x", "control"),
        (f"ws://user:{KEY[:6]}@h", "user or a password"),
        ("ws://h?x=1", "? or #"),
        (f"ws://h{END}abc?deviceName=x", "? or #"),
        (f"ws://h{END}abc#def", "? or #"),
        ("ws://h/基地", "percent-encoded"),
        ("ws://h/a b", "percent-encoded"),
        (f"ws://{'ü' * 80}", "looked up"),
    ],
)
def test_what_is_no_address_is_refused(url: object, says: str) -> None:
    error = refused(url)
    assert error.where == "url"
    assert says in error.message


def test_two_keys_are_refused() -> None:
    error = refused(f"ws://h{END}other-key-1", KEY)
    assert error.where == "key"
    assert "other-key-1" not in str(error)


@pytest.mark.parametrize("character", BAD)
@pytest.mark.parametrize("inside", ["key", "address"])
def test_keys_that_cannot_be_sent_are_refused(character: str, inside: str) -> None:
    key = f"abc123{character}xyz789"
    error = refused("h", key) if inside == "key" else refused(f"ws://h{END}{key}", None)
    assert "abc123" not in str(error)
    assert "xyz789" not in str(error)
    assert repr(error).count("xyz") == 0


def test_a_key_must_be_text() -> None:
    assert "bytes" in refused("h", b"abc").message


keys = st.text(GOOD, min_size=6, max_size=40)
hosts = st.sampled_from(["127.0.0.1:6005", "http://h.example", "wss://[::1]:1/b", "localhost"])


@given(hosts, keys, st.booleans())
@example("localhost", "distributed", True)
def test_no_key_is_ever_shown_and_every_key_is_sent_literally(
    host: str, key: str, inside: bool
) -> None:
    assume(key not in repr(read_address(host, "0")))  # such as a key "server"
    address = (
        read_address(host.rstrip("/") + END + key) if inside else read_address(host, SecretStr(key))
    )
    assert isinstance(address, ServerAddress)
    assert address.key == key
    for shown in (repr(address), str(address), f"{address}", address.shown, address.http_url):
        assert key not in shown
    assert copy.copy(address) == address
    # The very bytes of the request line, as the WebSocket client makes them.
    assert parse_uri(address.url).resource_name.endswith(f"/{NODE_PATH}/VCP_Key={key}")


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_is_an_address_or_refused(url: str, key: str) -> None:
    try:
        address = read_address(url, key)
    except InvalidInputError:
        return  # any other exception is a failure
    assert parse_uri(address.url).resource_name.endswith(f"VCP_Key={address.key}")
