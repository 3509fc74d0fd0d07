"""Rerankers behind HTTP: Cohere, Text Embeddings Inference, Jina, Voyage, BGE servers, Bailian."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    OperationTimeoutError,
    StateError,
    VCPError,
)
from vcplab.core.loop import blocking, on_library_loop
from vcplab.models.reranking.dialects import dialect_named, read_scores

__all__ = ["HTTPReranker"]

# Characters per token at the densest (Chinese): an estimate that errs on the side of small batches.
_CHARACTERS_PER_TOKEN = 1.5
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class HTTPReranker:
    """A rerank service as a ``Reranker``.

    A list is sent in batches, several at once; if one of them fails for good, the call fails, so
    that scores of a model are never mixed with anything else.

    Attributes:
        url: The server; with a path it is used as it is, without one the dialect's is added.
        dialect: ``cohere``, ``tei``, ``jina``, ``voyage``, ``bge`` or ``bailian``.
        model: The model that is asked for; the dialect's usual one if None.
        api_key: Sent as a bearer token; never shown.
        batch_documents: Documents per request at most.
        batch_tokens: Estimated tokens per request at most.
        concurrency: Requests at a time.
        timeout: Seconds for one request.
        retries: Further attempts after 408, 429, 5xx or a broken connection.

    Raises:
        InvalidInputError: The URL is no http(s) address, or a number is impossible.
    """

    url: str
    dialect: str = "cohere"
    model: str | None = None
    api_key: str | None = field(default=None, repr=False, compare=False)
    batch_documents: int = 25
    batch_tokens: int = 30_000
    concurrency: int = 3
    timeout: float = 30.0
    retries: int = 2

    def __post_init__(self) -> None:
        dialect_named(self.dialect)
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise InvalidInputError(
                "The address of the rerank service must begin with http:// or https:// and hold "
                "no user name.",
                where="url",
                next_step='Write "http://127.0.0.1:8080"; a key goes into api_key.',
            )
        for name, least in (
            ("batch_documents", 1),
            ("batch_tokens", 1),
            ("concurrency", 1),
            ("retries", 0),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidInputError(
                    f"{name}={value!r} is not possible.",
                    where=name,
                    next_step=f"Give a whole number from {least}.",
                )
        if not 0 < self.timeout < float("inf"):
            raise InvalidInputError(
                f"timeout={self.timeout!r} is not possible.",
                where="timeout",
                next_step="Give seconds, such as 30.0.",
            )

    @property
    def name(self) -> str:
        """The model's name, or the dialect's."""
        return self._model() or f"{self.dialect} reranker"

    @property
    def fingerprint(self) -> str:
        """Server, dialect and model; a server may change its model without our seeing it."""
        return f"http-{self.dialect}-{self._endpoint()}-{self._model() or ''}"

    @on_library_loop
    async def ascore(self, query: str, documents: Sequence[str]) -> NDArray[np.float64]:
        """One score per document, shape (len(documents),); larger is more relevant.

        Raises:
            StateError: The service refuses or cannot be reached.
            OperationTimeoutError: It takes too long.
            InvalidDataError: Its reply cannot be used.
        """
        import httpx2

        gate = asyncio.Semaphore(self.concurrency)
        headers = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        async with httpx2.AsyncClient(
            timeout=self.timeout, headers=headers, trust_env=False
        ) as client:
            tasks = [
                asyncio.ensure_future(self._batch(client, gate, query, batch))
                for batch in self._batches(query, documents)
            ]
            try:
                parts = await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return np.array([score for part in parts for score in part], np.float64)

    score = blocking(ascore, name="score")

    async def _batch(
        self, client: Any, gate: asyncio.Semaphore, query: str, documents: list[str]
    ) -> list[float]:
        dialect = dialect_named(self.dialect)
        body = dialect.body(self._model(), query, documents)
        async with gate:
            for attempt in range(self.retries + 1):
                final = attempt == self.retries
                pause = await self._attempt(client, body, final)
                if not isinstance(pause, float):
                    return read_scores(dialect, pause, len(documents))
                await asyncio.sleep(min(pause or 0.25 * 2**attempt, _LONGEST_PAUSE))
        raise AssertionError("the last attempt gives a reply or raises")

    async def _attempt(self, client: Any, body: dict[str, Any], final: bool) -> Any:
        """The decoded reply, or seconds (0.0: as usual) to wait before the next attempt."""
        import httpx2

        try:
            reply = await client.post(self._endpoint(), json=body)
        except httpx2.TimeoutException as error:
            raise OperationTimeoutError(
                f"The rerank service did not answer within {self.timeout:g} s.",
                where=self._endpoint(),
                next_step="Give it more time (timeout=…) or less work (batch_documents=…).",
            ) from error
        except httpx2.TransportError as error:
            if not final:
                return 0.0
            raise StateError(
                f"The rerank service cannot be reached: {type(error).__name__}.",
                where=self._endpoint(),
                next_step="Check that it runs and that the address is right.",
            ) from error
        except (UnicodeError, ValueError) as error:
            raise InvalidDataError(
                f"The request cannot be sent: {type(error).__name__}.",
                where=self._endpoint(),
                next_step="Remove lone surrogates from query and documents.",
            ) from error
        if reply.status_code in (408, 429) or reply.status_code >= 500:
            if not final:
                return _retry_after(reply.headers.get("retry-after"))
        elif reply.is_success:
            try:
                return reply.json()
            except ValueError as error:
                raise InvalidDataError(
                    "The rerank service's reply is no JSON.",
                    where=self._endpoint(),
                    next_step="Check that the address is the service's and not a web page's.",
                ) from error
        raise self._refused(reply.status_code)

    def _refused(self, status: int) -> VCPError:
        steps = {
            401: "Check the key (api_key).",
            403: "Check the key (api_key) and what it may do.",
            404: "Check the address and the dialect: the path is part of both.",
            413: "Send less at once: batch_documents=…, batch_tokens=….",
            422: "Check the dialect: the server did not understand the request.",
            429: "Wait, or lower concurrency.",
        }
        return StateError(
            f"The rerank service answered {status}.",
            where=self._endpoint(),
            next_step=steps.get(status, "Look at the server's log."),
            details={"status": status},
        )

    def _batches(self, query: str, documents: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        used = 0.0
        for document in documents:
            cost = (len(document) + len(query)) / _CHARACTERS_PER_TOKEN
            if batch and (len(batch) >= self.batch_documents or used + cost > self.batch_tokens):
                yield batch
                batch, used = [], 0.0
            batch.append(document.encode("utf-8", "replace").decode("utf-8"))
            used += cost
        if batch:
            yield batch

    def _endpoint(self) -> str:
        parts = urlsplit(self.url)
        path = parts.path if parts.path.strip("/") else dialect_named(self.dialect).path
        return parts._replace(path=path).geturl()

    def _model(self) -> str | None:
        return self.model if self.model is not None else dialect_named(self.dialect).model


def _retry_after(value: str | None) -> float:
    try:
        return min(max(0.0, float(value or 0)), _LONGEST_PAUSE)
    except ValueError:
        return 0.0  # a date: the usual pause will do
