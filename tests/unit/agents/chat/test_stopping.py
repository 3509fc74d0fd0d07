from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from vcplab.agents.agent import Agent
from vcplab.agents.chat import stop
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.state import ChatState, Mark
from vcplab.agents.chat.stopping import StopCondition, as_stop, stop_from_dict
from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.protocol.messages import Usage

AGENTS = [Agent("甲"), Agent("乙"), Agent("丙")]


def a_chat(*lines: str, start: Mark | None = None, **values: Any) -> ChatState:
    """A chat of lines such as ``甲: 好``; the person is 人."""
    state = ChatState(agents={agent.id: agent for agent in AGENTS}, start=start or Mark(), **values)
    for line in lines:
        say(state, line)
    return state


def say(state: ChatState, line: str, **values: Any) -> ChatMessage:
    who, _, text = line.partition(": ")
    person = who == "人"
    if not person:
        state.turns += 1
    number = int(state.messages[-1].id[1:]) + 1 if state.messages else 1
    given: dict[str, Any] = {"turn": 0 if person else state.turns, **values}
    message = ChatMessage(
        id=f"m{number}",
        agent_id=USER if person else who,
        agent_name="用户" if person else who,
        content=text,
        **given,
    )
    state.messages.append(message)
    return message


def test_rounds_are_over_only_when_nobody_waits() -> None:
    state = a_chat(round=2)
    assert stop.rounds(2).reached(state) == "The limit of 2 rounds is reached."
    assert stop.rounds(3).reached(state) is None
    state.queue.append(Decision("甲"))
    assert stop.rounds(2).reached(state) is None
    assert stop.rounds(2).reached(state, round_over=True) is not None
    assert stop.rounds(2).when == "round"


@pytest.mark.parametrize(
    ("condition", "unmet", "met", "reason"),
    [
        (stop.rounds(1), {"round": 4}, {"round": 5}, "The limit of 1 round is reached."),
        (stop.turns(3), {"turns": 6}, {"turns": 7}, "The limit of 3 turns is reached."),
        (
            stop.tokens(1500),
            {"usage": Usage(1000, 599)},
            {"usage": Usage(1000, 600)},
            "The limit of 1,500 tokens is reached.",
        ),
        (
            stop.time(2.5),
            {"seconds": 12.4},
            {"seconds": 12.5},
            "The time limit of 2.5 s is reached.",
        ),
    ],
)
def test_limits_count_from_the_latest_start(
    condition: StopCondition, unmet: dict[str, Any], met: dict[str, Any], reason: str
) -> None:
    start = Mark(rounds=4, turns=4, messages=0, tokens=100, seconds=10.0)
    assert condition.reached(a_chat(start=start, **unmet)) is None
    assert condition.reached(a_chat(start=start, **met)) == reason


def test_messages_are_counted_without_working_notes_and_those_taken_back() -> None:
    condition = stop.messages(2)
    state = a_chat("甲: 旧", start=Mark(messages=1))
    assert condition.reached(state) is None
    say(state, "人: 问")
    say(state, "甲: 查资料", is_public=False, type="action")
    assert condition.reached(state) is None
    say(state, "甲: 答")
    assert condition.reached(state) == "The limit of 2 messages is reached."
    state.messages.pop()
    assert condition.reached(state) is None
    say(state, "甲: 再答")
    assert condition.reached(state) is not None


def test_text_is_said_by_agents_unless_others_are_meant() -> None:
    state = a_chat("人: 说 TERMINATE 就结束", "甲: 好的")
    assert stop.text("TERMINATE").reached(state) is None
    assert stop.text("TERMINATE", source="user").reached(state) == "用户 said 'TERMINATE'."
    assert stop.text("TERMINATE", source="anyone").reached(state) is not None
    say(state, "乙: 那就 TERMINATE 吧")
    assert stop.text("TERMINATE").reached(state) == "乙 said 'TERMINATE'."
    assert stop.text("TERMINATE", source="甲").reached(state) is None
    assert stop.text("TERMINATE", source="乙").reached(state) is not None
    assert stop.text("terminate").reached(state) is None
    assert stop.text("terminate", ignore_case=True).reached(state) is not None


def test_text_of_working_notes_and_of_earlier_sessions_does_not_count() -> None:
    state = a_chat("甲: 完毕", "人: 完毕", start=Mark(turns=1, messages=2))
    agents, anyone = stop.text("完毕"), stop.text("完毕", source="anyone")
    assert agents.reached(state) is None
    assert anyone.reached(state) is None
    say(state, "甲: 完毕", is_public=False, type="action")
    assert agents.reached(state) is None
    say(state, "人: 完毕")
    assert agents.reached(state) is None
    assert anyone.reached(state) == "用户 said '完毕'."


