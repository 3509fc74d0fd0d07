"""Drawing whole groups: into splits, into folds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from vcplab.core.errors import InvalidInputError

__all__ = ["draw_folds", "draw_splits"]


def _drawn(groups: Sequence[str], seed: int) -> list[tuple[str, int]]:
    """Groups with their sizes, large ones first; names and seed alone decide the order."""
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1

    def key(item: tuple[str, int]) -> tuple[int, str]:
        text = f"{seed}\x1f{item[0]}"
        return -item[1], hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    return sorted(sizes.items(), key=key)


def draw_splits(groups: Sequence[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Group → split, so that splits have about their shares of the items.

    Args:
        groups: The group of each item.
        shares: Split → share, positive; they need not add up to one.
        seed: Fixes the draw.

    Raises:
        InvalidInputError: There is no share, or one is not positive.
    """
    if not shares or min(shares.values()) <= 0:
        raise InvalidInputError(
            "Each split needs a positive share.",
            where="shares",
            next_step='Give e.g. {"train": 0.5, "dev": 0.2, "test": 0.3}.',
        )
    filled = dict.fromkeys(shares, 0.0)
    placed: dict[str, str] = {}
    for group, size in _drawn(groups, seed):
        # Where most is missing, relative to what should be there.
        split = min(shares, key=lambda s: (filled[s] + size / 2) / shares[s])
        placed[group] = split
        filled[split] += size
    return placed


def draw_folds(groups: Sequence[str], count: int, seed: int) -> list[int]:
    """The fold of each item, from 0: folds have about equal numbers of items.

    Args:
        groups: The group of each item.
        count: Number of folds.
        seed: Fixes the draw.

    Raises:
        InvalidInputError: There are fewer groups than folds.
    """
    drawn = _drawn(groups, seed)
    if len(drawn) < count:
        raise InvalidInputError(
            f"{len(drawn)} groups cannot be parted into {count} folds.",
            where="count",
            next_step="Ask for fewer folds, or give more groups.",
        )
    sizes, placed = [0] * count, {}
    for group, size in drawn:
        fold = sizes.index(min(sizes))
        placed[group] = fold
        sizes[fold] += size
    return [placed[group] for group in groups]
