"""A pipeline bound to a corpus: search for one text, run many."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.core.trace import span
from vcplab.memory.asked import as_time, parse_queries, positive
from vcplab.memory.corpus import Corpus
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Memo, Stage
from vcplab.memory.stages.state import Query, State
from vcplab.protocol.messages import Passage

if TYPE_CHECKING:
    import pandas as pd

    from vcplab.memory.explaining.space import SearchSpace
    from vcplab.memory.explaining.whynot import WhyNot
    from vcplab.memory.explanation import Why

__all__ = ["Hits", "Retriever", "Run", "parse_queries"]

_DEFAULT_K = 10


@dataclasses.dataclass(frozen=True)
class Hits(Sequence[Passage]):
    """What a search found, best first: a sequence of passages that shows itself.

    Attributes:
        query: What was asked.
        passages: The passages.
        system: Name of the system that found them.
        notices: What the reader should know.
    """

    query: str
    passages: tuple[Passage, ...]
    system: str
    notices: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Passage: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Passage]: ...
    def __getitem__(self, index: int | slice) -> Passage | Sequence[Passage]:
        return self.passages[index]

    def __len__(self) -> int:
        return len(self.passages)

    def __iter__(self) -> Iterator[Passage]:
        return iter(self.passages)

    def to_frame(self) -> pd.DataFrame:
        """One row per passage: qid, query, docno, score, rank, text, tags, time."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "qid": "1",
                    "query": self.query,
                    "docno": p.docno,
                    "score": p.score,
                    "rank": p.rank,
                    "text": p.text,
                    "tags": list(p.tags),
                    "time": p.time,
                }
                for p in self.passages
            ],
            columns=["qid", "query", "docno", "score", "rank", "text", "tags", "time"],
        )

    def __repr__(self) -> str:
        best = (
            f", best {self.passages[0].docno!r} ({self.passages[0].score:.3f})"
            if self.passages
            else ""
        )
        return f"Hits({self.query!r}, {len(self)} passages{best})"

    def _repr_html_(self) -> str:
        from vcplab.core.display import (
            SafeHtml,
            escape,
            format_number,
            html_table,
            style_block,
        )
        from vcplab.text.highlight import highlight_html

        rows = [
            (
                p.rank + 1,
                format_number(p.score),
                p.docno,
                p.time.strftime("%Y-%m-%d") if p.time else None,
                ", ".join(p.tags),
                SafeHtml(highlight_html(p.text, self.query, window=160)),
            )
            for p in self.passages
        ]
        found = "" if rows else " — nothing found"
        columns = ["#", "score", "docno", "date", "tags", "text"]
        table = html_table(
            columns,
            rows,
            caption=f"{self.system}: “{self.query}”{found}",
            align=["right", "right", "left", "right", "left", "left"],
        )
        notes = "".join(f"<p><small>{escape(notice)}</small></p>" for notice in self.notices)
        return f'{style_block()}{table}<div class="vcplab">{notes}</div>'


@dataclasses.dataclass(frozen=True)
class Run:
    """Ranked lists for many queries.

    Attributes:
        frame: Columns qid, query, docno, score, rank (from 0); in the order of the queries, then
            by rank.
        milliseconds: CPU ms per query, shape (queries,), shared work counted as if the system ran
            alone.
        notices: What the reader should know.
        volatile: Whether the next run may well give something else (a service that failed).
    """

    frame: pd.DataFrame
    milliseconds: NDArray[np.float64]
    notices: tuple[str, ...]
    volatile: bool = False


