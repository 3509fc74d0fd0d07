"""From what a WebSocket delivers to a frame."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, NoReturn

from pydantic import ValidationError

from vcplab.core.errors import InvalidInputError, VCPErrorCode
from vcplab.protocol.frames import browser, cherry, intellicore, log, node
from vcplab.protocol.frames.base import Frame, UnknownFrame
from vcplab.protocol.frames.jsonrpc import JsonRpcRequest, JsonRpcResponse

__all__ = ["FRAME_TYPES", "parse_frame"]

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_]{0,31}")
_FEW = 5


def _types(*modules: ModuleType) -> Iterator[tuple[str, type[Frame]]]:
    for module in modules:
        for name in module.__all__:
            found = getattr(module, name)
            if issubclass(found, Frame) and "type" in found.model_fields:
                yield found.model_fields["type"].default, found


FRAME_TYPES: Mapping[str, type[Frame]] = MappingProxyType(
    dict(_types(node, log, browser, intellicore, cherry))
)
"""The class of each known ``type``."""


def parse_frame(data: str | bytes | Mapping[str, Any]) -> Frame | UnknownFrame:
    """The frame that came: of its own class if its type is known, else an `UnknownFrame`.

    Text and binary frames are the same; objects that were read already are accepted too. An
    object without ``type`` that says ``"jsonrpc": "2.0"`` is a request or a response of JSON-RPC.

    Args:
        data: What the socket delivered.

    Raises:
        InvalidInputError: ``INVALID_PROTOCOL``: this is no JSON object, or a frame of a known type
            has a field that is missing or of the wrong kind. The message names the field's path
            and repeats nothing of the content.
    """
    raw = dict(data) if isinstance(data, Mapping) else _read(data)
    kind = raw.get("type")
    found = FRAME_TYPES.get(kind) if isinstance(kind, str) else None
    if found is None and "type" not in raw and raw.get("jsonrpc") == "2.0":
        answers = "method" not in raw and ("result" in raw or "error" in raw)
        found = JsonRpcResponse if answers else JsonRpcRequest
    if found is None:
        return UnknownFrame(raw=raw)
    try:
        return found.model_validate(raw)
    except ValidationError as error:
        broken = error
    # Outside of `except`, so that pydantic's error is not the context of ours.
    _refuse(kind if isinstance(kind, str) else "JSON-RPC", broken)


def _read(data: str | bytes) -> dict[str, Any]:
    try:
        text = data if isinstance(data, str) else bytes(data).decode()
        read = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"it is not JSON ({error.msg} at character {error.pos})"
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 (at byte {error.start})"
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError:
        reason = "it has a number that cannot be kept"
    else:
        if isinstance(read, dict):
            return read
        reason = "it is JSON, but no object"
    raise InvalidInputError(
        f"The frame cannot be read: {reason}.",
        code=VCPErrorCode.INVALID_PROTOCOL,
        where="frame",
        next_step="check that the peer speaks VCP on this path; frames are JSON objects",
    )


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


# Made once: `json.loads` with these arguments would make one for every frame.
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _refuse(kind: str, broken: ValidationError) -> NoReturn:
    found = broken.errors(include_input=False, include_url=False, include_context=False)
    fields = [
        {"path": _path(item["loc"]), "problem": item["msg"].removeprefix("Value error, ")}
        for item in found[:_FEW]
    ]
    more = f" ({len(found)} problems in all)" if len(found) > 1 else ""
    path, problem = fields[0]["path"], fields[0]["problem"]
    raise InvalidInputError(
        f"A frame of type {kind} is broken at {path}: {problem[:60]}{more}.",
        code=VCPErrorCode.INVALID_PROTOCOL,
        where=path,
        next_step="mend the peer, or ignore the frame",
        details={"type": kind, "fields": fields},
    )


def _path(location: tuple[int | str, ...]) -> str:
    # Only names of fields are shown: any other part is a key that the peer chose.
    parts = [
        str(part) if isinstance(part, int) or _PLAIN_NAME.fullmatch(part) else "…"
        for part in location
    ]
    return ".".join(parts)[:100] or "the frame itself"
