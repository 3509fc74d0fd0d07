"""The detection panel without a browser: what it reads of a board, what it sends, what it keeps."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vcplab as vl
from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation.detection.systems import DetectorSystem
from vcplab.evaluation.samples import GroundingData
from vcplab.evaluation.statistics import confusion
from vcplab.protocol.grounding import Evidence, Finding, GoldSpan, Sample, Verdict
from vcplab.widgets.detection_labels import Relabel, Relabels
from vcplab.widgets.detection_marks import diff_pieces, marked_pieces
from vcplab.widgets.detection_messages import LISTS, BoardReader
from vcplab.widgets.detection_panel import DetectionPanel, detection_panel
from vcplab.widgets.detection_sample import contributions, difference_message, sample_message

HOSTILE = "<img src=x onerror=alert(1)>"


def sample(n: int, **changes: Any) -> Sample:
    """Every third is hallucinated; the fourteenth has no label."""
    bad = n % 3 == 0
    text = f"😀 记录说开了 {n + (7 if bad else 0)} 分钟"
    start = text.index("了") + 2
    made: dict[str, Any] = {
        "id": f"s{n}", "response": text, "context": (f"会议开了 {n} 分钟。",), "group": f"g{n}",
        "label": None if n == 14 else bad, "language": "zh" if n % 2 else "en",
        "spans": (GoldSpan(start, len(text) - 3, "factual"),) if bad else (),
        "correction": f"😀 记录说开了 {n} 分钟" if bad else None,
    }  # fmt: skip
    return Sample(**{**made, **changes})


class Patch(NamedTuple):
    start: int
    end: int
    old: str
    new: str
    policy: str = "replace"
    rule: str = "made.number"
    reason: str = HOSTILE
    p: float | None = 0.9


class Made(NamedTuple):
    processed_text: str
    patches: list[Patch]


class Detector:
    """Says what the number of an id makes it say; abstains on the seventh."""

    name = "made"
    threshold = 0.5

    def __init__(self) -> None:
        self.fingerprint = "made-1"

    def _one(self, sample: Sample) -> Verdict:
        n = int("".join(c for c in sample.id if c.isdigit()) or 0)
        if n == 7:
            return Verdict(None, abstained=f"Nothing to say. {HOSTILE}")
        start = 8 if len(sample.response) > 12 else 0
        evidence = Evidence(sample.context[0][:3], 0, 0, 3)
        around = Evidence(sample.context[0], 0, 0, len(sample.context[0]))
        lost = Evidence("elsewhere", 0, 0, 3)
        found = (
            Finding(
                start, start + 2, 0.8, "made.number", HOSTILE, "factual", "high", (around, evidence)
            ),
            Finding(start, start + 1, None, "style.sure", evidence=(lost,)),
        )
        p = (n * 37 % 100) / 100
        return Verdict(p, found if p >= 0.5 else (), {"a": 2.0, "b": float(n), "none": 0.0})

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        return [self._one(sample) for sample in samples]

    def contributions(self, sample: Sample) -> Any:
        assert sample.label is None  # as a detector sees it
        return {"a": -0.5, "b": 1.5, "broken": math.nan}

    def suppress(
        self,
        text: str,
        conversation_history: Sequence[str] = (),
        knowledge_base: Sequence[str] = (),
        question: str = "",
    ) -> Made:
        start = text.index("了") + 2
        old = text[start : len(text) - 3]
        (held,) = [word for word in knowledge_base[0].split() if word.isdigit()]
        if old == held:
            return Made(text, [])
        return Made(text[:start] + held + text[-3:], [Patch(start, len(text) - 3, old, held)])


def broken(samples: Sequence[Sample]) -> list[Verdict]:
    """A function that only ranks, and has nothing but its p."""
    return [Verdict(0.3, features={"x": 1.0}) for _ in samples]


class Explained:
    """One that breaks when it is asked why."""

    name = "explained"
    fingerprint = "1"

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        return broken(samples)

    def contributions(self, sample: Sample) -> Any:
        raise RuntimeError(HOSTILE)


@pytest.fixture(scope="module")
def board() -> Any:
    data = GroundingData(tuple(sample(n) for n in range(60)), name="made")
    return vl.compare([Detector(), broken, Explained()], data, resamples=50)


class Browser:
    """The other end of the panel: keeps what is sent, and waits for it."""

    def __init__(self, panel: DetectionPanel) -> None:
        self.panel, self.asked = panel, 0
        self.messages: list[dict[str, Any]] = []
        self.buffers: list[bytes] = []
        self._news = threading.Condition()
        panel.send = self.receive  # type: ignore[method-assign]

    def receive(self, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        json.dumps(message, allow_nan=False, ensure_ascii=False).encode()  # as Jupyter sends it
        with self._news:
            self.messages.append(message)
            self.buffers = buffers or self.buffers
            self._news.notify_all()

    def say(self, **message: Any) -> None:
        self.panel._handle_custom_msg({"viewer": "page-1", **message}, [])

    def until(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self._news:
            assert self._news.wait_for(lambda: any(map(right, self.messages)), 10), self.messages
            return next(filter(right, reversed(self.messages)))

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.asked += 1
        request = self.asked
        self.say(kind=kind, request=request, **fields)
        return self.until(lambda m: m["request"] == request)


# --- texts ---------------------------------------------------------------------------------

TEXTS = st.text(alphabet="ab 未没😀\n.", max_size=40)
SPANS = st.lists(st.tuples(st.integers(-2, 45), st.integers(-2, 45)), max_size=5)


@given(TEXTS, SPANS)
def test_pieces_are_the_text_and_carry_exactly_the_spans_that_fit(
    text: str, spans: list[tuple[int, int]]
) -> None:
    marked = marked_pieces(text, [(a, b, "found", n) for n, (a, b) in enumerate(spans)])
    assert "".join(piece["text"] for piece in marked) == text
    at = 0
    for piece in marked:
        for place in range(at, at + len(piece["text"])):
            fits = [n for n, (a, b) in enumerate(spans) if 0 <= a <= place < b <= len(text)]
            assert piece.get("found", []) == fits
        at += len(piece["text"])


def test_long_texts_are_cut_and_say_so_and_what_cannot_be_shown_is_replaced() -> None:
    pieces = marked_pieces("x" * 30, [(5, 30, "gold", "factual")], limit=10)
    assert [piece["text"] for piece in pieces[:2]] == ["xxxxx", "xxxxx"]
    assert pieces[1]["gold"] == ["factual"]
    assert pieces[2] == {"text": "… (30 characters in all)", "cut": True}
    assert marked_pieces("a\u202eb\x00", [(1, 2, "found", 0)])[1]["text"] == "\ufffd"


@given(TEXTS, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6), TEXTS), max_size=4))
def test_differences_hold_both_texts(text: str, edits: list[tuple[int, int, str]]) -> None:
    patches, at, after = [], 0, ""
    for start, length, new in sorted(edits):
        if start < at or start > len(text):
            continue
        end = min(len(text), start + length)
        patches.append({"start": start, "end": end, "old": text[start:end], "new": new})
        after += text[at:start] + new
        at = end
    after += text[at:]
    pieces = diff_pieces(text, after, patches)
    assert "".join(p["text"] for p in pieces if p["op"] != "in") == text
    assert "".join(p["text"] for p in pieces if p["op"] != "out") == after
    if after != text:
        # Patches that do not lead there are not believed.
        other = diff_pieces(text, after, [])
        assert [p["op"] for p in other] == [op for op, t in (("out", text), ("in", after)) if t]


# --- a board, read -------------------------------------------------------------------------


def test_operating_points_give_the_confusion_at_any_threshold(board: Any) -> None:
    message, (p, tp, fp) = BoardReader(board).system_message(0)
    points = np.frombuffer(p, "<f8")
    flagged, wrong = np.frombuffer(tp, "<u4"), np.frombuffer(fp, "<u4")
    assert (np.diff(points) < 0).all()
    assert (message["abstained"], message["unlabelled"], message["judged"]) == (1, 1, 58)
    frame = board.per_sample(0).dropna(subset=["p", "label"])
    for threshold in (0.0, 0.2, 0.37, 0.5, 0.99, 1.0):
        said = confusion(frame["label"], frame["p"], threshold)
        count = int((points >= threshold).sum())
        assert (flagged[count - 1] if count else 0) == said.tp
        assert (wrong[count - 1] if count else 0) == said.fp
    assert message["types"]["gold"] == ["factual"]
    assert sum(n for _, _, n in message["reliability"]) == 58
    assert message["suppresses"] is True
    assert BoardReader(board).system_message(1)[0]["suppresses"] is False


def test_lists_are_the_samples_apart_page_by_page(board: Any) -> None:
    reader = BoardReader(board, 7)
    ids: dict[str, list[str]] = {}
    for wanted in LISTS:
        ids[wanted] = []
        page, pages = 0, 1
        while page < pages:
            rows = reader.at_message(0, 0.5, {"list": wanted, "page": page}, {"s3": 1})["rows"]
            assert len(rows["rows"]) <= 7
            ids[wanted] += [row["id"] for row in rows["rows"]]
            page, pages = page + 1, rows["pages"]
        assert len(ids[wanted]) == rows["total"]
    parts = ["misses", "false alarms", "hits", "passes", "abstained", "unlabelled"]
    assert sorted(id for part in parts for id in ids[part]) == sorted(ids["all"])
    assert sorted(ids["errors"]) == sorted(ids["misses"] + ids["false alarms"])
    assert set(ids["errors"]) == set(board.errors(0)["id"])
    assert (ids["abstained"], ids["unlabelled"], ids["relabelled"]) == (["s7"], ["s14"], ["s3"])


def test_order_search_and_odd_requests(board: Any) -> None:
    reader = BoardReader(board)
    rows = reader.at_message(0, 0.5, {"list": "all", "order": "closest"}, {})["rows"]["rows"]
    away = [abs(row["p"] - 0.5) for row in rows if row["p"] is not None]
    assert away == sorted(away)
    found = reader.at_message(0, 0.5, {"list": "all", "query": "FACTUAL"}, {})["rows"]
    assert found["total"] == 20
    odd = {"list": 3, "order": [], "query": None, "page": 10**9, "by": {}}
    assert reader.at_message(0, 0.5, odd, {})["rows"]["list"] == "errors"
    assert reader.at_message(0, 0.5, {"page": -5}, {})["rows"]["page"] == 0


def test_parts_and_risk_are_the_boards_own_at_its_threshold(board: Any) -> None:
    told = BoardReader(board).at_message(0, 0.5, {"by": "language"}, {})
    table = board.by("language", ["AUROC", "BAcc", "precision", "recall"])
    own = table[table["system"] == "made"].set_index("language")
    for name, samples, bad, *values in told["slices"]["rows"]:
        assert samples == own.loc[name, "samples"]
        assert bad == pytest.approx(own.loc[name, "hallucinated"])
        assert values == pytest.approx(
            own.loc[name, ["AUROC", "BAcc", "precision", "recall"]].to_list()
        )
    frame = board.per_sample(0).dropna(subset=["p", "label"])
    assert told["risk"][-1] == pytest.approx([1.0, (frame["flagged"] != frame["label"]).mean()])
    moved = BoardReader(board).at_message(0, 0.9, {"by": "language"}, {})["slices"]["rows"]
    assert moved != told["slices"]["rows"]


# --- one sample ----------------------------------------------------------------------------


def at_of(board: Any, right: Callable[[Sample, Verdict], bool]) -> int:
    verdicts = board.verdicts(0)
    return next(n for n, one in enumerate(board.data) if right(one, verdicts[one.id]))


def test_a_sample_has_its_spans_evidence_and_contributions(board: Any) -> None:
    at = at_of(board, lambda s, v: bool(s.label) and bool(v.findings))
    told = sample_message(BoardReader(board), 0, at, 0.5)
    assert told["what"] == "hit"
    response = told["response"]
    assert "".join(piece["text"] for piece in response) == board.data[at].response
    gold = "".join(piece["text"] for piece in response if "gold" in piece)
    assert gold == board.data[at].response[8:-3].strip()
    assert any(piece.get("remark") == [1] for piece in response)
    first, remark = told["findings"]
    assert first["evidence"][1] == {"where": "context 1", "text": "会议开"}
    assert (remark["p"], remark["rule"]) == (None, "style.sure")
    # Evidence that is not where it says it is marks nothing.
    marks = [piece for piece in told["sources"][0]["pieces"] if "found" in piece]
    assert [(piece["text"], piece["found"]) for piece in marks] == [("会议开", [0])]
    assert all(piece["near"] == [0] for piece in told["sources"][0]["pieces"])
    assert told["contributions"]["of"] == "contributions"
    n = float(board.data[at].id[1:])
    assert told["contributions"]["rows"] == [["b", n, 1.5], ["a", 2.0, -0.5]]


def test_without_contributions_features_are_shown_and_a_failure_is_told(board: Any) -> None:
    reader = BoardReader(board)
    bare = sample_message(reader, 1, 0, 0.5)["contributions"]
    assert (bare["of"], bare["rows"]) == ("features", [["x", 1.0, None]])
    failed = sample_message(reader, 2, 0, 0.5)["contributions"]
    assert failed["of"] == "features"
    assert HOSTILE in failed["note"]
    away = at_of(board, lambda s, v: v.p is None)
    told = sample_message(reader, 0, away, 0.5)
    assert (told["what"], told["p"], told["contributions"]["of"]) == ("abstained", None, "nothing")


def test_a_fitted_model_says_what_its_features_add() -> None:
    class Model:
        def contributions(self, rows: Any) -> Any:
            return np.asarray(rows) * 2

    class Aggregator:
        names = ("x",)
        model = Model()

    class Fitted:
        name, fingerprint, aggregator = "fitted", "1", Aggregator()

        def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
            return broken(samples)

    data = GroundingData((sample(0), sample(1)), name="two")
    fitted = Fitted()
    reader = BoardReader(vl.compare(fitted, data, resamples=20, baselines=False))
    assert sample_message(reader, 0, 0, 0.5)["contributions"]["rows"] == [["x", 1.0, 2.0]]

    class Suppressor:
        fingerprint = "p"
        detector = type("Parts", (), {"parts": (fitted,)})()

    # A part that explains is named.
    told = contributions(
        DetectorSystem("asks", Suppressor(), fingerprint="p"), data[0], broken([data[0]])[0]
    )
    assert told["rows"] == [["x", 1.0, 2.0]]
    assert "Of its part fitted" in told["note"]
    # One that was fitted meanwhile is another one.
    fitted.fingerprint = "2"
    assert "Compare again" in sample_message(reader, 0, 0, 0.5)["contributions"]["note"]


def test_before_and_after_are_judged_by_gold(board: Any) -> None:
    reader = BoardReader(board)
    at = at_of(board, lambda s, v: bool(s.label))
    told = difference_message(reader, 0, at)
    assert told["changed"] is True
    assert "".join(p["text"] for p in told["pieces"] if p["op"] != "out") == (
        board.data[at].correction
    )
    assert told["changes"][0]["gold"] is True
    right = at_of(board, lambda s, v: s.label is False)
    assert difference_message(reader, 0, right)["changed"] is False
    with pytest.raises(vl.VCPError, match="only judges"):
        difference_message(reader, 1, at)


# --- labels of one's own -------------------------------------------------------------------


def data_of(count: int = 4) -> GroundingData:
    return GroundingData(tuple(sample(n) for n in range(count)), name="made")


def test_labels_are_kept_in_a_file_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    with use_clock(FrozenClock("2026-03-01T12:00:00Z")):
        labels = Relabels(data_of(), path)
        labels.say(Relabel("s1", True, "算上休息", system="made", p=0.3, threshold=0.5))
        labels.say(Relabel("s0", None, "=1+1"))
        labels.say(Relabel("s1", False, "不"))
    again = Relabels(data_of(), path)
    assert dict(again) == dict(labels)
    assert [(one.id, one.label, one.was) for one in again.values()] == [
        ("s0", None, True), ("s1", False, False),
    ]  # fmt: skip
    assert again["s0"].at.startswith("2026-03-01T")
    frame = again.to_frame()
    assert frame[["id", "note"]].to_numpy().tolist() == [["s0", "=1+1"], ["s1", "不"]]
    assert frame["context"][0] == ["会议开了 0 分钟。"]
    assert repr(again) == "Relabels(2 of 4 samples, kept in labels.jsonl)"
    again.take_back("s0")
    assert list(Relabels(data_of(), path)) == ["s1"]


def test_relabelled_data_keep_only_spans_that_still_hold() -> None:
    labels = Relabels(data_of())
    for id, label in (("s0", False), ("s1", True), ("s3", True)):
        labels.say(Relabel(id, label))
    changed = labels.relabelled()
    assert [one.label for one in changed] == [False, True, False, True]
    assert (changed["s0"].spans, changed["s1"].spans) == ((), None)
    assert changed["s3"] == data_of()["s3"]
    assert changed.fingerprint != data_of().fingerprint


def test_exports_are_exact_and_spreadsheets_run_nothing(tmp_path: Path) -> None:
    data = GroundingData((sample(0, id="=cmd()", response="@SUM(1) 了 7 分钟", spans=None),))
    panel = DetectionPanel(vl.compare(broken, data, metrics=["coverage"], resamples=20))
    panel.labels.say(Relabel("=cmd()", False, "-1 ok"))
    row = panel.export(tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1]
    assert row.startswith("'=cmd(),False,True,'-1 ok,")
    assert "'@SUM(1)" in row
    exact = json.loads(panel.export(tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    assert (exact["id"], exact["note"], exact["context"]) == (
        "=cmd()",
        "-1 ok",
        ["会议开了 0 分钟。"],
    )
    assert list(Relabels(data, tmp_path / "a.jsonl")) == ["=cmd()"]
    with pytest.raises(InvalidInputError, match="xlsx"):
        panel.export(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    "line", ["no json", '{"id": "s0"}', "[]", '{"id": 1}'], ids=["text", "part", "list", "type"]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(InvalidDataError, match="Line 1 is no label"):
        Relabels(data_of(), path)
    assert path.read_text(encoding="utf-8") == line + "\n"


def test_a_file_of_another_set_is_refused_and_a_long_note_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    labels = Relabels(data_of(), path)
    labels.say(Relabel("s3", False))
    with pytest.raises(InvalidDataError, match="'s3', which is no sample"):
        Relabels(data_of(2), path)
    with pytest.raises(InvalidInputError, match="5,000 characters"):
        labels.say(Relabel("s3", True, "x" * 5_000))
    with pytest.raises(NotFoundError):
        labels.say(Relabel("nobody", True))
    assert [one.label for one in Relabels(data_of(), path).values()] == [False]


# --- the panel -----------------------------------------------------------------------------


def test_the_panel_answers_and_remembers(board: Any, tmp_path: Path) -> None:
    panel = board.panel(system="made", labels=tmp_path / "labels.jsonl")
    assert isinstance(panel, DetectionPanel)
    browser = Browser(panel)
    ready = browser.ask("ready")
    assert ready["systems"][0]["name"] == "made"
    assert (ready["first"], ready["labels"]) == (0, [])
    assert browser.ask("system", place=0)["kind"] == "system"
    assert [len(buffer) % 4 for buffer in browser.buffers] == [0, 0, 0]
    row = browser.ask("at", place=0, threshold=0.5)["rows"]["rows"][0]
    assert browser.ask("sample", place=0, at=row["at"], threshold=0.5)["id"] == row["id"]
    asked = {"place": 0, "at": row["at"], "threshold": 0.25, "label": True, "note": HOSTILE}
    kept = browser.ask("label", **asked)
    assert kept["label"]["note"] == HOSTILE
    label = panel.labels[row["id"]]
    assert (label.label, label.system, label.threshold, label.p) == (True, "made", 0.25, row["p"])
    listed = browser.ask("at", place=0, threshold=0.5, list="relabelled")["rows"]
    assert [one["id"] for one in listed["rows"]] == [row["id"]]
    assert browser.ask("export", format="csv")["name"] == "made-labels.csv"
    assert browser.ask("ready")["labels"][0]["at"] == row["at"]
    assert browser.ask("label", place=0, at=row["at"], forget=True)["label"] is None
    assert len(panel.labels) == 0
    panel.close()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("system", {"place": 99}),
        ("system", {"place": True}),
        ("sample", {"place": 0, "at": -1, "threshold": 0.5}),
        ("at", {"place": 0, "threshold": "high"}),
        ("at", {"place": 0, "threshold": math.inf}),
        ("difference", {"place": 1, "at": 0}),
        ("nonsense", {}),
    ],
)
def test_odd_requests_are_answered_with_a_problem(
    board: Any, kind: str, fields: dict[str, Any]
) -> None:
    browser = Browser(detection_panel(board))
    answer = browser.ask(kind, **fields)
    assert answer["kind"] == "problem"
    assert answer["text"]
    browser.say(kind="at", viewer=HOSTILE)
    browser.panel._handle_custom_msg("text", [])
    assert browser.ask("ready")["kind"] == "board"
    assert all(message["viewer"] == "page-1" for message in browser.messages)


def test_of_what_waits_only_the_newest_is_answered(board: Any) -> None:
    panel = detection_panel(board)
    browser = Browser(panel)
    begun, go = threading.Event(), threading.Event()
    real = panel._reader.at_message

    def slow(place: int, threshold: float, *rest: Any) -> Any:
        begun.set()
        assert go.wait(10)
        return real(place, threshold, *rest)

    panel._reader.at_message = slow  # type: ignore[method-assign]
    browser.say(kind="at", request=1, place=0, threshold=0.1)
    assert begun.wait(10)
    for request in range(2, 60):
        browser.say(kind="at", request=request, place=0, threshold=request / 100)
    browser.say(kind="at", request=60, place=0, threshold=0.3, viewer="page-2")
    go.set()
    browser.until(lambda m: m["request"] == 59)
    browser.until(lambda m: m["request"] == 60)
    assert [message["request"] for message in browser.messages] == [1, 59, 60]


def test_thousands_of_samples_go_a_page_at_a_time() -> None:
    texts = tuple(
        sample(n, response=f"长 {n} " + "字" * 400 + HOSTILE, spans=()) for n in range(5_000)
    )
    board = vl.compare(
        Detector(), GroundingData(texts), metrics=["BAcc"], resamples=20, baselines=False
    )
    browser = Browser(board.panel(page=25))
    sizes = []
    for kind, fields in (
        ("ready", {}),
        ("system", {"place": 0}),
        ("at", {"place": 0, "threshold": 0.5, "list": "all"}),
        ("sample", {"place": 0, "at": 4_999, "threshold": 0.5}),
    ):
        sizes.append(len(json.dumps(browser.ask(kind, **fields))))
    assert max(sizes) < 60_000, sizes
    assert sum(map(len, browser.buffers)) <= 16 * 5_000


def test_without_a_browser_there_are_tables_and_they_are_text() -> None:
    data = GroundingData(
        (sample(0, id=HOSTILE, label=False, spans=None), sample(1, response=HOSTILE + "了 1 分钟")),
        name=HOSTILE,
    )
    board = vl.compare(lambda samples: [Verdict(0.9)] * len(samples), data, resamples=20)
    panel = board.panel()
    bundle = panel._repr_mimebundle_()
    html = (bundle[0] if isinstance(bundle, tuple) else bundle)["text/html"]
    assert "The surest errors of" in html
    assert "<img" not in html
    assert "&lt;img" in html
    assert "0 relabelled" in repr(panel)


def test_what_cannot_be_is_refused(board: Any) -> None:
    with pytest.raises(NotFoundError, match="no detector 'nobody'"):
        board.panel(system="nobody")
    with pytest.raises(InvalidInputError, match="4 samples at once"):
        board.panel(page=4)
    assert board.panel(system=-1)._first == len(board.names) - 1
