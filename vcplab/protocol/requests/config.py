"""What the marks of a tool request look like, and which rules apply to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import named_options

__all__ = ["JS_SPACE", "ParserConfig"]

# What `\s` and `trim()` mean in JavaScript, whose readings we share: not Python's `str.strip()`,
# which also takes U+001C to U+001F and U+0085 but leaves U+FEFF.
JS_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


@dataclass(frozen=True, slots=True)
class ParserConfig:
    """Marks and rules of the text protocol.

    Attributes:
        tool_request_start_marker: Opens a request.
        tool_request_end_marker: Closes it.
        param_start_marker: Opens a value.
        param_end_marker: Closes it.
        debug: Whether what was skipped is also written to the log ``vcplab.protocol.requests``.
        fuzzy: Whether near misses of the marks count (``fuzzyToolMatching`` of the toolbox): two
            to four angle brackets, any case, braces for the brackets of values.
        escape: Whether ``「始ESCAPE」…「末ESCAPE」`` makes a value opaque. The SDK of 2025 does not
            know it.
        strip_reasoning: Whether ``<think>`` and ``<thinking>`` are taken out first.

    Raises:
        InvalidInputError: A mark is empty, or the start and the end of a pair are the same.
    """

    tool_request_start_marker: str = "<<<[TOOL_REQUEST]>>>"
    tool_request_end_marker: str = "<<<[END_TOOL_REQUEST]>>>"
    param_start_marker: str = "「始」"
    param_end_marker: str = "「末」"
    debug: bool = False
    fuzzy: bool = False
    escape: bool = True
    strip_reasoning: bool = True

    def __post_init__(self) -> None:
        for start, end in (
            ("tool_request_start_marker", "tool_request_end_marker"),
            ("param_start_marker", "param_end_marker"),
        ):
            for name in (start, end):
                mark = getattr(self, name)
                if not isinstance(mark, str) or not mark.strip(JS_SPACE):
                    raise InvalidInputError(
                        f"A mark is text that is not blank, not {mark!r}.",
                        where=name,
                        next_step="leave it out for the standard mark",
                    )
            if getattr(self, start) == getattr(self, end):
                raise InvalidInputError(
                    f"{start} and {end} are both {getattr(self, start)!r}.",
                    where=end,
                    next_step="give the two sides different marks",
                )

    @classmethod
    def of(
        cls, config: ParserConfig | Mapping[str, Any] | None = None, /, **options: Any
    ) -> ParserConfig:
        """A configuration from the seed's option names or ours.

        Args:
            config: A configuration, or a mapping such as ``{"toolRequestStartMarker": "<<[A]>>"}``.
            **options: Single options; they win.

        Raises:
            InvalidInputError: An option is unknown, or a mark impossible.
        """
        return cls(**named_options(cls, config, options, what="The parser", where="config"))
