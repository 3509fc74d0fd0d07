"""What is known of a function that is a tool."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vcplab.plugins.functions._binding import Binder
from vcplab.plugins.functions._manifest import manifest_of
from vcplab.plugins.functions.context import ToolContext
from vcplab.plugins.parameters import Parameter

__all__ = ["FunctionSpec"]


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function as a tool: its name, its parameters, and how its arguments are read.

    It does not hold the function, which may be replaced by running its cell again.

    Attributes:
        name: The tool's name.
        description: Summary and body of the docstring.
        returns: What is returned, from the docstring.
        parameters: What callers give, in order; without what the host fills.
        is_async: Whether calling it gives something to await.
        takes_context: Whether it has a parameter for the `ToolContext`.
        extra: Whether it takes further arguments by name (``**kwargs``).
        notes: What its author should know, e.g. a hint that could not be resolved.
    """

    name: str
    description: str
    returns: str
    parameters: tuple[Parameter, ...]
    is_async: bool
    takes_context: bool
    extra: bool
    notes: tuple[str, ...] = ()
    _signature: inspect.Signature = field(default_factory=inspect.Signature, repr=False)
    _binder: Binder = field(
        default_factory=lambda: Binder("", {}, (), {}, None), repr=False, compare=False
    )

    def bind(
        self, arguments: Mapping[str, Any], *, context: ToolContext | None = None
    ) -> dict[str, Any]:
        """The function's own arguments, from those of a call.

        A call from tool-request text gives texts only (facts/vcp-protocol §1.1); each is read by
        the hint of its parameter:

        - ``str`` is never changed. A number from Python becomes text where nothing is lost.
        - ``bool``: true, yes, 1, on, false, no, 0, off, in any case.
        - Lists, tuples, sets, dicts, dataclasses, typed dicts and models: JSON.
        - Unions: a text stays where ``str`` is a member (``Optional[str]`` too: ``null`` and the
          empty text stay as they are). Elsewhere an empty text, ``null`` and ``none`` are None if
          None is a member; then whole numbers, numbers, truth values, the other members in order,
          and at last bytes and paths, which any text is.
        - ``Literal`` and ``Enum``: by value, then by name.
        - ``bytes``: the text in UTF-8. Dates: ISO 8601; a bare number is none.
        - No hint, Any, or one that cannot be resolved: as it came.

        Names: the exact one first, else the only one that differs in case, ``_``, ``-`` and blanks
        alone. What servers add (``maid``, ``MaidName``, ``valet``, ``river_context``,
        ``vref_files``, ``__vcp_timed_call``, ``command`` and the reserved keys) is dropped if the
        function does not take it.

        Args:
            arguments: Texts or values by name.
            context: For the parameter annotated `ToolContext`.

        Returns:
            The keyword arguments; parameters that were not given are left to their defaults.

        Raises:
            InvalidInputError: Something is missing, unknown or does not fit. Everything that is
                wrong is told, with examples; ``details["problems"]`` lists it.
        """
        return self._binder.bind(arguments, context)

    def signature(self) -> inspect.Signature:
        """The signature for callers: keyword arguments, without what the host fills."""
        return self._signature

    def manifest(
        self,
        *,
        command: str = "python main.py",
        timeout: float = 60.0,
        version: str = "0.1.0",
        author: str = "",
    ) -> dict[str, Any]:
        """The function as a ``plugin-manifest.json`` in upstream's names (facts/vcp-protocol §2).

        Args:
            command: What starts the plugin in its folder.
            timeout: How long a call may take, in seconds.
            version: The plugin's version.
            author: Who wrote it.
        """
        return manifest_of(
            self,
            self._binder.examples(),
            command=command,
            timeout=timeout,
            version=version,
            author=author,
        )
