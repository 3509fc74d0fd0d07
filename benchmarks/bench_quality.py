"""Retrieval quality on public data: the lexical leg beside bm25s, hybrids beside their legs.

    python benchmarks/bench_quality.py --data ../shared/data

The weight of the hybrid is chosen on SciFact's train split and used as it is on every test set.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import bm25s
import ir_measures
import pandas as pd
from measure import load_line, verdict

import vcplab as vl
from vcplab.text.analysis import default_analyzer

METRICS = ["nDCG@10", "R@100", "RR"]
GRID = {"convex__weight": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]}


def hybrid():
    return vl.BM25() + vl.Dense() >> vl.Convex(0.3)


def bm25s_ndcg(data) -> float:
    """bm25s "lucene" on the very tokens that the lexical lane sees."""
    analyzer = default_analyzer()
    documents = list(data.corpus)
    texts = [doc.field_text(("text", "tags")) for doc in documents]
    peer = bm25s.BM25(k1=1.2, b=0.75, method="lucene", backend="numpy")
    peer.index(analyzer.analyze_many(texts), show_progress=False)
    tokens = [analyzer.analyze_query(text) for text in data.queries["query"]]
    rows, scores = peer.retrieve(tokens, k=100, show_progress=False)
    run = pd.DataFrame(
        [
            (qid, documents[row].id, float(score))
            for qid, own_rows, own_scores in zip(data.queries["qid"], rows, scores, strict=True)
            for row, score in zip(own_rows, own_scores, strict=True)
            if score > 0
        ],
        columns=["query_id", "doc_id", "score"],
    )
    qrels = data.qrels.rename(columns={"qid": "query_id", "docno": "doc_id", "label": "relevance"})
    measure = ir_measures.nDCG @ 10
    return ir_measures.calc_aggregate([measure], qrels, run)[measure]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("VCPLAB_BENCH_DATA", "../shared/data")),
        help="folder with scifact/ and cmrc2018-dev/ in BEIR layout (or set VCPLAB_BENCH_DATA)",
    )
    folder = parser.parse_args().data
    if not (folder / "scifact").is_dir():
        print(f"no data at {folder}: give --data FOLDER (scifact/ and cmrc2018-dev/, BEIR layout)")
        return
    print(load_line())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train = vl.datasets.load(folder / "scifact", split="train")
        tuned = vl.tune(hybrid(), GRID, train, "nDCG@10")
        print(tuned.to_frame().round(4).to_string(index=False))
        print(f"chosen on SciFact train: {dict(tuned.params)}\n")
        lines = []
        for name in ("scifact", "cmrc2018-dev", "diaries"):
            data = vl.datasets.load(folder / name if name != "diaries" else name)
            systems = {
                "BM25": vl.BM25(),
                "Dense": vl.Dense(),
                "RRF": vl.BM25() + vl.Dense() >> vl.RRF(),
                "LightMemo": vl.LightMemo(),
                "tuned": tuned.best,
            }
            board = vl.compare(systems, data, METRICS, baseline="BM25")
            print(board, "\n")
            means = board.to_frame().query("metric == 'nDCG@10'").set_index("system")["mean"]
            leg = max(means["BM25"], means["Dense"])
            peer = bm25s_ndcg(data)
            lines.append(
                verdict(f"{name}: |BM25 − bm25s lucene|", abs(means["BM25"] - peer), 0.003, False)
            )
            for system in ("LightMemo", "tuned"):
                lines.append(
                    verdict(f"{name}: {system} − best leg", means[system] - leg, -0.005, True)
                )
            if name == "scifact":
                lines.append(verdict("scifact: tuned / best leg", means["tuned"] / leg, 1.05, True))
            if name == "cmrc2018-dev":
                lines.append(verdict("cmrc: LightMemo nDCG@10", means["LightMemo"], 0.975, True))
        print("\n".join(lines))


if __name__ == "__main__":
    main()
