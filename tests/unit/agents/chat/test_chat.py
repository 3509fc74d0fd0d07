"""A chat's life: started, ended, started again; every reason to end; what it shows of itself."""

from __future__ import annotations

import pytest

import vcplab as vl
from tests.support.chatting import Heard, logged, texts
from vcplab.core.errors import InvalidInputError, NotFoundError, StateError
from vcplab.protocol.completions import ChatPiece, ChatReply
from vcplab.protocol.messages import Usage


def room(*names, mode="sequential", model=None, **options):
    model = model or vl.Scripted(lambda request: f"{request.agent} speaks")
    return vl.GroupChat(names or ("ann", "bob"), mode, model=model, **options)


# --- started and ended ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("say", ("hi",)),
        ("step", ()),
        ("run", ()),
        ("request_speak", ("ann",)),
        ("handle_user_input", ("hi",)),
    ],
)
def test_nothing_goes_on_before_it_is_started_or_after_it_has_ended(call, arguments):
    chat = room()
    assert chat.status == "new"
    with pytest.raises(StateError, match="not been started") as caught:
        getattr(chat, call)(*arguments)
    assert "chat.start(" in caught.value.next_step
    chat.start()
    chat.end()
    count = len(chat.events)
    with pytest.raises(StateError, match="has ended"):
        getattr(chat, call)(*arguments)
    assert len(chat.events) == count


def test_starting_twice_or_without_anybody():
    chat = room().start("topic")
    assert (chat.status, chat.state.topic, chat.state.is_active) == ("idle", "topic", True)
    with pytest.raises(StateError, match="going on"):
        chat.start()
    with pytest.raises(StateError, match="Nobody takes part"):
        vl.GroupChat([], model=vl.Scripted(["x"])).start()


def test_pausing_a_chat_that_is_not_started_changes_nothing():
    chat = room()
    chat.pause()
    chat.resume()
    chat.interrupt()
    chat.end()
    assert chat.status == "new"
    assert not logged(chat, "chat:end")


def test_ending_twice_is_one_end():
    chat = room().start()
    chat.end("Enough.")
    chat.end("More than enough.")
    assert [d["reason"] for d in logged(chat, "chat:end")] == ["Enough."]


def test_limits_count_from_the_latest_start():
    chat = room(stop=vl.stop.rounds(2) & vl.stop.messages(3)).start("one")
    assert chat.run().kind == "all"
    assert len(chat) == 4
    chat.start("two")
    assert (chat.status, chat.state.topic) == ("idle", "two")
    assert len(chat.run().messages) == 4
    assert [d["round"] for d in logged(chat, "round:start")] == [1, 2, 3, 4]
    assert len(logged(chat, "chat:end")) == 2
    assert [("config" in d) for d in logged(chat, "chat:start")] == [True, False]
    assert chat.replay()


def test_a_chat_that_was_ended_in_a_round_begins_anew():
    chat = room().start()
    chat.step()
    chat.end()
    chat.start()
    assert not chat.state.queue
    assert chat.step().round == 2


@pytest.mark.parametrize("said", ["", "   ", None, 7])
def test_saying_nothing_is_refused(said):
    chat = room().start()
    with pytest.raises(InvalidInputError, match="Nothing is said"):
        chat.say(said)
    assert len(chat) == 0


def test_pictures_alone_are_something():
    chat = room("ann").start()
    chat.say("", images=["data:image/png;base64,AAAA"])
    assert chat.messages[0].images == ("data:image/png;base64,AAAA",)
    assert chat.replay()


# --- every reason to end -------------------------------------------------------------------------

USED = [ChatPiece("used", finish_reason="stop", usage=Usage(60, 40))]
ENDS = {
    "rounds": (vl.stop.rounds(2), ["x"], 4),
    "turns": (vl.stop.turns(3), ["x"], 3),
    "messages": (vl.stop.messages(3), ["x"], 3),
    "tokens": (vl.stop.tokens(250), [USED], 3),
    "text": (vl.stop.text("DONE"), ["a", "b", "c", "I am DONE."], 4),
    "silence": (vl.stop.silence(2), ["a", "b", "", "", "", ""], 2),
    "stagnation": (vl.stop.stagnation(3, 0.9), ["one", "the same words", *["we repeat us"] * 3], 5),
    "function": (vl.stop.function(lambda state: len(state.messages) == 5, "five"), ["x"], 5),
    "any": (vl.stop.rounds(9) | vl.stop.turns(1), ["x"], 1),
    "all": (vl.stop.turns(1) & vl.stop.rounds(1), ["x"], 2),
}


@pytest.mark.parametrize("kind", ENDS)
def test_every_condition_ends_a_chat_and_the_end_says_which(kind):
    stop, replies, messages = ENDS[kind]
    chat = room(model=vl.Scripted(replies, cycle=True), stop=stop).start()
    result = chat.run()
    (end,) = logged(chat, "chat:end")
    assert end["kind"] == {"any": "turns"}.get(kind, kind)
    assert (result.kind, result.reason) == (end["kind"], end["reason"])
    assert end["reason"].endswith(".")
    assert len(chat) == messages
    assert (chat.status, chat.state.is_active) == ("ended", False)
    assert chat.replay()


