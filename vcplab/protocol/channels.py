"""Names as peers write them: ``VCPLog_GetRecentCalls`` calls ``get_recent_calls``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.core.names import snake_keys

__all__ = ["Channels"]


class Channels:
    """A service whose operations are also called by channel, as over seed 002's IPC.

    Attributes:
        CHANNELS: Channel → name of the method.
    """

    CHANNELS: ClassVar[Mapping[str, str]] = {}

    def invoke(self, channel: str, payload: Any = None) -> Any:
        """Call by channel.

        Args:
            channel: One of `CHANNELS`.
            payload: The arguments by name (in either spelling), or the one argument.

        Raises:
            NotFoundError: There is no such channel.
            InvalidInputError: The operation does not take these arguments.
        """
        if channel not in self.CHANNELS:
            raise NotFoundError(
                f"There is no channel {channel!r}.",
                where="channel",
                next_step=f"the channels are: {', '.join(self.CHANNELS)}",
            )
        method: Callable[..., Any] = getattr(self, self.CHANNELS[channel])
        arguments, named = self._arguments(payload)
        try:
            inspect.signature(method).bind(*arguments, **named)
        except TypeError as error:
            raise InvalidInputError(
                f"{channel} does not take this payload: {error}.",
                where="payload",
                next_step=f"see the arguments of {type(self).__name__}.{method.__name__}",
            ) from error
        return method(*arguments, **named)

    def _arguments(self, payload: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """How a payload is handed to a method."""
        if payload is None:
            return (), {}
        if isinstance(payload, Mapping):
            return (), snake_keys(payload)
        return (payload,), {}
