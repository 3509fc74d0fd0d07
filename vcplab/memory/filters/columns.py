"""One field of all documents by row, and which rows meet a condition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.document import Document
from vcplab.memory.filters.conditions import Condition, FieldCondition
from vcplab.memory.filters.stores import Growing, ValueStore
from vcplab.memory.filters.values import values_of

__all__ = ["Column", "DocumentColumn", "FieldColumn"]

# Answers that are kept per column: a byte per row each.
_KEPT = 16
# Documents that are looked at together.
_BATCH = 1000


class Column(ABC):
    """Which rows meet a condition, remembered and brought up to date (a ``Derived``).

    A row's document never changes, so what was found out about a row holds for ever; only new
    rows are judged when a condition is asked for again.
    """

    def __init__(self) -> None:
        self._live = Growing(np.bool_)
        self._answers: OrderedDict[str, NDArray[np.bool_]] = OrderedDict()

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which rows have a document, shape (highest row + 1,); a view."""
        return self._live.array

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Take in new documents."""
        self._take(rows, documents)
        self._live.resize(rows[-1] + 1)
        self._live.array[list(rows)] = True

    def delete(self, rows: Sequence[int]) -> None:
        """Forget documents."""
        self.live[[row for row in rows if row < len(self._live)]] = False

    def holds(self, condition: Condition, among: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Which rows meet a condition; rows without a document may say anything.

        Args:
            condition: One that this column can answer.
            among: Rows to which the answer matters; None for all.

        Returns:
            bool, shape (highest row + 1,), not to be written to.
        """
        if not condition.cacheable:
            mask = np.zeros(len(self._live), np.bool_)
            self._judge(condition, mask, self.live if among is None else self.live & among)
            return mask
        key = condition.fingerprint
        known = self._answers.get(key)
        if known is None or len(known) < len(self._live):
            mask = np.zeros(len(self._live), np.bool_)
            asked = self.live.copy()
            if known is not None:
                mask[: len(known)] = known
                asked[: len(known)] = False
            self._judge(condition, mask, asked)
            mask.setflags(write=False)
            self._answers[key] = mask
        self._answers.move_to_end(key)
        if len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
        return self._answers[key]

    @abstractmethod
    def _take(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Keep what answers will need. Raising must leave it as it was."""

    @abstractmethod
    def _judge(self, condition: Any, mask: NDArray[np.bool_], asked: NDArray[np.bool_]) -> None:
        """Set the mask to true in the ``asked`` rows, at least, that meet the condition."""


class FieldColumn(Column):
    """The values of one field, for conditions on it without ``not_``.

    Args:
        field: Its name.
    """

    def __init__(self, field: str) -> None:
        super().__init__()
        self.field = field
        self._present = Growing(np.bool_)
        self._single = ValueStore()
        self._members = ValueStore()

    @property
    def occurs(self) -> bool:
        """Whether some document has a value."""
        return bool((self._present.array & self.live).any())

    def _take(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        found: tuple[tuple[list[int], list[Any]], ...] = (([], []), ([], []))
        present = []
        for row, document in zip(rows, documents, strict=True):
            values, is_list = values_of(document, self.field)
            if values:
                present.append(row)
                found[is_list][0].extend([row] * len(values))
                found[is_list][1].extend(values)
        self._single.extend(*found[False])
        self._members.extend(*found[True])
        self._present.resize(rows[-1] + 1)
        self._present.array[present] = True

    def _judge(
        self, condition: FieldCondition, mask: NDArray[np.bool_], asked: NDArray[np.bool_]
    ) -> None:
        judgement = condition.judgement
        if judgement.kind == "exists":
            mask |= self._present.array
            return
        if not asked.any():
            return
        first = int(asked.argmax())
        held = np.zeros(len(mask), np.bool_)
        held[first:] = True
        for single, member in zip(judgement.verdicts, judgement.members, strict=True):
            met = np.zeros(len(mask), np.bool_)
            self._single.mark(single, met, first)
            self._members.mark(member, met, first)
            held &= met
        mask |= held


class DocumentColumn(Column):
    """Conditions for which the documents themselves are looked at: on their text, functions.

    A copy of all texts would take as much memory as the corpus.

    Args:
        documents: Gives the documents of rows.
    """

    def __init__(self, documents: Callable[[Sequence[int]], Sequence[Document]]) -> None:
        super().__init__()
        self._documents = documents

    def _take(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        pass  # they are fetched when they are needed

    def _judge(
        self, condition: Condition, mask: NDArray[np.bool_], asked: NDArray[np.bool_]
    ) -> None:
        rows = np.flatnonzero(asked)
        if isinstance(condition, FieldCondition) and condition.field == "text":
            judgement = condition.judgement
            if judgement.kind == "one":
                # All texts at once: a slow pattern has a limit for all of them.
                texts = (values_of(doc, "text")[0][0] for doc in self._each(rows))
                mask[rows] = judgement.verdicts[0].texts(texts) ^ condition.negated
                return
        verdicts = (condition.matches(doc) for doc in self._each(rows))
        mask[rows] = np.fromiter(verdicts, np.bool_, len(rows))

    def _each(self, rows: NDArray[np.int64]) -> Iterator[Document]:
        for start in range(0, len(rows), _BATCH):
            yield from self._documents(rows[start : start + _BATCH].tolist())
