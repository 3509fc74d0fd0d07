"""The dense index: exact up to some size, beyond it a graph finds what is then scored exactly."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.exact import cosines, exact_top
from vcplab.memory.index.graph import NeighbourGraph
from vcplab.memory.index.ports import Ranking
from vcplab.memory.index.vectors import VectorStore

__all__ = ["SearchMode", "VectorIndex"]

SearchMode = Literal["auto", "exact", "approximate"]
# Live vectors up to which exact search is as quick as any (facts/retrieval §2.5).
EXACT_LIMIT = 50_000
# A graph is extended once this share of it has been added behind it (and at least EXACT_LIMIT).
_TAIL_SHARE = 0.2
# Candidates beyond those asked for: what a graph leaves out is mostly just behind its last one.
_SPARE = 10
_MOST_CANDIDATES = 20_000
_DECIMALS = 9


class VectorIndex:
    """Unit vectors of live documents (a ``DenseIndex``). Thread-safe.

    Up to ``exact_limit`` vectors every cosine is computed. Beyond it, a graph names candidates
    whose cosines are computed from the stored float32 vectors, so scores are exact and only the
    choice is approximate; :meth:`recall` measures it. Vectors that were added since the graph was
    made, and masks that leave few, are searched exactly.

    Args:
        dimension: Length of a vector.
        folder: Where it lies, possibly nothing yet; None for memory.
        mode: ``exact`` and ``approximate`` do without the limit.
        exact_limit: Live vectors up to which ``auto`` searches exactly.
        threads: For making a graph; 0 for all cores, 1 for the same graph every time.

    Raises:
        SchemaMismatchError: The folder holds vectors of another length.
        InvalidDataError: Its files are damaged.
    """

    def __init__(
        self,
        dimension: int,
        folder: Path | None = None,
        *,
        mode: SearchMode = "auto",
        exact_limit: int = EXACT_LIMIT,
        threads: int = 0,
    ) -> None:
        if mode not in get_args(SearchMode):
            raise InvalidInputError(
                f"There is no mode {mode!r}.",
                where="mode",
                next_step=f"Use one of {', '.join(get_args(SearchMode))}.",
            )
        self.dimension = dimension
        self.mode = mode
        self.exact_limit = exact_limit
        self._threads = threads
        self._lock = RLock()
        self._graph: NeighbourGraph | None = None
        self._no_usearch = False
        self._store = VectorStore(dimension, folder)
        self._open_graph()

    def __len__(self) -> int:
        return self._store.live

    @property
    def notice(self) -> str:
        """What the reader should know about the search; empty when it is exact by choice."""
        if self._no_usearch and self._wants_graph():
            return "usearch is not installed: every one of many vectors is compared."
        if self._graph is None:
            return ""
        return (
            f"{len(self):,} vectors are searched approximately; Dense().recall(corpus, queries) "
            "measures how well."
        )

    # Changes

    def add(self, rows: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Add unit vectors, shape (len(rows), dimension); rows are new and ascending.

        Raises:
            InvalidInputError: The shape does not fit, or a vector is not finite.
        """
        with self._lock:
            self._store.append(rows, vectors)

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents; unknown rows are ignored."""
        with self._lock:
            self._store.kill(rows)

    def seen(self) -> tuple[int, int]:
        """See ``Lasting``."""
        return self._store.seen()

    def commit(self, added: int, removed: int) -> None:
        """See ``Lasting``. A graph that has become too small is extended first."""
        with self._lock:
            folder = self._store.folder
            if folder is None:
                self._store.commit(added, removed)
                return
            name = self._store.note("graph")
            old = name
            if self._graph_is_due():
                graph = self._extended(None if name is None else folder / name)
                if graph is not None:
                    number = 0 if name is None else int(name.split("-")[1].split(".")[0])
                    name = f"graph-{number + 1}.usearch"
                    graph.save(folder / name)
            self._store.commit(added, removed, graph=name)
            if name != old:
                self._open_graph()
                if old is not None:
                    with suppress(OSError):  # Windows: somebody has it mapped
                        (folder / old).unlink()

    def reload(self) -> None:
        """See ``Lasting``."""
        with self._lock:
            before = self._store.note("graph")
            self._store.reload()
            if self._store.note("graph") != before or self._store.note("graph") is None:
                self._open_graph()

    # Searching

    def search(
        self, vectors: NDArray[np.float32], k: int, *, mask: NDArray[np.bool_] | None = None
    ) -> list[Ranking]:
        """The best ``k`` rows by cosine.

        Args:
            vectors: Unit query vectors, shape (n, dimension).
            k: How many rows at most.
            mask: bool, shape (rows,): False, or being beyond its end, excludes a row.

        Returns:
            One ranking per query vector; as long as ``k`` if that many documents are allowed.
        """
        with self._lock:
            store = self._store
            allowed = self._allowed(mask)
            if allowed is None and not store.live:
                return [Ranking.empty() for _ in vectors]
            if store.folder is None and self._graph_is_due():
                self._graph = self._extended(None)
            many = store.live if allowed is None else int(np.count_nonzero(allowed))
            limit = 0 if self.mode == "approximate" else self.exact_limit
            if self._graph is None or many <= max(limit, k):
                return exact_top(vectors, store.matrix, store.rows, k, allowed)
            return self._approximate(vectors, k, allowed, many)

    def score(self, vector: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosines of one query vector with documents, shape (len(rows),)."""
        with self._lock:
            return cosines(vector, self._store.matrix[self._store.positions(rows)])

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The unit vectors of documents, shape (len(rows), dimension)."""
        with self._lock:
            return self._store.matrix[self._store.positions(rows)]

    def recall(self, vectors: NDArray[np.float32], k: int = 10) -> float:
        """The share of the true nearest ``k`` that :meth:`search` finds, mean over the queries.

        Args:
            vectors: Unit query vectors, shape (n, dimension).
            k: How many.
        """
        with self._lock:
            found = self.search(vectors, k)
            store = self._store
            true = exact_top(vectors, store.matrix, store.rows, k, self._allowed(None))
        shares = [
            len(np.intersect1d(a.rows, b.rows)) / len(b)
            for a, b in zip(found, true, strict=True)
            if len(b)
        ]
        return float(np.mean(shares)) if shares else 1.0

    # Inside; the lock is held.

    def _wants_graph(self) -> bool:
        if self.mode == "approximate":
            return len(self._store) > 0
        return self.mode == "auto" and self._store.live > self.exact_limit

    def _graph_is_due(self) -> bool:
        if self._no_usearch or not self._wants_graph():
            return False
        covered = 0 if self._graph is None else len(self._graph)
        patience = 0 if self.mode == "approximate" else self.exact_limit
        return not covered or len(self._store) - covered > max(patience, _TAIL_SHARE * covered)

    def _extended(self, path: Path | None) -> NeighbourGraph | None:
        """A graph of all vectors: the one at hand, or in a file, with those behind it."""
        try:
            if path is not None:
                graph = NeighbourGraph.opened(path, view=False)
            else:
                graph = self._graph or NeighbourGraph(self.dimension, self._threads)
        except ImportError:
            self._no_usearch = True
            return None
        graph.extend(self._store.matrix)
        return graph

    def _open_graph(self) -> None:
        self._graph = None
        name = self._store.note("graph")
        if name is not None and self._store.folder is not None and self.mode != "exact":
            try:
                self._graph = NeighbourGraph.opened(self._store.folder / name, view=True)
            except ImportError:
                self._no_usearch = True

    def _allowed(self, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Which vectors count, or None if all do."""
        store = self._store
        if mask is None:
            return None if store.live == len(store) else store.alive
        rows = store.rows
        inside = rows < len(mask)
        return store.alive & inside & mask[np.where(inside, rows, 0)]

    def _approximate(
        self,
        vectors: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None,
        many: int,
    ) -> list[Ranking]:
        graph, store = self._graph, self._store
        assert graph is not None
        share = many / len(store)
        count = min(int(k / share) + (_SPARE if allowed is not None else 0), len(graph))
        if len(vectors) == 1 and allowed is None and len(graph) == len(store) and vectors[0].any():
            # One question, all documents: the usual search of a notebook, without the batch's toll.
            at = graph.nearest(vectors[0], count)
            if len(at) >= min(k, many):
                return [Ranking.of(store.rows[at], cosines(vectors[0], store.matrix[at]), k)]
        pending = np.arange(len(vectors))
        out: list[Ranking | None] = [None] * len(vectors)
        while len(pending):
            keys = graph.search(vectors[pending], count)
            keep = keys >= 0
            if allowed is not None:
                keep &= allowed[keys]
            enough = keep.sum(axis=1) >= min(k, many)
            last = count >= min(len(graph), _MOST_CANDIDATES)
            for query, ranking in zip(
                pending[enough],
                self._scored(vectors[pending[enough]], keys[enough], keep[enough]),
                strict=True,
            ):
                out[int(query)] = ranking
            pending = pending[~enough]
            if last:
                break
            count = min(4 * count, len(graph), _MOST_CANDIDATES)
        if len(pending):
            # What is allowed lies far from these queries.
            exact = exact_top(vectors[pending], store.matrix, store.rows, k, allowed)
            for query, ranking in zip(pending, exact, strict=True):
                out[int(query)] = ranking
        tail = len(graph)
        rankings = [ranking.head(k) for ranking in out if ranking is not None]
        if tail == len(store):
            return rankings
        behind = exact_top(
            vectors,
            store.matrix[tail:],
            store.rows[tail:],
            k,
            None if allowed is None else allowed[tail:],
        )
        return [_merged(a, b, k) for a, b in zip(rankings, behind, strict=True)]

    def _scored(
        self, vectors: NDArray[np.float32], keys: NDArray[np.int64], keep: NDArray[np.bool_]
    ) -> list[Ranking]:
        """Candidates ranked by their cosines in double precision, shape (n, count) in."""
        if not len(vectors):
            return []
        store = self._store
        if len(vectors) == 1:
            at = keys[0][keep[0]]
            if not vectors[0].any():
                return [Ranking.empty()]
            return [Ranking.of(store.rows[at], cosines(vectors[0], store.matrix[at]))]
        scores = np.empty(keys.shape)
        # A batch at a time: the candidates' vectors must fit into memory beside the index.
        step = max(1, 20_000_000 // (8 * keys.shape[1] * self.dimension))
        for at in range(0, len(vectors), step):
            part = store.matrix[keys[at : at + step]].astype(np.float64)
            queries = vectors[at : at + step].astype(np.float64)
            scores[at : at + step] = np.matmul(part, queries[:, :, None])[:, :, 0]
        scores = np.round(scores, _DECIMALS)
        scores[~keep] = -np.inf
        rows = store.rows[keys]
        order = np.lexsort((rows, -scores), axis=-1)
        rows = np.take_along_axis(rows, order, axis=-1)
        scores = np.take_along_axis(scores, order, axis=-1)
        counts = keep.sum(axis=1).tolist()
        zero: list[bool] = (~np.any(vectors, axis=1)).tolist()
        return [
            Ranking.empty() if nothing else Ranking(own_rows[:n], own_scores[:n])
            for own_rows, own_scores, n, nothing in zip(rows, scores, counts, zero, strict=True)
        ]


def _merged(first: Ranking, second: Ranking, k: int) -> Ranking:
    if not len(second):
        return first
    rows = np.concatenate([first.rows, second.rows])
    scores = np.concatenate([first.scores, second.scores])
    # A query that was answered exactly has the tail in it already.
    rows, at = np.unique(rows, return_index=True)
    return Ranking.of(rows, scores[at], k)
