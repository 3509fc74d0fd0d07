import copy

import pytest

import vcplab as vl
from tests.support.chatting import Heard
from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.loop import run
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest, complete
from vcplab.protocol.messages import Message, ToolCall, Usage
from vcplab.protocol.ports import ChatModel

KB = ["The tower is 300 m high."]
WRONG = "Well. The tower is 500 m high. That is all there is to it."
RIGHT = "Well. The tower is 300 m high. That is all there is to it."


def ask(model, *messages, **more):
    said = tuple(Message("user", text) for text in messages) or (Message("user", "How high?"),)
    return run(complete(model, ChatRequest(said, **more)))


def test_answers_pass_through_the_suppressor(suppressor):
    told = []
    model = suppressor.guard(vl.Scripted([WRONG]), knowledge_base=KB, on_suppression=told.append)
    assert isinstance(model, ChatModel)
    reply = ask(model)
    assert (reply.text, reply.finish_reason) == (RIGHT, "stop")
    assert "500 m" in [d.text for one in told for d in one.detections]


def test_the_messages_are_the_conversation(suppressor):
    model = suppressor.guard(vl.Scripted([WRONG]))
    assert ask(model, "The tower is 300 m high, I think.").text == RIGHT


@pytest.mark.parametrize("more", [{"schema": {"type": "object"}}, {"purpose": "select"}])
def test_answers_that_are_not_spoken_pass_as_they_are(suppressor, more):
    assert ask(suppressor.guard(vl.Scripted([WRONG]), knowledge_base=KB), **more).text == WRONG


def test_calls_reasoning_and_usage_pass(suppressor):
    call = ToolCall("1", "look", "{}")
    reply = ChatReply(WRONG, "I think: 500 m.", (call,), "tool_calls", Usage(7, 9))
    got = ask(suppressor.guard(vl.Scripted([reply]), knowledge_base=KB))
    assert got == ChatReply(RIGHT, "I think: 500 m.", (call,), "tool_calls", Usage(7, 9))


def test_what_was_said_before_a_failure_is_not_lost(suppressor):
    pieces = [ChatPiece("The tower is 500 m high. It"), ChatPiece(" is"), RuntimeError("cut")]
    model = suppressor.guard(vl.Scripted([pieces]), knowledge_base=KB)
    got = []

    async def read():
        async for piece in model.stream(ChatRequest((Message("user", "?"),))):
            got.append(piece.text)

    with pytest.raises(RuntimeError, match="cut"):
        run(read())
    assert "".join(got) == "The tower is 300 m high. It is"


def test_closing_it_closes_the_model(suppressor):
    class Endless:
        name = "endless"
        closed = False

        async def stream(self, request):
            try:
                while True:
                    yield ChatPiece("The tower is 500 m high, and that is that. ")
            finally:
                self.closed = True

    inner = Endless()

    async def first():
        stream = suppressor.guard(inner, knowledge_base=KB).stream(ChatRequest(()))
        text = ""
        while not text:
            text = (await anext(stream)).text
        await stream.aclose()
        return text

    assert run(first()).startswith("The tower is 300 m high")
    assert inner.closed


def test_it_stands_for_its_model(suppressor):
    inner = vl.Scripted([WRONG], name="gpt-x")
    model = suppressor.guard(inner)
    assert model.name == "gpt-x"
    assert inner.fingerprint in model.fingerprint
    assert suppressor.guard(vl.Scripted(lambda request: "x")).fingerprint is None
    assert not model.is_traced
    assert "Scripted" in repr(model)
    with pytest.raises(StateError):
        copy.copy(model)


def test_what_is_no_model_is_refused(suppressor):
    with pytest.raises(InvalidInputError):
        suppressor.guard("gpt-x")
    with pytest.raises(InvalidInputError):
        suppressor.guard(vl.Scripted(["x"]), knowledge_base=[5])


def test_in_a_group_chat(suppressor):
    ann = vl.Agent("ann", model=suppressor.guard(vl.Scripted([WRONG]), knowledge_base=KB))
    bob = vl.Agent("bob", model=vl.Scripted(["The tower is 500 m high, I say."]))
    chat = vl.GroupChat([ann, bob], "sequential")
    heard = Heard(chat)
    chat.start("towers").say("How high is the tower?")
    said = {message.agent_id: message.content for message in chat.messages}
    assert said["ann"] == RIGHT
    assert said["bob"] == "The tower is 500 m high, I say."
    assert "500 m high. That" not in heard.streamed()
