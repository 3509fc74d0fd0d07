"""The tag network at size: 100,000 tags and 1,000,000 edges; spreading in units of one product.

    python benchmarks/bench_tags.py

The unit is one sparse matrix-vector product of the very matrix that energy flows over, scipy's,
in CPU seconds; asked for is a spread within 50 of them.
"""

from __future__ import annotations

import time

import numpy as np
from measure import alternate, load_line, verdict

from vcplab.memory.document import Document
from vcplab.memory.tags.graph import TagOrder
from vcplab.memory.tags.kernel import Kernel
from vcplab.memory.tags.spreading import BreadthFirst, NoSpread, PageRank, Spikes
from vcplab.memory.tags.store import TagDocuments

TAGS = 100_000
EDGES = 1_000_000
PER_DOCUMENT = 6
BAR = 50.0
REPEATS = 5
SPREADS = [
    NoSpread(),
    BreadthFirst(),
    Spikes(),
    Spikes(firing=0.0, quiet=0.0, decay=0.7),
    PageRank(0.15),
    PageRank(0.5),
    PageRank(0.7),
    PageRank(0.85),
    PageRank(0.5, tolerance=1e-10),
]


def documents(count: int, random: np.random.Generator) -> list[Document]:
    """Documents whose tags are drawn by Zipf's law, those of a topic together."""
    names = [f"tag{n:06d}" for n in range(TAGS)]
    topics = random.integers(0, TAGS, count)
    steps = random.zipf(1.3, (count, PER_DOCUMENT)) - 1
    places = (topics[:, None] + steps * random.choice([-1, 1], steps.shape)) % TAGS
    hubs = random.random((count, PER_DOCUMENT)) < 0.1
    places[hubs] = random.zipf(1.2, int(hubs.sum())) % TAGS
    return [
        Document(f"d{n}", "", tuple(names[place] for place in dict.fromkeys(row)))
        for n, row in enumerate(places.tolist())
    ]


def main() -> None:
    print(load_line())
    random = np.random.default_rng(0)
    store = TagDocuments(TagOrder())
    row = 0
    began = time.process_time()
    while True:
        batch = documents(20_000, random)
        store.add(range(row, row + len(batch)), batch)
        row += len(batch)
        graph = store.graph
        if graph.together.nnz >= EDGES:
            break
    print(f"{graph!r}, made in {time.process_time() - began:.1f} CPU-s (with making it up)")
    began = time.process_time()
    store.add([row], documents(1, random))
    graph = store.graph
    print(f"one more document and a new graph: {time.process_time() - began:.2f} CPU-s")
    began = time.process_time()
    kernel = Kernel().of(graph)
    inward = kernel.inward
    print(f"{kernel!r}, made in {time.process_time() - began:.2f} CPU-s")
    began = time.process_time()
    kernel.strongest(20)
    print(f"its 20 strongest edges per tag: {time.process_time() - began:.2f} CPU-s")
    seeds = np.zeros((1, len(graph)))
    at = random.choice(len(graph), 10, replace=False)
    seeds[0, at] = 0.1
    vector = random.random(len(graph))

    def product() -> None:
        for _ in range(REPEATS * 10):
            inward @ vector

    def spreading(spread):
        def work() -> None:
            for _ in range(REPEATS):
                spread.spread(kernel, seeds)

        return work

    competitors = {"product": product}
    competitors |= {repr(spread): spreading(spread) for spread in SPREADS}
    timings = alternate(competitors)
    unit = timings["product"].best / (REPEATS * 10)
    print(f"one product: {unit * 1000:.3f} ms\n")
    for spread in SPREADS:
        spent = timings[repr(spread)].best / REPEATS
        reached = int((spread.spread(kernel, seeds) > 0).sum())
        ratio = spent / unit
        steps = f", {spread.steps(kernel)} steps" if isinstance(spread, PageRank) else ""
        name = f"{spread!r}: {spent * 1000:.2f} ms, {reached:,} tags{steps}; products"
        print(verdict(name, ratio, BAR, False))


if __name__ == "__main__":
    main()
