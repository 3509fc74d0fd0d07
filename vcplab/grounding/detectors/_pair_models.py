"""Models that read a premise and a hypothesis together, whatever form they come in."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError, InvalidInputError, MissingDependencyError
from vcplab.models.folders import folder_digest, model_folder

__all__ = ["Kind", "PairModel", "PairScores", "load_classifier", "outcome_of", "pair_model"]

Kind = Literal["auto", "nli", "minicheck", "hhem", "alignscore", "lettuce"]
Pair = tuple[str, str]

# What the labels of published models are called, lower case.
_SUPPORTED: Final = ("entail", "support", "align", "consistent", "faithful", "grounded", "factual")
_AGAINST: Final = ("contradict", "refut")
_OTHER: Final = ("neutral", "unverif", "not enough", "nei")
# Characters of a window for models that do not tell how much they take.
_CHARACTERS: Final = 1500


class PairScores(NamedTuple):
    """What a model says of pairs.

    Attributes:
        support: How likely each hypothesis follows from its premise, from 0 to 1.
        contradiction: How likely it contradicts it; zeros if the model does not tell.
    """

    support: NDArray[np.float64]
    contradiction: NDArray[np.float64]


class _Outcome(NamedTuple):
    support: int
    contradiction: int | None


class PairModel(Protocol):
    """A model of pairs."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever some score would change."""

    @property
    def limit(self) -> int:
        """How much premise and hypothesis together may measure."""

    def measure(self, text: str) -> int:
        """The length of a text in the units of ``limit``."""

    def score(self, pairs: Sequence[Pair]) -> PairScores:
        """What it says of each pair of a premise and a hypothesis."""


def outcome_of(labels: Mapping[int, str], kind: Kind, where: str) -> _Outcome:
    """Which outputs of a classifier mean support and contradiction, by the names of its labels.

    Args:
        labels: ``id2label`` of its configuration.
        kind: Whose contract holds where the labels are named LABEL_0, LABEL_1, …: MiniCheck's
            (the second of two is "supported") or AlignScore's (the first of three is "aligned").
        where: The model, for the error.

    Raises:
        InvalidDataError: The labels do not tell.
    """
    names = {place: name.lower().replace("_", " ") for place, name in labels.items()}
    denied = ("not ", "non", "un", "in", "hallucin")
    support = [
        place
        for place, name in names.items()
        if any(word in name for word in _SUPPORTED) and not name.startswith(denied)
    ]
    against = [place for place, name in names.items() if any(word in name for word in _AGAINST)]
    if len(support) == 1 and len(against) <= 1:
        return _Outcome(support[0], against[0] if against else None)
    bare = all(name.startswith("label ") for name in names.values())
    if bare and kind == "minicheck" and len(names) == 2:
        return _Outcome(1, None)
    if bare and kind == "alignscore" and len(names) == 3:
        return _Outcome(0, 2)
    raise InvalidDataError(
        f"The model's labels {list(labels.values())} do not tell which one means support.",
        where=where,
        next_step="Name them in id2label of its config.json (entailment, neutral, contradiction), "
        'or say whose contract it follows: kind="minicheck" or kind="alignscore".',
    )


def pair_model(
    model: Any,
    kind: Kind,
    *,
    labels: Sequence[str] | None,
    batch_size: int,
    max_length: int | None,
    device: str,
    trust_remote_code: bool,
) -> PairModel:
    """A model of pairs from a name, a folder, an object with ``predict``, or a function."""
    if isinstance(model, str | Path):
        return _Classifier(
            str(model), kind, batch_size, max_length, device, trust_remote_code=trust_remote_code
        )
    predict = getattr(model, "predict", None)
    if not callable(predict):
        predict = model if callable(model) and not isinstance(model, type) else None
    if predict is None:
        raise InvalidInputError(
            f"A {type(model).__name__} is no model of pairs.",
            where="model",
            next_step="Give a name, a folder, an object with predict(pairs), or a function.",
        )
    return _Adapted(model, predict, kind, labels, max_length)


