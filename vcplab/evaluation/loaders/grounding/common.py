"""What the readers of grounding sets share: records with their places, spans, counts.

Every reader takes a path of the user's and gives :class:`~vcplab.evaluation.samples.GroundingData`.
A file that is not what its format says stops it with an error that names file and line; what only
has to be known goes into the data's ``report``, or stops it too where ``strict`` is asked for.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vcplab.core.errors import InvalidDataError, NotFoundError
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import GoldSpan, HallucinationType, Sample

__all__ = [
    "Notes",
    "Record",
    "finish",
    "group_of",
    "located",
    "place_of",
    "read_records",
    "spans_of_offsets",
]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file.

    Attributes:
        data: Its fields.
        file: Name of the file.
        line: Its line; for arrays and tables its number, from 1.
        kind: What ``line`` counts, for errors.
    """

    data: Mapping[str, Any]
    file: str
    line: int
    kind: str = "line"

    @property
    def where(self) -> str:
        """Its place, for an error."""
        return f"{self.file}, {self.kind} {self.line}"

    def has(self, *names: str) -> bool:
        """Whether one of these fields is there, whatever its value."""
        return any(name in self.data for name in names)

    def get(self, *names: str, default: Any = None) -> Any:
        """The first of these fields that is there and not None."""
        for name in names:
            if self.data.get(name) is not None:
                return self.data[name]
        return default

    def text(self, *names: str, default: str | None = None) -> str:
        """The first of these fields, which has to be text (or a number).

        Args:
            *names: Names of the field, in the order of preference.
            default: What there is if it is missing; None if it must be there.

        Raises:
            InvalidDataError: It is missing, or something else.
        """
        value = self.get(*names)
        if value is None and default is not None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.wrong(
                f"has no text {names[0]!r}" if value is None else f"has no text in {names[0]!r}"
            )
        return value

    def wrong(self, what: str) -> InvalidDataError:
        """The error that this record is not what the format says.

        Args:
            what: The rest of a sentence that begins with "The record".
        """
        fields = ", ".join(map(str, list(self.data)[:12])) or "none"
        return InvalidDataError(
            f"The record {what}.",
            where=self.where,
            next_step=f"Its fields are: {fields}. Is this the published file of this format? Any "
            "other table can be read with datasets.from_records(path, mapping).",
        )


@dataclass(slots=True)
class Notes:
    """What should be known about a set after reading it."""

    rows: list[tuple[str, int, str, str]] = field(default_factory=list)
    strict: bool = False

    def add(self, record: Record | None, id: str, problem: str) -> None:
        """Note a problem.

        Raises:
            InvalidDataError: ``strict`` is set.
        """
        file, line = (record.file, record.line) if record else ("", 0)
        if self.strict:
            raise InvalidDataError(
                f"{problem[:1].upper()}{problem[1:]}.",
                where=record.where if record else id,
                next_step="Mend the file, or read it with strict=False.",
            )
        self.rows.append((file, line, id, problem))


def place_of(path: str | Path, *names: str, files: str = "") -> list[Path]:
    """The files of a set.

    Args:
        path: A file, or a folder that holds them.
        *names: Patterns of their names in a folder, tried in turn; those of the first that fits.
        files: How the error calls them.

    Returns:
        The files in order of their names; ``[path]`` if it is a file itself.

    Raises:
        NotFoundError: There is nothing.
    """
    given = Path(path).expanduser()
    if given.is_file():
        return [given]
    for name in names:
        found = sorted(file for file in given.glob(name) if file.is_file())
        if found:
            return found
    raise NotFoundError(
        f"There is no such file or folder: {given}."
        if not given.exists()
        else f"The folder has no {files or ' or '.join(names)}.",
        where=str(given),
        next_step=f"Give the folder or file of the published set: {', '.join(names)}.",
    )