def test_text_follows_a_chat_whose_messages_are_taken_back() -> None:
    condition = stop.text("结束")
    state = a_chat("甲: 一", "乙: 二")
    assert condition.reached(state) is None
    say(state, "丙: 结束")
    assert condition.reached(state) is not None
    say(state, "甲: 再说一句")
    assert condition.reached(state) is not None, "once said it stays said"
    del state.messages[2]
    assert condition.reached(state) is None
    other = a_chat("甲: 结束")
    assert condition.reached(other) is not None, "one condition may serve two chats"
    assert condition.reached(state) is None


def test_text_looks_at_each_message_once() -> None:
    looked: list[str] = []

    class Noted(str):
        def __contains__(self, other: object) -> bool:
            looked.append(self)
            return str.__contains__(self, str(other))

    condition, state = stop.text("结束"), a_chat()
    for number in range(300):
        message = say(state, f"甲: {number}")
        object.__setattr__(message, "content", Noted(message.content))
        assert condition.reached(state) is None
    assert len(looked) == 300


def test_a_pattern_that_takes_too_long_ends_the_chat() -> None:
    state = a_chat("甲: 第 12 条")
    assert stop.text(r"第\s*\d+\s*条", regex=True).reached(state) == (
        "甲 said something that matches '第\\\\s*\\\\d+\\\\s*条'."
    )
    say(state, "甲: " + "a" * 60 + "b")
    began = time.perf_counter()
    reason = stop.text("(a|a|aa)+$", regex=True).reached(state)
    assert reason is not None
    assert "could not be decided within 0.5 s" in reason
    assert time.perf_counter() - began < 10


def test_silence_counts_whole_rounds_since_the_start() -> None:
    state = a_chat(round=5, silent_rounds=3, start=Mark(rounds=3))
    assert stop.silence(2).reached(state) == "Nobody spoke in 2 rounds in a row."
    assert stop.silence(3).reached(state) is None, "one of the three was before the start"
    state.queue.append(Decision("甲"))
    assert stop.silence().reached(state) is None
    state.queue.clear()
    assert stop.silence().reached(state) == "Nobody spoke in a whole round."


TALK = "我认为应该先确定文章的大纲，再分工写作，最后统一校对。"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([f"甲: {TALK}", f"乙: {TALK}"], None),
        ([f"甲: {TALK}", f"乙: {TALK}", f"丙: {TALK}"], "The last 3 messages of the agents say"),
        ([f"甲: {TALK}", f"乙: {TALK} ", f"丙: {TALK}！"], "The last 3 messages of the agents say"),
        ([f"甲: {TALK}", "乙: 不同意，先看资料。", f"丙: {TALK}", f"甲: {TALK}"], None),
        (
            [f"甲: {TALK}", "乙: 一", f"甲: {TALK}", "丙: 二二", f"甲: {TALK}"],
            "The last 3 messages of 甲 say",
        ),
        ([f"甲: {TALK}", f"甲: {TALK}", "乙: 嗯", f"甲: 新的想法，{TALK[:9]}"], None),
        ([f"人: {TALK}", f"人: {TALK}", f"人: {TALK}", f"甲: {TALK}"], None),
        (["甲: 好", "乙: 好", "丙: 好"], "The last 3 messages of the agents say"),
        (["甲: 好", "乙: 行", "丙: 好"], None),
    ],
)
def test_stagnation_is_the_same_again(lines: list[str], reason: str | None) -> None:
    found = stop.stagnation(3).reached(a_chat(*lines))
    assert found == (reason and f"{reason} the same.")


def test_stagnation_forgets_what_was_before_the_start() -> None:
    state = a_chat(f"甲: {TALK}", f"乙: {TALK}", start=Mark(turns=2))
    say(state, f"丙: {TALK}")
    assert stop.stagnation(3).reached(state) is None
    assert stop.stagnation(2).reached(state) is None
    say(state, f"甲: {TALK}")
    assert stop.stagnation(2).reached(state) is not None


def test_consensus_ends_after_the_round_that_concludes() -> None:
    state = a_chat(round=2, consensus={"stance": "approve", "round": 2})
    state.queue.append(Decision("甲", action="conclude"))
    assert stop.consensus().reached(state) is None
    state.queue.clear()
    assert stop.consensus().reached(state) == "The agents agree on 'approve'."
    assert stop.consensus().reached(a_chat()) is None


def test_any_ends_at_the_first_and_all_where_every_one_was_reached() -> None:
    either = stop.rounds(3) | stop.text("TERMINATE")
    state = a_chat("甲: TERMINATE", round=3)
    state.queue.append(Decision("乙"))
    assert either.when == "turn"
    assert either.reached(state) == "甲 said 'TERMINATE'.", "round 3 is not over"
    both = stop.text("TERMINATE") & stop.messages(3)
    assert both.reached(state) is None
    say(state, "乙: 再想想")
    say(state, "丙: 好")
    assert both.reached(state) == "甲 said 'TERMINATE'. The limit of 3 messages is reached."
    late = stop.text("TERMINATE") & stop.rounds(3)
    assert late.when == "round"
    assert late.reached(state) is None
    state.queue.clear()
    assert late.reached(state) is not None


