"""What a reader of the detection panel says of samples, and how it gets out again."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.core.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

    from vcplab.evaluation.samples import GroundingData

__all__ = ["Relabel", "Relabels"]

_NOTE = 4_000
_COLUMNS = (
    "id", "label", "was", "note", "at", "system", "p", "threshold", "group", "language",
    "question", "response",
)  # fmt: skip
# A spreadsheet reads a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Relabel:
    """What a reader says of one sample.

    Attributes:
        id: The sample.
        label: Whether it holds a hallucination; None where it cannot be told.
        note: Why.
        was: The label of the data set.
        at: When it was said (ISO 8601).
        system: The detector that was looked at.
        p: What that detector said.
        threshold: Where the threshold stood.
    """

    id: str
    label: bool | None
    note: str = ""
    was: bool | None = None
    at: str = ""
    system: str = ""
    p: float | None = None
    threshold: float | None = None


class Relabels(Mapping[str, Relabel]):
    """Sample id → what a reader says of it, in the order in which it was said.

    Args:
        data: The samples.
        path: A JSONL file that is read if it exists, and written at each change; None for none.

    Raises:
        InvalidDataError: The file is not one of this kind.
        OSError: It cannot be read.
    """

    def __init__(self, data: GroundingData, path: str | Path | None = None) -> None:
        self._data = data
        self._path = None if path is None else Path(path)
        self._lock = threading.Lock()
        self._kept: dict[str, Relabel] = {}
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def _read(self, path: Path) -> None:
        known = {sample.id for sample in self._data}
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                made = _relabel(json.loads(line))
            except (KeyError, TypeError, ValueError) as error:
                raise InvalidDataError(
                    f"Line {number} is no label.",
                    where=str(path),
                    next_step="Give a file that the panel wrote, or one that does not exist yet.",
                ) from error
            if made.id not in known:
                raise InvalidDataError(
                    f"Line {number} labels {made.id!r}, which is no sample of {self._data.name} "
                    f"({self._data.split}).",
                    where=str(path),
                    next_step="Give each set a file of its own.",
                )
            self._kept[made.id] = made

    def __getitem__(self, id: str) -> Relabel:
        return self._kept[id]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        kept = "" if self._path is None else f", kept in {self._path.name}"
        return f"Relabels({len(self)} of {len(self._data)} samples{kept})"

    def to_frame(self) -> pd.DataFrame:
        """One row per label, with the sample's texts."""
        import pandas as pd

        columns = [*_COLUMNS[:-1], "context", "response"]
        rows = [self._row(one) for one in self._kept.values()]
        return pd.DataFrame(rows, columns=columns)

    def say(self, relabel: Relabel) -> Relabel:
        """Keep what is said of a sample, in place of what was said before.

        Args:
            relabel: ``at`` and ``was`` are filled in.

        Returns:
            What is kept.

        Raises:
            NotFoundError: There is no such sample.
            InvalidInputError: The note is longer than 4,000 characters.
            OSError: The file cannot be written.
        """
        if len(relabel.note) > _NOTE:
            raise InvalidInputError(
                f"The note has {len(relabel.note):,} characters.",
                where="note",
                next_step=f"Write at most {_NOTE:,}.",
            )
        was = self._data[relabel.id].label
        kept = replace(relabel, was=was, at=current_clock().now().isoformat(timespec="seconds"))
        with self._lock:
            self._write({**{k: v for k, v in self._kept.items() if k != kept.id}, kept.id: kept})
        return kept

    def take_back(self, id: str) -> None:
        """Forget what was said of a sample.

        Raises:
            OSError: The file cannot be written.
        """
        with self._lock:
            self._write({k: v for k, v in self._kept.items() if k != id})

    def _write(self, kept: dict[str, Relabel]) -> None:
        if self._path is not None:
            write_atomic(self._path, self._jsonl(kept))
        self._kept = kept

    def _row(self, one: Relabel) -> dict[str, Any]:
        sample = self._data[one.id]
        return {
            **asdict(one),
            "group": sample.group,
            "language": sample.language,
            "question": sample.question,
            "context": list(sample.context),
            "response": sample.response,
        }

    def _jsonl(self, kept: Mapping[str, Relabel]) -> str:
        lines = [json.dumps(self._row(one), ensure_ascii=False) for one in kept.values()]
        return "".join(f"{line}\n" for line in lines)

    def to_jsonl(self) -> str:
        """One JSON object a line, with the sample's own texts."""
        return self._jsonl(self._kept)

    def to_csv(self) -> str:
        """A table for people, without contexts.

        What a spreadsheet would take for a formula gets an apostrophe before it; the JSONL is
        exact.
        """
        made = io.StringIO()
        table = csv.DictWriter(made, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        for one in self._kept.values():
            row = self._row(one)
            table.writerow({key: _cell(row[key]) for key in _COLUMNS})
        return made.getvalue()

    def relabelled(self) -> GroundingData:
        """The data with these labels in place of their own, to compare on.

        A sample that is said to be faithful has no gold spans any more; one that is said to be
        hallucinated, and was not, has spans that nobody marked. Where it cannot be told, there is
        no label.
        """
        changed = []
        for sample in self._data:
            said = self._kept.get(sample.id)
            if said is None or said.label == sample.label:
                changed.append(sample)
            else:
                spans = () if said.label is False else None
                changed.append(replace(sample, label=said.label, spans=spans))
        made = replace(self._data, samples=tuple(changed))
        return replace(made, name=f"{self._data.name}, relabelled")


def _relabel(row: Any) -> Relabel:
    said = {name: row[name] for name in ("id", "label", "note", "was", "at", "system")}
    texts = [said[name] for name in ("id", "note", "at", "system")]
    labels = [said["label"], said["was"]]
    numbers = [row["p"], row["threshold"]]
    if (
        not all(isinstance(text, str) for text in texts)
        or not all(label is None or isinstance(label, bool) for label in labels)
        or not all(n is None or isinstance(n, int | float) for n in numbers)
    ):
        raise ValueError
    return Relabel(**said, p=row["p"], threshold=row["threshold"])


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
