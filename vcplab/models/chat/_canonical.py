"""The one form of a request by which a recording knows it again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.core.redaction import is_secret_name
from vcplab.protocol.completions import ChatRequest
from vcplab.protocol.messages import Message

# What VCP writes into a result, as such or as JSON within JSON (facts/vcp-protocol §2).
_MOMENT = re.compile(
    r'(\\{0,3}"timestamp\\{0,3}"\s*:\s*\\{0,3}")'
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
    r'(\\{0,3}")'
)


def canonical_request(request: ChatRequest) -> dict[str, Any]:
    """What of a request decides on its answer, JSON-able, without defaults.

    Messages without their time and metadata, which are never sent; pictures given as data by
    their hash; tools, schema, sampling options, agent and purpose; further fields without those
    whose name says that they are secret.

    Args:
        request: The request.

    Raises:
        InvalidInputError: The tools, the schema or further fields cannot be written as JSON.
    """
    found: dict[str, Any] = {
        "messages": [_canonical_message(message) for message in request.messages],
        "purpose": request.purpose,
    }
    if request.agent is not None:
        found["agent"] = request.agent
    if request.tools:
        found["tools"] = [dict(tool) for tool in request.tools]
    if request.schema is not None:
        found["schema"] = request.schema
    if request.temperature is not None:
        found["temperature"] = float(request.temperature)
    if request.max_tokens is not None:
        found["max_tokens"] = request.max_tokens
    if request.seed is not None:
        found["seed"] = request.seed
    if request.stop:
        found["stop"] = list(request.stop)
    if extra := _without_secrets(request.extra):
        found["extra"] = extra
    try:
        # What JSON makes of it is what a reader of the file gets, tuples and integer keys included.
        plain: dict[str, Any] = json.loads(dumps(found))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"The request cannot be written as JSON: {error}.",
            where="tools, schema or extra of the request",
            next_step="Use texts, numbers, lists and mappings with texts as keys.",
        ) from error
    return plain


def request_key(request: ChatRequest | Mapping[str, Any]) -> str:
    """The SHA-256 of a request, the same in every process.

    The ``timestamp`` of VCP's tool results counts as nothing, so that a recorded chat with tools
    is known again on another day.

    Args:
        request: The request, or its canonical form.

    Raises:
        InvalidInputError: It cannot be written as JSON.
    """
    if isinstance(request, ChatRequest):
        request = canonical_request(request)
    messages = [_timeless(message) for message in request.get("messages", ())]
    return sealed({**request, "messages": messages} if messages else request)


def _timeless(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message without the moments in tools' results."""
    content = message.get("content")
    if message.get("role") == "assistant" or not isinstance(content, str):
        return message
    if "timestamp" not in content:
        return message
    return {**message, "content": _MOMENT.sub(r"\1\2", content)}


def _canonical_message(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None:
        found["name"] = message.name
    if message.tool_calls:
        found["tool_calls"] = [asdict(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        found["tool_call_id"] = message.tool_call_id
    if message.images:
        found["images"] = [_short(image) for image in message.images]
    return found


def _short(image: str) -> str:
    """A picture's address; its hash where the address is the picture itself."""
    if not image.startswith("data:"):
        return image
    return "data:sha256:" + hashlib.sha256(image.encode("utf-8", "surrogatepass")).hexdigest()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        # Under such a name a number is none: "stop_token" may be the number of a token.
        return {
            key: _without_secrets(inner)
            for key, inner in value.items()
            if inner is None
            or isinstance(inner, int | float)
            or not (isinstance(key, str) and is_secret_name(key))
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return value


def dumps(value: Any) -> str:
    """A value as the one JSON text that stands for it.

    Args:
        value: What JSON can hold.
    """
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def sealed(value: Mapping[str, Any]) -> str:
    """The SHA-256 of a value's JSON text.

    Args:
        value: What JSON can hold.
    """
    return hashlib.sha256(dumps(value).encode("utf-8", "surrogatepass")).hexdigest()
