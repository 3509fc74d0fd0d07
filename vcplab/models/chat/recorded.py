"""A chat model that answers from a recording, and records others."""

from __future__ import annotations

import asyncio
import builtins
import json
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from vcplab.core import errors
from vcplab.core.errors import InvalidInputError, NotFoundError, VCPError, VCPErrorCode
from vcplab.core.names import checked_choice
from vcplab.core.redaction import Redactor
from vcplab.core.uncopied import Uncopied
from vcplab.models.chat import failures
from vcplab.models.chat._nearest import first_difference, nearest
from vcplab.models.chat.failures import ModelError
from vcplab.models.chat.recording import Exchange, Recording, canonical_request, request_key
from vcplab.protocol.completions import ChatPiece, ChatRequest
from vcplab.protocol.ports import ChatModel

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NotRecordedError", "Recorded"]

Mode: TypeAlias = Literal["replay", "record", "auto"]
Match: TypeAlias = Literal["request", "order"]
_Key: TypeAlias = str | tuple[str | None, str]

_logger = logging.getLogger("vcplab.models")


class NotRecordedError(ModelError, NotFoundError):
    """A recording has no answer to what is asked."""

    default_code = VCPErrorCode.NOT_FOUND


@dataclass(slots=True)
class _Slot:
    """The place of a call in the file; calls are written in the order in which they began."""

    exchange: Exchange | None = None
    done: bool = False


