"""The static row of the plugin contract (facts/vcp-protocol §2), in two languages."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.contract.support import (
    add,
    copied,
    each_language,
    row,
    until,
)
from vcplab.core.errors import VCPError


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file whose text the static plugins tell."""
    path = tmp_path / "value.txt"
    path.write_text("今天晴 ☀", encoding="utf-8")
    monkeypatch.setenv("CONTRACT_VALUE", str(path))
    return path


def put(path: Path, text: str) -> None:
    """Change the value in one step."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def value(lab: Any, name: str) -> Any:
    """What the plugin's placeholder holds."""
    return lab.variables.resolve_all(f"{{{{VCP{name}}}}}")


@each_language
def test_stdout_is_the_value(lab: Any, source: Path, language: str) -> None:
    name = f"{language}Ticker"
    add(lab, name)
    until(lambda: value(lab, name) == "今天晴 ☀")


def test_six_field_cron_renews_it_every_second(lab: Any, source: Path) -> None:
    name = "PyTicker"
    add(lab, name)
    until(lambda: value(lab, name) == "今天晴 ☀")
    put(source, "明天雨")
    until(lambda: value(lab, name) == "明天雨", 5)


def test_a_failure_keeps_the_stale_value(lab: Any, source: Path) -> None:
    name = "PyTicker"
    add(lab, name)
    until(lambda: value(lab, name) == "今天晴 ☀")
    source.unlink()
    until(lambda: "the source is gone" in "\n".join(lab.plugins.logs(name)), 5)
    assert value(lab, name) == "今天晴 ☀"
    put(source, "back")
    until(lambda: value(lab, name) == "back", 5)


@each_language
def test_not_callable(lab: Any, source: Path, language: str) -> None:
    name = f"{language}Ticker"
    add(lab, name)
    assert row(lab, name).callable is False
    with pytest.raises(VCPError) as caught:
        lab.tools.call(name, {})
    assert name in str(caught.value)


def test_no_cron_means_once(lab: Any, source: Path, tmp_path: Path) -> None:
    folder = copied("PyTicker", tmp_path / "copies", refreshIntervalCron=None)
    lab.plugins.add(folder, trust=True)
    until(lambda: value(lab, "PyTicker") == "今天晴 ☀")


def test_a_broken_cron_is_told(lab: Any, source: Path, tmp_path: Path) -> None:
    folder = copied("PyTicker", tmp_path / "copies", refreshIntervalCron="every day")
    lab.plugins.add(folder, trust=True)
    assert "every day" in row(lab, "PyTicker").problem


@pytest.mark.parametrize("written", ["", "as far as it came"])
def test_a_time_limit_is_no_error(
    lab: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    folder = copied(
        "PyTicker", tmp_path / "copies", communication={"protocol": "stdio", "timeout": 500}
    )
    lab.plugins.add(folder, trust=True)
    until(lambda: value(lab, "PyTicker") == "今天晴 ☀")
    put(source, f"hang:{written}")
    if written:
        until(lambda: value(lab, "PyTicker") == written)
    else:
        ran = len(runs(lab))
        until(lambda: len(runs(lab)) >= ran + 2)
        assert value(lab, "PyTicker") == "今天晴 ☀"
    assert not row(lab, "PyTicker").errors


def runs(lab: Any) -> list[Any]:
    """The traced runs of static plugins."""
    return [span for span in lab.trace.spans() if span.name == "plugin.static"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_fold_becomes_a_fold_object(lab: Any, source: Path, form: str) -> None:
    if form == "json":
        blocks = [{"threshold": 0.6, "content": "much"}, {"threshold": 0.0, "content": "little"}]
        put(source, json.dumps({"vcp_dynamic_fold": True, "fold_blocks": blocks}))
    else:
        put(source, "little\n[===vcp_fold: 0.6 ::desc: all of it ===]\nmuch\n")
    add(lab, "PyTicker")
    folds = lab.plugins.statics.folds
    found = until(lambda: folds.get("VCPPyTicker"))
    assert {block["threshold"]: block["content"] for block in found} == {0.6: "much", 0.0: "little"}
