"""Every notebook is committed clean and runs from top to bottom in a fresh kernel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs the test group")
nbclient = pytest.importorskip("nbclient", reason="needs the test group")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 150


class Executed(NamedTuple):
    """A notebook after its run, and what it tried to reach outside the machine."""

    notebook: Any
    attempts: str


def _run(path: Path, folder: Path) -> Executed:
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    # Jupyter's own front-ends draw figures inline; the tests' own choice must not reach the kernel.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    # In the kernel and its children an attempt to reach another machine fails and is written down.
    log = folder / "sockets.log"
    environment["VCPLAB_TEST_SOCKET_LOG"] = str(log)
    environment["PYTHONPATH"] = str(ROOT / "tests" / "support" / "offline")
    client.execute(env=environment)
    return Executed(notebook, log.read_text(encoding="utf-8") if log.exists() else "")


@pytest.fixture(scope="session")
def executed() -> dict[str, Executed]:
    """Notebooks that have been run, by name: each runs once, whatever is asked of it."""
    return {}


def _executed(path: Path, cache: dict[str, Executed], factory: pytest.TempPathFactory) -> Executed:
    if path.name not in cache:
        cache[path.name] = _run(path, factory.mktemp(path.stem))
    return cache[path.name]


def _html(notebook: Any) -> list[str]:
    return [
        "".join(output["data"]["text/html"])
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS][:1] == ["01_compare_memories.ipynb"]


def test_notebooks_are_committed_clean() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "clean_notebooks.py"), "--check", *map(str, NOTEBOOKS)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_valid_and_speaks_both_languages(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert prose[0].startswith("# ")
    assert all(re.search(r"[\u4e00-\u9fff]", source) for source in prose)


@pytest.mark.parametrize(
    "path",
    # What looks at one notebook's outputs runs in one process.
    [pytest.param(path, marks=pytest.mark.xdist_group(path.stem)) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_notebook_runs(
    path: Path, executed: dict[str, Executed], tmp_path_factory: pytest.TempPathFactory
) -> None:
    notebook, attempts = _executed(path, executed, tmp_path_factory)
    assert attempts == ""
    streams = [
        output["text"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.get("name") == "stderr"
    ]
    assert not [text for text in streams if "Warning" in text]


@pytest.mark.xdist_group(NOTEBOOKS[0].stem)
def test_first_notebook_shows_the_comparison(
    executed: dict[str, Executed], tmp_path_factory: pytest.TempPathFactory
) -> None:
    notebook = _executed(NOTEBOOKS[0], executed, tmp_path_factory).notebook
    html = _html(notebook)
    boards = [text for text in html if "<table" in text and "LightMemo" in text]
    assert boards, "no output holds a table of the systems"
    rows = re.findall(r"<tr.*?</tr>", boards[0], flags=re.DOTALL)
    for system in ("BM25", "Dense", "RRF", "LightMemo"):
        row = next(row for row in rows if system in row)
        assert re.search(r"\b0?\.\d{3}", row), row


@pytest.mark.xdist_group(NOTEBOOKS[0].stem)
def test_first_notebook_draws_the_plot(
    executed: dict[str, Executed], tmp_path_factory: pytest.TempPathFactory
) -> None:
    notebook = _executed(NOTEBOOKS[0], executed, tmp_path_factory).notebook
    cell = next(cell for cell in notebook.cells if cell.source.startswith("board.plot("))
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    assert kinds & {"image/png", "image/svg+xml"}, "the figure shows as text only"


def test_group_chat_notebook_replays_and_says_where_its_lines_come_from(
    executed: dict[str, Executed], tmp_path_factory: pytest.TempPathFactory
) -> None:
    (path,) = (path for path in NOTEBOOKS if path.stem == "07_group_chat")
    notebook = _executed(path, executed, tmp_path_factory).notebook
    printed = "".join(
        output["text"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    )
    assert "the same bytes: True" in printed
    assert printed.count("<Replay identical") == 6
    assert "differs" not in printed
    prose = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "written by hand" in prose
    html = _html(notebook)
    chats = [text for text in html if "<th" in text and ">why<" in text]
    assert len(chats) >= 6
    assert not [text for text in chats if ">failed" in text], "a line is missing in a recording"


def test_network_notebook_is_called_during_cells_and_loses_one_call(
    executed: dict[str, Executed], tmp_path_factory: pytest.TempPathFactory
) -> None:
    (path,) = (path for path in NOTEBOOKS if path.stem == "06_join_a_vcp_network")
    notebook = _executed(path, executed, tmp_path_factory).notebook
    cells = [
        "".join(
            output.get("text", "") or output.get("data", {}).get("text/plain", "")
            for output in cell.outputs
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    printed = "\n".join(cells)
    calls = re.search(r"counted to [\d,]+; meanwhile (\d+) calls", printed)
    assert calls is not None
    assert int(calls[1]) >= 3, "the long cell held up the calls"
    assert "'words': 4, 'letters': 16" in printed, "a changed body"
    assert "'longest': 'quick'" in printed, "a new description"
    assert re.search(r"simmer +lost +1 ", printed), "the call of the outage"
    assert "'key': '•••'" in printed
    assert cells[-1] == "{}\n", "the server kept tools of a node that left"


def test_recordings_of_the_notebooks_are_whole_and_named_as_written() -> None:
    from vcplab import Recorded

    found = sorted((ROOT / "notebooks" / "recordings").glob("*.jsonl"))
    assert found
    for path in found:
        recording = Recorded(path)
        assert recording.name == "written lines"
        assert not [call for call in recording.exchanges if call.failure]
