"""From what a plugin gave to the object that is stored, shown and sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError, VCPError, VCPErrorCode
from vcplab.protocol.results._json import dump, load
from vcplab.protocol.results._texts import read_failure
from vcplab.protocol.results._values import ToolResult

__all__ = ["OutputSource", "ToolFailure", "normalise_output"]

OutputSource: TypeAlias = Literal["stdio", "direct", "distributed"]


class ToolFailure(VCPError):
    """A tool reported an error, or could not be run to its end.

    ``details["payload"]`` holds the object that goes on the wire.
    """

    default_code: ClassVar[VCPErrorCode] = VCPErrorCode.TOOL_EXECUTION_FAILED

    @property
    def payload(self) -> dict[str, Any]:
        """The wire object, with ``plugin_error`` or ``plugin_execution_error`` (§1.5)."""
        payload = self.details.get("payload")
        return payload if isinstance(payload, dict) else {"plugin_execution_error": self.message}

    def to_json(self) -> str:
        """The wire object as compact JSON, as servers throw it."""
        return dump(self.payload)

    def to_result(self, tool: str | None) -> ToolResult:
        """The failed result that tells the model.

        Args:
            tool: The tool that was called.

        Returns:
            The result.
        """
        return ToolResult(tool, **read_failure(self.to_json()))


def normalise_output(
    output: Any, *, source: OutputSource, maid: str | None = None, tool: str | None = None
) -> dict[str, Any]:
    """Turn a plugin's output into the final object of facts/vcp-protocol §1.5.

    An object stays what it is, anything else becomes ``{"original_plugin_output": …}``; a text
    that is JSON is parsed first. Of ``stdio`` the whole reply ``{"status", "result"}`` is
    expected; a ``{"status": "success", "result": {…}}`` of the other sources is unwrapped once.
    ``timestamp`` (local time of the clock in force, ms, offset) is always added, ``MaidName``
    where a maid is given.

    Args:
        output: What the plugin gave, or the exception that kept it from giving anything.
        source: How it was run. ``distributed`` means the ``result`` of a node's ``tool_result``;
            for a frame whose own status is an error pass the exception.
        maid: Who called.
        tool: The tool's name, for the error text.

    Returns:
        A new object.

    Raises:
        ToolFailure: The plugin answered ``{"status": "error"}``, or ``output`` is an exception.
        InvalidInputError: There is no such source.
    """
    if source not in ("stdio", "direct", "distributed"):
        raise InvalidInputError(
            f"There is no output source named {source!r}.",
            where="source",
            next_step="use 'stdio', 'direct' or 'distributed'",
        )
    if isinstance(output, ToolFailure):
        raise _failure(dict(output.payload), maid, tool) from output
    if isinstance(output, BaseException):
        message = output.message if isinstance(output, VCPError) else str(output)
        fields = read_failure(message)
        if fields["error"] == message:
            payload = {"plugin_execution_error": message or type(output).__name__}
        else:
            payload = load(message)  # another server's thrown error, passed on as it is
        raise _failure(payload, maid, tool) from output
    value = _parsed(output)
    if isinstance(value, Mapping) and value.get("status") == "error":
        raise _failure(_reported(value, source, tool), maid, tool)
    if isinstance(value, Mapping) and value.get("status") == "success":
        if source == "stdio":
            # Without `result` the rest is all the plugin said (`messageForAI` and the like).
            rest = {key: item for key, item in value.items() if key != "status"}
            value = _parsed(rest["result"]) if "result" in rest else rest
        elif isinstance(value.get("result"), Mapping):
            value = value["result"]
    final = dict(value) if isinstance(value, Mapping) else {"original_plugin_output": value}
    if maid:
        final["MaidName"] = maid
    final["timestamp"] = _now()
    return final


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return load(value)
    except ValueError:
        return value


def _reported(reply: Mapping[str, Any], source: OutputSource, tool: str | None) -> dict[str, Any]:
    """The payload for ``{"status": "error"}``."""
    subject = f'Plugin "{tool}"' if tool else "The plugin"
    error = reply.get("error") or f"{subject} reported an unspecified error."
    payload: dict[str, Any] = {"plugin_error": error}
    if reply.get("result"):
        payload["result"] = reply["result"]
    if source != "stdio" and reply.get("code") is not None:
        payload["code"] = reply["code"]
    return payload


def _failure(payload: dict[str, Any], maid: str | None, tool: str | None) -> ToolFailure:
    if maid:
        payload.setdefault("MaidName", maid)
    payload.setdefault("timestamp", _now())
    error = payload.get("plugin_error", payload.get("plugin_execution_error"))
    message = error if isinstance(error, str) else dump(error)
    return ToolFailure(message, where=tool, details={"payload": payload})


def _now() -> str:
    return current_clock().now().isoformat(timespec="milliseconds")
