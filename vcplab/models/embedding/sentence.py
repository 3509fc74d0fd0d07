"""Embedders of the sentence-transformers library, by model name or local folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import MissingDependencyError
from vcplab.models.folders import folder_digest, model_folder

__all__ = ["SentenceTransformer"]


@dataclass(frozen=True)
class SentenceTransformer:
    """A sentence-transformers model as an embedder; loaded when a text is first encoded.

    Attributes:
        name_or_path: A folder, or a model name that is already in the local Hugging Face cache.
            Nothing is downloaded unless the setting ``offline`` is switched off.
        languages: Language codes it was trained on (``frozenset({"zh", "en"})``); None means any.
            Fusions leave the lane out where query or document is in another language.
        batch_size: Texts per forward pass.

    Raises:
        MissingDependencyError: On first use, if the ``[dense]`` extra is not installed.
        NotFoundError: On first use, if the model is not on this machine.
    """

    name_or_path: str
    languages: frozenset[str] | None = None
    batch_size: int = 32

    @property
    def name(self) -> str:
        """Last part of the model's name."""
        return Path(self.name_or_path).name

    @property
    def fingerprint(self) -> str:
        """Hash of the model's files."""
        return f"st-{folder_digest(self.folder())[:24]}"

    @property
    def dimension(self) -> int:
        """Length of a vector; loads the model."""
        return int(self._model().get_embedding_dimension())

    def folder(self) -> Path:
        """Where the model's files are.

        Raises:
            NotFoundError: They are not on this machine and the setting ``offline`` is on.
        """
        return model_folder(self.name_or_path)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension); the model's document prompt applies."""
        return self._encode("encode_document", texts)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension); the model's query prompt applies."""
        return self._encode("encode_query", texts)

    def _encode(self, method: str, texts: Sequence[str]) -> NDArray[np.float32]:
        # Tokenizers are written in Rust and refuse lone surrogates, which Python strings may hold.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        vectors = getattr(self._model(), method)(
            clean,
            batch_size=self.batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, np.float32)

    def _model(self) -> Any:
        return _load(str(self.folder()))


@lru_cache(maxsize=2)
def _load(folder: str) -> Any:
    try:
        import sentence_transformers
    except ImportError as error:
        raise _missing() from error
    from transformers.utils import logging

    # Its bar for 100 tensors that load in 15 ms would be the first thing a notebook shows.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return sentence_transformers.SentenceTransformer(folder, local_files_only=True, device="cpu")


def _missing() -> MissingDependencyError:
    return MissingDependencyError(
        "Encoding with sentence-transformers needs packages that are not installed.",
        where="vcplab[dense]",
        next_step='pip install "vcplab[dense]", or use an embedder without weights: '
        "Dense(vl.LSA()).",
    )
