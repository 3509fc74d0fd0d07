"""What a purified context still holds: sentences that are needed, budget, and time.

    python benchmarks/bench_purifier.py --data ../shared/data

English: articles of WiCE's dev file cut to a budget; counted are the annotated supporting
sentences that are there in full. Chinese: ten passages of CMRC 2018, one of which answers the
question; counted are the sentences of that one. ``upstream`` is the original's arithmetic
(facts/vcp-agents §5): an estimate of tokens, and cuts at character positions.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import load_line

from vcplab.prompt.purifier import ContextPurifier
from vcplab.text.sentences import sentences
from vcplab.text.tokens import default_tokenizer

STRATEGIES = ("head", "tail", "middle", "smart")
_CJK = re.compile("[\u4e00-\u9fff]")


class Case(NamedTuple):
    """A text, what it is wanted for, and the sentences that should survive."""

    text: str
    query: str
    needed: tuple[str, ...]


def wice(folder: Path) -> Iterator[Case]:
    """Articles with claims; the first set of supporting sentences of each."""
    for line in (folder / "wice" / "claim_dev.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["supporting_sentences"] and row["supporting_sentences"][0]:
            needed = tuple(row["evidence"][at].strip() for at in row["supporting_sentences"][0])
            yield Case("\n".join(row["evidence"]), row["claim"], tuple(filter(None, needed)))


def cmrc(folder: Path, count: int = 300) -> Iterator[Case]:
    """Every answer's passage among nine others, at a place that differs from case to case."""
    base = folder / "cmrc2018-dev"
    passages = {}
    for line in (base / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        passages[row["_id"]] = row["text"]
    queries = {}
    for line in (base / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        queries[row["_id"]] = row["text"]
    judged = next(iter((base / "qrels").glob("*.tsv"))).read_text(encoding="utf-8").splitlines()[1:]
    names = list(passages)
    random = np.random.default_rng(0)
    for number in random.choice(len(judged), count, replace=False):
        qid, docno, _ = judged[number].split("\t")
        others = [names[at] for at in random.choice(len(names), 10, replace=False)]
        others = [name for name in others if name != docno][:9]
        others.insert(int(random.integers(0, 10)), docno)
        needed = tuple(sentence.text.strip() for sentence in sentences(passages[docno]))
        yield Case("\n\n".join(passages[name] for name in others), queries[qid], needed)


def upstream(text: str, budget: int, strategy: str) -> str:
    """The original's cut: by characters, where its estimate exceeds the budget."""
    chinese = len(_CJK.findall(text))
    if math.ceil(chinese / 1.5 + (len(text) - chinese) / 4) <= budget:
        return text
    target = 4 * budget
    if strategy == "head":
        return text[:target]
    if strategy == "tail":
        return text[-target:]
    first = target // 2 if strategy == "middle" else int(0.3 * target)
    if len(text) <= target:
        return text
    return f"{text[:first]}\n...\n{text[-(target - first) :]}"


def measure(cases: list[Case], budget: int, cut: Callable[[Case], str]) -> tuple[float, ...]:
    """Share of needed sentences kept, share of texts within the budget, CPU ms a text."""
    tokenizer = default_tokenizer()
    began = time.process_time()
    texts = [cut(case) for case in cases]
    spent = (time.process_time() - began) * 1000 / len(cases)
    flat = [" ".join(text.split()) for text in texts]
    kept = [
        float(np.mean([" ".join(sentence.split()) in text for sentence in case.needed]))
        for case, text in zip(cases, flat, strict=True)
    ]
    within = float(np.mean([tokenizer.count(text) <= budget for text in texts]))
    return float(np.mean(kept)), within, spent


def main() -> None:
    """Print a table for each language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--budget", type=int, default=500)
    arguments = parser.parse_args()
    print(load_line())
    for name, read in (("WiCE dev (en)", wice), ("CMRC 2018, ten passages (zh)", cmrc)):
        cases = list(read(arguments.data))
        size = int(np.median([default_tokenizer().count(case.text) for case in cases]))
        print(f"\n{name}: {len(cases)} texts, median {size} tokens, budget {arguments.budget}")
        print("| cut | needed sentences kept | within the budget | CPU ms |\n|---|--:|--:|--:|")
        rows: list[tuple[str, Callable[[Case], str]]] = []
        for strategy in STRATEGIES:
            rows.append(
                (
                    f"upstream {strategy}",
                    lambda case, strategy=strategy: upstream(case.text, arguments.budget, strategy),
                )
            )
        for strategy in STRATEGIES:
            purifier = ContextPurifier(
                max_tokens=arguments.budget, max_chars=None, truncate_strategy=strategy
            )
            rows.append((strategy, lambda case, by=purifier: by.purify(case.text).content))
            if strategy == "smart":
                rows.append(
                    (
                        "smart, with query",
                        lambda case, by=purifier: by.purify(case.text, query=case.query).content,
                    )
                )
        for shown, cut in rows:
            kept, within, spent = measure(cases, arguments.budget, cut)
            print(f"| {shown} | {kept:.3f} | {within:.3f} | {spent:.1f} |")


if __name__ == "__main__":
    main()
