from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Ask, Decision
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.prompts import PromptBuilder, PromptOptions
from vcplab.agents.chat.state import ChatState
from vcplab.agents.chat.visibility import (
    SHARINGS,
    Sharing,
    VisibleHistory,
    check_sharing,
    may_see,
    visible,
)
from vcplab.core.errors import InvalidInputError, NotFoundError


def message(number: int, author: str, text: str = "", **values: Any) -> ChatMessage:
    turn = 0 if author == USER else number
    return ChatMessage(
        **{
            "id": f"m{number}",
            "agent_id": author,
            "agent_name": author,
            "content": text or f"第{number}条",
            "turn": turn,
            **values,
        }
    )


NOTE = {"is_public": False, "type": "action"}


@pytest.mark.parametrize(
    ("what", "viewers"),
    [
        # (message, who of 甲 乙 丙 sees it in full, partial, isolated sharing)
        (message(1, "甲"), ("甲乙丙", "甲乙丙", "甲")),
        (message(1, "甲", **NOTE), ("甲乙丙", "甲", "甲")),
        (message(1, "甲", visible_to=frozenset("乙")), ("甲乙", "甲乙", "甲乙")),
        (message(1, "甲", visible_to=frozenset("乙丙")), ("甲乙丙", "甲乙丙", "甲乙丙")),
        (message(1, "甲", visible_to=frozenset()), ("甲", "甲", "甲")),
        (message(1, "甲", visible_to=frozenset("乙"), **NOTE), ("甲乙", "甲乙", "甲乙")),
        (message(1, USER), ("甲乙丙", "甲乙丙", "甲乙丙")),
        (message(1, USER, visible_to=frozenset("丙")), ("丙", "丙", "丙")),
        (message(1, "退出者"), ("甲乙丙", "甲乙丙", "")),
        (message(1, "甲", mentions=("乙",)), ("甲乙丙", "甲乙丙", "甲")),
    ],
)
def test_who_sees_what(what: ChatMessage, viewers: tuple[str, str, str]) -> None:
    for sharing, expected in zip(SHARINGS, viewers, strict=True):
        assert "".join(who for who in "甲乙丙" if may_see(who, what, sharing)) == expected, sharing


def test_one_who_is_nobody_sees_what_is_public() -> None:
    messages = [message(1, USER), message(2, "甲"), message(3, "甲", **NOTE)]
    messages.append(message(4, "甲", visible_to=frozenset("乙")))
    assert [m.id for m in visible(messages, None, "partial")] == ["m1", "m2"]


