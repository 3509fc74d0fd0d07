"""Memory: what is remembered and how it is found again.

``document`` and ``corpus`` own the texts and the shared indexes, ``index`` holds the index
structures, ``stages`` the building blocks of a retrieval pipeline (composed with ``+`` and ``>>``),
``recipes`` the named engines, ``retriever`` a recipe bound to a corpus, ``diary`` the upstream
diary format.
"""

from vcplab.memory.stages.base import Memo

__all__ = ["Memo"]
