"""One side of one run of the group chat benchmark: five agents in turn, replayed replies.

``bench_group_chat.py`` runs this file as a process for each measurement, by the interpreter of the
environment in which that side is installed; what a side needs is imported by that side alone. Every
side says the same replies in the same order, gives its models the same number of latest messages,
and prints one line of JSON: CPU seconds of the whole process while the chat ran (imports, warming
up and making the team apart), and what was left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypedDict

NAMES = ("ann", "ben", "cho", "dee", "eve")
TASK = "Where does the budget of the spring release go? 春季发布的预算怎么花?"
SYSTEM = "You are {}, one of five who plan a release. 你只说一句话。"

#: How many of the latest messages a model is given, on every side.
WINDOW = 20
#: Turns of the chat that warms a process up.
WARM = 15
#: Turns that are measured at least, in several chats where one is shorter.
LEAST = 600
#: Words of a reply; AutoGen's replay model streams one word at a time.
WORDS = 23

VOCABULARY = """\
the budget should cover first tests then prompt fixes for users of spring release and we still need
two more weeks to finish what team began last month with care
预算 发布 测试 用户 计划 我们 需要 时间 修复 先做 以后 团队 文档 可以 进度 风险 成本 同意"""


def replies(count: int) -> list[str]:
    """Mixed English and Chinese of about 110 characters each, the same on every side."""
    words_of_lines = [line.split() for line in VOCABULARY.splitlines()]
    english, chinese = words_of_lines[0] + words_of_lines[1], words_of_lines[2]
    made = []
    for number in range(count):
        chance = random.Random(number)
        words = [
            chance.choice(chinese if chance.random() < 0.25 else english) for _ in range(WORDS - 1)
        ]
        made.append(" ".join([*words, f"{number}."]))
    return made


class Clock:
    """CPU seconds of all threads of the process inside ``with``."""

    seconds = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Count what happens inside, the garbage of making things swept away before."""
        gc.collect()
        began = time.process_time()
        yield
        self.seconds += time.process_time() - began


Run = Callable[[int, Clock, Path], dict[str, Any]]


