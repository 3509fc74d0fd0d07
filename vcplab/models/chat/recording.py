"""Files of recorded calls: JSON Lines in which every line seals the ones before it.

::

    {"format":"vcplab-recording","hash":"…","model":"qwen3","previous":"","version":1}
    {"hash":"…","key":"…","pieces":["Hel","lo",{"finish_reason":"stop","usage":{…}}],
     "previous":"…","request":{"agent":"ann","messages":[…],"purpose":"speak"}}

``previous`` is the hash of the line before and ``hash`` the line's own, which covers ``previous``:
a line that was edited, lost or moved is noticed. The chain guards against accidents; who wants to
forge a recording can write a new one. No time and no key of a server is in the file, so the same
calls give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from vcplab.core.errors import (
    InvalidDataError,
    NotFoundError,
    SchemaMismatchError,
    StateError,
)
from vcplab.models.chat._canonical import canonical_request, dumps, request_key, sealed
from vcplab.protocol.completions import ChatPiece
from vcplab.protocol.messages import ToolCall, Usage

__all__ = ["Exchange", "Recording", "canonical_request", "request_key"]

FORMAT = "vcplab-recording"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded call.

    Attributes:
        key: SHA-256 of the request in its canonical form.
        request: The request in its canonical form.
        pieces: What came, with its boundaries.
        failure: The error in which the call ended, JSON-able; None if it did not fail.
        closed: Whether the caller closed the call before its end.
        line: Number of its line in the file, from 1; 0 before it is written.
    """

    key: str
    request: Mapping[str, Any]
    pieces: tuple[ChatPiece, ...] = ()
    failure: Mapping[str, Any] | None = None
    closed: bool = False
    line: int = field(default=0, compare=False)

    @property
    def agent(self) -> str | None:
        """Who answered."""
        agent: str | None = self.request.get("agent")
        return agent

    @property
    def purpose(self) -> str:
        """What the call was for."""
        return str(self.request.get("purpose", "speak"))

    @property
    def text(self) -> str:
        """The answer as far as it came."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def usage(self) -> Usage | None:
        """What the call consumed, as it was told."""
        return next((p.usage for p in reversed(self.pieces) if p.usage is not None), None)

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended."""
        return next((p.finish_reason for p in reversed(self.pieces) if p.finish_reason), None)


