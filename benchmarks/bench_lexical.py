"""The in-memory lexical index beside rank_bm25 and bm25s: same tokens, one run, alternating.

python benchmarks/bench_lexical.py [--documents 20000] [--queries 1000]
"""

from __future__ import annotations

import argparse
from collections import Counter

import bm25s
import numpy as np
from measure import alternate, load_line, verdict
from rank_bm25 import BM25Okapi
from zipf import documents_and_queries

from vcplab.memory.index.postings import PostingsIndex, PostingsView
from vcplab.memory.index.weighting import BM25Weighting

K = 100
WEIGHTING = BM25Weighting(1.2, 0.75, "lucene")


def ours(docs, first_row=0):
    index = PostingsIndex()
    index.add(range(first_row, first_row + len(docs)), docs)
    return index


def theirs(docs):
    peer = bm25s.BM25(k1=1.2, b=0.75, method="lucene", backend="numpy")
    peer.index(docs, show_progress=False)
    return peer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=1_000)
    arguments = parser.parse_args()
    n = arguments.documents
    docs, queries = documents_and_queries(n, arguments.queries)
    terms = [{word: float(n) for word, n in Counter(query).items()} for query in queries]
    few = queries[:50]  # rank_bm25 needs tens of milliseconds for each
    print(f"{n:,} Zipf documents, {len(queries):,} queries, top {K}; {load_line()}")

    build = alternate({"vcplab": lambda: ours(docs), "bm25s": lambda: theirs(docs)})
    index, peer, okapi = ours(docs), theirs(docs), BM25Okapi(docs, k1=1.2, b=0.75)
    view = index.view(WEIGHTING)

    def cold():
        # Every impact is computed anew, as after a change of the collection.
        return PostingsView(index, WEIGHTING).search(terms, K)

    search = alternate(
        {
            "vcplab": lambda: view.search(terms, K),
            "vcplab, cold": cold,
            "bm25s": lambda: peer.retrieve(queries, k=K, show_progress=False),
            "rank_bm25": lambda: [np.argsort(okapi.get_scores(q))[::-1][:K] for q in few],
        }
    )
    rate = {
        name: (len(few) if name == "rank_bm25" else len(queries)) / timing.best
        for name, timing in search.items()
    }

    extra = documents_and_queries(100, 0, seed=9)[0]
    grown = ours(docs)
    grown.view(WEIGHTING).search(terms[:1], K)
    next_row = n

    def add():
        # Adding, and a first query: the impacts of its terms are recomputed.
        nonlocal next_row
        grown.add(range(next_row, next_row + 100), extra)
        next_row += 100
        grown.view(WEIGHTING).search(terms[:1], K)

    adding = alternate({"add 100": add, "rebuild": lambda: ours(docs + extra)})

    stepwise = ours(docs)
    stepwise.add(range(n, n + 100), extra)
    rebuilt = ours(docs + extra)
    pairs = zip(
        stepwise.view(WEIGHTING).search(terms, K),
        rebuilt.view(WEIGHTING).search(terms, K),
        strict=True,
    )
    identical = all(
        np.array_equal(a.rows, b.rows) and np.array_equal(a.scores, b.scores) for a, b in pairs
    )
    rows = np.arange(n)
    difference = max(
        float(np.abs(view.score(t, rows) - peer.get_scores(list(q))).max())
        for t, q in zip(terms[:100], queries[:100], strict=True)
    )

    print(f"\n{'':14}queries/CPU-s   index CPU-s")
    for name in ("vcplab", "vcplab, cold", "bm25s", "rank_bm25"):
        built = f"{build[name].best:11.2f}" if name in build else " " * 11
        print(f"{name:14}{rate[name]:13,.0f}{built:>14}")
    print()
    print(
        verdict("queries/CPU-s over rank_bm25", rate["vcplab, cold"] / rate["rank_bm25"], 20, True)
    )
    print(
        verdict("queries/CPU-s over bm25s batch", rate["vcplab, cold"] / rate["bm25s"], 0.7, True)
    )
    print(verdict("index CPU over bm25s", build["vcplab"].best / build["bm25s"].best, 1.3, False))
    print(
        verdict(
            "adding 100 documents over a rebuild",
            adding["add 100"].best / adding["rebuild"].best,
            0.1,
            False,
        )
    )
    print(f"{'met   ' if identical else 'MISSED'}  scores after adding identical to a rebuild")
    print(f"largest score difference from bm25s over 100 queries: {difference:.1e}")


if __name__ == "__main__":
    main()