def measured(run: Run, turns: int, folder: Path) -> dict[str, Any]:
    """Warm up, then run chats of so many turns until there are enough to measure.

    Args:
        run: Runs one chat: its turns, the clock, a file or the like in the folder that is its own.
        turns: Turns of a chat.
        folder: Where files go.

    Returns:
        What the last chat left behind, and the CPU seconds of one chat.
    """
    run(WARM, Clock(), folder / "warm")
    clock = Clock()
    chats = max(1, LEAST // turns)
    found: dict[str, Any] = {}
    for number in range(chats):
        found = run(turns, clock, folder / f"chat-{number}")
    return found | {"cpu": clock.seconds / chats}


# --- vcplab --------------------------------------------------------------------------------------


def vcplab(turns: int, folder: Path, *, stream: bool = False) -> dict[str, Any]:
    """Sequential mode, the log in a file; ``stream`` has a subscriber take every piece."""
    from vcplab.agents.agent import Agent
    from vcplab.agents.chat.chat import GroupChat
    from vcplab.agents.chat.events import ChatEvent
    from vcplab.agents.chat.stop_limits import TurnLimit
    from vcplab.models.chat.scripted import Scripted
    from vcplab.protocol.completions import ChatPiece

    def in_words(text: str) -> list[ChatPiece]:
        """The pieces in which AutoGen's replay model tells a text."""
        *words, last = text.split()
        pieces = [ChatPiece(f"{word} ") for word in words]
        return [*pieces, ChatPiece(last, finish_reason="stop")]

    def run(count: int, clock: Clock, file: Path) -> dict[str, Any]:
        texts = replies(count)
        model = (
            Scripted([in_words(text) for text in texts])
            if stream
            else Scripted(texts, pieces="whole")
        )
        chat = GroupChat(
            [Agent(name, SYSTEM.format(name)) for name in NAMES],
            "sequential",
            model=model,
            stop=TurnLimit(count),
            store=file,
            window_messages=WINDOW,
            window_tokens=60 * WINDOW,
        )
        chunks = 0

        def take(event: ChatEvent) -> None:
            nonlocal chunks
            chunks += 1

        if stream:
            chat.subscribe(take, "agent:stream")
        with clock():
            chat.start(TASK)
            chat.say(TASK)
            chat.run()
        said = [message.content for message in chat.messages if message.turn]
        assert said == texts, (len(said), chat.events[-1])
        # Besides the window: the system text, a word on what was left out, the invitation.
        given = len(model.requests[-1].messages)
        assert count < 2 * WINDOW or given == WINDOW + 3, given
        return {"turns": count, "chunks": chunks, "bytes": len(chat.to_jsonl().encode())}

    return measured(run, turns, folder) | {"version": f"vcplab {version('vcplab')}"}


# --- AutoGen ------------------------------------------------------------------------------------


def autogen(
    turns: int, folder: Path, *, stream: bool = False, save: bool = False
) -> dict[str, Any]:
    """Round robin; ``save`` writes the team's state as JSON after each turn."""
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.messages import ModelClientStreamingChunkEvent, TextMessage
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_core.model_context import BufferedChatCompletionContext
    from autogen_ext.models.replay import ReplayChatCompletionClient

    def keep(state: Any, file: Path) -> None:
        file.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")

    async def run(count: int, clock: Clock, file: Path) -> dict[str, Any]:
        model = ReplayChatCompletionClient(replies(count))
        team = RoundRobinGroupChat(
            [
                AssistantAgent(
                    name,
                    model_client=model,
                    system_message=SYSTEM.format(name),
                    model_context=BufferedChatCompletionContext(WINDOW),
                    model_client_stream=stream,
                )
                for name in NAMES
            ],
            termination_condition=MaxMessageTermination(count + 1),
        )
        chunks = said = 0
        with clock():
            async for message in team.run_stream(task=TASK):
                if isinstance(message, ModelClientStreamingChunkEvent):
                    chunks += 1
                elif isinstance(message, TextMessage):
                    said += 1
                    if save:
                        keep(await team.save_state(), file)
        assert said == count + 1, said
        state = json.dumps(await team.save_state(), ensure_ascii=False)
        return {"turns": count, "chunks": chunks, "bytes": len(state.encode())}

    found = measured(lambda *given: asyncio.run(run(*given)), turns, folder)
    return found | {"version": f"AutoGen {version('autogen-agentchat')}"}


# --- LangGraph ----------------------------------------------------------------------------------


def latest(kept: list[Any], new: list[Any]) -> list[Any]:
    """The fixed window as a reducer: a checkpoint holds no more than a model is given."""
    return (kept + new)[-WINDOW:]


class Table(TypedDict):
    """The state of a graph: what its checkpoints hold."""

    messages: Annotated[list[Any], latest]
    said: int


def langgraph(turns: int, folder: Path, *, disk: bool, model: bool) -> dict[str, Any]:
    """A ring of five nodes with a checkpoint after each; without ``model`` they give mappings."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.graph import END, START, StateGraph

    def speaker(name: str, chat: Any, texts: list[str]) -> Callable[[Table], dict[str, Any]]:
        """A node: one who speaks."""
        if not model:
            return lambda state: {
                "messages": [{"role": "assistant", "name": name, "content": texts[state["said"]]}],
                "said": state["said"] + 1,
            }
        from langchain_core.messages import SystemMessage

        system = SystemMessage(SYSTEM.format(name))

        def speak(state: Table) -> dict[str, Any]:
            reply = chat.invoke([system, *state["messages"]])
            reply.name = name
            return {"messages": [reply], "said": state["said"] + 1}

        return speak

    def run(count: int, clock: Clock, file: Path) -> dict[str, Any]:
        texts = replies(count)
        chat: Any = None
        first: Any = {"role": "user", "content": TASK}
        if model:
            # Not FakeListChatModel, which describes itself with all its replies at each call.
            from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
            from langchain_core.messages import AIMessage, HumanMessage

            chat = GenericFakeChatModel(messages=(AIMessage(text) for text in texts))
            first = HumanMessage(TASK)
        graph: Any = StateGraph(Table)
        graph.add_edge(START, NAMES[0])
        for name, after in zip(NAMES, (*NAMES[1:], NAMES[0]), strict=True):
            graph.add_node(name, speaker(name, chat, texts))
            graph.add_conditional_edges(
                name,
                lambda state, after=after: END if state["said"] >= count else after,
                [after, END],
            )
        connection = None
        if disk:
            connection = sqlite3.connect(file, check_same_thread=False)
            saver: Any = SqliteSaver(connection)
            saver.setup()
        else:
            saver = InMemorySaver()
        ring = graph.compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "1"}, "recursion_limit": count + 10}
        with clock():
            result = ring.invoke({"messages": [first], "said": 0}, config)
        assert result["said"] == count, result["said"]
        kept = sum(1 for _ in ring.get_state_history(config))
        assert kept >= count, kept
        if connection is not None:
            connection.close()
        return {"turns": count}

    return measured(run, turns, folder) | {"version": f"LangGraph {version('langgraph')}"}


SIDES: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "vcplab": lambda n, f: vcplab(n, f),
    "vcplab-stream": lambda n, f: vcplab(n, f, stream=True),
    "autogen": lambda n, f: autogen(n, f),
    "autogen-saved": lambda n, f: autogen(n, f, save=True),
    "autogen-stream": lambda n, f: autogen(n, f, stream=True),
    "langgraph-bare": lambda n, f: langgraph(n, f, disk=False, model=False),
    "langgraph-bare-disk": lambda n, f: langgraph(n, f, disk=True, model=False),
    "langgraph": lambda n, f: langgraph(n, f, disk=False, model=True),
    "langgraph-disk": lambda n, f: langgraph(n, f, disk=True, model=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("turns", type=int)
    parser.add_argument("folder", type=Path, help="where files of this run go")
    options = parser.parse_args()
    found = SIDES[options.side](options.turns, options.folder)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