class Recording:
    """A file of recorded calls, open for reading and appending.

    Args:
        path: The file; it need not exist for appending.
        model: Name of the recorded model, for a new file.
        append: Whether calls will be appended. A file whose last line is torn, as a killed
            recorder leaves it, is then read without that line (see ``torn``), which the first
            appended call overwrites.

    Raises:
        NotFoundError: The file does not exist and is only to be read.
        InvalidDataError: A line is broken, edited, lost or moved.
        SchemaMismatchError: The file was written by another version.
        StateError: The file cannot be opened, or ``append`` and it holds another model's calls.
    """

    def __init__(self, path: str | Path, model: str | None = None, *, append: bool = False) -> None:
        self.path = Path(path)
        self.model = model or ""
        self.exchanges: list[Exchange] = []
        self.torn: int | None = None
        self._last = ""
        self._lines = 0
        self._size = 0
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            if not append:
                raise NotFoundError(
                    "There is no such recording.",
                    where=str(self.path),
                    next_step='Make one: Recorded.record(model, "…"), or mode="auto".',
                ) from None
            return
        except OSError as error:
            raise StateError(
                f"The recording cannot be read: {error.strerror}.",
                where=str(self.path),
                next_step="Check the path and the file's permissions.",
            ) from error
        for line in self._whole_lines(data, append):
            self._read(line)
        if append and model and self.model != model and self._lines:
            raise StateError(
                f"The recording holds calls of {self.model!r}, not of {model!r}.",
                where=str(self.path),
                next_step="Record each model in its own file, or name the model alike.",
            )
        if not append and not self._lines:
            raise self._broken(1, "the file is empty")

    @property
    def seal(self) -> str:
        """The hash of its last line, which covers all before it; "" for an empty file."""
        return self._last

    def append(self, exchange: Exchange) -> Exchange:
        """Write a call to the end of the file; it is there when this returns, killed or not.

        Args:
            exchange: The call.

        Returns:
            The call with its line number.

        Raises:
            StateError: The file cannot be written, or someone else has written to it meanwhile.
            InvalidInputError: The call cannot be written as JSON.
        """
        added: list[dict[str, Any]] = []
        if not self._lines:
            added.append({"format": FORMAT, "model": self.model, "version": VERSION})
        added.append(_record(exchange))
        last, parts = self._last, []
        for record in added:
            record["previous"] = last
            last = record["hash"] = sealed(record)
            parts.append(_line(record))
        data = b"".join(parts)
        try:
            self._write(data)
        except OSError as error:
            raise StateError(
                f"The call cannot be recorded: {error.strerror}.",
                where=str(self.path),
                next_step="Check that the folder exists and that there is room.",
            ) from error
        self._last, self._size, self.torn = last, self._size + len(data), None
        self._lines += len(added)
        written = Exchange(**{**_shallow(exchange), "line": self._lines})
        self.exchanges.append(written)
        return written

    def _write(self, data: bytes) -> None:
        with self.path.open("r+b" if self.path.exists() else "xb") as file:
            size = file.seek(0, 2)
            if self.torn is None and size != self._size:
                raise StateError(
                    "Someone else has written to the recording meanwhile.",
                    where=str(self.path),
                    next_step="Let one process record into one file.",
                )
            # A torn line of before is overwritten; a line torn now is taken back.
            file.truncate(self._size)
            file.seek(self._size)
            try:
                file.write(data)
                file.flush()
            except OSError:
                file.truncate(self._size)
                raise

    def _whole_lines(self, data: bytes, append: bool) -> Iterator[bytes]:
        lines = data.split(b"\n")
        torn = lines.pop()
        yield from lines
        if torn:
            if not append:
                raise self._broken(
                    len(lines) + 1,
                    "the last line is torn, as a killed recorder leaves it",
                    'Continue the recording (mode="auto" drops the line), or delete the line.',
                )
            self.torn = len(lines) + 1

    def _read(self, line: bytes) -> None:
        number = self._lines + 1
        try:
            record = json.loads(line)
            told = record.pop("hash")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise self._broken(number, "it is no line of a recording") from error
        if record.get("previous") != self._last:
            raise self._broken(number, "the line before it was edited, lost or moved")
        # The bytes are compared too: JSON writes one number in several ways.
        if sealed(record) != told or _line({**record, "hash": told}) != line + b"\n":
            raise self._broken(number, "it was edited after it was recorded")
        if number == 1:
            self._read_head(record)
        else:
            try:
                self.exchanges.append(_exchange(record, number))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._broken(number, f"it is incomplete ({error})") from error
        self._last, self._lines = told, number
        self._size += len(line) + 1

    def _read_head(self, record: Mapping[str, Any]) -> None:
        if record.get("format") != FORMAT:
            raise self._broken(1, "the file is no recording")
        if record.get("version") != VERSION:
            raise SchemaMismatchError(
                f"The recording has version {record.get('version')!r}; known is {VERSION}.",
                where=f"{self.path}, line 1",
                next_step="Record it anew, or use the version of vcplab that wrote it.",
            )
        self.model = str(record.get("model", ""))

    def _broken(self, number: int, why: str, next_step: str = "") -> InvalidDataError:
        return InvalidDataError(
            f"The recording cannot be used: {why}.",
            where=f"{self.path}, line {number}",
            next_step=next_step or "Take an unchanged copy of the file, or record it anew.",
            details={"line": number},
        )


def _record(exchange: Exchange) -> dict[str, Any]:
    record: dict[str, Any] = {
        "key": exchange.key,
        "request": exchange.request,
        "pieces": [_plain_piece(piece) for piece in exchange.pieces],
    }
    if exchange.failure is not None:
        record["failure"] = exchange.failure
    if exchange.closed:
        record["closed"] = True
    return record


def _exchange(record: Mapping[str, Any], line: int) -> Exchange:
    return Exchange(
        record["key"],
        record["request"],
        tuple(map(_piece, record["pieces"])),
        record.get("failure"),
        bool(record.get("closed", False)),
        line,
    )


def _plain_piece(piece: ChatPiece) -> str | dict[str, Any]:
    """A piece as JSON: its text where it has nothing else."""
    plain = _non_default(piece)
    if piece.tool_calls:
        plain["tool_calls"] = [asdict(call) for call in piece.tool_calls]
    if piece.usage is not None:
        plain["usage"] = _non_default(piece.usage)
    return piece.text if plain.keys() <= {"text"} else plain


def _piece(plain: str | Mapping[str, Any]) -> ChatPiece:
    if isinstance(plain, str):
        return ChatPiece(plain)
    given = dict(plain)
    given["tool_calls"] = tuple(ToolCall(**call) for call in given.get("tool_calls", ()))
    if "usage" in given:
        given["usage"] = Usage(**given["usage"])
    return ChatPiece(**given)


def _non_default(value: Any) -> dict[str, Any]:
    return {f.name: v for f in fields(value) if (v := getattr(value, f.name)) != f.default}


def _shallow(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}


def _line(record: Mapping[str, Any]) -> bytes:
    try:
        return dumps(record).encode() + b"\n"
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8; escaped it is read back as it was.
        return json.dumps(record, sort_keys=True, separators=(",", ":")).encode() + b"\n"
