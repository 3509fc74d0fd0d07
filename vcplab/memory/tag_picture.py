"""What happened in the tag network for one query, as a small graph that can be drawn."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from vcplab.memory.corpus import Corpus
from vcplab.memory.stages.base import Context, Stage
from vcplab.memory.stages.state import Query, State
from vcplab.memory.tags.network import TagEnergies, TagNetwork

__all__ = ["TagEdge", "TagNode", "TagPicture", "tag_picture"]

_DEPTH = 100


@dataclasses.dataclass(frozen=True, slots=True)
class TagNode:
    """A tag of the picture.

    Attributes:
        name: The tag.
        energy: What reached it in the end, ≥ 0.
        seed: What it started with.
        documents: In how many documents it occurs.
        own: Whether the document that is explained has it.
    """

    name: str
    energy: float
    seed: float
    documents: int
    own: bool


@dataclasses.dataclass(frozen=True, slots=True)
class TagEdge:
    """Two tags of the picture that occur together.

    Attributes:
        first: Number of one node.
        second: Number of the other, larger.
        together: In how many documents both occur.
    """

    first: int
    second: int
    together: int


@dataclasses.dataclass(frozen=True, slots=True)
class TagPicture:
    """The part of a corpus's tag graph that a query and a document are about.

    Attributes:
        nodes: Tags: the document's own, the path to it, seeds, and what got most energy.
        edges: Between them.
        path: Tags and energies from a seed to the document's strongest tag; empty for none.
        spreads: Whether the system spreads energy; if not, energies are those of the plain
            :class:`~vcplab.memory.tags.network.TagNetwork` from the query's words.
        tags: Number of tags of the corpus.
    """

    nodes: tuple[TagNode, ...]
    edges: tuple[TagEdge, ...]
    path: tuple[tuple[str, float], ...]
    spreads: bool
    tags: int


def tag_picture(
    system: Stage | None, corpus: Corpus, query: Query, docno: str | None, most: int = 40
) -> TagPicture:
    """Draw the neighbourhood of a query and a document in the tag graph.

    Args:
        system: A pipeline; if a tag lane is in it, its network and seeds are drawn. None for none.
        corpus: The documents.
        query: The question.
        docno: A document whose tags are to be shown, and the path of energy to them.
        most: Tags at most.

    Raises:
        NotFoundError: The corpus has no such document.
    """

    def drawn() -> TagPicture:
        row = None if docno is None else corpus.row(docno)
        energies, scorer = _spread(system, corpus, query)
        path = _path(energies, scorer, row)
        return _picture(energies, row, path, scorer is not None, most)

    return corpus.consistently(drawn)


def _spread(system: Stage | None, corpus: Corpus, query: Query) -> tuple[TagEnergies, Any | None]:
    """Energies of the system's last tag lane with its scorer, or of the plain network."""
    found: list[Any] = []

    def watch(stage: Stage, before: State, after: State) -> None:
        if stage.kind == "lane" and isinstance(
            getattr(after.lanes[-1].scorer, "field", None), TagEnergies
        ):
            found.append(after.lanes[-1].scorer)

    if system is not None and _has_network(system):
        system.prepare(corpus)
        system._run(State.start((query,)), Context(corpus, _DEPTH, watch=watch))
    if found:
        return found[-1].field, found[-1]
    network = TagNetwork()
    network.prepare(corpus)
    return network.energies(corpus, (query,)), None


def _has_network(system: Stage) -> bool:
    from vcplab.memory.recipes.base import Recipe

    made = system.stages() if isinstance(system, Recipe) else system
    parts = made.get_params().values()
    return any(isinstance(value, TagNetwork) for value in parts) or any(
        isinstance(value, Recipe) and _has_network(value) for value in parts
    )


def _path(
    energies: TagEnergies, scorer: Any | None, row: int | None
) -> tuple[tuple[str, float], ...]:
    if row is None:
        return ()
    if scorer is not None:
        return tuple(scorer.path(0, row))
    own = _own_tags(energies, row)
    reached = energies.energy[0][own]
    if not len(own) or not reached.max(initial=0.0) > 0:
        return ()
    best = int(own[int(np.argmax(reached))])
    return TagNetwork().spread.path(energies.kernel, energies.seeds[0], best)


def _own_tags(energies: TagEnergies, row: int) -> Any:
    rows, incidence = energies.documents.rows, energies.documents.incidence
    at = int(np.searchsorted(rows, row))
    if at >= len(rows) or rows[at] != row:
        return np.empty(0, np.int64)
    return incidence.indices[incidence.indptr[at] : incidence.indptr[at + 1]]


def _picture(
    energies: TagEnergies,
    row: int | None,
    path: tuple[tuple[str, float], ...],
    spreads: bool,
    most: int,
) -> TagPicture:
    graph = energies.graph
    if not len(graph):
        return TagPicture((), (), (), spreads, 0)
    energy, seeds = energies.energy[0], energies.seeds[0]
    own = set() if row is None else {int(tag) for tag in _own_tags(energies, row)}
    chosen = [graph.places[name] for name, _ in path]
    chosen += sorted(own, key=lambda tag: -energy[tag])
    chosen += _best(seeds, most // 3)
    chosen += _best(energy, most)
    if not np.any(energy > 0):
        # Nothing was reached: at least what the document's tags stand beside.
        chosen += [
            graph.places[name]
            for tag in sorted(own)
            for name, _ in graph.neighbours(graph.names[tag], 4)
        ]
    places = list(dict.fromkeys(chosen))[:most]
    nodes = tuple(
        TagNode(
            graph.names[tag],
            float(energy[tag]),
            float(seeds[tag]),
            int(graph.frequency[tag]),
            tag in own,
        )
        for tag in places
    )
    inside = graph.together[places][:, places].tocoo()
    edges = tuple(
        TagEdge(int(a), int(b), int(count))
        for a, b, count in zip(*inside.coords, inside.data, strict=True)
        if a < b
    )
    return TagPicture(nodes, edges, path, spreads, len(graph))


def _best(values: Any, most: int) -> list[int]:
    order = np.argsort(-values, kind="stable")[:most]
    return [int(tag) for tag in order if values[tag] > 0]
