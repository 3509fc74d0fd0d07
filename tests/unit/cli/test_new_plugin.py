"""`vcplab new-plugin`: the folder, what is printed, what is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from vcplab.cli import new_plugin
from vcplab.core.errors import InvalidInputError, StateError


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    new_plugin.add_arguments(parser)
    return new_plugin.run(parser.parse_args(words))


def test_it_writes_a_folder_and_says_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("WordCount") == 0
    folder = tmp_path / "WordCount"
    printed = capsys.readouterr().out
    for path in folder.rglob("*"):
        assert path.is_dir() or path.relative_to(folder).as_posix() in printed
    assert f'lab.plugins.add(r"{folder}", trust=True, watch=True)' in printed
    assert 'lab.tools.call("WordCount", {"text": "…"})' in printed
    assert "python -m unittest" in printed


@pytest.mark.parametrize("kind", ["synchronous", "asynchronous", "static"])
@pytest.mark.parametrize("language", ["python", "javascript"])
def test_every_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, language: str
) -> None:
    words = ["X", "--type", kind, "--language", language, "--to", str(tmp_path / "new")]
    assert run(*words, "--description", "什么") == 0
    text = (tmp_path / "new" / "X" / "plugin-manifest.json").read_text(encoding="utf-8")
    assert f'"pluginType": "{kind}"' in text
    assert "什么" in text
    assert ("placeholder" in capsys.readouterr().out) == (kind == "static")


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidInputError, match="letters, digits"):
        run("a b", "--to", str(tmp_path))
    with pytest.raises(SystemExit):
        run("X", "--type", "service")
    run("X", "--to", str(tmp_path))
    with pytest.raises(StateError, match="not empty"):
        run("X", "--to", str(tmp_path))
    assert "invalid choice" in capsys.readouterr().err
