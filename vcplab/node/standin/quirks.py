"""How a stand-in server differs from the ordinary: its dialect, and habits of real servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from vcplab.core.errors import InvalidInputError

__all__ = ["FRAME_LIMIT", "Quirks", "ServerDialect"]

ServerDialect: TypeAlias = Literal["toolbox", "intellicore", "cherry"]

FRAME_LIMIT = 100 * 2**20
"""Bytes that a frame to the server may have (facts/vcp-protocol §4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What a stand-in server does. The defaults are those of VCPToolBox (facts/vcp-protocol §4).

    Attributes:
        dialect: ``toolbox``; ``intellicore`` (facts/sdk-and-neko A4: two acks, ``register_ack``,
            ``unregister_tools``, ``fetch_file``); ``cherry`` (``distributed_*`` around the
            toolbox's payloads, our reading).
        jsonrpc: Calls are sent as JSON-RPC 2.0 requests, as seed 000 has them.
        acknowledges: Whether ``connection_ack`` is sent; servers before 2026-02-20 send none.
        binary: Frames are sent as binary ones.
        heartbeat: Seconds between pings; a peer that has not answered the last one is dropped.
            None: no pings, the default of VCPToolBox.
        cancels: Whether ``cancel_tool`` is sent on a time-out, to nodes that declared it.
        any_key: Any key that is not empty will do, as with the SDK of 2025.
        errors_resolve: A node's error counts as a success without a value, as with that SDK.
        shared_fate: When one node leaves, the calls on all nodes are rejected, as with that SDK.
        max_size: Bytes of the largest frame that is read; beyond it the close code is 1009.

    Raises:
        InvalidInputError: There is no such dialect, or a number is not positive.
    """

    dialect: ServerDialect = "toolbox"
    jsonrpc: bool = False
    acknowledges: bool = True
    binary: bool = False
    heartbeat: float | None = None
    cancels: bool = True
    any_key: bool = False
    errors_resolve: bool = False
    shared_fate: bool = False
    max_size: int = FRAME_LIMIT

    def __post_init__(self) -> None:
        known = get_args(ServerDialect)
        if self.dialect not in known:
            raise InvalidInputError(
                f"There is no server dialect {self.dialect!r}.",
                where="dialect",
                next_step=f"use one of {', '.join(known)}",
            )
        for name in ("heartbeat", "max_size"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInputError(
                    f"{name} has to be above 0, not {value!r}.",
                    where=name,
                    next_step="give a positive number"
                    + (", or None for no pings" if name == "heartbeat" else ""),
                )

    @classmethod
    def intellicore(cls, **others: Any) -> Quirks:
        """The habits of the SDK of 2025, the bad ones too (facts/sdk-and-neko A4).

        Args:
            **others: Attributes that differ.
        """
        habits: dict[str, Any] = {
            "dialect": "intellicore",
            "any_key": True,
            "errors_resolve": True,
            "shared_fate": True,
            "cancels": False,
        }
        return cls(**{**habits, **others})
