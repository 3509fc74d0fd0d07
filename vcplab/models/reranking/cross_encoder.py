"""Cross-encoders of the sentence-transformers library, by model name or local folder."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    MissingDependencyError,
    StateError,
)
from vcplab.models.folders import model_folder
from vcplab.models.reranking.lists import checked_scores, clean

__all__ = ["Activation", "CrossEncoder"]

Activation = Literal["sigmoid", "none"]

# Path, size and time of change of every file.
_Stamp = tuple[tuple[str, int, int], ...]


class _Pinned:
    """Hash of the files that a cross-encoder was first seen with; travels with it in pickles."""

    digest: str | None = None


@dataclass(frozen=True)
class CrossEncoder:
    """A cross-encoder as a reranker; loaded when a document is first scored.

    It reads query and document together, so it judges better than a cosine and has to read every
    pair: give it the first 50 to 100 candidates (:class:`~vcplab.memory.stages.rerank.Rerank`).
    One object may be used by many threads; they take turns.

    Attributes:
        name_or_path: A folder, or a model name that is already in the local Hugging Face cache.
            Nothing is downloaded unless the setting ``offline`` is switched off.
        batch_size: Pairs per forward pass.
        max_length: Tokens of query and document together, beyond which the document is cut; the
            model's own limit if None.
        device: Where it runs: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        activation: What is done to the model's raw score: ``sigmoid``, ``none``, or what the model
            says if None. Neither changes an order, but for scores so high that a sigmoid cannot
            tell them apart.

    Raises:
        InvalidInputError: A parameter is out of range.
        MissingDependencyError: On first use, if the ``[dense]`` extra is not installed.
        NotFoundError: On first use, if the model is not on this machine.
        InvalidDataError: On first use, if the folder holds no cross-encoder with one score.
        StateError: The files have changed since the first use: make a new object.
    """

    name_or_path: str
    _: KW_ONLY
    batch_size: int = 32
    max_length: int | None = None
    device: str = "cpu"
    activation: Activation | None = None
    _pinned: _Pinned = field(default_factory=_Pinned, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name_or_path", str(self.name_or_path))
        for name, value in (("batch_size", self.batch_size), ("max_length", self.max_length)):
            if value is not None and value < 1:
                raise InvalidInputError(
                    f"{name}={value} is below 1.",
                    where=name,
                    next_step="32 pairs per pass and the model's own length are the defaults.",
                )
        if self.activation not in (None, *get_args(Activation)):
            raise InvalidInputError(
                f"activation={self.activation!r} is not known.",
                where="activation",
                next_step=f"Use {' or '.join(get_args(Activation))}, or None for the model's own.",
            )

    @property
    def name(self) -> str:
        """Last part of the model's name."""
        return Path(self.name_or_path).name

    @property
    def fingerprint(self) -> str:
        """Hash of the model's files, ``max_length`` and ``activation``.

        Batch size and device are left out: they change no more than the rounding of a score.
        """
        content = json.dumps([self._digest(), self.max_length, self.activation])
        return f"ce-{hashlib.sha256(content.encode()).hexdigest()[:24]}"

    def folder(self) -> Path:
        """Where the model's files are.

        Raises:
            NotFoundError: They are not on this machine and the setting ``offline`` is on.
        """
        return model_folder(self.name_or_path)

    def prepare(self) -> None:
        """Load the model now rather than with the first document."""
        self._model()

    def score(self, query: str, documents: Sequence[str]) -> NDArray[np.float64]:
        """One score per document, shape (len(documents),); larger is more relevant.

        Args:
            query: The question.
            documents: Texts; possibly none.
        """
        return self.score_many([query], [documents])[0]

    def score_many(
        self, queries: Sequence[str], documents: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float64]]:
        """Score one list of documents per query; batches are filled across queries.

        Args:
            queries: The questions.
            documents: The documents of each, as many lists as queries.

        Returns:
            Per query, shape (documents of that query,).
        """
        pairs = [
            (asked, clean(document))
            for query, own in zip(queries, documents, strict=True)
            for asked in [clean(query)]
            for document in own
        ]
        scores = self._predict(pairs) if pairs else np.empty(0)
        ends = np.cumsum([len(own) for own in documents], dtype=np.int64)
        return [scores[end - len(own) : end] for own, end in zip(documents, ends, strict=True)]

    def _predict(self, pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
        model, lock = self._model()
        with lock:
            scores = model.predict(
                pairs,
                batch_size=self.batch_size,
                show_progress_bar=False,
                convert_to_numpy=True,
                activation_fn=_activation(self.activation),
            )
        return checked_scores(self.name, scores, len(pairs))

    def _digest(self) -> str:
        folder = str(self.folder())
        digest = _digest(folder, _stamp(folder))
        if self._pinned.digest is None:
            self._pinned.digest = digest
        elif self._pinned.digest != digest:
            # What was cached under the old fingerprint must not be mixed with the new scores.
            raise StateError(
                f"The files of {self.name} have changed since they were first read.",
                where=folder,
                next_step=f"Make a new one: CrossEncoder({self.name_or_path!r}).",
            )
        return digest

    def _model(self) -> tuple[Any, threading.Lock]:
        self._digest()
        folder = str(self.folder())
        with _loading:
            return _load(folder, _stamp(folder), self.device, self.max_length)


_loading = threading.Lock()


def _stamp(folder: str) -> _Stamp:
    root = Path(folder)
    files = [(path, path.stat()) for path in root.rglob("*") if path.is_file()]
    return tuple(
        sorted((path.relative_to(root).as_posix(), s.st_size, s.st_mtime_ns) for path, s in files)
    )


@lru_cache(maxsize=16)
def _digest(folder: str, stamp: _Stamp) -> str:
    digest = hashlib.sha256()
    for name, _, _ in stamp:
        digest.update(name.encode())
        with (Path(folder) / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@lru_cache(maxsize=2)
def _load(
    folder: str, stamp: _Stamp, device: str, max_length: int | None
) -> tuple[Any, threading.Lock]:
    try:
        import sentence_transformers
    except ImportError as error:
        raise _missing() from error
    from transformers.utils import logging

    # Its bar for 100 tensors that load in 15 ms would be the first thing a notebook shows.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    _check_head(Path(folder))
    try:
        model = sentence_transformers.CrossEncoder(
            folder, local_files_only=True, device=device, max_length=max_length
        )
    except Exception as error:  # the libraries raise many kinds for a folder or device they dislike
        raise InvalidDataError(
            f"The cross-encoder cannot be loaded: {_first_line(error)}",
            where=folder,
            next_step=f"Check that the folder is complete and that device {device!r} exists; "
            "sentence_transformers.CrossEncoder(folder) shows the library's own account.",
        ) from error
    if model.num_labels != 1:
        raise InvalidDataError(
            f"The model gives {model.num_labels} scores per pair, not one.",
            where=folder,
            next_step="Use a model trained for reranking; classifiers (such as those of "
            "entailment) say nothing about relevance.",
        )
    longest = getattr(model.config, "max_position_embeddings", None)
    if max_length is not None and isinstance(longest, int) and 0 < longest < max_length:
        raise InvalidInputError(
            f"max_length={max_length} is beyond the {longest} positions of the model.",
            where="max_length",
            next_step="Leave it out for the model's own limit.",
        )
    # Fast tokenisers are changed by every call and must not be used by two threads at once.
    return model, threading.Lock()


def _check_head(folder: Path) -> None:
    """Refuse an encoder, on which the library would put a scoring layer of random weights."""
    kind = _json(folder / "config_sentence_transformers.json").get("model_type")
    architectures = _json(folder / "config.json").get("architectures") or []
    if (folder / "modules.json").is_file():
        fits = kind == "CrossEncoder"
    else:
        heads = ("ForSequenceClassification", "ForCausalLM", "ForConditionalGeneration")
        fits = not architectures or str(architectures[0]).endswith(heads)
    if not fits:
        raise InvalidDataError(
            "The folder holds an encoder, not a cross-encoder: it has no layer that scores pairs.",
            where=str(folder),
            next_step="Use it in the dense lane (vl.SentenceTransformer), or give a reranker such "
            "as cross-encoder/ms-marco-MiniLM-L6-v2 or BAAI/bge-reranker-v2-m3.",
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _activation(name: Activation | None) -> Any:
    if name is None:
        return None
    import torch

    return torch.nn.Sigmoid() if name == "sigmoid" else torch.nn.Identity()


def _first_line(error: Exception) -> str:
    return next(chain(str(error).strip().splitlines(), [type(error).__name__]))


def _missing() -> MissingDependencyError:
    return MissingDependencyError(
        "Reranking with a cross-encoder needs packages that are not installed.",
        where="vcplab[dense]",
        next_step='pip install "vcplab[dense]", or rerank by a service: vl.HTTPReranker(url).',
    )
