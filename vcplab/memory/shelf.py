"""Where a corpus keeps what is derived from its documents, up to date and in bounds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar

from vcplab.memory.document import Document

__all__ = ["Derived", "Shelf"]

_D = TypeVar("_D", bound="Derived")

# Structures beyond this number are given up, the least recently used first.
_LIMIT = 64


class Derived(Protocol):
    """Something computed from the documents and kept up to date with them: an index, a graph."""

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Take in new documents. Raising leaves it as it was: the same rows come again later."""
        ...

    def delete(self, rows: Sequence[int]) -> None:
        """Forget documents."""
        ...


class _Kept:
    """A derived structure and how much of the corpus it has seen."""

    __slots__ = ("added", "deleted", "value")

    def __init__(self, value: Derived) -> None:
        self.value = value
        self.added = 0
        self.deleted = 0


class Shelf:
    """The derived structures of one corpus, by key. Its caller holds the corpus's lock."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def current(
        self,
        key: Hashable,
        make: Callable[[], _D],
        documents: Sequence[Document | None],
        deleted: Sequence[int],
    ) -> _D:
        """The structure under a key, made if new and told what has happened since.

        Args:
            key: Names what it depends on besides the documents.
            make: Makes an empty one.
            documents: Every document there is, by row; None where it was deleted.
            deleted: All deleted rows in the order of deletion.
        """
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(make())
            if len(self._kept) > _LIMIT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        known, total = kept.added, len(documents)
        if kept.deleted < len(deleted):
            # What came and went between two calls was never told.
            kept.value.delete([row for row in deleted[kept.deleted :] if row < known])
            kept.deleted = len(deleted)
        if known < total:
            new = [(row, doc) for row in range(known, total) if (doc := documents[row]) is not None]
            if new:
                kept.value.add([row for row, _ in new], [doc for _, doc in new])
            kept.added = total
        value: Any = kept.value
        return value  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Give up everything; it is made again when it is asked for."""
        self._kept.clear()
