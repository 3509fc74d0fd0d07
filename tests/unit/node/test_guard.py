"""No frame carries a known secret or a local path, and every frame is JSON."""

from __future__ import annotations

import base64
import json
import math
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.core.redaction import spellings
from vcplab.node.guard import Guard

SECRET = 'k3y/with+"odd" chärs'
HOME = "/home/ada"


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Guard:
    monkeypatch.setenv("HOME", HOME)
    return Guard(
        lambda: (SECRET, "246813579"), {"lab": Path("/home/ada/lab"), "data": Path("/srv/d")}
    )


def sent(guard: Guard, value: Any) -> Any:
    return json.loads(guard.frame({"type": "tool_result", "data": {"result": value}}))["data"][
        "result"
    ]


@pytest.mark.parametrize("spelt", sorted(spellings(SECRET)))
def test_every_spelling_of_a_secret_is_masked(guard: Guard, spelt: str) -> None:
    assert guard.text(f"a {spelt} b") == "a ••• b"
    assert sent(guard, {"x": [f"a {spelt} b"]}) == {"x": ["a ••• b"]}
    assert sent(guard, {spelt: 1}) == {"•••": 1}
    assert sent(guard, json.dumps({"inner": spelt})) == '{"inner": "•••"}'


def test_a_secret_beside_half_a_character_is_found(guard: Guard) -> None:
    frame = guard.frame({"a": "пароль", "b": "\ud83d", "c": f"{HOME}/é"})
    assert frame.isascii()
    assert json.loads(frame) == {"a": "пароль", "b": "\ud83d", "c": "~/é"}
    words = Guard(lambda: ("пароль",))
    assert json.loads(words.frame({"a": "пароль", "b": "\ud83d"})) == {"a": "•••", "b": "\ud83d"}


def test_numbers_equal_to_a_secret_are_masked_and_others_stay(guard: Guard) -> None:
    value = [246813579, 246813579.0, -1, 2468135790, True, None, 1.5]
    assert sent(guard, value) == ["•••", "•••", -1, 2468135790, True, None, 1.5]
    assert sent(guard, {246813579: "a"}) == {"•••": "a"}


def test_keys_that_become_alike_stay_two(guard: Guard) -> None:
    assert sent(guard, {SECRET: 1, quote(SECRET): 2}) == {"•••": 1, "••• 2": 2}


def test_short_secrets_are_left_alone() -> None:
    assert json.loads(Guard(lambda: ("ab", "12345")).frame({"a": "ab 12345"})) == {"a": "ab 12345"}


def test_a_secret_that_is_a_word_of_the_protocol_does_not_break_frames() -> None:
    guard = Guard(lambda: ("status", "tool_result", "success"))
    frame = {
        "type": "tool_result",
        "data": {"status": "success", "result": "its status is success"},
    }
    assert json.loads(guard.frame(frame)) == {
        "type": "tool_result",
        "data": {"status": "success", "result": "its ••• is •••"},
    }


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/home/ada", "~"),
        ("/home/ada/notes.txt", "~/notes.txt"),
        ("in /home/ada.", "in ~."),
        ("打开/home/ada里的文件", "打开~里的文件"),
        ("/home/ada/lab/a.png", "lab/a.png"),
        ("/home/ada/laboratory", "~/laboratory"),
        ("file:///home/ada/lab/a.png", "file://lab/a.png"),
        ("PATH=/bin:/home/ada/bin:/srv/d", "PATH=/bin:~/bin:data"),
        (r'{"p": "one\n/home/ada/x"}', r'{"p": "one\n~/x"}'),
        (r'{"p": "\u4e2d/home/ada/x"}', r'{"p": "\u4e2d~/x"}'),
        (r'{"p": "\/home\/ada\/lab\/x"}', r'{"p": "lab\/x"}'),
        ("/home/adam", "/home/adam"),
        ("/home/ada-old", "/home/ada-old"),
        ("/mnt/home/ada", "/mnt/home/ada"),
        ("http://home/ada", "http://home/ada"),
        ("https://x.org/home/ada", "https://x.org/home/ada"),
        ("/srv/d /srv/data /srv/d/x", "data /srv/data data/x"),
    ],
)
def test_paths_become_names_on_their_boundaries(guard: Guard, text: str, clean: str) -> None:
    assert guard.text(text) == clean
    assert sent(guard, text) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (r"C:\Users\Ada\x", r"~\x"),
        ("c:/Users/Ada/x", "~/x"),
        ("file:///C:/Users/Ada/x", "file:///~/x"),
        (r'{"p": "C:\\Users\\Ada\\x"}', r'{"p": "~\\x"}'),
        (r"C:\Users\Adam", r"C:\Users\Adam"),
        (r"\\nas\work\a", r"team\a"),
        ("//nas/work/a", "team/a"),
    ],
)
def test_paths_of_windows(monkeypatch: pytest.MonkeyPatch, text: str, clean: str) -> None:
    monkeypatch.setattr("os.path.isabs", lambda path: True)
    monkeypatch.setattr("os.path.realpath", lambda path: str(path))
    guard = Guard(tuple, {"~": Path(r"C:\Users\Ada"), "team": Path(r"\\nas\work")})
    assert guard.text(text) == clean
    assert sent(guard, text) == clean


