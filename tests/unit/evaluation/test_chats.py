"""Chats as a task of the comparison: teams × scenarios × seeds."""

from __future__ import annotations

import math
import pickle
import re
import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.agents.agent import Agent
from vcplab.agents.chat import stop
from vcplab.agents.chat.chat import GroupChat
from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError, StateError
from vcplab.evaluation.board import Board
from vcplab.evaluation.bootstrap import bootstrap_interval
from vcplab.evaluation.chat_board import ChatBoard
from vcplab.evaluation.chat_metrics import METRICS, ChatMetric, ChatRun, parse_chat_metrics
from vcplab.evaluation.chat_task import ChatTask
from vcplab.evaluation.chat_teams import ChatTeam, as_teams
from vcplab.evaluation.chats import ChatScenario, ChatScenarios
from vcplab.evaluation.comparison import compare
from vcplab.evaluation.statistics import paired_permutation_test
from vcplab.models.chat.prices import Price, PriceTable
from vcplab.models.chat.recorded import Recorded
from vcplab.models.chat.scripted import Scripted

FAST: dict[str, Any] = {"resamples": 400, "permutations": 999}
AGENTS = [Agent("ann", "You write."), Agent("bob", "You proofread."), Agent("cid", "You ask.")]
SCENARIOS = ChatScenarios(
    [
        {"id": "a", "topic": "tides", "says": ["An outline first."], "goal": "moon", "class": "x"},
        {"id": "b", "topic": "tea", "says": ["Green or black?"], "goal": "never said"},
        {"id": "c", "topic": "maps", "rounds": 2, "class": "x"},
        {"id": "d", "says": ["One.", "Two."], "rounds": 0},
    ],
    "four",
)


def script(**options: Any) -> Scripted:
    return Scripted(
        ["The moon.", "Rather a longer reply than that.", "Yes."], cycle=True, **options
    )


def team(mode: Any = "sequential", **options: Any) -> ChatTeam:
    given: dict[str, Any] = {"model": script(), "stop": 3} | options
    return ChatTeam(given.pop("agents", AGENTS), mode, **given)


@pytest.fixture(scope="module")
def teams() -> list[ChatTeam]:
    return [team(), team("random", name="by chance"), team({"mode": "random", "weights": None})]


@pytest.fixture
def board(teams: list[ChatTeam]) -> ChatBoard:
    return compare(teams[:2], SCENARIOS, ["turns", "tokens", "goal"], seeds=3, seed=7, **FAST)


# --- scenarios ----------------------------------------------------------------------------


def test_scenarios_are_made_of_mappings_and_texts() -> None:
    made = ChatScenarios(["Hello?", {"topic": "t", "reference": "r"}, ChatScenario("x", "y")])
    assert [s.id for s in made] == ["s1", "s2", "x"]
    assert made["s1"].says == ("Hello?",)
    assert made[1].extra == {"reference": "r"}
    assert len(made) == 3
    assert repr(made) == "<ChatScenarios 'scenarios': s1, s2, x>"
    with pytest.raises(NotFoundError, match="s1, s2, x"):
        made["z"]


@pytest.mark.parametrize(
    "given",
    [
        [],
        [3],
        [{"id": ""}],
        [{"id": "a", "says": [" "]}],
        [{"id": "a", "topic": 3}],
        [{"id": "a", "rounds": -1}],
        [{"id": "a", "rounds": 0}],
        [{"id": "a", "goal": "("}],
        [{"id": "a", "extra": {"f": print}}],
        [{"id": "a"}, {"id": "a"}],
    ],
)
def test_what_is_no_scenario_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ChatScenarios(given)
    assert caught.value.next_step


def test_scenarios_from_a_file(tmp_path: Any) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id": "文", "says": "大纲"}\n\n{"topic": "t"}\n', encoding="utf-8")
    made = ChatScenarios.load(path)
    assert (made.name, [s.id for s in made]) == ("mine", ["文", "s2"])
    path.write_text('{"id": "a"}\n{"id": \n', encoding="utf-8")
    with pytest.raises(InvalidDataError, match="line 2"):
        ChatScenarios.load(path)
    with pytest.raises(NotFoundError):
        ChatScenarios.load(tmp_path / "none.jsonl")


