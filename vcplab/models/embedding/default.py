"""Which embedder a lane gets when none is named."""

from __future__ import annotations

from vcplab.models.embedding.minilm import MiniLM

__all__ = ["default_embedder"]


def default_embedder() -> MiniLM:
    """The offline default: all-MiniLM-L6-v2 from its wheel, loaded when a text is first encoded."""
    return MiniLM()
