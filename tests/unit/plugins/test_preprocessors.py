"""The chain that changes messages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.plugins.preprocessors import Preprocessors

MakePlugin = Callable[..., Path]


def _adds(word: str) -> Callable[[list[Any]], list[Any]]:
    return lambda messages: [*messages, word]


def test_order() -> None:
    chain = Preprocessors()
    for name in ("b", "a", "c"):
        chain.add(name, _adds(name))
    assert chain.process([]) == ["a", "b", "c"]
    chain.set_order(["c", "unknown", "b"])
    assert chain.order == ["c", "b", "a"]
    assert chain.process([]) == ["c", "b", "a"]
    assert chain.remove("c")
    assert not chain.remove("c")
    assert chain.process([]) == ["b", "a"]


def test_one_that_fails_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[str] = []
    chain = Preprocessors(lambda name, error: failures.append(f"{name}: {error}"))

    def spoils(messages: list[Any]) -> list[Any]:
        messages[0]["content"] = "spoiled"
        raise ValueError("no")

    async def later(messages: list[Any]) -> list[Any]:
        return [*messages, "later"]

    chain.add("a", spoils)
    chain.add("b", lambda messages: None)
    chain.add("c", later)
    given = [{"role": "user", "content": "x"}]
    assert chain.process(given) == [{"role": "user", "content": "x"}, "later"]
    assert given == [{"role": "user", "content": "x"}]
    assert [failure.split(":")[0] for failure in failures] == ["a", "b"]
    assert "passed over" in caplog.text
    with pytest.raises(InvalidInputError):
        chain.add("d", "no function")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is missing")
def test_a_folders_preprocessor(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin(
        "Polite", pluginType="messagePreprocessor", entryPoint={"script": "index.js"}
    )
    (folder / "index.js").write_text(
        "exports.processMessages = async (messages, config) => "
        "messages.concat([{role: 'system', content: 'please ' + config.DebugMode}]);"
    )
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        assert lab.plugins.row("Polite").state == "ready"
        made = lab.plugins.preprocess([{"role": "user", "content": "hi"}])
        assert made[-1] == {"role": "system", "content": "please false"}
        lab.plugins.disable("Polite")
        assert len(lab.plugins.preprocess([])) == 0


def test_decorator(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:

        @lab.plugins.preprocessor
        def shout(messages: list[Any]) -> list[Any]:
            return [{**m, "content": m["content"].upper()} for m in messages]

        assert lab.plugins.preprocess([{"content": "a"}]) == [{"content": "A"}]
        names = [s.name for s in lab.trace.spans()]
        assert "preprocessor.shout" in names
