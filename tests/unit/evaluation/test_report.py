from __future__ import annotations

import re
import sys
import warnings
from html.parser import HTMLParser
from types import SimpleNamespace

import pandas as pd
import pytest
from matplotlib.figure import Figure

from vcplab.core.errors import InvalidInputError, MissingDependencyError, NotFoundError
from vcplab.evaluation.comparison import compare
from vcplab.evaluation.convert import RunFrame
from vcplab.evaluation.datasets import from_frames
from vcplab.evaluation.plots import figure_svg, forest_plot
from vcplab.evaluation.systems import read_run

FAST = {"resamples": 300, "permutations": 299}
HOSTILE = "<img src=x onerror=alert(1)>"


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.references: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.references += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")
        ]
        assert not any(name.startswith("on") for name, _ in attrs)


@pytest.fixture
def hostile(data, system):
    queries = data.queries.copy()
    queries["query"] = [f"{HOSTILE} {q}" for q in queries["query"]]
    queries["language"] = "zh"
    card = {"licence": HOSTILE, "version": HOSTILE, "origin": {"made": HOSTILE}}
    data = from_frames(data.corpus, queries, data.qrels, HOSTILE, **card)
    systems = [system(HOSTILE, 1), system("轻量记忆 $x^2$", 2), system("c", 3)]
    return compare(systems, data, ["nDCG@10", "RR"], **FAST)


def test_report_is_one_escaped_file(hostile, tmp_path) -> None:
    path = hostile.report(tmp_path / "new" / "report.html")
    page = path.read_text(encoding="utf-8")
    parser = _Elements()
    parser.feed(page)
    assert not parser.tags & {"img", "script", "link", "iframe", "object", "embed", "base"}
    # Only drawings refer to something: to their own parts.
    assert all(reference.startswith("#") for reference in parser.references)
    assert not re.search(r"https?://", page)
    assert "url(" not in page.replace("url(#", "")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_report_says_where_it_comes_from(hostile, tmp_path) -> None:
    page = hostile.report(tmp_path / "report.html").read_text(encoding="utf-8")
    for part in (
        hostile.data.fingerprint,
        "fake:1:()",
        "fake:2:()",
        "轻量记忆",
        "By class",
        "By language",
        "largest wins",
        "largest losses",
        "vl.compare(",
        "ir_measures",
        "Python",
        "seed",
        "<svg",
    ):
        assert part in page, part
    assert page.count("<svg") == 2
    ids = re.findall(r'\bid="([^"]+)"', page)
    figures = [figure_svg(forest_plot(hostile, m), m) for m in hostile.metrics]
    clips = [set(re.findall(r'<clipPath id="([^"]+)"', svg)) for svg in figures]
    assert not clips[0] & clips[1]
    assert ids


def test_reports_replace_each_other_whole(hostile, tmp_path, monkeypatch) -> None:
    path = hostile.report(tmp_path / "report.html")
    before = path.read_bytes()

    def fail(*_):
        raise RuntimeError("no")

    monkeypatch.setattr("vcplab.evaluation.report._data", fail)
    with pytest.raises(RuntimeError):
        hostile.report(path)
    assert path.read_bytes() == before


def test_report_of_one_system_and_of_bundled_data(system, tmp_path) -> None:
    from vcplab.evaluation.datasets import load
    from vcplab.memory.stages.lexical import BM25

    board = compare(BM25(), load("diaries"), "RR", **FAST)
    page = board.report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "vl.BM25()" in page
    assert "vl.datasets.load(&#x27;diaries&#x27;, split=&#x27;test&#x27;)" in page
    assert "no baseline" in page


def test_hardest_queries_are_the_hardest(data, system, tmp_path) -> None:
    board = compare([system("a", 1), system("b", 2)], data, "RR", **FAST)
    page = board.report(tmp_path / "r.html").read_text(encoding="utf-8")
    wide = board.per_query.pivot(index="qid", columns="system", values="RR")
    delta = (wide["b"] - wide["a"]).sort_values()
    losses = page[page.index("largest losses") :]
    assert delta.index[0] in losses[:600]
    wins = page[page.index("largest wins") : page.index("largest losses")]
    assert wins.count("<tr>") == 1 + min(10, int((delta > 0).sum()))


def test_plot_draws_any_name_without_warning(data, system) -> None:
    names = [
        "轻量记忆",
        "日本語のメモ",
        "$\\frac{1}$",
        "emoji 🎉 \U000e0001",
        "x" * 200,
        "a\nb",
        "",
    ]
    systems = {name: system(name, i) for i, name in enumerate(names)}
    board = compare(systems, data, "RR", **FAST)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = board.plot()
        svg = figure_svg(figure)
    assert isinstance(figure, Figure)
    assert svg.startswith("<svg")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[-1] == "" or labels[0] == names[0]
    assert max(len(label) for label in labels) <= 44
    assert figure_svg(board.plot()) == svg  # the same picture again, byte for byte


def test_plot_leaves_no_global_state(data, system) -> None:
    import matplotlib.pyplot as plt

    board = compare([system("a", 1), system("b", 2)], data, ["RR", "AP"], **FAST)
    board.plot("AP")
    assert plt.get_fignums() == []
    with pytest.raises(NotFoundError, match="RR, AP"):
        board.plot("R@5")


def test_plot_without_baseline_has_one_panel(data, system) -> None:
    board = compare(system("a", 1), data, "RR", **FAST)
    assert len(board.plot().axes) == 1


@pytest.fixture
def run(data, system) -> RunFrame:
    return compare(system("my run", 1), data, "RR", **FAST).runs["my run"]


def test_trec_files_come_back_the_same(run, tmp_path) -> None:
    path = run.to_trec(tmp_path / "runs" / "a.run")
    assert path.read_text(encoding="utf-8").splitlines()[0].split()[5] == "my_run"
    back = read_run(path)
    pd.testing.assert_frame_equal(
        back[["qid", "docno", "score", "rank"]],
        pd.DataFrame(run)[["qid", "docno", "score", "rank"]],
        check_dtype=False,
    )


def test_trec_refuses_what_it_cannot_hold(run, tmp_path) -> None:
    broken = RunFrame(pd.DataFrame(run).assign(docno="with space"))
    with pytest.raises(InvalidInputError, match="with space"):
        broken.to_trec(tmp_path / "a.run")
    assert not (tmp_path / "a.run").exists()


def test_frames_of_other_tools(run) -> None:
    frame = run.to_ir_measures()
    assert list(frame.columns) == ["query_id", "doc_id", "score"]
    assert len(frame) == len(run)
    assert type(run.head(2)) is pd.DataFrame


def test_ranx(run, monkeypatch) -> None:
    made = SimpleNamespace(Run=lambda nested, name: (nested, name))
    monkeypatch.setitem(sys.modules, "ranx", made)
    nested, name = run.to_ranx()
    first = run[run["qid"] == "q000"]
    assert name == "my run"
    assert nested["q000"] == dict(zip(first["docno"], first["score"], strict=True))
    assert len(nested) == 40
    monkeypatch.setitem(sys.modules, "ranx", None)
    with pytest.raises(MissingDependencyError, match="pip install ranx"):
        run.to_ranx()


@pytest.mark.slow  # ranx compiles for a minute
def test_ranx_itself(run) -> None:
    ranx = pytest.importorskip("ranx", reason="ranx is a peer for tests, not a dependency")
    converted = run.to_ranx()
    assert isinstance(converted, ranx.Run)
    first = run[run["qid"] == "q000"]
    assert dict(converted.run["q000"])[first["docno"].iloc[0]] == first["score"].iloc[0]
