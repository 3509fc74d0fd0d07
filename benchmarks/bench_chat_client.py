"""What OpenAIChat costs over the bare AsyncOpenAI, per call and per chunk.

Run ``python benchmarks/bench_chat_client.py``; the bars are 1.15 of its CPU time per call and 1.2
per chunk. One endpoint in another process answers both, on real sockets, and streams as many
chunks as it is asked for; a chunk's cost is what an answer of 201 costs more than one of a single
chunk. Both read every text; ours runs with its span, without a sink.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from measure import alternate, load_line, verdict
from openai import AsyncOpenAI

from vcplab.core.loop import run
from vcplab.models.chat.openai import OpenAIChat
from vcplab.protocol.completions import ChatRequest
from vcplab.protocol.messages import Message

ENDPOINT = Path(__file__).parent.parent / "tests" / "support" / "faulty_endpoint.py"
HISTORY = [
    ("user" if i % 2 == 0 else "assistant", f"This is message {i} of the chat. " * 4)
    for i in range(9)
]
CALLS, STREAMS, CHUNKS = 150, 15, 201


async def bare(client: AsyncOpenAI, tokens: int) -> int:
    stream = await client.chat.completions.create(
        model="m",
        messages=[{"role": role, "content": text} for role, text in HISTORY],
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=tokens,
    )
    length = 0
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            length += len(chunk.choices[0].delta.content)
    return length


async def ours(model: OpenAIChat, tokens: int) -> int:
    messages = tuple(Message(role, text) for role, text in HISTORY)
    length = 0
    async for piece in model.stream(ChatRequest(messages, max_tokens=tokens)):
        length += len(piece.text)
    return length


def repeated(ask: Callable[[int], Awaitable[int]], times: int, tokens: int) -> Callable[[], None]:
    async def work() -> None:
        for _ in range(times):
            assert await ask(tokens) == tokens * len("word ")

    return lambda: run(work())


def measured(url: str) -> tuple[float, float, float, float]:
    """CPU seconds per call and per chunk, of the bare client and of ours."""
    client = AsyncOpenAI(base_url=url, api_key="none")
    model = OpenAIChat("m", base_url=url, api_key="none")

    async def ask_bare(tokens: int) -> int:
        return await bare(client, tokens)

    async def ask_ours(tokens: int) -> int:
        return await ours(model, tokens)

    for ask in (ask_bare, ask_ours):  # connections, imports, caches
        repeated(ask, 5, CHUNKS)()
    timings = alternate(
        {
            "bare": repeated(ask_bare, CALLS, 1),
            "ours": repeated(ask_ours, CALLS, 1),
            "bare stream": repeated(ask_bare, STREAMS, CHUNKS),
            "ours stream": repeated(ask_ours, STREAMS, CHUNKS),
        },
        rounds=5,
    )
    run(client.close())
    model.close()
    calls = {name: timings[name].best / CALLS for name in ("bare", "ours")}
    chunks = {
        name: (timings[f"{name} stream"].best / STREAMS - calls[name]) / (CHUNKS - 1)
        for name in calls
    }
    return calls["bare"], calls["ours"], chunks["bare"], chunks["ours"]


def main() -> None:
    print(load_line())
    with subprocess.Popen(
        [sys.executable, str(ENDPOINT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as endpoint:
        assert endpoint.stdout is not None
        assert endpoint.stdin is not None
        try:
            call, our_call, chunk, our_chunk = measured(endpoint.stdout.readline().strip())
        finally:
            endpoint.stdin.close()
    print(f"per call   bare {call * 1e3:.2f} ms, ours {our_call * 1e3:.2f} ms")
    print(f"per chunk  bare {chunk * 1e6:.0f} µs, ours {our_chunk * 1e6:.0f} µs")
    print(verdict("CPU per call over AsyncOpenAI", our_call / call, 1.15, at_least=False))
    print(verdict("CPU per chunk over AsyncOpenAI", our_chunk / chunk, 1.2, at_least=False))


if __name__ == "__main__":
    main()
