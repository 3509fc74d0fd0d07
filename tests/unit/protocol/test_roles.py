from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.protocol.messages import Message
from vcplab.protocol.roles import TOOL_USE_FORBIDDEN, divide_roles, tool_use_forbidden


def _open(role: str) -> str:
    return f"<<<[ROLE_DIVIDE_{role}]>>>"


def _close(role: str) -> str:
    return f"<<<[END_ROLE_DIVIDE_{role}]>>>"


def _pairs(text: str, role: str = "assistant") -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in divide_roles(text, role)]  # type: ignore[arg-type]


REQUEST = f"<<<[TOOL_REQUEST]>>>{_open('USER')}x{_close('USER')}<<<[END_TOOL_REQUEST]>>>"
DIARY = f"<<<DailyNoteStart>>>{_open('USER')}x{_close('USER')}<<<DailyNoteEnd>>>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain", [("assistant", "plain")], id="1.4-divide-nothing"),
        pytest.param("", [("assistant", "")], id="1.4-divide-empty"),
        pytest.param(
            f"a {_open('USER')}b{_close('USER')} c",
            [("assistant", "a "), ("user", "b"), ("assistant", " c")],
            id="1.4-divide-user",
        ),
        pytest.param(
            f"{_open('SYSTEM')}s{_close('SYSTEM')}\n{_open('ASSISTANT')}t{_close('ASSISTANT')}",
            [("system", "s"), ("assistant", "t")],
            id="1.4-divide-blank-between",
        ),
        pytest.param(
            f"{_open('USER')}a{_open('SYSTEM')}b{_close('SYSTEM')}{_close('USER')}",
            [("user", f"a{_open('SYSTEM')}b{_close('SYSTEM')}")],
            id="1.4-divide-nested-is-text",
        ),
        pytest.param(
            f"a{_open('USER')}b", [("assistant", "a"), ("user", "b")], id="1.4-divide-unclosed"
        ),
        pytest.param(
            f"a{_close('USER')}b", [("user", "a"), ("assistant", "b")], id="1.4-divide-unopened"
        ),
        pytest.param(
            f"a{_open('USER')}b{_close('SYSTEM')}c",
            [("assistant", f"a{_open('USER')}b{_close('SYSTEM')}c")],
            id="1.4-divide-mismatch-is-text",
        ),
        pytest.param(
            f"{_open('USER')} {_close('USER')}a", [("assistant", "a")], id="1.4-divide-blank-piece"
        ),
        pytest.param(
            f"{_open('USER')}{_close('USER')}",
            [("assistant", f"{_open('USER')}{_close('USER')}")],
            id="1.4-divide-only-marks",
        ),
        pytest.param(REQUEST, [("assistant", REQUEST)], id="1.4-divide-in-request"),
        pytest.param(
            f"{DIARY}{_open('USER')}y{_close('USER')}",
            [("assistant", DIARY), ("user", "y")],
            id="1.4-divide-after-diary",
        ),
        pytest.param(
            f"<<<[TOOL_REQUEST]>>>{_open('USER')}y{_close('USER')}",
            [("assistant", "<<<[TOOL_REQUEST]>>>"), ("user", "y")],
            id="1.4-divide-unclosed-request-guards-nothing",
        ),
        pytest.param(
            "<<<[role_divide_user]>>>b<<<[end_role_divide_user]>>>",
            [("assistant", "<<<[role_divide_user]>>>b<<<[end_role_divide_user]>>>")],
            id="1.4-divide-case",
        ),
    ],
)
def test_divide_roles(text: str, expected: list[tuple[str, str]]) -> None:
    assert _pairs(text) == expected


_PIECES = st.lists(
    st.sampled_from(
        ["a", " ", "\n", "你", REQUEST, DIARY, "<<<[TOOL_REQUEST]>>>"]
        + [mark(role) for mark in (_open, _close) for role in ("SYSTEM", "ASSISTANT", "USER")]
    ),
    max_size=12,
)


@given(_PIECES)
@settings(max_examples=300)
def test_dividing_loses_nothing_but_marks_and_blanks(pieces: list[str]) -> None:
    text = "".join(pieces)
    messages = divide_roles(text, "user")
    assert messages
    position = 0
    for message in messages:
        found = text.find(message.content, position)
        assert found >= 0
        gap = text[position:found]
        for role in ("SYSTEM", "ASSISTANT", "USER"):
            gap = gap.replace(_open(role), "").replace(_close(role), "")
        assert not gap.strip()
        position = found + len(message.content)


@given(st.text(alphabet="ab <[", max_size=20), st.sampled_from(["system", "user", "assistant"]))
def test_a_wrapped_text_comes_back_under_its_role(inner: str, role: str) -> None:
    text = f"x{_open(role.upper())}{inner}{_close(role.upper())}y"
    middle = [(role, inner)] if inner.strip() else []
    assert _pairs(text, "tool") == [("tool", "x"), *middle, ("tool", "y")]


@pytest.mark.parametrize(
    "unit",
    [_open("USER"), _close("USER"), _open("USER") + _close("SYSTEM"), "<<<[TOOL_REQUEST]>>>"],
)
def test_dividing_takes_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        start = time.perf_counter()
        divide_roles(text, "user")
        return time.perf_counter() - start

    small = min(seconds(50_000) for _ in range(3))
    large = min(seconds(400_000) for _ in range(2))
    assert large < 30 * small + 0.05  # 8 times the text; quadratic time would be 64 times


@pytest.mark.parametrize(
    ("messages", "forbidden"),
    [
        pytest.param([], False, id="1.3-forbidden-no-messages"),
        pytest.param([Message("system", f"a {TOOL_USE_FORBIDDEN}")], True, id="1.3-forbidden"),
        pytest.param(
            [Message("system", "a"), Message("system", TOOL_USE_FORBIDDEN)],
            True,
            id="1.3-forbidden-second-leading",
        ),
        pytest.param(
            [Message("user", "a"), Message("system", TOOL_USE_FORBIDDEN)],
            False,
            id="1.3-forbidden-not-leading",
        ),
        pytest.param([Message("user", TOOL_USE_FORBIDDEN)], False, id="1.3-forbidden-by-user"),
        pytest.param(
            [Message("system", "[[vcptooluse=forbidden]]")], False, id="1.3-forbidden-case"
        ),
        pytest.param(
            [{"role": "system", "content": [{"type": "text", "text": TOOL_USE_FORBIDDEN}]}],
            True,
            id="1.3-forbidden-in-parts",
        ),
        pytest.param([{"role": "system", "content": None}], False, id="1.3-forbidden-no-content"),
    ],
)
def test_tool_use_forbidden(messages: list[object], forbidden: bool) -> None:
    assert tool_use_forbidden(messages) is forbidden  # type: ignore[arg-type]
