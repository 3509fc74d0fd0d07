"""The retrieval explorer without a browser: parameters, answers, and only the newest counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.evaluation.data import RetrievalData
from vcplab.evaluation.datasets import from_frames
from vcplab.memory.recipes.tag import TagMemo
from vcplab.memory.stages.state import Query
from vcplab.memory.tag_picture import tag_picture
from vcplab.memory.tags.spreading import PageRank, Spikes
from vcplab.widgets.explorer import RetrievalExplorer, explorer
from vcplab.widgets.explorer_engine import Cancelled, Exploration
from vcplab.widgets.explorer_graph import graph_message, layout
from vcplab.widgets.explorer_parameters import changed, controls
from vcplab.widgets.explorer_views import read_wanted

HOSTILE = "<script>window.hacked=1</script>"
WORDS = ["budget", "heater", "roof", "meeting", "seedlings", "winter", "repair", "letter"]
SECONDS = 20


def _data() -> RetrievalData:
    random = np.random.default_rng(3)
    documents = [
        vl.Document(
            f"d{i}",
            " ".join(random.choice(WORDS, 7)),
            tags=list(random.choice(WORDS, 3, replace=False)),
        )
        for i in range(20)
    ]
    corpus = vl.Corpus.from_documents([*documents, vl.Document(HOSTILE, HOSTILE)], name="small")
    qids = [f"q{i}" for i in range(12)]
    queries = pd.DataFrame(
        {"qid": qids, "query": [" ".join(random.choice(WORDS, 2)) for _ in qids]}
    )
    rows = [(qid, f"d{d}", 1) for qid in qids[:10] for d in random.permutation(20)[:4]]
    qrels = pd.DataFrame(rows, columns=["qid", "docno", "label"])
    return from_frames(corpus, queries, qrels, "small")


@pytest.fixture(scope="module")
def data() -> RetrievalData:
    return _data()


BASE = vl.BM25() >> vl.Decay("30d")


class Browser:
    """What a browser would see of an explorer."""

    def __init__(self, panel: RetrievalExplorer) -> None:
        self.panel = panel
        self.messages: list[dict[str, Any]] = []
        self.news = threading.Condition()

    def take(self, content: dict[str, Any]) -> None:
        json.dumps(content, allow_nan=False)
        with self.news:
            self.messages.append(content)
            self.news.notify_all()

    def ask(self, seq: int, view: str = "v", **state: Any) -> None:
        self.panel._asked(None, {"kind": "want", "view": view, "seq": seq, "state": state})

    def wait(self, kind: str, seq: int | None = None, view: str = "v") -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            for one in reversed(self.messages):
                if (one["kind"], one["view"]) == (kind, view) and one.get("seq") == seq:
                    return one
            return None

        with self.news:
            assert self.news.wait_for(lambda: found() is not None, SECONDS), self.messages
        answer = found()
        assert answer is not None
        return answer

    def parts(self, seq: int, view: str = "v", **state: Any) -> dict[str, dict[str, Any]]:
        self.ask(seq, view, **state)
        done = self.wait("done", seq, view)
        told = {m["kind"]: m for m in self.messages if m["view"] == view and m.get("seq") == seq}
        same = {m["part"] for m in self.messages if m["kind"] == "same" and m.get("seq") == seq}
        return {**told, "done": done, "same": {"parts": same}}


@pytest.fixture
def browse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Browser]]:
    made: list[RetrievalExplorer] = []

    def make(*given: Any, **options: Any) -> Browser:
        panel = RetrievalExplorer(*given, **options)
        browser = Browser(panel)
        monkeypatch.setattr(panel, "send", browser.take)
        made.append(panel)
        return browser

    yield make
    for panel in made:
        panel.close()


def test_controls_have_ranges_that_the_system_takes() -> None:
    for system in (
        vl.LightMemo(),
        vl.MeshMemo(),
        TagMemo(spread=Spikes()),
        vl.BM25() + vl.Dense() >> vl.Convex(weights=(0.3, 0.7)) >> vl.Decay("30d"),
    ):
        found = controls(system)
        assert found
        assert len({control.name for control in found}) == len(found)
        for control in found:
            if control.kind == "choice":
                for number in range(len(control.choices)):
                    changed(system, {control.name: number}, by_number=True)
            elif control.kind == "switch":
                changed(system, {control.name: not control.value})
            else:
                assert control.minimum <= control.value <= control.maximum
                for end in (control.minimum, control.maximum):
                    if "weight" not in control.name:  # both at 0 weigh nothing together
                        changed(system, {control.name: end})


def test_ranges_stay_while_a_value_moves() -> None:
    given = TagMemo()
    moved = changed(given, {"spread__walk": 0.9, "specificity": 2.5})
    before = {c.name: (c.minimum, c.maximum, c.step) for c in controls(given)}
    after = {c.name: (c.minimum, c.maximum, c.step) for c in controls(moved, given)}
    assert before == after
    assert {c.name for c in controls(moved, given) if c.value != c.given} == {
        "spread__walk",
        "specificity",
    }


def test_another_choice_has_other_parameters() -> None:
    (spread,) = [control for control in controls(TagMemo()) if control.name == "spread"]
    spreads = [type(value) for _, value in spread.choices]
    system = changed(
        TagMemo(),
        {"spread": spreads.index(Spikes), "spread__walk": 0.2, "spread__hops": 2},
        by_number=True,
    )
    assert system == TagMemo(spread=Spikes(hops=2))
    assert changed(TagMemo(), {"spread__hops": 2, "spread__walk": 0.2}) == TagMemo(
        spread=PageRank(0.2)
    )


@pytest.mark.parametrize("value", ["1", None, True, float("nan"), [1]])
def test_a_number_must_be_one(value: Any) -> None:
    with pytest.raises(InvalidInputError):
        changed(vl.LightMemo(), {"k1": value})


def test_the_table_is_that_of_a_comparison(data: RetrievalData) -> None:
    systems = {"one": vl.BM25(), "two": vl.BM25(k1=0.1)}
    exploration = Exploration(systems, data)
    answers = [exploration.answer(i, s, lambda: False) for i, s in enumerate(systems.values())]
    rows = exploration.table(list(systems), answers, 0)
    board = vl.compare(systems, data, cache=False, progress=False, permutations=9).to_frame()
    for row in rows:
        for metric, (mean, low, high) in row.cells.items():
            (told,) = board[(board["system"] == row.name) & (board["metric"] == metric)].to_dict(
                "records"
            )
            assert [mean, low, high] == pytest.approx([told["mean"], told["low"], told["high"]])
            if row.name == "two":
                deltas = told["delta"], told["delta_low"], told["delta_high"]
                assert row.deltas[metric] == pytest.approx(deltas)
    assert not rows[0].deltas


def test_a_changed_corpus_is_asked_anew() -> None:
    data = _data()
    exploration = Exploration([vl.BM25()], data)
    before = exploration.answer(0, vl.BM25(), lambda: False)
    assert exploration.answer(0, vl.BM25(), lambda: False) is before
    data.corpus.upsert(vl.Document("new", " ".join(WORDS)))
    after, _ = exploration.found(vl.BM25(), 0, "q0", "")
    assert "new" in after["docnos"]
    assert "new" not in before.outputs["q0"]["docnos"]


def test_work_that_is_not_wanted_any_more_stops(data: RetrievalData) -> None:
    exploration = Exploration([vl.BM25()], data)
    with pytest.raises(Cancelled):
        exploration.answer(0, vl.BM25(), lambda: True)


def test_a_slider_moves_the_table(data: RetrievalData, browse: Callable[..., Browser]) -> None:
    browser = browse([BASE, vl.BM25()], data)
    browser.panel._asked(None, {"kind": "open", "view": "v"})
    setup = browser.wait("setup")
    assert setup["judged"]
    assert len(setup["queries"]) == 12
    first = browser.parts(1, system=0, beside=1)
    second = browser.parts(2, system=0, beside=1, params={"0": {"decay__floor": 0.0, "x": 3}})
    assert len(first["table"]["rows"]) == 2
    assert not first["system"]["edited"]
    assert [row["role"] for row in second["table"]["rows"]] == ["a", "b"]
    assert second["system"]["edited"]
    assert "floor=0.0" in second["system"]["code"]
    assert browser.panel.system == BASE.set_params(decay__floor=0.0)
    assert "floor=0.0" in browser.panel.code
    # Beside itself as given, there is a third row once it differs.
    alone = browser.parts(3, system=0, beside=None, params={"0": {"decay__floor": 0.0}})
    assert [row["role"] for row in alone["table"]["rows"]] == ["a", "", "b"]
    # The same again: nothing is sent twice.
    again = browser.parts(4, system=0, beside=None, params={"0": {"decay__floor": 0.0}})
    assert {"system", "table"} <= again["same"]["parts"]
    assert "table" not in again


def test_only_the_newest_state_is_answered(
    data: RetrievalData, browse: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = browse([vl.BM25()], data)
    begun, go = threading.Event(), threading.Event()
    whole = Exploration.answer

    def slow(self: Exploration, place: int, value: Any, cancelled: Callable[[], bool]) -> Any:
        begun.set()
        assert go.wait(SECONDS)
        return whole(self, place, value, cancelled)

    monkeypatch.setattr(Exploration, "answer", slow)
    browser.ask(1, params={"0": {"k1": 0.1}})
    assert begun.wait(SECONDS)
    for seq in range(2, 30):
        browser.ask(seq, params={"0": {"k1": seq / 10}})
    browser.ask(5, params={"0": {"k1": 0.7}})  # out of order: already taken back
    go.set()
    browser.wait("done", 29)
    tables = [m["seq"] for m in browser.messages if m["kind"] == "table"]
    assert tables == [29]
    assert {m["seq"] for m in browser.messages if m["kind"] == "done"} == {29}
    assert browser.panel.system == vl.BM25(k1=2.9)


def test_two_views_have_their_own_states(
    data: RetrievalData, browse: Callable[..., Browser]
) -> None:
    browser = browse([vl.BM25()], data)
    browser.ask(7, "one", params={"0": {"k1": 0.4}})
    browser.ask(3, "two", qid="q1")
    assert browser.wait("done", 7, "one")["problems"] == {}
    assert browser.wait("query", 3, "two")["qid"] == "q1"


def test_a_query_a_reason_and_tags(data: RetrievalData, browse: Callable[..., Browser]) -> None:
    browser = browse({"tags": TagMemo(base=vl.BM25()), "plain": vl.BM25()}, data)
    relevant = data.qrels[data.qrels["qid"] == "q1"]["docno"].iloc[0]
    state = {"system": 0, "beside": 1, "qid": "q1", "docno": relevant, "cutoff": 5}
    told = browser.parts(1, **state)
    assert told["done"]["problems"] == {}
    own, other = told["query"]["lists"]
    assert [hit["rank"] for hit in own["hits"]] == list(range(len(own["hits"])))
    labelled = {h["docno"] for h in own["hits"] if h["label"]} | {m["docno"] for m in own["missed"]}
    assert labelled == set(data.qrels[data.qrels["qid"] == "q1"]["docno"])
    assert any(hit for h in other["hits"] for _, hit in h["text"])
    assert told["why"]["label"] == 1
    for why in told["why"]["whys"]:
        parts = [s["end"] - s["start"] for s in why["steps"] if s["kind"] == "part"]
        sums = [s["end"] for s in why["steps"] if s["kind"] == "sum"]
        if parts:
            assert sum(parts) == pytest.approx(sums[-1], abs=1e-9)
    graph = told["graph"]
    assert graph["spreads"]
    assert {n["name"] for n in graph["nodes"] if n["own"]} == set(data.corpus[relevant].tags)
    assert all(0 <= n["x"] <= 1.7 and 0 <= n["y"] <= 1 for n in graph["nodes"])


def test_what_would_recall_it_does(data: RetrievalData, browse: Callable[..., Browser]) -> None:
    narrow = vl.Filter(vl.field("tags") == "budget") >> vl.BM25()
    browser = browse([vl.BM25(), narrow], data)
    seq, used = 0, 0
    for qid in data.queries["qid"][:10]:
        seq += 1
        state = {"system": 1, "qid": qid, "cutoff": 10}
        missed = browser.parts(seq, **state)["query"]["lists"][0]["missed"]
        if not missed:
            continue
        docno = missed[0]["docno"]
        seq += 1
        told = browser.parts(seq, **state, docno=docno, recall=True)
        assert told["done"]["pending"] == ["recall"]
        recall = browser.wait("recall", seq)
        if recall["apply"] is None:
            assert any(name == "blocked by" for name, _ in recall["facts"])
            continue
        seq += 1
        params = {"1": {"=": recall["apply"]}}
        told = browser.parts(seq, **state, docno=docno, params=params)
        assert docno in [hit["docno"] for hit in told["query"]["lists"][0]["hits"]]
        assert [metric for metric, *_ in recall["cost"]] == ["nDCG@10", "R@20", "RR"]
        used += 1
        break
    assert used


def test_free_text_on_a_corpus(data: RetrievalData, browse: Callable[..., Browser]) -> None:
    browser = browse([vl.BM25()], data.corpus)
    browser.panel._asked(None, {"kind": "open", "view": "v"})
    assert not browser.wait("setup")["judged"]
    told = browser.parts(1, text=f"heater {HOSTILE}")
    assert "table" not in told
    assert told["done"]["problems"] == {}
    assert told["query"]["lists"][0]["hits"][0]["docno"] == HOSTILE
    assert told["graph"]["spreads"] is False
    with pytest.raises(InvalidInputError):
        RetrievalExplorer([lambda frame: frame], data.corpus)


def test_a_refused_setting_is_said(data: RetrievalData, browse: Callable[..., Browser]) -> None:
    browser = browse([vl.BM25()], data)
    told = browser.parts(1, params={"0": {"k1": -4}})
    assert "k1" in told["done"]["problems"]["system"]
    assert "table" not in told
    told = browser.parts(2, qid="nobody")
    assert "no such query" in told["done"]["problems"]["system"]


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        {"kind": "want"},
        {"kind": "want", "view": "v", "seq": "1", "state": {}},
        {"kind": "want", "view": "v" * 100, "seq": 1, "state": {}},
        {"kind": "want", "view": "v", "seq": 1, "state": []},
        {"kind": "open", "view": 3},
    ],
)
def test_nonsense_is_passed_over(
    data: RetrievalData, browse: Callable[..., Browser], message: Any
) -> None:
    browser = browse([vl.BM25()], data)
    browser.panel._asked(None, message)
    assert browser.parts(5)["done"]["problems"] == {}
    assert {m["seq"] for m in browser.messages} == {5}


def test_values_of_a_state_are_read_with_care(data: RetrievalData) -> None:
    exploration = Exploration([vl.BM25(), vl.LightMemo()], data)
    state = {"system": 99, "beside": -3, "cutoff": 10**9, "metric": HOSTILE, "docno": "none",
             "params": {"0": 3, "7": {"k1": 1}}, "text": 5, "recall": "yes"}  # fmt: skip
    wanted = read_wanted(exploration, state)
    assert (wanted.place, wanted.beside, wanted.cutoff) == (1, 0, 100)
    assert (wanted.metric, wanted.docno, wanted.recall) == ("nDCG@10", None, False)
    assert wanted.values == (vl.BM25(), vl.LightMemo())


def test_finished_runs_and_bound_systems(
    data: RetrievalData, browse: Callable[..., Browser]
) -> None:
    run = vl.BM25().on(data.corpus).run(data.queries).frame
    browser = browse({"run": run, "bound": vl.BM25().on(data.corpus)}, data)
    told = browser.parts(1, system=1, beside=0, qid="q0", docno="d0", params={"1": {"k1": 2.5}})
    assert told["done"]["problems"] == {}
    assert len(told["why"]["whys"]) == 1
    assert browser.panel.system.system == vl.BM25(k1=2.5)
    told = browser.parts(2, system=0, beside=1, qid="q0", docno="d0")
    assert told["system"]["controls"] == []
    assert told["system"]["code"] == ""


def test_a_page_without_widgets(data: RetrievalData) -> None:
    panel = RetrievalExplorer({HOSTILE: vl.BM25()}, data)
    bundle = panel._repr_mimebundle_()
    html = (bundle[0] if isinstance(bundle, tuple) else bundle)["text/html"]
    assert "nDCG@10" in html
    assert "<script" not in html
    assert repr(panel).startswith("<RetrievalExplorer of ")
    panel.close()


def test_a_comparison_is_explored(data: RetrievalData) -> None:
    board = vl.compare([vl.BM25()], data, ["RR"], cache=False, progress=False)
    panel = explorer(board)
    assert list(panel._exploration.metrics) == ["RR"]
    panel.close()


def test_layout_is_the_same_each_time() -> None:
    edges = [(0, 1, 1.0), (1, 2, 0.5), (3, 4, 1.0)]
    places = layout(6, edges)
    assert np.array_equal(places, layout(6, edges))
    assert np.isfinite(places).all()
    assert len({tuple(place) for place in places.round(3).tolist()}) == 6
    assert layout(0, []).shape == (0, 2)
    assert np.isfinite(layout(1, [])).all()


def test_a_picture_of_the_tags(data: RetrievalData) -> None:
    picture = tag_picture(vl.BM25(), data.corpus, Query("heater"), "d1", most=6)
    assert len(picture.nodes) <= 6
    assert not picture.spreads
    assert picture.tags == len(WORDS)
    assert graph_message(picture)["path"] == [
        [[n.name for n in picture.nodes].index(tag), energy] for tag, energy in picture.path
    ]
    nothing = vl.Corpus.from_documents([vl.Document("1", "no tags")])
    assert tag_picture(None, nothing, Query("heater"), "1").nodes == ()
    with pytest.raises(NotFoundError):
        tag_picture(None, nothing, Query("heater"), "2")
