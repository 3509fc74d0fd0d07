"""What a chat model keeps between calls: its connections, and what it learnt of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from vcplab.core.errors import MissingDependencyError
from vcplab.core.loop import to_worker
from vcplab.models.chat._endpoint import Endpoint
from vcplab.models.chat._wire import Dialect

if TYPE_CHECKING:
    from vcplab.models.chat._client import Client

__all__ = ["State"]


class State:
    """One for a chat model; a copy of the model begins anew.

    Attributes:
        client: The connections, once there are any.
        dialect: What the server does not understand.
        model: The server's model, where it had to be asked for.
    """

    def __init__(self) -> None:
        self.client: Client | None = None
        self.dialect = Dialect()
        self.model: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return State, ()  # a copy, here or in another process

    async def connected(
        self,
        endpoint: Endpoint,
        key: SecretStr | None,
        headers: Mapping[str, str],
        connect_timeout: float,
    ) -> Client:
        """The connections on the running loop, made when first needed.

        Args:
            endpoint: Where to.
            key: Sent as a bearer token.
            headers: Further headers.
            connect_timeout: Seconds for a connection to be made.

        Raises:
            MissingDependencyError: The package openai is not installed.
        """
        if (client := self._here()) is None:
            # In a worker: the package takes a second to import, and others use the loop meanwhile.
            module = await to_worker(_openai_client)
            if (client := self._here()) is None:
                client = module.Client(endpoint, key, headers, connect_timeout)
                self.client = await client.open()  # at once: it does not wait
        return client

    def _here(self) -> Client | None:
        # The library's loop may have been closed and started anew.
        client = self.client
        here = client is not None and client.loop is asyncio.get_running_loop()
        return client if here else None


def _openai_client() -> Any:
    try:
        from vcplab.models.chat import _client
    except ImportError as error:
        raise MissingDependencyError(
            "OpenAIChat needs the package openai.",
            where="OpenAIChat",
            next_step='pip install "openai>=3.54,<4".',
        ) from error
    return _client
