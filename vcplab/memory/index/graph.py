"""A neighbourhood graph (HNSW by usearch) over the first vectors of a store: finds candidates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError

__all__ = ["NeighbourGraph"]

_CHUNK = 50_000
# Malkov & Yashunin's M and efConstruction; the width of a search is measured in bench_dense.py.
CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 16, 128, 128


class NeighbourGraph:
    """Approximate nearest neighbours by cosine; keys are positions in a vector store.

    Vectors are held in bfloat16, usearch's default: candidates are scored again from the store.

    Args:
        dimension: Length of a vector.
        threads: For building; 0 for all cores. The graph depends on the order in which threads
            come, so only one thread builds the same graph twice.
    """

    def __init__(self, dimension: int, threads: int = 0) -> None:
        from usearch.index import Index

        self._threads = threads
        self._index: Any = Index(
            ndim=dimension,
            metric="cos",
            dtype="bf16",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
        )

    @staticmethod
    def opened(path: Path, *, view: bool) -> NeighbourGraph:
        """A graph from a file: mapped (``view``), or read to be extended.

        Raises:
            InvalidDataError: The file is no graph.
        """
        from usearch.index import Index

        try:
            index = Index.restore(
                str(path),
                view=view,
                connectivity=CONNECTIVITY,
                expansion_add=EXPANSION_ADD,
                expansion_search=EXPANSION_SEARCH,
            )
        except Exception as error:  # usearch raises its own and plain ones
            raise _damaged(path, str(error)) from error
        if index is None:
            raise _damaged(path, "it is not a usearch index")
        graph = NeighbourGraph.__new__(NeighbourGraph)
        graph._threads, graph._index = 0, index
        return graph

    def __len__(self) -> int:
        return len(self._index)

    def extend(self, matrix: NDArray[np.float32]) -> None:
        """Take in the vectors behind the last one it knows; matrix is that of the store."""
        for begin in range(len(self), len(matrix), _CHUNK):
            part = np.ascontiguousarray(matrix[begin : begin + _CHUNK])
            keys = np.arange(begin, begin + len(part), dtype=np.uint64)
            self._index.add(keys, part, threads=self._threads)

    def nearest(self, vector: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Positions of about the nearest to one vector, at most ``count``."""
        return self._index.search(vector, min(count, len(self))).keys.astype(np.int64)  # type: ignore[no-any-return]

    def search(self, vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Positions of about the nearest, shape (n, count), nearest first; -1 where there is none.

        Args:
            vectors: Unit query vectors, shape (n, dimension).
            count: How many.
        """
        wanted = min(count, len(self))
        keys = np.full((len(vectors), wanted), -1, np.int64)
        if len(vectors) == 1:
            one = self.nearest(vectors[0], wanted)
            keys[0, : len(one)] = one
            return keys
        found = self._index.search(vectors, wanted)
        got = found.keys.astype(np.int64)
        keys[:, : got.shape[1]] = got
        keys[np.arange(wanted)[None, :] >= np.asarray(found.counts)[:, None]] = -1
        return keys

    def save(self, path: Path) -> None:
        """Write the graph to a new file, whole or not at all."""
        temporary = path.with_name(path.name + ".tmp")
        self._index.save(str(temporary))
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


def _damaged(path: Path, why: str) -> InvalidDataError:
    return InvalidDataError(
        f"The graph cannot be read: {why[:300]}.",
        where=str(path),
        next_step="Delete the folder: the index is made again from the documents.",
    )
