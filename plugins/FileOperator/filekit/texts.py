"""Texts in files: their encodings, line ends and line ranges; and what is no text."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from .problems import FileProblem

__all__ = ["Text", "decode", "image_type", "pick_lines"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Control characters that texts really have: tab, line ends, form feed, escape (terminal logs).
_BINARY = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


@dataclass(frozen=True)
class Text:
    """A decoded file: its text with line ends as they are, codec and byte-order mark."""

    text: str
    codec: str = "utf-8"
    mark: bytes = b""

    @property
    def encoding(self) -> str:
        """Name of the encoding as told to callers."""
        return self.codec + (" with BOM" if self.mark else "")

    @property
    def crlf(self) -> bool:
        """Whether lines end as Windows has it."""
        return "\r\n" in self.text

    def encode(self, text: str, *, whole: bool = True) -> bytes:
        """Turn a text into bytes of the same kind; ``whole`` puts the mark in front.

        Raises:
            FileProblem: When the text has half characters.
        """
        try:
            return (self.mark if whole else b"") + text.encode(self.codec)
        except UnicodeEncodeError as error:
            raise FileProblem(
                f"The text has a half character at {error.start}, which no file can hold: "
                "send it as UTF-8"
            ) from error

    def with_ends(self, text: str) -> str:
        """A text with its plain line ends turned into those of this file."""
        return re.sub(r"\r?\n", "\r\n", text) if self.crlf else text


def decode(data: bytes) -> Text | None:
    """Decode a file: a byte-order mark, then UTF-8, then GB18030.

    Args:
        data: The whole file.

    Returns:
        The text, or None for a binary file.
    """
    for mark, codec in _BOMS:
        if data.startswith(mark):
            try:
                return Text(data[len(mark) :].decode(codec), codec, mark)
            except UnicodeDecodeError:
                return None
    if b"\0" in data:
        return None
    for codec in ("utf-8", "gb18030"):
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        # GB18030 takes nearly any pair of bytes; control characters give binaries away.
        return None if codec == "gb18030" and _BINARY.search(text) else Text(text, codec)
    return None


def image_type(data: bytes) -> str | None:
    """The media type of a picture that clients show, by its first bytes, or None."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def pick_lines(total: int, wanted: str) -> tuple[int, int]:
    """The lines that a ``lines`` argument means.

    Args:
        total: Number of lines there are.
        wanted: ``head:N``, ``tail:N``, ``M-N``, ``N``, or empty for all.

    Returns:
        First and last line, counted from 1; the last is first - 1 when there is none.

    Raises:
        FileProblem: When it cannot be read, or begins behind the end.
    """
    wanted = wanted.strip().lower().replace(" ", "")
    if not wanted:
        return 1, total
    match = re.fullmatch(r"(head|tail):([0-9]{1,9})|([0-9]{1,9})(?:-([0-9]{1,9}))?", wanted)
    if match is None:
        raise FileProblem(f"lines {wanted[:40]!r} cannot be read: give head:N, tail:N, M-N or N")
    side, count, first, last = match.groups()
    if side == "head":
        return 1, min(total, int(count))
    if side == "tail":
        return max(1, total - int(count) + 1), total
    begin = int(first)
    end = int(last) if last else begin
    if begin < 1 or end < begin or begin > max(total, 1):
        raise FileProblem(f"lines {wanted} are not in the file: it has lines 1-{total}")
    return begin, min(end, total)
