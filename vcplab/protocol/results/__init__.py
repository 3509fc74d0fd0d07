"""Tool results: values, the texts that carry them, and their normalisation.

::

    message = format_tool_results([ToolResult("Weather", {"temp": 25})])   # for the model
    parse_tool_results(message)                                            # and back

Three dialects are written, and these and four older or display forms are recognised when read
(facts/vcp-protocol §0 and §1.3 to 1.6).
"""

from __future__ import annotations

from vcplab.protocol.results._normalise import OutputSource, ToolFailure, normalise_output
from vcplab.protocol.results._reading import parse_tool_results
from vcplab.protocol.results._values import (
    ImagePart,
    OtherPart,
    Part,
    TextPart,
    ToolResult,
    part_from_wire,
    part_to_wire,
    unknown_tool,
)
from vcplab.protocol.results._writing import (
    archery_failure,
    format_tool_result,
    format_tool_results,
    summary,
    verbose_block,
)

__all__ = [
    "ImagePart",
    "OtherPart",
    "OutputSource",
    "Part",
    "TextPart",
    "ToolFailure",
    "ToolResult",
    "archery_failure",
    "format_tool_result",
    "format_tool_results",
    "normalise_output",
    "parse_tool_results",
    "part_from_wire",
    "part_to_wire",
    "summary",
    "unknown_tool",
    "verbose_block",
]
