"""Nothing outside a root is ever read or written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from filekit import folders
from filekit.commands import run
from filekit.folders import folder, holder
from filekit.problems import FileProblem
from filekit.roots import Place, Root, Roots, read_roots
from filekit.settings import Settings, read_settings
from hypothesis import given
from hypothesis import strategies as st

posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    (tmp_path / "docs" / "a.txt").write_text("inside", encoding="utf-8")
    (tmp_path / "docs-2").mkdir()
    (tmp_path / "docs-2" / "secret.txt").write_text("SECRET", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("SECRET", encoding="utf-8")
    return tmp_path / "docs"


def roots(*pairs: tuple[str, Path]) -> Roots:
    return read_roots(Settings(allowed=json.dumps({name: str(path) for name, path in pairs})))


def settings(root: Path) -> Settings:
    return Settings(allowed=f"docs={root}")


def test_ways_to_name_a_place(root: Path) -> None:
    found = roots(("docs", root))
    wanted = ("sub", "x.txt")
    for text in (
        "docs:sub/x.txt",
        "DOCS:sub/x.txt",
        "docs:/sub/x.txt",
        "docs:sub\\x.txt",
        "docs:sub/../sub/./x.txt",
        "sub/x.txt",
        str(root / "sub" / "x.txt"),
        (root / "sub" / "x.txt").as_uri(),
        (root / "sub" / "x.txt").as_uri().replace("x.txt", "%78.txt"),
    ):
        assert found.place(text).parts == wanted, text
    assert found.place("docs:").parts == ()
    assert found.place("docs:sub/x.txt").shown == "docs:sub/x.txt"


def outside(root: Path) -> list[str]:
    return [
        "docs:../secret.txt",
        "docs:..\\secret.txt",
        "docs:sub/../../secret.txt",
        "../secret.txt",
        "docs:../docs-2/secret.txt",
        str(root.parent / "secret.txt"),
        str(root) + "-2/secret.txt",
        str(root) + "/../secret.txt",
        (root.parent / "secret.txt").as_uri(),
        f"file://{root}/%2e%2e/secret.txt",
        f"file://localhost{root.parent}/secret.txt",
        f"FILE://{root.parent}/secret.txt",
        f"file://server{root}/a.txt",
        f"file:///{root}/../secret.txt",
        "file:///a.txt%00",
        "//server/share/a.txt",
        "\\\\server\\share\\a.txt",
        "\\\\?\\C:\\a.txt",
        "C:\\Windows\\win.ini",
        "c:/Windows/win.ini",
        "C:a.txt",
        "other:a.txt",
        "http://127.0.0.1/a.txt",
        "docs:a\0.txt",
        "docs:a\n.txt",
        "",
        "  ",
    ]


@pytest.mark.parametrize("number", range(27))
def test_what_lies_outside_is_refused_by_every_command(root: Path, number: int) -> None:
    path = outside(root)[number]
    before = sorted(root.parent.rglob("*"))
    for command in (
        {"command": "ReadFile", "filePath": path},
        {"command": "FileInfo", "filePath": path},
        {"command": "WriteFile", "filePath": path, "content": "x"},
        {"command": "AppendFile", "filePath": path, "content": "x"},
        {"command": "EditFile", "filePath": path, "content": "x"},
        {"command": "ApplyDiff", "filePath": path, "searchString": "S", "replaceString": "x"},
        {"command": "DeleteFile", "filePath": path},
        {"command": "CreateDirectory", "directoryPath": path},
        {"command": "SearchFiles", "searchPath": path, "pattern": "*"},
        {"command": "CopyFile", "sourcePath": path, "destinationPath": "docs:stolen"},
        {"command": "MoveFile", "sourcePath": path, "destinationPath": "docs:stolen"},
        {"command": "CopyFile", "sourcePath": "docs:a.txt", "destinationPath": path},
        {"command": "MoveFile", "sourcePath": "docs:a.txt", "destinationPath": path},
        {"command": "RenameFile", "sourcePath": "docs:a.txt", "destinationPath": path},
    ):
        with pytest.raises(FileProblem) as caught:
            run(command, settings(root))
        assert "SECRET" not in str(caught.value)
    assert sorted(root.parent.rglob("*")) == before
    assert (root.parent / "secret.txt").read_text(encoding="utf-8") == "SECRET"


def test_there_are_as_many_cases_as_numbers(root: Path) -> None:
    assert len(outside(root)) == 27


@given(st.text(st.sampled_from("./\\:~ab%2e\0docs日"), max_size=24))
def test_any_text_is_a_place_inside_or_an_error(text: str) -> None:
    real = os.path.realpath(os.sep + "nowhere-at-all")
    found = Roots((Root("docs", real, real), Root("more", real + "2", real + "2")))
    for follow in (True, False):
        try:
            place = found.place(text, follow=follow)
        except FileProblem:
            continue
        assert not {"..", ".", ""} & set(place.parts)
        assert not any("/" in part for part in place.parts)


@posix
def test_links_that_lead_out_are_refused_and_inner_ones_followed(root: Path) -> None:
    (root / "out").symlink_to(root.parent)
    (root / "out.txt").symlink_to(root.parent / "secret.txt")
    (root / "in.txt").symlink_to("a.txt")
    (root / "loop").symlink_to("loop")
    now = settings(root)
    reply = run({"command": "ReadFile", "filePath": "docs:in.txt"}, now)
    assert reply["content"][0]["text"] == "inside"
    for path in ("docs:out/secret.txt", "docs:out.txt", "docs:loop", "docs:out/new.txt"):
        for command in ("ReadFile", "AppendFile", "EditFile", "FileInfo"):
            if (command, path) == ("FileInfo", "docs:loop"):
                assert run({"command": command, "filePath": path}, now)["type"] == "link"
                continue
            with pytest.raises(FileProblem):
                run({"command": command, "filePath": path, "content": "x"}, now)
    # A new file never goes through a link: the name is taken.
    reply = run({"command": "WriteFile", "filePath": "docs:out.txt", "content": "x"}, now)
    assert reply["path"] == "docs:out-2.txt"
    # Deleting deletes the link itself.
    run({"command": "DeleteFile", "filePath": "docs:out.txt"}, now)
    assert not (root / "out.txt").is_symlink()
    assert (root.parent / "secret.txt").read_text(encoding="utf-8") == "SECRET"
    assert not (root.parent / "new.txt").exists()
    reply = run({"command": "SearchFiles", "searchPath": "docs:", "pattern": "secret"}, now)
    assert [row["type"] for row in reply["results"]] == []


@posix
def test_a_trash_that_is_a_link_is_not_used(root: Path) -> None:
    (root / ".trash").symlink_to(root.parent / "docs-2")
    now = settings(root)
    with pytest.raises(FileProblem):
        run({"command": "DeleteFile", "filePath": "docs:a.txt"}, now)
    reply = run({"command": "WriteFile", "filePath": "docs:b.txt", "content": "x"}, now)
    assert "history" in reply["warning"]
    assert os.listdir(root.parent / "docs-2") == ["secret.txt"]
    assert (root / "a.txt").exists()


@posix
def test_a_link_put_in_the_way_after_the_check_is_not_followed(root: Path) -> None:
    place = roots(("docs", root)).place("docs:sub/x.txt")
    (root / "sub").rmdir()
    (root / "sub").symlink_to(root.parent)
    with pytest.raises(OSError, match=r".*"), holder(place):
        pytest.fail("went through a link")
    (root / "sub").unlink()
    (root / "sub").mkdir()
    (root / "sub" / "x.txt").symlink_to(root.parent / "secret.txt")
    with holder(place) as found, pytest.raises(OSError, match=r".*"):
        found.open("x.txt", os.O_RDONLY)


COMMANDS_ON_A_SWAPPED_FOLDER = (
    {"command": "ReadFile", "filePath": "docs:sub/secret.txt"},
    {"command": "FileInfo", "filePath": "docs:sub/secret.txt"},
    {"command": "ListDirectory", "directoryPath": "docs:sub"},
    {"command": "SearchFiles", "searchPath": "docs:sub", "pattern": "*"},
    {"command": "WriteFile", "filePath": "docs:sub/new.txt", "content": "x"},
    {"command": "AppendFile", "filePath": "docs:sub/secret.txt", "content": "x"},
    {"command": "EditFile", "filePath": "docs:sub/secret.txt", "content": "x"},
    {"command": "ApplyDiff", "filePath": "docs:sub/secret.txt", "searchString": "E"},
    {"command": "DeleteFile", "filePath": "docs:sub/secret.txt"},
    {"command": "CreateDirectory", "directoryPath": "docs:sub/new"},
    {"command": "CopyFile", "sourcePath": "docs:sub/secret.txt", "destinationPath": "docs:b"},
    {"command": "CopyFile", "sourcePath": "docs:a.txt", "destinationPath": "docs:sub/b"},
    {"command": "MoveFile", "sourcePath": "docs:sub/secret.txt", "destinationPath": "docs:b"},
    {"command": "MoveFile", "sourcePath": "docs:a.txt", "destinationPath": "docs:sub/b"},
)


@posix
@pytest.mark.parametrize("request_", COMMANDS_ON_A_SWAPPED_FOLDER, ids=lambda r: r["command"])
def test_a_folder_swapped_for_a_link_after_every_check_leaks_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, request_: dict[str, str]
) -> None:
    """The worst moment, made certain: each path is resolved, then the link is put there."""
    resolve, spare = os.path.realpath, root / "spare"
    (root / "sub" / "secret.txt").write_text("harmless", encoding="utf-8")
    before = sorted(os.listdir(root.parent))
    swapped = 0

    def late(path: str) -> str:
        nonlocal swapped
        if spare.exists():
            (root / "sub").unlink()
            spare.rename(root / "sub")
        found = resolve(path)
        (root / "sub").rename(spare)
        (root / "sub").symlink_to(root.parent)
        swapped += 1
        return found

    now = settings(root)
    monkeypatch.setattr(os.path, "realpath", late)
    with pytest.raises(FileProblem) as caught:
        run(request_, now)
    monkeypatch.undo()
    assert swapped
    assert "SECRET" not in str(caught.value)
    assert sorted(os.listdir(root.parent)) == before
    assert (root.parent / "secret.txt").read_text(encoding="utf-8") == "SECRET"
    assert (spare / "secret.txt").read_text(encoding="utf-8") == "harmless"
    assert sorted(os.listdir(root)) == ["a.txt", "spare", "sub"]


def test_systems_without_openat_check_each_step_instead(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_SAFE", False)
    now = settings(root)
    done = run(
        {
            "command1": "WriteFile", "filePath1": "docs:n/b.txt", "content1": "B",
            "command2": "AppendFile", "filePath2": "docs:n/b.txt", "content2": "B",
            "command3": "MoveFile", "sourcePath3": "docs:n", "destinationPath3": "docs:sub",
            "command4": "EditFile", "filePath4": "docs:sub/n/b.txt", "content4": "C",
            "command5": "DeleteFile", "filePath5": "docs:sub/n",
            "command6": "SearchFiles", "searchPath6": "docs:", "pattern6": "*",
        },
        now,
    )  # fmt: skip
    rows = done["steps"][-1]["result"]["results"]
    assert [row["path"] for row in rows] == ["docs:a.txt", "docs:sub"]
    if os.name == "posix":
        place = roots(("docs", root)).place("docs:sub/x.txt")
        (root / "sub").rmdir()
        (root / "sub").symlink_to(root.parent)
        with pytest.raises(OSError, match="a link"), holder(place):
            pytest.fail("went through a link")
        (root / "l.txt").symlink_to(root.parent / "secret.txt")
        with folder(Place(place.root, ())) as opened, pytest.raises(OSError, match="a link"):
            opened.open("l.txt", os.O_RDONLY)


@posix
def test_pipes_do_not_hold_the_plugin(root: Path) -> None:
    os.mkfifo(root / "pipe")
    for command in ("ReadFile", "AppendFile", "EditFile"):
        with pytest.raises(FileProblem):
            run({"command": command, "filePath": "docs:pipe", "content": "x"}, settings(root))
    assert run({"command": "FileInfo", "filePath": "docs:pipe"}, settings(root))["type"] == "other"


@posix
def test_hard_links_are_not_appended_to(root: Path) -> None:
    os.link(root.parent / "secret.txt", root / "hard.txt")
    with pytest.raises(FileProblem, match="hard links"):
        run({"command": "AppendFile", "filePath": "docs:hard.txt", "content": "x"}, settings(root))
    run({"command": "EditFile", "filePath": "docs:hard.txt", "content": "x"}, settings(root))
    assert (root.parent / "secret.txt").read_text(encoding="utf-8") == "SECRET"


def test_the_forms_of_the_configuration(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two" / "one"
    two.mkdir(parents=True)
    one.mkdir()

    def names(allowed: str, base: str = "") -> dict[str, str]:
        found = read_roots(Settings(allowed=allowed, base=base))
        return {root.name: root.real for root in found.all}

    wanted = {"a1": os.path.realpath(one), "b2": os.path.realpath(two)}
    assert names(f"a1={one}; b2={two};") == wanted
    assert names(json.dumps({"a1": str(one), "b2": str(two)})) == wanted
    assert names(f"{one};{two}") == {"one": wanted["a1"], "one-2": wanted["b2"]}
    assert names("a1=one", str(tmp_path)) == {"a1": wanted["a1"]}
    assert names("") == {}
    doubled = f"a1={one};A1={two}"
    for wrong in (doubled, f"x={one}", "a1=", '{"a1": 3}', '{"a/b": "/x"}', "{", "a1=relative"):
        with pytest.raises(FileProblem, match="ALLOWED_DIRECTORIES"):
            names(wrong)


def test_the_longest_root_wins_and_a_missing_one_is_told(root: Path) -> None:
    found = roots(("outer", root.parent), ("inner", root), ("gone", root / "gone"))
    assert found.place(str(root / "a.txt")).shown == "inner:a.txt"
    with pytest.raises(FileProblem, match="which root"):
        found.place("a.txt")
    with pytest.raises(FileProblem, match="create it"), folder(Place(found.named("gone"), ())):
        pytest.fail("opened a folder that is not there")
    with folder(Place(found.named("inner"), ())) as opened:
        assert "a.txt" in [name for name, _ in opened.entries()]


def test_config_env_fills_what_the_environment_lacks(tmp_path: Path) -> None:
    (tmp_path / "config.env").write_text(
        "# comment\nALLOWED_DIRECTORIES='docs=/srv/docs'\nALLOW_NETWORK=TRUE\nMAX_FILE_MB=3\n"
        "OTHER=1\n",
        encoding="utf-8",
    )
    found = read_settings({"MAX_FILE_MB": "7", "ALLOW_PRIVATE_NETWORK": "yes"}, tmp_path)
    assert found == Settings("docs=/srv/docs", True, False, 7_000_000, 500, "")
    assert read_settings({}, tmp_path / "none") == Settings()
