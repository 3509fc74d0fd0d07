"""Bytes to text: the one place that knows encodings, for every reader of files."""

from __future__ import annotations

from vcplab.memory.reading.report import ReadReport

__all__ = ["decode"]

# UTF-32's mark begins with UTF-16's: it must be asked for first.
_MARKED = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def decode(data: bytes, shown: str, report: ReadReport) -> str | None:
    r"""The text of a file's bytes.

    A byte order mark decides (UTF-8, UTF-16, UTF-32); without one it is UTF-8 or else GB18030
    (Windows in Chinese), which the report says.

    Args:
        data: The whole file, unpacked.
        shown: What the report calls it.
        report: Takes what is wrong, and that GB18030 was assumed.

    Returns:
        The text without byte order mark, its lines ending in ``\n``; None if it is no text.
    """
    marked = next((name for mark, name in _MARKED if data.startswith(mark)), None)
    if marked is None and b"\0" in data[:4096]:
        report.note(shown, None, "It is no text file.", "Remove it, or give it another ending.")
        return None
    for encoding in [marked] if marked else ["utf-8", "gb18030"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "gb18030":
            report.note(
                shown, None, "It was read as GB18030.", "Save it as UTF-8 if it looks wrong."
            )
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    tried = f"not the {marked.upper()} they claim" if marked else "neither UTF-8 nor GB18030"
    report.note(shown, None, f"Its bytes are {tried}.", "Save it as UTF-8.")
    return None
