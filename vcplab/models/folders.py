"""Models on this machine: the folder of a name, and what identifies its content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from vcplab.core.errors import MissingDependencyError, NotFoundError
from vcplab.core.settings import get_settings

__all__ = ["folder_digest", "model_folder"]


def model_folder(name_or_path: str) -> Path:
    """Where a model's files are.

    Args:
        name_or_path: A folder, or a name in the local Hugging Face cache.

    Raises:
        NotFoundError: They are not on this machine and the setting ``offline`` is on.
        MissingDependencyError: A name is given and huggingface_hub is not installed.
    """
    path = Path(name_or_path).expanduser()
    return path if path.is_dir() else _named(name_or_path, get_settings().offline)


def folder_digest(folder: Path) -> str:
    """SHA-256 over all files of a folder, their names included; remembered per process."""
    return _digest(str(folder))


@lru_cache(maxsize=16)
def _named(name: str, offline: bool) -> Path:
    # Remembered: a look-up in the hub's cache takes longer than to encode a query.
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError(
            "Models of sentence-transformers need packages that are not installed.",
            where="vcplab[dense]",
            next_step='pip install "vcplab[dense]".',
        ) from error
    try:
        return Path(snapshot_download(name, local_files_only=offline))
    except Exception as error:  # the hub has a dozen kinds; all mean "not to be had"
        raise NotFoundError(
            f"There is no model {name!r} on this machine.",
            where="model",
            next_step="Give a folder, or allow one download: "
            "with vl.override_settings(offline=False): ...",
        ) from error


@lru_cache(maxsize=16)
def _digest(folder: str) -> str:
    root = Path(folder)
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        digest.update(path.relative_to(root).as_posix().encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