def read_records(path: Path) -> list[Record]:
    """The records of a JSON array, of JSON lines, or of a table (``.csv``, ``.tsv``).

    Args:
        path: The file, in UTF-8.

    Raises:
        InvalidDataError: It cannot be read, or a line is no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDataError(
            f"The file cannot be read: {error}.", where=str(path), next_step="Give a UTF-8 file."
        ) from error
    if path.suffix.lower() in (".csv", ".tsv"):
        return _table(text, path.name, "\t" if path.suffix.lower() == ".tsv" else ",")
    if text.lstrip()[:1] == "[":
        return [
            Record(_object(value, path.name, f"record {number}"), path.name, number, "record")
            for number, value in enumerate(_json(text, path.name, "the file"), 1)
        ]
    # Only line feeds end a line of JSON lines: texts may hold U+2028 and its like.
    return [
        Record(_object(_json(line, path.name, place), path.name, place), path.name, number)
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip() and (place := f"line {number}")
    ]


def _json(text: str, file: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidDataError(
            f"Not JSON: {error}.",
            where=f"{file}, {place}",
            next_step="The file is an array of objects, or has one object per line.",
        ) from error


def _object(value: Any, file: str, place: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise InvalidDataError(
        f"A {type(value).__name__} is no record.",
        where=f"{file}, {place}",
        next_step="The file is an array of objects, or has one object per line.",
    )


def _table(text: str, file: str, separator: str) -> list[Record]:

    import pandas as pd

    def parsed(quoting: Literal[0, 3]) -> pd.DataFrame:
        return pd.read_csv(
            io.StringIO(text),
            sep=separator,
            dtype="str",
            keep_default_na=False,
            quoting=quoting,
            engine="c",
        )

    try:
        try:
            frame = parsed(0)
            swallowed = separator == "\t" and any(
                "\n" in value and "\t" in value
                for row in frame.itertuples(index=False)
                for value in map(str, row)
            )
        except pd.errors.ParserError:
            if separator == ",":
                raise
            swallowed = True
        if swallowed:  # a quotation mark in a text quotes nothing (csv.QUOTE_NONE)
            frame = parsed(3)
    except (ValueError, pd.errors.ParserError) as error:
        raise InvalidDataError(
            f"Not a table: {error}.",
            where=file,
            next_step="The first line names the columns; texts with separators are quoted.",
        ) from error
    columns = [str(column).strip() for column in frame.columns]
    return [
        Record(dict(zip(columns, row, strict=True)), file, number, "row")
        for number, row in enumerate(frame.itertuples(index=False, name=None), 1)
    ]


def group_of(*texts: str) -> str:
    """A name for a source: equal texts have the same."""
    return hashlib.sha256("\x1f".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def located(
    response: str,
    texts: Iterable[tuple[str, HallucinationType | None, str]],
) -> tuple[tuple[GoldSpan, ...], list[str]]:
    """Spans that are given by their text: where they are.

    Args:
        response: The response.
        texts: (text, type, raw type); a text that occurs several times is taken from left to right.

    Returns:
        The spans, and the texts that are not literally there.
    """
    spans: list[GoldSpan] = []
    lost: list[str] = []
    next_from: dict[str, int] = {}
    for text, kind, raw in texts:
        start = response.find(text, next_from.get(text, 0)) if text else -1
        if start < 0 and text in next_from:
            continue  # named more often than it occurs
        if start < 0:
            lost.append(text)
            continue
        next_from[text] = start + len(text)
        spans.append(GoldSpan(start, start + len(text), kind, raw))
    return tuple(sorted(spans, key=lambda s: (s.start, s.end))), lost


def _from_utf16(response: str, offset: int) -> int:
    units = response.encode("utf-16-le", "surrogatepass")[: 2 * offset]
    return len(units.decode("utf-16-le", "replace"))


def spans_of_offsets(
    response: str,
    given: Sequence[tuple[int, int, str, HallucinationType | None, str]],
    record: Record,
    id: str,
    notes: Notes,
) -> tuple[tuple[GoldSpan, ...], list[str]]:
    """Spans that are given by offsets and text, as exact code points of the response.

    Where the text is not at its offsets, it is looked for at the same offsets in UTF-16 units,
    then at its nearest literal occurrence; each of these is noted.

    Args:
        response: The response.
        given: (start, end, text, type, raw type).
        record: Where it stands.
        id: The sample.
        notes: What should be known.

    Returns:
        The spans, and the texts that are nowhere.
    """
    spans: list[GoldSpan] = []
    lost: list[str] = []
    for start, end, text, kind, raw in given:
        if 0 <= start < end <= len(response) and (not text or response[start:end] == text):
            spans.append(GoldSpan(start, end, kind, raw))
            continue
        units = _from_utf16(response, start), _from_utf16(response, end)
        if text and response[slice(*units)] == text:
            notes.add(record, id, f"offsets {start}–{end} count UTF-16 units")
            spans.append(GoldSpan(*units, kind, raw))
            continue
        places = [n for n in range(len(response)) if text and response.startswith(text, n)]
        if places:
            begin = min(places, key=lambda place: abs(place - start))
            notes.add(record, id, f"offsets {start}–{end} are not those of their text")
            spans.append(GoldSpan(begin, begin + len(text), kind, raw))
        else:
            notes.add(record, id, f"the span at {start}–{end} is not in the response")
            lost.append(text)
    return tuple(sorted(spans, key=lambda s: (s.start, s.end))), lost


def finish(
    samples: Sequence[Sample],
    notes: Notes,
    name: str,
    source: str | Path,
    *,
    licence: str,
    citation: str,
    counts: Mapping[str, int],
    published: Mapping[str, int] | None = None,
    remarks: Sequence[str] = (),
    split: str | None = None,
) -> GroundingData:
    """The data, with its counts held against the published ones.

    Args:
        samples: What was read.
        notes: What should be known.
        name: What results call it.
        source: Where it was read.
        licence: The set's licence.
        citation: Who made it.
        counts: What was counted.
        published: What was published of the same; None for what was not.
        remarks: What its reader has to be warned of.
        split: The part to take; "all" if None.

    Raises:
        InvalidDataError: There is no sample; or, where ``strict``, a count is not the published
            one.
        NotFoundError: There is no such split.
    """
    for what, expected in (published or {}).items():
        found = counts.get(what, 0)
        if found != expected:
            notes.add(None, name, f"{found:,} {what} were read, {expected:,} were published")
    data = GroundingData(
        tuple(samples),
        name=name,
        licence=licence,
        source=str(source),
        card={
            "citation": citation,
            "counts": dict(counts),
            "published": dict(published or {}),
            "remarks": list(remarks),
        },
        notes=tuple(notes.rows),
    )
    return data if split in (None, "all") else data.split_named(str(split))
