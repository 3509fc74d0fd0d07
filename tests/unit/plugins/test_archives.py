"""Unpacking plugins: harmless ones in every format, hostile ones made here."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import sys
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidDataError, InvalidInputError, VCPErrorCode
from vcplab.plugins.archives import MANIFESTS, Limits, unpack_plugin

posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")

PLUGIN = {
    "Tea/plugin-manifest.json": b"{}",
    "Tea/tea.py": b"print('tea')\n",
    "Tea/说明/读我.md": "茶".encode(),
    "Tea/empty.txt": b"",
}
FORMATS = ["folder", "zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"]


def make_zip(path, files, *, extra=()):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore", UserWarning)  # a name that is there twice
        for name, data in [*dict(files).items(), *extra]:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = info.compress_type or zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def tar_bytes(files, *, extra=(), form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in [*dict(files).items(), *extra]:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def make(form, folder, files=PLUGIN, name="Archive"):
    """The files as a source of some format."""
    if form == "folder":
        root = folder / name
        for path, data in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return root
    path = folder / f"{name}.{form}"
    if form == "zip":
        return make_zip(path, files)
    pack = {"gz": gzip.compress, "tgz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    path.write_bytes(pack.get(form.rpartition(".")[2], bytes)(tar_bytes(files)))
    return path


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(source, into, match, kind=InvalidDataError, **options):
    """It is refused for that reason, and nothing is left behind."""
    there = sorted(into.iterdir()) if into.exists() else None
    around = sorted(into.parent.iterdir())
    with pytest.raises(kind, match=match) as caught:
        unpack_plugin(source, into, **options)
    assert (sorted(into.iterdir()) if into.exists() else None) == there
    assert sorted(into.parent.iterdir()) == around
    assert caught.value.next_step
    return caught.value


# --- what is let in


@pytest.mark.parametrize("form", FORMATS)
def test_a_top_folder(tmp_path, form):
    source = make(form, tmp_path)
    into = tmp_path / "deep" / "plugins"
    assert unpack_plugin(source, into) == into / "Tea"
    assert content(into) == PLUGIN
    assert [path.name for path in into.iterdir()] == ["Tea"]  # no temporary folder is left


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_at_the_top(tmp_path, form, manifest):
    files = {manifest: b"{}", "lib/a.py": b"1"}
    source = make(form, tmp_path, files, name="My.Tea-1.0")
    folder = unpack_plugin(str(source), str(tmp_path / "into"))
    assert folder == tmp_path / "into" / "My.Tea-1.0"
    assert content(folder) == files


def test_the_content_tells_the_format_and_not_the_name(tmp_path):
    packed = make("tar.xz", tmp_path)
    renamed = packed.rename(tmp_path / "Tea.zip")
    assert content(unpack_plugin(renamed, tmp_path / "into").parent) == PLUGIN


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar(tmp_path, form):
    long = {"Tea/plugin-manifest.json": b"{}", "Tea/" + "/".join(["d" * 60] * 3): b"x" * 600}
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(long, form=form))
    assert content(unpack_plugin(path, tmp_path / "into").parent) == long


def test_members_that_begin_with_a_dot_and_a_slash(tmp_path):
    path = tmp_path / "Tea.tar"
    folder = tarfile.TarInfo("./")
    folder.type = tarfile.DIRTYPE
    path.write_bytes(tar_bytes({}, extra=[(folder, b""), ("./manifest.json", b"{}")]))
    assert content(unpack_plugin(path, tmp_path / "into")) == {"manifest.json": b"{}"}


def test_what_is_never_part_of_a_plugin(tmp_path):
    junk = {
        "__MACOSX/Tea/._tea.py": b"",
        "Tea/.DS_Store": b"",
        "Tea/.git/config": b"",
        "Tea/__pycache__/tea.cpython-311.pyc": b"",
    }
    for form in ("zip", "tar", "folder"):
        source = make(form, tmp_path, PLUGIN | junk)
        assert content(unpack_plugin(source, tmp_path / form).parent) == PLUGIN


@posix
@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_of_the_mode_only_the_right_to_execute_is_kept(tmp_path, form):
    modes = {"Tea/manifest.json": 0o600, "Tea/run.sh": 0o4755, "Tea/all.txt": 0o666}
    if form == "folder":
        source = make("folder", tmp_path, dict.fromkeys(modes, b""))
        for name, mode in modes.items():
            (source / name).chmod(mode)
    elif form == "zip":
        members = []
        for name, mode in modes.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | mode) << 16
            members.append((info, b""))
        source = make_zip(tmp_path / "a.zip", {}, extra=members)
    else:
        members = []
        for name, mode in modes.items():
            info = tarfile.TarInfo(name)
            info.mode = mode
            members.append((info, b""))
        source = tmp_path / "a.tar"
        source.write_bytes(tar_bytes({}, extra=members))
    folder = unpack_plugin(source, tmp_path / "into")
    found = {f"Tea/{path.name}": path.stat().st_mode & 0o7777 for path in folder.iterdir()}
    assert found == {"Tea/manifest.json": 0o644, "Tea/run.sh": 0o755, "Tea/all.txt": 0o644}


def test_chinese_names_of_old_windows_tools(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"Tea/manifest.json": b"{}", "Tea/abcd.md": b"x"})
    path.write_bytes(path.read_bytes().replace(b"abcd.md", "茶叶".encode("gb18030") + b".md"[:3]))
    names = set(content(unpack_plugin(path, tmp_path / "into")))
    assert names == {"manifest.json", "茶叶.md"}


def test_backslashes_of_windows_tools(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"Tea/manifest.json": b"{}", "Tea/libXtea.py": b"x"})
    path.write_bytes(path.read_bytes().replace(b"libXtea", b"lib\\tea"))
    assert "lib/tea.py" in content(unpack_plugin(path, tmp_path / "into"))


# --- links


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type = tarfile.SYMTYPE
    info.linkname = target
    return info, b""


def hard(name, target):
    info = tarfile.TarInfo(name)
    info.type = tarfile.LNKTYPE
    info.linkname = target
    return info, b""


def zip_link(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


@posix
def test_links_that_stay_inside(tmp_path):
    files = PLUGIN | {"Tea/lib/real.py": b"real"}
    extra = [
        link("Tea/bin/a.py", "../lib/real.py"),
        link("Tea/l", "lib"),
        link("Tea/m", "l/real.py"),
    ]
    tar = tmp_path / "a.tar"
    tar.write_bytes(tar_bytes(files, extra=extra))
    zipped = make_zip(
        tmp_path / "a.zip", files, extra=[zip_link(info.name, info.linkname) for info, _ in extra]
    )
    folder = make("folder", tmp_path, files)
    (folder / "Tea/bin").mkdir()
    for info, _ in extra:
        (folder / info.name).symlink_to(info.linkname)
    for number, source in enumerate((tar, zipped, folder)):
        made = unpack_plugin(source, tmp_path / str(number))
        for name in ("bin/a.py", "l/real.py", "m"):
            assert (made / name).read_bytes() == b"real"
        assert os.readlink(made / "bin/a.py") == "../lib/real.py"


def test_hard_links_become_copies(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(PLUGIN, extra=[hard("Tea/two.py", "Tea/tea.py")]))
    folder = unpack_plugin(path, tmp_path / "into")
    assert (folder / "two.py").read_bytes() == PLUGIN["Tea/tea.py"]
    assert (folder / "two.py").stat().st_nlink == 1


ESCAPING = [
    ("Tea/l", "/etc/passwd"),
    ("Tea/l", "../../etc/passwd"),
    ("Tea/a/l", "../../../x"),
    ("Tea/l", "../Other/x"),  # inside the archive, but outside the plugin
    ("Tea/l", ".."),
    ("Tea/l", "a/../../x"),
    ("Tea/l", "C:/x"),
    ("Tea/l", "a\\..\\x"),
    ("Tea/l", "."),
    ("l", "Tea"),
]


@posix
@pytest.mark.parametrize(("name", "target"), ESCAPING)
def test_links_that_leave(tmp_path, name, target):
    tar = tmp_path / "a.tar"
    tar.write_bytes(tar_bytes(PLUGIN, extra=[link(name, target)]))
    zipped = make_zip(tmp_path / "a.zip", PLUGIN, extra=[zip_link(name, target)])
    folder = make("folder", tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(target)
    for source in (tar, zipped, folder):
        # The last one is no escape, but two things at the top are not a single folder.
        refused(source, tmp_path / "into", "link|no manifest")


@posix
def test_a_chain_of_links_that_climbs(tmp_path):
    # Word for word "a/b/down/../out" is a/b/out; but down leads to the root, and .. out of it.
    extra = [link("Tea/a/b/down", "../.."), link("Tea/a/b/up", "down/../../x")]
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(PLUGIN, extra=extra))
    assert "Tea/a/b/up" in str(refused(path, tmp_path / "into", "link"))


@posix
@pytest.mark.parametrize("order", [1, -1])
def test_nothing_is_written_through_a_link(tmp_path, order):
    (tmp_path / "out").mkdir()
    extra = [link("Tea/d", "lib"), ("Tea/d/x.py", b"evil")][::order]
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(PLUGIN, extra=extra))
    refused(path, tmp_path / "into", "both a file and a folder")


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../x", "Tea/none.py", "Tea", "Tea/two.py", "Tea/later.py", "Tea/TEA.py"],
)
def test_hard_links_that_leave(tmp_path, target):
    path = tmp_path / "a.tar"
    extra = [hard("Tea/two.py", target), ("Tea/later.py", b"")]
    path.write_bytes(tar_bytes(PLUGIN, extra=extra))
    error = refused(path, tmp_path / "into", "hard link|absolute|climbs")
    assert "Tea/two.py" in error.message


@posix
def test_a_hard_link_to_a_link(tmp_path):
    path = tmp_path / "a.tar"
    extra = [link("Tea/l", "tea.py"), hard("Tea/two.py", "Tea/l")]
    path.write_bytes(tar_bytes(PLUGIN, extra=extra))
    refused(path, tmp_path / "into", "no earlier file")


# --- names

HOSTILE = [
    ("/etc/cron.d/evil", "absolute"),
    ("//server/share", "absolute"),
    ("../evil", "climbs"),
    ("Tea/../../evil", "climbs"),
    ("Tea/..", "climbs"),
    ("Tea/sub/../x", "climbs"),
    ("C:/evil", "colon"),
    ("C:evil", "colon"),
    ("Tea/tea.py:hidden", "colon"),
    ("Tea/CON", "reserves"),
    ("Tea/con.txt", "reserves"),
    ("Tea/Aux .md", "reserves"),
    ("Tea/LPT1", "reserves"),
    ("Tea/com¹.x", "reserves"),
    ("Tea/CONIN$", "reserves"),
    ("nul/x", "reserves"),
    ("Tea/dot.", "ends in a dot"),
    ("Tea/space ", "ends in a dot"),
    ("Tea/...", "ends in a dot"),
    ("Tea/a\nb", "control"),
    ("Tea/a\x7fb", "control"),
    ("Tea/\x1b[31m", "control"),
    ("Tea/" + "n" * 256, "longer than"),
    ("Tea/" + "茶" * 90, "longer than"),
    ("Tea/" + "d/" * 60 + "x", "too deep"),
    ("Tea/tea.py", "there twice"),
    ("Tea/./tea.py", "there twice"),
    ("Tea/TEA.py", "ignores case"),
    ("tea/other.py", "ignores case"),
    ("Tea/说明", "both a file and a folder"),
    ("Tea/tea.py/x", "both a file and a folder"),
]


@pytest.mark.parametrize(("name", "why"), HOSTILE)
def test_hostile_names(tmp_path, name, why):
    tar = tmp_path / "a.tar.gz"
    tar.write_bytes(gzip.compress(tar_bytes(PLUGIN, extra=[(name, b"evil")])))
    error = refused(tar, tmp_path / "into", why)
    assert error.details["member"].strip("/") == name.strip("/")
    zipped = make_zip(tmp_path / "a.zip", PLUGIN, extra=[(name, b"evil")])
    error = refused(zipped, tmp_path / "into", why)
    assert error.where == "a.zip"


def test_a_backslash_that_climbs(tmp_path):
    path = make_zip(tmp_path / "a.zip", PLUGIN | {"Tea/..X..Xevil": b""})
    path.write_bytes(path.read_bytes().replace(b"..X..X", b"..\\..\\"))
    refused(path, tmp_path / "into", "climbs")
    tar = tmp_path / "a.tar"
    tar.write_bytes(tar_bytes(PLUGIN, extra=[("..\\evil", b"")]))
    refused(tar, tmp_path / "into", "backslash")


def test_a_name_with_a_nul(tmp_path):
    path = make_zip(tmp_path / "a.zip", PLUGIN | {"Tea/x.pyXevil": b""})
    path.write_bytes(path.read_bytes().replace(b"x.pyXevil", b"x.py\0evil"))
    refused(path, tmp_path / "into", "control")


def test_a_name_that_is_not_utf_8(tmp_path):
    tar = tmp_path / "a.tar"
    extra = [("Tea/\udcff\udcfe", b"")]
    tar.write_bytes(tar_bytes(PLUGIN, extra=extra, form=tarfile.GNU_FORMAT))
    refused(tar, tmp_path / "into", "not UTF-8")


@pytest.mark.parametrize(
    ("one", "other"),
    [("caf\u00e9", "cafe\u0301"), ("Ångström", "A\u030angstro\u0308m"), ("STRASSE", "straße")],
)
def test_names_that_are_the_same_to_some_file_system(tmp_path, one, other):
    files = PLUGIN | {f"Tea/{one}": b"1", f"Tea/{other}": b"2"}
    refused(make("tar", tmp_path, files), tmp_path / "into", "ignores case or normalisation")
    refused(make("zip", tmp_path, files), tmp_path / "into", "ignores case or normalisation")


PARTS = st.sampled_from(["..", ".", "", "a", "A", "b.", "c:", "con", "茶", "e\u0301", "é", "x\\y"])


@given(
    names=st.lists(st.lists(PARTS, min_size=1, max_size=4).map("/".join), max_size=4),
    form=st.sampled_from(["zip", "tar"]),
)
def test_whatever_the_names_nothing_escapes(tmp_path_factory, names, form):
    base = tmp_path_factory.mktemp("names")
    extra = [(f"Tea/{name}", b"x") for name in names if not f"Tea/{name}".endswith("/")]
    source = base / f"a.{form}"
    if form == "zip":
        make_zip(source, PLUGIN, extra=extra)
    else:
        source.write_bytes(tar_bytes(PLUGIN, extra=extra))
    into = base / "into"
    try:
        made = unpack_plugin(source, into)
    except InvalidDataError:
        assert not into.exists()
        assert [path.name for path in base.iterdir()] == [source.name]
    else:
        assert sorted(path.name for path in base.iterdir()) == sorted([source.name, "into"])
        assert [path.name for path in into.iterdir()] == ["Tea"]
        assert len(content(made)) == len(PLUGIN) + len(extra)


# --- kinds


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_devices_in_a_tar(tmp_path, kind):
    info = tarfile.TarInfo("Tea/device")
    info.type = kind
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(PLUGIN, extra=[(info, b"")]))
    refused(path, tmp_path / "into", "device|another kind")


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_in_a_zip(tmp_path, kind):
    info = zipfile.ZipInfo("Tea/device")
    info.create_system = 3
    info.external_attr = kind << 16
    refused(make_zip(tmp_path / "a.zip", PLUGIN, extra=[(info, b"")]), tmp_path / "into", "device")


@posix
def test_a_pipe_in_a_folder(tmp_path):
    source = make("folder", tmp_path)
    os.mkfifo(source / "Tea" / "pipe")
    refused(source, tmp_path / "into", "pipe")
    refused(source / "Tea" / "pipe", tmp_path / "into", "neither", kind=InvalidInputError)


# --- bombs


@pytest.mark.parametrize("form", FORMATS)
def test_the_limits(tmp_path, form):
    source = make(form, tmp_path)
    refused(source, tmp_path / "into", "one more than|more members", limits=Limits(files=3))
    refused(source, tmp_path / "into", "larger than 10 bytes", limits=Limits(total_bytes=10))
    total = sum(map(len, PLUGIN.values()))
    unpack_plugin(source, tmp_path / "into", limits=Limits(files=8, total_bytes=total))


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_bomb(tmp_path, form):
    # Beyond the first 16 MiB an archive may unpack to 200 times its size, not to 1,000 times.
    source = make(form, tmp_path, {"Tea/manifest.json": b"{}", "Tea/zeros": bytes(20 * 2**20)})
    assert source.stat().st_size < 2**17
    refused(source, tmp_path / "into", "far more than")


def test_many_files_that_are_one_another(tmp_path):
    # Overlapping members: each one small, all of them large.
    path = make_zip(tmp_path / "a.zip", {"Tea/manifest.json": b"{}", "Tea/a": bytes(2**20)})
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("Tea/a")
        archive_bytes = path.read_bytes()
        start = archive.start_dir
    entry = archive_bytes[start:].split(b"PK\x05\x06")[0]
    at = entry.rindex(b"PK\x01\x02")
    one = entry[at:]
    directory = entry + one * 100
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 102, 102, len(directory), start, 0)
    path.write_bytes(archive_bytes[:start] + directory + end)
    assert info.file_size == 2**20
    refused(path, tmp_path / "into", "there twice")


def test_a_list_of_members_that_would_fill_the_memory(tmp_path):
    path = make_zip(tmp_path / "a.zip", {f"Tea/{n}": b"" for n in range(40)})
    refused(path, tmp_path / "into", "more members", limits=Limits(files=30))
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    hidden = data[:end] + b"PK\x06\x07" + bytes(16) + data[end:]
    path.write_bytes(hidden)
    refused(path, tmp_path / "into", "more members")


def test_a_header_that_would_fill_the_memory(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = 2**30
    path = tmp_path / "a.tar.gz"
    head = info.tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(gzip.compress(head + b"x" * 4096))
    refused(path, tmp_path / "into", "header that is too long")


def test_headers_without_end(tmp_path):
    info = tarfile.TarInfo("./PaxHeaders/x")
    info.type = tarfile.XHDTYPE
    record = b"12 path=abc\n"
    info.size = len(record)
    block = info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(block * 5000))
    refused(path, tmp_path / "into", "damaged")


def test_an_archive_that_wants_gigabytes_of_memory(tmp_path):
    path = tmp_path / "a.tar.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**16}]
    data = bytearray(lzma.compress(tar_bytes(PLUGIN), filters=filters))
    # The block's header says how large the dictionary is; its checksum is put right again.
    length = (data[12] + 1) * 4
    at = data.index(b"\x21\x01", 12) + 2
    data[at] = 40  # 4 GiB
    data[12 + length - 4 : 12 + length] = struct.pack("<I", zlib.crc32(data[12 : 12 + length - 4]))
    path.write_bytes(data)
    refused(path, tmp_path / "into", "damaged")


# --- damage


@pytest.mark.parametrize("form", FORMATS[1:])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_archive(tmp_path, form, share):
    files = PLUGIN | {f"Tea/{n}.bin": os.urandom(3000) for n in range(10)}
    source = make(form, tmp_path, files)
    data = source.read_bytes()
    # A tar ends in zeros of which some may go without harm.
    whole = len(data) if form != "tar" else len(data.rstrip(b"\0"))
    source.write_bytes(data[: int(whole * share) // 100 * 100 + 7])
    refused(source, tmp_path / "into", "damaged|no plugin")


@pytest.mark.parametrize("form", FORMATS[1:])
def test_damage_in_the_middle(tmp_path, form):
    files = PLUGIN | {"Tea/noise.bin": os.urandom(20_000)}
    source = make(form, tmp_path, files)
    data = bytearray(source.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 40):
        data[at] ^= 0xFF
    source.write_bytes(data)
    if form == "tar":  # has a checksum of its headers alone
        unpack_plugin(source, tmp_path / "into")
    else:
        refused(source, tmp_path / "into", "damaged")


def test_an_encrypted_zip(tmp_path):
    path = make_zip(tmp_path / "a.zip", PLUGIN)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature)
        data[at + offset] |= 1
    path.write_bytes(data)
    refused(path, tmp_path / "into", "encrypted")


def test_a_compression_without_a_memory_limit(tmp_path):
    info = zipfile.ZipInfo("Tea/x")
    info.compress_type = zipfile.ZIP_LZMA
    path = make_zip(tmp_path / "a.zip", PLUGIN, extra=[(info, b"x")])
    refused(path, tmp_path / "into", "compressed in a way")


@given(
    data=st.binary(max_size=600), head=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b", b"BZh"])
)
def test_whatever_the_bytes_an_error_of_ours(tmp_path_factory, data, head):
    base = tmp_path_factory.mktemp("bytes")
    source = base / "x.zip"
    source.write_bytes(head + data)
    refused(source, base / "into", "damaged|neither|no plugin", kind=InvalidInputError)


# --- which folder


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "files",
    [
        {"Tea/readme.md": b""},
        {"A/manifest.json": b"{}", "B/manifest.json": b"{}"},
        {"A/B/manifest.json": b"{}"},
        {"A/manifest.json": b"{}", "readme.md": b""},
    ],
)
def test_no_plugin_in_it(tmp_path, form, files):
    error = refused(make(form, tmp_path, files), tmp_path / "into", "no plugin")
    assert error.code is VCPErrorCode.INVALID_PLUGIN_MANIFEST
    assert "plugin-manifest.json" in error.next_step


@pytest.mark.parametrize("there", ["Tea", "tea", "TEA"])
def test_a_folder_of_that_name_is_there(tmp_path, there):
    into = tmp_path / "into"
    (into / there).mkdir(parents=True)
    (into / there / "mine.txt").write_text("mine")
    refused(make("zip", tmp_path), into, f"{there!r} already", kind=InvalidInputError)
    assert content(into) == {f"{there}/mine.txt": b"mine"}


def test_an_archive_whose_own_name_is_impossible(tmp_path):
    source = make("zip", tmp_path, {"manifest.json": b"{}"}, name="con")
    refused(source, tmp_path / "into", "reserves", kind=InvalidInputError)


def test_no_source(tmp_path):
    refused(tmp_path / "none.zip", tmp_path / "into", "There is no", kind=InvalidInputError)
    (tmp_path / "text.zip").write_text("hello")
    refused(tmp_path / "text.zip", tmp_path / "into", "neither", kind=InvalidInputError)


def test_into_the_source_itself(tmp_path):
    source = make("folder", tmp_path)
    refused(source, source / "Tea", "lies inside", kind=InvalidInputError)
    refused(source, source / "plugins", "lies inside", kind=InvalidInputError)


@pytest.mark.parametrize("call", ["mkdir", "rename"])
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, call):
    source = make("zip", tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, call, full)
    refused(source, tmp_path / "into", "No space left", kind=InvalidInputError)


def test_into_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="cannot be written"):
        unpack_plugin(make("zip", tmp_path), tmp_path / "file")


def test_no_archive_is_left_open(tmp_path, recwarn):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes(PLUGIN, extra=[("../evil", b"")])))
    refused(path, tmp_path / "into", "climbs")
    if sys.platform == "linux":
        assert str(path) not in {os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()}
    assert not recwarn.list
