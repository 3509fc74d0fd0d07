"""Small data and duck-typed systems that count what they are asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vcplab.core.settings import override_settings
from vcplab.evaluation.data import RetrievalData
from vcplab.evaluation.datasets import from_frames
from vcplab.evaluation.scoring import forget
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document

WORDS = ["river", "tea", "lamp", "budget", "violin", "预算", "会议", "姐姐", "summer", "code", "茶"]


class FakeSystem:
    """A recipe whose ranking is a pure function of (seed, qid); ``calls`` holds the qids it ran."""

    def __init__(self, name: str, seed: int = 0, empty: tuple[str, ...] = ()) -> None:
        self.name = name
        self.seed = seed
        self.empty = empty
        self.calls: list[str] = []
        self.prepared = 0
        self.breaks_on: tuple[str, ...] = ()
        self.notices: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        return f"fake:{self.seed}:{self.empty}"

    def get_params(self) -> dict[str, Any]:
        return {"seed": self.seed}

    def on(self, corpus: Any) -> Any:
        return _Bound(self, [document.id for document in corpus])


class _Bound:
    def __init__(self, system: FakeSystem, docnos: list[str]) -> None:
        self.system = system
        self.docnos = docnos

    def prepare(self) -> None:
        self.system.prepared += 1

    def run(self, queries: pd.DataFrame, k: int, memo: Any) -> Any:
        assert memo is not None
        rows = []
        for qid in queries["qid"]:
            self.system.calls.append(qid)
            if qid in self.system.breaks_on:
                raise ZeroDivisionError(f"no answer for {qid}")
            if qid in self.system.empty:
                continue
            content = f"{self.system.seed}/{qid}".encode()
            random = np.random.default_rng(int(hashlib.md5(content).hexdigest()[:8], 16))
            order = random.permutation(self.docnos)[:k]
            rows += [(qid, "", d, float(len(order) - r), r) for r, d in enumerate(order)]
        frame = pd.DataFrame(rows, columns=["qid", "query", "docno", "score", "rank"])
        return SimpleNamespace(
            frame=frame, milliseconds=np.full(len(queries), 1.5), notices=self.system.notices
        )


def _data(
    queries: int = 40, documents: int = 30, unjudged: int = 0, seed: int = 5
) -> RetrievalData:
    random = np.random.default_rng(seed)
    corpus = Corpus.from_documents(
        [Document(f"d{i}", " ".join(random.choice(WORDS, 8))) for i in range(documents)],
        name="small",
    )
    qids = [f"q{i:03}" for i in range(queries)]
    asked = pd.DataFrame(
        {
            "qid": qids,
            "query": [" ".join(random.choice(WORDS, 3)) for _ in qids],
            "class": [("exact", "tag_hop")[i % 2] for i in range(queries)],
        }
    )
    asked.loc[queries - unjudged :, "class"] = "no_answer"
    rows = [
        (qid, f"d{d}", int(random.integers(0, 4)) if j else 2)
        for qid in qids[: queries - unjudged]
        for j, d in enumerate(random.permutation(documents)[:6])
    ]
    qrels = pd.DataFrame(rows, columns=["qid", "docno", "label"])
    return from_frames(corpus, asked, qrels, "small", version="1", licence="MIT")


@pytest.fixture(scope="session")
def make_data() -> Callable[..., RetrievalData]:
    return _data


@pytest.fixture
def data() -> RetrievalData:
    return _data()


@pytest.fixture(scope="session")
def system() -> type[FakeSystem]:
    return FakeSystem


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path: Path) -> Iterator[Path]:
    """Every test starts without anything kept, on disk or in the process."""
    forget()
    with override_settings(cache_dir=tmp_path / "cache"):
        yield tmp_path / "cache"
    forget()