def test_spaces_and_accents_in_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/Zoë Q")
    guard = Guard(tuple)
    home = "/home/Zoë Q"
    for spelt in (home, quote(home), json.dumps(home)[1:-1], "/home/Zoe\u0308 Q"):
        assert guard.text(f"{spelt}/x") == "~/x"
        assert sent(guard, f"{spelt}/x") == "~/x"


def test_a_linked_home_is_known_by_both_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    guard = Guard(tuple)
    assert guard.text(f"{tmp_path}/link/a {tmp_path}/real/b") == "~/a ~/b"


def test_the_root_folder_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert Guard(tuple, {"all": Path("/")}).text("/a/b") == "/a/b"


def test_what_only_looks_like_a_key_is_masked_in_errors_alone(guard: Guard) -> None:
    text = f"password=hunter2hunter2 in {HOME}/x, {SECRET}"
    assert guard.text(text) == "password=hunter2hunter2 in ~/x, •••"
    assert guard.error(text) == "password=••• in ~/x, •••"


def test_secrets_learnt_later_are_known() -> None:
    known = ["first-secret"]
    guard = Guard(lambda: known)
    text = "first-secret second-secret"
    assert guard.text(text) == "••• second-secret"
    known.append("second-secret")
    assert guard.text(text) == "••• •••"
    assert sent(guard, text) == "••• •••"
    known.clear()
    assert guard.text(text) == text


def test_secrets_in_files_are_noticed(guard: Guard) -> None:
    assert guard.carries(b"\0\xff" + SECRET.encode() + b"\0")
    assert guard.carries(base64.b64encode(SECRET.encode()))
    assert not guard.carries(b"\0\xff nothing")


def test_numbers_that_json_does_not_have_are_null(guard: Guard) -> None:
    assert sent(guard, [math.nan, {"a": math.inf}, 1.0]) == [None, {"a": None}, 1.0]


@pytest.mark.parametrize("value", [object(), {(1, 2): 3}, {1, 2}, b"bytes"])
def test_what_json_cannot_hold_is_an_error(guard: Guard, value: Any) -> None:
    with pytest.raises(InvalidInputError):
        guard.frame({"a": value})


def test_what_holds_itself_is_an_error(guard: Guard) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidInputError):
        guard.frame({"a": value})


def test_big_frames_are_quick(guard: Guard) -> None:
    blob = base64.b64encode(bytes(range(256)) * 60_000).decode()
    secrets = tuple(f"sk-{number}-{'x' * number}/+{number}" for number in range(10, 22))
    guard = Guard(lambda: secrets)
    frame = {"type": "tool_result", "data": {"result": blob, "more": secrets[3]}}
    began = time.process_time()
    text = guard.frame(frame)
    assert (
        time.process_time() - began < 3
    )  # a tenth of this is usual; an alternation takes a minute
    assert secrets[3] not in text
    assert json.loads(text)["data"]["result"] == blob


TEXTS = st.text(
    alphabet=st.sampled_from(['"', "\\", "/", "s", "é", "\n", "0", " ", "\ud800", "家"]),
    max_size=12,
)
PIECES = st.lists(st.one_of(TEXTS, st.sampled_from([SECRET, HOME, f"{HOME}/lab"])), max_size=4)
VALUES = st.recursive(
    st.one_of(PIECES.map("".join), st.integers(), st.floats(), st.none(), st.just(246813579)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(PIECES.map("".join), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_any_frame_is_json_without_secrets(value: Any) -> None:
    guard = Guard(lambda: (SECRET, "246813579"), {"~": Path(HOME)})
    frame = guard.frame({"data": value})
    frame.encode("utf-8")
    texts: list[str] = []

    def collect(item: Any) -> None:
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            for key, inner in item.items():
                texts.append(key)
                collect(inner)
        elif isinstance(item, list):
            for inner in item:
                collect(inner)
        else:
            assert item != 246813579

    collect(json.loads(frame))
    assert not any(form in text for text in texts for form in spellings(SECRET))
