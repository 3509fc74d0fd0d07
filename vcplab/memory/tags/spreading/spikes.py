"""Spikes with momentum and wormholes: the wave of TagMemo V9.1 (facts/vcp-memory §8.2.7)."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.tags.kernel import TagKernel
from vcplab.memory.tags.spreading.base import Spread

__all__ = ["Spikes"]

# Comparisons at this many decimals, so that equal currents are equal whatever made them.
_DECIMALS = 12


@dataclasses.dataclass(frozen=True, repr=False)
class Spikes(Spread):
    """Currents that run along edges, tire on ordinary ones, and pass through wormholes.

    A *state* is an edge that energy has just come along, with its momentum. In each hop a state
    with energy ≥ ``firing`` and momentum left sends to its strongest ``neighbours``: energy × share
    × (``wormhole_decay`` through a wormhole, else ``decay``) × ``return_flow`` if it goes straight
    back. An ordinary edge costs one momentum, a wormhole none. Currents below ``quiet`` are lost;
    states of the same edge join (energies add, the larger momentum stays); the strongest ``states``
    go on. A tag's energy is Σ ``fade``^hop/Σ · (energy that arrived in that hop), and at most
    ``emergent`` tags that were no seeds keep theirs; a seed never has less than it started with,
    scaled alike.

    Shares are in units of a tag's row of the kernel (rows of the original sum to .95 too).
    Energies are in units of the query's strongest seed while they spread, since the thresholds
    are absolute.

    Attributes:
        hops: Hops at most (upstream's ``maxSafeHops``).
        momentum: Ordinary edges a current can take (``baseMomentum``).
        firing: Weakest state that sends (``firingThreshold``).
        decay: What an ordinary edge lets through (``baseDecay``).
        wormhole_decay: What a wormhole lets through.
        return_flow: Factor of going straight back (``v91ReturnFlowFactor``).
        quiet: Weakest current that is followed.
        neighbours: Strongest edges of a tag that are used (``maxNeighborsPerNode``).
        states: States that go on at most (``v91MaxPropagationStates``).
        fade: Weight of a hop against the one before (``v91FirGamma``).
        emergent: Tags that may join (``maxEmergentNodes``).
    """

    hops: int = 4
    momentum: float = 2.0
    firing: float = 0.1
    decay: float = 0.25
    wormhole_decay: float = 0.7
    return_flow: float = 0.15
    quiet: float = 0.01
    neighbours: int = 20
    states: int = 2000
    fade: float = 0.6
    emergent: int = 50

    def __post_init__(self) -> None:
        counts = min(self.hops, self.neighbours, self.states) >= 1 and self.emergent >= 0
        shares = (self.decay, self.wormhole_decay, self.return_flow, self.fade)
        levels = min(self.momentum, self.firing, self.quiet) >= 0
        if not (counts and levels and all(0 <= share <= 1 for share in shares)):
            raise InvalidInputError(
                f"{self!r} cannot spread.",
                where="spread",
                next_step="Counts from 1, thresholds and momentum from 0, factors from 0 to 1.",
            )

    @property
    def reach(self) -> int:
        """As many steps as hops."""
        return self.hops

    def spread(self, kernel: TagKernel, seeds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Let every query's seeds fire."""
        return np.stack([self._fire(kernel, row) for row in np.asarray(seeds, np.float64)])

    def _fire(self, kernel: TagKernel, seeds: NDArray[np.float64]) -> NDArray[np.float64]:
        size = len(kernel)
        strongest = float(seeds.max(initial=0.0))
        if strongest <= 0:
            return np.zeros(size)
        tags = np.flatnonzero(seeds)
        energy = seeds[tags] / strongest
        came = np.full(len(tags), -1, np.int64)
        momentum = np.full(len(tags), self.momentum)
        weights = self.fade ** np.arange(self.hops + 1)
        weights /= weights.sum()
        total = weights[0] * seeds / strongest
        for hop in range(1, self.hops + 1):
            came, tags, energy, momentum = self._hop(kernel, came, tags, energy, momentum)
            if not len(tags):
                break
            total += weights[hop] * np.bincount(tags, energy, size)
        joined = np.flatnonzero((total > 0) & (seeds == 0))
        if len(joined) > self.emergent:
            order = np.lexsort((joined, -np.round(total[joined], _DECIMALS)))
            total[joined[order[self.emergent :]]] = 0.0
        return np.asarray(total * strongest)

    def _hop(
        self,
        kernel: TagKernel,
        came: NDArray[np.int64],
        tags: NDArray[np.int64],
        energy: NDArray[np.float64],
        momentum: NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """The states after one hop: where from, where, energy, momentum; sorted by edge."""
        flow, wormhole = kernel.strongest(self.neighbours)
        fires = np.round(energy, _DECIMALS) >= self.firing
        came, tags, energy, momentum = came[fires], tags[fires], energy[fires], momentum[fires]
        many = np.diff(flow.indptr)[tags]
        # All edges of all firing states, one after the other.
        state = np.repeat(np.arange(len(tags)), many)
        within = np.arange(len(state)) - np.repeat(np.cumsum(many) - many, many)
        edge = flow.indptr[tags][state] + within
        target = flow.indices[edge].astype(np.int64)
        hole = wormhole[edge]
        current = energy[state] * flow.data[edge]
        current = current * np.where(hole, self.wormhole_decay, self.decay)
        current = np.where(target == came[state], current * self.return_flow, current)
        left = momentum[state] - np.where(hole, 0.0, 1.0)
        alive = (left >= 0) & (np.round(current, _DECIMALS) >= self.quiet)
        sources, target = tags[state][alive], target[alive]
        current, left = current[alive], left[alive]
        # States of the same edge join.
        keys, place = np.unique(sources * len(kernel) + target, return_inverse=True)
        joined = np.bincount(place, current, len(keys)).astype(np.float64)
        best = np.full(len(keys), -np.inf)
        np.maximum.at(best, place, left)
        if len(keys) > self.states:
            order = np.sort(np.lexsort((keys, -np.round(joined, _DECIMALS)))[: self.states])
            keys, joined, best = keys[order], joined[order], best[order]
        return keys // len(kernel), keys % len(kernel), joined, best
