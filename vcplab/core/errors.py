"""The one exception tree of vcplab.

::

    VCPError                      everything that vcplab raises on purpose
    ├── InvalidInputError         (also a ValueError) an argument or a text cannot be accepted
    │   └── InvalidDataError      a file, record or data set is broken
    ├── NotFoundError             (also a KeyError) a named thing does not exist
    ├── MissingDependencyError    (also an ImportError) an optional package is not installed
    ├── StateError                what is on disk or in memory does not allow the operation
    │   ├── ReadOnlyError         another process owns the workspace
    │   └── SchemaMismatchError   stored state was written by another version or configuration
    ├── LoopError                 a blocking call was made where it cannot work
    └── OperationTimeoutError     (also a TimeoutError) a time limit passed

Every error says what went wrong, where, and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

__all__ = [
    "InvalidDataError",
    "InvalidInputError",
    "LoopError",
    "MissingDependencyError",
    "NotFoundError",
    "OperationTimeoutError",
    "ReadOnlyError",
    "SchemaMismatchError",
    "StateError",
    "VCPError",
    "VCPErrorCode",
]


class VCPErrorCode(StrEnum):
    """Stable codes: the VCP SDK's (seed 003), extended with the workbench's own."""

    # The SDK's
    INVALID_PROTOCOL = "INVALID_PROTOCOL"
    PARSE_ERROR = "PARSE_ERROR"
    VARIABLE_NOT_FOUND = "VARIABLE_NOT_FOUND"
    CIRCULAR_DEPENDENCY = "CIRCULAR_DEPENDENCY"
    MAX_RECURSION_EXCEEDED = "MAX_RECURSION_EXCEEDED"
    PLUGIN_NOT_FOUND = "PLUGIN_NOT_FOUND"
    PLUGIN_LOAD_ERROR = "PLUGIN_LOAD_ERROR"
    INVALID_PLUGIN_MANIFEST = "INVALID_PLUGIN_MANIFEST"
    TOOL_NOT_FOUND = "TOOL_NOT_FOUND"
    TOOL_EXECUTION_FAILED = "TOOL_EXECUTION_FAILED"
    TOOL_TIMEOUT = "TOOL_TIMEOUT"
    DISTRIBUTED_CONNECTION_ERROR = "DISTRIBUTED_CONNECTION_ERROR"
    DISTRIBUTED_TIMEOUT = "DISTRIBUTED_TIMEOUT"
    DISTRIBUTED_AUTH_FAILED = "DISTRIBUTED_AUTH_FAILED"
    UNKNOWN_ERROR = "UNKNOWN_ERROR"
    # The workbench's
    INVALID_INPUT = "INVALID_INPUT"
    INVALID_DATA = "INVALID_DATA"
    NOT_FOUND = "NOT_FOUND"
    MISSING_DEPENDENCY = "MISSING_DEPENDENCY"
    INVALID_STATE = "INVALID_STATE"
    READ_ONLY = "READ_ONLY"
    SCHEMA_MISMATCH = "SCHEMA_MISMATCH"
    WOULD_BLOCK = "WOULD_BLOCK"
    TIMED_OUT = "TIMED_OUT"
    MODEL_FAILED = "MODEL_FAILED"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"
    MODEL_TIMEOUT = "MODEL_TIMEOUT"
    MODEL_AUTHENTICATION = "MODEL_AUTHENTICATION"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    MODEL_RATE_LIMITED = "MODEL_RATE_LIMITED"
    MODEL_CONTEXT_OVERFLOW = "MODEL_CONTEXT_OVERFLOW"
    MODEL_REFUSED = "MODEL_REFUSED"
    MODEL_BAD_REPLY = "MODEL_BAD_REPLY"


class VCPError(Exception):
    """Root of the tree.

    Args:
        message: What went wrong, in one sentence.
        code: A stable code; the class's own by default.
        where: The file, parameter, row or stage concerned.
        next_step: What the reader can do about it.
        details: Machine-readable facts (JSON-able, free of secrets).
    """

    default_code: ClassVar[VCPErrorCode] = VCPErrorCode.UNKNOWN_ERROR

    def __init__(
        self,
        message: str,
        *,
        code: VCPErrorCode | None = None,
        where: str | None = None,
        next_step: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.where = where
        self.next_step = next_step
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        # KeyError's own __str__ would quote the message, so the text is built here for every class.
        text = f"[{self.code}] {self.message}"
        if self.where:
            text += f" (in {self.where})"
        if self.next_step:
            text += f" Next: {self.next_step}"
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries (parallel comparisons); their keyword arguments go too.
        state = {
            "code": self.code,
            "where": self.where,
            "next_step": self.next_step,
            "details": self.details,
        }
        return _rebuild, (type(self), self.message, state)


def _rebuild(cls: type[VCPError], message: str, state: dict[str, Any]) -> VCPError:
    return cls(message, **state)


class InvalidInputError(VCPError, ValueError):
    """An argument or a text cannot be accepted."""

    default_code = VCPErrorCode.INVALID_INPUT


class InvalidDataError(InvalidInputError):
    """A file, record or data set is broken."""

    default_code = VCPErrorCode.INVALID_DATA


class NotFoundError(VCPError, KeyError):
    """A named thing does not exist."""

    default_code = VCPErrorCode.NOT_FOUND


class MissingDependencyError(VCPError, ImportError):
    """An optional package is not installed."""

    default_code = VCPErrorCode.MISSING_DEPENDENCY


class StateError(VCPError):
    """What is on disk or in memory does not allow the operation."""

    default_code = VCPErrorCode.INVALID_STATE


class ReadOnlyError(StateError):
    """Another process owns the workspace; this one may only read."""

    default_code = VCPErrorCode.READ_ONLY


class SchemaMismatchError(StateError):
    """Stored state was written by another version or configuration."""

    default_code = VCPErrorCode.SCHEMA_MISMATCH


class LoopError(VCPError):
    """A blocking call was made where it cannot work."""

    default_code = VCPErrorCode.WOULD_BLOCK


class OperationTimeoutError(VCPError, TimeoutError):
    """A time limit passed."""

    default_code = VCPErrorCode.TIMED_OUT