# --- teams --------------------------------------------------------------------------------


def test_a_team_is_refused_before_any_chat() -> None:
    for broken in (
        lambda: team(agents=[]),
        lambda: team("no such mode"),
        lambda: team(stop="never"),
        lambda: team(max_speakers=0),
        lambda: team(no_such_option=1),
        lambda: team(seed=3),
        lambda: as_teams([]),
        lambda: as_teams([GroupChat]),
        lambda: as_teams({"a": {"mode": "sequential"}}),
    ):
        with pytest.raises(InvalidInputError):
            broken()


def test_teams_have_names_of_their_own() -> None:
    one = team()
    assert [t.name for t in as_teams([one, team(), team("random")])] == [
        "sequential", "sequential (2)", "random",
    ]  # fmt: skip
    named = as_teams({"x": one, "y": {"agents": AGENTS, "model": script()}})
    assert [t.name for t in named] == ["x", "y"]
    assert one.name == "sequential"
    assert [t.name for t in as_teams(one)] == ["sequential"]


def vouching(state: Any) -> Any:
    return state.speakers[0]


vouching.fingerprint = "first speaks, 1"  # type: ignore[attr-defined]


def test_fingerprints_tell_teams_apart() -> None:
    prices = PriceTable({"scripted": Price(1, 2)})
    different = [
        team(),
        team("random"),
        team(stop=4),
        team(stop=stop.rounds(3) | stop.text("Yes")),
        team(model=script(name="other")),
        team(model=Scripted(["Yes."], cycle=True)),
        team(model={"ann": script(), "bob": script(), "cid": script()}),
        team(agents=AGENTS[:2]),
        team(agents=[AGENTS[0].with_(system_prompt="Else."), *AGENTS[1:]]),
        team(agents=[AGENTS[0].with_(model=script(name="own")), *AGENTS[1:]]),
        team(max_speakers=2),
        team(sharing="isolated"),
        team(prices=prices),
        team(vouching),
    ]
    prints = [t.fingerprint for t in different]
    assert None not in prints, [t.why_anew for t in different]
    assert len(set(prints)) == len(prints)
    assert prints == [t.fingerprint for t in (team(), *different[1:])]
    assert team(name="other").fingerprint == prints[0]


class Endless:
    """A model that is asked anew, as an endpoint is."""

    name = "live"

    def stream(self, request: Any) -> Any:
        return script().stream(request)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"model": Endless()}, "the model 'live' may answer differently"),
        ({"model": {"ann": Endless(), "bob": script()}}, "ann's model 'live'"),
        ({"model": lambda scenario, seed: script()}, "the model has no `fingerprint`"),
        ({"model": Scripted(lambda request: "Yes.")}, "the model 'scripted' may answer"),
        ({"model": None}, "settings"),
        ({"mode": lambda state: state.speakers}, "the mode's function has no `fingerprint`"),
        ({"stop": lambda state: state.turns > 3}, "the stopping function has no"),
        ({"stop": stop.rounds(2) | stop.time(9)}, "stop.time follows the clock"),
        ({"call_timeout": 5.0}, "call_timeout follows the clock"),
        ({"approver": lambda kind, agent, text: True}, "approver has no"),
    ],
)
def test_what_cannot_be_cached_says_why(options: dict[str, Any], why: str) -> None:
    found = team(options.pop("mode", "sequential"), **options)
    assert found.fingerprint is None
    assert why in found.why_anew


def test_teams_had_anew_are_named_on_the_board() -> None:
    asked: list[tuple[str, int]] = []

    def model(scenario: ChatScenario, seed: int) -> Scripted:
        asked.append((scenario.id, seed))
        return script()

    for _ in range(2):
        board = compare(team(model=model, name="mine"), SCENARIOS, "turns", seeds=2, **FAST)
    assert len(asked) == 2 * 4 * 2
    assert ("b", 1) in asked
    assert any(n.startswith("mine: run anew each time, because the model") for n in board.notices)


