"""The layout of the bundled minimal pairs: ``data.jsonl`` with ``dataset.json``.

Each line has the fields of :class:`~vcplab.protocol.grounding.Sample` in snake case, and ``type``
and ``pair``; see the set's card.
"""

from __future__ import annotations

from pathlib import Path

from vcplab.evaluation.loaders.dailynote import read_card
from vcplab.evaluation.loaders.grounding.records import from_records
from vcplab.evaluation.samples import GroundingData

__all__ = ["is_pairs", "load_pairs"]


def is_pairs(folder: Path) -> bool:
    """Whether a folder has samples in this layout."""
    return (folder / "data.jsonl").is_file() and (folder / "dataset.json").is_file()


def load_pairs(path: str | Path, *, split: str | None = None, strict: bool = True) -> GroundingData:
    """Read minimal pairs.

    Args:
        path: The folder.
        split: The part to take; all if None.
        strict: Whether a span that is not where its offsets say stops the reading.

    Raises:
        NotFoundError: There is no such folder or split.
        InvalidDataError: A file is broken, or has other counts than its card says.
    """
    from dataclasses import replace

    from vcplab.core.errors import InvalidDataError

    folder = Path(path).expanduser()
    card = read_card(folder)
    keep = ["type", "pair"]
    data = from_records(
        folder / "data.jsonl",
        {"meta": lambda record: {key: record[key] for key in keep if key in record}},
        name=str(card.get("name") or folder.name),
        licence=str(card.get("licence") or card.get("license") or ""),
        strict=strict,
    )
    counts = card.get("counts") or {}
    found = {"samples": len(data), "hallucinated": sum(bool(s.label) for s in data)}
    for what, number in found.items():
        if what in counts and counts[what] != number:
            raise InvalidDataError(
                f"{number} {what} were read, the card says {counts[what]}.",
                where=str(folder),
                next_step="Load the whole set again; a part of it needs a card of its own.",
            )
    data = replace(
        data,
        version=str(card.get("version") or ""),
        card=card,
        source=str(path),
    )
    return data if split in (None, "all") else data.split_named(str(split))
