"""A reranker that is asked about each pair once, however many settings are tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import VCPError
from vcplab.memory.explaining.changes import applied, parameters
from vcplab.memory.stages.base import Stage
from vcplab.models.reranking.lists import score_lists
from vcplab.protocol.ports import Reranker

__all__ = ["Remembered", "Rerankers"]


class Remembered:
    """A reranker's scores, each pair of query and document asked for once.

    Args:
        reranker: The reranker.
    """

    def __init__(self, reranker: Reranker) -> None:
        self.reranker = reranker
        self._known: dict[tuple[str, str], float] = {}

    @property
    def name(self) -> str:
        """The reranker's."""
        return self.reranker.name

    @property
    def fingerprint(self) -> str:
        """The reranker's."""
        return self.reranker.fingerprint

    def score(self, query: str, documents: Sequence[str]) -> NDArray[np.float64]:
        """One score per document, shape (len(documents),).

        Raises:
            VCPError: The reranker fails on those that are new.
        """
        new = [text for text in dict.fromkeys(documents) if (query, text) not in self._known]
        if new:
            (scores,) = score_lists(self.reranker, [query], [new])
            if isinstance(scores, VCPError):
                raise scores
            self._known.update(((query, t), float(s)) for t, s in zip(new, scores, strict=True))
        return np.array([self._known[query, text] for text in documents], np.float64)


class Rerankers:
    """The rerankers of a system, replaced by remembering ones while settings are tried.

    Args:
        system: The system.
    """

    def __init__(self, system: Stage) -> None:
        self._own: dict[int, Remembered] = {
            id(value): Remembered(value)
            for name, value in parameters(system).items()
            if _is_reranker(name, value)
        }

    def __bool__(self) -> bool:
        return bool(self._own)

    def within(self, system: Stage) -> Stage:
        """A system with them in their places."""
        if not self._own:
            return system
        known = parameters(system).items()
        changes = {name: self._own[id(value)] for name, value in known if id(value) in self._own}
        return applied(system, changes)


def _is_reranker(name: str, value: Any) -> bool:
    own = name.rpartition("__")[2] in ("reranker", "rerank")
    return own and value is not None and not isinstance(value, bool | Stage)