# --- metrics ------------------------------------------------------------------------------


def had(scenario: ChatScenario | None = None, seed: int = 0, **options: Any) -> ChatRun:
    scenario = scenario or ChatScenario("s", "t", ("Go on.",))
    found = compare(
        team(**options), ChatScenarios([scenario]), "turns", seeds=[seed], cache=False, **FAST
    )
    run: ChatRun = found.run(0, scenario.id, seed)
    return run


def value(name: str, run: ChatRun) -> float:
    return METRICS[name].of(run)


def test_metrics_of_a_plain_chat() -> None:
    run = had(prices={"scripted": Price(1_000_000, 0)})
    expected = {"turns": 9, "rounds": 3, "messages": 9, "silent": 0, "failures": 0, "handoffs": 0}
    assert {name: value(name, run) for name in expected} == expected
    assert value("balance", run) == pytest.approx(1)
    assert value("wait", run) == 2
    used = [event.data["usage"] for event in run.events if "usage" in event.data]
    assert value("tokens", run) == sum(sum(figures[:2]) for figures in used) > 0
    assert value("cost", run) == pytest.approx(sum(figures[0] for figures in used))
    assert value("seconds", run) > 0
    assert value("reached", run) == 0
    for name in ("goal", "agreement"):
        assert math.isnan(value(name, run))
    assert run.ended == "rounds"


def test_cost_is_unknown_where_a_price_is() -> None:
    assert math.isnan(value("cost", had()))
    assert math.isnan(value("cost", had(prices={"other": Price(1, 1)})))


def test_failures_and_silence() -> None:
    model = Scripted({"ann": [RuntimeError("down")], "*": "Well."}, cycle=True)
    run = had(model=model)
    assert (value("failures", run), value("silent", run), value("turns", run)) == (3, 3, 9)
    assert value("messages", run) == 6
    # ann, who may speak, said nothing: shares 0, 1/2, 1/2 of three.
    assert value("balance", run) == pytest.approx(math.log(2) / math.log(3))


def test_goal_is_what_agents_say() -> None:
    asks = ChatScenario("s", says=("The sun?",), goal="(?i)MOON")
    assert value("goal", had(asks)) == 1
    assert value("goal", had(replace(asks, goal="sun"))) == 0  # the user said it
    assert math.isnan(value("goal", had(replace(asks, goal=""))))


def test_handoffs_and_stagnation() -> None:
    run = had(model=Scripted({"cid": ["@bob please", "No."], "*": "Yes."}, cycle=True))
    made = [e for e in run.events if e.type == "handoff"]
    assert value("handoffs", run) == sum(len(e.data["speakers"]) for e in made) > 0
    assert value("stagnation", had(model=Scripted("Same.", cycle=True))) == 1
    lively = Scripted(
        ["The moon.", "It pulls the sea.", "Why?", "Gravity, says Newton."], cycle=True
    )
    assert value("stagnation", had(model=lively)) == 0


def test_consensus_metrics() -> None:
    def stance(name: str) -> list[Any]:
        return [{"stance": name, "confidence": 1, "reason": "r"}]

    def model(*stances: str) -> Scripted:
        asked = {(a.id, "position"): stance(s) for a, s in zip(AGENTS, stances, strict=True)}
        return Scripted({**asked, "*": "So."}, cycle=True)

    agreed = had(mode="consensus", model=model("approve", "approve", "approve"))
    assert (value("reached", agreed), value("agreement", agreed)) == (1, 1)
    split = had(mode="consensus", model=model("approve", "reject", "reject"))
    assert value("reached", split) == 0
    assert value("agreement", split) == pytest.approx(2 / 3)
    aside = had(mode="consensus", model=model("approve", "reject", "abstain"))
    assert value("agreement", aside) == 0.5


def log(turns: list[str], agents: list[str]) -> ChatRun:
    from vcplab.agents.chat.events import ChatEvent
    from vcplab.evaluation.chat_task import fold_events

    facts: list[tuple[str, dict[str, Any]]] = [
        ("agent:join", {"agent": {"name": a}}) for a in agents
    ]
    facts += [("agent:speak", {"agent": turn, "text": "…"}) for turn in turns]
    events = tuple(ChatEvent(type=t, data=d, seq=n) for n, (t, d) in enumerate(facts))
    return ChatRun(ChatScenario("s", "t"), 0, events, fold_events(events))


