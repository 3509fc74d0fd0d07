"""Files are served from shared folders alone."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError, NotFoundError, VCPError
from vcplab.node._file_urls import Place, read_file_url
from vcplab.node.roots import Roots, ServedFile

INSIDE = b"inside "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shared folder, beside a secret one."""
    return build(tmp_path)


def build(base: Path) -> Path:
    folder = base / "shared"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b c.txt", "sub/d%20e.md", "100%.csv", "数据.json", ".hidden"):
        (folder / name).write_bytes(INSIDE + name.encode())
    (base / "outside").mkdir()
    (base / "outside" / "s.txt").write_text("outside")
    (folder / "link").symlink_to(base / "outside")
    (folder / "s.txt").symlink_to(base / "outside" / "s.txt")
    (folder / "inner").symlink_to(folder / "sub")
    (folder / "loop").symlink_to(folder / "loop")
    return folder


@pytest.fixture
def roots(folder: Path) -> Roots:
    roots = Roots()
    roots.add("figs", folder)
    return roots


@pytest.mark.parametrize(
    ("url", "name", "mime"),
    [
        ("file:///figs/a.png", "a.png", "image/png"),
        ("file://figs/a.png", "a.png", "image/png"),
        ("file://FIGS/a.png", "a.png", "image/png"),
        ("FILE:///figs//a.png", "a.png", "image/png"),
        ("figs/a.png", "a.png", "image/png"),
        ("/figs/a.png", "a.png", "image/png"),
        ("file:///figs/sub/b%20c.txt", "b c.txt", "text/plain"),
        ("file:///figs/sub/b c.txt", "b c.txt", "text/plain"),
        ("figs/sub/b c.txt", "b c.txt", "text/plain"),
        ("file:///figs/sub/d%2520e.md", "d%20e.md", "text/markdown"),
        ("figs/sub/d%20e.md", "d%20e.md", "text/markdown"),
        ("file:///figs/100%.csv", "100%.csv", "text/csv"),
        ("file:///figs/%E6%95%B0%E6%8D%AE.json", "数据.json", "application/json"),
        ("file:///figs/inner/../a.png", "a.png", "image/png"),
        ("file:///figs/inner/b%20c.txt", "b c.txt", "text/plain"),
        ("file://localhost{base}/shared/a.png", "a.png", "image/png"),
        ("file://{base}/shared/a.png", "a.png", "image/png"),
        ("file:{base}/shared/a.png", "a.png", "image/png"),
        ("{base}/shared/a.png", "a.png", "image/png"),
        ("~/shared/a.png", "a.png", "image/png"),
        ("file:///~/shared/a.png", "a.png", "image/png"),
        ("file://~/shared/a.png", "a.png", "image/png"),
    ],
)
def test_forms_of_addresses(
    roots: Roots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, name: str, mime: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    served = roots.read(url.format(base=tmp_path))
    assert (served.name, served.mime) == (name, mime)
    assert served.data.startswith(INSIDE)


@pytest.mark.parametrize(
    "url",
    [
        "file:///figs/../outside/s.txt",
        "file:///figs/%2e%2e/outside/s.txt",
        "file:///figs%2F..%2Foutside/s.txt",
        "file:///figs/link/s.txt",
        "file:///figs/s.txt",
        "file:///figs/loop",
        "file:///figs/sub",
        "file:///figs",
        "file:///figs/",
        "file:///figs/none.txt",
        "file:///figs/.hidden",
        "file:///other/a.png",
        "file:///etc/passwd",
        "file://{base}/outside/s.txt",
        "{base}/shared/../outside/s.txt",
        "~/outside/s.txt",
        "~root/a.png",
        "../outside/s.txt",
        "a.png",
        "C:\\shared\\a.png",
        "file:///C:/shared/a.png",
        "file:///C|/shared/a.png",
        "\\\\figs\\a.png",
        "//figs/a.png",
    ],
)
def test_nothing_else_is_served_and_no_path_is_told(
    roots: Roots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NotFoundError) as caught:
        roots.read(url.format(base=tmp_path))
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(NotFoundError) as missing:
        roots.read("file:///figs/none.txt")
    assert str(caught.value) == str(missing.value)  # what is there is not told either
    assert "figs" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "  ", "http://x/figs/a.png", "data:,x", "a\0b", "file:///figs/%00", "x" * 5000, None, 3],
)
def test_what_is_no_address_is_an_error(roots: Roots, url: Any) -> None:
    with pytest.raises(InvalidInputError, match="address"):
        roots.read(url)


