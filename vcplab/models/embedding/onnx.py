"""A sentence-transformers model run by ONNX Runtime: the same vectors, faster for single queries.

The transformer, its mean pooling and the scaling to unit length are exported once into the cache
folder, with the tokenizer beside them. From then on a process that only encodes loads neither torch
nor sentence-transformers. The numbers stay float32: int8 would be faster still, but its vectors
point elsewhere (mean cosine to the original .94 for MiniLM).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    StateError,
)
from vcplab.core.files import write_atomic
from vcplab.core.settings import get_settings
from vcplab.models.embedding._onnx_export import export_model
from vcplab.models.embedding._onnx_model import FORMAT, Description, ExportedModel, need
from vcplab.models.embedding.minilm import MiniLM
from vcplab.models.embedding.sentence import SentenceTransformer

__all__ = ["OnnxEmbedder"]

# Loaded models; MiniLM takes some 150 MB.
_KEPT = 2
_lock = Lock()
_loaded: dict[Path, ExportedModel] = {}


@dataclass(frozen=True)
class OnnxEmbedder:
    """A sentence-transformers model, exported once and run by ONNX Runtime on the CPU.

    The first use exports the model (some ten seconds for MiniLM, for which torch is loaded) to
    ``<cache_dir>/onnx/``; later processes need ``onnxruntime`` alone. A damaged export is made
    again. Vectors agree with torch's to about six digits, so they are cached under a fingerprint
    of their own.

    Attributes:
        base: The model. Its modules must be a transformer, mean pooling and at most a Normalize.

    Raises:
        InvalidInputError: ``base`` is not a SentenceTransformer or MiniLM; on first use, if its
            pooling or a module of it is not supported.
        MissingDependencyError: On first use, if the ``[onnx]`` extra is not installed, or, for the
            export, the ``[dense]`` extra.
        StateError: On first use, if the export does not give torch's vectors or cannot be stored.
    """

    base: SentenceTransformer = field(default_factory=MiniLM)

    def __post_init__(self) -> None:
        if not isinstance(self.base, SentenceTransformer):
            raise InvalidInputError(
                f"OnnxEmbedder cannot export a {type(self.base).__name__}.",
                where="OnnxEmbedder(base=…)",
                next_step="Give a MiniLM() or a SentenceTransformer(…); others run as they are.",
            )

    @property
    def name(self) -> str:
        """The base model's name, marked."""
        return f"{self.base.name}-onnx"

    @property
    def fingerprint(self) -> str:
        """The base model's, marked: the vectors differ in the seventh digit."""
        return f"onnx-fp32-{self.base.fingerprint}"

    @property
    def dimension(self) -> int:
        """Length of a vector; known without torch once the model is exported."""
        path = _path(self.base, get_settings().cache_dir)
        exported = _loaded.get(path)
        if exported is not None:
            return exported.dimension
        try:
            return _read_description(path).dimension
        except (OSError, InvalidDataError):
            return self.base.dimension

    @property
    def languages(self) -> frozenset[str] | None:
        """Languages the base model was trained on; None means any."""
        return self.base.languages

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension); the model's document prompt applies."""
        exported = self._exported()
        return exported.encode(texts, exported.description.document_prompt, self.base.batch_size)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension); the model's query prompt applies."""
        exported = self._exported()
        return exported.encode(texts, exported.description.query_prompt, self.base.batch_size)

    def _exported(self) -> ExportedModel:
        path = _path(self.base, get_settings().cache_dir)
        exported = _loaded.get(path)
        if exported is None:
            need("onnxruntime")
            with _lock:
                exported = _loaded.get(path) or _load_orexport_model(self.base, path)
                _loaded[path] = exported
                for stale in list(_loaded)[:-_KEPT]:
                    del _loaded[stale]
        return exported


@lru_cache(maxsize=16)
def _path(base: SentenceTransformer, folder: Path) -> Path:
    # Remembered: to find a model by its name takes longer than to encode a query.
    return folder / "onnx" / f"{base.fingerprint}.onnx"


def _load_orexport_model(base: SentenceTransformer, path: Path) -> ExportedModel:
    with suppress(OSError, InvalidDataError):
        return _load(path)
    with _storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
    # Workers of one comparison start together: one exports, the others wait for it.
    try:
        with suppress(OSError, InvalidDataError):
            return _load(path)
        graph, description = export_model(base)
        with _storing(path):
            # The description comes last: a graph that is not the described one counts for nothing.
            write_atomic(path, graph)
            write_atomic(path.with_suffix(".json"), json.dumps(vars(description)))
        return _load(path)
    finally:
        lock.release()


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"The exported model cannot be stored: {error}.",
            where=str(path),
            next_step="Make room, or point VCPLAB_CACHE_DIR to a folder that can be written.",
        ) from error


def _load(path: Path) -> ExportedModel:
    """Read an export.

    Raises:
        OSError: It is not there.
        InvalidDataError: It is damaged or of another format.
    """
    description = _read_description(path)
    graph = path.read_bytes()
    # A truncated graph fails to load, but one with a flipped bit would give wrong vectors quietly.
    if hashlib.sha256(graph).hexdigest() != description.sha256:
        raise InvalidDataError("The exported model is not the one described.", where=str(path))
    try:
        return ExportedModel(graph, description)
    except Exception as error:  # the runtime and the tokenizer have a dozen kinds, most bare
        raise InvalidDataError(
            f"The exported model cannot be loaded: {error}", where=str(path)
        ) from error


def _read_description(path: Path) -> Description:
    text = path.with_suffix(".json").read_bytes()
    try:
        description = Description(**json.loads(text))
        if description.format == FORMAT:
            return description
    except (TypeError, ValueError):
        pass  # not JSON, or other fields: told below
    raise InvalidDataError(
        "The description of the exported model is damaged or of another version.",
        where=str(path.with_suffix(".json")),
        next_step="Delete the file; the model is exported again on its next use.",
    )
