"""The dense index beside bare NumPy and bare usearch: same vectors, one run, alternating.

    python benchmarks/bench_dense.py [--exact 20000] [--approximate 100000]

Vectors as in facts/retrieval §2.5 (500 clusters in a 64-d latent space, 384-d), and uniformly
random ones, which are the hard case for any graph: in 384 dimensions everything is about equally
far from everything.
"""

from __future__ import annotations

import argparse

import numpy as np
from measure import alternate, load_line, verdict
from usearch.index import Index

from vcplab.memory.index.dense import VectorIndex
from vcplab.memory.index.graph import CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH

K = 10
DIMENSION, LATENT, CLUSTERS = 384, 64, 500


def clustered(n, seed):
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((CLUSTERS, LATENT))
    project = rng.standard_normal((LATENT, DIMENSION)).astype(np.float32)
    rng = np.random.default_rng(seed)
    latent = centres[rng.integers(CLUSTERS, size=n)] + 0.6 * rng.standard_normal((n, LATENT))
    return unit(latent.astype(np.float32) @ project)


def random(n, seed):
    return unit(np.random.default_rng(seed).standard_normal((n, DIMENSION)).astype(np.float32))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def numpy_top(matrix, queries):
    found = []
    for at in range(0, len(queries), 64):
        scores = queries[at : at + 64] @ matrix.T
        best = np.argpartition(-scores, K, axis=1)[:, :K]
        values = np.take_along_axis(scores, best, axis=1)
        found.append(np.take_along_axis(best, np.argsort(-values, axis=1), axis=1))
    return np.concatenate(found)


def exact(n):
    matrix, queries = clustered(n, 2), clustered(1_000, 3)
    index = VectorIndex(DIMENSION)
    index.add(range(n), matrix)
    timing = alternate(
        {
            "vcplab": lambda: index.search(queries, K),
            "numpy": lambda: numpy_top(matrix, queries),
        },
        rounds=7,
    )
    rate = {name: len(queries) / t.best for name, t in timing.items()}
    print(
        f"exact among {n:,}: vcplab {rate['vcplab']:,.0f}, numpy {rate['numpy']:,.0f} queries/CPU-s"
    )
    print(verdict("exact, over bare numpy", rate["vcplab"] / rate["numpy"], 0.8, True))


def approximate(n, make):
    matrix, queries = make(n, 4), make(500, 5)
    peer = Index(
        ndim=DIMENSION,
        metric="cos",
        dtype="bf16",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )
    index = VectorIndex(DIMENSION)
    index.add(range(n), matrix)
    build = alternate(
        {
            "vcplab": lambda: index.search(queries[:1], K),
            "usearch": lambda: peer.add(np.arange(n), matrix),
        },
        rounds=1,
    )
    few = queries[:200]
    timing = alternate(
        {
            "vcplab": lambda: index.search(queries, K),
            "usearch": lambda: peer.search(queries, K),
            "vcplab, one by one": lambda: [index.search(q[None], K) for q in few],
            "usearch, one by one": lambda: [peer.search(q, K) for q in few],
        },
        rounds=5,
    )
    rate = {name: len(few if "one" in name else queries) / t.best for name, t in timing.items()}
    true = numpy_top(matrix, few)
    theirs = np.mean(
        [len(set(a) & set(b)) / K for a, b in zip(peer.search(few, K).keys, true, strict=True)]
    )
    recall = index.recall(few, K)
    what = f"{n:,} {make.__name__} vectors"
    print(f"\napproximate among {what}: recall@10 {recall:.3f} (usearch {theirs:.3f})")
    for name, value in rate.items():
        print(f"  {name:22}{value:10,.0f} queries/CPU-s")
    print(f"  building: {build['vcplab'].best:.0f} and {build['usearch'].best:.0f} CPU-s")
    bar = 0.95 if make is clustered else 0.0
    print(verdict("recall@10", recall, bar, True))
    print(verdict("over bare usearch, batch", rate["vcplab"] / rate["usearch"], 0.8, True))
    single = rate["vcplab, one by one"] / rate["usearch, one by one"]
    print(verdict("over bare usearch, one by one", single, 0.8, True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--exact", type=int, default=20_000)
    parser.add_argument("--approximate", type=int, default=100_000)
    arguments = parser.parse_args()
    print(load_line())
    exact(arguments.exact)
    for make in (clustered, random):
        approximate(arguments.approximate, make)


if __name__ == "__main__":
    main()
