"""Rerankers behind HTTP: batched, a few requests at a time, every list scored whole or not."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Sequence
from dataclasses import KW_ONLY, dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    VCPError,
)
from vcplab.core.loop import blocking, on_library_loop
from vcplab.models.address import (
    checked_key,
    checked_url,
    completed,
    shown,
    without_key,
)
from vcplab.models.reranking.connection import http_library, malformed, new_client, post
from vcplab.models.reranking.dialects import DIALECTS, Dialect, Reply
from vcplab.models.reranking.failures import (
    Patience,
    is_passing,
    refused,
    unreachable,
)
from vcplab.models.reranking.lists import clean
from vcplab.text.tokens import ApproximateTokenizer

if TYPE_CHECKING:
    import httpx2

__all__ = ["HTTPReranker"]

T = TypeVar("T")

# Longer than anyone waits in a notebook: a service that asks for more has failed.
_LONGEST_PAUSE = 60.0
_LONGEST_BACKOFF = 8.0


class _Slots:
    """The requests that one reranker may have under way, on the loop of the moment."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._semaphore = asyncio.Semaphore()

    def of(self, count: int) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._semaphore = loop, asyncio.Semaphore(count)
        return self._semaphore

    def __reduce__(self) -> tuple[Any, ...]:
        return _Slots, ()  # a copy, here or in another process, counts for itself


