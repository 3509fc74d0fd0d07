"""A chat model that says what it was given to say."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import re
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.uncopied import Uncopied
from vcplab.models.chat.counting import estimate_usage
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest
from vcplab.protocol.messages import Usage

__all__ = ["Pieces", "Reply", "Scripted"]

Pieces: TypeAlias = Literal["words", "characters", "whole"] | int
Reply: TypeAlias = (
    str | Mapping[str, Any] | ChatReply | BaseException | Sequence[ChatPiece | BaseException]
)
_Key: TypeAlias = str | tuple[str, str]

# A word with the white space after it; of a text without spaces, one wide character at a time.
_WIDE = "\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_WORDS = re.compile(rf"[{_WIDE}]\s*|[^\s{_WIDE}]+\s*|\s+")


class Scripted(Uncopied):
    """A stand-in that replies by script; it understands nothing of what it is asked.

    ::

        Scripted(["Hello.", "Goodbye."])
        Scripted({"ann": ["I agree."], ("ann", "position"): [{"stance": "approve"}], "*": ["…"]})
        Scripted(lambda request: request.messages[-1].content.upper())

    A reply is a text; a mapping, given as JSON text; a `ChatReply`, e.g. with tool calls; an
    exception, which is raised; or a list of `ChatPiece` (and exceptions, for a failure in
    mid-stream), which is passed on as it is. Texts are streamed in pieces. Where a reply tells no
    usage it is estimated; a `ChatReply` without a ``finish_reason`` ends as a whole one, so an
    answer that is cut off is written as pieces without one.

    The script is strict: who asks for more than was given is told so. What was asked is in
    ``requests``, what was not given in ``unused``.

    Args:
        replies: Replies in their order; or a mapping of an agent's id, of ``(agent, purpose)`` or
            of ``"*"`` (everyone else) to replies; or a function of the `ChatRequest`, possibly
            ``async``, that returns one. It runs on the library's loop: while it computes or sleeps,
            every chat and the stop button wait, so what takes long awaits (``await to_worker(f)``).
        name: What tables and price lists call it.
        pieces: ``"words"``, ``"characters"``, ``"whole"``, or characters per piece.
        delay: Seconds before every piece.
        cycle: Whether the replies start again when they are used up.

    Raises:
        InvalidInputError: An argument is of the wrong kind.
    """

    _instead = "take model.fresh(): the same script from its first reply on"

    def __init__(
        self,
        replies: str
        | Sequence[Reply]
        | Mapping[_Key, Reply | Sequence[Reply]]
        | Callable[[ChatRequest], Reply | Awaitable[Reply]],
        *,
        name: str = "scripted",
        pieces: Pieces = "words",
        delay: float = 0.0,
        cycle: bool = False,
    ) -> None:
        _check_pieces(pieces)
        if not delay >= 0:
            raise InvalidInputError(
                f"A delay of {delay!r} seconds cannot be kept.",
                where="delay",
                next_step="Give seconds from 0.",
            )
        self._name = name
        self._pieces: Pieces = pieces
        self._delay = delay
        self._cycle = cycle
        self._function: Callable[[ChatRequest], Any] | None = None
        self._lists: dict[_Key, tuple[Reply, ...]] = {}
        self._given: dict[_Key, int] = {}
        self._lock = threading.Lock()
        self.requests: list[ChatRequest] = []
        if isinstance(replies, Mapping):
            self._lists = {key: _listed(value) for key, value in replies.items()}
        elif isinstance(replies, str | ChatReply | BaseException):
            self._lists = {"*": _listed(replies)}
        elif isinstance(replies, Sequence):
            # The replies themselves, even if the only one is made of pieces.
            self._lists = {"*": tuple(replies)}
        elif callable(replies):
            self._function = replies
        else:
            raise InvalidInputError(
                f"A script cannot be made of {type(replies).__name__}.",
                where="replies",
                next_step="Give a list of replies, a mapping of agents to lists, or a function.",
            )
        for key, listed in self._lists.items():
            for number, reply in enumerate(listed, 1):
                _check_reply(reply, f"reply {number}{_of(key)}")

    @property
    def name(self) -> str:
        """What tables and price lists call it."""
        return self._name

    @property
    def unused(self) -> tuple[Reply, ...]:
        """The replies that nobody has asked for yet."""
        with self._lock:
            return tuple(
                reply
                for key, listed in self._lists.items()
                for reply in listed[self._given.get(key, 0) :]
            )

    @property
    def fingerprint(self) -> str | None:
        """Hash of the script: equal ones reply alike. None for a function without one of its own.

        A function vouches for itself by an attribute ``fingerprint``, a text.
        """
        script: Any = [
            [key, [_plain(reply) for reply in told]] for key, told in self._lists.items()
        ]
        if self._function is not None:
            script = getattr(self._function, "fingerprint", None)
            if not isinstance(script, str):
                return None
        content = repr(("scripted", self._name, self._pieces, self._cycle, script))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    def fresh(self) -> Scripted:
        """The same script, from its first reply on."""
        return Scripted(
            self._lists if self._function is None else self._function,
            name=self._name,
            pieces=self._pieces,
            delay=self._delay,
            cycle=self._cycle,
        )

    def __repr__(self) -> str:
        if self._function is not None:
            source = getattr(self._function, "__name__", type(self._function).__name__)
            told = f"function {source}"
        else:
            count = sum(map(len, self._lists.values()))
            told = f"{count} replies, {len(self.unused)} unused"
        return f"<Scripted {self._name!r}: {told}; a stand-in, no model>"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPiece]:
        """The next reply, piece by piece.

        Args:
            request: What is asked; kept in ``requests``.

        Raises:
            StateError: The script has no further reply for this request.
            InvalidInputError: The function returned what is no reply.
        """
        reply = await self._next(request)
        pause = asyncio.sleep
        for piece in self._told(reply, request):
            # Even without a delay others get their turn, as they would while a server writes.
            await pause(self._delay)
            if isinstance(piece, BaseException):
                raise piece.with_traceback(None)
            yield piece

    async def _next(self, request: ChatRequest) -> Reply:
        if self._function is None:
            with self._lock:
                self.requests.append(request)
                return self._take(request)
        with self._lock:
            self.requests.append(request)
        reply = self._function(request)
        if inspect.isawaitable(reply):
            reply = await reply
        _check_reply(reply, "the function's reply")
        return cast(Reply, reply)

    def _take(self, request: ChatRequest) -> Reply:
        agent = request.agent or "*"
        keys: tuple[_Key, ...] = ((agent, request.purpose), agent, "*")
        key = next((key for key in keys if key in self._lists), None)
        if key is None:
            known = ", ".join(sorted(map(str, self._lists))) or "nobody"
            raise StateError(
                f"The script has no replies for agent {request.agent!r} ({request.purpose}).",
                where=f"model {self._name}",
                next_step=f'It has replies for {known}; add the agent, or "*" for everyone else.',
            )
        listed, given = self._lists[key], self._given.get(key, 0)
        self._given[key] = given + 1
        if self._cycle and listed:
            return listed[given % len(listed)]
        if given >= len(listed):
            self._given[key] = len(listed)
            raise StateError(
                f"The script is used up: {len(listed)} replies were given{_of(key)}, and one more "
                f"is asked for (agent {request.agent!r}, {request.purpose}).",
                where=f"model {self._name}",
                next_step="Add replies, stop the chat earlier, or set cycle=True.",
                details={"given": len(listed), "agent": request.agent, "purpose": request.purpose},
            )
        return listed[given]

    def _told(self, reply: Reply, request: ChatRequest) -> Iterator[ChatPiece | BaseException]:
        if isinstance(reply, BaseException):
            yield reply
            return
        if isinstance(reply, Mapping):
            reply = json.dumps(reply, ensure_ascii=False)
        if isinstance(reply, str):
            reply = ChatReply(reply)
        if not isinstance(reply, ChatReply):
            yield from _with_usage(reply, request)
            return
        for text in _parts(reply.reasoning, self._pieces):
            yield ChatPiece(reasoning=text)
        for text in _parts(reply.text, self._pieces):
            yield ChatPiece(text)
        usage = reply.usage
        if usage == Usage():
            usage = estimate_usage(request, reply.reasoning + reply.text, reply.tool_calls)
        reason = reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")
        yield ChatPiece(tool_calls=reply.tool_calls, finish_reason=reason, usage=usage)


def _with_usage(
    pieces: Sequence[ChatPiece | BaseException], request: ChatRequest
) -> Iterator[ChatPiece | BaseException]:
    """The pieces as they are, and the usage after them where none of them tells it."""
    seen: list[ChatPiece] = []
    for piece in pieces:
        yield piece
        if isinstance(piece, ChatPiece):
            seen.append(piece)
    if not any(piece.usage for piece in seen):
        text = "".join(piece.reasoning + piece.text for piece in seen)
        calls = [call for piece in seen for call in piece.tool_calls]
        yield ChatPiece(usage=estimate_usage(request, text, calls))


def _parts(text: str, pieces: Pieces) -> list[str]:
    if not text:
        return []
    if pieces == "words":
        return _WORDS.findall(text)
    if pieces == "whole":
        return [text]
    size = 1 if isinstance(pieces, str) else pieces
    return [text[at : at + size] for at in range(0, len(text), size)]


def _listed(value: Any) -> tuple[Reply, ...]:
    """The replies of one agent: a list of them, or a single one."""
    if isinstance(value, str | Mapping | ChatReply | BaseException):
        return (value,)
    if not isinstance(value, Sequence):
        raise _no_reply(value, "replies")
    return tuple(value)


def _check_reply(reply: object, where: str) -> None:
    if isinstance(reply, str | ChatReply | BaseException):
        return
    if isinstance(reply, Mapping):
        try:
            json.dumps(reply)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"A reply cannot be written as JSON: {error}.",
                where=where,
                next_step="Use texts, numbers, lists and mappings of these, or give a text.",
            ) from error
        return
    if not isinstance(reply, Sequence) or not all(
        isinstance(piece, ChatPiece | BaseException) for piece in reply
    ):
        raise _no_reply(reply, where)


def _no_reply(value: object, where: str) -> InvalidInputError:
    return InvalidInputError(
        f"A reply cannot be made of {type(value).__name__}.",
        where=where,
        next_step="Give a text, a mapping, a ChatReply, an exception, or a list of ChatPiece.",
    )


def _check_pieces(pieces: Pieces) -> None:
    if pieces in ("words", "characters", "whole"):
        return
    if isinstance(pieces, bool) or not isinstance(pieces, int) or pieces < 1:
        raise InvalidInputError(
            f"Replies cannot be cut by {pieces!r}.",
            where="pieces",
            next_step='Use "words", "characters", "whole", or a number of characters from 1.',
        )


def _plain(reply: Reply) -> str:
    """A reply as a text that says all of it."""
    if isinstance(reply, Mapping):
        return json.dumps(reply)
    if isinstance(reply, str | ChatReply | BaseException):
        return repr(reply)
    return repr(list(reply))


def _of(key: _Key) -> str:
    return "" if key == "*" else f" for {key if isinstance(key, str) else ' / '.join(key)}"
