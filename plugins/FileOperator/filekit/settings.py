"""The plugin's configuration, from the environment or its config.env."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .problems import FileProblem

__all__ = ["Settings", "here", "read_settings"]

_KEYS = (
    "ALLOWED_DIRECTORIES",
    "ALLOW_NETWORK",
    "ALLOW_PRIVATE_NETWORK",
    "MAX_FILE_MB",
    "MAX_LIST_ENTRIES",
    "PROJECT_BASE_PATH",
)


@dataclass(frozen=True)
class Settings:
    """What the plugin may do.

    Attributes:
        allowed: The raw text of ``ALLOWED_DIRECTORIES``.
        network: Whether WebReadFile and DownloadFile are on.
        private_network: Whether they may reach private and loopback addresses.
        max_bytes: Largest file that is read, written or downloaded.
        max_entries: Most entries of one listing or search.
        base: Folder that relative roots start from, or empty.
    """

    allowed: str = ""
    network: bool = False
    private_network: bool = False
    max_bytes: int = 20_000_000
    max_entries: int = 500
    base: str = ""


def read_settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """Read the configuration.

    Hosts hand the values of config.env over as environment variables; run by hand, the
    file beside the plugin is read for what the environment does not have.

    Args:
        environ: The environment.
        folder: The plugin's folder.

    Returns:
        The settings.

    Raises:
        FileProblem: When a number is none.
    """
    values = {**_config_env(folder / "config.env"), **{k: v for k, v in environ.items() if v}}
    return Settings(
        allowed=values.get("ALLOWED_DIRECTORIES", "").strip(),
        network=_truth(values.get("ALLOW_NETWORK")),
        private_network=_truth(values.get("ALLOW_PRIVATE_NETWORK")),
        max_bytes=_number(values, "MAX_FILE_MB", 20, 1024) * 1_000_000,
        max_entries=_number(values, "MAX_LIST_ENTRIES", 500, 100_000),
        base=values.get("PROJECT_BASE_PATH", "").strip(),
    )


def _truth(value: str | None) -> bool:
    # Upstream reads a boolean this way: the word true, any case, and nothing else.
    return (value or "").strip().lower() == "true"


def _number(values: Mapping[str, str], key: str, default: int, most: int) -> int:
    text = values.get(key, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise FileProblem(
            f"The configuration {key}={text[:40]} is not a whole number from 1 to {most}: "
            "correct it in the plugin's config.env"
        )
    return int(text)


def _config_env(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        key, sign, value = line.strip().partition("=")
        key, value = key.strip(), value.strip()
        if not sign or key not in _KEYS:
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[key] = value
    return found


def here() -> Settings:
    """The settings of this process."""
    return read_settings(os.environ, Path(__file__).resolve().parent.parent)
