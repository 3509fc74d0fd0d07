"""The ports between rooms: what one room may ask of another without importing it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vcplab.protocol.completions import ChatPiece, ChatRequest
    from vcplab.protocol.grounding import Sample, Verdict
    from vcplab.protocol.messages import Passage

__all__ = ["ChatModel", "Detector", "Embedder", "Reranker", "Retriever"]


@runtime_checkable
class Retriever(Protocol):
    """Finds passages for a text."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def search(self, query: str, k: int = 10) -> Sequence[Passage]:
        """The best ``k`` passages, best first; possibly none."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors of some text would change; part of every cache key."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def languages(self) -> frozenset[str] | None:
        """Language codes it was trained on (``{"en"}``); None means any."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension)."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension)."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """Scores query-document pairs jointly."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever some score would change."""
        ...

    def score(self, query: str, documents: Sequence[str]) -> NDArray[np.float64]:
        """One score per document, shape (len(documents),); larger is more relevant."""
        ...


@runtime_checkable
class ChatModel(Protocol):
    """Continues a conversation, piece by piece."""

    @property
    def name(self) -> str:
        """What tables and price lists call it."""
        ...

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatPiece]:
        """Pieces of the answer in order; closing the iterator cancels the call.

        Among the pieces, possibly the last, is one with a ``finish_reason``, unless the answer was
        cut off; the last one tells the usage, estimated where the server is silent.
        """
        ...


@runtime_checkable
class Detector(Protocol):
    """Says whether responses hold hallucinations, and where."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change; part of every cache key."""
        ...

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample; one that lacks what it needs is abstained from."""
        ...
