"""Detectors that mark the tokens of an answer, in the manner of LettuceDetect."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.grounding.detectors._pair_models import load_classifier
from vcplab.grounding.detectors._sources import Stopwatch, abstain, severity_of, sources_of
from vcplab.models.folders import folder_digest, model_folder
from vcplab.protocol.grounding import Finding, Sample, Verdict
from vcplab.text.language import dominant_language, is_covered

__all__ = ["LettuceDetector"]

_NAMES: Final = ("lettuce.spans", "lettuce.max", "lettuce.share")
# The prompts of RAGTruth, which such models were trained on.
_QUESTION: Final = (
    "Briefly answer the following question:\n{question}\nBear in mind that your response should be "
    "strictly based on the following {count} passages:\n{passages}\nIn case the passages do not "
    'contain the necessary information to answer the question, please reply with: "Unable to '
    'answer based on given passages."\noutput:'
)
_SUMMARY: Final = "Summarize the following text:\n{passages}\noutput:"
_LIMIT: Final = 4096


class LettuceDetector:
    """Lets a token classifier mark what an answer's context does not support.

    ``p`` is the highest confidence of a marked span, 0 if none is; it is not calibrated.

    Args:
        model: A folder or a name in the local Hugging Face cache with a token classifier whose
            label for hallucinated tokens is named so, or is the second of LABEL_0 and LABEL_1
            (LettuceDetect); or an object with ``predict(context=, question=, answer=,
            output_format="spans")`` that returns ``{start, end, text, confidence}`` mappings; or
            a function of context, question and answer that does.
        min_confidence: Tokens below are not marked, from 0 to 1.
        languages: Codes of the languages it can read; None means any.
        max_length: Tokens of context and answer together; the context is cut.
        device: Where it runs.
        use_history: Whether what was said before counts as context.

    Raises:
        InvalidInputError: ``model`` is no such thing, or ``min_confidence`` out of range.
        MissingDependencyError: On first use, if torch or transformers is not installed.
        NotFoundError: On first use, if the model is not on this machine.
        InvalidDataError: On first use, if it is no token classifier, or it gives spans that are
            not in the answer.
    """

    name = "lettuce"
    calibrated = False
    names = _NAMES

    def __init__(
        self,
        model: Any,
        *,
        min_confidence: float = 0.5,
        languages: Collection[str] | None = None,
        max_length: int = _LIMIT,
        device: str = "cpu",
        use_history: bool = True,
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise InvalidInputError(
                f"min_confidence is {min_confidence}.",
                where="min_confidence",
                next_step="Pass a number from 0 to 1.",
            )
        self._path = str(model) if isinstance(model, str | Path) else None
        predict = getattr(model, "predict", None)
        if self._path is None and not callable(predict) and not callable(model):
            raise InvalidInputError(
                f"A {type(model).__name__} marks no spans.",
                where="model",
                next_step="Give a name, a folder, an object with predict(…), or a function.",
            )
        self.model = model
        self.min_confidence = min_confidence
        self.languages = None if languages is None else frozenset(languages)
        self.max_length = max_length
        self.device = device
        self.use_history = use_history
        # What cannot be told apart must not share a cache.
        self._own = str(getattr(model, "fingerprint", None) or uuid.uuid4().hex)

    def __repr__(self) -> str:
        return f"LettuceDetector({self._path or type(self.model).__name__})"

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change."""
        model = self._own if self._path is None else folder_digest(model_folder(self._path))[:24]
        return f"lettuce-1:{model}:{self.min_confidence:g}:{self.max_length}:{self.use_history:d}"

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample.

        Args:
            samples: Responses with their contexts, and questions if there are any.
        """
        return [self._detect(sample) for sample in samples]

    def _detect(self, sample: Sample) -> Verdict:
        watch = Stopwatch()
        sources = sources_of(sample, history=self.use_history)
        if not sources:
            return abstain("There is no context.", watch)
        if not sample.response.strip():
            return abstain("The response has no words.", watch)
        code = dominant_language(sample.response)
        if not is_covered(code, self.languages):
            return abstain(f"The model does not read the language {code}.", watch)
        spans = sorted(self._spans([source.text for source in sources], sample))
        findings = tuple(
            Finding(
                start, end, p, "lettuce.span", "The context does not support it.", kind,  # type: ignore[arg-type]
                severity_of(p),
            )
            for start, end, p, kind in spans
        )  # fmt: skip
        p = max((one[2] for one in spans), default=0.0)
        marked = sum(end - start for start, end, _, _ in spans)
        values = (float(len(spans)), p, marked / len(sample.response))
        features = dict(zip(_NAMES, values, strict=True))
        return Verdict(p, findings, features, raw=p, ms=watch.ms)

    def _spans(
        self, context: list[str], sample: Sample
    ) -> Iterator[tuple[int, int, float, str | None]]:
        if self._path is not None:
            yield from self._classified(context, sample)
            return
        predict = getattr(self.model, "predict", None)
        said = (
            predict(
                context=context,
                question=sample.question or None,
                answer=sample.response,
                output_format="spans",
            )
            if callable(predict)
            else self.model(context, sample.question, sample.response)
        )
        for one in said:
            start, end, confidence = _checked(one, sample.response)
            if confidence >= self.min_confidence:
                yield start, end, confidence, None

    def _classified(
        self, context: list[str], sample: Sample
    ) -> Iterator[tuple[int, int, float, str | None]]:
        """Runs of tokens that the classifier takes for hallucinated."""
        import torch

        assert self._path is not None
        model, tokenizer, config, lock = load_classifier(
            str(model_folder(self._path)), "AutoModelForTokenClassification", self.device, False
        )
        wrong = _wrong_label({int(k): str(v) for k, v in config.id2label.items()}, self._path)
        passages = "\n".join(
            f"passage {number}: {text}" for number, text in enumerate(context, start=1)
        )
        prompt = (_QUESTION if sample.question else _SUMMARY).format(
            question=sample.question,
            count=len(context),
            passages=passages if sample.question else "\n".join(context),
        )
        positions = getattr(config, "max_position_embeddings", None)
        limit = min(self.max_length, positions - 4 if isinstance(positions, int) else _LIMIT)
        with lock, torch.inference_mode():
            encoded = tokenizer(
                prompt, sample.response, truncation="only_first", max_length=limit,
                return_offsets_mapping=True, return_tensors="pt",
            )  # fmt: skip
            offsets = encoded.pop("offset_mapping")[0].tolist()
            own = [number == 1 for number in encoded.sequence_ids(0)]
            logits = model(**encoded.to(self.device)).logits[0].float()
            chances = logits.softmax(dim=-1)[:, wrong].cpu().tolist()
        run: tuple[int, int, float] | None = None
        for (start, end), mine, chance in zip(offsets, own, chances, strict=True):
            if not mine or start == end:
                continue
            if chance >= self.min_confidence:
                run = (start, end, chance) if run is None else (run[0], end, max(run[2], chance))
            elif run is not None:
                yield (*run, None)
                run = None
        if run is not None:
            yield (*run, None)


def _wrong_label(labels: Mapping[int, str], where: str) -> int:
    """The label of hallucinated tokens."""
    named = [
        place
        for place, name in labels.items()
        if "halluc" in name.lower() or name.lower().startswith("unsupported")
    ]
    if len(named) == 1:
        return named[0]
    if not named and {name.upper() for name in labels.values()} == {"LABEL_0", "LABEL_1"}:
        return 1
    raise InvalidDataError(
        f"The model's labels {list(labels.values())} do not tell which one means hallucinated.",
        where=where,
        next_step="Name it in id2label of the model's config.json: hallucinated.",
    )


def _checked(one: Any, answer: str) -> tuple[int, int, float]:
    try:
        start, end = int(one["start"]), int(one["end"])
        confidence = float(one.get("confidence", 1.0))
    except (KeyError, TypeError, ValueError, AttributeError):
        start, end, confidence = -1, -1, 0.0
    if not 0 <= start < end <= len(answer) or not 0 <= confidence <= 1:
        raise InvalidDataError(
            f"The model gave a span that is not in the answer: {one!r:.100}",
            where="model",
            next_step="Spans are mappings with start, end and confidence, offsets in the answer.",
        )
    return start, end, confidence
