"""The service of seed 002: sessions, payloads, channels, and listeners that come late."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.listening import Broadcast
from vcplab.agents.chat.orchestrator import create_group_chat_orchestrator, merged_options
from vcplab.agents.chat.service import GroupChatService
from vcplab.core.errors import InvalidInputError, NotFoundError, StateError
from vcplab.models.chat.failures import ModelError


def service_of(*replies: Any, **options: Any) -> GroupChatService:
    return GroupChatService(vl.Scripted(list(replies), pieces="whole"), **options)


def session_of(service: GroupChatService, *names: str, **config: Any) -> str:
    session: str = service.create_session(config)["session_id"]
    for name in names:
        service.add_agent(session, {"name": name})
    return session


def event(type_: str, chat: str = "c", **data: Any) -> ChatEvent:
    return ChatEvent(type=type_, data=data, chat=chat)


# --- the orchestrator -------------------------------------------------------------------------


def test_an_orchestrator_is_a_group_chat() -> None:
    config = {"name": "T", "speakingMode": "random", "maxRounds": 3, "hostAgentId": "h"}
    chat = create_group_chat_orchestrator(config, model=vl.Scripted(["good", "better"]))
    assert isinstance(chat, vl.GroupChat)
    assert (chat.name, chat.mode, chat.options.host) == ("T", "random", "h")
    assert str(chat.stop) == str(vl.stop.rounds(3))
    chat.add_agent("A")
    chat.start()
    said = chat.request_speak("A")
    assert said is not None
    again = chat.redo_message(said.id, "A")
    assert again is not None
    assert [message.content for message in chat.get_messages()] == ["better"]


def test_options_win_over_the_config_in_either_spelling() -> None:
    assert merged_options({"speakingMode": "random"}, {"mode": "keyword"}) == {"mode": "keyword"}
    assert merged_options({"mode": "random"}, {"speakingMode": "keyword"}) == {
        "speaking_mode": "keyword"
    }
    assert merged_options(None, {"maxRounds": 2}, {"max_rounds": 3}) == {"max_rounds": 3}
    with pytest.raises(InvalidInputError, match="A configuration is a mapping, not str"):
        create_group_chat_orchestrator("mention")  # type: ignore[arg-type]


# --- sessions ---------------------------------------------------------------------------------


def test_a_session_from_birth_to_end() -> None:
    service = service_of("甲说", "乙说", "甲再说", "乙重说")
    made = service.create_session({"name": "T", "speakingMode": "sequential", "maxRounds": 9})
    session = made["session_id"]
    assert made["config"]["mode"] == {"mode": "sequential"}
    assert service.list_sessions() == [
        {"id": session, "name": "T", "is_active": False, "agent_count": 0, "message_count": 0}
    ]
    with pytest.raises(StateError, match="Nobody takes part"):
        service.start(session)
    service.add_agent(session, vl.Agent("甲"))
    service.add_agent(session, {"name": "乙", "systemPrompt": "你是乙"})
    assert service.start(session, "题目")["is_active"]
    decisions = service.handle_user_input(session, "请说")["decisions"]
    assert [decision.agent_id for decision in decisions] == ["甲", "乙"]
    assert [message.content for message in service.settle(session)] == ["甲说", "乙说"]
    assert service.settle(session) == []
    assert service.request_speak(session, "甲", "user_request")["message"].content == "甲再说"
    redone = service.redo_message(session, agent_id="乙")["message"]
    assert (redone.content, redone.agent_id) == ("乙重说", "乙")
    assert [m.content for m in service.get_messages(session)] == ["请说", "甲说", "乙说", "乙重说"]
    assert [agent.name for agent in service.get_agents(session)] == ["甲", "乙"]
    assert service.get_state(session)["topic"] == "题目"
    service.remove_agent(session, "乙")
    assert [agent.name for agent in service.get_agents(session)] == ["甲"]
    assert service.end(session, summary="好") == {"summary": "好", "message_count": 4}
    service.destroy(session)
    assert service.list_sessions() == []
    with pytest.raises(NotFoundError, match="There is no session"):
        service.get_state(session)


def test_only_deciding_lets_nobody_speak() -> None:
    service = service_of("A says")
    session = session_of(service, "A")
    service.start(session)
    (decision,) = service.handle_user_input(session, "?", speak=False)["decisions"]
    assert decision.should_speak
    assert service.settle(session) == []
    assert [m.content for m in service.get_messages(session)] == ["?"]
    assert service.request_speak(session, decision.agent_id)["message"].content == "A says"
    types = [one.type for one in service.chat(session).events]
    assert types[-4:] == ["user:speak", "round:start", "agent:speak", "round:end"]


def test_nobody_chosen_is_a_round_that_ends_and_no_call() -> None:
    service = service_of()
    session = session_of(service, "A", mode="mention")
    service.start(session)
    assert service.handle_user_input(session, "anybody?")["decisions"] == []
    assert service.settle(session) == []
    types = [one.type for one in service.chat(session).events]
    assert types[-2:] == ["round:start", "round:end"]


def test_a_hand_off_belongs_to_the_round() -> None:
    service = service_of("@B 你来", "B 来了")
    session = session_of(service, "A", "B", mode="mention")
    service.start(session)
    assert len(service.handle_user_input(session, "@A 请讲")["decisions"]) == 1
    assert [m.agent_id for m in service.settle(session)] == ["A", "B"]
    assert service.get_state(session)["current_round"] == 1


def test_who_is_chosen_twice_in_a_hurry_speaks_for_the_last_question() -> None:
    service = GroupChatService(vl.Scripted(lambda request: request.messages[-2].content))
    session = session_of(service, "A", "B", mode="sequential")
    service.start(session)

    async def hurry() -> None:
        await service.ahandle_user_input(session, "one")
        await service.ahandle_user_input(session, "two")

    asyncio.run(hurry())
    service.settle(session)
    chat = service.chat(session)
    starts = [e for e in chat.events if e.type == "round:start"]
    assert len(starts) == 2  # no third round was begun for nothing
    after = [m for m in chat.messages if m.turn and m.round == 2]
    assert [m.agent_id for m in after] in (["A", "B"], ["B", "A"])


def test_an_error_in_the_background_reaches_who_waits(caplog: pytest.LogCaptureFixture) -> None:
    service = service_of(ModelError("gone", next_step="-"), "again", on_error="raise")
    session = session_of(service, "A")
    service.start(session)
    service.handle_user_input(session, "?")
    with pytest.raises(ModelError, match="gone"):
        service.settle(session)
    assert service.settle(session) == []
    assert "could not speak" in caplog.text
    service.handle_user_input(session, "?")
    assert [m.content for m in service.settle(session)] == ["again"]


def test_assistants_are_adapted_for_the_last_session_or_a_named_one() -> None:
    service = service_of()
    before = service.adapt_assistant({"id": "a0", "name": "先来", "prompt": "你是主持人"})
    assert before.group_role == "host"
    one, two = session_of(service), session_of(service)
    service.adapt_assistant(id="a1", name="甲", prompt="你是甲")
    service.adapt_assistant({"assistant": {"id": "a2", "name": "乙"}, "sessionId": one})
    assert [a.id for a in service.get_agents(two)] == ["a1"]
    assert [a.id for a in service.get_agents(one)] == ["a2"]
    assert [a.id for a in service.get_unified_agents()] == ["a0", "a1", "a2"]
    assert service.add_unified_agent(one, "a0").role == "host"
    with pytest.raises(NotFoundError, match="no agent 'nobody'"):
        service.add_agents(two, ["a0", "nobody"])
    assert [a.id for a in service.get_agents(two)] == ["a1"]
    service.add_agents(two, ["a0", "a2"])
    assert [a.id for a in service.get_agents(two)] == ["a1", "a0", "a2"]
    with pytest.raises(NotFoundError, match="There is no session"):
        service.adapt_assistant({"id": "a3", "name": "丙"}, "nowhere")
    assert "a3" not in service.adapter


def test_chats_of_a_lab_are_kept_in_it(tmp_path: Path) -> None:
    with vl.Lab(tmp_path, model=vl.Scripted(["hello"])) as lab:
        lab.agents.create(vl.Agent("A", "You are A."))
        service = GroupChatService(make=lab.group_chat)
        session = service.create_session(name="kept", agents=["A"])["session_id"]
        assert service.get_agents(session)[0].system_prompt == "You are A."
        service.start(session)
        service.handle_user_input(session, "?")
        service.settle(session)
        service.destroy(session)
        assert [m.content for m in lab.chats["kept"].messages] == ["?", "hello"]


# --- payloads and channels --------------------------------------------------------------------


def test_every_channel_of_the_seed_does_what_the_method_does() -> None:
    service = service_of("one", "two", "three", "four")
    session = service.invoke("groupchat:create", {"name": "T", "speakingMode": "sequential"})[
        "session_id"
    ]
    at = {"sessionId": session}
    agent = service.invoke("groupchat:addAgent", {**at, "agent": {"name": "A"}})
    assert agent.id == "A"
    unified = service.invoke("groupchat:adaptAssistant", {**at, "assistant": {"name": "B"}})
    assert unified.type == "assistant"
    assert [a.id for a in service.invoke("groupchat:getUnifiedAgents")] == ["B"]
    service.adapter.from_custom(name="C")
    service.adapter.from_custom(name="D")
    service.invoke("groupchat:addUnifiedAgent", {**at, "agentId": "C"})
    service.invoke("groupchat:addAgents", {**at, "agentIds": ["D"]})
    service.invoke("groupchat:removeAgent", {**at, "agentId": "D"})
    assert [a.id for a in service.invoke("groupchat:getAgents", at)] == ["A", "B", "C"]
    service.invoke("groupchat:start", {**at, "topic": "t"})
    asked = {**at, "content": "@A go on", "userId": "ann"}
    decisions = service.invoke("groupchat:handleUserInput", asked)["decisions"]
    assert [d.agent_id for d in decisions] == ["A"]
    service.settle(at)
    said = service.invoke("groupchat:requestSpeak", {**at, "agentId": "B", "context": "x"})
    redo = {**at, "messageId": said["message"].id, "agentId": "C"}
    assert service.invoke("groupchat:redoMessage", redo)["message"].agent_id == "C"
    assert [m.agent_id for m in service.invoke("groupchat:getMessages", at)] == ["ann", "A", "C"]
    assert service.invoke("groupchat:getState", at)["current_round"] == 1
    service.invoke("groupchat:interrupt", at)
    assert service.invoke("groupchat:end", at)["message_count"] == 3
    assert [row["id"] for row in service.invoke("groupchat:listSessions")] == [session]
    service.invoke("groupchat:destroy", at)
    assert service.invoke("groupchat:listSessions") == []
    assert len(service.CHANNELS) == 18


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda s: s.add_agent({"agent": {"name": "A"}}), "session_id"),
        (lambda s: s.start({"sessionId": "x", "colour": "red"}), "colour"),
        (lambda s: s.invoke("groupchat:requestSpeak", {"sessionId": "x"}), "agent_id"),
        (lambda s: s.create({"colour": "red"}), "no option 'colour'"),
        (lambda s: s.subscribe("print"), "cannot be called"),
    ],
)
def test_what_cannot_be_called_says_why(call: Any, match: str) -> None:
    with pytest.raises(InvalidInputError, match=match):
        call(service_of())


def test_an_unknown_session_names_those_that_are() -> None:
    service = service_of()
    with pytest.raises(NotFoundError) as caught:
        service.subscribe(print, "x")
    assert "create_session" in str(caught.value)
    session = session_of(service)
    with pytest.raises(NotFoundError) as caught:
        service.get_agents("x")
    assert session in str(caught.value)


# --- listeners --------------------------------------------------------------------------------


def test_a_listener_hears_all_sessions_or_one() -> None:
    service = service_of("a", "b")
    every: list[str] = []
    unsubscribe = service.on_event(lambda one: every.append(one.session_id))
    first, second = session_of(service, "A"), session_of(service, "B")
    only: list[ChatEvent] = []
    with service.subscribe(only.append, second) as listening:
        assert not listening.closed
        for session in (first, second):
            service.start(session)
            service.handle_user_input(session, "?")
            service.settle(session)
    assert listening.closed
    assert {one.session_id for one in only} == {second}
    assert set(every) == {first, second}
    told = len(every)
    unsubscribe()
    service.end(first)
    assert len(every) == told
    assert "chat:end" not in [one.type for one in only]


def test_who_comes_late_is_told_what_happened_since_a_person_spoke() -> None:
    service = service_of("a", "b")
    session = session_of(service, "A")
    service.start(session)
    for text in ("one", "two"):
        service.handle_user_input(session, text)
        service.settle(session)
    late: list[ChatEvent] = []
    service.subscribe(late.append)
    told = [one.type for one in late if one.type != "status"]
    assert told[0] == "user:speak"
    assert late[0].data["text"] == "two"
    assert told.count("user:speak") == told.count("agent:speak") == 1
    service.destroy(session)
    after: list[ChatEvent] = []
    service.subscribe(after.append)
    assert after == []


def test_a_listener_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    broadcast = Broadcast()
    heard: list[str] = []

    def fail(one: ChatEvent) -> None:
        raise ValueError(one.type)

    broadcast.subscribe(fail)
    broadcast.subscribe(lambda one: heard.append(one.type))
    broadcast.publish(event("agent:join"))
    broadcast.publish(event("chat:start"))
    assert heard == ["agent:join", "chat:start"]
    assert caplog.text.count("A listener failed") == 1  # the first is told, the others at DEBUG


def test_events_of_many_threads_come_one_at_a_time_and_none_is_lost() -> None:
    broadcast = Broadcast()
    inside = threading.Lock()
    heard: list[tuple[int, int]] = []
    overlapped: list[bool] = []

    def hear(one: ChatEvent) -> None:
        if not inside.acquire(blocking=False):
            overlapped.append(True)
            return
        heard.append((one.data["thread"], one.data["n"]))
        inside.release()

    broadcast.subscribe(hear)
    threads = [
        threading.Thread(
            target=lambda t=t: [  # type: ignore[misc]
                broadcast.publish(event("agent:stream", thread=t, n=n)) for n in range(200)
            ]
        )
        for t in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlapped == []
    for t in range(4):
        assert [n for thread, n in heard if thread == t] == list(range(200))


def test_a_listener_may_publish_and_is_told_afterwards() -> None:
    broadcast = Broadcast()
    heard: list[str] = []

    def hear(one: ChatEvent) -> None:
        heard.append(one.type)
        if one.type == "chat:start":
            broadcast.publish(event("round:start"))
            heard.append("after")

    broadcast.subscribe(hear)
    broadcast.publish(event("chat:start"))
    assert heard == ["chat:start", "after", "round:start"]
