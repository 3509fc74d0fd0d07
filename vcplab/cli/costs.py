"""What things cost on this machine: measured when `vcplab doctor --costs` is asked."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from vcplab.cli.checks import Check
from vcplab.core.errors import VCPError

__all__ = ["cost_checks"]

_TOPIC = "costs here (wall time)"
_QUERIES = ("who moved the budget", "周五谁提到预算", "the cat on the oven", "硬盘坏了怎么办")
_ROUNDS = 5
_BATCH = 64


def cost_checks() -> Iterator[Check]:
    """Import, search, loading the encoder and encoding, each measured now.

    Nothing is read from or written to the caches. What cannot be measured says why.
    """
    for measure in (_import, _search, _encode):
        try:
            yield from measure()
        except VCPError as error:
            name = measure.__name__.strip("_")
            yield Check(_TOPIC, name, "warn", error.message, error.next_step or "")


def _import() -> Iterator[Check]:
    code = "import time; t = time.perf_counter(); import vcplab; print(time.perf_counter() - t)"
    seconds = min(
        float(subprocess.check_output([sys.executable, "-c", code], text=True))  # noqa: S603
        for _ in range(3)
    )
    yield Check(_TOPIC, "import vcplab", "ok", f"{seconds * 1000:.0f} ms")


def _search() -> Iterator[Check]:
    from vcplab.evaluation.datasets import load
    from vcplab.memory.stages.lexical import BM25

    corpus = load("diaries").corpus
    retriever = BM25().on(corpus)
    built = _seconds(retriever.prepare)
    each = median(_seconds(partial(retriever.search, q)) for q in _QUERIES * _ROUNDS)
    yield Check(
        _TOPIC, "BM25 index", "ok", f"{built * 1000:.0f} ms for {len(corpus)} diary entries"
    )
    yield Check(_TOPIC, "BM25 search", "ok", f"{each * 1000:.2f} ms")


def _encode() -> Iterator[Check]:
    from vcplab.models.embedding.default import default_embedder

    model = default_embedder()
    loading = _seconds(lambda: model.embed_queries(["warm-up"]))
    each = median(_seconds(partial(model.embed_queries, [q])) for q in _QUERIES * _ROUNDS)
    texts = [f"Entry {i}: {' '.join(_QUERIES)}" for i in range(_BATCH)]
    batch = _seconds(lambda: model.embed_documents(texts))
    yield Check(_TOPIC, "load the encoder", "ok", f"{loading:.1f} s ({model.name}, with torch)")
    yield Check(_TOPIC, "encode a query", "ok", f"{each * 1000:.1f} ms")
    yield Check(_TOPIC, "encode documents", "ok", f"{_BATCH / batch:.0f} short texts/s")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