@given(st.integers(2, 5), st.data())
def test_balance_and_wait_are_as_defined(count: int, data: Any) -> None:
    agents = [f"a{n}" for n in range(count)]
    turns = data.draw(st.lists(st.sampled_from(agents), min_size=1, max_size=20))
    run = log(turns, agents)
    shares = [turns.count(a) / len(turns) for a in agents if a in turns]
    entropy = -sum(p * math.log(p) for p in shares)
    assert value("balance", run) == pytest.approx(entropy / math.log(count), abs=1e-9)
    even = len(set(Counter({a: turns.count(a) for a in agents}).values())) == 1
    assert (value("balance", run) == pytest.approx(1, abs=1e-9)) == even
    text = "".join(turns)
    for agent in agents:  # never longer than what is measured, and for one agent as long
        runs = [len(part) // 2 for part in text.split(agent)]
        assert max(runs) <= value("wait", run)
    assert value("wait", run) == max(
        max(len(part) // 2 for part in text.split(agent)) for agent in agents
    )


def test_one_agent_has_no_balance_and_no_wait() -> None:
    run = log(["a", "a"], ["a"])
    assert math.isnan(value("balance", run))
    assert math.isnan(value("wait", run))


def test_metrics_by_name_and_function() -> None:
    def words(run: ChatRun) -> int:
        return sum(len(m.content.split()) for m in run.replies)

    found = parse_chat_metrics(["Longest wait", "hand-offs", words, lambda run: None])
    assert list(found) == ["wait", "handoffs", "words", "metric"]
    assert list(parse_chat_metrics({"w": words, "waits": "wait"})) == ["w", "waits"]
    assert parse_chat_metrics({"waits": "wait"})["waits"].lower
    assert list(parse_chat_metrics("turns")) == ["turns"]
    assert parse_chat_metrics(words)["words"].of(had()) > 9
    with pytest.raises(InvalidInputError, match="balence") as caught:
        parse_chat_metrics(["balence"])
    assert "balance" in caught.value.next_step
    for bad in ([], [3], [lambda r: 1, lambda r: 2], {"a": "no"}):
        with pytest.raises(InvalidInputError):
            parse_chat_metrics(bad)
    with pytest.raises(InvalidInputError):
        ChatMetric("x", words, better="higher")


@pytest.mark.parametrize("answer", ["text", math.inf, [1]])
def test_a_metric_that_fails_says_where(answer: Any) -> None:
    with pytest.raises(InvalidInputError, match="mine") as caught:
        ChatMetric("mine", lambda run: answer).of(had())
    assert caught.value.where == "s, seed 0"


# --- comparing ----------------------------------------------------------------------------


def test_a_scenario_counts_as_the_mean_of_its_seeds(board: ChatBoard) -> None:
    assert isinstance(board, Board)
    frame = board.to_frame().set_index(["system", "metric"])
    means = board.per_chat.pivot_table(
        index="scenario", columns="system", values="turns", sort=False
    )
    assert frame.loc[("by chance", "turns"), "n"] == 4
    for name in board.names:
        scores = means[name].to_numpy()
        expected = bootstrap_interval(scores, resamples=400, seed=7)
        row = frame.loc[(name, "turns")]
        assert row["mean"] == pytest.approx(scores.mean())
        assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    p = paired_permutation_test(means["by chance"], means["sequential"], resamples=999, seed=7)
    assert frame.loc[("by chance", "turns"), "p"] == pytest.approx(p)
    assert "samples of scenarios, each the mean of its 3 seeds" in board.to_text()
    assert any("With 4 scenarios a permutation test has only 16" in n for n in board.notices)


def test_units_may_be_seeds(teams: list[ChatTeam]) -> None:
    board = compare(teams[:2], SCENARIOS, "turns", seeds=4, units="seeds", **FAST)
    assert board.n == 4
    means = board.per_chat.pivot_table(index="seed", columns="system", values="turns")
    expected = bootstrap_interval(means["by chance"].to_numpy(), resamples=400)
    row = board.to_frame().set_index("system").loc["by chance"]
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert "samples of seeds, each the mean of 4 scenarios" in board.to_text()
    assert any("exactly these scenarios" in n for n in board.notices)


def test_one_scenario_is_measured_over_its_seeds(teams: list[ChatTeam]) -> None:
    one = ChatScenarios([{"id": "a", "says": "Hm?"}])
    board = compare(teams[:2], one, "turns", seeds=6, **FAST)
    assert (board.n, board.units) == (6, "seeds")
    assert any("the only scenario" in n for n in board.notices)
    lone = compare(teams[0], one, "turns", **FAST)
    assert math.isnan(lone.to_frame()["low"].item())
    assert any("no interval" in n for n in lone.notices)


def test_metrics_without_a_value_leave_chats_out_for_every_team(board: ChatBoard) -> None:
    frame = board.to_frame().set_index(["system", "metric"])
    assert frame.loc[("sequential", "goal"), "n"] == 2
    assert frame.loc[("sequential", "goal"), "mean"] == 0.5  # always in a, never in b
    assert frame.loc[("sequential", "turns"), "n"] == 4
    assert "Left out of 12 chats, because some team's gives nothing to measure: goal 6." in str(
        board
    )
    nothing = compare(team(), SCENARIOS, ["agreement", "turns"], **FAST).to_frame()
    assert nothing["n"].tolist() == [0, 4]
    assert math.isnan(nothing["mean"].iloc[0])


def test_less_is_a_win_where_less_is_better() -> None:
    more, fewer = team(stop=4), team(stop=2, name="short")
    free = ChatScenarios(["Hm?", "Well?"])
    frame = compare([more, fewer], free, ["tokens", "turns"], **FAST).to_frame()
    short = frame[frame["system"] == "short"].set_index("metric")
    assert short.loc["tokens", ["wins", "losses"]].tolist() == [2, 0]
    assert short.loc["turns", ["wins", "losses"]].tolist() == [0, 2]
    assert short.loc["tokens", "delta"] < 0
    table = compare([more, fewer], free, ["tokens", "turns"], **FAST)._repr_html_()
    stressed = re.findall(r'<td class="[^"]*vcp-highlight[^"]*">([^<]*)<', table)
    assert len(stressed) == 1  # nothing is best in turns
    mean = short.loc["tokens", "mean"]
    assert stressed[0].startswith(f"{mean:.3f}")
    shown = repr(compare([more, fewer], free, "tokens", **FAST))
    assert "best tokens: short" in shown
    assert "best" not in repr(compare([more, fewer], free, "turns", **FAST))


def test_the_usual_metrics() -> None:
    assert compare(team(), SCENARIOS, **FAST).metrics == (
        "turns", "tokens", "balance", "wait", "goal",
    )  # fmt: skip
    assert "goal" not in compare(team(), ChatScenarios(["Hm?"]), **FAST).metrics


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"seeds": 0}, InvalidInputError),
        ({"seeds": [1, 1]}, InvalidInputError),
        ({"seeds": []}, InvalidInputError),
        ({"units": "chats"}, InvalidInputError),
        ({"k": 5}, InvalidInputError),
        ({"metrics": "nDCG@10"}, InvalidInputError),
        ({"metrics": "cost"}, InvalidInputError),
        ({"baseline": "nobody"}, NotFoundError),
        ({"on_error": "ignore"}, InvalidInputError),
    ],
)
def test_bad_options_are_refused_before_anybody_speaks(options: Any, error: Any) -> None:
    asked: list[int] = []

    def model(scenario: Any, seed: int) -> Any:
        asked.append(seed)
        return script()

    with pytest.raises(error):
        compare(team(model=model), SCENARIOS, **options)
    assert asked == []


