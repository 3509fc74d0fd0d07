"""The one place that touches the package openai: requests out, chunks in, its errors made ours."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any

import openai
from pydantic import SecretStr

from vcplab.core._version import package_version
from vcplab.core.redaction import Redactor, is_secret_name
from vcplab.models.chat._endpoint import Endpoint
from vcplab.models.chat.failures import (
    ModelError,
    malformed,
    pause_asked_for,
    refused,
    spoken,
    unreachable,
)

__all__ = ["Chunks", "Client"]

_STREAM = openai.AsyncStream[object]


class _Client(openai.AsyncOpenAI):
    """A client that takes nothing from the environment and tells nothing of the machine."""

    @property
    def default_headers(self) -> dict[str, Any]:
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            **self.own_headers,
        }

    own_headers: Mapping[str, str] = {}


class Client:
    """The connections to one endpoint, on the loop on which it was made.

    Args:
        endpoint: Where to.
        key: Sent as a bearer token.
        headers: Further headers.
        connect_timeout: Seconds for a connection to be made.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        key: SecretStr | None,
        headers: Mapping[str, str],
        connect_timeout: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.naming = asyncio.Lock()  # of the model, where the server is asked for it
        self._endpoint = endpoint
        self._secrets = [value for name, value in headers.items() if is_secret_name(name)]
        plain = ""
        if key is not None:
            plain = key.get_secret_value()
            self._secrets.append(plain)
        near = endpoint.is_near
        self._client = _Client(
            # None of these may be None, or the environment would be asked.
            api_key=plain,
            admin_api_key="",
            organization="",
            project="",
            webhook_secret="",
            base_url=endpoint.url,
            max_retries=0,  # ours: up to the first piece, not up to the headers
            # How long may pass without a piece is counted around the stream.
            timeout=openai.Timeout(None, connect=connect_timeout),
            default_query=dict(endpoint.query),
            http_client=openai.DefaultAsyncHttpxClient(
                trust_env=not near,
                follow_redirects=False,  # headers with keys would follow
                # Certificates take 40 ms to read, and plain HTTP on this machine needs none.
                verify=_no_certificates() if near and endpoint.url.startswith("http:") else True,
            ),
        )
        self._client.own_headers = {"User-Agent": f"vcplab/{package_version()}", **headers}
        self._options: Any = {}
        if not plain and not any(name.lower() == "authorization" for name in headers):
            self._options["headers"] = {"Authorization": openai.Omit()}
        self._keeper = _keep(self._client)

    @property
    def where(self) -> str:
        """The address, without secrets."""
        return self._endpoint.shown(self._secrets)

    @functools.cached_property
    def _redactor(self) -> Redactor:
        return Redactor(self._secrets)

    async def open(self) -> Client:
        """Have the connections closed with the loop, or when nobody holds this object any more."""
        await anext(self._keeper)
        return self

    async def post(self, body: bytes, model: str) -> Chunks:
        """Send a request; its answer is read from what is given back.

        Args:
            body: The JSON body.
            model: Which model is asked, for errors.

        Raises:
            ModelError: No answer begins.
        """
        try:
            stream = await self._client.post(
                "/chat/completions",
                cast_to=object,
                content=body,
                options=self._options,
                stream=True,
                stream_cls=_STREAM,
            )
        except openai.OpenAIError as error:
            raise self.failure(error, model) from None
        kind = stream.response.headers.get("content-type", "")
        if kind.startswith(("application/json", "text/html")):
            return await self._unstreamed(stream, kind, model)
        return Chunks(self, stream, model)

    async def get(self, path: str) -> Any:
        """The JSON that is at a path.

        Raises:
            ModelError: There is none.
        """
        try:
            return await self._client.get(path, cast_to=object, options=self._options)
        except openai.OpenAIError as error:
            raise self.failure(error, None) from None
        except ValueError:
            raise malformed("is no JSON", self.where) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._keeper.aclose()

    def failure(self, error: Exception, model: str | None, *, begun: bool = False) -> ModelError:
        """Our error for one of the package's, without keys.

        Args:
            error: Its error.
            model: Which model was asked.
            begun: Whether a part of the answer had come.
        """
        if isinstance(error, openai.APIStatusError):
            return self._refused(error.status_code, error.body, model, error.response.headers)
        if isinstance(error, openai.APIConnectionError):
            return unreachable(self._problem(error), self.where, begun=begun)
        if isinstance(error, openai.APIError):  # an error among the chunks
            return self._refused(None, error.body or error.message, model, {})
        if isinstance(error, ValueError):  # neither UTF-8 nor JSON
            return malformed("holds a chunk that is no JSON", self.where, begun=begun)
        return unreachable(type(error).__name__, self.where, begun=begun)

    def _refused(
        self, status: int | None, body: object, model: str | None, headers: Mapping[str, str]
    ) -> ModelError:
        return refused(
            status,
            body,
            where=self.where,
            model=model,
            said=self._redactor.text(spoken(body)),
            pause=pause_asked_for(headers),
        )

    def _problem(self, error: Exception) -> str:
        cause = error.__cause__ or error
        if type(cause).__name__ == "ConnectTimeout":
            return "no connection in time"
        return self._redactor.text(str(cause) or type(cause).__name__)

    async def _unstreamed(self, stream: Any, kind: str, model: str) -> Chunks:
        """The answer of a server that does not stream, or that is none."""
        if kind.startswith("text/html"):
            await stream.close()
            raise malformed("is a web page", self.where)
        try:
            await stream.response.aread()
            whole = stream.response.json()
        except ValueError:
            raise malformed("is no JSON", self.where) from None
        except Exception as error:
            raise unreachable(type(error).__name__, self.where) from None
        finally:
            await stream.close()
        if isinstance(whole, Mapping) and whole.get("error"):
            raise self._refused(None, whole["error"], model, {})
        return Chunks(self, stream, model, [whole])