class _Adapted:
    """Somebody else's model, or a function."""

    def __init__(
        self,
        model: Any,
        predict: Callable[[list[Pair]], Any],
        kind: Kind,
        labels: Sequence[str] | None,
        max_length: int | None,
    ) -> None:
        own = getattr(model, "name", None) or getattr(model, "__name__", type(model).__name__)
        self.name = str(own)
        given = getattr(model, "fingerprint", None)
        # What cannot be told apart must not share a cache.
        self.fingerprint = str(given) if given is not None else f"{self.name}-{uuid.uuid4().hex}"
        self.limit = max_length or _CHARACTERS
        self._predict = predict
        self._kind = kind
        if labels is None:
            config = getattr(getattr(model, "config", None), "id2label", None)
            named = config if isinstance(config, Mapping) else None
        else:
            named = dict(enumerate(labels))
        self._labels = None if named is None else {int(k): str(v) for k, v in named.items()}

    def measure(self, text: str) -> int:
        return len(text)

    def score(self, pairs: Sequence[Pair]) -> PairScores:
        said = self._predict(list(pairs))
        rows = said if isinstance(said, np.ndarray) else list(said)
        if len(rows) != len(pairs):
            raise InvalidDataError(
                f"{self.name} gave {len(rows)} scores for {len(pairs)} pairs.",
                where="model",
                next_step="It gives one row for each pair, in their order.",
            )
        if len(pairs) and isinstance(rows[0], Mapping):
            support = np.array([float(row["entailment"]) for row in rows])
            against = np.array([float(row.get("contradiction", 0.0)) for row in rows])
            return _checked(PairScores(support, against), self.name)
        values = np.array([np.asarray(row, dtype=float) for row in rows], dtype=float)
        values = values.reshape(len(pairs), -1)
        if values.shape[1] == 1:
            return _checked(PairScores(values[:, 0], np.zeros(len(pairs))), self.name)
        labels = self._labels or {at: f"LABEL_{at}" for at in range(values.shape[1])}
        outcome = outcome_of(labels, self._kind, self.name)
        return _checked(_scores(_softened(values), outcome), self.name)


class _Classifier:
    """A sequence classifier in a folder; loaded with the first pair."""

    def __init__(
        self,
        name_or_path: str,
        kind: Kind,
        batch_size: int,
        max_length: int | None,
        device: str,
        *,
        trust_remote_code: bool,
    ) -> None:
        self._path = name_or_path
        self._kind = kind
        self._batch = batch_size
        self._max_length = max_length
        self._device = device
        self._trusted = trust_remote_code

    @property
    def name(self) -> str:
        return Path(self._path).name

    @property
    def fingerprint(self) -> str:
        return f"{folder_digest(model_folder(self._path))[:24]}:{self._kind}:{self._max_length}"

    @property
    def limit(self) -> int:
        _, tokenizer, config, _ = self._loaded()
        longest = [self._max_length, getattr(config, "max_position_embeddings", None)]
        longest.append(getattr(tokenizer, "model_max_length", None))
        own = [int(value) for value in longest if isinstance(value, int) and 0 < value < 10**6]
        # Positions begin behind the padding index in RoBERTa and its kin.
        roberta = "roberta" in str(getattr(config, "model_type", ""))
        return min(own, default=512) - 2 * roberta - 4

    def measure(self, text: str) -> int:
        _, tokenizer, _, lock = self._loaded()
        with lock:
            return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def score(self, pairs: Sequence[Pair]) -> PairScores:
        model, tokenizer, config, lock = self._loaded()
        labels = {int(k): str(v) for k, v in dict(config.id2label).items()}
        import torch

        rows: list[NDArray[np.float64]] = []
        with lock, torch.inference_mode():
            for at in range(0, len(pairs), self._batch):
                part = pairs[at : at + self._batch]
                encoded = tokenizer(
                    [premise for premise, _ in part],
                    [hypothesis for _, hypothesis in part],
                    padding=True,
                    truncation="longest_first",
                    max_length=self.limit + 4,
                    return_tensors="pt",
                ).to(self._device)
                rows.append(model(**encoded).logits.float().cpu().numpy().astype(np.float64))
        logits = np.concatenate(rows) if rows else np.empty((0, len(labels)))
        if logits.shape[1] == 1:
            support = 1.0 / (1.0 + np.exp(-np.clip(logits[:, 0], -500, 500)))
            return PairScores(support, np.zeros(len(pairs)))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        outcome = outcome_of(labels, self._kind, self._path)
        return _scores(powers / powers.sum(axis=1, keepdims=True), outcome)

    def _loaded(self) -> tuple[Any, Any, Any, Any]:
        folder = model_folder(self._path)
        return load_classifier(
            str(folder), "AutoModelForSequenceClassification", self._device, self._trusted
        )


