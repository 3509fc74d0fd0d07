from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    SchemaMismatchError,
    StateError,
)
from vcplab.core.workspace import Workspace

HOLDER = """
    import sys
    from vcplab.core.workspace import Workspace

    lab = Workspace(sys.argv[1])
    lab.store.put("n", "a", b"from the owner")
    print(lab.read_only, flush=True)
    sys.stdin.readline()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "False\n"
    return child


def test_a_new_lab_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "labs" / "my lab"
    at = datetime(2026, 3, 1, 12, 30, 15, 999, tzinfo=UTC)
    with use_clock(FrozenClock(at)), Workspace(path) as lab:
        assert not lab.read_only
        assert lab.notice is None
        assert lab.path == Path(os.path.realpath(path))
        assert lab.created == at.replace(microsecond=0)
        lab.store.put("n", "a", b"1")
        assert repr(lab).endswith("my lab: open>")
    content = json.loads((path / "vcplab.json").read_text(encoding="utf-8"))
    assert content["schema"] == "vcplab-workspace"
    assert content["version"] == 1
    assert content["created"] == "2026-03-01T12:30:15+00:00"
    assert content["created_by"].startswith("vcplab ")
    assert (path / ".vcplab" / "state.sqlite3").is_file()
    assert not (path / ".vcplab" / ".lock.json").exists()


def test_a_lab_is_found_again_and_its_state_with_it(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("kept", encoding="utf-8")
    with Workspace(tmp_path) as lab:
        lab.store.put("n", "a", b"1")
        made = lab.created
    before = (tmp_path / "vcplab.json").read_bytes()
    with Workspace(str(tmp_path), create=False) as lab:
        assert lab.store.get("n", "a") == b"1"
        assert lab.created == made
        assert lab.store is lab.store
    assert (tmp_path / "vcplab.json").read_bytes() == before
    assert (tmp_path / "mine.md").read_text(encoding="utf-8") == "kept"


def test_nothing_is_made_where_it_was_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Workspace(tmp_path / "none", create=False)
    with pytest.raises(NotFoundError):
        Workspace(tmp_path, create=False)
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="is a file"):
        Workspace(file)
    with pytest.raises(StateError, match="cannot be made"):
        Workspace(file / "inside")
    assert os.listdir(tmp_path) == ["file"]


def test_a_lab_without_state_makes_no_database(tmp_path: Path) -> None:
    with Workspace(tmp_path):
        pass
    assert not (tmp_path / ".vcplab" / "state.sqlite3").exists()


# --- two openers --------------------------------------------------------------------------------


def test_a_second_opener_in_the_same_process_reads_only(tmp_path: Path) -> None:
    with Workspace(tmp_path) as first, Workspace(tmp_path) as second:
        assert (first.read_only, second.read_only) == (False, True)
        assert second.notice is not None
        assert "this very process" in second.notice
        assert second.notice in repr(second)
        assert second.store.keys("n") == []  # nothing stored yet: empty
        with pytest.raises(ReadOnlyError):
            second.store.put("n", "a", b"1")
        first.store.put("n", "a", b"1")
        assert second.store.get("n", "a") == b"1"
        for write in (
            lambda: second.store.put("n", "a", b"2"),
            lambda: second.write("notes.md", "x"),
            second.require_writable,
        ):
            with pytest.raises(ReadOnlyError) as caught:
                write()
            assert caught.value.next_step
        first.require_writable()
        assert not (tmp_path / "notes.md").exists()
    with Workspace(tmp_path) as third:
        assert not third.read_only


def test_a_reader_that_closes_does_not_free_the_lab(tmp_path: Path) -> None:
    with Workspace(tmp_path) as first:
        Workspace(tmp_path).close()
        with Workspace(tmp_path) as again:
            assert again.read_only
            assert "this very process" in (again.notice or "")
        first.store.put("n", "a", b"1")


def test_a_second_process_reads_only_and_says_who_owns_it(tmp_path: Path) -> None:
    child = hold(tmp_path)
    try:
        with Workspace(tmp_path) as lab:
            assert lab.read_only
            assert f"process {child.pid} on " in (lab.notice or "")
            assert " since 20" in (lab.notice or "")
            assert lab.store.get("n", "a") == b"from the owner"
            with pytest.raises(ReadOnlyError):
                lab.store.delete("n", "a")
    finally:
        _, errors = child.communicate("done\n", timeout=30)
    assert errors == ""
    with Workspace(tmp_path) as lab:  # the owner ended without close()
        assert not lab.read_only
        lab.store.put("n", "a", b"mine now")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is POSIX")
def test_a_killed_owner_frees_the_lab(tmp_path: Path) -> None:
    child = hold(tmp_path)
    child.kill()
    child.communicate(timeout=30)
    assert (tmp_path / ".vcplab" / ".lock.json").exists()
    with Workspace(tmp_path) as lab:
        assert not lab.read_only
        assert lab.store.get("n", "a") == b"from the owner"
        owner = json.loads((tmp_path / ".vcplab" / ".lock.json").read_text(encoding="utf-8"))
        assert owner["pid"] == os.getpid()


def test_an_unreadable_note_about_the_owner_is_no_obstacle(tmp_path: Path) -> None:
    with Workspace(tmp_path):
        for text in ("", "[1]", "{}", "\0"):
            (tmp_path / ".vcplab" / ".lock.json").write_text(text, encoding="utf-8")
            with Workspace(tmp_path) as lab:
                assert lab.notice == "Read-only: another process owns this lab."


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_reads_only_and_leaves_the_lock_to_the_parent(tmp_path: Path) -> None:
    script = """
        import os, sys
        from vcplab.core.errors import ReadOnlyError
        from vcplab.core.workspace import Workspace

        lab = Workspace(sys.argv[1])
        lab.store.put("n", "a", b"1")
        pid = os.fork()
        if pid == 0:
            assert lab.read_only and "fork" in lab.notice
            assert lab.store.get("n", "a") == b"1"
            try:
                lab.store.put("n", "a", b"2")
            except ReadOnlyError:
                print("refused", flush=True)
            lab.close()
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert not lab.read_only
        with Workspace(sys.argv[1]) as second:
            print(second.read_only)
        lab.store.put("n", "b", b"1")
        lab.close()
    """
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stderr == ""
    assert result.stdout.split() == ["refused", "True"]


def test_openers_racing_for_a_new_lab_make_one_owner(tmp_path: Path) -> None:
    script = """
        import sys
        from vcplab.core.workspace import Workspace

        sys.stdin.readline()
        lab = Workspace(sys.argv[1])
        print(lab.read_only, flush=True)
        sys.stdin.readline()
    """
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "new")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [child.stdout.readline().strip() for child in children if child.stdout]
    for child in children:
        child.communicate("done\n", timeout=30)
    assert sorted(answers) == ["False", "True", "True", "True"]


# --- what the folder holds ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ('{"schema": "vcplab-workspace", "version": 2, "created": "2026-03-01"}', "version 2"),
        ('{"schema": "something-else", "version": 1}', "something-else"),
    ],
)
def test_another_schema_is_refused_untouched(tmp_path: Path, content: str, error: str) -> None:
    (tmp_path / "vcplab.json").write_text(content, encoding="utf-8")
    with pytest.raises(SchemaMismatchError, match=error) as caught:
        Workspace(tmp_path)
    assert caught.value.next_step
    assert os.listdir(tmp_path) == ["vcplab.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"schema": "vcplab-workspace"}',
        b'{"schema": "vcplab-workspace", "version": true, "created": "2026-03-01"}',
        b'{"schema": "vcplab-workspace", "version": 0, "created": "2026-03-01"}',
        b'{"schema": "vcplab-workspace", "version": 1}',
        b'{"schema": "vcplab-workspace", "version": 1, "created": "yesterday"}',
    ],
)
def test_a_broken_manifest_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vcplab.json").write_bytes(content)
    with pytest.raises(InvalidDataError, match=r"vcplab\.json cannot be read") as caught:
        Workspace(tmp_path)
    assert caught.value.next_step
    assert (tmp_path / "vcplab.json").read_bytes() == content
    assert os.listdir(tmp_path) == ["vcplab.json"]


def test_paths_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    with Workspace(root) as lab:
        assert lab.resolve("a/b.md") == lab.path / "a" / "b.md"
        assert lab.resolve(Path("日记") / "x") == lab.path / "日记" / "x"
        assert lab.resolve(".") == lab.path
        for outside in (
            "..",
            "../x",
            "a/../../x",
            "a/../x",
            "/etc/passwd",
            str(tmp_path),
            "C:/Windows",
            "C:x",
            "\\x",
            "\\\\server\\share\\x",
            "a\\..\\..\\x",
            "a\0b",
            "\ud800",
        ):
            with pytest.raises(InvalidInputError) as caught:
                lab.resolve(outside)
            assert caught.value.next_step


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_links_do_not_lead_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "lab"
    with Workspace(root) as lab:
        (root / "out").symlink_to(outside, target_is_directory=True)
        (root / "sub").mkdir()
        (root / "in").symlink_to(root / "sub", target_is_directory=True)
        for path in ("out", "out/x", "in/../../x"):
            with pytest.raises(InvalidInputError):
                lab.resolve(path)
        with pytest.raises(InvalidInputError, match="through a link"):
            lab.write("out/x", "bad")
        assert lab.resolve("in/x") == lab.path / "sub" / "x"
        assert os.listdir(outside) == []
    alias = tmp_path / "alias"
    alias.symlink_to(root, target_is_directory=True)
    with Workspace(alias) as lab, Workspace(root) as second:
        assert lab.path == second.path
        assert second.read_only


def test_write_makes_a_whole_file(tmp_path: Path) -> None:
    with Workspace(tmp_path) as lab:
        assert lab.write("notes/今天.md", "文") == lab.path / "notes" / "今天.md"
        assert (tmp_path / "notes" / "今天.md").read_bytes() == "文".encode()
        with pytest.raises(StateError, match="cannot be written"):
            lab.write("notes", "a folder is in the way")


def test_a_closed_lab_refuses(tmp_path: Path) -> None:
    lab = Workspace(tmp_path)
    store = lab.store
    lab.close()
    lab.close()
    assert "closed" in repr(lab)
    for use in (lambda: lab.store, lambda: lab.write("a", "x"), lambda: store.keys("n")):
        with pytest.raises(StateError, match="closed"):
            use()


def test_it_shows_itself_escaped(tmp_path: Path) -> None:
    with Workspace(tmp_path / "a & b") as lab:
        html = lab._repr_html_()
        assert "a &amp; b" in html
        assert "a & b" not in html
        with Workspace(tmp_path / "a & b") as second:
            assert "Read-only" in second._repr_html_()
