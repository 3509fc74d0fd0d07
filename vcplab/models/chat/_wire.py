"""What goes over the wire: the body of a request, and the answer put together from its chunks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.models.chat.counting import estimate_usage
from vcplab.protocol.completions import ChatPiece, ChatRequest, FinishReason
from vcplab.protocol.messages import Message, ToolCall, Usage

__all__ = ["Answer", "Dialect", "body_of", "encoded", "listed"]

# What OpenAI accepts as the name of a speaker; other names stand in the text of the messages.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SCHEMA_STEPS = ("strict", "loose", "object", "words")
_ABOUT_SCHEMA = re.compile(
    r"response_format|json_schema|json_object|\bschema\b(?! for function)", re.IGNORECASE
)
_ABOUT_USAGE = re.compile(r"stream_options|include_usage", re.IGNORECASE)
_ABOUT_LENGTH = re.compile(r"max_completion_tokens", re.IGNORECASE)
_UNKNOWN_FIELD = re.compile(
    r"extra (?:inputs?|fields?) (?:are |is )?not permitted"
    r"|(?:unknown|unrecogni[sz]ed|unexpected|unsupported) (?:request )?"
    r"(?:field|parameter|argument|key|property|option)"
    r"|additional properties are not allowed",
    re.IGNORECASE,
)
_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "max_tokens": "length",
    "model_length": "length",
    "insufficient_system_resource": "length",
}


class Dialect:
    """What one server does not understand, learnt from its refusals (facts/agents-mcp-plugins B1).

    Attributes:
        asks_usage: Whether ``stream_options`` may be sent.
        length_field: What the limit of tokens is called.
        schema_step: How a schema is asked for: ``strict``, ``loose`` (the same without
            ``strict``), ``object`` (any JSON, the schema in words) or ``words`` alone.
    """

    __slots__ = ("asks_usage", "length_field", "schema_step")

    def __init__(self) -> None:
        self.asks_usage = True
        self.length_field = "max_tokens"
        self.schema_step = _SCHEMA_STEPS[0]

    def learn(self, sent: Mapping[str, Any], complaint: str) -> bool:
        """Give up what a refused request had and the server complains of.

        Args:
            sent: The refused request, without what the caller had put into it as extra.
            complaint: What the server said of it.

        Returns:
            Whether the request should be made anew.
        """
        if "stream_options" in sent and _ABOUT_USAGE.search(complaint):
            self.asks_usage = False
        elif "max_tokens" in sent and _ABOUT_LENGTH.search(complaint):
            self.length_field = "max_completion_tokens"
        elif "response_format" in sent and _ABOUT_SCHEMA.search(complaint):
            # From what was sent, not from what is known: another call may have learnt meanwhile.
            refused = _SCHEMA_STEPS.index(_step_of(sent["response_format"]))
            known = _SCHEMA_STEPS.index(self.schema_step)
            self.schema_step = _SCHEMA_STEPS[max(known, refused + 1)]
        elif "stream_options" in sent and _UNKNOWN_FIELD.search(complaint):
            self.asks_usage = False
        else:
            return False
        return True


def _step_of(response_format: Any) -> str:
    if response_format.get("type") != "json_schema":
        return "object"
    return "strict" if response_format["json_schema"].get("strict") else "loose"


def body_of(
    request: ChatRequest,
    model: str,
    dialect: Dialect,
    *,
    temperature: float | None,
    max_tokens: int | None,
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON body of a request.

    Args:
        request: The conversation.
        model: Which model is asked.
        dialect: What the server is known not to understand.
        temperature: Where the request has none.
        max_tokens: Where the request has none.
        extra: Further fields; those of the request win.
    """
    messages = [_message(message) for message in request.messages]
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if dialect.asks_usage:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.schema is not None:
        _ask_schema(body, request.schema, dialect.schema_step)
    temperature = temperature if request.temperature is None else request.temperature
    if temperature is not None:
        body["temperature"] = temperature
    max_tokens = max_tokens if request.max_tokens is None else request.max_tokens
    if max_tokens is not None:
        body[dialect.length_field] = max_tokens
    if request.seed is not None:
        body["seed"] = request.seed
    if request.stop:
        body["stop"] = list(request.stop)
    if extra or request.extra:
        body.update(extra)
        body.update(request.extra)
        # The answer is read as a stream whatever else is wished for.
        body["stream"] = True
    return body


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as bytes.

    Raises:
        InvalidInputError: Something in it is not JSON.
    """
    try:
        # Lone surrogates, which Python's texts may hold and JSON not, become question marks.
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"The request holds what is not JSON: {error}.",
            where="ChatRequest",
            next_step="Look at tools, schema and extra: texts, finite numbers, booleans, None, "
            "lists and dicts with textual keys.",
        ) from None


def listed(answer: Any) -> list[str]:
    """The names in a list of models, in OpenAI's shape or Ollama's."""
    entries = answer
    if isinstance(answer, Mapping):
        entries = answer.get("data") or answer.get("models") or []
    names: list[str] = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping):
            entry = entry.get("id") or entry.get("model") or entry.get("name")
        if isinstance(entry, str) and entry:
            names.append(entry)
    return names


def _message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        parts: list[dict[str, Any]] = []
        if message.content:
            parts.append({"type": "text", "text": message.content})
        parts += [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
        wire["content"] = parts
    if message.role == "tool":
        if message.tool_call_id is not None:
            wire["tool_call_id"] = message.tool_call_id
    elif message.name is not None and _NAME.fullmatch(message.name):
        wire["name"] = message.name
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
        wire["content"] = wire["content"] or None
    return wire


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "function" in tool:
        return dict(tool)
    function = dict(tool)
    function.setdefault("parameters", {"type": "object", "properties": {}})
    return {"type": "function", "function": function}


def _ask_schema(body: dict[str, Any], schema: Mapping[str, Any], step: str) -> None:
    if step in ("strict", "loose"):
        wanted: dict[str, Any] = {"name": "answer", "schema": dict(schema)}
        if step == "strict":
            wanted["strict"] = True
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return
    if step == "object":
        body["response_format"] = {"type": "json_object"}
    words = (
        "Answer with one JSON value that follows this JSON Schema, and with nothing else:\n"
        + json.dumps(dict(schema), ensure_ascii=False)
    )
    messages = body["messages"]
    # Many templates know a system message in the first place only.
    if messages and messages[0]["role"] == "system" and isinstance(messages[0]["content"], str):
        messages[0] = {**messages[0], "content": f"{messages[0]['content']}\n\n{words}".strip()}
    else:
        messages.insert(0, {"role": "system", "content": words})


class _Call:
    """A tool call that is being put together."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class Answer:
    """An answer as far as its chunks have come.

    Args:
        request: What is answered, for an estimate of the usage.

    Attributes:
        finish_reason: Why it ended, as soon as a chunk says so.
        usage: What the server reports, if it does.
    """

    __slots__ = ("_calls", "_request", "_written", "finish_reason", "usage")

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._calls: list[tuple[object, _Call]] = []
        self._written: list[str] = []
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None

    def take(self, chunk: Mapping[str, Any]) -> ChatPiece | None:
        """Add a chunk; the piece of text or reasoning that it brings, if it does.

        Args:
            chunk: A decoded chunk, or a whole answer that was not streamed.
        """
        usage = chunk.get("usage")
        if usage is not None:
            self.usage = _usage(usage) or self.usage
        piece = None
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, Mapping) or choice.get("index"):
                continue  # of several answers, the first
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, Mapping):
                piece = self._delta(delta) or piece
            reason = choice.get("finish_reason")
            if reason:
                self.finish_reason = _REASONS.get(str(reason), "stop")
        return piece

    @property
    def has_begun(self) -> bool:
        """Whether text, reasoning or a tool call has come."""
        return bool(self._written or self._calls)

    def last(self) -> ChatPiece:
        """What is told at the end: the tool calls, the reason and the usage."""
        calls = self._complete()
        usage = self.usage
        if usage is None:
            usage = estimate_usage(self._request, "".join(self._written), calls)
        return ChatPiece(tool_calls=calls, finish_reason=self.finish_reason, usage=usage)

    def _delta(self, delta: Mapping[str, Any]) -> ChatPiece | None:
        fragments = delta.get("tool_calls")
        if fragments:
            self._fragments(fragments)
        elif delta.get("function_call"):  # the form before tool calls
            self._fragments([{"index": 0, "function": delta["function_call"]}])
        text = delta.get("content") or delta.get("refusal") or ""
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if type(text) is not str:
            text, thought = _parts(text)
            reasoning = reasoning or thought
        if type(reasoning) is not str:
            reasoning = ""
        if not text and not reasoning:
            return None
        self._written.append(reasoning + text)
        return ChatPiece(text, reasoning)

    def _fragments(self, fragments: Any) -> None:
        if isinstance(fragments, Mapping):
            fragments = [fragments]
        for position, fragment in enumerate(fragments if isinstance(fragments, list) else ()):
            if not isinstance(fragment, Mapping):
                continue
            function = fragment.get("function")
            function = function if isinstance(function, Mapping) else {}
            call = self._call(fragment, function, position)
            call.id = call.id or str(fragment.get("id") or "")
            # Some servers repeat the name with every fragment.
            call.name = call.name or str(function.get("name") or "")
            arguments = function.get("arguments")
            if isinstance(arguments, str):
                call.arguments.append(arguments)
            elif arguments is not None:  # an object, where text is due
                call.arguments.append(json.dumps(arguments, ensure_ascii=False))

    def _call(self, fragment: Mapping[str, Any], function: Mapping[str, Any], at: int) -> _Call:
        """The call that a fragment belongs to: by index, else by id, else the one under way."""
        index, mark = fragment.get("index"), str(fragment.get("id") or "")
        for key, call in reversed(self._calls):
            if index is not None and key == index:
                # Servers that number every call 0 tell them apart by id alone.
                if mark and call.id and mark != call.id:
                    break
                return call
            if index is None and mark and mark == call.id:
                return call
        begins = mark != "" or bool(function.get("name"))
        if index is None and not begins and self._calls:
            return self._calls[-1][1]
        call = _Call()
        self._calls.append((at if index is None else index, call))
        return call

    def _complete(self) -> tuple[ToolCall, ...]:
        calls = []
        for number, (_, call) in enumerate(self._calls):
            arguments = "".join(call.arguments)
            if not call.name or (self.finish_reason is None and not _is_json(arguments)):
                continue  # cut off in the middle of it
            calls.append(ToolCall(call.id or f"call_{number}", call.name, arguments or "{}"))
        return tuple(calls)


def _parts(content: Any) -> tuple[str, str]:
    """Text and reasoning of a content that is a list of parts."""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content if isinstance(content, Sequence) else ():
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            inner = part.get("text", part.get("thinking", ""))
            inner = inner if isinstance(inner, str) else "".join(_parts(inner))
            (thoughts if part.get("type") in ("thinking", "reasoning") else texts).append(inner)
    return "".join(texts), "".join(thoughts)


def _usage(reported: Any) -> Usage | None:
    """The usage that a server reports; None where it says nothing, or zero for lack of counting."""
    if not isinstance(reported, Mapping):
        return None
    read = _count(reported.get("prompt_tokens"))
    written = _count(reported.get("completion_tokens"))
    if not read and not written:
        return None
    details = reported.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    if cached is None:
        cached = reported.get("prompt_cache_hit_tokens")
    return Usage(read, written, cached_tokens=_count(cached))


def _count(value: Any) -> int:
    # JSON as Python reads it has infinity.
    return int(value) if isinstance(value, int | float) and 0 < value < 2**53 else 0


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
