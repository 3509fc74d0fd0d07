"""Tools in replies: what a reply asks for, and what goes back to the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vcplab.agents.agent import Agent
from vcplab.agents.chat.window import cut_middle
from vcplab.core.errors import StateError, VCPError
from vcplab.plugins.handling import Handled
from vcplab.protocol.completions import ChatReply
from vcplab.protocol.messages import Message, ToolCall
from vcplab.protocol.requests import ParsedAnswer, VCPProtocolParser
from vcplab.protocol.results import TextPart, ToolResult
from vcplab.text.tokens import Tokenizer

__all__ = [
    "INTERRUPTED_TOOL",
    "LAST_CALL",
    "NoTools",
    "Requests",
    "ToolBox",
    "answer_messages",
    "calls_data",
    "clipped",
    "find_requests",
    "native_definitions",
    "perform_requests",
    "tool_texts",
]

_PARSER = VCPProtocolParser()

#: What a model is told of a tool during which the process ended.
INTERRUPTED_TOOL: Final = (
    "The chat was broken off while this ran; whether it took effect is not known."
)
#: What a model is told with the last results of a turn.
LAST_CALL: Final = Message(
    "user", "These were the last tool calls of this turn: further ones are not run. Answer now."
)
_CUT: Final = "\n[… cut here: the result has {length:,} characters …]\n"
# Characters at either end of a huge text that are looked at, per token that may be shown.
_PER_TOKEN: Final = 16


class ToolBox(Protocol):
    """What a chat needs of a lab's tools; ``lab.tools`` is one."""

    async def ahandle(
        self, answer: str | ParsedAnswer, *, messages: Sequence[Mapping[str, Any]] = ()
    ) -> Handled:
        """Execute every request in an answer."""
        ...

    async def aexecute(self, name: str, args: Mapping[str, Any] | None = None) -> ToolResult:
        """Call a tool and get its result, failures included."""
        ...

    def descriptions(self) -> Mapping[str, str]:
        """What a model is told of each tool."""
        ...

    def definitions(self) -> list[dict[str, Any]]:
        """The tools as function-calling APIs take them."""
        ...


class NoTools:
    """No tools: where replies are read as of a chat with tools, and none can run."""

    async def ahandle(
        self, answer: str | ParsedAnswer, *, messages: Sequence[Mapping[str, Any]] = ()
    ) -> Handled:
        """Refuse."""
        raise _no_tools()

    async def aexecute(self, name: str, args: Mapping[str, Any] | None = None) -> ToolResult:
        """Refuse."""
        raise _no_tools()

    def descriptions(self) -> Mapping[str, str]:
        """None."""
        return {}

    def definitions(self) -> list[dict[str, Any]]:
        """None."""
        return []


def _no_tools() -> StateError:
    return StateError(
        "A tool was to run whose result is not in the log.",
        where="replay",
        next_step="nothing was run; the chat took another way than its log says",
    )


@dataclass(frozen=True, slots=True)
class Requests:
    """The tools that a reply asks for.

    Attributes:
        calls: Name and arguments of each, in order.
        native: The calls as they came, where they came by the API's own means.
        refused: Names that the agent may not use.
        text: What the reply says beside its requests.
    """

    calls: tuple[tuple[str, Any], ...]
    native: tuple[ToolCall, ...] = ()
    refused: tuple[str, ...] = ()
    text: str = ""


def find_requests(reply: ChatReply, agent: Agent) -> Requests | None:
    """The tools that a reply asks for, by either means; None if there are none.

    Args:
        reply: A model's reply.
        agent: Whose it is.
    """
    calls: tuple[tuple[str, Any], ...]
    text = reply.text
    if reply.tool_calls:
        calls = tuple((call.name, _arguments(call)) for call in reply.tool_calls)
    elif "<<<[" in text:
        parsed = _PARSER.parse(text)
        calls = tuple((request.name, dict(request.args)) for request in parsed.requests)
        text = parsed.text
    else:
        return None
    if not calls:
        return None
    refused = tuple(dict.fromkeys(name for name, _ in calls if not agent.may_use(name)))
    return Requests(calls, reply.tool_calls, refused, text.strip())


