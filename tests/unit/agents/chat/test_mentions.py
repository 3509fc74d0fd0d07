"""Who a text addresses (facts/vcp-agents §1)."""

from __future__ import annotations

import time

import pytest

from vcplab.agents.agent import Agent
from vcplab.agents.chat.mentions import find_mentions, mentions_everyone

AGENTS = (
    Agent("Bob", id="b"),
    Agent("Bobby Brown", id="bb"),
    Agent("小明", id="xm"),
    Agent("小明的妹妹", id="mm"),
    Agent("AI 专家", id="ai", aliases=("人工智能顾问",)),
    Agent("产品经理", id="pm", display_name="PM 王"),
    Agent("José", id="j"),
    Agent("राम", id="r"),
    Agent("Мария", id="m"),
)


def ids(text: str, author: str | None = None) -> list[str]:
    return [mention.agent_id for mention in find_mentions(text, AGENTS, author=author)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@Bob hello", ["b"]),
        ("hello @bob", ["b"]),
        ("@BOB!", ["b"]),
        ("＠Bob", ["b"]),
        ("＠Ｂｏｂ", ["b"]),
        ("(@Bob)", ["b"]),
        ("@Bob's idea", ["b"]),
        ("@Bob, @小明: go", ["b", "xm"]),
        ("@Bob@小明", ["b", "xm"]),
        ("@Bob/@小明", ["b", "xm"]),
        ("Thanks.@Bob", ["b"]),
        ("你好@Bob你怎么看", ["b"]),
        ("你好@小明你好", ["xm"]),
        ("@小明的妹妹在吗", ["mm"]),
        ("@小明的", ["xm"]),
        ("@Bobby Brown said", ["bb"]),
        ("@bobby said", ["bb"]),
        ("@AI 专家 请看", ["ai"]),
        ("@人工智能顾问", ["ai"]),
        ("@pm 王", ["pm"]),
        ("@产品 请看", ["pm"]),
        ("@José!", ["j"]),
        ("@Jose\u0301!", ["j"]),
        ("@राम जी", ["r"]),
        ("@мария?", ["m"]),
        ('@"AI 专家" 请', ["ai"]),
        ("@“AI 专家”", ["ai"]),
        ("@「小明」", ["xm"]),
        ("@『产品经理』", ["pm"]),
        ("@‘Bob’", ["b"]),
        ("@《小明》", ["xm"]),
        ("@Bob @Bob", ["b", "b"]),
    ],
)
def test_a_sign_and_a_name_address(text: str, expected: list[str]) -> None:
    assert ids(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "请小明回答",
        "请小明来谈谈",
        "请「小明」先说",
        "请 小明 回答",
        "让小明来说",
        "让小明先分析一下",
        "由小明负责",
        "问问小明",
        "问一下小明吧",
        "问小明:这样行吗",
        "有请小明",
        "轮到小明了",
        "交给小明",
        "听听小明的意见",
        "麻烦小明看看",
        "小明你怎么看",
        "小明，你怎么看？",
        "小明怎么看",
        "小明你觉得呢",
        "小明来回答",
        "小明请发言",
        "小明的看法呢",
        "小明有什么意见",
    ],
)
def test_chinese_phrasings_address(text: str) -> None:
    (mention,) = find_mentions(text, AGENTS)
    assert (mention.agent_id, mention.kind) == ("xm", "phrase")
    assert text[mention.start : mention.end] == "小明"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("请Bob回答", ["b"]),
        ("问问 Bob", ["b"]),
        ("让小明的妹妹说说", ["mm"]),
        ("请@小明回答", ["xm"]),
    ],
)
def test_phrasings_take_any_name_once(text: str, expected: list[str]) -> None:
    assert ids(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x@bob.com",
        "write to x@Bob please",
        "first.last@bob",
        "邮箱是小明@bob.com",
        "@bob.com",
        "@bobcat",
        "@bob_2",
        "@bob-smith",
        "@bob/package",
        "@रामा",
        "@",
        "@ Bob",
        "@nobody",
        "@A",
        "Bob",
        "小明今天没来",
        "我和小明吃饭",
        "对小明来说很难",
        "别问小明",
        "不要让小明说",
        "不用问小明",
        "小明觉得不好",
        "请Bobcat回答",
        "https://example.com/@Bob",
        "https://example.com/?q=@小明 ok",
        "www.example.com/@Bob",
        "medium.com/@Bob",
        "`@Bob`",
        "``a ` @Bob``",
        "```\n@Bob\n```",
        "~~~py\n@Bob\n~~~\n",
        "```\n@Bob and no end",
        "> @Bob said\n> 请小明回答",
        "<<<[TOOL_REQUEST]>>>\nto:「始」@Bob「末」\n<<<[END_TOOL_REQUEST]>>>",
        "<<<[TOOL_REQUEST]>>>\nto:「始」@Bob",
        '@"Bob Dylan"',
        '@"Bob',
        "",
    ],
)
def test_nobody_is_addressed(text: str) -> None:
    assert ids(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`code` @Bob `code`", ["b"]),
        ("a ` lone tick\n\n@Bob and ` another", ["b"]),
        ("```\n@Bob\n```\n@小明", ["xm"]),
        ("> quoted @Bob\n@小明", ["xm"]),
        ("https://a.b/c @Bob", ["b"]),
        ("看https://a.b/c，@小明", ["xm"]),
        ("x@bob.com and @Bob", ["b"]),
        ("<<<[TOOL_REQUEST]>>>@Bob<<<[END_TOOL_REQUEST]>>>@小明", ["xm"]),
    ],
)
def test_what_follows_a_hidden_part_counts(text: str, expected: list[str]) -> None:
    assert ids(text) == expected


