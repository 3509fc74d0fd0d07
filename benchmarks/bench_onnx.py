"""The ONNX path beside torch: latency of one query, throughput of a batch, agreement.

python benchmarks/bench_onnx.py [--texts 256] [--queries 30] [--rounds 5]

Competitors alternate; each figure is the best round, as wall and as CPU time. The first run
exports the model. Only a quiet machine gives a fair wall time: the load is printed.
"""

from __future__ import annotations

import argparse
import random
import time

import numpy as np
from measure import load_line, verdict

import vcplab as vl
from vcplab.models.embedding.onnx import OnnxEmbedder

WORDS = [
    "budget",
    "meeting",
    "agent",
    "memory",
    "travel",
    "plan",
    "dinner",
    "review",
    "garden",
    "model",
    "train",
    "letter",
]


def turns(count: int) -> list[str]:
    """Texts as long as chat turns: 5 to 60 words, seeded."""
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=draw.randint(5, 60))) for _ in range(count)]


def best_times(competitors, rounds):
    """Per competitor the least wall and the least CPU seconds of a round."""
    found = {name: [np.inf, np.inf] for name in competitors}
    for _ in range(rounds):
        for name, work in competitors.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            found[name] = [min(pair) for pair in zip(found[name], spent, strict=True)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    texts = turns(arguments.texts)
    queries = [text[:40] for text in texts[: arguments.queries]]
    embedders = {"torch": vl.MiniLM(), "onnx": OnnxEmbedder()}
    print(f"{len(texts)} chat turns, {len(queries)} queries one by one; {load_line()}")

    vectors = {name: embedder.embed_queries(queries) for name, embedder in embedders.items()}
    cosine = float((vectors["torch"] * vectors["onnx"]).sum(axis=1).min())
    single = best_times(
        {
            name: lambda e=embedder: [e.embed_queries([query]) for query in queries]
            for name, embedder in embedders.items()
        },
        arguments.rounds,
    )
    batch = best_times(
        {name: lambda e=embedder: e.embed_documents(texts) for name, embedder in embedders.items()},
        arguments.rounds,
    )
    for name in embedders:
        wall, cpu = (1000 * seconds / len(queries) for seconds in single[name])
        rates = [len(texts) / seconds for seconds in batch[name]]
        print(
            f"{name:6} one query {wall:6.2f} ms wall {cpu:6.2f} ms CPU;"
            f" batch {rates[0]:6.1f} texts/s wall {rates[1]:6.1f} texts/CPU-s"
        )
    for i, kind in enumerate(("wall", "CPU")):
        ratio = single["onnx"][i] / single["torch"][i]
        print(verdict(f"one query, onnx / torch, {kind}", ratio, 0.5, at_least=False))
        ratio = batch["torch"][i] / batch["onnx"][i]
        print(verdict(f"batch throughput, onnx / torch, {kind}", ratio, 0.95, at_least=True))
    print(verdict("lowest cosine", cosine, 0.999, at_least=True))
    print(load_line())


if __name__ == "__main__":
    main()