async def perform_requests(reply: ChatReply, requests: Requests, tools: ToolBox) -> list[str]:
    """Run what a reply asks for.

    Args:
        reply: The reply.
        requests: What it asks for.
        tools: The tools.

    Returns:
        The texts that go back to the model: one for each native call, else one, or none where
        there is nothing to tell it.
    """
    if requests.refused:
        text = f"Not allowed for this agent: {', '.join(requests.refused)}. Nothing was run."
        return [text] * max(1, len(requests.native))
    if not requests.native:
        try:
            handled = await tools.ahandle(reply.text)
        except Exception as error:
            return [_failed(error)]
        return [] if handled.finished else [handled.text]
    texts = []
    for name, arguments in requests.calls:
        if isinstance(arguments, Mapping):
            try:
                texts.append(_told(await tools.aexecute(name, arguments)))
            except Exception as error:
                texts.append(_failed(error))
        else:
            texts.append(f"The arguments of {name} are not a JSON object.")
    return texts


def answer_messages(
    reply_text: str, native: Sequence[ToolCall], texts: Sequence[str]
) -> tuple[Message, ...]:
    """What a model is shown of its own request and of the results."""
    asked = Message("assistant", reply_text, tool_calls=tuple(native))
    if not native:
        return (asked, *(Message("user", text) for text in texts if text))
    return (
        asked,
        *(
            Message("tool", text, tool_call_id=call.id)
            for call, text in zip(native, texts, strict=False)
        ),
    )


def clipped(texts: Sequence[str], budget: int | None, tokenizer: Tokenizer) -> list[str]:
    """What a model is shown of results that are too large: their ends, and how long they are.

    Args:
        texts: The results of one request.
        budget: Tokens of all of them together; None for no limit.
        tokenizer: What counts them.
    """
    if budget is None or not texts:
        return list(texts)
    most = max(1, budget // len(texts))
    return [_clipped(text, most, tokenizer) for text in texts]


def _clipped(text: str, budget: int, tokenizer: Tokenizer) -> str:
    if len(text) <= budget // 4:  # no token is shorter than a byte
        return text
    mark = _CUT.format(length=len(text))
    end = budget * _PER_TOKEN
    # Nobody counts the tokens of millions of characters of which some thousand are shown.
    near = text if len(text) <= 2 * end else f"{text[:end]}{mark}{text[-end:]}"
    return cut_middle(near, budget, tokenizer, mark) or mark.strip()


def calls_data(calls: Sequence[ToolCall]) -> list[dict[str, str]]:
    """Native calls as the log keeps them.

    Args:
        calls: The calls.
    """
    return [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls]


def _arguments(call: ToolCall) -> Any:
    try:
        return json.loads(call.arguments or "{}")
    except ValueError:
        return call.arguments


def native_definitions(tools: ToolBox, agent: Agent) -> tuple[Mapping[str, Any], ...]:
    """The tools that an agent may use, as a chat request takes them."""
    return tuple(
        {
            "name": tool["name"],
            "description": tool.get("description", ""),
            "parameters": tool.get("inputSchema") or tool.get("parameters") or _NOTHING,
        }
        for tool in tools.definitions()
        if agent.may_use(tool["name"])
    )


def tool_texts(tools: ToolBox, agent: Agent) -> str:
    """What a model is told of the tools that an agent may use."""
    return "\n\n".join(text for name, text in tools.descriptions().items() if agent.may_use(name))


_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


def _failed(error: Exception) -> str:
    """What the model is told where even the tool box failed."""
    if isinstance(error, VCPError):
        return f"Error: {error.message}"
    return f"Error: {type(error).__name__}: {error}"


def _told(result: ToolResult) -> str:
    if not result.success:
        return f"Error: {result.error}"
    if result.parts:
        return "\n".join(part.text for part in result.parts if isinstance(part, TextPart))
    if isinstance(result.value, str):
        return result.value
    return json.dumps(result.value, ensure_ascii=False, default=str)
