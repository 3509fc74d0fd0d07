"""The project keeps its promises: a light import, agreeing versions, small modules, true docs."""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMPORT_BUDGET_US = 150_000
HEAVY = [
    "torch",
    "openai",
    "mcp",
    "pandas",
    "IPython",
    "numpy",
    "sklearn",
    "scipy",
    "matplotlib",
    "tantivy",
    "plotly",
    "pydantic",
    "sentence_transformers",
    "transformers",
    "rjieba",
    "statsmodels",
    "ipywidgets",
    "anywidget",
]
# Module (relative to the repository) -> why it may be longer than 400 lines.
LONG_MODULES: dict[str, str] = {
    "vcplab/sdk/stdio.py": "one file, because it is copied into plugin folders",
}
MAX_LINES = 400


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done


def _cumulative_us(report: str) -> int:
    # Lines of -X importtime: "import time: self [us] | cumulative | imported package".
    for line in report.splitlines():
        match = re.match(r"import time:\s+\d+ \|\s+(\d+) \| (\s*)(\S+)", line)
        if match and match[3] == "vcplab":
            return int(match[1])
    raise AssertionError(f"-X importtime did not mention vcplab:\n{report}")


def _project() -> dict[str, object]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def _version() -> str:
    project = _project()["project"]
    assert isinstance(project, dict)
    return str(project["version"])


def test_import_is_fast() -> None:
    # The best of three: the machine may be busy, the import is not to blame for that.
    measured = [
        _cumulative_us(_python("-X", "importtime", "-c", "import vcplab").stderr) for _ in range(3)
    ]
    assert min(measured) <= IMPORT_BUDGET_US


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, vcplab; print('\\n'.join(sys.modules))"
    loaded = {name.partition(".")[0] for name in _python("-c", code).stdout.split()}
    assert loaded.isdisjoint(HEAVY), sorted(loaded & set(HEAVY))


def test_the_command_line_starts_light() -> None:
    code = (
        "import sys, vcplab.cli as cli\n"
        "try:\n    cli.main(['--version'])\nexcept SystemExit:\n    pass\n"
        "print('\\n'.join(sys.modules))"
    )
    loaded = {name.partition(".")[0] for name in _python("-c", code).stdout.split()}
    assert loaded.isdisjoint(HEAVY), sorted(loaded & set(HEAVY))


def test_every_public_name_resolves() -> None:
    import vcplab

    # Their order is checked by ruff (RUF022).
    assert len(set(vcplab.__all__)) == len(vcplab.__all__)
    assert set(vcplab.__all__) <= set(dir(vcplab))
    for name in vcplab.__all__:
        assert getattr(vcplab, name) is not None, name
    with pytest.raises(AttributeError):
        vcplab.no_such_name  # noqa: B018


def test_versions_agree() -> None:
    import vcplab

    version = _version()
    assert vcplab.__version__ == version
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", citation, re.MULTILINE)[1] == version  # type: ignore[index]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"\b(\d+\.\d+\.\d+)\b", changelog[changelog.index("## [") :])
    assert newest is not None
    assert newest[1] == version


def test_no_module_grows_too_long() -> None:
    long = {}
    for path in sorted((ROOT / "vcplab").rglob("*.py")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_LINES and path.relative_to(ROOT).as_posix() not in LONG_MODULES:
            long[path.relative_to(ROOT).as_posix()] = lines
    assert not long


def test_every_module_says_what_it_is() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "vcplab").rglob("*.py"))
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_constraints_pin_exactly() -> None:
    pins: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
            assert match, f"not an exact pin without a local version: {line}"
            pins[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    project = _project()["project"]
    groups = _project()["dependency-groups"]
    assert isinstance(project, dict)
    assert isinstance(groups, dict)
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
        *(line for group in groups.values() for line in group),
    ]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ;]", line)[0]).lower() for line in wanted}
    assert names - set(pins) - {"vcplab"} == set()


def _markdown() -> list[Path]:
    folders = [ROOT, ROOT / "docs", ROOT / "datasets", ROOT / "notebooks", ROOT / "benchmarks"]
    found = [*ROOT.glob("*.md")]
    for folder in folders[1:]:
        found += folder.rglob("*.md")
    return sorted(found)


def test_links_inside_the_repository_resolve() -> None:
    broken = []
    for path in _markdown():
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(<?([^)\s>]+)>?[^)]*\)", text):
            if re.match(r"[a-z]+:", target) or target.startswith("#"):
                continue
            if not (path.parent / target.partition("#")[0]).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert not broken


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_says_how_to_start(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for command in ("make demo", "make test"):
        assert command in text, command


def _commands() -> dict[str, argparse.ArgumentParser]:
    from vcplab.cli import build_parser

    parser = build_parser()
    actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(actions[0].choices)


def test_readme_documents_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in _commands() if f"vcplab {name}" not in text]
    assert not missing


def test_every_option_has_help() -> None:
    for name, parser in _commands().items():
        assert parser.description, name
        for action in parser._actions:
            assert action.help, f"{name} {action.option_strings}"


def test_documented_options_exist() -> None:
    # Every `vcplab COMMAND --option` of the documents is one that the command has.
    commands = _commands()
    for path in _markdown():
        for command, rest in re.findall(
            r"\bvcplab (demo|compare|lab|doctor)\b([^\n`]*)", path.read_text(encoding="utf-8")
        ):
            known = {o for a in commands[command]._actions for o in a.option_strings}
            for option in re.findall(r"(?<!\S)(--[a-z-]+)", rest):
                assert option in known, f"{path.name}: vcplab {command} {option}"


def test_makefile_has_the_promised_targets() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ["demo", "test", "lab", "lint", "bench", "slow"]:
        assert re.search(rf"^{target}:", text, re.MULTILINE), target
