"""The potential field of a query's energy, and how a document's chain of tags lies in it.

facts/vcp-memory §8.2.9, with each of its parts by name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chain", "Passage", "Settings", "passage", "potentials"]

# A tag without any closeness to its text still has this mass.
_LEAST_MASS = 0.02


@dataclass(frozen=True, slots=True)
class Settings:
    """Thresholds of the field; their meanings are those of the stage ``TagField``."""

    similarity: float
    exponent: float
    neighbours: int
    weak: float
    strong: float
    position: float
    closure: float


@dataclass(frozen=True, slots=True)
class Chain:
    """The tags of one document in their order, shape (tags,) each, pairs shape (tags − 1,).

    Attributes:
        potential: u of each tag, 0 to 1.
        closure: How close each tag is to the document's text, 0 to 1.
        specificity: Of each tag: what is not a public hub.
        exact: Whether the query names the tag.
        angle: Between neighbours in units of π; a right angle (½) where it is not known.
        flow: Larger of the two flows between neighbours.
    """

    potential: NDArray[np.float64]
    closure: NDArray[np.float64]
    specificity: NDArray[np.float64]
    exact: NDArray[np.bool_]
    angle: NDArray[np.float64]
    flow: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Passage:
    """How a chain of tags lies in the field.

    Attributes:
        mean: Mean potential by mass.
        peak: Largest potential.
        continuity: How high and linked the way along the chain is.
        action: How cheap it is.
        closure: Mean closeness of tags to text by mass.
        coverage: Share of the mass that is in contact with the field.
        evidence: Strong and exact contacts against what a chain of this length should have.
        isolated: Share of the contacts that have no neighbour in contact.
        strong: Number of strong contacts.
        exact: Number of contacts that the query names.
    """

    mean: float
    peak: float
    continuity: float
    action: float
    closure: float
    coverage: float
    evidence: float
    isolated: float
    strong: int
    exact: int

    @property
    def confidence(self) -> float:
        """Coverage · (.55 + .45 · evidence) · (1 − .65 · isolated)."""
        return self.coverage * (0.55 + 0.45 * self.evidence) * (1 - 0.65 * self.isolated)

    @property
    def geometry(self) -> float:
        """Confidence · (.30 mean + .20 peak + .20 continuity + .15 action + .15 closure)."""
        shape = 0.30 * self.mean + 0.20 * self.peak + 0.20 * self.continuity
        return self.confidence * (shape + 0.15 * self.action + 0.15 * self.closure)


def potentials(
    tags: NDArray[np.int64],
    field: NDArray[np.int64],
    energy: NDArray[np.float64],
    cosines: NDArray[np.float64] | None,
    specificity: NDArray[np.float64],
    settings: Settings,
) -> NDArray[np.float64]:
    """Potential of tags: their own energy, or that of near nodes of the field if it is more.

    Args:
        tags: The tags.
        field: Nodes of the field.
        energy: Of all tags in units of the largest, shape (all tags,).
        cosines: Between ``tags`` and ``field``, shape (tags, field), NaN where not known; or None.
        specificity: Of all tags.
        settings: Thresholds.
    """
    member = np.isin(tags, field)
    own = np.where(member, energy[tags], 0.0)
    if cosines is None or not len(field) or not len(tags):
        return np.minimum(own, 1.0)
    near = np.nan_to_num(cosines, nan=-1.0)
    rise = np.clip((near - settings.similarity) / (1 - settings.similarity), 0.0, 1.0)
    value = energy[field] * rise**settings.exponent * specificity[field]
    best = np.sort(value, axis=1)[:, ::-1][:, : settings.neighbours]
    count = np.maximum((best > 0).sum(axis=1), 1)
    return np.asarray(np.minimum(np.maximum(own, best.sum(axis=1) / np.sqrt(count)), 1.0))


def passage(chain: Chain, settings: Settings) -> Passage | None:
    """How a chain lies in the field; None if it has no contact."""
    u = chain.potential
    count = len(u)
    contact = u >= settings.weak
    if not contact.any():
        return None
    mass = np.maximum(
        _LEAST_MASS,
        chain.closure * np.exp(-settings.position * np.arange(count)) * chain.specificity,
    )
    between = np.sqrt(mass[:-1] * mass[1:])
    level = np.sqrt(u[:-1] * u[1:])
    root = np.sqrt(chain.flow)
    weight = float(between.sum())
    continuity = float((between * level * (0.65 + 0.35 * root)).sum()) / weight if weight else 0.0
    length = chain.angle * between
    cost = float((length / np.maximum(0.08, level + 0.25 * root)).sum())
    action = math.exp(-cost / max(0.15, float(length.sum()))) if count > 1 else 0.0
    strong = int((u >= settings.strong).sum())
    exact = int((chain.exact & contact).sum())
    evidence = (strong + 0.75 * exact) / min(4, math.ceil(math.sqrt(count)))
    beside = np.zeros(count, np.bool_)
    beside[1:] |= contact[:-1]
    beside[:-1] |= contact[1:]
    force = np.where(contact, mass * u, 0.0)
    whole = float(mass.sum())
    return Passage(
        mean=float((mass * u).sum()) / whole,
        peak=float(u.max()),
        continuity=continuity,
        action=action,
        closure=float((mass * chain.closure).sum()) / whole,
        coverage=float(mass[contact].sum()) / whole,
        evidence=min(1.0, evidence),
        isolated=float(force[~beside].sum() / force.sum()),
        strong=strong,
        exact=exact,
    )