class Chunks:
    """The chunks of one answer.

    Args:
        client: Whose.
        stream: The package's stream.
        model: Which model was asked, for errors.
        ready: All of the answer, where it was not streamed.

    Attributes:
        any: Whether a chunk has come.
        begun: Whether the answer has begun, for errors; its reader says so.
    """

    __slots__ = ("_client", "_ended", "_model", "_ready", "_stream", "any", "begun")

    def __init__(
        self, client: Client, stream: Any, model: str, ready: list[Any] | None = None
    ) -> None:
        self._client = client
        self._stream = stream
        self._model = model
        self._ready = ready
        self._ended = ready is not None
        self.any = False
        self.begun = False

    async def next(self) -> Mapping[str, Any] | None:
        """The next chunk; None at the end.

        Raises:
            ModelError: It is none, or the connection broke.
        """
        while True:
            try:
                if self._ready is None:
                    chunk = await self._stream.__anext__()
                elif self._ready:
                    chunk = self._ready.pop(0)
                else:
                    return None
            except StopAsyncIteration:
                self._ended = True
                return None
            except (openai.OpenAIError, ValueError) as error:
                raise self._client.failure(error, self._model, begun=self.begun) from None
            if isinstance(chunk, dict):
                self.any = True
                return chunk
            if chunk is not None:  # a null says nothing
                raise malformed(
                    "holds a chunk that is no object", self._client.where, begun=self.begun
                )

    async def close(self) -> None:
        """Close the connection if the answer has not been read to its end."""
        await self._stream.close()
        if not self._ended:
            self._ended = True
            # The generators inside are suspended, and hold each other in a cycle: the garbage
            # collector would finalise them, in whichever thread it happens to run. Read on, they
            # give what they had in hand, meet the closed connection, and end.
            with suppress(Exception):
                while True:
                    await self._stream.__anext__()


@functools.cache
def _no_certificates() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _keep(client: _Client) -> AsyncGenerator[None, None]:
    # A loop ends the generators that were begun on it when it is closed, and before that those
    # that are forgotten, from whichever thread; so no connection is left behind.
    try:
        yield
    finally:
        await client.close()
