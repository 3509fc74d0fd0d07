"""How long ``why_not`` takes on the diaries, and how often some setting recalls what was missed.

    python benchmarks/bench_why_not.py [--every 12]

For each engine every n-th judged document that is not among the first ten is asked about. CPU
seconds of this process; encodings and indexes are made before.
"""

from __future__ import annotations

import argparse
import statistics
import time

import vcplab as vl
from vcplab.memory.explaining.space import SearchSpace
from vcplab.memory.recipes.tag import TagMemo


def main() -> None:
    """Print one line per engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=12, help="ask about every n-th missed one")
    every = parser.parse_args().every
    data = vl.datasets.load("diaries")
    asked = data.queries.set_index("qid")
    systems = [
        vl.LightMemo(),
        vl.DeepMemo(rerank=True),
        vl.MeshMemo(),
        TagMemo(),
        vl.BM25() + vl.Dense() >> vl.RRF() >> vl.Decay() >> vl.Top(10),
    ]
    print("engine | axes | single settings | asked | recalled | settings | CPU s median | max")
    for system in systems:
        retriever = system.on(data.corpus).prepare()
        run = retriever.run(data.queries, 10).frame
        top = set(zip(run["qid"], run["docno"], strict=True))
        relevant = data.qrels[data.qrels["label"] > 0]
        pairs = zip(relevant["qid"], relevant["docno"], strict=True)
        missed = [pair for pair in pairs if pair not in top][::every]
        spent, tried, found = [], [], 0
        for qid, docno in missed:
            query = asked.loc[qid]
            began = time.process_time()
            answer = retriever.why_not(query["query"], docno, asked_at=query["asked_at"])
            spent.append(time.process_time() - began)
            tried.append(answer.searched)
            found += answer.found
        space = SearchSpace.of(system)
        print(
            f"{system.name} | {len(space)} | {space.singles} | {len(missed)} | {found} | "
            f"{statistics.median(tried):.0f} | {statistics.median(spent):.2f} | {max(spent):.2f}"
        )


if __name__ == "__main__":
    main()