_loading = threading.Lock()


def load_classifier(
    folder: str, auto: str, device: str, trusted: bool
) -> tuple[Any, Any, Any, Any]:
    """Model, tokeniser, configuration and a lock for both; nothing is downloaded.

    Args:
        folder: The model's files.
        auto: The class of transformers that loads it.
        device: Where it runs.
        trusted: Whether code in the folder may run.

    Raises:
        MissingDependencyError: transformers or torch is not installed.
        InvalidDataError: The folder holds no such model.
    """
    with _loading:
        return _load(folder, auto, device, trusted)


@lru_cache(maxsize=2)
def _load(folder: str, auto: str, device: str, trusted: bool) -> tuple[Any, Any, Any, Any]:
    try:
        import transformers
        from transformers.utils import logging
    except ImportError as error:
        raise MissingDependencyError(
            "Classifiers of claims need packages that are not installed.",
            where="vcplab[dense]",
            next_step='pip install "vcplab[dense]".',
        ) from error
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trusted}
    try:
        config: Any = transformers.AutoConfig.from_pretrained(folder, **given)
        kind = auto.removeprefix("AutoModel")
        known = [str(name) for name in getattr(config, "architectures", None) or ()]
        if known and not trusted and not any(name.endswith(kind) for name in known):
            raise InvalidDataError(
                f"The folder holds a {known[0]}, which has no layer for this task ({kind}).",
                where=folder,
                next_step="Give a model that was trained for entailment or fact checking.",
            )
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, **given)
        model: Any = getattr(transformers, auto).from_pretrained(folder, **given)
        model = model.to(device).eval()
    except InvalidDataError:
        raise
    except Exception as error:  # the library raises many kinds for a folder it dislikes
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InvalidDataError(
            f"The model cannot be loaded: {first}",
            where=folder,
            next_step="Check that the folder is complete, that its tokeniser is in it and that "
            f"device {device!r} exists.",
        ) from error
    # Fast tokenisers are changed by every call and must not be used by two threads at once.
    return model, tokenizer, config, threading.RLock()


def _softened(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities as they are, logits by their softmax."""
    sums = values.sum(axis=1)
    if len(values) == 0 or (values.min() >= 0 and np.allclose(sums, 1.0, atol=1e-3)):
        return values
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    soft: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return soft


def _scores(values: NDArray[np.float64], outcome: _Outcome) -> PairScores:
    against = (
        np.zeros(len(values)) if outcome.contradiction is None else values[:, outcome.contradiction]
    )
    return PairScores(values[:, outcome.support], against)


def _checked(scores: PairScores, name: str) -> PairScores:
    both = np.concatenate([scores.support, scores.contradiction])
    if not np.isfinite(both).all() or (both < -1e-6).any() or (both > 1 + 1e-6).any():
        raise InvalidDataError(
            f"{name} gave scores that are no probabilities.",
            where="model",
            next_step="Apply a sigmoid, or give one score per label with labels=[…].",
        )
    return PairScores(np.clip(scores.support, 0, 1), np.clip(scores.contradiction, 0, 1))