def test_pipes_sockets_and_devices_are_refused(roots: Roots, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(folder)  # addresses of sockets are short
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        for name in ("pipe", "socket"):
            with pytest.raises(NotFoundError):
                roots.read(f"file:///figs/{name}")
    devices = Roots()
    devices.add("dev", "/dev")
    with pytest.raises(NotFoundError):
        devices.read("file:///dev/null")


@pytest.mark.parametrize(
    "name",
    ["config.env", "CONFIG.ENV", ".env", "config.env.bak", ".git/config", "server.pem", "id_rsa",
     "vcplab.toml", "my.key", ".ssh/known"],
)  # fmt: skip
def test_settings_and_keys_are_not_served(roots: Roots, folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("KEY=1")
    (folder / "plain.txt").symlink_to(folder / name)
    for asked in (name, "plain.txt", f"{folder}/{name}"):
        with pytest.raises(NotFoundError):
            roots.read(asked if asked.startswith("/") else f"file:///figs/{asked}")


def test_a_folder_in_a_hidden_one_can_be_shared_by_itself(roots: Roots, folder: Path) -> None:
    (folder / ".cache" / "x").mkdir(parents=True)
    (folder / ".cache" / "x" / "a.txt").write_text("a")
    with pytest.raises(NotFoundError):
        roots.read("file:///figs/.cache/x/a.txt")
    roots.add("cache", folder / ".cache" / "x")
    assert roots.read("file:///cache/a.txt").data == b"a"


def test_files_with_a_known_secret_are_refused(folder: Path) -> None:
    roots = Roots(carries=lambda data: b"a.png" in data)
    roots.add("figs", folder)
    with pytest.raises(NotFoundError):
        roots.read("file:///figs/a.png")
    assert roots.read("file:///figs/sub/b%20c.txt").data == INSIDE + b"sub/b c.txt"


def test_large_files_are_refused(folder: Path) -> None:
    roots = Roots(largest=100)
    roots.add("figs", folder)
    (folder / "fits.bin").write_bytes(b"x" * 100)
    (folder / "large.bin").write_bytes(b"x" * 101)
    assert roots.read("file:///figs/fits.bin") == ServedFile(
        b"x" * 100, "application/octet-stream", "fits.bin"
    )
    with pytest.raises(InvalidInputError, match="larger than 100 bytes") as caught:
        roots.read("file:///figs/large.bin")
    assert str(folder) not in str(caught.value)


def test_what_fits_is_what_a_frame_can_carry() -> None:
    largest = Roots()._largest
    assert 74 * 2**20 < largest < 75 * 2**20
    assert -(-largest // 3) * 4 < 100 * 2**20 - 2**15


def test_a_link_put_there_after_the_check_is_not_followed(
    roots: Roots, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.path.realpath

    def swapped(path: Any, **options: Any) -> Any:
        found = real(path, **options)
        if str(path).endswith("sub/b c.txt"):
            (folder / "sub").rename(folder / "was")
            (folder / "sub").symlink_to(tmp_path / "outside")
            (tmp_path / "outside" / "b c.txt").write_text("outside")
        return found

    monkeypatch.setattr("os.path.realpath", swapped)
    with pytest.raises(NotFoundError):
        roots.read("file:///figs/sub/b c.txt")
    assert (folder / "sub").is_symlink()


def test_names_come_and_go(roots: Roots, folder: Path, tmp_path: Path) -> None:
    assert roots.names == ("figs",)
    roots.add("Figs", folder / "sub")  # capitals do not count: it is the same name
    assert roots.names == ("Figs",)
    assert roots.read("file://figs/b c.txt").name == "b c.txt"
    roots.add("文件", folder)
    assert roots.read("file:///%E6%96%87%E4%BB%B6/a.png").name == "a.png"
    assert str(tmp_path) not in repr(roots)
    roots.remove("figs")
    roots.remove("文件")
    with pytest.raises(NotFoundError):
        roots.remove("figs")
    with pytest.raises(NotFoundError, match="no folder is shared"):
        roots.read("file:///figs/a.png")


@pytest.mark.parametrize(
    "name", ["", "C", "a/b", "..", ".x", "localhost", "a b", "~", None, "x" * 65]
)
def test_impossible_names(folder: Path, name: Any) -> None:
    with pytest.raises(InvalidInputError):
        Roots().add(name, folder)


@pytest.mark.parametrize("path", ["/", "a.png", "none", "/.."])
def test_impossible_folders(folder: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(InvalidInputError):
        Roots().add("figs", path)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("file:///C:/a/b%20c", Place("drive", path="C:\\a\\b c")),
        ("file:///c|/a", Place("drive", path="c:\\a")),
        ("file://C:/a", Place("drive", path="C:\\a")),
        ("C:\\a\\b", Place("drive", path="C:\\a\\b")),
        ("C:/a%20b", Place("drive", path="C:\\a%20b")),
        ("\\\\nas\\work\\a", Place("share", path="\\\\nas\\work\\a")),
        ("file:////nas/work/a", Place("share", path="\\\\nas\\work\\a")),
        ("file://nas/work/a", Place("share", path="\\\\nas\\work\\a")),
        ("~/a/b", Place("home", steps=("a", "b"))),
        ("/a/b", Place("posix", path="/a/b")),
        ("/a/b", Place("named", root="a", steps=("b",))),
    ],
)
def test_places_that_addresses_mean(url: str, place: Place) -> None:
    assert place in read_file_url(url)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Roots]:
    base = tmp_path_factory.mktemp("tree")
    folder = build(base)
    roots = Roots()
    roots.add("figs", folder)
    roots.add("sub", folder / "sub")
    return base, roots


STARTS = st.sampled_from(
    ["", "file:///figs/", "figs/", "file://sub/", "{base}/shared/", "file://{base}/", "~/", "/"]
)
PARTS = st.sampled_from(
    ["file:", "FILE:", "/", "//", "///", "\\", "..", ".", "%2e%2e", "%2F", "%252e%252e", "%5c",
     "figs", "sub", "inner", "link", "loop", "s.txt", "a.png", "b c.txt", "outside", "{base}",
     "shared", "~", "localhost", "C:", "C|", "%", "\udcff", "é", ".hidden", "etc/passwd"]
)  # fmt: skip


@given(STARTS, st.lists(st.one_of(PARTS, st.text(max_size=3)), max_size=8), st.booleans())
def test_no_address_leaves_the_shared_folders(
    tree: tuple[Path, Roots], start: str, parts: list[str], joined: bool
) -> None:
    base, roots = tree
    url = (start + ("/" if joined else "").join(parts)).replace("{base}", str(base))
    told, data, name = "", INSIDE, ""
    try:
        served = roots.read(url)
        data, name = served.data, served.name
    except VCPError as error:
        told = str(error)
    assert data.startswith(INSIDE)
    assert name != ".hidden"
    assert str(base) not in told
