"""The tag network with dense matrices and plain loops, written from the formulas alone."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np


def graph(documents, first=0.9, last=0.5, gap=0.08, limit=100):
    """Names, frequency, ordered sums and joint counts of lists of tags."""
    names = sorted({tag for tags in documents for tag in tags})
    place = {name: at for at, name in enumerate(names)}
    size = len(names)
    ordered, together = np.zeros((size, size)), np.zeros((size, size))
    frequency = Counter(tag for tags in documents for tag in set(tags))
    for tags in documents:
        count = len(tags)
        if count > limit:
            continue
        phi = [
            first - (first - last) * i / (count - 1) if count > 1 else first for i in range(count)
        ]
        for i in range(count):
            for j in range(i + 1, count):
                a, b = place[tags[i]], place[tags[j]]
                ordered[a, b] += phi[i] * phi[j] * math.exp(-gap * (j - i - 1))
                together[a, b] += 1
                together[b, a] += 1
    return names, np.array([frequency[name] for name in names]), ordered, together


def npmi(frequency, together, documents, shrinkage):
    """(1 + NPMI)/2 · c/(c + shrinkage)."""
    out = np.zeros_like(together)
    for a, b in zip(*np.nonzero(together), strict=True):
        both = together[a, b] / documents
        chance = frequency[a] / documents * frequency[b] / documents
        value = 1.0 if both >= 1 else math.log(both / chance) / -math.log(both)
        out[a, b] = (1 + value) / 2 * together[a, b] / (together[a, b] + shrinkage)
    return out


def kernel(weight, *, hub, floor, ceiling, smoothing, wormhole, gain, mass):
    """Flow and wormholes of a matrix of evidence."""
    holes = weight >= wormhole
    weight = np.where(holes, weight * gain, weight)
    inflow = weight.sum(axis=0)
    usual = float(np.median(inflow[inflow > 0])) if (inflow > 0).any() else 1.0
    penalty = np.ones(len(weight))
    for at in range(len(weight)):
        if inflow[at] > 0:
            ratio = (inflow[at] + smoothing * usual) / ((1 + smoothing) * usual)
            penalty[at] = min(ceiling, max(floor, ratio**-hub))
    weight = weight * penalty[None, :]
    total = weight.sum(axis=1, keepdims=True)
    return np.divide(mass * weight, total, out=np.zeros_like(weight), where=total > 0), holes


def pagerank(flow, seeds, walk):
    """The fixed point, by solving for it."""
    size = len(flow)
    return np.linalg.solve(np.eye(size) - walk * flow.T, (1 - walk) * seeds)


def breadth_first(flow, seeds, depth, neighbours, floor, decay):
    """Expansion by loops."""
    energy = list(seeds)
    frontier = [tag for tag in range(len(seeds)) if seeds[tag] > 0]
    seen = set(frontier)
    for hop in range(1, depth + 1):
        offers = defaultdict(float)
        for tag in frontier:
            top = flow[tag].max(initial=0.0)
            if top <= 0:
                continue
            known = [(round(flow[tag, t] / top, 12), t) for t in range(len(flow)) if flow[tag, t]]
            for share, target in sorted(known, key=lambda pair: (-pair[0], pair[1]))[:neighbours]:
                if share >= floor and target not in seen:
                    offers[target] = max(offers[target], energy[tag] * share * decay**hop)
        for target, value in offers.items():
            energy[target] = value
        seen |= set(offers)
        frontier = sorted(offers)
    return np.array(energy)


def spikes(flow, holes, seeds, s):
    """States as a dictionary: (from, to) → energy, momentum; ``s`` has the parameters."""
    strongest = max(seeds, default=0.0)
    if strongest <= 0:
        return np.zeros(len(seeds))
    fade = [s.fade**hop for hop in range(s.hops + 1)]
    fade = [value / sum(fade) for value in fade]
    energy = [fade[0] * seed / strongest for seed in seeds]
    states = {
        (-1, tag): (seeds[tag] / strongest, s.momentum)
        for tag in range(len(seeds))
        if seeds[tag] > 0
    }
    for hop in range(1, s.hops + 1):
        arriving = {}
        for (came, tag), (current, momentum) in sorted(states.items()):
            if round(current, 12) < s.firing:
                continue
            edges = [(round(flow[tag, t], 12), t) for t in range(len(flow)) if flow[tag, t] > 0]
            edges = sorted(edges, key=lambda pair: (-pair[0], pair[1]))[: s.neighbours]
            for _, target in edges:
                hole = bool(holes[tag, target])
                value = current * flow[tag, target] * (s.wormhole_decay if hole else s.decay)
                if target == came:
                    value *= s.return_flow
                left = momentum - (0 if hole else 1)
                if left < 0 or round(value, 12) < s.quiet:
                    continue
                old = arriving.get((tag, target), (0.0, -math.inf))
                arriving[tag, target] = (old[0] + value, max(old[1], left))
        best = sorted(arriving, key=lambda edge: (-round(arriving[edge][0], 12), edge))[: s.states]
        states = {edge: arriving[edge] for edge in best}
        for (_, target), (value, _) in states.items():
            energy[target] += fade[hop] * value
    joined = [tag for tag in range(len(seeds)) if energy[tag] > 0 and seeds[tag] == 0]
    joined.sort(key=lambda tag: (-round(energy[tag], 12), tag))
    for tag in joined[s.emergent :]:
        energy[tag] = 0.0
    return np.array(energy) * strongest
