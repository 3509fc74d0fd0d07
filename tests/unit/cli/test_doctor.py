"""`vcplab doctor`: truthful rows, a next step for each gap, an exit code to rely on."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from vcplab.cli import checks, doctor, main
from vcplab.cli.checks import Check
from vcplab.core.settings import override_settings


@pytest.fixture(scope="module")
def rows() -> list[Check]:
    return list(checks.all_checks())


def test_nothing_breaks_and_every_gap_has_a_next_step(rows: list[Check]) -> None:
    assert not [row for row in rows if row.next_step == "report this"]
    assert not [row for row in rows if row.status == "missing" and not row.next_step]


def test_it_knows_the_installed_versions(rows: list[Check]) -> None:
    numpy = next(row for row in rows if row.name == "numpy")
    assert metadata.version("numpy") in numpy.found
    assert numpy.status == "ok"
    assert numpy.required
    torch = next(row for row in rows if row.name == "torch")
    assert torch.topic == "extra [dense]"
    assert not torch.required


def test_the_bundled_data_is_verified(rows: list[Check]) -> None:
    diaries = next(row for row in rows if row.topic == "data" and row.name == "diaries")
    assert diaries.status == "ok", diaries


def test_a_missing_package_fails_an_extra_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    gone = {"numpy", "torch"}

    def version(name: str) -> str:
        if name in gone:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(checks.metadata, "version", version)
    rows = {row.name: row for row in checks._packages()}
    assert (rows["numpy"].status, rows["numpy"].required) == ("missing", True)
    assert (rows["torch"].status, rows["torch"].required) == ("missing", False)
    assert "vcplab[dense]" in rows["torch"].next_step


def test_an_old_version_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(
        checks.metadata, "version", lambda name: "0.0.1" if name == "pandas" else real(name)
    )
    row = next(row for row in checks._packages() if row.name == "pandas")
    assert row.status == "warn"
    assert "0.0.1" in row.found


@pytest.mark.parametrize(
    ("version", "status"), [("6.29.5", "warn"), ("7.3.0", "warn"), ("7.4.0", "ok"), ("8.0", "ok")]
)
def test_the_kernel_version_matters(
    monkeypatch: pytest.MonkeyPatch, version: str, status: str
) -> None:
    monkeypatch.setattr(checks, "_installed", {"ipykernel": version}.get)
    row = next(row for row in checks._jupyter() if row.name == "kernel")
    assert row.status == status


def test_nest_asyncio_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_installed", {"nest_asyncio": "1.6.0"}.get)
    row = next(row for row in checks._jupyter() if row.name == "nest-asyncio")
    assert row.status == "warn"
    assert "allow_nested_loops" in row.next_step


def test_no_browser_is_only_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    row = next(row for row in checks._jupyter() if row.name == "Chromium")
    assert (row.status, row.required) == ("warn", False)


def test_the_cache_is_measured(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 4096)
    with override_settings(cache_dir=tmp_path):
        row = next(row for row in checks._storage() if row.name == "cache")
    assert "4 KB" in row.found
    assert row.status == "ok"


def test_a_check_that_breaks_becomes_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def _storage() -> None:
        raise RuntimeError("no disk")

    monkeypatch.setattr(checks, "_storage", _storage)
    row = next(row for row in checks.all_checks() if row.topic == "storage")
    assert row.found == "RuntimeError: no disk"
    assert row.required


def test_the_exit_code_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = Check("packages", "a", "ok", "1")
    optional = Check("extra [x]", "b", "missing", "not installed", "pip install b")
    needed = Check("packages", "c", "missing", "not installed", "pip install c", True)
    monkeypatch.setattr(doctor, "all_checks", lambda: [fine, optional])
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "MISSING  b  not installed\n" in out
    assert "-> pip install b" in out
    monkeypatch.setattr(doctor, "all_checks", lambda: [fine, needed])
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert [row["status"] for row in report["checks"]] == ["ok", "missing"]


def test_costs_are_measured_here(capsys):
    from vcplab.cli.costs import cost_checks

    found = {check.name: check for check in cost_checks()}
    assert {"import vcplab", "BM25 index", "BM25 search"} <= found.keys()
    assert float(found["BM25 search"].found.split()[0]) > 0
    assert main(["doctor", "--costs", "--json"]) in (0, 1)
    rows = json.loads(capsys.readouterr().out)["checks"]
    assert any(row["topic"].startswith("costs") for row in rows)
