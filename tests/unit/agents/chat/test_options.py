"""A chat's options: seed 002's names in either spelling, and what each of them does."""

from __future__ import annotations

import pytest

import vcplab as vl
from tests.support.chatting import logged, prompt
from vcplab.agents.chat.options import ChatOptions
from vcplab.core.errors import InvalidInputError


def room(*names, mode=None, **options):
    model = options.pop("model", None) or vl.Scripted(lambda request: f"{request.agent} speaks")
    return vl.GroupChat(names or ("ann", "bob"), mode, model=model, **options)


#: seed 002's options, and what they are here.
SEED_002 = {
    "name": ("team", "name", "team"),
    "speakingMode": ("mention", None, None),
    "hostAgentId": ("bob", "host", "bob"),
    "maxRounds": (5, None, None),
    "maxSpeakersPerRound": (2, "max_speakers", 2),
    "speakingCooldown": (1500, "cooldown", 1.5),
    "timeout": (60_000, None, None),
    "consensusThreshold": (0.7, None, None),
    "requireConsensus": (False, None, None),
    "allowFreeDiscussion": (False, "handoff_depth", 0),
    "contextSharing": ("partial", None, None),
    "memberTags": ({"ann": ["词"]}, None, None),
    "invitePromptTemplate": ("Now {{agentName}}.", None, None),
    "groupPrompt": ("Be brief.", None, None),
    "showThinking": (False, "show_thinking", False),
}


@pytest.mark.parametrize("given", SEED_002)
@pytest.mark.parametrize("spelling", ["camel", "snake"])
def test_the_names_of_seed_002_are_taken_in_both_spellings(given, spelling):
    value, name, wanted = SEED_002[given]
    if spelling == "snake":
        given = "".join(f"_{c.lower()}" if c.isupper() else c for c in given)
    chat = room(**{given: value})
    if name is not None:
        assert getattr(chat.options, name) == wanted


def test_all_of_them_together():
    chat = room(**{name: value for name, (value, _, _) in SEED_002.items()}).start()
    assert chat.mode == "mention"
    assert chat.options.prompt.sharing == "partial"
    assert chat.options.prompt.invite_prompt == "Now {{agentName}}."
    assert chat.options.prompt.group_prompt == "Be brief."
    assert chat.state.agent("ann").keywords == ("词",)
    assert chat.state.host.id == "bob"
    kinds = {part.kind for part in chat.stop.parts}
    assert kinds == {"rounds", "time"}
    loaded = vl.GroupChat.load(chat.id, store=chat.store, model=vl.Scripted(["x"]))
    assert loaded.options == chat.options
    assert loaded.policy == chat.policy
    assert loaded.stop == chat.stop


def test_an_option_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(InvalidInputError, match="no option 'max_round'") as caught:
        room(maxRound=3)
    assert caught.value.where == "max_round"
    for name in ("max_rounds", "max_speakers", "sharing", "member_tags"):
        assert name in caught.value.next_step


@pytest.mark.parametrize(
    "bad",
    [
        {"mode": "loud"},
        {"sharing": "some"},
        {"on_error": "ignore"},
        {"approve": "nothing"},
        {"tool_style": "json"},
        {"mentions": "yes"},
        {"max_speakers": 0},
        {"max_speakers": True},
        {"cooldown": -1},
        {"handoff_depth": -1},
        {"tool_rounds": "many"},
        {"window_tokens": 0},
        {"maxRounds": 0},
        {"timeout": -5},
        {"consensusThreshold": 7, "mode": "consensus"},
        {"stop": "never"},
        {"seed": "seven"},
        {"call_timeout": -1},
        {"temperature": -1},
        {"max_tokens": 0},
        {"max_speakers": 2.5},
        {"model": 42},
        {"model": {"model": "m", "what": 1}},
        {"memberTags": {"ann": [[]], "bob": 7}},
    ],
)
def test_values_that_cannot_be_are_refused_before_anything_is_written(bad):
    store = vl.ChatStore()
    with pytest.raises(InvalidInputError) as caught:
        room(store=store, **bad)
    assert caught.value.where
    assert caught.value.next_step
    assert store.rows() == []


@pytest.mark.parametrize("agents", [["ann", "ann x", "ann"], ["user"], [3], [""]])
def test_agents_that_cannot_be_leave_no_chat_behind(agents):
    store = vl.ChatStore()
    with pytest.raises(InvalidInputError):
        vl.GroupChat([vl.Agent("dan"), *agents, vl.Agent("ann", id="2")], store=store)
    assert store.rows() == []