class Recorded(Uncopied):
    """Answers from a recording; a stand-in that understands nothing of what it is asked.

    ::

        model = Recorded.record(OpenAIChat("qwen3"), "chat.jsonl")   # asks, and writes down
        model = Recorded("chat.jsonl")                               # answers from the file

    A request is known by the SHA-256 of what decides on its answer: messages, tools, schema,
    sampling options, agent and purpose, but not the times in tools' results. Asked again it gets
    its next answer. Pieces come with their boundaries, and a recorded failure is raised again.

    Args:
        path: The recording (see `vcplab.models.chat.recording`).
        model: The model to record; needed for ``"record"`` and ``"auto"``.
        mode: ``"replay"`` answers from the file alone (the default without a model);
            ``"record"`` always asks the model and appends; ``"auto"`` asks only what the file
            does not know (the default with one).
        match: ``"request"``, or ``"order"``: the n-th call of an agent for a purpose gets its n-th
            recorded answer whatever is asked, for prompts that were edited.
        name: What tables and price lists call it; the recorded model's name by default.
        delay: Seconds before every piece that is replayed.

    Raises:
        InvalidInputError: An argument cannot be accepted, or a model is needed.
        NotFoundError: There is no such file to replay.
        InvalidDataError: The file is broken, edited or torn; the error names the line.
        SchemaMismatchError: The file was written by another version.
        StateError: The file cannot be read, or holds another model's calls.
    """

    _instead = "open the file again: Recorded(path), or take model.fresh()"

    def __init__(
        self,
        path: str | Path,
        model: ChatModel | None = None,
        *,
        mode: Mode | None = None,
        match: Match = "request",
        name: str | None = None,
        delay: float = 0.0,
    ) -> None:
        mode = mode or ("replay" if model is None else "auto")
        checked_choice(mode, ("replay", "record", "auto"), "mode", f"No mode is called {mode!r}.")
        checked_choice(match, ("request", "order"), "match", f"No match is called {match!r}.")
        if not delay >= 0:
            raise InvalidInputError(
                f"A delay of {delay!r} seconds cannot be kept.",
                where="delay",
                next_step="Give seconds from 0.",
            )
        if mode != "replay" and (isinstance(model, type) or not isinstance(model, ChatModel)):
            raise InvalidInputError(
                f'The mode "{mode}" needs a chat model to ask.',
                where="model",
                next_step='Give one, e.g. OpenAIChat("…"), or use mode="replay".',
            )
        self._model = model
        self._mode: Mode = mode
        self._match: Match = match
        self._delay = delay
        asked = name or (model.name if model is not None else None)
        self._recording = Recording(path, asked, append=mode != "replay")
        self._name = name or self._recording.model
        if self._recording.torn is not None:
            _logger.warning(
                "%s: line %d is torn, as a killed recorder leaves it; it is dropped with the next "
                "call that is recorded.",
                path,
                self._recording.torn,
            )
        # A call that was closed before its end is an answer only to who closes it again.
        self._loaded = tuple(self._recording.exchanges) if mode != "record" else ()
        self._known: dict[_Key, list[Exchange]] = {}
        for exchange in self._loaded:
            if not (mode == "auto" and exchange.closed):
                self._known.setdefault(self._key(exchange), []).append(exchange)
        self._given: dict[_Key, int] = {}
        self._pending: deque[_Slot] = deque()
        self._lock = threading.Lock()

    @classmethod
    def record(cls, model: ChatModel, path: str | Path, *, name: str | None = None) -> Recorded:
        """A model that asks another one and writes down every call.

        Args:
            model: The model that is asked.
            path: The file; an existing recording of the same model is continued.
            name: What tables, price lists and the file call it; the model's name by default.

        Raises:
            InvalidInputError: ``model`` is no chat model.
            InvalidDataError: The file exists and is broken.
            StateError: The file holds another model's calls.
        """
        return cls(path, model, mode="record", name=name)

    @property
    def is_traced(self) -> bool:
        """Whether the model that is recorded opens a span for every call itself."""
        return bool(getattr(self._model, "is_traced", False))

    @property
    def name(self) -> str:
        """What tables and price lists call it: the recorded model's name unless told otherwise."""
        return self._name

    @property
    def path(self) -> Path:
        """The file."""
        return self._recording.path

    @property
    def mode(self) -> Mode:
        """``"replay"``, ``"record"`` or ``"auto"``."""
        return self._mode

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The calls in the file, oldest first."""
        return tuple(self._recording.exchanges)

    @property
    def fingerprint(self) -> str | None:
        """Hash of the file: equal ones answer alike. None where another model may be asked."""
        if self._mode != "replay":
            return None
        return f"recorded:{self._name}:{self._match}:{self._recording.seal}"

    def fresh(self) -> Recorded:
        """The same recording with every answer still to be given; itself where it records."""
        if self._mode != "replay":
            return self  # one file has one writer
        return Recorded(self.path, match=self._match, name=self._name, delay=self._delay)

    def unused(self) -> tuple[Exchange, ...]:
        """The calls of the file that could be replayed and have not been asked for yet."""
        with self._lock:
            given = self._given
            left = [one for key, known in self._known.items() for one in known[given.get(key, 0) :]]
        return tuple(sorted(left, key=lambda exchange: exchange.line))

    def to_frame(self) -> pd.DataFrame:
        """The calls in the file as a frame.

        Returns:
            A frame with ``line``, ``agent``, ``purpose``, ``key`` (its first 12 digits), ``nth``
            (of the same request, from 1), ``pieces``, ``text``, ``finish_reason``,
            ``input_tokens``, ``output_tokens``, ``estimated``, ``failure`` (the error's class),
            ``closed`` and ``unused``.
        """
        import pandas as pd

        unused = {exchange.line for exchange in self.unused()}
        seen: dict[str, int] = {}
        rows = []
        for exchange in self.exchanges:
            seen[exchange.key] = seen.get(exchange.key, 0) + 1
            usage = exchange.usage
            rows.append(
                {
                    "line": exchange.line,
                    "agent": exchange.agent,
                    "purpose": exchange.purpose,
                    "key": exchange.key[:12],
                    "nth": seen[exchange.key],
                    "pieces": len(exchange.pieces),
                    "text": exchange.text,
                    "finish_reason": exchange.finish_reason,
                    "input_tokens": usage.input_tokens if usage else None,
                    "output_tokens": usage.output_tokens if usage else None,
                    "estimated": usage.estimated if usage else None,
                    "failure": exchange.failure["class"] if exchange.failure else None,
                    "closed": exchange.closed,
                    "unused": exchange.line in unused,
                }
            )
        return pd.DataFrame(rows, columns=_COLUMNS)

    def __repr__(self) -> str:
        told = f"{len(self._recording.exchanges)} calls"
        if self._mode != "record":
            told += f", {len(self.unused())} unused"
        kind = "a recording, no model" if self._mode == "replay" else f"records {self._model!r}"
        return f"<Recorded {self._name!r} in {self.path.name}: {told}, {self._mode}; {kind}>"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPiece]:
        """The recorded answer, or the model's own, which is written down.

        What is recorded stands in the file in the order in which the calls began; a call that is
        closed before its end is written as far as it came.

        Args:
            request: What is asked.

        Raises:
            NotRecordedError: The file has no answer, or none any more (``"replay"``).
            InvalidInputError: The request cannot be written as JSON.
            StateError: The call could not be written down.
            VCPError: The recorded failure, or the model's own.
        """
        canonical = canonical_request(request)
        key = request_key(canonical)
        found = None if self._mode == "record" else self._next(canonical, key)
        pieces = self._ask(request, canonical, key) if found is None else self._replay(found)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _replay(self, exchange: Exchange) -> AsyncGenerator[ChatPiece]:
        for piece in exchange.pieces:
            # Even without a delay others get their turn, as they did while the server wrote.
            await asyncio.sleep(self._delay)
            yield piece
        if exchange.failure is not None:
            raise _failure(exchange.failure)

    async def _ask(
        self, request: ChatRequest, canonical: Mapping[str, Any], key: str
    ) -> AsyncGenerator[ChatPiece]:
        assert self._model is not None
        slot = _Slot()
        with self._lock:
            self._pending.append(slot)
        pieces: list[ChatPiece] = []
        failure: dict[str, Any] | None = None
        ended = False
        try:
            async with aclosing(self._model.stream(request)) as stream:  # type: ignore[type-var]
                async for piece in stream:
                    pieces.append(piece)
                    ended = ended or piece.finish_reason is not None
                    yield piece
            ended = True
        except Exception as error:
            ended, failure = True, _plain_failure(error)
            raise
        finally:
            slot.exchange = Exchange(key, canonical, tuple(pieces), failure, not ended)
            slot.done = True
            self._write()

    def _write(self) -> None:
        """Write the calls that are done and have none before them that is not."""
        with self._lock:
            while self._pending and self._pending[0].done:
                slot = self._pending.popleft()
                assert slot.exchange is not None
                self._recording.append(slot.exchange)

    def _next(self, asked: Mapping[str, Any], key: str) -> Exchange | None:
        """The recorded call that answers; None where the model is to be asked."""
        place = self._place(asked, key)
        with self._lock:
            known = self._known.get(place, ())
            given = self._given.get(place, 0)
            if given < len(known):
                self._given[place] = given + 1
                return known[given]
        if self._mode == "auto":
            return None
        raise self._missing(asked, key, [exchange.line for exchange in known])

    def _key(self, exchange: Exchange) -> _Key:
        # An older file's key may count more.
        return self._place(exchange.request, request_key(exchange.request))

    def _place(self, request: Mapping[str, Any], key: str) -> _Key:
        if self._match == "request":
            return key
        return request.get("agent"), str(request.get("purpose"))

    def _missing(self, asked: Mapping[str, Any], key: str, lines: list[int]) -> NotRecordedError:
        who = f"agent {asked.get('agent')!r}, {asked.get('purpose')}"
        details: dict[str, Any] = {"key": key, "recorded_lines": lines}
        if lines:
            what = "This request" if self._match == "request" else "A request of this kind"
            return NotRecordedError(
                f"{what} ({who}) was recorded {len(lines)} times and is asked once more.",
                where=f"{self.path}, line {lines[-1]}",
                next_step="Record the further answer, or build a new Recorded to start again.",
                details=details,
            )
        near = nearest(self._loaded, asked)
        if near is None:
            told, where = "the recording is empty", str(self.path)
        elif self._match == "order":
            kinds = sorted({f"{one.agent!r} ({one.purpose})" for one in self._loaded})
            told, where = f"recorded are {', '.join(kinds)}", str(self.path)
        else:
            where = f"{self.path}, line {near.line}"
            difference = first_difference(near.request, asked)
            told = f"the nearest recorded one differs in {difference}"
            details |= {"nearest_line": near.line, "difference": difference}
        return NotRecordedError(
            f"This request ({who}) is not recorded; {told}.",
            where=where,
            next_step='Ask as recorded, record it (mode="auto" with a model), or give '
            'match="order" for prompts that were edited.',
            details=details,
        )


_COLUMNS = [
    *("line", "agent", "purpose", "key", "nth", "pieces", "text", "finish_reason"),
    *("input_tokens", "output_tokens", "estimated", "failure", "closed", "unused"),
]


def _plain_failure(error: Exception) -> dict[str, Any]:
    """An error as JSON, without secrets."""
    plain: dict[str, Any] = {"class": type(error).__name__, "message": str(error)}
    if isinstance(error, VCPError):
        plain |= {
            "code": str(error.code),
            "message": error.message,
            "where": error.where,
            "next_step": error.next_step,
            "details": json.loads(json.dumps(error.details, default=str)),
        }
    cleaned: dict[str, Any] = Redactor().redact(plain)
    return cleaned


def _failure(plain: Mapping[str, Any]) -> Exception:
    """The error again; a `ModelError` where its class is not ours or Python's."""
    name = str(plain["class"])
    if "code" not in plain:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                return kind(plain["message"])
            except TypeError:
                pass  # a class that wants more than a message, as UnicodeDecodeError
        return ModelError(f"{name}: {plain['message']}", next_step="Look at the recorded model.")
    kind = getattr(failures, name, None) or getattr(errors, name, None)
    ours = kind if isinstance(kind, type) and issubclass(kind, VCPError) else ModelError
    code = plain["code"]
    return ours(
        plain["message"],
        code=VCPErrorCode(code) if code in set(VCPErrorCode) else None,
        where=plain.get("where"),
        next_step=plain.get("next_step"),
        details=plain.get("details"),
    )
