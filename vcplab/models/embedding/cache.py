"""The content-hash cache of embeddings: no text is encoded twice by the same model.

A vector is stored under the embedder's fingerprint and the SHA-256 of role and text, together with
what encoding it cost, so that a comparison can charge a query the time it would have taken without
the cache. Texts are encoded in chunks that are stored as they finish: an interrupted run goes on
where it stopped. An embedder that says ``instant = True`` makes vectors as quickly as they could be
read; they are not kept.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.core.settings import get_settings

if TYPE_CHECKING:
    from vcplab.core.store import Store
    from vcplab.protocol.ports import Embedder

__all__ = ["CachedEmbedder", "EmbeddingCache", "cached", "encoded_texts"]

Role = Literal["document", "query"]

# Texts per stored chunk: about 1.5 s of MiniLM on two cores, the most an interruption can lose.
_CHUNK = 256
# From this many texts on, a progress bar is shown.
_LONG = 512

_count_lock = Lock()
_encoded = 0
_warm: set[str] = set()


def encoded_texts() -> int:
    """How many texts this process has encoded (not found in a cache) so far."""
    return _encoded


class EmbeddingCache:
    """Vectors on disk, in one SQLite file that keeps to ``cache_budget`` of the settings.

    Args:
        path: The file; ``embeddings.sqlite3`` in the settings' cache folder by default.
        store: A ready store to use instead of a file of its own.

    Attributes:
        notice: What users should know about it; empty when all is well.
    """

    def __init__(self, path: Path | None = None, *, store: Store | None = None) -> None:
        from vcplab.core.store import Store

        if store is None:
            path = path or get_settings().cache_dir / "embeddings.sqlite3"
            path.parent.mkdir(parents=True, exist_ok=True)
            store = Store(
                path,
                schema="vcplab-embeddings",
                version=1,
                budget=get_settings().cache_budget,
                evictable=True,  # whatever is missing is encoded again
            )
        self.path = path
        self.notice = ""
        self._store = store

    @staticmethod
    def memory(notice: str = "") -> EmbeddingCache:
        """A cache that ends with the process; ``notice`` says why, where that is not wanted."""
        from vcplab.core.store import Store

        cache = EmbeddingCache(store=Store.memory())
        cache.notice = notice
        return cache

    @staticmethod
    def none() -> EmbeddingCache:
        """A cache that keeps nothing."""
        return _Nothing()

    def get(
        self, fingerprint: str, keys: Sequence[str], dimension: int
    ) -> dict[str, tuple[NDArray[np.float32], float]]:
        """Known vectors with their cost in CPU milliseconds; wrong lengths are ignored."""
        size = 4 * (dimension + 1)
        found: dict[str, tuple[NDArray[np.float32], float]] = {}
        for key, data in self._store.get_many(fingerprint, list(keys)).items():
            if len(data) == size:
                values = np.frombuffer(data, "<f4")
                found[key] = (values[:-1].astype(np.float32), float(values[-1]))
        return found

    def put(
        self, fingerprint: str, keys: Sequence[str], vectors: NDArray[np.float32], cost: float
    ) -> None:
        """Store vectors, shape (len(keys), dimension), and what each cost in CPU milliseconds."""
        costs = np.full((len(keys), 1), cost, np.float32)
        rows = np.hstack([vectors, costs]).astype("<f4")
        self._store.put_many(
            fingerprint, {k: row.tobytes() for k, row in zip(keys, rows, strict=True)}
        )

    def close(self) -> None:
        """Close the file."""
        self._store.close()


class _Nothing(EmbeddingCache):
    def __init__(self) -> None:
        self.path = None
        self.notice = ""

    def get(
        self, fingerprint: str, keys: Sequence[str], dimension: int
    ) -> dict[str, tuple[NDArray[np.float32], float]]:
        return {}

    def put(
        self, fingerprint: str, keys: Sequence[str], vectors: NDArray[np.float32], cost: float
    ) -> None:
        pass

    def close(self) -> None:
        pass


class CachedEmbedder:
    """An embedder behind a cache; itself an embedder.

    Args:
        embedder: The model.
        cache: Where vectors are kept.
    """

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        self.embedder = embedder
        self.cache = cache

    @property
    def name(self) -> str:
        """The model's name."""
        return self.embedder.name

    @property
    def fingerprint(self) -> str:
        """The model's fingerprint."""
        return self.embedder.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.embedder.dimension

    @property
    def languages(self) -> frozenset[str] | None:
        """Languages the model was trained on; None means any."""
        return self.embedder.languages

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension)."""
        return self.embed_with_cost(texts, "document")[0]

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension)."""
        return self.embed_with_cost(texts, "query")[0]

    def embed_with_cost(
        self, texts: Sequence[str], role: Role
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Vectors, and what encoding each text cost when it was encoded.

        Args:
            texts: The texts; repeated ones are encoded once.
            role: Some models encode queries and documents differently.

        Returns:
            float32 unit vectors, shape (n, dimension), and CPU milliseconds, shape (n,).
        """
        keys = [_key(role, text) for text in texts]
        known = self.cache.get(self.fingerprint, list(dict.fromkeys(keys)), self.dimension)
        missing = {k: text for k, text in zip(keys, texts, strict=True) if k not in known}
        if missing:
            known.update(self._encode(missing, role))
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        costs = np.zeros(len(texts))
        for i, key in enumerate(keys):
            vectors[i], costs[i] = known[key]
        return vectors, costs

    def _encode(
        self, texts: dict[str, str], role: Role
    ) -> dict[str, tuple[NDArray[np.float32], float]]:
        global _encoded
        encode = self.embedder.embed_queries if role == "query" else self.embedder.embed_documents
        # Similar lengths side by side waste least on padding; the longest first shows the true
        # pace.
        keys = sorted(texts, key=lambda key: (-len(texts[key]), key))
        fresh: dict[str, tuple[NDArray[np.float32], float]] = {}
        if self.fingerprint not in _warm:
            # Loading a model is not the cost of a text: one throw-away text loads and warms it.
            encode(["warm-up"])
            _warm.add(self.fingerprint)
        # What is made as quickly as it is read needs no bar.
        total = 0 if isinstance(self.cache, _Nothing) else len(keys)
        with _progress(total, self.name) as step:
            for at in range(0, len(keys), _CHUNK):
                chunk = keys[at : at + _CHUNK]
                began = time.process_time()
                vectors = self._checked(encode([texts[key] for key in chunk]), len(chunk))
                cost = (time.process_time() - began) * 1000 / len(chunk)
                self.cache.put(self.fingerprint, chunk, vectors, cost)
                fresh.update({k: (v, cost) for k, v in zip(chunk, vectors, strict=True)})
                with _count_lock:
                    _encoded += len(chunk)
                step(len(chunk))
        return fresh

    def _checked(self, vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """The vectors scaled to unit length, so that products are cosines; zero stays zero."""
        vectors = np.asarray(vectors, np.float32)
        if vectors.shape != (count, self.dimension) or not np.isfinite(vectors).all():
            raise InvalidInputError(
                f"{self.name} gave vectors of shape {vectors.shape} for {count} texts, or values "
                "that are not finite.",
                where="embedder",
                next_step=f"Return float32 rows of length {self.dimension}, as it declares.",
            )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(norms > 0, norms, 1), np.float32)


def cached(embedder: Embedder) -> CachedEmbedder:
    """The embedder behind the shared cache on disk; a cached one as it is.

    One that says ``instant = True`` is put behind no cache at all.
    """
    if isinstance(embedder, CachedEmbedder):
        return embedder
    if getattr(embedder, "instant", False):
        return CachedEmbedder(embedder, EmbeddingCache.none())
    return CachedEmbedder(embedder, _shared_cache(str(get_settings().cache_dir)))


@lru_cache(maxsize=8)
def _shared_cache(folder: str) -> EmbeddingCache:
    path = Path(folder) / "embeddings.sqlite3"
    try:
        return EmbeddingCache(path)
    except (OSError, VCPError) as error:
        # Work goes on, and the reader learns why it will be as slow the next time.
        return EmbeddingCache.memory(
            f"vectors are not kept on disk: {path} cannot be used ({error}). Set VCPLAB_CACHE_DIR "
            "to a folder that can be written."
        )


def _key(role: Role, text: str) -> str:
    # surrogatepass: a lone surrogate is a legal Python string and may stand in any pasted text.
    content = f"{role}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _progress(total: int, name: str) -> Iterator[Callable[[int], object]]:
    if total < _LONG or not get_settings().progress:
        yield lambda _: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=f"encoding with {name}", unit="text", leave=False) as bar:
        yield bar.update