class Retriever:
    """A system on a corpus; made by ``system.on(corpus)``. Cheap: it owns nothing.

    Args:
        system: A pipeline that gives one ranked list.
        corpus: The documents and their shared indexes.
    """

    def __init__(self, system: Stage, corpus: Corpus) -> None:
        self.system = system
        self.corpus = corpus

    @property
    def name(self) -> str:
        """The system's name."""
        return self.system.name

    @property
    def fingerprint(self) -> str:
        """The system's fingerprint; the corpus has its own."""
        return self.system.fingerprint

    @property
    def cacheable(self) -> bool:
        """Whether its results may be kept between runs."""
        return self.system.cacheable

    def prepare(self) -> Retriever:
        """Build indexes and encode documents now rather than at the first query."""
        self.corpus.consistently(lambda: self.system.prepare(self.corpus))
        return self

    def search(
        self,
        query: str,
        k: int | None = None,
        *,
        query_embedding: ArrayLike | None = None,
        asked_at: datetime | str | None = None,
    ) -> Hits:
        """Find the best passages for a text.

        Args:
            query: Any text; no character of it is syntax.
            k: How many at most; the system's ``top_k`` by default, else 10.
            query_embedding: A ready vector of the query, shape (dimension,), in place of the
                embedder's.
            asked_at: When it is asked (ISO text or a time), for stages that look at time; now by
                default.

        Returns:
            The passages, best first; possibly none.

        Raises:
            InvalidInputError: ``query`` is no string, ``k`` is below 1, or the vector does not fit.
        """
        if not isinstance(query, str):
            raise InvalidInputError(
                f"A query must be a string, not {type(query).__name__}.",
                where="query",
                next_step="For many queries at once use run([...]).",
            )
        wanted = getattr(self.system, "top_k", _DEFAULT_K) if k is None else positive(k)
        vector = None if query_embedding is None else np.asarray(query_embedding, np.float32)
        parsed = Query(query, vector, as_time(asked_at, query))

        def found() -> tuple[State, tuple[Passage, ...]]:
            state = self._state((parsed,), wanted, None)
            return state, tuple(self._passages(state.lanes[0].rankings[0].head(wanted)))

        with span("memory.search", "memory", system=self.name, input=query, k=wanted) as here:
            # Together until rows have become documents: others may be changing the corpus.
            state, passages = self.corpus.consistently(found)
            here.set(output=[(passage.docno, passage.score) for passage in passages])
        return Hits(query, passages, self.name, state.notices)

    def run(
        self, queries: pd.DataFrame | Sequence[str], k: int = 100, memo: Memo | None = None
    ) -> Run:
        """Rank for many queries.

        Args:
            queries: Texts, or a frame with ``qid`` and ``query``, and if wanted ``asked_at`` (ISO
                text or timestamps) and ``query_embedding``.
            k: Length of a list at most.
            memo: Shared by systems that run on the same queries, so that common prefixes run once.

        Raises:
            InvalidInputError: Columns are missing, a query is no text, or ``k`` is below 1.
        """
        import pandas as pd

        qids, parsed = parse_queries(queries)

        def found() -> tuple[State, list[Ranking], list[str]]:
            state = self._state(parsed, positive(k), memo)
            rankings = [ranking.head(k) for ranking in state.lanes[0].rankings]
            rows = (row for ranking in rankings for row in ranking.rows.tolist())
            return state, rankings, self.corpus.docnos(rows)

        with span("memory.run", "memory", system=self.name, queries=len(parsed), k=k):
            state, rankings, docnos = self.corpus.consistently(found)
        counts = [len(ranking) for ranking in rankings]
        frame = pd.DataFrame(
            {
                "qid": pd.Series(np.repeat(np.array(qids, object), counts), dtype="str"),
                "query": pd.Series(
                    np.repeat(np.array([q.text for q in parsed], object), counts), dtype=object
                ),
                "docno": pd.Series(docnos, dtype="str"),
                "score": np.concatenate([r.scores for r in rankings]) if rankings else np.empty(0),
                "rank": np.concatenate([np.arange(n) for n in counts]).astype(np.int64)
                if counts
                else np.empty(0, np.int64),
            }
        )
        return Run(frame, state.milliseconds, state.notices, state.volatile)

    def why(
        self, query: str, docno: str, k: int = 100, *, asked_at: datetime | str | None = None
    ) -> Why:
        """Explain, stage by stage, where a document stands for a query and why.

        Args:
            query: What is asked.
            docno: The document, found or not.
            k: How deep the lists go.
            asked_at: When it is asked, for stages that look at time.

        Raises:
            NotFoundError: The corpus has no such document.
        """
        from vcplab.memory.explanation import explain

        asked = Query(query, None, as_time(asked_at, query))
        return explain(self.system, self.corpus, asked, docno, positive(k))

    def why_not(
        self,
        query: str,
        docno: str,
        k: int = _DEFAULT_K,
        *,
        space: SearchSpace | Mapping[str, Sequence[Any]] | None = None,
        asked_at: datetime | str | None = None,
        most: int | None = None,
    ) -> WhyNot:
        """Find the smallest change of parameters that would recall a missed document.

        What is tried, and what "smallest" means, is in :mod:`vcplab.memory.explaining.space`.

        Args:
            query: What is asked.
            docno: The document.
            k: Into how many it should come, as ``search(query, k)`` gives them.
            space: What may be changed: parameter → values to try, or a space. That of the system's
                own parameters if None.
            asked_at: When it is asked, for stages that look at time.
            most: How many settings are tried at most; 400 if None.

        Returns:
            The change, the changed system and what else changes; or the stage that keeps the
            document out, where no setting recalls it.

        Raises:
            NotFoundError: The corpus has no such document.
            InvalidInputError: ``k`` is below 1, or ``space`` names what is no parameter.
        """
        from vcplab.memory.explaining.search import MOST, why_not

        asked = Query(query, None, as_time(asked_at, query))
        limit = MOST if most is None else most
        place = (self.system, self.corpus, asked, docno, positive(k))
        return why_not(*place, space=space, most=limit)

    def transform(self, queries: pd.DataFrame) -> pd.DataFrame:
        """PyTerrier's name for :meth:`run`: a frame of queries to a frame of results."""
        return self.run(queries).frame

    def clear(self) -> None:
        """Remove every document of the corpus (seed 002's ``AdvancedMemory_Clear``)."""
        self.corpus.clear()

    def count(self) -> int:
        """Number of documents in the corpus (seed 002's ``AdvancedMemory_GetDocumentCount``)."""
        return self.corpus.count()

    def __repr__(self) -> str:
        return f"{self.system!r}.on({self.corpus!r})"

    def _state(self, queries: tuple[Query, ...], k: int, memo: Memo | None) -> State:
        # Outside the clock: building an index is not the cost of a query.
        self.system.prepare(self.corpus)
        return self.system._run(State.start(queries), Context(self.corpus, k, memo))

    def _passages(self, ranking: Ranking) -> Iterator[Passage]:
        documents = self.corpus.documents(ranking.rows.tolist())
        for rank, (doc, score) in enumerate(zip(documents, ranking.scores, strict=True)):
            yield Passage(doc.id, doc.text, float(score), rank, doc.tags, doc.time, doc.metadata)
