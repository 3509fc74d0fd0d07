"""Checks of score arrays, shared by the statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vcplab.core.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["TIE", "matrix", "pair", "same_shape", "vector"]

# Two scores closer than this are the same score: metrics are sums of at most a few hundred terms.
TIE = 1e-12


def _finite(array: NDArray[np.float64], name: str) -> None:
    if not np.isfinite(array).all():
        raise InvalidInputError(
            f"{name} has scores that are not finite numbers.",
            where=name,
            next_step="Leave out the items without a score before testing.",
        )


def _numbers(values: ArrayLike, name: str, dimensions: int) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{name} is not an array of numbers.", where=name, next_step="Pass numbers."
        ) from error
    if array.ndim != dimensions:
        raise InvalidInputError(
            f"{name} has {array.ndim} dimension(s), not {dimensions}.",
            where=name,
            next_step="Pass one score per item.",
        )
    _finite(array, name)
    return array


def vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Finite numbers of shape (n,)."""
    return _numbers(values, name, 1)


def matrix(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Finite numbers of shape (rows, columns), in C order."""
    # C order: scipy's sums, and so its ties, are then the same for a row alone and among others.
    return np.ascontiguousarray(_numbers(values, name, 2))


def same_shape(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    """Refuse arrays that cannot be paired."""
    if a.shape != b.shape:
        raise InvalidInputError(
            f"a and b are not paired: shapes {a.shape} and {b.shape}.",
            where="b",
            next_step="Give both systems the same items in the same order.",
        )


def pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two vectors over the same items."""
    first, second = vector(a, "a"), vector(b, "b")
    same_shape(first, second)
    return first, second