def test_combinations_are_flat_and_shown_as_they_are_written() -> None:
    text = (
        "stop.rounds(5) | stop.text('完', regex=True) | (stop.silence() & stop.messages(3))"
    ).replace("(stop.silence() & stop.messages(3))", "stop.silence() & stop.messages(3)")
    condition = stop.rounds(5) | stop.text("完", regex=True) | stop.silence() & stop.messages(3)
    assert repr(condition) == text
    assert repr((stop.rounds(1) | stop.turns(2)) & stop.time(3)) == (
        "(stop.rounds(1) | stop.turns(2)) & stop.time(3)"
    )
    assert eval(repr(condition), {"stop": stop}) == condition


def test_a_function_gives_a_reason_or_a_truth() -> None:
    def tired(state: ChatState) -> object:
        return "太累了" if state.turns > 2 else state.turns == 2

    state = a_chat("甲: 一")
    assert stop.function(tired).reached(state) is None
    say(state, "甲: 二")
    assert stop.function(tired).reached(state) == "The function 'tired' says so."
    say(state, "甲: 三")
    assert stop.function(tired).reached(state) == "太累了"

    def broken(state: ChatState) -> object:
        return 1 / 0

    with pytest.raises(VCPError, match="'broken' failed: ZeroDivisionError"):
        stop.function(broken).reached(state)


@pytest.mark.parametrize(
    "condition",
    [
        stop.rounds(5),
        stop.turns(1),
        stop.messages(7),
        stop.tokens(1000),
        stop.time(0.5),
        stop.text("TERMINATE"),
        stop.text("完(了|毕)", regex=True, ignore_case=True, source="user"),
        stop.silence(),
        stop.silence(3),
        stop.stagnation(4, 0.8),
        stop.consensus(),
        stop.rounds(5) | stop.text("X") & stop.silence(2),
    ],
)
def test_a_condition_is_written_down_and_read_again(condition: StopCondition) -> None:
    written = json.loads(json.dumps(condition.to_dict()))
    assert stop_from_dict(written) == condition
    assert as_stop(written) == condition


def test_a_function_is_written_by_name_and_cannot_be_read() -> None:
    written = (stop.rounds(1) | stop.function(lambda state: True, "mine")).to_dict()
    assert written["parts"][1] == {"stop": "function", "name": "mine"}
    with pytest.raises(InvalidInputError, match="'mine' was not kept") as caught:
        stop_from_dict(written)
    assert "give the function again" in str(caught.value.next_step)


@pytest.mark.parametrize(
    "make",
    [
        lambda: stop.rounds(0),
        lambda: stop.turns(True),
        lambda: stop.messages(2.5),  # type: ignore[arg-type]
        lambda: stop.time(0),
        lambda: stop.time(float("inf")),
        lambda: stop.time(float("nan")),
        lambda: stop.time("5"),  # type: ignore[arg-type]
        lambda: stop.text(""),
        lambda: stop.text("(", regex=True),
        lambda: stop.stagnation(1),
        lambda: stop.stagnation(3, 0),
        lambda: stop.function(3),  # type: ignore[arg-type]
        lambda: stop.rounds(1) | 3,  # type: ignore[operator]
        lambda: as_stop("five"),
        lambda: as_stop({"stop": "never"}),
        lambda: as_stop({"stop": "rounds"}),
        lambda: as_stop({"stop": "rounds", "n": 1, "m": 2}),
        lambda: as_stop({"stop": "rounds", "n": "5"}),
        lambda: as_stop({"stop": "any"}),
        lambda: as_stop({"stop": "all", "parts": [3]}),
        lambda: as_stop({"stop": "stagnation", "similarity": "x"}),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make()
    assert caught.value.next_step


def test_conditions_nested_without_end_are_refused() -> None:
    given: dict[str, Any] = {"stop": "silence"}
    for _ in range(100):
        given = {"stop": "any", "parts": [given]}
    with pytest.raises(InvalidInputError, match="deeper than 32"):
        stop_from_dict(given)


def test_as_stop_takes_numbers_functions_and_lists() -> None:
    assert as_stop(None) is None
    assert as_stop([]) is None
    assert as_stop(3) == stop.rounds(3)
    assert as_stop([3, {"stop": "silence"}]) == stop.rounds(3) | stop.silence()
    made = as_stop(len)
    assert made is not None
    assert made.to_dict() == {"stop": "function", "name": "len"}