def test_consensus_ends_a_chat():
    position = {"stance": "approve", "confidence": 1, "reason": "r"}
    model = vl.Scripted(lambda request: position if request.schema else "I think so")
    chat = room(mode="consensus", model=model, stop=vl.stop.consensus()).start("Shall we?")
    assert chat.run().kind == "consensus"
    assert [e.type for e in chat.events].index("consensus:reached") < len(chat.events) - 1
    assert chat.replay()


def test_the_time_of_a_person_does_not_count():
    chat = room(stop=vl.stop.time(3600)).start()
    chat.run(rounds=1)
    assert chat.state.is_active
    assert 0 < chat.state.seconds < 60


def test_a_run_for_so_many_rounds_leaves_the_chat_going_on():
    chat = room(stop=vl.stop.rounds(9)).start()
    assert (chat.run(rounds=2).kind, len(chat)) == ("asked", 4)
    assert chat.status == "idle"
    assert chat.run(rounds=1).rounds == 1


def test_a_run_where_nobody_has_anything_to_say_ends_and_the_chat_does_not():
    chat = room(mode="mention").start()
    result = chat.run()
    assert (result.kind, result.messages) == ("silence", ())
    assert chat.state.is_active
    assert chat.step() is None


def test_a_condition_that_is_reached_while_a_person_is_answered():
    chat = room(stop=vl.stop.messages(2)).start()
    assert [m.agent_id for m in chat.say("go")] == ["ann"]
    assert chat.status == "ended"
    assert logged(chat, "round:end") == [{"round": 1, "cut": True}]


def test_an_end_in_the_middle_of_turns_at_the_same_time():
    chat = room("ann", "bob", "cat", stop=vl.stop.messages(1), concurrent=True).start()
    chat.run()
    assert len(chat) == 3, "what was said at the same time is not thrown away"
    assert chat.status == "ended"
    assert chat.replay()


# --- what it shows -------------------------------------------------------------------------------


def test_tables_documents_and_values():
    reply = ChatReply("**bold** <b>\n# no heading", usage=Usage(12, 3))
    chat = room("ann", model=vl.Scripted([reply])).start("T")
    chat.say("Hello")
    frame = chat.to_frame()
    assert list(frame["agent"]) == [chat.state.name_of("user"), "ann"]
    line = chat.timeline()
    assert {"user:speak", "round:start", "agent:speak"} <= set(line["type"])
    document = chat.to_markdown()
    assert "> \\# no heading" in document, "what was said is no markup"
    values = chat.to_json()
    assert [m["content"] for m in values["messages"]] == ["Hello", reply.text]
    info = chat.get_session_info()
    assert info
    assert "ann" in repr(chat)
    assert "<b>" not in chat._repr_html_().replace("<b>ann", "").replace("<b>Hello", "")
    assert len(chat) == 2


def test_a_log_as_a_file_is_the_same_chat(tmp_path):
    chat = room().start("T")
    chat.say("Hello")
    path = chat.save(tmp_path / "chat.jsonl")
    again = vl.GroupChat.load(path, model=vl.Scripted(["more"] * 9))
    assert texts(again) == texts(chat)
    assert again.to_jsonl() == chat.to_jsonl()
    again.step()
    assert texts(again)[:-1] == texts(chat)


def test_what_is_heard_is_the_log_and_nothing_is_heard_twice():
    chat = room()
    heard = Heard(chat)
    chat.start()
    chat.run(rounds=3)
    assert [e.seq for e in heard.events if e.seq is not None] == list(range(2, len(chat.events)))


def test_ids_are_given_once(tmp_path):
    store = vl.ChatStore(tmp_path / "chats.sqlite3")
    room(store=store, id="one")
    with pytest.raises(StateError, match="already"):
        room(store=store, id="one")
    with pytest.raises(NotFoundError):
        vl.GroupChat.load("two", store=store)
    store.close()


def test_half_characters_of_a_broken_stream_do_not_break_the_log():
    chat = room("ann", model=vl.Scripted(["caf\ud83d", "next"])).start()
    chat.run(rounds=2)
    assert texts(chat) == ["ann: caf?", "ann: next"]
    assert chat.replay()


def test_a_function_that_decides_nonsense_says_so():
    chat = room(mode=lambda state, message, rng: 42).start()
    with pytest.raises(InvalidInputError) as caught:
        chat.step()
    assert caught.value.next_step
    chat.set_mode("sequential")
    assert chat.step().agent_id == "ann"


def test_a_function_that_fails_fails_as_it_is_and_the_chat_goes_on():
    def mine(state, message, rng):
        if not state.messages:
            raise KeyError("oops")
        return "bob"

    chat = room(mode=mine).start()
    with pytest.raises(KeyError, match="oops"):
        chat.step()
    assert chat.status == "idle"
    assert not logged(chat, "round:start")
    assert [m.agent_id for m in chat.say("now")] == ["bob"]
