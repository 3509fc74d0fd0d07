"""The parser under the names of the seed: an answer in, requests out, and back."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vcplab.protocol.dialect import DEFAULT_DIALECT, Dialect, checked_dialect
from vcplab.protocol.requests.config import ParserConfig
from vcplab.protocol.requests.pieces import Piece, PlainText, Reasoning, Skipped
from vcplab.protocol.requests.request import ToolRequest
from vcplab.protocol.requests.stream import RequestStream
from vcplab.protocol.requests.writer import write_request
from vcplab.protocol.results import ToolResult, format_tool_result, parse_tool_results

__all__ = ["ParsedAnswer", "VCPProtocolParser", "create_vcp_protocol_parser"]


@dataclass(frozen=True)
class ParsedAnswer:
    """An answer, taken apart.

    Attributes:
        pieces: Text, reasoning, requests and what was skipped, in order.
    """

    pieces: tuple[Piece, ...]

    @cached_property
    def requests(self) -> tuple[ToolRequest, ...]:
        """The requests, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, ToolRequest))

    @cached_property
    def text(self) -> str:
        """The plain text: no reasoning, no request, nothing of a broken one."""
        return "".join(piece.text for piece in self.pieces if isinstance(piece, PlainText))

    @cached_property
    def reasoning(self) -> str:
        """What the model thought aloud."""
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Reasoning))

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """What a server passes over, and why."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Skipped))

    def __repr__(self) -> str:
        count = len(self.requests)
        requests = f"{count} request{'' if count == 1 else 's'}"
        names = ", ".join(request.name for request in self.requests[:5])
        tail = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"<ParsedAnswer {requests}{f' ({names})' if names else ''}{tail}>"

    def _repr_html_(self) -> str:
        from vcplab.protocol.requests.shown import answer_html

        return answer_html(self.pieces)


class VCPProtocolParser:
    """Reads and writes the text protocol of VCP (facts/vcp-protocol §1).

    ::

        parser = VCPProtocolParser()
        for request in parser.parse_tool_requests(answer):
            print(request.name, dict(request.args))
        parser.parse(answer).skipped            # what was passed over, and why

    Args:
        config: Marks and rules, ours or with the seed's names; the standard ones if None.
        dialect: How results are written: ``"toolbox"``, ``"cherry"`` or ``"intellicore"``. All
            three are read.
        **options: Single options of `ParserConfig`.

    Raises:
        InvalidInputError: An option or the dialect is unknown, or a mark impossible.
    """

    def __init__(
        self,
        config: ParserConfig | Mapping[str, Any] | None = None,
        *,
        dialect: Dialect = DEFAULT_DIALECT,
        **options: Any,
    ) -> None:
        self._config = ParserConfig.of(config, **options)
        self.dialect = checked_dialect(dialect)

    @property
    def config(self) -> ParserConfig:
        """Marks and rules."""
        return self._config

    def get_config(self) -> ParserConfig:
        """``getConfig``: marks and rules."""
        return self._config

    def update_config(
        self, config: ParserConfig | Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        """``updateConfig``: change some options for the calls that follow.

        Raises:
            InvalidInputError: An option is unknown, or a mark impossible; nothing is changed.
        """
        if isinstance(config, ParserConfig):
            self._config = ParserConfig.of(config, **options)
        else:
            self._config = ParserConfig.of(self._config, **{**(config or {}), **options})

    def stream(self) -> RequestStream:
        """A reader for an answer that is still being written."""
        return RequestStream(self._config)

    def parse(self, content: str) -> ParsedAnswer:
        """Take an answer apart.

        Args:
            content: The whole text of the assistant's turn.

        Returns:
            Its pieces; no text is an error.
        """
        stream = self.stream()
        return ParsedAnswer(tuple(_joined(stream.feed(content) + stream.close())))

    def parse_tool_requests(self, content: str) -> list[ToolRequest]:
        """``parseToolRequests``: every request that a server would run, in order.

        Args:
            content: The whole text of the assistant's turn.
        """
        return list(self.parse(content).requests)

    def has_tool_requests(self, content: str) -> bool:
        """``hasToolRequests``: whether `parse_tool_requests` would give any.

        The SDK of 2025 looks for the start mark only, and is wrong about unfinished requests.
        """
        return bool(self.parse(content).requests)

    def format_tool_request(
        self, request: ToolRequest | Mapping[str, Any] | str, args: Mapping[str, str] | None = None
    ) -> str:
        """The text that asks for a tool.

        Args:
            request: A request, the seed's mapping ``{"name", "args", "archery"}``, or the tool's
                name.
            args: Its arguments, where only the name was given.

        Returns:
            The block. `parse_tool_requests` gives the same name, arguments and flags from it.

        Raises:
            InvalidInputError: It cannot be written so that it is read the same; the error names
                the field and the character, code INVALID_PROTOCOL.
        """
        if isinstance(request, str):
            request = ToolRequest(request, args or {})
        elif not isinstance(request, ToolRequest):
            request = ToolRequest.of(request)
        return write_request(request, self._config)

    def format_tool_result(
        self, result: ToolResult | Mapping[str, Any], dialect: Dialect | None = None
    ) -> str:
        """``formatToolResult``: a result as text for the model.

        Args:
            result: A result, or the seed's mapping ``{"tool", "result", "success", "error"}``.
            dialect: How it is written; the parser's own if None.

        Returns:
            The text. For several at once, with pictures, see `format_tool_results`.

        Raises:
            InvalidInputError: The result or dialect is impossible.
        """
        return format_tool_result(result, dialect or self.dialect)

    def parse_tool_results(
        self, content: str | Sequence[Any] | Mapping[str, Any]
    ) -> list[ToolResult]:
        """Results in a text or message, whichever dialect they are written in.

        Args:
            content: A text, the content list of a message, or the message.

        Returns:
            The results, in order; what is none stays out.
        """
        return parse_tool_results(content)


def create_vcp_protocol_parser(
    config: ParserConfig | Mapping[str, Any] | None = None, **options: Any
) -> VCPProtocolParser:
    """``createVCPProtocolParser``: a parser.

    Args:
        config: Options by the seed's names or ours (`ParserConfig`).
        **options: Single options, and the ``dialect``.

    Returns:
        The parser.

    Raises:
        InvalidInputError: An option is unknown, or a mark impossible.
    """
    return VCPProtocolParser(config, **options)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """The pieces with neighbours of plain text, and of reasoning, as one."""
    kinds = [type(piece) for piece in pieces]
    if not any(a is b and a in (PlainText, Reasoning) for a, b in itertools.pairwise(kinds)):
        return pieces
    joined: list[Piece] = []
    for kind, run in itertools.groupby(pieces, type):
        if kind is PlainText:
            joined.append(PlainText("".join(p.text for p in run if isinstance(p, PlainText))))
        elif kind is Reasoning:
            joined.append(Reasoning("".join(p.text for p in run if isinstance(p, Reasoning))))
        else:
            joined.extend(run)
    return joined
