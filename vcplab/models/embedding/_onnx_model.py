"""An exported model: what is stored of it, and how it encodes."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import MissingDependencyError

__all__ = ["FORMAT", "Description", "ExportedModel", "need"]

# Of the two files in the cache; another number means they are made again.
FORMAT = 1
# Tokenised together, then sorted by token count, so that little of a batch is padding.
_BATCHES_PER_BLOCK = 16


@dataclass(frozen=True)
class Description:
    """What encoding needs besides the graph; kept as JSON beside it."""

    sha256: str
    dimension: int
    max_length: int
    pad_id: int
    query_prompt: str
    document_prompt: str
    tokenizer: str
    format: int = FORMAT


class ExportedModel:
    """A loaded export. Session and tokenizer are set up once and may be used by many threads."""

    def __init__(self, graph: bytes, description: Description) -> None:
        runtime = need("onnxruntime")
        # Builds for Windows report usage by default.
        runtime.disable_telemetry_events()
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised; the log would be said twice
        # Idle threads would burn a core between two steps: a query is charged its CPU time, and a
        # machine that has other work to do is slowed.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        from tokenizers import Tokenizer

        self.description = description
        self.dimension = description.dimension
        self._session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._inputs = {value.name for value in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_str(description.tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(description.max_length)

    def encode(self, texts: Sequence[str], prompt: str, batch_size: int) -> NDArray[np.float32]:
        """Unit vectors in the order of the texts, shape (len(texts), dimension)."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        # By length in characters first, since the tokens of all texts may not fit into memory.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        block = _BATCHES_PER_BLOCK * batch_size
        for at in range(0, len(order), block):
            rows = order[at : at + block]
            ids = self._tokenise([prompt + texts[i] for i in rows])
            by_count = sorted(range(len(rows)), key=lambda j: len(ids[j]))
            for begin in range(0, len(rows), batch_size):
                batch = by_count[begin : begin + batch_size]
                vectors[[rows[j] for j in batch]] = self._run([ids[j] for j in batch])
        return vectors

    def _tokenise(self, texts: list[str]) -> list[list[int]]:
        # Tokenizers are written in Rust and refuse lone surrogates, which Python strings may hold.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(clean)]

    def _run(self, batch: list[list[int]]) -> NDArray[np.float32]:
        shape = (len(batch), max(1, *map(len, batch)))
        ids = np.full(shape, self.description.pad_id, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feed = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros(shape, np.int64)
        (vectors,) = self._session.run(None, feed)
        return np.asarray(vectors, np.float32)


def need(package: str) -> Any:
    """An optional package, or an error that says how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingDependencyError(
            f"OnnxEmbedder needs {package}, which is not installed.",
            where="vcplab[onnx]",
            next_step='pip install "vcplab[onnx]", or use the model without ONNX.',
        ) from error
