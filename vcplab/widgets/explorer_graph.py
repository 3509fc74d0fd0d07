"""Where the tags of a picture stand: a force layout that is the same each time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.tag_picture import TagPicture

__all__ = ["graph_message", "layout"]

_STEPS = 160
_WIDTH = 1.7  # of the picture, its height being 1


def layout(count: int, edges: list[tuple[int, int, float]]) -> NDArray[np.float64]:
    """Places of nodes by attraction along edges and repulsion (Fruchterman and Reingold 1991).

    Args:
        count: Number of nodes.
        edges: Pairs of nodes with a weight above 0.

    Returns:
        x in [0, 1.7] and y in [0, 1], shape (count, 2).
    """
    if count == 0:
        return np.empty((0, 2))
    # A sunflower: spread evenly, and nothing is drawn by chance.
    number = np.arange(count)
    angle, radius = number * 2.399963, np.sqrt((number + 0.5) / count)
    at = np.stack([radius * np.cos(angle) * _WIDTH, radius * np.sin(angle)], axis=1)
    pull = np.zeros((count, count))
    for first, second, weight in edges:
        pull[first, second] = pull[second, first] = 0.5 + weight
    ideal = np.sqrt(4 * _WIDTH / count)
    for step in range(_STEPS):
        offset = at[:, None] - at[None]
        distance = np.sqrt((offset**2).sum(axis=2)) + 1e-9
        force = ideal**2 / distance**2 - pull * distance / ideal
        np.fill_diagonal(force, 0.0)
        move = (offset * force[:, :, None]).sum(axis=1)
        move -= at * [0.5 / _WIDTH, 0.5]  # to the middle, so that loose parts stay in sight
        length = np.sqrt((move**2).sum(axis=1, keepdims=True)) + 1e-9
        heat = 0.25 * ideal * (1 - step / _STEPS)
        at = at + move / length * np.minimum(length, heat)
    low, high = at.min(axis=0), at.max(axis=0)
    size = np.where(high - low > 1e-6, high - low, 1.0)
    middle = np.where(high - low > 1e-6, 0.0, 0.5)
    scaled: NDArray[np.float64] = ((at - low) / size + middle) * [_WIDTH, 1.0]
    return scaled


def graph_message(picture: TagPicture) -> dict[str, Any]:
    """The picture as the browser draws it: nodes with places, edges, and the path.

    Args:
        picture: Of a query and a document.
    """
    most = max((edge.together for edge in picture.edges), default=1)
    edges = [(edge.first, edge.second, edge.together / most) for edge in picture.edges]
    places = layout(len(picture.nodes), edges)
    numbers = {node.name: number for number, node in enumerate(picture.nodes)}
    path = [[numbers[name], float(energy)] for name, energy in picture.path if name in numbers]
    return {
        "nodes": [
            {
                "name": node.name[:80],
                "energy": node.energy,
                "seed": node.seed,
                "documents": node.documents,
                "own": node.own,
                "x": round(float(x), 4),
                "y": round(float(y), 4),
            }
            for node, (x, y) in zip(picture.nodes, places, strict=True)
        ],
        "edges": [[first, second, round(weight, 4)] for first, second, weight in edges],
        "path": path,
        "spreads": picture.spreads,
        "tags": picture.tags,
    }