@dataclass(frozen=True)
class HTTPReranker:
    """A rerank service: Cohere, Jina, Voyage, Bailian, TEI, or a server that speaks like them.

    ::

        HTTPReranker("http://127.0.0.1:8080", dialect="tei")
        HTTPReranker("https://api.cohere.com", api_key=os.environ["COHERE_API_KEY"])

    The documents of a query go out in batches; their scores come from one model and are compared
    with each other. (For a listwise model, whose scores depend on what else is in the batch, set
    ``batch_documents`` to the length of the list.) If any batch fails, the whole list has no
    scores: retrieval and rerank scores are never mixed. A busy or broken service (429, 5xx, no
    connection) is asked again after a pause that doubles, or as long as its ``Retry-After`` says;
    a refused request (other 4xx), a time-out and a malformed answer are final.

    Nothing is kept open between calls. Proxies of the environment are used, but not for this very
    machine; redirects are not followed.

    Attributes:
        url: Address of the service; one without a path, or with the first part of it, is
            completed by the dialect's.
        dialect: ``cohere``, ``tei``, ``jina``, ``voyage``, ``bge``, ``bailian``, or a
            :class:`~vcplab.models.reranking.dialects.Dialect` of one's own.
        model: Which model scores; the dialect's default if None. TEI is not told, since it serves
            one: name it all the same, so that results of two models are never taken for each
            other.
        api_key: Sent as ``Authorization: Bearer``; never shown.
        batch_documents: Documents per request.
        batch_tokens: Tokens per request, about: the query is counted with every document.
        concurrency: Requests under way at a time, whoever asks.
        timeout: Seconds for a request from its beginning to the end of the answer.
        retries: How often a request is repeated.
        backoff: Seconds before the first repetition.
        name: What tables call it; the model, or dialect and host, if empty.

    Raises:
        InvalidInputError: A parameter is out of range, the url is none, or a service that wants
            the name of a model is not given one.
    """

    url: str
    _: KW_ONLY
    dialect: str | Dialect = "cohere"
    model: str | None = None
    api_key: str | SecretStr | None = field(default=None, repr=False, compare=False)
    batch_documents: int = 25
    batch_tokens: int = 30_000
    concurrency: int = 3
    timeout: float = 30.0
    retries: int = 3
    backoff: float = 0.5
    name: str = ""
    _slots: _Slots = field(default_factory=_Slots, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", checked_key(self.api_key))
        parts = checked_url(self.url)
        dialect = self._dialect
        for name, value, least in (
            ("batch_documents", self.batch_documents, 1),
            ("batch_tokens", self.batch_tokens, 1),
            ("concurrency", self.concurrency, 1),
            ("retries", self.retries, 0),
        ):
            if not isinstance(value, int) or value < least:
                raise InvalidInputError(
                    f"{name}={value!r} is no whole number from {least}.",
                    where=name,
                    next_step="Leave it out for the default.",
                )
        if not 0 < self.timeout < float("inf") or not 0 <= self.backoff < float("inf"):
            raise InvalidInputError(
                f"timeout={self.timeout!r} and backoff={self.backoff!r} are no times to wait.",
                where="timeout",
                next_step="Give seconds: 30 and 0.5 are the defaults.",
            )
        if dialect.needs_model and self._model is None:
            raise InvalidInputError(
                f"A {dialect.name} service must be told which model is to score.",
                where="model",
                next_step="Give model=..., as the service's documentation names it.",
            )
        if not self.name:
            named = self._model or f"{dialect.name} at {parts.hostname}"
            object.__setattr__(self, "name", named)

    @property
    def endpoint(self) -> str:
        """The full address that requests go to."""
        return completed(checked_url(self.url), self._dialect.path)

    @property
    def fingerprint(self) -> str:
        """Hash of address, dialect and model; the key is no part of it."""
        content = json.dumps([self.endpoint, self._dialect.content, self._model])
        return f"http-{hashlib.sha256(content.encode()).hexdigest()[:24]}"

    @property
    def cacheable(self) -> bool:
        """Whether scores may be kept between runs: only if it is known which model made them."""
        return self._model is not None

    def prepare(self) -> None:
        """Make sure that requests can be made; nothing is sent."""
        http_library()

    @on_library_loop
    async def ascore(self, query: str, documents: Sequence[str]) -> NDArray[np.float64]:
        """One score per document, shape (len(documents),); larger is more relevant.

        Args:
            query: The question.
            documents: Texts; nothing is asked if there are none.

        Raises:
            InvalidInputError: Something is no text, or the service refused key or request.
            NotFoundError: The service has nothing at this address, or no such model.
            InvalidDataError: The answer does not score every document exactly once.
            OperationTimeoutError: The answer took too long.
            VCPError: The service could not be reached, or was busy or broken to the last.
        """
        (result,) = await self.ascore_many([query], [documents])
        if isinstance(result, VCPError):
            raise result
        return result

    @on_library_loop
    async def ascore_many(
        self, queries: Sequence[str], documents: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float64] | VCPError]:
        """Score one list of documents per query, several at a time.

        After a refused key, a wrong address, or five failed lists in a row the rest is not asked
        for.

        Args:
            queries: The questions.
            documents: The documents of each, as many lists as queries.

        Returns:
            Per query its scores, shape (documents of that query,), or the error that came instead.

        Raises:
            InvalidInputError: Something is no text.
            MissingDependencyError: httpx2 is not installed.
        """
        cleaned = [
            (clean(query), [clean(document) for document in own])
            for query, own in zip(queries, documents, strict=True)
        ]
        patience = Patience()
        async with new_client(self.endpoint, self._secret, self.concurrency) as client:
            return await _together(
                [self._list(client, query, own, patience) for query, own in cleaned]
            )

    score = blocking(ascore)
    score_many = blocking(ascore_many)

    async def _list(
        self, client: httpx2.AsyncClient, query: str, documents: list[str], patience: Patience
    ) -> NDArray[np.float64] | VCPError:
        try:
            replies = await _together(
                [
                    self._batch(client, query, documents[batch], patience)
                    for batch in self._batches(query, documents)
                ]
            )
            scores = self._joined(replies)
        except VCPError as error:
            patience.failed(error)
            return error
        patience.succeeded()
        return scores

    def _batches(self, query: str, documents: Sequence[str]) -> list[slice]:
        count = ApproximateTokenizer().count
        asked = count(query)
        batches: list[slice] = []
        start, tokens = 0, 0
        for place, document in enumerate(documents):
            cost = asked + count(document)
            if place > start and (
                place - start == self.batch_documents or tokens + cost > self.batch_tokens
            ):
                batches.append(slice(start, place))
                start, tokens = place, 0
            tokens += cost
        return [*batches, slice(start, len(documents))] if documents else []

    def _joined(self, replies: Sequence[Reply]) -> NDArray[np.float64]:
        models = {reply.model for reply in replies if reply.model is not None}
        if len(models) > 1:
            raise InvalidDataError(
                f"Batches of one list were scored by {' and '.join(sorted(models))}.",
                where=self._where,
                next_step="Scores of two models cannot be compared: name one with model=...",
            )
        return np.concatenate([np.empty(0), *(reply.scores for reply in replies)])

    async def _batch(
        self, client: httpx2.AsyncClient, query: str, documents: list[str], patience: Patience
    ) -> Reply:
        body = self._dialect.body(query, documents, self._model)
        content = json.dumps(body, ensure_ascii=False).encode()
        async with self._slots.of(self.concurrency):
            for attempt in range(self.retries + 1):
                if patience.ended is not None:
                    raise patience.ended
                pause = min(self.backoff * 2**attempt, _LONGEST_BACKOFF)
                try:
                    answer = await post(client, self.endpoint, content, self.timeout)
                except http_library().TransportError as error:
                    failure = unreachable(str(error) or type(error).__name__, self._where)
                else:
                    if 200 <= answer.status < 300:
                        return self._read(answer.content, len(documents))
                    said = without_key(answer.content.decode("utf-8", "replace"), self._secret)
                    failure = refused(answer.status, said, self._where)
                    if not is_passing(answer.status):
                        patience.refused(failure)  # before the slot is free for the next one
                        raise failure
                    pause = pause if answer.pause is None else answer.pause
                if attempt == self.retries or pause > _LONGEST_PAUSE:
                    raise failure
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _read(self, answer: bytes, count: int) -> Reply:
        try:
            parsed = json.loads(answer)
        except (ValueError, RecursionError):
            raise malformed("is no JSON", self._where) from None
        return self._dialect.read(parsed, count)

    @property
    def _dialect(self) -> Dialect:
        if isinstance(self.dialect, Dialect):
            return self.dialect
        known = DIALECTS.get(self.dialect)
        if known is None:
            near = get_close_matches(str(self.dialect).lower(), DIALECTS, n=1)
            raise InvalidInputError(
                f"dialect={self.dialect!r} is not known.",
                where="dialect",
                next_step=(f"Did you mean {near[0]!r}? " if near else "")
                + f"Known: {', '.join(DIALECTS)}.",
            )
        return known

    @property
    def _model(self) -> str | None:
        return self.model or self._dialect.model

    @property
    def _secret(self) -> SecretStr | None:
        return self.api_key if isinstance(self.api_key, SecretStr) else None

    @property
    def _where(self) -> str:
        return shown(self.endpoint)


async def _together(coroutines: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all; the first error ends the others and comes alone, not in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
