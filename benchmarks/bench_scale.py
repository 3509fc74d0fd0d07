"""A million memories in one folder: what building costs, what it holds in memory, how it answers.

    make bench-scale            (python benchmarks/bench_scale.py [--documents 1000000])

Zipf documents of about 75 words and synthetic 384-d unit vectors (500 clusters in a 64-d latent
space; no encoder). Builds the documents, the Tantivy index and the vector index in a folder, opens
it anew in another process as a reader would, and asks hybrid queries one at a time; beside it, in
alternation, the same words are asked of bare Tantivy on the very same index.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import psutil
import tantivy
from measure import load_line, verdict
from zipf import documents_and_queries

import vcplab as vl

K = 10
DIMENSION, LATENT, CLUSTERS = 384, 64, 500
CHUNK = 50_000


class Synthetic:
    """Unit vectors in clusters, a function of the text alone."""

    name = "synthetic"
    fingerprint = "synthetic-clusters-1"
    dimension = DIMENSION
    languages = None
    instant = True

    def __init__(self):
        rng = np.random.default_rng(7)
        self._centres = rng.standard_normal((CLUSTERS, LATENT)).astype(np.float32)
        self._map = rng.standard_normal((LATENT, DIMENSION)).astype(np.float32)

    def embed_documents(self, texts):
        """Vectors, shape (len(texts), 384)."""
        seeds = np.array([zlib.crc32(t.encode()) for t in texts], np.uint64)
        # Noise from integer hashes: a generator per text would take longer than the index.
        steps = np.arange(1, LATENT + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = seeds[:, None] * np.uint64(0xBF58476D1CE4E5B9) + steps[None, :]
        mixed ^= mixed >> np.uint64(31)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(29)
        noise = (mixed >> np.uint64(40)).astype(np.float32) / 2**23 - 1
        latent = self._centres[(seeds % np.uint64(CLUSTERS)).astype(np.int64)] + noise
        vectors = latent @ self._map
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    embed_queries = embed_documents


def hybrid():
    return vl.Tantivy() + vl.Dense(Synthetic()) >> vl.Convex(0.3)


def memory_mb():
    return psutil.Process().memory_info().rss / 2**20


def private_mb():
    """What is not mapped from files (Linux tells; elsewhere all that only this process has)."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("RssAnon"))
        return int(line.split()[1]) / 1024
    return psutil.Process().memory_full_info().uss / 2**20


def step(name, work):
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    print(
        f"  {name:34}{time.process_time() - cpu:8.1f} CPU-s {time.perf_counter() - wall:8.1f} s"
        f"   resident {memory_mb():7,.0f} MB",
        flush=True,
    )
    return result


def build(folder, n):
    corpus = vl.Corpus.open(folder)

    def add_all():
        for start in range(0, n, CHUNK):
            texts, _ = documents_and_queries(min(CHUNK, n - start), 0, seed=start)
            corpus.add(
                vl.Document(f"d{start + i}", " ".join(words)) for i, words in enumerate(texts)
            )

    step("documents (with making them up)", add_all)
    gc.collect()
    step("Tantivy index (with analysis)", lambda: vl.Tantivy().on(corpus).prepare())
    step("vector index (with the vectors)", lambda: vl.Dense(Synthetic()).on(corpus).prepare())
    corpus.close()


def ask(folder, n_queries):
    """In a process of its own: open, warm up, ask; prints JSON."""
    began = time.perf_counter()
    corpus = vl.Corpus.open(folder, read_only=True)
    system = hybrid().on(corpus).prepare()
    opened = time.perf_counter() - began
    _, queries = documents_and_queries(1, n_queries, seed=99, stop_words=50)
    texts = [" ".join(words) for words in queries]
    (home,) = Path(folder).glob("indexes/tantivy-*/")
    raw = tantivy.Index.open(str(home / (home / "CURRENT").read_text().strip()))
    raw.register_tokenizer(
        "space", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    )
    searcher, schema = raw.searcher(), raw.schema
    analyzer = vl.Analyzer()

    def bare(text):
        should, term = tantivy.Occur.Should, tantivy.Query.term_query
        tokens = [(should, term(schema, "body", t)) for t in analyzer.analyze_query(text)]
        searcher.search(tantivy.Query.boolean_query(tokens), K, count=False)

    for text in texts[:20]:
        system.search(text, K)
        bare(text)
    resident = [private_mb()]
    ours, theirs = [], []
    for number, text in enumerate(texts):
        began = time.perf_counter()
        system.search(text, K)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        bare(text)
        theirs.append(time.perf_counter() - began)
        if number % 100 == 99:
            resident.append(private_mb())
    print(
        json.dumps(
            {"open": opened, "ours": ours, "bare": theirs, "private": resident, "rss": memory_mb()}
        )
    )


def report(found):
    ours, bare = np.array(found["ours"]) * 1000, np.array(found["bare"]) * 1000
    print(f"opening documents and indexes: {found['open']:.2f} s")
    for name, times in (("hybrid (k = 10)", ours), ("bare Tantivy", bare)):
        p50, p99 = np.percentile(times, [50, 99])
        print(f"  {name:18} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")
    private = found["private"]
    print(
        f"resident {found['rss']:,.0f} MB, of it private (not mapped from the index files) "
        f"{private[0]:,.0f} MB at the start, {private[-1]:,.0f} MB after {len(ours):,} queries"
    )
    ratio = np.percentile(ours, 99) / np.percentile(bare, 50)
    print(verdict("p99 of a hybrid query over p50 of bare Tantivy", ratio, 20, False))
    half = len(private) // 2
    growth = max(private[half:]) - max(private[: half + 1])
    print(verdict("growth of private memory over the second half, MB", growth, 50, False))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--folder", type=Path, help="keep and reuse the folder")
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        ask(arguments.folder, arguments.queries)
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="vcplab-scale-")) / "memory"
    try:
        print(f"{arguments.documents:,} documents; {load_line()}", flush=True)
        if not folder.exists():
            build(folder, arguments.documents)
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20
        print(f"folder: {size:,.0f} MB")
        command = [sys.executable, __file__, "--ask", "--folder", str(folder)]
        told = subprocess.run(
            [*command, "--queries", str(arguments.queries)],
            check=True,
            capture_output=True,
            text=True,
            env=dict(os.environ),
        )
        report(json.loads(told.stdout.splitlines()[-1]))
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder.parent, ignore_errors=True)


if __name__ == "__main__":
    main()
