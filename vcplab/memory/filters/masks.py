"""Which documents of a corpus meet a condition, for all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.filters.columns import Column, DocumentColumn, FieldColumn
from vcplab.memory.filters.conditions import And, Condition, FieldCondition, Not, Or

if TYPE_CHECKING:
    from vcplab.memory.corpus import Corpus

__all__ = ["Judged", "judge", "make_ready"]


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer of a corpus to a condition.

    Attributes:
        mask: bool, shape (highest row + 1,), read-only: the documents that meet it.
        absent: Fields of the condition that no document has.
    """

    mask: NDArray[np.bool_]
    absent: tuple[str, ...]


def judge(condition: Condition, corpus: Corpus) -> Judged:
    """Which documents meet a condition: those for which ``condition.matches`` says so.

    Args:
        condition: Any condition.
        corpus: The documents; columns of the fields in question are made on first use and kept.

    Raises:
        OperationTimeoutError: A pattern takes too long.
        InvalidInputError: A function of one's own failed.
    """
    with corpus.lock:
        columns = _Columns(condition, corpus)
        mask = columns.judge(condition, None) & columns.live
        mask.setflags(write=False)
        return Judged(mask, columns.absent())


def make_ready(condition: Condition, corpus: Corpus) -> None:
    """Do beforehand what can be done once: all but asking functions without a version.

    Args:
        condition: Any condition.
        corpus: The documents.
    """
    if condition.cacheable:
        judge(condition, corpus)
    else:
        with corpus.lock:
            _Columns(condition, corpus)


class _Columns:
    """The columns that a condition needs, all up to date. Its caller holds the corpus's lock."""

    def __init__(self, condition: Condition, corpus: Corpus) -> None:
        leaves = list(condition.leaves())
        fields = dict.fromkeys(leaf.field for leaf in leaves if _has_column(leaf))
        self._fields = {name: _field_column(name, corpus) for name in fields}
        self._columns: list[Column] = list(self._fields.values())
        self._documents: DocumentColumn | None = None
        if not fields or not all(map(_has_column, leaves)):
            self._documents = corpus.derived(
                ("column", "of documents"), lambda: DocumentColumn(corpus.documents)
            )
            self._columns.append(self._documents)
        # A column made later has not seen the last rows if they are empty by now.
        self._size = max(len(column.live) for column in self._columns)
        self.live = self._fitted(self._columns[0].live)

    def absent(self) -> tuple[str, ...]:
        if not self.live.any():
            return ()
        return tuple(name for name, column in self._fields.items() if not column.occurs)

    def judge(self, condition: Condition, among: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """One answer per row; only those ``among`` count."""
        if type(condition) is Not:
            return ~self.judge(condition.condition, among)
        if type(condition) is And or type(condition) is Or:
            return self._joined(condition, among)
        if _has_column(condition):
            mask = self._fitted(self._fields[condition.field].holds(condition.positive, among))
            return ~mask if condition.negated else mask
        assert self._documents is not None
        return self._fitted(self._documents.holds(condition, among))

    def _joined(self, condition: And | Or, among: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        both = isinstance(condition, And)
        mask = np.full(self._size, both)
        # Functions last: they are only asked where the others leave it open.
        for part in sorted(condition.conditions, key=lambda part: not part.cacheable):
            unsettled = mask if both else ~mask
            found = self.judge(part, unsettled if among is None else unsettled & among)
            mask = mask & found if both else mask | found
        return mask

    def _fitted(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if len(mask) == self._size:
            return mask
        fitted = np.zeros(self._size, np.bool_)
        fitted[: len(mask)] = mask[: self._size]
        return fitted


def _has_column(condition: Condition) -> TypeGuard[FieldCondition]:
    """Whether the field is kept as a column, and the column knows the answer."""
    return (
        type(condition) is FieldCondition
        and condition.field != "text"
        and condition.judgement.kind != "list"  # a column does not know the order of members
    )


def _field_column(name: str, corpus: Corpus) -> FieldColumn:
    return corpus.derived(("column", name), lambda: FieldColumn(name))