def test_a_goal_that_nobody_has_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="No scenario has a goal"):
        compare(team(), ChatScenarios(["Hm?"]), "goal")


# --- keeping ------------------------------------------------------------------------------


def test_the_same_again_runs_nothing(board: ChatBoard, teams: list[ChatTeam]) -> None:
    assert board._result.computed == 24
    more = compare(teams[:2], SCENARIOS, ["balance", "wait"], seeds=3, seed=7, **FAST)
    assert (more._result.computed, more._result.reused) == (0, 24)
    wider = compare([teams[0], team("random", max_speakers=1)], SCENARIOS, "turns", seeds=4, **FAST)
    assert (wider._result.reused, wider._result.computed) == (12, 4 + 16)
    judged = ChatScenarios([replace(SCENARIOS["a"], goal="Yes", extra={}), *SCENARIOS[1:]])
    again = compare(teams[:2], judged, "goal", seeds=3, **FAST)
    assert again._result.computed == 0
    said = ChatScenarios([replace(SCENARIOS["a"], says=("Else.",)), *SCENARIOS[1:]])
    assert compare(teams[:2], said, "turns", seeds=3, **FAST)._result.computed == 2 * 3


def test_threads_give_the_same_chats(board: ChatBoard, teams: list[ChatTeam]) -> None:
    other = compare(
        teams[:2],
        SCENARIOS,
        ["turns", "tokens", "goal"],
        seeds=3,
        seed=7,
        jobs=4,
        cache=False,
        **FAST,
    )
    assert other._result.computed == 24
    pd.testing.assert_frame_equal(board.to_frame(), other.to_frame())
    for scenario in SCENARIOS:
        for name in board.names:
            one = board.chat(name, scenario.id, 2)
            assert one.to_jsonl() == other.chat(name, scenario.id, 2).to_jsonl()


