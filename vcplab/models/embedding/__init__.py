"""Embedders (texts to unit vectors) and the content-hash cache before them."""

from vcplab.models.embedding.cache import CachedEmbedder, EmbeddingCache, cached, encoded_texts
from vcplab.models.embedding.default import default_embedder

__all__ = ["CachedEmbedder", "EmbeddingCache", "cached", "default_embedder", "encoded_texts"]
