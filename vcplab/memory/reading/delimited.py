"""Reading CSV and its relatives, with nothing lost in silence."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from vcplab.memory.document import Document
from vcplab.memory.reading.report import ReadReport
from vcplab.memory.reading.tables import document_from_record

__all__ = ["read_csv"]

_BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")


def read_csv(text: str, shown: str, report: ReadReport) -> Iterator[Document]:
    r"""Documents of a text with a header line and one row each; comma, semicolon or tab.

    A row with more filled cells than the header, or with quotes that do not close, becomes a row of
    the report; the rows after it are read.

    Args:
        text: Lines end in ``\n``.
        shown: What the report calls it.
        report: Takes what is wrong.

    Yields:
        One document per row that has a text.
    """
    blank = _BLANK_LINES.match(text)
    above = blank[0].count("\n") if blank else 0
    lines = text.split("\n")[above:]
    delimiter = max("\t;,", key=lines[0].count)
    names: list[str] | None = None
    for number, row in _rows(lines, delimiter, shown, above, report):
        if names is None:
            names = [name.strip() for name in row]
        elif row:
            surplus = [cell for cell in row[len(names) :] if cell.strip()]
            if surplus:
                report.note(
                    shown,
                    number,
                    f"It has {len(row)} cells under {len(names)} names: what begins with "
                    f"{surplus[0][:20]!r} is left out.",
                    "Quote texts that contain the delimiter.",
                )
            record = dict(zip(names, row, strict=False))
            yield from document_from_record(record, shown, number, report)


def _rows(
    lines: list[str], delimiter: str, shown: str, above: int, report: ReadReport
) -> Iterator[tuple[int, list[str]]]:
    """The rows and their first lines' numbers; ``above`` lines come before the first."""
    # A cell may be long: the csv module's own limit is 128 KiB.
    csv.field_size_limit(2**31 - 1)
    start = 0
    while start < len(lines):
        rest = (f"{lines[i]}\n" for i in range(start, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, strict=True)
        begun = start
        try:
            for row in reader:
                yield above + begun + 1, row
                begun = start + reader.line_num
            return
        except csv.Error as error:
            number = above + begun + 1
            if delimiter == "\t":
                # Much of what is separated by tabs knows no quoting at all.
                problem, advice = "; it is taken as it stands", "Nothing, if it looks right."
                yield number, lines[begun].split("\t")
            else:
                problem, advice = "", "Close every quote, and write quotes inside a text twice."
            report.note(shown, number, f"Its quotes are wrong: {error}{problem}.", advice)
            # A quote that does not close takes in what follows: begin again right below it.
            start = begun + 1
