"""The disk index beside a bare Tantivy loop and bm25s: same tokens, one run, alternating.

    python benchmarks/bench_tantivy.py [--documents 20000 200000] [--data ../shared/data]

The bare loop is what one would write by hand with tantivy-py: one writer thread, tokens joined by
spaces into a white-space field with positions, a row number as fast field, term queries, the rows
of the hits read from the fast field. With --data, nDCG@10 on SciFact is compared as well.

Queries are drawn as documents are, but without the 50 most frequent words, which an analyser drops
as stop words; --stop-words 0 keeps them. (Tantivy does not skip along long lists here: a word that
is everywhere costs 10 ns per document, whatever else is asked for.)
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import bm25s
import ir_measures
import pandas as pd
import tantivy
from measure import alternate, load_line, verdict
from zipf import documents_and_queries

import vcplab as vl
from vcplab.memory.index.tantivy import TantivyIndex
from vcplab.text.analysis import default_analyzer

K = 100


class Bare:
    """tantivy-py without vcplab."""

    def __init__(self, folder):
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", tokenizer_name="space")
        builder.add_unsigned_field("row", indexed=True, fast=True)
        self.schema = builder.build()
        self.index = tantivy.Index(self.schema, path=str(folder))
        space = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        self.index.register_tokenizer("space", space)

    def add(self, docs):
        """Index token lists."""
        writer = self.index.writer(128_000_000, 1)
        for row, tokens in enumerate(docs):
            document = tantivy.Document()
            document.add_text("body", " ".join(tokens))
            document.add_unsigned("row", row)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        self.searcher = self.index.searcher()

    def query(self, tokens):
        """Any of the tokens."""
        should, term = tantivy.Occur.Should, tantivy.Query.term_query
        return tantivy.Query.boolean_query(
            [(should, term(self.schema, "body", token)) for token in tokens]
        )

    def search(self, queries, k):
        """Rows and scores per query."""
        results = []
        for tokens in queries:
            hits = self.searcher.search(self.query(tokens), k, count=False).hits
            rows = self.searcher.fast_field_values("row", [address for _, address in hits])
            results.append((rows, [score for score, _ in hits]))
        return results


def ours(folder, docs):
    index = TantivyIndex(folder)
    index.add(range(len(docs)), docs)
    index.commit(len(docs), 0)
    return index


def bare(folder, docs):
    index = Bare(folder)
    index.add(docs)
    return index


def speed(n, n_queries, stop_words):
    docs, queries = documents_and_queries(n, n_queries, stop_words=stop_words)
    terms = [{word: float(c) for word, c in Counter(query).items()} for query in queries]
    print(f"\n{n:,} Zipf documents, {len(queries):,} queries, top {K}; {load_line()}")
    home = Path(tempfile.mkdtemp(prefix="vcplab-bench-"))
    try:
        made = iter(range(1000))

        def fresh():
            folder = home / str(next(made))
            folder.mkdir()
            return folder

        build = alternate(
            {"vcplab": lambda: ours(fresh(), docs), "tantivy": lambda: bare(fresh(), docs)}
        )
        index, peer = ours(fresh(), docs), bare(fresh(), docs)
        third = bm25s.BM25(k1=1.2, b=0.75, method="lucene", backend="numpy")
        third.index(docs, show_progress=False)
        search = alternate(
            {
                "vcplab": lambda: index.search(terms, K),
                "tantivy": lambda: peer.search(queries, K),
                "bm25s": lambda: third.retrieve(queries, k=K, show_progress=False),
            },
            rounds=5,
        )
        began = time.process_time()
        default_analyzer().analyze_many([" ".join(doc) for doc in docs])
        analysis = time.process_time() - began
    finally:
        shutil.rmtree(home, ignore_errors=True)
    rate = {name: len(queries) / timing.best for name, timing in search.items()}
    print(f"{'':10}queries/CPU-s   index CPU-s")
    for name in ("vcplab", "tantivy", "bm25s"):
        built = f"{build[name].best:12.2f}" if name in build else ""
        print(f"{name:10}{rate[name]:13,.0f} {built}")
    print(f"analysing the same text (not in the figures above): {analysis:.2f} CPU-s")
    print(verdict("queries/CPU-s over tantivy", rate["vcplab"] / rate["tantivy"], 0.7, True))
    print(
        verdict("index CPU over tantivy", build["vcplab"].best / build["tantivy"].best, 1.25, False)
    )
    if n >= 200_000:
        print(verdict("queries/CPU-s over bm25s", rate["vcplab"] / rate["bm25s"], 10, True))


def quality(path):
    data = vl.datasets.load(path)
    analyzer = default_analyzer()
    documents = list(data.corpus)
    home = Path(tempfile.mkdtemp(prefix="vcplab-bench-"))
    try:
        texts = [doc.field_text(("text", "tags")) for doc in documents]
        peer = bare(home, analyzer.analyze_many(texts))
        # Once each, as the lane asks: a repeated word weighs twice.
        queries = [analyzer.analyze_query(text) for text in data.queries["query"]]
        found = peer.search(queries, K)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    run = pd.DataFrame(
        [
            (qid, documents[row].id, score)
            for qid, (rows, scores) in zip(data.queries["qid"], found, strict=True)
            for row, score in zip(rows, scores, strict=True)
        ],
        columns=["query_id", "doc_id", "score"],
    )
    qrels = data.qrels.rename(columns={"qid": "query_id", "docno": "doc_id", "label": "relevance"})
    measure = ir_measures.nDCG @ 10
    theirs = ir_measures.calc_aggregate([measure], qrels, run)[measure]
    board = vl.compare([vl.Tantivy(), vl.BM25()], data, metrics=["nDCG@10"])
    frame = board.table.set_index("system")["nDCG@10"]
    print(
        f"\nSciFact nDCG@10: tantivy {theirs:.4f}, "
        + ", ".join(f"{s} {v:.4f}" for s, v in frame.items())
    )
    own = float(frame["Tantivy"])
    print(verdict("difference from bare tantivy", abs(own - theirs), 0.0005, False))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, nargs="+", default=[20_000])
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--stop-words", type=int, default=50)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("VCPLAB_BENCH_DATA", "../shared/data"))
    )
    arguments = parser.parse_args()
    for n in arguments.documents:
        speed(n, arguments.queries, arguments.stop_words)
    if (arguments.data / "scifact").exists():
        quality(arguments.data / "scifact")


if __name__ == "__main__":
    main()
