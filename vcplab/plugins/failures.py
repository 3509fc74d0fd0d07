"""How calls fail."""

from __future__ import annotations

from typing import Any, ClassVar

from vcplab.core.errors import OperationTimeoutError, StateError, VCPErrorCode
from vcplab.protocol.results import ToolFailure

__all__ = ["ContractError", "PluginUnavailableError", "ToolTimeoutError", "execution_failure"]


class ToolTimeoutError(ToolFailure, OperationTimeoutError):
    """A call took longer than it may; what it had started was ended."""

    default_code: ClassVar[VCPErrorCode] = VCPErrorCode.TOOL_TIMEOUT


class ContractError(ToolFailure):
    """A plugin crashed or answered in no form that its contract knows (facts/vcp-protocol §2)."""


class PluginUnavailableError(StateError):
    """The plugin is there but may not or cannot be called; ``details["state"]`` says which."""

    default_code: ClassVar[VCPErrorCode] = VCPErrorCode.PLUGIN_LOAD_ERROR


def execution_failure(
    kind: type[ToolFailure], message: str, plugin: str, next_step: str, **details: Any
) -> ToolFailure:
    """A failure of running a plugin, with its wire object (facts/vcp-protocol §1.5).

    Args:
        kind: The class of the error.
        message: What happened, as servers word it.
        plugin: The plugin.
        next_step: What the reader can do.
        **details: Further facts.
    """
    return kind(
        message,
        where=plugin,
        next_step=next_step,
        details={"payload": {"plugin_execution_error": message}, **details},
    )
