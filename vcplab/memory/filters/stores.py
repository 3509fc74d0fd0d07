"""Values of many rows by kind, in arrays: what a column of a million rows is kept in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.filters.moments import Moment
from vcplab.memory.filters.verdicts import Verdict

__all__ = ["Growing", "ValueStore"]

_T = TypeVar("_T", bound=np.generic)

# Beyond this a float no longer tells whole numbers apart.
_EXACT = 2**53
# Distinct texts that are known by number, and how long they may be; others are kept as bytes.
_KNOWN = 65_536
_SHORT = 256
_EMPTY = 1024


class Growing(Generic[_T]):
    """An array that grows at its end, in amortised constant time per entry.

    Args:
        dtype: Kind of its entries.
    """

    __slots__ = ("_buffer", "_size")

    def __init__(self, dtype: type[_T]) -> None:
        self._buffer: NDArray[_T] = np.zeros(0, dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def array(self) -> NDArray[_T]:
        """The entries; a view, good until the next change."""
        return self._buffer[: self._size]

    def extend(self, values: Any) -> None:
        """Append entries."""
        size = self._size + len(values)
        self.resize(size)
        self._buffer[size - len(values) : size] = values

    def resize(self, size: int) -> None:
        """Append zeros up to a size."""
        if size > len(self._buffer):
            grown = np.zeros(max(size, self._size * 3 // 2, _EMPTY), self._buffer.dtype)
            grown[: self._size] = self._buffer[: self._size]
            self._buffer = grown
        self._size = max(size, self._size)


class ValueStore:
    """Values with their rows, several per row if need be; rows come in ascending order.

    Numbers take 16 bytes, moments 25, texts 12 (a few thousand different ones) or 16 and their
    length.
    """

    def __init__(self) -> None:
        self._numbers = (Growing(np.int64), Growing(np.float64))
        self._moments = (
            Growing(np.int64),
            Growing(np.int64),
            Growing(np.int64),
            Growing(np.bool_),
        )
        self._flags = (Growing(np.int64), Growing(np.bool_))
        self._known = (Growing(np.int64), Growing(np.int32))
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []
        self._long = (Growing(np.int64), Growing(np.int64))
        self._bytes = bytearray()
        # Whole numbers that are no floats: hardly ever any.
        self._large: list[tuple[int, int]] = []

    def extend(self, rows: list[int], values: list[Any]) -> None:
        """Append values as ``values_of`` gives them, each with its row."""
        kinds: dict[str, tuple[list[int], list[Any]]] = {}
        for row, value in zip(rows, values, strict=True):
            kind = _kind(value)
            if kind == "text":
                code = self._code(value)
                kind, value = ("long", value) if code is None else ("known", code)
            of_kind = kinds.setdefault(kind, ([], []))
            of_kind[0].append(row)
            of_kind[1].append(value)
        for kind, (at, found) in kinds.items():
            self._append(kind, at, found)

    def _append(self, kind: str, rows: list[int], values: list[Any]) -> None:
        if kind == "number":
            _extend(self._numbers, rows, values)
        elif kind == "flag":
            _extend(self._flags, rows, values)
        elif kind == "known":
            _extend(self._known, rows, values)
        elif kind == "moment":
            wall = [m.wall for m in values]
            utc = [m.wall if m.utc is None else m.utc for m in values]
            _extend(self._moments, rows, wall, utc, [m.utc is not None for m in values])
        elif kind == "long":
            encoded = [text.encode("utf-8", "surrogatepass") for text in values]
            start = len(self._bytes)
            self._bytes += b"".join(encoded)
            _extend(self._long, rows, start + np.cumsum([len(data) for data in encoded]))
        elif kind == "large":
            self._large.extend(zip(rows, values, strict=True))

    def mark(self, verdict: Verdict, mask: NDArray[np.bool_], first: int) -> None:
        """Set the mask to true in every row from ``first`` on that has a value which meets it.

        Args:
            verdict: The comparison.
            mask: bool, shape (rows,).
            first: Rows before it are left alone.
        """
        rows, numbers = _since(self._numbers, first)
        mask[rows[verdict.numbers(numbers)]] = True
        rows, wall, utc, zoned = _since(self._moments, first)
        mask[rows[verdict.moments(wall, utc, zoned)]] = True
        rows, flags = _since(self._flags, first)
        mask[rows[np.where(flags, verdict.flag(True), verdict.flag(False))]] = True
        rows, codes = _since(self._known, first)
        # Each different text is judged once.
        asked = np.arange(len(self._texts)) if len(codes) > len(self._texts) else np.unique(codes)
        verdicts = np.zeros(len(self._texts), np.bool_)
        verdicts[asked] = verdict.texts([self._texts[code] for code in asked])
        mask[rows[verdicts[codes]]] = True
        rows, _ = _since(self._long, first)
        mask[rows[verdict.texts(self._long_texts(len(rows)))]] = True
        for row, number in self._large:
            if row >= first and verdict.number(number):
                mask[row] = True

    def _code(self, text: str) -> int | None:
        code = self._codes.get(text)
        if code is None and len(self._texts) < _KNOWN and len(text) <= _SHORT:
            code = self._codes[text] = len(self._texts)
            self._texts.append(text)
        return code

    def _long_texts(self, count: int) -> Iterator[str]:
        """The last so many texts that are kept as bytes."""
        ends = self._long[1].array
        begin = len(ends) - count
        start = int(ends[begin - 1]) if begin else 0
        for end in ends[begin:].tolist():
            yield self._bytes[start:end].decode("utf-8", "surrogatepass")
            start = end


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, float) or (isinstance(value, int) and -_EXACT <= value <= _EXACT):
        return "number"
    if isinstance(value, int):
        return "large"
    return "moment" if isinstance(value, Moment) else "other"


def _extend(arrays: tuple[Growing[Any], ...], *values: Any) -> None:
    for array, new in zip(arrays, values, strict=True):
        array.extend(new)


def _since(arrays: tuple[Growing[Any], ...], first: int) -> tuple[NDArray[Any], ...]:
    start = int(np.searchsorted(arrays[0].array, first))
    return tuple(array.array[start:] for array in arrays)
