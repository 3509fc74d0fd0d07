"""Estimated usage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vcplab.models.chat.counting import estimate_usage
from vcplab.protocol.completions import ChatRequest
from vcplab.protocol.messages import Message, ToolCall, Usage
from vcplab.text.tokens import ApproximateTokenizer

COUNT = ApproximateTokenizer().count


def asked(*texts, **options):
    return ChatRequest(tuple(Message("user", text) for text in texts), **options)


def test_a_call_is_counted_and_marked():
    usage = estimate_usage(asked("one two three"), "four five")
    assert usage == Usage(4 + COUNT("one two three"), COUNT("four five"), estimated=True)


def test_nothing_asked_and_nothing_said_is_nothing():
    assert estimate_usage(ChatRequest(()), "") == Usage(0, 0, estimated=True)


def test_every_part_that_is_sent_counts():
    plain = estimate_usage(asked("Hello there"), "").input_tokens
    call = ToolCall("1", "search", '{"query": "tides"}')
    parts = (
        asked("Hello there", tools=({"name": "search", "description": "Looks things up."},)),
        asked("Hello there", schema={"type": "object", "required": ["stance"]}),
        ChatRequest((Message("user", "Hello there", name="Ann"),)),
        ChatRequest((Message("user", "Hello there", images=("data:image/png;base64,AA==",)),)),
        ChatRequest((Message("assistant", "Hello there", tool_calls=(call,)),)),
    )
    for request in parts:
        assert estimate_usage(request, "").input_tokens > plain


def test_calls_of_the_answer_count_as_written():
    call = ToolCall("1", "search", '{"query": "tides"}')
    assert estimate_usage(asked("x"), "", (call,)).output_tokens == COUNT("search") + COUNT(
        call.arguments
    )


def test_a_picture_of_any_size_counts_alike():
    small, large = (
        ChatRequest((Message("user", "", images=("data:" + "A" * size,)),))
        for size in (10, 1_000_000)
    )
    assert estimate_usage(small, "") == estimate_usage(large, "")


@given(st.lists(st.text(max_size=40), max_size=5), st.text(max_size=40), st.text(max_size=40))
def test_more_text_is_never_less(texts, said, more):
    first = estimate_usage(asked(*texts), said)
    second = estimate_usage(asked(*texts, more), said + " " + more)
    assert second.input_tokens >= first.input_tokens + 4
    assert second.output_tokens >= first.output_tokens