def test_an_unknown_sharing_is_refused_and_shows_least() -> None:
    for call in (
        lambda: check_sharing("everything"),
        lambda: visible([], "甲", "everything"),  # type: ignore[arg-type]
        lambda: VisibleHistory("甲", "everything"),  # type: ignore[arg-type]
        lambda: PromptOptions(sharing="everything"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInputError, match="everything"):
            call()
    assert not may_see("乙", message(1, "甲"), "everything")  # type: ignore[arg-type]


AUTHORS = ("甲", "乙", "丙", "退出者", USER)
MESSAGES = st.builds(
    dict,
    author=st.sampled_from(AUTHORS),
    visible_to=st.none() | st.frozensets(st.sampled_from([*AUTHORS]), max_size=3),
    note=st.booleans(),
    type=st.sampled_from(["chat", "summary", "thought", "action"]),
    filler=st.sampled_from(["", "好" * 30, " [乙的发言]: 我同意", "\n\n", "<think>想</think>"]),
)
STEPS = st.lists(
    MESSAGES | st.integers(0, 30) | st.sampled_from(["甲", "乙", "丙", "ask 甲", "ask"]),
    min_size=5,
    max_size=40,
)


def allowed(viewer: str | None, given: dict[str, Any], sharing: str) -> bool:
    """The rules as the project states them, written apart from the code."""
    author, named, public = given["author"], given["visible_to"], not given["note"]
    from_user = author == USER and given["type"] == "chat"
    match viewer, named, sharing:
        case None, None, _:
            return public
        case None, _, _:
            return False
        case _ if viewer == author:
            return True
        case _, frozenset(), _:
            return viewer in named
        case _, _, "full":
            return True
        case _, _, "partial":
            return public
        case _:
            return from_user and public


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=80)
@given(
    STEPS,
    st.sampled_from(SHARINGS),
    st.none() | st.integers(1, 400),
    st.none() | st.integers(1, 6),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(0, 30),
)
def test_no_prompt_holds_what_its_agent_may_not_see(
    steps: list[Any],
    sharing: Sharing,
    tokens: int | None,
    most: int | None,
    pin: bool,
    alternate: bool,
    seen: int | None,
) -> None:
    builder = PromptBuilder(
        PromptOptions(
            sharing=sharing,
            window_tokens=tokens,
            window_messages=most,
            pin_first=pin,
            alternate=alternate,
        )
    )
    # The one who left is no longer among the agents, but has said things and was told things.
    state = ChatState(agents={name: Agent(name, "你是专家。") for name in "甲乙丙"}, topic="话题")
    facts: dict[int, dict[str, Any]] = {}
    numbers = itertools.count(1)
    for step in steps:
        if isinstance(step, dict):
            number = next(numbers)
            facts[number] = step
            state.messages.append(
                message(
                    number,
                    step["author"],
                    f"«{number}»{step['filler']}«{number}»",
                    visible_to=step["visible_to"],
                    is_public=not step["note"],
                    type=step["type"],
                )
            )
        elif isinstance(step, int):  # taken back
            if state.messages:
                taken = state.messages.pop(step % len(state.messages))
                del facts[int(taken.id[1:])]
        else:
            viewer = None if step == "ask" else step.removeprefix("ask ")
            if step.startswith("ask"):
                prompt = builder.question(state, Ask("谁？", viewer), seen=seen)
            else:
                assert viewer is not None
                prompt = builder.build(state, viewer, Decision(viewer), seen=seen)
            text = "\n".join(
                f"{part.role} {part.name} {part.content} {part.metadata} {part.images}"
                for part in prompt
            )
            shown = {int(number) for number in re.findall("«([0-9]+)»", text)}
            may = {
                number
                for number, given in facts.items()
                if allowed(viewer, given, sharing) and (seen is None or number <= seen)
            }
            assert shown <= may
            if tokens is None and most is None:
                assert shown == may


def test_one_who_left_is_given_no_prompt() -> None:
    state = ChatState(agents={"甲": Agent("甲")}, messages=[message(1, USER, "秘密")])
    builder = PromptBuilder()
    for who in ("退出者", Agent("退出者")):
        with pytest.raises(NotFoundError, match="takes no part"):
            builder.build(state, who)
        with pytest.raises(NotFoundError, match="takes no part"):
            builder.stripper(state, who)


@settings(max_examples=80)
@given(st.lists(MESSAGES | st.integers(0, 30), max_size=40), st.sampled_from(SHARINGS))
def test_a_history_that_is_followed_is_the_one_that_is_read_anew(
    steps: list[Any], sharing: Sharing
) -> None:
    followed = VisibleHistory("甲", sharing)
    messages: list[ChatMessage] = []
    for number, step in enumerate(steps, 1):
        if isinstance(step, int):
            del messages[step % (len(messages) + 1) : step % (len(messages) + 1) + 1]
        else:
            messages.append(
                message(
                    number,
                    step["author"],
                    visible_to=step["visible_to"],
                    is_public=not step["note"],
                    type=step["type"],
                )
            )
        anew = visible(messages, "甲", sharing)
        if number % 3:
            assert followed.follow(messages) == anew
            assert followed.first_question is next((m for m in anew if m.from_user), None)
