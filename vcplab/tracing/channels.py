"""Names as peers write them: ``VCPLog_GetRecentCalls`` calls ``get_recent_calls``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vcplab.core.errors import InvalidInputError, NotFoundError

__all__ = ["Channels", "pythonic"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def pythonic(name: str) -> str:
    """``parentSessionId`` → ``parent_session_id``."""
    return _HUMP.sub("_", name).lower()


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
        try:
            if payload is None:
                return method()
            if isinstance(payload, Mapping):
                return method(**{pythonic(key): value for key, value in payload.items()})
            return method(payload)
        except TypeError as error:
            raise InvalidInputError(
                f"{channel} does not take {payload!r}: {error}.",
                where="payload",
                next_step=f"see the arguments of {type(self).__name__}.{method.__name__}",
            ) from error
