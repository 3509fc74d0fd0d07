"""JSON-RPC 2.0, in which seed 000 says that tools are called (https://www.jsonrpc.org/specification).

No VCP server does so (facts/vcp-protocol §0). Where a peer does, **our reading** is the method
``execute_tool`` with the payload of the toolbox's frame of that name: ``toolName``, ``toolArgs``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import PlainValidator, model_validator

from vcplab.protocol.frames.base import Frame, Text, WireModel

__all__ = ["JsonRpcError", "JsonRpcRequest", "JsonRpcResponse"]

_METHOD = "execute_tool"


def _id(value: object) -> str | int | float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise ValueError("must be text, a number or null")
    return value


def _parameters(value: object) -> dict[str, Any] | tuple[Any, ...]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple):
        return tuple(value)
    raise ValueError("must be an object or an array")


def _code(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return value


Id: TypeAlias = Annotated[str | int | float | None, PlainValidator(_id)]
Parameters: TypeAlias = Annotated[dict[str, Any] | tuple[Any, ...], PlainValidator(_parameters)]


class JsonRpcRequest(Frame):
    """A call, or a notification if it has no ``id``.

    Attributes:
        jsonrpc: The version.
        id: What the answer has to carry.
        method: What is called.
        params: Arguments by name or by place.
    """

    jsonrpc: Literal["2.0"] = "2.0"
    id: Id = None
    method: Text
    params: Parameters | None = None

    @classmethod
    def for_tool(cls, request_id: str, tool_name: str, tool_args: dict[str, Any]) -> Self:
        """The call of a tool in our reading.

        Args:
            request_id: What the answer has to carry.
            tool_name: The tool.
            tool_args: Its arguments.
        """
        params = {"toolName": tool_name, "toolArgs": tool_args}
        return cls(id=request_id, method=_METHOD, params=params)

    @property
    def is_notification(self) -> bool:
        """Whether no answer is wanted."""
        return "id" not in self.model_fields_set


class JsonRpcError(WireModel):
    """Why a call failed.

    Attributes:
        code: A whole number; -32768 to -32000 are the specification's.
        message: One sentence.
        data: Anything more.
    """

    code: Annotated[int, PlainValidator(_code)]
    message: Text
    data: Any = None


class JsonRpcResponse(Frame):
    """An answer: a result or an error. An ``error: null`` beside a result is let pass.

    Attributes:
        jsonrpc: The version.
        id: That of the call; None where the call could not be read.
        result: What the call gave.
        error: Why it failed.
    """

    jsonrpc: Literal["2.0"] = "2.0"
    id: Id = None
    result: Any = None
    error: JsonRpcError | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.error is not None and self.result is not None:
            raise ValueError("has both result and error")
        if self.error is None and "result" not in self.model_fields_set:
            raise ValueError("has neither result nor error")
        return self
