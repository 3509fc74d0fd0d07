"""Tool requests in a model's answer: reading them, also while they arrive, and writing them."""

from __future__ import annotations

from vcplab.protocol.requests.config import ParserConfig
from vcplab.protocol.requests.parser import (
    ParsedAnswer,
    VCPProtocolParser,
    create_vcp_protocol_parser,
)
from vcplab.protocol.requests.pieces import Piece, PlainText, Reasoning, Skipped, SkipReason
from vcplab.protocol.requests.request import RESERVED_KEYS, ToolRequest
from vcplab.protocol.requests.stream import RequestStream

__all__ = [
    "RESERVED_KEYS",
    "ParsedAnswer",
    "ParserConfig",
    "Piece",
    "PlainText",
    "Reasoning",
    "RequestStream",
    "SkipReason",
    "Skipped",
    "ToolRequest",
    "VCPProtocolParser",
    "create_vcp_protocol_parser",
]
