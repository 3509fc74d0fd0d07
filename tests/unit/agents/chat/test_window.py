from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.agents.agent import Agent
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.prompts import PromptBuilder, PromptOptions
from vcplab.agents.chat.state import ChatState
from vcplab.agents.chat.window import Window, cut_middle, fit_window
from vcplab.agents.chat.wording import WORDS
from vcplab.text.tokens import ApproximateTokenizer, CallableTokenizer, Tokenizer

CHARACTERS = CallableTokenizer(len, "characters")
TOKENIZERS: list[Tokenizer] = [
    ApproximateTokenizer(),
    CHARACTERS,
    CallableTokenizer(lambda text: len(text.encode()), "bytes"),
    CallableTokenizer(str.split, "words"),
    CallableTokenizer(lambda text: (len(text) + 3) // 4, "quarters"),
]


@dataclass
class Shown:
    text: str
    cost: int


def a_message(number: int, text: str, author: str = "甲") -> ChatMessage:
    return ChatMessage(
        id=f"m{number}",
        agent_id=author,
        agent_name=author,
        content=text,
        turn=0 if author == USER else number,
    )


def history(*texts: str) -> list[ChatMessage]:
    return [a_message(number, text) for number, text in enumerate(texts, 1)]


def render(message: ChatMessage) -> Shown:
    return Shown(message.content, len(message.content))


def cut(message: ChatMessage, budget: int) -> Shown | None:
    text = cut_middle(message.content, budget, CHARACTERS, "~")
    return Shown(text, len(text)) if text else None


def texts(window: Window[Shown]) -> list[str]:
    return [shown.text for shown in window.shown]


@pytest.mark.parametrize(
    ("budget", "most", "expected"),
    [
        (None, None, ["aaa", "bb", "", "cccc", "d"]),
        (100, None, ["aaa", "bb", "cccc", "d"]),
        (10, None, ["aaa", "bb", "cccc", "d"]),
        (9, None, ["bb", "cccc", "d"]),
        (6, None, ["cccc", "d"]),
        (4, None, ["d"]),
        (None, 2, ["cccc", "d"]),
        (None, 1, ["d"]),
        (0, None, []),
    ],
)
def test_the_newest_that_fit_are_taken_whole(
    budget: int | None, most: int | None, expected: list[str]
) -> None:
    window = fit_window(
        history("aaa", "bb", "", "cccc", "d"), render, cut, budget=budget, most=most
    )
    assert texts(window) == [text for text in expected if text]
    assert window.left_out == (len(texts(window)) < 4)
    assert not window.newest_cut


def test_a_message_that_does_not_fit_ends_the_window() -> None:
    window = fit_window(history("a", "b" * 50, "c"), render, cut, budget=10)
    assert texts(window) == ["c"], "nothing older is taken past a gap"


def test_only_a_newest_message_too_large_by_itself_is_cut() -> None:
    window = fit_window(history("a", "0123456789abcdefghij"), render, cut, budget=9)
    assert texts(window) == ["0123~ghij"]
    assert window.newest_cut
    assert texts(fit_window(history("abc"), render, cut, budget=1)) == []


def test_the_first_question_stays() -> None:
    lines = history("问题", *["答案很长"] * 9)
    window = fit_window(lines, render, cut, budget=14, pin=lines[0], gap=1)
    assert window.pinned == Shown("问题", 2)
    assert texts(window) == ["答案很长"] * 2
    whole = fit_window(lines, render, cut, budget=100, pin=lines[0], gap=1)
    assert whole.pinned is None
    assert len(whole.shown) == 10


def test_a_first_question_yields_to_the_newest_message_and_is_cut_to_a_quarter() -> None:
    lines = history("q" * 30, "a" * 10, "b" * 15)
    window = fit_window(lines, render, cut, budget=20, pin=lines[0])
    assert window.pinned is not None
    assert window.pinned.text == "qq~qq"
    assert texts(window) == ["b" * 15]
    assert fit_window(lines, render, cut, budget=18, pin=lines[0]).pinned is None
    assert fit_window(lines, render, cut, budget=None, most=1, pin=lines[0]).pinned is None
    two = fit_window(lines, render, cut, budget=None, most=2, pin=lines[0])
    assert (two.pinned, texts(two)) == (Shown("q" * 30, 30), ["b" * 15])


def test_later_messages_are_passed_over() -> None:
    lines = history("a", "b", "c", "d")
    assert texts(fit_window(lines, render, cut, budget=None, newest=2)) == ["a", "b"]
    late = fit_window(lines, render, cut, budget=1, newest=2, pin=lines[3])
    assert (texts(late), late.pinned) == (["b"], None)


def test_the_work_depends_on_the_window_and_not_on_the_history() -> None:
    looked = 0

    def counted(message: ChatMessage) -> Shown:
        nonlocal looked
        looked += 1
        return render(message)

    lines = history(*["0123456789"] * 10_000)
    assert len(fit_window(lines, counted, cut, budget=200).shown) == 20
    assert looked == 21


@given(st.text("ab 好\n。", max_size=60), st.integers(0, 40), st.sampled_from(TOKENIZERS))
def test_a_cut_text_keeps_its_ends_and_its_budget(
    text: str, budget: int, tokenizer: Tokenizer
) -> None:
    found = cut_middle(text, budget, tokenizer, "……")
    if tokenizer.count(text) <= budget:
        assert found == text
    elif found:
        begin, _, end = found.partition("……")
        assert text.startswith(begin)
        assert text.endswith(end)
        assert tokenizer.count(found) <= budget


LINES = st.lists(
    st.tuples(
        st.sampled_from(["甲", "乙", USER]),
        st.text("ab xyz好的吗\n。[]", min_size=1, max_size=12).flatmap(
            lambda text: st.integers(1, 12).map(lambda times: text * times)
        ),
    ),
    max_size=12,
)


@settings(max_examples=80)
@given(LINES, st.integers(1, 300), st.sampled_from(TOKENIZERS), st.booleans(), st.booleans())
def test_the_history_of_a_prompt_never_exceeds_its_budget(
    lines: list[tuple[str, str]], budget: int, tokenizer: Tokenizer, pin: bool, own_heads: bool
) -> None:
    state = ChatState(agents={name: Agent(name, "你是。") for name in "甲乙"})
    options = PromptOptions(window_tokens=budget, pin_first=pin, own_heads=own_heads)
    builder = PromptBuilder(options, tokenizer)
    for number, (author, text) in enumerate(lines, 1):
        state.messages.append(a_message(number, text, author))
        shown = [part.content for part in builder.build(state, "甲")[1:-1]]
        assert sum(map(tokenizer.count, shown)) <= budget
        contents = {message.content.strip() for message in state.messages}
        words = WORDS["zh"]
        for text in shown:
            whole = text.split("的发言]: ", 1)[-1].replace("［", "[").replace("］", "]")
            assert whole in contents or words.middle in text or text == words.gap


@settings(max_examples=60)
@given(LINES, st.integers(1, 300), st.booleans())
def test_the_budget_holds_where_messages_are_joined(
    lines: list[tuple[str, str]], budget: int, pin: bool
) -> None:
    state = ChatState(agents={name: Agent(name, "你是。") for name in "甲乙"})
    options = PromptOptions(window_tokens=budget, pin_first=pin, alternate=True)
    builder = PromptBuilder(options, CHARACTERS)
    alone = sum(len(part.content) for part in builder.build(state, "甲")[1:])
    state.messages = [a_message(n, text, who) for n, (who, text) in enumerate(lines, 1)]
    prompt = builder.build(state, "甲")[1:]
    assert sum(len(part.content) for part in prompt) <= alone + budget
    assert [part.role for part in prompt] == ["user", "assistant"] * (len(prompt) // 2) + ["user"]


@pytest.mark.parametrize("sharing", ["full", "isolated"])
def test_a_prompt_renders_each_message_once(sharing: str) -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text)

    builder = PromptBuilder(
        PromptOptions.of(sharing=sharing, window_tokens=200), CallableTokenizer(count, "noted")
    )
    state = ChatState(agents={name: Agent(name) for name in "甲乙"})
    build: Callable[[], object] = lambda: [builder.build(state, who) for who in "甲乙"]  # noqa: E731
    for number in range(1, 301):
        state.messages.append(a_message(number, f"第{number}句", "甲乙"[number % 2]))
        build()
    assert len(counted) < 3 * 300, "at most as the author sees it and as the others do"
