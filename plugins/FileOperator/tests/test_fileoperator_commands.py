"""What each command does with real files."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from filekit import reading, storing
from filekit.arguments import Arguments
from filekit.commands import run
from filekit.problems import FileProblem
from filekit.searching import matches
from filekit.settings import Settings
from filekit.texts import decode, pick_lines
from hypothesis import given
from hypothesis import strategies as st

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


class Plugin:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = Settings(allowed=f"docs={root}", max_bytes=1_000_000)

    def __call__(self, command: str, **args: Any) -> dict[str, Any]:
        return run({"command": command, **args}, self.settings)

    def fails(self, needle: str, command: str, **args: Any) -> None:
        with pytest.raises(FileProblem) as caught:
            self(command, **args)
        assert needle in str(caught.value)


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


def content(reply: dict[str, Any]) -> str:
    return reply["content"][0]["text"]


def test_writing_never_overwrites(plugin: Plugin) -> None:
    for wanted in ("a.txt", "a-2.txt", "a-3.txt"):
        reply = plugin("WriteFile", filePath="docs:n/a.txt", content=wanted)
        assert reply["path"] == f"docs:n/{wanted}"
        assert reply["renamed"] is (wanted != "a.txt")
    assert sorted(p.name for p in (plugin.root / "n").iterdir()) == ["a-2.txt", "a-3.txt", "a.txt"]
    assert (plugin.root / "n" / "a.txt").read_text(encoding="utf-8") == "a.txt"
    plugin.fails("half character", "WriteFile", filePath="docs:x", content="\ud800")
    plugin.fails("limit", "WriteFile", filePath="docs:x", content="x" * 1_000_001)
    plugin.fails("content is missing", "WriteFile", filePath="docs:x")
    plugin.fails("is a root itself", "WriteFile", filePath="docs:", content="")
    assert not (plugin.root / "x").exists()
    assert plugin("WriteFile", filePath="docs:j", content={"a": [1]})["size"] == 10


def test_many_writers_get_many_names(plugin: Plugin) -> None:
    threads = [
        threading.Thread(
            target=plugin, args=("WriteFile",), kwargs={"filePath": "docs:a.txt", "content": str(i)}
        )
        for i in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = list(plugin.root.glob("a*.txt"))
    assert sorted(int(f.read_text(encoding="utf-8")) for f in files) == list(range(12))
    assert len(plugin("UpdateHistory")["history"]) == 12


def test_a_disk_without_hard_links(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> None:
        raise OSError(1, "not permitted")

    monkeypatch.setattr(os, "link", none)
    assert plugin("WriteFile", filePath="a", content="1")["path"] == "docs:a"
    assert plugin("WriteFile", filePath="a", content="2")["path"] == "docs:a-2"
    plugin("MoveFile", sourcePath="a", destinationPath="b")
    plugin.fails("never overwritten", "MoveFile", sourcePath="b", destinationPath="a-2")
    assert sorted(p.name for p in plugin.root.iterdir()) == [".trash", "a-2", "b"]


def test_a_failing_write_leaves_nothing(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin("WriteFile", filePath="a", content="old")

    def full(_: int) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(storing.os, "fsync", full)
    plugin.fails("disk is full", "WriteFile", filePath="b", content="new")
    plugin.fails("disk is full", "EditFile", filePath="a", content="new")
    assert sorted(p.name for p in plugin.root.iterdir()) == [".trash", "a"]
    assert (plugin.root / "a").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        ("你好\n".encode(), "utf-8", "你好\n"),
        ("你好\n".encode("utf-8-sig"), "utf-8 with BOM", "你好\n"),
        ("你好\n".encode("gb18030"), "gb18030", "你好\n"),
        (b"\xff\xfe" + "你好\n".encode("utf-16-le"), "utf-16-le with BOM", "你好\n"),
        (b"one\r\ntwo\r\n", "utf-8", "one\ntwo\n"),
        (b"", "utf-8", ""),
    ],
)
def test_encodings_are_read_and_kept(plugin: Plugin, data: bytes, encoding: str, text: str) -> None:
    file = plugin.root / "a.txt"
    file.write_bytes(data)
    reply = plugin("ReadFile", filePath="a.txt")
    assert (content(reply), reply["encoding"]) == (text, encoding)
    plugin("AppendFile", filePath="a.txt", content="尾\n")
    found = decode(file.read_bytes())
    assert found is not None
    assert found.text.replace("\r\n", "\n") == text + "尾\n"
    assert file.read_bytes().startswith(data)
    if data:
        assert found.encoding == encoding
    assert ("\r\n" in found.text) is (b"\r\n" in data)
    plugin("EditFile", filePath="a.txt", content="新\n")
    assert content(plugin("ReadFile", filePath="a.txt")) == "新\n"


def test_binary_files_and_pictures(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    (plugin.root / "p.dat").write_bytes(PNG)
    (plugin.root / "b.zip").write_bytes(b"PK\x03\x04" + bytes(range(256)))
    reply = plugin("ReadFile", filePath="p.dat")
    url = reply["content"][1]["image_url"]["url"]
    assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == PNG
    reply = plugin("ReadFile", filePath="b.zip")
    assert reply["binary"] is True
    assert reply["size"] == 260
    assert "zip" in reply["mimeType"]
    plugin.fails("binary file", "AppendFile", filePath="b.zip", content="x")
    monkeypatch.setattr(reading, "MAX_IMAGE", 10)
    assert plugin("ReadFile", filePath="p.dat")["binary"] is True
    (plugin.root / "large").write_bytes(b"x" * 1_000_001)
    plugin.fails("MAX_FILE_MB", "ReadFile", filePath="large")


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("", "1\n2\n3\n4\n5\n"), ("head:2", "1\n2\n"), ("tail:2", "4\n5\n"), ("2-3", "2\n3\n"),
        ("4-99", "4\n5\n"), ("3", "3\n"), (3, "3\n"), ("HEAD: 1", "1\n"),
        ("tail:99", "1\n2\n3\n4\n5\n"), ("head:0", ""),
    ],
)  # fmt: skip
def test_line_ranges(plugin: Plugin, lines: Any, wanted: str) -> None:
    (plugin.root / "a.txt").write_text("1\n2\n3\n4\n5\n", encoding="utf-8")
    reply = plugin("ReadFile", filePath="a.txt", lines=lines)
    assert content(reply) == wanted
    assert reply["totalLines"] == 5
    (plugin.root / "b.txt").write_text("1\n2\n3\n4\n5", encoding="utf-8")
    bare = content(plugin("ReadFile", filePath="b.txt", lines=lines))
    assert bare == (wanted[:-1] if wanted.endswith("5\n") else wanted)


@pytest.mark.parametrize("lines", ["6", "0", "3-2", "head", "-1", "middle:2", "1-2-3"])
def test_line_ranges_that_cannot_be(plugin: Plugin, lines: str) -> None:
    (plugin.root / "a.txt").write_text("1\n2\n3\n4\n5\n", encoding="utf-8")
    plugin.fails("lines", "ReadFile", filePath="a.txt", lines=lines)


@given(st.integers(0, 50), st.integers(0, 60))
def test_head_and_tail_have_so_many_lines(total: int, count: int) -> None:
    for side in ("head", "tail"):
        first, last = pick_lines(total, f"{side}:{count}")
        assert last - first + 1 == min(total, count)


def test_long_texts_are_cut_at_a_line_and_say_where_to_go_on(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_REPLY", 10)
    (plugin.root / "a.txt").write_text("1234\n" * 5, encoding="utf-8")
    reply = plugin("ReadFile", filePath="a.txt")
    assert content(reply) == "1234\n1234\n"
    assert "go on with lines 3-5" in reply["content"][1]["text"]
    assert reply["truncated"] is True
    (plugin.root / "b.txt").write_text("x" * 50, encoding="utf-8")
    assert content(plugin("ReadFile", filePath="b.txt")) == "x" * 10


def test_diffs_replace_one_passage(plugin: Plugin) -> None:
    file = plugin.root / "a.txt"
    file.write_bytes(b"one\r\ntwo\r\nthree\r\ntwo\r\n")
    plugin.fails("lines 2, 4", "ApplyDiff", filePath="a.txt", searchString="two", replaceString="2")
    reply = plugin("ApplyDiff", filePath="a.txt", searchString="two\nthree", replaceString="2\n\\3")
    assert file.read_bytes() == b"one\r\n2\r\n\\3\r\ntwo\r\n"
    assert "-three" in reply["diff"].splitlines()
    assert content(plugin("ReadFile", filePath=reply["former"])) == "one\ntwo\nthree\ntwo\n"
    reply = plugin(
        "ApplyDiff", filePath="a.txt", searchString="o", replaceString="0", replaceAll="true"
    )
    assert reply["replaced"] == 2
    plugin("ApplyDiff", filePath="a.txt", searchString="0ne\n")
    assert file.read_bytes() == b"2\r\n\\3\r\ntw0\r\n"
    plugin.fails("nearest line is 3", "ApplyDiff", filePath="a.txt", searchString="tw0?")
    plugin.fails("searchString is empty", "ApplyDiff", filePath="a.txt", searchString="")
    plugin.fails("true or false", "ApplyDiff", filePath="a", searchString="x", replaceAll="maybe")


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_editing_keeps_permissions_and_the_former_text(plugin: Plugin) -> None:
    file = plugin.root / "a.sh"
    file.write_text("old", encoding="utf-8")
    file.chmod(0o750)
    reply = plugin("EditFile", filePath="a.sh", content="new")
    assert file.stat().st_mode & 0o777 == 0o750
    assert content(plugin("ReadFile", filePath=reply["former"])) == "old"
    plugin.fails("WriteFile", "EditFile", filePath="none", content="x")


def test_deleting_goes_to_the_trash_and_back(plugin: Plugin) -> None:
    (plugin.root / "d").mkdir()
    (plugin.root / "d" / "a.txt").write_text("x", encoding="utf-8")
    first = plugin("DeleteFile", filePath="docs:d/a.txt")["trash"]
    second = plugin("DeleteFile", filePath="docs:d")["trash"]
    assert plugin("ListDirectory")["entries"] == []
    assert plugin("SearchFiles", searchPath="docs:", pattern="a")["results"] == []
    for args in (
        {"command": "DeleteFile", "filePath": first},
        {"command": "DeleteFile", "filePath": "docs:.TRASH"},
        {"command": "WriteFile", "filePath": "docs:.trash/x", "content": "x"},
        {"command": "CreateDirectory", "directoryPath": "docs:.trash/x"},
        {"command": "MoveFile", "sourcePath": "docs:.trash", "destinationPath": "docs:x"},
        {"command": "CopyFile", "sourcePath": first, "destinationPath": "docs:.trash"},
        {"command": "RenameFile", "sourcePath": first, "destinationPath": "x"},
    ):
        with pytest.raises(FileProblem, match="trash"):
            run(args, plugin.settings)
    plugin("MoveFile", sourcePath=second, destinationPath="docs:d")
    plugin("MoveFile", sourcePath=first, destinationPath="docs:d/a.txt")
    assert (plugin.root / "d" / "a.txt").read_text(encoding="utf-8") == "x"
    plugin.fails("root itself", "DeleteFile", filePath="docs:")
    plugin.fails("does not exist", "DeleteFile", filePath="docs:none")
    for _ in range(3):
        plugin("WriteFile", filePath="same", content="")
        plugin("DeleteFile", filePath="same")
    assert len(list((plugin.root / ".trash").glob("*same*"))) == 3


def test_copy_move_and_rename(plugin: Plugin) -> None:
    plugin("WriteFile", filePath="a.txt", content="A")
    plugin("CreateDirectory", directoryPath="docs:sub/deep")
    assert plugin("CreateDirectory", directoryPath="docs:sub")["created"] is False
    assert plugin("CopyFile", sourcePath="a.txt", destinationPath="sub")["path"] == "docs:sub/a.txt"
    reply = plugin("CopyFile", sourcePath="a.txt", destinationPath="sub/a.txt")
    assert reply["path"] == "docs:sub/a-2.txt"
    plugin.fails("single files", "CopyFile", sourcePath="sub", destinationPath="x")
    plugin("RenameFile", sourcePath="sub/a-2.txt", destinationPath="b.txt")
    assert (plugin.root / "sub" / "b.txt").exists()
    plugin.fails("never overwritten", "RenameFile", sourcePath="sub/b.txt", destinationPath="a.txt")
    plugin.fails("already there", "MoveFile", sourcePath="a.txt", destinationPath="docs:")
    plugin.fails(
        "cannot move into itself", "MoveFile", sourcePath="sub", destinationPath="sub/deep"
    )
    plugin("MoveFile", sourcePath="a.txt", destinationPath="new/a.txt")
    assert not (plugin.root / "a.txt").exists()
    plugin("MoveFile", sourcePath="sub", destinationPath="new")
    assert (plugin.root / "new" / "sub" / "deep").is_dir()
    plugin("CreateDirectory", directoryPath="sub")
    plugin.fails("never overwritten", "MoveFile", sourcePath="sub", destinationPath="docs:new")
    plugin.fails("does not exist", "MoveFile", sourcePath="gone", destinationPath="x")


def test_moving_to_another_disk_copies_and_removes(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin("WriteFile", filePath="a.txt", content="A")
    link = os.link

    def far(source: Any, target: Any, **more: Any) -> None:
        if str(source).endswith("a.txt"):
            raise OSError(18, "cross-device")
        link(source, target, **more)

    monkeypatch.setattr(os, "link", far)
    plugin("MoveFile", sourcePath="a.txt", destinationPath="b.txt")
    assert not (plugin.root / "a.txt").exists()
    assert (plugin.root / "b.txt").read_text(encoding="utf-8") == "A"


def test_listings_are_sorted_and_limited(plugin: Plugin) -> None:
    for name in ("b.txt", "A.txt", "c.txt"):
        (plugin.root / name).write_text("xy", encoding="utf-8")
    (plugin.root / "z").mkdir()
    reply = plugin("ListDirectory", directoryPath="docs:")
    assert [row["name"] for row in reply["entries"]] == ["z", "A.txt", "b.txt", "c.txt"]
    assert reply["entries"][1]["size"] == 2
    small = Settings(allowed=plugin.settings.allowed, max_entries=2)
    reply = run({"command": "ListDirectory"}, small)
    assert (len(reply["entries"]), reply["total"], reply["truncated"]) == (2, 4, True)
    reply = run({"command": "SearchFiles", "searchPath": "docs:", "pattern": "*"}, small)
    assert (len(reply["results"]), reply["truncated"]) == (2, True)
    plugin.fails("not a folder", "ListDirectory", directoryPath="docs:b.txt")
    rows = plugin("ListAllowedDirectories")["directories"]
    assert [(row["prefix"], row["exists"]) for row in rows] == [("docs:", True)]


def test_file_info(plugin: Plugin) -> None:
    (plugin.root / "a.md").write_text("1\n2", encoding="utf-8")
    reply = plugin("FileInfo", filePath="a.md")
    assert (reply["type"], reply["size"], reply["totalLines"]) == ("file", 3, 2)
    assert reply["sha256"] == hashlib.sha256(b"1\n2").hexdigest()
    assert plugin("FileInfo", filePath="docs:")["type"] == "folder"
    plugin.fails("does not exist", "FileInfo", filePath="none")


def test_searching_goes_down_and_ignores_case(plugin: Plugin) -> None:
    for path in ("a/b/Plan.md", "a/plan.txt", "x/plan.md"):
        (plugin.root / path).parent.mkdir(parents=True, exist_ok=True)
        (plugin.root / path).write_text("", encoding="utf-8")

    def found(pattern: str, where: str = "docs:") -> list[str]:
        reply = plugin("SearchFiles", searchPath=where, pattern=pattern)
        return [row["path"].split(":", 1)[1] for row in reply["results"]]

    assert found("PLAN") == ["a/b/Plan.md", "a/plan.txt", "x/plan.md"]
    assert found("*.md") == ["a/b/Plan.md", "x/plan.md"]
    assert found("a/*") == ["a/b", "a/plan.txt"]
    assert found("a/**/*.md") == ["a/b/Plan.md"]
    assert found("*", "docs:a/b") == ["a/b/Plan.md"]


def test_patterns_do_not_take_for_ever() -> None:
    assert matches(("a", "b", "c.txt"), "**/c.txt")
    assert matches(("c.txt",), "**/c.txt")
    assert not matches(("a", "c.txt"), "*/b/c.txt")
    assert not matches(("a",) * 60, "/".join(["**", "a*a*a*"] * 14) + "/b")
    assert not matches(("a" * 250,), "*a" * 60 + "b")


def test_history_and_notes(plugin: Plugin) -> None:
    plugin("WriteFile", filePath="a.txt", content="A", maid="诺娃")
    plugin("MoveFile", sourcePath="a.txt", destinationPath="sub/b.txt")
    plugin("WriteFile", filePath="c.txt", content="A")
    rows = plugin("UpdateHistory", filePath="docs:a.txt")["history"]
    assert [row["command"] for row in rows] == ["MoveFile", "WriteFile"]
    assert plugin("UpdateHistory", filePath="docs:sub")["total"] == 1
    reply = plugin("UpdateHistory", note="all tidy", limit="1")
    assert [row["note"] for row in reply["history"]] == ["all tidy"]
    assert reply["total"] == 4
    file = plugin.root / ".trash" / "history.jsonl"
    file.write_bytes(file.read_bytes() + b"\xff\n{broken\n[1]\n")
    assert plugin("UpdateHistory")["total"] == 4
    plugin.fails("1 to 1000", "UpdateHistory", limit="0")


def test_canvases(plugin: Plugin) -> None:
    reply = plugin("CreateCanvas", content="# Draft", fileName="draft.md")
    assert (reply["path"], reply["text"]) == ("docs:canvas/draft.md", "# Draft")
    assert plugin("CreateCanvas", fileName="draft.md")["path"] == "docs:canvas/draft-2.md"
    assert plugin("CreateCanvas", root="docs:")["path"].endswith(".txt")
    plugin.fails("plain name", "CreateCanvas", fileName="../x")
    plugin.fails("no root named", "CreateCanvas", root="other")


def test_batches(plugin: Plugin) -> None:
    steps = {
        "command1": "WriteFile", "filePath1": "docs:a.txt", "content1": "A",
        "command2": "ReadFile", "command3": "ReadFile", "filePath3": "docs:p.png",
        "command10": "DeleteFile", "filePath": "docs:a.txt", "maid": "Nova",
    }  # fmt: skip
    (plugin.root / "p.png").write_bytes(PNG)
    reply = run({**steps, "command": "Batch"}, plugin.settings)
    assert [(row["step"], row["status"]) for row in reply["steps"]] == [
        (1, "success"), (2, "success"), (3, "success"), (10, "success"),
    ]  # fmt: skip
    texts = [part.get("text") for part in reply["content"]]
    assert texts[1:3] == ["[step 2: docs:a.txt]", "A"]
    assert [p["type"] for p in reply["content"]].count("image_url") == 1
    with pytest.raises(FileProblem) as caught:
        run({**steps, "filePath3": "docs:none", "onError": "continue"}, plugin.settings)
    assert [row["status"] for row in caught.value.result["steps"]] == [
        "success", "success", "error", "success",
    ]  # fmt: skip
    many = {f"command{i}": "ListDirectory" for i in range(51)}
    with pytest.raises(FileProblem, match="51 steps"):
        run(many, plugin.settings)
    with pytest.raises(FileProblem, match="onError"):
        run({"command1": "ListDirectory", "onError": "pray"}, plugin.settings)


def test_names_of_arguments_and_commands_are_taken_kindly(plugin: Plugin) -> None:
    plugin("writefile", file_path="docs:a.txt", CONTENT="A", unknown=[1])
    assert content(plugin("READFILE", FilePath="docs:a.txt")) == "A"
    plugin.fails("the commands are ListAllowedDirectories", "Explode")
    assert Arguments({"a": True}).flag("A") is True
    assert Arguments({"n": 7}).number("n", 1, 9) == 7
