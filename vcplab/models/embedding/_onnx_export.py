"""Exporting a sentence-transformers model to ONNX, and refusing what the export would change."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vcplab.core.errors import InvalidDataError, InvalidInputError, StateError
from vcplab.models.embedding._onnx_model import Description, ExportedModel, need
from vcplab.models.embedding.sentence import SentenceTransformer

__all__ = ["export_model"]

# The newest that torch's tracing exporter writes without falling back to an older one.
_OPSET = 17
# What an export must reach against torch before it is kept; a good one reaches 1 - 1e-6.
_COSINE = 0.9999
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# Tokens of a model that sets no limit.
_UNLIMITED = 1 << 20
# Several lengths and scripts, in upper and lower case: a dimension that the export froze, or a
# tokenizer that differs, shows in them.
_PROBES = (
    "Budget 2026",
    "a much longer sentence, about nothing in particular " * 9,
    "预算 é ?",
    "",
)


def export_model(base: SentenceTransformer) -> tuple[bytes, Description]:
    """The graph of a model and what encoding needs besides; checked against torch.

    Raises:
        InvalidInputError: The model has parts that the export does not know.
        MissingDependencyError: The ``[onnx]`` extra is not installed.
        StateError: The export failed, or gives other vectors than torch.
    """
    _refuse_unsupported(base.folder())
    need("onnx")  # torch's exporter passes its result through it
    model = base._model()
    tokenizer = model.tokenizer
    try:
        graph = _trace(model[0].auto_model, tokenizer.model_input_names)
        description = Description(
            sha256=hashlib.sha256(graph).hexdigest(),
            dimension=base.dimension,
            max_length=min(int(model.max_seq_length or _UNLIMITED), _UNLIMITED),
            pad_id=int(tokenizer.pad_token_id or 0),
            query_prompt=_prompt(model, "query"),
            document_prompt=_prompt(model, "document", "passage", "corpus"),
            # As sentence-transformers set it up, which need not be what tokenizer.json says.
            tokenizer=tokenizer.backend_tokenizer.to_str(),
        )
        cosine = _agreement(ExportedModel(graph, description), base)
    except Exception as error:  # exporter, runtime and tokenizer have a dozen kinds
        raise _failed(base, f"{type(error).__name__}: {error}") from error
    if not cosine >= _COSINE:
        raise _failed(base, f"it gives other vectors than torch, cosine {cosine:.4f}")
    return graph, description


def _failed(base: SentenceTransformer, why: str) -> StateError:
    return StateError(
        f"The export of {base.name} failed: {why}.",
        where="OnnxEmbedder",
        next_step="Use the model without ONNX; nothing was stored.",
    )


def _trace(transformer: Any, names: Sequence[str]) -> bytes:
    import torch

    names = [name for name in _INPUTS if name in names]

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, *values: Any) -> Any:
            inputs = dict(zip(names, values, strict=True))
            hidden = self.transformer(**inputs, return_dict=False)[0]
            mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2.0, dim=1)

    ids = torch.ones((2, 7), dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0  # with padding, or the tracing would leave the mask out
    example = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        written = Path(folder) / "model.onnx"
        # The tracing exporter is deprecated, and warns of each branch it takes. Its successor
        # needs onnxscript besides; _agreement shows whether the result is right.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Pooled().eval(),
            tuple(example[name] for name in names),
            written,
            dynamo=False,
            opset_version=_OPSET,
            input_names=names,
            output_names=["vectors"],
            dynamic_axes={name: {0: "texts", 1: "tokens"} for name in names}
            | {"vectors": {0: "texts"}},
        )
        return written.read_bytes()


def _agreement(exported: ExportedModel, base: SentenceTransformer) -> float:
    """The lowest cosine between the export and torch on a few texts, alone and in one batch."""
    prompt = exported.description.document_prompt
    theirs = base.embed_documents(_PROBES)
    together = exported.encode(_PROBES, prompt, len(_PROBES))
    alone = np.vstack([exported.encode([text], prompt, 1) for text in _PROBES])
    return min(float((ours * theirs).sum(axis=1).min()) for ours in (together, alone))


def _refuse_unsupported(folder: Path) -> None:
    """Check the modules that a model's own configuration lists.

    Raises:
        InvalidInputError: There is more than a transformer, mean pooling and Normalize.
        InvalidDataError: The configuration is missing or broken.
    """
    try:
        for module in _json(folder / "modules.json"):
            kind = str(module["type"]).rpartition(".")[2]
            if kind == "Pooling":
                pooling = _pooling(_json(folder / module["path"] / "config.json"))
                if pooling != "mean":
                    raise _unsupported(f"pools by {pooling}")
            elif kind not in {"Transformer", "Normalize"}:
                raise _unsupported(f"has a {kind} module")
    except (
        OSError,
        UnicodeDecodeError,
        json.JSONDecodeError,
        AttributeError,
        LookupError,
        TypeError,
    ) as error:
        raise InvalidDataError(
            f"The modules of the model cannot be read: {type(error).__name__}: {error}.",
            where=str(folder / "modules.json"),
            next_step="Give the folder of a whole sentence-transformers model.",
        ) from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _pooling(config: dict[str, Any]) -> str:
    """The pooling, from the form of sentence-transformers 6 or the switches of those before it."""
    modes = config.get("pooling_mode")
    if modes is None:
        prefix = "pooling_mode_"
        modes = [key.removeprefix(prefix) for key, on in config.items() if prefix in key and on]
        modes = [mode.removesuffix("_tokens").removesuffix("_token") for mode in modes]
    named = modes if isinstance(modes, str) else " and ".join(modes)
    return named if config.get("include_prompt", True) else f"{named} without the prompt"


def _unsupported(what: str) -> InvalidInputError:
    return InvalidInputError(
        f"The model {what}; OnnxEmbedder knows mean pooling and Normalize only.",
        where="OnnxEmbedder",
        next_step="Use the model without ONNX.",
    )


def _prompt(model: Any, *names: str) -> str:
    chosen = next((name for name in names if name in model.prompts), model.default_prompt_name)
    return str(model.prompts.get(chosen) or "")