def test_max_rounds_ends_a_chat():
    chat = room(maxRounds=2).start()
    result = chat.run()
    assert (result.kind, result.rounds, len(chat)) == ("rounds", 2, 4)


def test_timeout_ends_a_chat_and_says_so():
    import asyncio

    async def slow(request):
        await asyncio.sleep(0.05)
        return "slowly"

    chat = room("ann", model=vl.Scripted(slow), timeout=40, maxRounds=50).start()
    assert chat.run().kind == "time"
    assert [e.type for e in chat.events][-2:] == ["timeout", "chat:end"]
    assert [e.data["why"] for e in chat.events if e.type == "agent:silent"] == ["interrupted"]
    assert chat.replay()


def test_member_tags_are_the_keywords_of_keyword_mode():
    chat = room(mode="keyword", memberTags={"bob": ["错别字", "proof"]}).start()
    assert [m.agent_id for m in chat.say("这里有错别字")] == ["bob"]


def test_an_invitation_of_ones_own():
    model = vl.Scripted(["hm"])
    chat = room(
        "ann",
        model=model,
        invite_prompt="现在轮到 {{VCPChatAgentName}} 在 {{currentTopic}} 上发言。",
    ).start("茶")
    chat.step()
    assert model.requests[0].messages[-1].content == "现在轮到 ann 在 茶 上发言。"


def test_context_sharing_hides_the_others():
    model = vl.Scripted(lambda request: f"{request.agent} speaks")
    chat = room(model=model, contextSharing="isolated").start()
    chat.say("question")
    assert "ann speaks" not in prompt(model.requests[1])
    assert "question" in prompt(model.requests[1])


def test_require_consensus_is_consensus_mode():
    chat = room(requireConsensus=True, consensusThreshold=0.9)
    assert chat.mode == "consensus"
    assert chat.policy.threshold == 0.9


def test_the_host_is_the_one_that_is_named():
    chat = room(mode="invitation", hostAgentId="bob").start()
    assert [m.agent_id for m in chat.say("anybody?")] == ["bob"]


def test_an_agents_own_temperature_and_limit_win():
    model = vl.Scripted(["1", "2"])
    agents = [vl.Agent("ann", temperature=0.9, max_tokens=7), vl.Agent("bob")]
    chat = room(*agents, model=model, temperature=0.1, max_tokens=99).start()
    chat.say("go")
    assert [(r.temperature, r.max_tokens) for r in model.requests] == [(0.9, 7), (0.1, 99)]


def test_calls_carry_seeds_of_their_own_or_none():
    def seeds(**options):
        model = vl.Scripted(lambda request: "x")
        chat = room(model=model, stop=vl.stop.rounds(2), **options).start()
        chat.run()
        return [request.seed for request in model.requests]

    first = seeds(seed=7)
    assert first == seeds(seed=7) != seeds(seed=8)
    assert len(set(first)) == 4
    assert seeds(seed=7, send_seed=False) == [None] * 4


def test_models_by_agents_name():
    ann, bob = vl.Scripted(["from ann"], name="A"), vl.Scripted(["from bob"], name="B")
    chat = room(model={"ann": ann, "bob": bob}).start()
    chat.say("go")
    assert [m.content for m in chat.messages[1:]] == ["from ann", "from bob"]
    assert set(chat.ledger.by_model) == {"A", "B"}


def test_prices_are_those_of_the_user():
    from vcplab.protocol.completions import ChatReply
    from vcplab.protocol.messages import Usage

    model = vl.Scripted([ChatReply("x", usage=Usage(1_000_000, 500_000))], name="m")
    chat = room("ann", model=model, prices={"m": {"input": 2, "output": 8}}).start()
    chat.step()
    assert chat.ledger.cost == 6


def test_what_is_at_its_default_is_not_written_into_the_log():
    chat = room(max_speakers=5, cooldown=0, window_tokens=123).start()
    (start,) = logged(chat, "chat:start")
    assert start["config"]["window_tokens"] == 123
    assert "max_speakers" not in start["config"]
    assert "cooldown" not in start["config"]


def test_options_can_be_written_down_and_read_again():
    options, apart = ChatOptions.of({"name": "t", "sharing": "partial", "cooldown": 2, "id": "x"})
    assert apart == {"id": "x"}
    assert ChatOptions.of(options.to_dict())[0] == options
