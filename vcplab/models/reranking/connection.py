"""One HTTP exchange with a rerank service: made, limited in time and size, and read to its end."""

from __future__ import annotations

import asyncio
import functools
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from vcplab.core.errors import InvalidDataError, InvalidInputError, MissingDependencyError
from vcplab.models.address import is_loopback, shown
from vcplab.models.reranking.failures import pause_asked_for, too_slow

if TYPE_CHECKING:
    import httpx2

__all__ = ["Answer", "http_library", "malformed", "new_client", "post"]

# An answer with the documents of a batch in it is far smaller.
_MOST_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: The HTTP status.
        pause: Seconds that the service wants to be left alone; None if it does not say.
        content: The body.
    """

    status: int
    pause: float | None
    content: bytes


def http_library() -> Any:
    """The module httpx2.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import httpx2
    except ImportError as error:
        raise MissingDependencyError(
            "Reranking by a service needs the package httpx2.",
            where="HTTPReranker",
            next_step="pip install httpx2, or rerank with a local model: vl.CrossEncoder(folder).",
        ) from error
    return httpx2


def new_client(endpoint: str, key: SecretStr | None, connections: int) -> httpx2.AsyncClient:
    """A client for one address, to be used in ``async with``.

    Proxies of the environment are used, but not for this very machine. Redirects are not followed.

    Args:
        endpoint: The address.
        key: Sent as a bearer token.
        connections: How many may be open.
    """
    library = http_library()
    near = is_loopback(endpoint)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    client: httpx2.AsyncClient = library.AsyncClient(
        headers=headers,
        # Certificates take 40 ms to read, and plain HTTP on this machine needs none.
        verify=_no_certificates() if near and endpoint.startswith("http:") else _certificates(),
        timeout=None,  # the limit is on the whole exchange, in `post`
        limits=library.Limits(max_connections=connections),
        trust_env=not near,
    )
    return client


async def post(client: httpx2.AsyncClient, endpoint: str, content: bytes, limit: float) -> Answer:
    """Send a JSON body and read the whole answer, whatever its status.

    Args:
        client: Of :func:`new_client`.
        endpoint: The address.
        content: The body.
        limit: Seconds for all of it.

    Raises:
        OperationTimeoutError: They passed.
        InvalidDataError: The answer is too large or cannot be decompressed.
        InvalidInputError: The host's name is none.
        httpx2.TransportError: The connection could not be made, or broke.
    """
    library = http_library()
    where = shown(endpoint)
    received = bytearray()
    try:
        async with (
            asyncio.timeout(limit),
            client.stream("POST", endpoint, content=content) as response,
        ):
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > _MOST_BYTES:
                    raise malformed("does not end", where)
            pause = pause_asked_for(response.headers)
            return Answer(response.status_code, pause, bytes(received))
    except TimeoutError:
        raise too_slow(limit, where) from None
    except library.DecodingError:
        raise malformed("is compressed in a broken way", where) from None
    except library.InvalidURL as error:
        raise InvalidInputError(
            f"The url is no address: {error}.",
            where="url",
            next_step="Check the name of the host.",
        ) from None


def malformed(what: str, where: str) -> InvalidDataError:
    """The error for an answer that is not even JSON.

    Args:
        what: What is wrong with it, as "is no JSON".
        where: The address, without secrets.
    """
    return InvalidDataError(
        f"The reranker's answer {what}.",
        where=where,
        next_step="Check that the url is that of a rerank service, and not of its web page.",
    )


@functools.cache
def _certificates() -> ssl.SSLContext:
    context: ssl.SSLContext = http_library().create_ssl_context()
    return context


@functools.cache
def _no_certificates() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
