"""`vcplab demo`, as a newcomer runs it: twice, in processes of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Demos

pytestmark = pytest.mark.dense

SYSTEMS = ["BM25", "Tantivy", "Dense", "RRF", "LightMemo", "DeepMemo", "MeshMemo", "TagMemo"]


def test_the_table_has_all_systems_with_intervals_tests_and_cost(demos: Demos) -> None:
    heading = demos.first.splitlines()[0]
    for column in ("system", "nDCG@10", "p", "ms/query"):
        assert column in heading
    for system in SYSTEMS:
        line = next(line for line in demos.first.splitlines() if line.startswith(system))
        assert re.search(r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", line), line
        assert re.search(r" \d+\.\d\d$", line), line
    assert "permutation" in demos.first
    assert "nDCG@10 by class" in demos.first


def test_the_last_lines_say_what_was_done(demos: Demos) -> None:
    lines = demos.first.rstrip().splitlines()
    assert re.fullmatch(r"encoded [1-9]\d* texts this run; torch loaded: yes", lines[-1])
    assert any(line.startswith("report: ") for line in lines[-4:])


def test_the_report_stands_alone(demos: Demos) -> None:
    assert all(system in demos.report for system in SYSTEMS)
    assert not re.search(r"<script|(src|href)=[\"']?(https?:)?//", demos.report)


def test_the_second_run_encodes_nothing_and_never_loads_torch(demos: Demos) -> None:
    assert demos.second["encoded_texts"] == 0
    assert demos.second["torch_loaded"] is False


def test_json_tells_the_same(demos: Demos) -> None:
    rows = demos.second["results"]
    assert [row["system"] for row in rows if row["metric"] == "nDCG@10"] == SYSTEMS
    for row in rows:
        shown = f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        line = next(
            line
            for line in demos.first.splitlines()
            if line.startswith(row["system"]) and shown in line
        )
        assert line
    assert demos.second["baseline"] == "BM25"
    assert {row["class"] for row in demos.second["by_class"]} >= {"exact", "tag_hop", "entity"}


def test_the_hybrid_is_no_worse_than_its_best_leg(demos: Demos) -> None:
    means = {
        row["system"]: row["mean"] for row in demos.second["results"] if row["metric"] == "nDCG@10"
    }
    assert means["LightMemo"] >= max(means["BM25"], means["Dense"]) - 0.005


def test_the_demo_opens_no_socket(demos: Demos) -> None:
    assert demos.attempts == ""
