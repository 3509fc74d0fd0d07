"""Chat models behind any endpoint that speaks as OpenAI's does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from vcplab.core.display import html_card, style_block
from vcplab.core.errors import InvalidInputError
from vcplab.core.loop import blocking, on_library_loop
from vcplab.core.trace.spans import Span, SpanStatus, present, span
from vcplab.models.address import checked_key
from vcplab.models.chat._endpoint import address_and_key
from vcplab.models.chat._parameters import (
    check_count,
    check_number,
    checked_headers,
    checked_model,
)
from vcplab.models.chat._state import State
from vcplab.models.chat._wire import Answer, body_of, encoded, listed
from vcplab.models.chat.failures import (
    ModelError,
    ModelNotFoundError,
    ModelRefusedError,
    malformed,
    silent,
)
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest, complete
from vcplab.protocol.messages import Message

if TYPE_CHECKING:
    from vcplab.models.chat._client import Chunks, Client

__all__ = ["OpenAIChat"]

# Longer than anyone waits in a notebook: a server that asks for more has failed.
_LONGEST_PAUSE = 60.0
_LONGEST_BACKOFF = 8.0
_MOST_LESSONS = 6


class OpenAIChat:
    """A chat model behind an endpoint that speaks as OpenAI's does (``/v1/chat/completions``).

    ::

        model = OpenAIChat("qwen3", base_url="http://127.0.0.1:11434/v1")
        model.ask("What is a tide?")
        async for piece in model.stream(ChatRequest((Message("user", "…"),))): ...

    Address and key are those given, else the settings' ``model_url`` and ``model_key``; the
    settings' key goes to the settings' address alone. The variables ``OPENAI_*`` of the environment
    are never read: no conversation goes to a server that nobody named. Proxies of the environment
    are used, but not for this very machine; redirects are not followed.

    Answers are always streamed. A request is repeated after 429, 408, 5xx and a connection that
    cannot be made or breaks, after a pause that doubles or as long as the server asks for, but
    never once a piece of the answer has come. What a server is found not to understand
    (``stream_options``, ``max_tokens``, strict schemas, ``response_format``) is not sent to it
    again. The usage is the server's; where it reports none, an estimate marked as such.

    Args:
        model: Which model is asked; None for the first one that the server lists.
        base_url: Where the API begins; an address without a path gets ``/v1``, and one may end in
            ``#model``.
        api_key: Sent as ``Authorization: Bearer``; never shown. ``""`` for none at all.
        temperature: For requests that have none of their own.
        max_tokens: For requests that have none of their own.
        timeout: Seconds of silence within an answer after which it is given up.
        first_token_timeout: Seconds until an answer begins, for each try.
        connect_timeout: Seconds for a connection to be made.
        retries: How often a request is repeated.
        backoff: Seconds before the first repetition, where the server does not say.
        extra: Further fields of the body; those of a request win.
        headers: Further headers; never shown.
        name: What tables and price lists call it; the model by default.

    Raises:
        InvalidInputError: There is no address, or a parameter cannot be accepted.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        base_url: str | None = None,
        api_key: str | SecretStr | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout: float = 120.0,
        first_token_timeout: float = 60.0,
        connect_timeout: float = 5.0,
        retries: int = 2,
        backoff: float = 0.5,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self._endpoint, key = address_and_key(base_url, api_key)
        self._key = checked_key(key)
        self.model = checked_model(model) or self._endpoint.model
        self.base_url = self._endpoint.url
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.timeout = timeout
        self.first_token_timeout = first_token_timeout
        self.connect_timeout = connect_timeout
        self.retries = retries
        self.backoff = backoff
        self.extra: Mapping[str, Any] = dict(extra or {})
        self._headers = checked_headers(headers or {})
        self._name = name
        self.is_traced = True  # by a span of its own; a chat opens one for models that have none
        self._state = State()
        check_number("timeout", timeout, above=0.0)
        check_number("first_token_timeout", first_token_timeout, above=0.0)
        check_number("connect_timeout", connect_timeout, above=0.0)
        check_number("backoff", backoff)
        check_count("retries", retries)
        if temperature is not None:
            check_number("temperature", temperature)
        if max_tokens is not None:
            check_count("max_tokens", max_tokens, least=1)
        encoded(self.extra)

    @property
    def name(self) -> str:
        """What tables and price lists call it."""
        return self._name or self.model or self._state.model or f"model at {self._endpoint.host}"

    @on_library_loop
    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatPiece]:
        """Pieces of the answer as they arrive; closing the iterator closes the connection.

        The last piece has the tool calls, the reason and the usage. Without a ``finish_reason``
        among the chunks the answer was cut off and has none, whether the server said
        ``[DONE]`` or not (facts/agents-mcp-plugins B1).

        Args:
            request: The conversation.

        Yields:
            Text and reasoning, then the last piece.

        Raises:
            ModelError: There is no answer, or it broke off; see
                :mod:`vcplab.models.chat.failures`.
            InvalidInputError: The request holds what is not JSON.
            MissingDependencyError: The package openai is not installed.
        """
        opened = span("model.call", "model", model=self.model, purpose=request.purpose)
        if request.agent is not None:
            opened.set(agent=request.agent)
        # Not a `with` block: between two pieces the span would be the reader's present one.
        opened.begin(present.get())
        status: SpanStatus = "cancelled"
        failed: BaseException | None = None
        chunks: Chunks | None = None
        began = perf_counter()
        try:
            chunks, answer, piece = await self._begin(request, opened)
            opened.set(first_token_ms=round((perf_counter() - began) * 1e3, 3))
            if piece is None:
                piece = await self._next(chunks, answer)
            while piece is not None:
                yield piece
                piece = await self._next(chunks, answer)
            await chunks.close()
            last = answer.last()
            _note(opened, last)
            status = "ok"
            yield last
        except Exception as error:
            failed, status = error, "error"
            raise
        finally:
            if chunks is not None:
                await chunks.close()
            opened.end(status, failed)

    @on_library_loop
    async def achat(
        self, messages: Sequence[Message | Mapping[str, Any] | str], **options: Any
    ) -> ChatReply:
        """Have the model continue a conversation, and wait for the whole answer.

        Args:
            messages: Oldest first: messages, their ``role`` and ``content`` as a mapping, or the
                texts of a user.
            **options: Further attributes of a
                :class:`~vcplab.protocol.completions.ChatRequest`: ``schema``, ``tools``,
                ``temperature``, ….

        Raises:
            ModelError: There is no answer, or it broke off.
            InvalidInputError: A message or an option is none.
        """
        given = [messages] if isinstance(messages, str) else messages
        try:
            request = ChatRequest(tuple(map(_as_message, given)), **options)
        except TypeError as error:
            step = 'Give messages: chat([Message("user", "…")], temperature=0).'
            raise InvalidInputError(
                f"This is no conversation: {error}.", where="messages", next_step=step
            ) from None
        return await complete(self, request)

    @on_library_loop
    async def aask(self, text: str, *, system: str | None = None, **options: Any) -> str:
        """Ask one question; the text of the answer.

        Args:
            text: The question.
            system: Instructions before it.
            **options: As for :meth:`achat`.

        Raises:
            ModelError: There is no answer, or it broke off.
        """
        before = () if system is None else (Message("system", system),)
        return (await self.achat((*before, Message("user", text)), **options)).text

    @on_library_loop
    async def amodels(self) -> list[str]:
        """The names of the models that the server lists.

        Raises:
            ModelError: It does not tell.
        """
        repeated = 0
        while True:
            try:
                async with asyncio.timeout(self.first_token_timeout):
                    return listed(await (await self._client()).get("/models"))
            except ModelError as error:
                await self._wait(error, repeated)
                repeated += 1
            except TimeoutError:
                raise silent(self.first_token_timeout, self._where, begun=False) from None

    @on_library_loop
    async def aclose(self) -> None:
        """Close the connections; the next call opens them again."""
        client, self._state.client = self._state.client, None
        if client is not None and client.loop is asyncio.get_running_loop():
            await client.close()

    chat = blocking(achat)
    ask = blocking(aask)
    models = blocking(amodels)
    close = blocking(aclose)

    def __repr__(self) -> str:
        model = "" if self.model is None else f"{self.model!r}, "
        return f"OpenAIChat({model}base_url={self._where!r})"

    def _repr_html_(self) -> str:
        rows = {
            "model": self.model or self._state.model or "the first that the server lists",
            "endpoint": self._where,
            "key": "none" if self._key is None else "given",
            "temperature": "the server's" if self.temperature is None else self.temperature,
            "max tokens": "the server's" if self.max_tokens is None else self.max_tokens,
        }
        return style_block() + html_card(f"Chat model {self.name}", rows)

    @property
    def _where(self) -> str:
        return self._endpoint.shown(() if self._key is None else (self._key.get_secret_value(),))

    async def _client(self) -> Client:
        own = (self._endpoint, self._key, self._headers, self.connect_timeout)
        return await self._state.connected(*own)

    async def _begin(
        self, request: ChatRequest, opened: Span
    ) -> tuple[Chunks, Answer, ChatPiece | None]:
        """The answer from its first piece on, however many requests that takes."""
        repeated = lessons = 0
        while True:
            sent: dict[str, Any] = {}
            try:
                async with asyncio.timeout(self.first_token_timeout):
                    return await self._try(request, opened, sent)
            except ModelError as error:
                if lessons < _MOST_LESSONS and self._learns(error, sent, request):
                    lessons += 1
                    continue
                await self._wait(error, repeated)
                repeated += 1
                opened.event("retry", number=repeated, because=str(error.code))
            except TimeoutError:
                raise silent(self.first_token_timeout, self._where, begun=False) from None

    async def _try(
        self, request: ChatRequest, opened: Span, sent: dict[str, Any]
    ) -> tuple[Chunks, Answer, ChatPiece | None]:
        client = await self._client()
        model = self.model or self._state.model or await self._first_listed(client)
        opened.attributes["model"] = model
        body = body_of(
            request,
            model,
            self._state.dialect,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            extra=self.extra,
        )
        sent.update(body)
        chunks = await client.post(encoded(body), model)
        answer = Answer(request)
        try:
            while not answer.has_begun and answer.finish_reason is None:
                chunk = await chunks.next()
                if chunk is None:
                    if not chunks.any:
                        raise malformed("ends before it begins", self._where)
                    return chunks, answer, None
                piece = answer.take(chunk)
                if piece is not None:
                    break
            else:
                piece = None  # a tool call has begun, or the answer is empty
        except BaseException:
            await chunks.close()
            raise
        chunks.begun = True
        return chunks, answer, piece

    async def _next(self, chunks: Chunks, answer: Answer) -> ChatPiece | None:
        """The next piece; None at the end."""
        try:
            while True:
                async with asyncio.timeout(self.timeout):
                    chunk = await chunks.next()
                if chunk is None:
                    return None
                piece = answer.take(chunk)
                if piece is not None:
                    return piece
        except ModelError:
            # Once the reason is told the answer is whole, whatever becomes of the connection.
            if answer.finish_reason is None:
                raise
        except TimeoutError:
            if answer.finish_reason is None:
                raise silent(self.timeout, self._where, begun=True) from None
        return None

    def _learns(self, error: ModelError, sent: Mapping[str, Any], request: ChatRequest) -> bool:
        if not isinstance(error, ModelRefusedError):
            return False
        given = {*self.extra, *request.extra}
        own = {name: value for name, value in sent.items() if name not in given}
        complaint = f"{error.details.get('server_code', '')} {error.message}"
        return self._state.dialect.learn(own, complaint)

    async def _wait(self, error: ModelError, repeated: int) -> None:
        """Wait before a repetition; raise the error if there is to be none."""
        pause = error.retry_after
        if pause is None:
            pause = min(self.backoff * 2.0**repeated, _LONGEST_BACKOFF)
        if not error.is_passing or repeated >= self.retries or pause > _LONGEST_PAUSE:
            raise error
        await asyncio.sleep(pause)

    async def _first_listed(self, client: Client) -> str:
        """The server's model, asked for once."""
        async with client.naming:
            if self._state.model is None:
                names = listed(await client.get("/models"))
                if not names:
                    step = 'Name it: OpenAIChat("model", base_url=…).'
                    raise ModelNotFoundError(
                        "The server lists no model.", where=self._where, next_step=step
                    )
                self._state.model = names[0]
            return self._state.model


def _as_message(given: Message | Mapping[str, Any] | str) -> Message:
    if isinstance(given, str):
        return Message("user", given)
    return given if isinstance(given, Message) else Message(**given)


def _note(opened: Span, last: ChatPiece) -> None:
    usage = last.usage
    assert usage is not None, "the last piece tells the usage"
    facts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    opened.set(finish_reason=last.finish_reason, **facts)
    if usage.cached_tokens:
        opened.set(cached_tokens=usage.cached_tokens)
    if usage.estimated:
        opened.set(estimated=True)