def test_chats_differ_by_seed_and_scripts_begin_anew(board: ChatBoard) -> None:
    logs = {board.chat("by chance", "a", seed).to_jsonl() for seed in range(3)}
    assert len(logs) == 3
    first = [board.run("sequential", s.id, 0).replies[0].content for s in SCENARIOS]
    assert first == ["The moon."] * 4


def test_a_recording_for_each_chat(tmp_path: Any) -> None:
    def recording(scenario: ChatScenario, seed: int) -> Recorded:
        return Recorded(tmp_path / f"{scenario.id}-{seed}.jsonl", Endless())

    live = compare(team(model=recording), SCENARIOS, "tokens", seeds=2, **FAST)
    assert len(list(tmp_path.glob("*.jsonl"))) == 8

    def replaying(scenario: ChatScenario, seed: int) -> Recorded:
        return Recorded(tmp_path / f"{scenario.id}-{seed}.jsonl")

    again = compare(team(model=replaying), SCENARIOS, "tokens", seeds=2, **FAST)
    assert [again.chat(0, s.id, 1).to_jsonl() for s in SCENARIOS] == [
        live.chat(0, s.id, 1).to_jsonl() for s in SCENARIOS
    ]
    one = Recorded(tmp_path / "a-0.jsonl")
    board = compare(team(model=one), ChatScenarios(SCENARIOS[:1]), "turns", **FAST)
    assert board.chat(0, "a").to_jsonl() == live.chat(0, "a", 0).to_jsonl()
    assert len(one.unused()) == len(one.exchanges)  # a copy was asked
    cached = compare(team(model=one), ChatScenarios(SCENARIOS[:1]), "wait", **FAST)
    assert cached._result.computed == 0


# --- reading ------------------------------------------------------------------------------


def test_a_chat_is_given_back(board: ChatBoard) -> None:
    chat = board.chat("by chance", "a", seed=1)
    assert isinstance(chat, GroupChat)
    assert chat.to_jsonl() == board._result.outputs(1)["a#1"]["log"]
    assert chat.replay()
    assert chat.name == "group chat"
    assert chat.messages[0].content == "An outline first."
    forked = chat.fork(chat.messages[1])
    assert [m.content for m in forked.messages] == [m.content for m in chat.messages[:2]]
    assert board.chat(-1, "a", 1).to_jsonl() == chat.to_jsonl()
    for wrong in (("z", "a", 0), (2, "a", 0), (0, "z", 0), (0, "a", 9)):
        with pytest.raises(NotFoundError):
            board.chat(*wrong)


