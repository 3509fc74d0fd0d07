from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vcplab.core.files import write_atomic


def test_it_writes_bytes_and_text_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_atomic(file, "第一行\r\nline 2\n")
    assert file.read_bytes() == "第一行\r\nline 2\n".encode()
    write_atomic(str(file), b"\x00\xff")
    assert file.read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    write_atomic(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(file, "\ud800")

    def fails(descriptor: int) -> None:
        raise OSError(28, "disk full")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(file, "new")
    assert file.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "missing" / "a.txt", "x")


@pytest.mark.skipif(os.name != "posix", reason="modes and links as POSIX has them")
def test_the_mode_is_kept_and_a_link_followed(tmp_path: Path) -> None:
    file, link = tmp_path / "a.txt", tmp_path / "link"
    write_atomic(file, "old")
    plain = tmp_path / "plain"
    plain.write_text("x", encoding="utf-8")
    assert file.stat().st_mode == plain.stat().st_mode
    file.chmod(0o640)
    link.symlink_to(file)
    write_atomic(link, "new")
    assert link.is_symlink()
    assert file.read_text(encoding="utf-8") == "new"
    assert file.stat().st_mode & 0o777 == 0o640


def test_many_writers_leave_one_whole_content(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    contents = [str(i) * 10_000 for i in range(8)]
    seen: set[str] = set()
    write_atomic(file, contents[0])

    def work(content: str) -> None:
        for _ in range(10):
            write_atomic(file, content)
            seen.add(file.read_text(encoding="utf-8"))

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen <= set(contents)
    assert os.listdir(tmp_path) == ["a.txt"]
