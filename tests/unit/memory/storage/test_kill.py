"""kill -9 at random points: the folder opens as of a commit, and its indexes say the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.stages.dense import Dense
from vcplab.memory.stages.lexical import Tantivy
from vcplab.models.embedding.hashing import HashEmbedder

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from test_kill import LANES, changes, apply
from vcplab.memory.corpus import Corpus

with Corpus.open(sys.argv[2]) as corpus:
    for number, change in enumerate(changes(int(sys.argv[3]), sys.argv[4] == "mixed")):
        if number < corpus.version:
            continue
        apply(corpus, change)
        print(number, flush=True)
        if number % 2:
            for lane in LANES:
                lane.on(corpus).search("harbour")
"""
LANES = [Tantivy(), Dense(HashEmbedder(16))]


def changes(seed, mixed):
    """An endless list of changes that every process makes alike."""
    rng = random.Random(seed)
    live = []
    number = 0
    while True:
        verb = (
            rng.choice(["add", "add", "delete", "replace"]) if mixed and len(live) > 20 else "add"
        )
        if verb == "add":
            batch = [f"d{number + i}" for i in range(rng.randint(1, 30))]
            number += len(batch)
            live += batch
            yield "upsert", [(docno, rng.randint(1, 9)) for docno in batch]
        elif verb == "delete":
            gone = rng.sample(live, 5)
            live = [docno for docno in live if docno not in gone]
            yield "delete", gone
        else:
            yield "upsert", [(docno, rng.randint(10, 19)) for docno in rng.sample(live, 5)]


def apply(corpus, change):
    verb, content = change
    if verb == "delete":
        corpus.delete(content)
    else:
        corpus.upsert(
            Document(docno, f"harbour only{docno} " + "moon " * times) for docno, times in content
        )


def killed_and_opened(folder, seed, mixed, delay):
    kind = "mixed" if mixed else "adds"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder), str(seed), kind],
        stdout=subprocess.PIPE,
        text=True,
    )
    first = child.stdout.readline()  # it is at work
    assert first, "the writer did not start"
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    acknowledged = ([first.strip(), *child.stdout.read().split()])[-1]
    child.wait()
    child.stdout.close()
    with Corpus.open(folder) as corpus:
        done = corpus.version
        assert done >= int(acknowledged) + 1, "a change that was acknowledged is lost"
        expected = Corpus()
        for _, change in zip(range(done), changes(seed, mixed), strict=False):
            apply(expected, change)
        assert corpus.fingerprint == expected.fingerprint
        assert [d.id for d in corpus] == [d.id for d in expected]
        check_indexes(corpus, expected, exact_scores=not mixed)


def check_indexes(corpus, expected, *, exact_scores):
    ids = {doc.id for doc in expected}
    tantivy, dense = LANES
    found = tantivy.on(corpus).run(["harbour", "moon"], k=100_000).frame
    assert set(found["docno"]) == ids
    assert found.groupby("qid")["docno"].nunique().tolist() == [len(ids)] * 2
    for docno in random.Random(1).sample(sorted(ids), min(20, len(ids))):
        assert [p.docno for p in tantivy.on(corpus).search(f"only{docno}")] == [docno]
    if exact_scores:
        assert found.equals(tantivy.on(expected).run(["harbour", "moon"], k=100_000).frame)
    nearest = dense.on(corpus).run(["moon moon"], k=50).frame
    other = dense.on(expected).run(["moon moon"], k=50).frame
    assert nearest["docno"].tolist() == other["docno"].tolist()
    assert nearest["score"].tolist() == other["score"].tolist()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is POSIX")
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    "rounds",
    [pytest.param(3, id="a few"), pytest.param(25, id="many", marks=pytest.mark.slow)],
)
def test_the_folder_opens_as_of_a_commit(tmp_path, rounds, mixed):
    rng = random.Random(rounds)
    folder = tmp_path / "memory"
    # The same folder again and again: what one kill leaves behind the next one meets.
    for _ in range(rounds):
        killed_and_opened(folder, seed=7, mixed=mixed, delay=rng.uniform(0.0, 1.0))