def test_a_chat_with_functions_is_given_back() -> None:
    board = compare(
        team(lambda state: state.speakers[0], stop=lambda state: state.round >= 2),
        SCENARIOS, "turns", **FAST,
    )  # fmt: skip
    chat = board.chat(0, "b")
    assert chat.replay()
    assert chat.mode == "custom"


def test_frames_and_groups(board: ChatBoard) -> None:
    frame = board.per_chat
    assert len(frame) == 2 * 4 * 3
    assert list(frame.columns) == [
        "scenario", "seed", "system", "turns", "tokens", "goal", "ended", "seconds", "class",
    ]  # fmt: skip
    assert frame.loc[frame["scenario"] == "c", "ended"].tolist()[0] == "asked"
    assert set(frame.loc[frame["scenario"] == "b", "ended"]) == {"rounds"}
    groups = board.by()
    assert groups[["scenario", "system"]].to_numpy().tolist() == [
        [s, n] for s in "abcd" for n in board.names
    ]
    assert (groups["chats"] == 3).all()
    assert board.by("seed")["seed"].tolist() == [0, 0, 1, 1, 2, 2]
    assert set(board.by("class")["class"]) >= {"x"}
    with pytest.raises(InvalidInputError, match="colour"):
        board.by("colour")


def test_how_it_is_told(board: ChatBoard, tmp_path: Any) -> None:
    text = board.to_text(200)
    assert "s/chat" in text
    assert "four: 4 scenarios × 3 seeds" in text
    assert board.table["s/chat"].gt(0).all()
    assert "by chance" in board._repr_html_()
    assert "4 scenarios" in repr(board)
    page = board.report(tmp_path / "r.html").read_text(encoding="utf-8")
    for expected in ("By scenario", "Teams", "An outline first.", "Forest plot of tokens"):
        assert expected in page
    assert "http" not in page.replace("http-equiv", "")
    assert board.plot("tokens")._repr_svg_().startswith("<svg")


def test_names_are_inert_in_the_report(tmp_path: Any) -> None:
    evil = "<script>alert(1)</script>"
    board = compare(
        team(name=evil), ChatScenarios([{"id": evil, "topic": evil, "says": evil}]), "turns", **FAST
    )
    assert "<script" not in board._repr_html_()
    assert "<script" not in board.report(tmp_path / "r.html").read_text(encoding="utf-8")


# --- faults -------------------------------------------------------------------------------


class Broken:
    """Fails for one scenario."""

    name = "broken"
    fingerprint = "broken"

    async def stream(self, request: Any) -> Any:
        if any("Green" in m.content for m in request.messages):
            raise ConnectionError("the line is down")
        async for piece in Scripted("Yes.").stream(request):
            yield piece


def test_a_chat_that_fails_is_left_out_for_every_team() -> None:
    strict = team(model=Broken(), on_error="raise", name="strict")
    with pytest.raises(Exception, match="line is down") as caught:
        compare([team(), strict], SCENARIOS, "turns", **FAST)
    assert any("'strict' talked about 'b' with seed 0" in n for n in caught.value.__notes__)
    board = compare(
        [team(), strict], SCENARIOS, "turns", seeds=2, on_error="record", jobs=3, **FAST
    )
    assert (board.to_frame()["n"] == 3).all()
    assert [(f.system, f.item) for f in sorted(board.failures, key=lambda f: f.item)] == [
        ("strict", "b#0"), ("strict", "b#1"),
    ]  # fmt: skip
    assert any("failed on 2 of 8 chats, which are left out" in n for n in board.notices)
    failed = board.per_chat.query("system == 'strict' and scenario == 'b'")
    assert set(failed["ended"]) == {"error"}
    with pytest.raises(StateError, match="line is down"):
        board.chat("strict", "b")


