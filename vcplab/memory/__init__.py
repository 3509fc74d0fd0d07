"""Memory: what is remembered and how it is found again.

``document`` and ``corpus`` own the texts and the shared indexes, ``index`` holds the index
structures, ``stages`` the building blocks of a retrieval pipeline (composed with ``+`` and ``>>``),
``recipes`` the named engines, ``retriever`` a recipe bound to a corpus, ``explanation`` the account
of a ranking, ``reading`` and ``diary`` turn files into documents.

The names below are what a stage of one's own needs (docs/extending.md).
"""

from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Memo, Output, Stage
from vcplab.memory.stages.fusion import Fusion
from vcplab.memory.stages.state import Lane, Query, State

__all__ = ["Context", "Fusion", "Lane", "Memo", "Output", "Query", "Ranking", "Stage", "State"]