def test_the_author_does_not_address_itself() -> None:
    assert ids("@Bob and @小明", author="b") == ["xm"]


def test_a_shared_beginning_addresses_nobody() -> None:
    team = [Agent("Alice"), Agent("Alina")]
    assert find_mentions("@Ali", team) == ()
    assert [m.agent_id for m in find_mentions("@Alic", team)] == ["Alice"]


def test_a_shared_alias_addresses_nobody_but_a_name_goes_first() -> None:
    team = [Agent("A", aliases=("chef", "B")), Agent("B", aliases=("chef",))]
    assert find_mentions("@chef", team) == ()
    assert [m.agent_id for m in find_mentions("@B", team)] == ["B"]


@pytest.mark.parametrize("text", ["ﬁ ＠Bob!", "İİ @Bob", "Straße @Bob", "㍿ ｱ @Bob"])
def test_offsets_are_those_of_the_original(text: str) -> None:
    (mention,) = find_mentions(text, AGENTS)
    assert text[mention.start : mention.end] in ("@Bob", "＠Bob")


@pytest.mark.parametrize(
    ("text", "everyone"),
    [
        ("@所有人 开会", True),
        ("＠所有人", True),
        ("@全体成员请看", True),
        ("@大家好", True),
        ("hi @all!", True),
        ("@Everyone", True),
        ("@allan", False),
        ("x@all.com", False),
        ("`@all`", False),
        ("> @所有人", False),
        ("所有人", False),
    ],
)
def test_everybody(text: str, everyone: bool) -> None:
    assert mentions_everyone(text) is everyone


def test_at_all_is_no_beginning_of_a_name() -> None:
    assert find_mentions("@all", [Agent("Allan")]) == ()


@pytest.mark.parametrize(
    "piece",
    ["@", "@b", "@小明", '@"', "请小明回答", "`", "<<<[TOOL_REQUEST]>>>", "问小", "\n>", "a@"],
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    def cost(length: int) -> float:
        text = piece * (length // len(piece))
        start = time.process_time()
        find_mentions(text, AGENTS)
        mentions_everyone(text)
        return time.process_time() - start

    cost(1000)
    # Quadratic time would make it sixteen times as much. The least of several: machines are noisy.
    short, long = (min(cost(length) for _ in range(3)) for length in (25_000, 100_000))
    assert long < 10 * max(short, 0.02)