def test_turns_that_fail_are_stated() -> None:
    board = compare(team(model=Broken(), name="t"), SCENARIOS, ["failures"], **FAST)
    assert board.failures == ()
    told = [n for n in board.notices if n.startswith("t: ")]
    assert len(told) == 1
    count = int(board.per_chat["failures"].sum())
    assert count >= 3
    assert told[0] == f"t: {count} turn(s) failed, in 1 of 4 chats; the first: the line is down"


def test_cancelling_stops_chats_that_are_going_on() -> None:
    cancel = threading.Event()

    def model(scenario: ChatScenario, seed: int) -> Scripted:
        if scenario.id == "a":
            return script()
        cancel.set()
        return Scripted(lambda request: "word " * 100_000, delay=0.05)

    with pytest.raises(StateError, match="cancelled"):
        compare(team(model=model), SCENARIOS, "turns", jobs=2, cancel=cancel, **FAST)


def test_chats_stay_in_this_process() -> None:
    with pytest.raises(InvalidInputError, match="other processes"):
        pickle.dumps(ChatTask(SCENARIOS))


# --- the mechanism ------------------------------------------------------------------------


class Dice:
    """Data of a task that compare has never heard of."""

    def task(self, **options: Any) -> Any:
        return DiceTask(**options)


class DiceTask:
    name, fingerprint = "dice", "dice"
    failed, plural, block, threads = "count as 0", "throws", 4, False

    def __init__(self, throws: int = 6) -> None:
        self.throws = throws

    def items(self) -> list[str]:
        return [str(n) for n in range(self.throws)]

    def digest(self, items: Any) -> str:
        return ",".join(items)

    def describe(self, system: Any) -> Any:
        from vcplab.evaluation.tasks import SystemInfo

        return SystemInfo(system.name, system.name)

    def prepare(self, systems: Any) -> None:
        pass

    def run(self, systems: Any, items: Any) -> Any:
        return [[{"eyes": (int(i) * s.step) % 6, "ms": 1.0} for i in items] for s in systems]

    def measure(self, outputs: Any, metrics: Any) -> Any:
        eyes = [float(output["eyes"]) for output in outputs.values()]
        return pd.DataFrame({"eyes": eyes}, index=list(outputs))

    def competitors(self, systems: Any) -> Any:
        return tuple(systems)

    def metrics(self, given: Any) -> Any:
        return {"eyes": "eyes"}

    def check(self, systems: Any, measures: Any) -> Any:
        return []

    def judged_by(self, measures: Any) -> Any:
        return "eyes"

    def groups(self) -> Any:
        return None

    def why_anew(self, system: Any) -> str:
        return "…"

    def remarks(self, result: Any, scores: Any, measures: Any) -> Any:
        return ["thrown"]

    def board(self, **parts: Any) -> Board:
        return Board(**parts)


def test_any_task_can_be_compared() -> None:
    class Die:
        kind = "die"

        def __init__(self, name: str, step: int) -> None:
            self.name, self.step = name, step

    board = compare([Die("one", 1), Die("two", 2)], Dice(), throws=12, **FAST)
    assert type(board) is Board
    assert board.to_frame()["mean"].tolist() == [2.5, 2.0]
    assert board.n == 12
    assert "thrown" in board.to_text()
    assert board.plot() is not None
    assert board._costs[0].tolist() == [1.0] * 12


def test_options_of_another_task_are_refused(make_data: Any, system: Any) -> None:
    with pytest.raises(InvalidInputError, match="seeds") as caught:
        compare([system("a", 1)], make_data(), seeds=3)
    assert "k" in caught.value.next_step


def test_units_keep_pairs_and_order() -> None:
    from vcplab.evaluation.units import unit_scores

    one = pd.DataFrame({"m": [1.0, 3.0, 5.0, np.nan]})
    two = pd.DataFrame({"m": [2.0, np.nan, 6.0, 8.0]})
    found = unit_scores([one, two], ["m"], ["y", "x", "x", "z"])["m"]
    assert found.items == 2
    assert found.values.tolist() == [[1.0, 5.0], [2.0, 6.0]]
    alone = unit_scores([one, two], ["m"], None)["m"]
    assert alone.values.tolist() == [[1.0, 5.0], [2.0, 6.0]]
