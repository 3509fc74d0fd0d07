"""Tags of a corpus's documents and their graph, kept up to date and, on disk, beside the corpus."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vcplab.core.errors import InvalidDataError
from vcplab.core.files import write_atomic
from vcplab.memory.document import Document
from vcplab.memory.tags.graph import UNIT, TagGraph, TagOrder
from vcplab.memory.tags.sources import TagSource, tags_of

if TYPE_CHECKING:
    from vcplab.memory.corpus import Corpus

__all__ = ["TagDocuments", "tag_documents"]

_T = TypeVar("_T")
_FILE = "tags.npz"
# Changes are gathered in lists until this many pairs are waiting.
_PATIENCE = 1_000_000


class TagDocuments:
    """The ordered tags of each document, and the sums over pairs (a ``Lasting``).

    Adding and removing documents costs their own pairs. The numbers of tags are private; the
    :attr:`graph` names them in sorted order, so that it only depends on the documents of now.

    Args:
        order: Weights of pairs.
        source: Where tags come from.
        folder: Where it lies, possibly nothing yet; None for memory.

    Raises:
        InvalidDataError: The file in the folder is damaged.
    """

    def __init__(
        self, order: TagOrder, source: TagSource = "tags", folder: Path | None = None
    ) -> None:
        self.order = order
        self.source: TagSource = source
        self._file = None if folder is None else folder / _FILE
        self._forget()
        self.reload()

    def _forget(self) -> None:
        self._seen = (0, 0)
        self._numbers: dict[str, int] = {}
        self._frequency: list[int] = []
        self._own: dict[int, NDArray[np.int64]] = {}
        # Both sums in one matrix each of whole numbers; what waits is added when it is asked for.
        self._ordered = sparse.csr_array((0, 0), dtype=np.int64)
        self._counts = sparse.csr_array((0, 0), dtype=np.int64)
        self._waiting: list[tuple[NDArray[np.int64], ...]] = []
        self._pairs_waiting = 0
        self._made: dict[object, object] = {}

    # Changes

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Take in documents."""
        tags = [tags_of(document, self.source) for document in documents]
        for row, own in zip(rows, tags, strict=True):
            numbers = np.array([self._number(tag) for tag in own], np.int64)
            self._own[row] = numbers
            self._count(numbers, 1)
        self._made.clear()

    def delete(self, rows: Sequence[int]) -> None:
        """Forget documents; unknown rows are ignored."""
        for row in rows:
            numbers = self._own.pop(row, None)
            if numbers is not None:
                self._count(numbers, -1)
        self._made.clear()

    def _number(self, tag: str) -> int:
        number = self._numbers.setdefault(tag, len(self._numbers))
        if number == len(self._frequency):
            self._frequency.append(0)
        return number

    def _count(self, numbers: NDArray[np.int64], sign: int) -> None:
        for number in numbers.tolist():
            self._frequency[number] += sign
        earlier, later, weight = self.order.pairs(len(numbers))
        if len(earlier):
            ones = np.full(len(earlier), sign, np.int64)
            self._waiting.append((numbers[earlier], numbers[later], sign * weight, ones))
            self._pairs_waiting += len(earlier)
            if self._pairs_waiting >= _PATIENCE:
                self._gather()

    def _gather(self) -> None:
        size = len(self._numbers)
        shape = (size, size)
        self._ordered.resize(shape)
        self._counts.resize(shape)
        if not self._waiting:
            return
        first, second, weight, ones = (
            np.concatenate(part) for part in zip(*self._waiting, strict=True)
        )
        self._ordered = self._ordered + sparse.csr_array((weight, (first, second)), shape=shape)
        self._counts = self._counts + sparse.csr_array((ones, (first, second)), shape=shape)
        self._ordered.eliminate_zeros()
        self._counts.eliminate_zeros()
        self._waiting.clear()
        self._pairs_waiting = 0

    # What is asked of it

    def made(self, key: object, make: Callable[[], _T]) -> _T:
        """Something computed from the graph, kept until documents change."""
        if key not in self._made:
            self._made[key] = make()
        value: _T = self._made[key]  # type: ignore[assignment]
        return value

    @property
    def graph(self) -> TagGraph:
        """The graph of the documents of now."""
        return self.made("graph", self._graph)

    @property
    def incidence(self) -> sparse.csr_array:
        """Weight φ of each tag in each document; float64 CSR, shape (documents, tags).

        Its rows stand in the order of :attr:`rows`.
        """
        return self.made("incidence", self._incidence)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the documents, ascending, shape (documents,)."""
        return self.made("rows", lambda: np.array(sorted(self._own), np.int64))

    def tags(self, row: int) -> NDArray[np.int64]:
        """The places in :attr:`graph` of a document's tags, in the document's order."""
        places = self.made("places", lambda: self._alive()[1])
        own = self._own.get(row)
        return np.empty(0, np.int64) if own is None else np.asarray(places[own])

    def _alive(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Names of tags in use, sorted, and private number → place (-1 if not in use)."""
        used = sorted(name for name, at in self._numbers.items() if self._frequency[at])
        places = np.full(len(self._numbers), -1, np.int64)
        places[[self._numbers[name] for name in used]] = np.arange(len(used))
        return tuple(used), places

    def _graph(self) -> TagGraph:
        self._gather()
        names, places = self._alive()
        shape = (len(names), len(names))

        def placed(matrix: sparse.csr_array, unit: float) -> sparse.csr_array:
            entries = matrix.tocoo()
            first, second = (places[part] for part in entries.coords)
            out = sparse.csr_array((entries.data * unit, (first, second)), shape=shape)
            out.sort_indices()
            return out

        ordered = placed(self._ordered, UNIT)
        counts = placed(self._counts, 1.0)
        together = sparse.csr_array(counts + counts.T)
        together.sort_indices()
        frequency = np.array([self._frequency[self._numbers[name]] for name in names], np.int64)
        return TagGraph(names, len(self._own), frequency, ordered, together)

    def _incidence(self) -> sparse.csr_array:
        names, places = self._alive()
        own = [self._own[row] for row in self.rows.tolist()]
        indptr = np.concatenate([[0], np.cumsum([len(numbers) for numbers in own])]).astype(int)
        columns = places[np.concatenate(own)] if indptr[-1] else np.empty(0, np.int64)
        phi = [self.order.places(len(numbers)) for numbers in own]
        values = np.concatenate(phi) if phi else np.empty(0)
        matrix = sparse.csr_array((values, columns, indptr), shape=(len(own), len(names)))
        matrix.sort_indices()
        return matrix

    # On disk

    def seen(self) -> tuple[int, int]:
        """See ``Lasting``."""
        return self._seen

    def commit(self, added: int, removed: int) -> None:
        """See ``Lasting``."""
        self._seen = (added, removed)
        if self._file is None:
            return
        self._gather()
        rows = self.rows
        own = [self._own[row] for row in rows.tolist()]
        ordered, counts = self._ordered.tocoo(), self._counts.tocoo()
        content = io.BytesIO()
        np.savez_compressed(
            content,
            seen=np.array(self._seen),
            names=np.frombuffer(json.dumps(list(self._numbers)).encode("ascii"), np.uint8),
            frequency=np.array(self._frequency, np.int64),
            rows=rows,
            lengths=np.array([len(numbers) for numbers in own], np.int64),
            tags=np.concatenate(own) if own else np.empty(0, np.int64),
            ordered=np.array([*ordered.coords, ordered.data], np.int64),
            counts=np.array([*counts.coords, counts.data], np.int64),
        )
        write_atomic(self._file, content.getvalue())

    def reload(self) -> None:
        """See ``Lasting``."""
        if self._file is None or not self._file.exists():
            return
        self._forget()
        try:
            with np.load(self._file, allow_pickle=False) as found:
                names = json.loads(found["names"].tobytes().decode("ascii"))
                self._numbers = {str(name): number for number, name in enumerate(names)}
                self._frequency = found["frequency"].tolist()
                cuts = np.cumsum(found["lengths"])[:-1]
                own = np.split(found["tags"], cuts) if len(found["rows"]) else []
                self._own = dict(zip(found["rows"].tolist(), own, strict=True))
                shape = (len(names), len(names))
                self._ordered, self._counts = (
                    sparse.csr_array((found[kind][2], tuple(found[kind][:2])), shape=shape)
                    for kind in ("ordered", "counts")
                )
                added, removed = found["seen"].tolist()
        except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
            raise InvalidDataError(
                f"The tag graph cannot be read: {error}.",
                where=str(self._file),
                next_step="Delete the file: it is made again from the documents.",
            ) from error
        self._seen = (added, removed)


def tag_documents(
    corpus: Corpus, order: TagOrder | None = None, source: TagSource = "tags"
) -> TagDocuments:
    """The tags of a corpus's documents, made or brought up to date; shared by all who ask.

    Args:
        corpus: The documents.
        order: Weights of pairs; the usual ones if None.
        source: Where tags come from.
    """
    weights = order or TagOrder()
    key = ("tags", weights.fingerprint, source)
    return corpus.lasting(key, lambda folder: TagDocuments(weights, source, folder))
