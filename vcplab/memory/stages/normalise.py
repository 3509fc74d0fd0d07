"""Ways of making the raw scores of different lanes comparable."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.stages.state import Scale

__all__ = ["Norm", "normalise"]

Norm = Literal["auto", "max", "theoretical", "minmax", "zscore", "raw"]

# The least a score of each scale can be: where "theoretical" begins to measure.
_FLOOR = {"bm25": 0.0, "cosine": -1.0}


def normalise(
    raw: NDArray[np.float64], listed: NDArray[np.float64], norm: Norm, scale: Scale
) -> NDArray[np.float64]:
    """Comparable scores.

    Args:
        raw: Scores of the documents in question, NaN where the lane said nothing; shape (n,).
        listed: All scores of the lane's list for the query, descending; shape (m,).
        norm: Which way. ``raw``: as it is. ``max``: divided by the query's highest. ``auto``: raw
            for a cosine or a share, else max. ``theoretical``: from the least a score of that scale
            can be (0, for a cosine -1) to the query's highest. ``minmax``: from the list's lowest
            to its highest. ``zscore``: mean 0, deviation 1 over the list.
        scale: The lane's scale.

    Returns:
        Shape (n,). What the lane said nothing about gets the least it could have said: 0, for
        ``zscore`` the value of the list's end.
    """
    if norm == "auto":
        norm = "raw" if scale in ("cosine", "share") else "max"
    if not len(listed):
        return np.nan_to_num(raw, nan=0.0) * 0.0
    low, high = float(listed[-1]), float(listed[0])
    if norm == "theoretical":
        floor = _FLOOR.get(scale, 0.0)
        filled = np.nan_to_num(raw, nan=floor)
        return (filled - floor) / (high - floor) if high > floor else np.zeros(len(raw))
    if norm == "raw":
        return np.nan_to_num(raw, nan=0.0)
    if norm == "max":
        return np.nan_to_num(raw, nan=0.0) / high if high > 0 else np.zeros(len(raw))
    if norm == "minmax":
        width = high - low
        if width <= 0:
            return np.where(np.isnan(raw), 0.0, 1.0)
        return np.clip(np.nan_to_num((raw - low) / width, nan=0.0), 0.0, 1.0)
    spread = float(listed.std())
    filled = np.where(np.isnan(raw), low, raw)
    return (filled - float(listed.mean())) / spread if spread > 0 else np.zeros(len(raw))
