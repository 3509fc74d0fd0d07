"""Unit vectors by row, appended and never moved: in memory, or in files that are mapped.

On disk a small ``meta.json`` says how much of the files counts. It is replaced in one step after
the files were flushed, so a process that is killed leaves the state of the last commit; what lies
behind the counted part is overwritten by the next one. Files that others have mapped only grow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.core.files import write_atomic

__all__ = ["VectorStore"]

_META = "meta.json"
_LAYOUT = 1


class VectorStore:
    """Vectors, their rows, and which of them are alive. Its caller holds a lock.

    Args:
        dimension: Length of a vector.
        folder: Where the files lie, possibly none yet; None for memory.

    Raises:
        SchemaMismatchError: The files are of another dimension or layout.
        InvalidDataError: The files are damaged.
    """

    def __init__(self, dimension: int, folder: Path | None = None) -> None:
        self.dimension = dimension
        self.folder = folder
        self._forget()
        if folder is not None:
            self.reload()

    def _forget(self) -> None:
        self._matrix = np.zeros((0, self.dimension), np.float32)
        self._rows = np.zeros(0, np.int64)
        self._alive = np.zeros(0, np.bool_)
        self._deleted: list[int] = []
        self._size = 0
        self._mapped = 0
        self._noted: dict[str, Any] = {}
        self.live = 0

    def __len__(self) -> int:
        """Number of vectors, dead ones included."""
        return self._size

    @property
    def matrix(self) -> NDArray[np.float32]:
        """All vectors, shape (len(self), dimension)."""
        if self.folder is not None and self._mapped != self._size:
            self._map()
        return self._matrix[: self._size]

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each vector, ascending, shape (len(self),)."""
        return self._rows[: self._size]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Whether each vector counts, shape (len(self),)."""
        return self._alive[: self._size]

    def positions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the vectors of rows are."""
        return np.searchsorted(self.rows, rows).astype(np.int64)

    def append(self, rows: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Add vectors, shape (len(rows), dimension); rows are new and ascending.

        Raises:
            InvalidInputError: The shape does not fit, or a vector is not finite.
        """
        if vectors.shape != (len(rows), self.dimension):
            raise InvalidInputError(
                f"Vectors of shape {vectors.shape} do not fit {len(rows)} rows × {self.dimension}."
            )
        if not np.isfinite(vectors).all():
            raise InvalidInputError("A vector has values that are not finite numbers.")
        if not len(rows):
            return
        new = np.asarray(rows, np.int64)
        if (np.diff(new) <= 0).any() or (self._size and new[0] <= self._rows[self._size - 1]):
            raise InvalidInputError("Rows must be new, ascending and larger than any added before.")
        needed = self._size + len(new)
        if self.folder is None:
            if needed > len(self._matrix):
                # Doubling keeps adding one by one linear.
                capacity = max(needed, 2 * len(self._matrix), 64)
                grown = np.zeros((capacity, self.dimension), np.float32)
                grown[: self._size] = self._matrix[: self._size]
                self._matrix = grown
            self._matrix[self._size : needed] = vectors
        else:
            self._write("vectors.f32", 4 * self.dimension, np.ascontiguousarray(vectors, "<f4"))
            self._write("rows.i64", 8, new.astype("<i8"))
        if needed > len(self._rows):
            capacity = max(needed, 2 * len(self._rows), 64)
            for name in ("_rows", "_alive"):
                old = getattr(self, name)
                wider = np.zeros(capacity, old.dtype)
                wider[: self._size] = old[: self._size]
                setattr(self, name, wider)
        self._rows[self._size : needed] = new
        self._alive[self._size : needed] = True
        self._size = needed
        self.live += len(new)

    def kill(self, rows: Sequence[int]) -> None:
        """Vectors that no longer count; unknown and dead rows are ignored."""
        if not len(rows) or not self._size:
            return
        gone = np.unique(np.asarray(rows, np.int64))
        at = np.minimum(self.positions(gone), self._size - 1)
        at = at[(self._rows[at] == gone) & self._alive[at]]
        self._alive[at] = False
        self._deleted.extend(self._rows[at].tolist())
        self.live -= len(at)

    # On disk

    def seen(self) -> tuple[int, int]:
        """What the last :meth:`commit` was told."""
        return int(self._noted.get("added", 0)), int(self._noted.get("removed", 0))

    def note(self, name: str) -> Any:
        """Something that the last :meth:`commit` was told to keep."""
        return self._noted.get(name)

    def commit(self, added: int, removed: int, **notes: Any) -> None:
        """Make everything durable, and remember what was seen.

        Args:
            added: Rows that were taken in: all below this.
            removed: Number of removals that were taken in.
            **notes: JSON-able, for :meth:`note`.
        """
        noted = {
            "layout": _LAYOUT,
            "dimension": self.dimension,
            "vectors": self._size,
            "dead": len(self._deleted),
            "added": added,
            "removed": removed,
            **notes,
        }
        if self.folder is not None:
            known = int(self._noted.get("dead", 0))
            dead = np.array(self._deleted[known:], "<i8")
            self._write("dead.i64", 8, dead, at=known)
            for name in ("vectors.f32", "rows.i64", "dead.i64"):
                (self.folder / name).touch()  # of a corpus that has no documents yet
                self._flush(name)
            write_atomic(self.folder / _META, json.dumps(noted))
        self._noted = noted

    def reload(self) -> None:
        """Take over the last commit in the folder; forget what was not committed."""
        if self.folder is None:
            return
        file = self.folder / _META
        if not file.exists():
            self._forget()
            return
        try:
            noted = json.loads(file.read_text(encoding="utf-8"))
            layout, dimension = noted["layout"], noted["dimension"]
            size, n_dead = int(noted["vectors"]), int(noted["dead"])
            rows = np.fromfile(self.folder / "rows.i64", "<i8", size).astype(np.int64)
            dead = np.fromfile(self.folder / "dead.i64", "<i8", n_dead).astype(np.int64)
            bytes_there = (self.folder / "vectors.f32").stat().st_size
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(str(error)) from error
        if (layout, dimension) != (_LAYOUT, self.dimension):
            raise SchemaMismatchError(
                f"The vectors have length {dimension} in layout {layout}; expected are "
                f"{self.dimension} in layout {_LAYOUT}.",
                where=str(self.folder),
                next_step="Delete the folder: the index is made again from the documents.",
            )
        if len(rows) < size or len(dead) < n_dead or bytes_there < 4 * size * dimension:
            raise self._damaged("a file is shorter than it says")
        self._forget()
        self._noted = noted
        self._rows, self._size = rows, size
        self._alive = np.ones(size, np.bool_)
        self._alive[np.searchsorted(rows, dead)] = False
        self._deleted = dead.tolist()
        self.live = int(self._alive.sum())

    def _write(self, name: str, width: int, data: NDArray[Any], at: int | None = None) -> None:
        assert self.folder is not None
        path = self.folder / name
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek((self._size if at is None else at) * width)
            file.write(data.tobytes())

    def _flush(self, name: str) -> None:
        assert self.folder is not None
        with (self.folder / name).open("r+b") as file:
            os.fsync(file.fileno())

    def _map(self) -> None:
        assert self.folder is not None
        shape = (self._size, self.dimension)
        # A plain array over the mapping: NumPy's own subclass costs at every slice.
        mapped = np.memmap(self.folder / "vectors.f32", "<f4", "r", shape=shape)
        self._matrix = np.asarray(mapped)
        self._mapped = self._size

    def _damaged(self, why: str) -> InvalidDataError:
        return InvalidDataError(
            f"The vectors cannot be read: {why}.",
            where=str(self.folder),
            next_step="Delete the folder: the index is made again from the documents.",
        )
