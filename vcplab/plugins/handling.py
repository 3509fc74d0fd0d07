"""Handling a model's answer: every request in it is executed, and the results written back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vcplab.core.clock import current_clock
from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidInputError
from vcplab.core.loop import blocking, on_library_loop
from vcplab.core.trace import span
from vcplab.protocol.dialect import Dialect, checked_dialect
from vcplab.protocol.requests import ParsedAnswer, Skipped, ToolRequest, VCPProtocolParser
from vcplab.protocol.results import (
    ToolResult,
    archery_failure,
    format_tool_results,
    summary,
    verbose_block,
)

if TYPE_CHECKING:
    from vcplab.plugins.calling import Caller

__all__ = ["Handled", "Handler"]

_FORBIDDEN: Final = "[[VCPToolUse=Forbidden]]"
_LAST: Final = re.compile(r"(last|semantic)(?::(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class Handled:
    """What came of an answer.

    Attributes:
        answer: The answer as it was read.
        results: A result for each request, in block order.
        message: What goes back to the model; None if nothing does.
        dialect: The dialect it is written in.
        finished: Whether the turn is over: there was nothing to tell the model.
        skipped: Why nothing was executed though there were requests; None if it was.
    """

    answer: ParsedAnswer
    results: tuple[ToolResult, ...]
    message: Mapping[str, Any] | None
    dialect: Dialect
    finished: bool
    skipped: str | None = None

    @property
    def requests(self) -> tuple[ToolRequest, ...]:
        """The requests, in block order."""
        return tuple(self.answer.requests)

    @property
    def notes(self) -> tuple[Skipped, ...]:
        """What looked like a request and was passed over, and why."""
        return self.answer.skipped

    @property
    def text(self) -> str:
        """The message's text; empty if there is none."""
        content = self.message["content"] if self.message is not None else ""
        if isinstance(content, str):
            return content
        return "\n".join(part.get("text", "") for part in content)

    @property
    def summary(self) -> str:
        """The short account for the client (facts/vcp-protocol §1.4)."""
        return summary(self.results)

    @property
    def marked(self) -> tuple[str, ...]:
        """The verbose blocks of requests with ``ink: mark_history`` (facts/vcp-protocol §1.2)."""
        return tuple(
            verbose_block(result)
            for request, result in zip(self.requests, self.results, strict=False)
            if request.ink
        )

    def __repr__(self) -> str:
        failed = sum(not result.success for result in self.results)
        notes = f", {len(self.notes)} passed over" if self.notes else ""
        return f"<Handled {len(self.results)} requests, {failed} failed{notes}>"

    def _repr_html_(self) -> str:
        rows = [
            (
                request.name,
                ", ".join(f"{k}: {v[:60]}" for k, v in request.args.items()),
                "ok" if result.success else "failed",
                result.text[:2000],
            )
            for request, result in zip(self.requests, self.results, strict=False)
        ]
        caption = self.skipped or f"{len(rows)} requests"
        table = html_table(["tool", "arguments", "", "result"], rows, caption=caption)
        if self.notes:
            notes = [(note.reason, note.text[:200], note.hint) for note in self.notes]
            table += html_table(["passed over", "text", "hint"], notes)
        return style_block() + table


class Handler:
    """Executes the requests of answers.

    Args:
        caller: Calls the tools.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @on_library_loop
    async def ahandle(
        self,
        answer: str | ParsedAnswer,
        *,
        dialect: Dialect = "toolbox",
        messages: Sequence[Mapping[str, Any]] = (),
        timeout: float | None = None,
        parser: VCPProtocolParser | None = None,
    ) -> Handled:
        """Execute every request in a model's answer (facts/vcp-protocol §1.2 to 1.5).

        Fire-and-report requests (``archery``) run first and only their failures are told; the
        others run at once, and their results stand in block order. A tool that is not there is
        told as servers tell it.

        Args:
            answer: The whole answer, or what a parser made of it.
            dialect: How the results are written.
            messages: The conversation before it: for ``river``, and for a leading system message
                that forbids tools.
            timeout: Seconds that each call may take.
            parser: Reads the answer; the default one if None.

        Returns:
            Requests, results and the message for the model.

        Raises:
            InvalidInputError: There is no such dialect.
        """
        dialect = checked_dialect(dialect)
        parsed = (
            answer
            if isinstance(answer, ParsedAnswer)
            else (parser or VCPProtocolParser()).parse(answer)
        )
        requests = list(parsed.requests)
        if requests and _forbidden(messages):
            why = "tools are forbidden by a system message"
            return Handled(parsed, (), None, dialect, True, why)
        with span("plugins.handle", requests=len(requests), dialect=dialect):
            results: dict[int, ToolResult] = {}
            shots = [i for i, request in enumerate(requests) if request.archery]
            others = [i for i in range(len(requests)) if i not in shots]
            for group in (shots, others):
                done = await asyncio.gather(
                    *(self._one(requests[i], messages, timeout) for i in group)
                )
                results.update(zip(group, done, strict=True))
        ordered = tuple(results[i] for i in range(len(requests)))
        message = self._message(requests, ordered, dialect)
        return Handled(parsed, ordered, message, dialect, message is None)

    handle = blocking(ahandle)

    async def _one(
        self,
        request: ToolRequest,
        messages: Sequence[Mapping[str, Any]],
        timeout: float | None,
    ) -> ToolResult:
        arguments: dict[str, Any] = dict(request.args)
        if request.river is not None:
            arguments["river_context"] = _river(request.river, messages)
        if request.timely_contact is not None:
            return self._postpone(request, arguments, timeout)
        return await self._caller.aexecute(
            request.name, arguments, timeout=timeout, silent=request.archery_no_reply
        )

    def _postpone(
        self, request: ToolRequest, arguments: dict[str, Any], timeout: float | None
    ) -> ToolResult:
        """``timely_contact``: the call is kept and made at its time, while the lab is open."""
        try:
            task = self._caller.submit_at(
                request.timely_contact or "", request.name, arguments, timeout=timeout
            )
        except InvalidInputError as error:
            told = f"{error.message} {error.next_step}"
            return ToolResult(request.name, success=False, error=told)
        told = f"任务已安排在 {request.timely_contact} 执行 (ID: {task.id})。"
        return ToolResult(
            request.name,
            {"original_plugin_output": told, "taskId": task.id},
            maid=request.maid,
            timestamp=current_clock().now().isoformat(timespec="milliseconds"),
        )

    def _message(
        self, requests: list[ToolRequest], results: tuple[ToolResult, ...], dialect: Dialect
    ) -> Mapping[str, Any] | None:
        pairs = list(zip(requests, results, strict=True))
        told = [result for request, result in pairs if not request.archery]
        failed = [result for request, result in pairs if request.archery and not result.success]
        if told:
            # A failed shot beside other calls is told with them.
            return format_tool_results([*told, *failed], dialect=dialect)
        if not failed:
            return None
        texts = [archery_failure(one.tool or "", one.text) for one in failed]
        return {"role": "user", "content": "\n\n".join(texts)}


def _forbidden(messages: Iterable[Mapping[str, Any]]) -> bool:
    for message in messages:
        if message.get("role") != "system":
            return False
        if _FORBIDDEN in str(message.get("content", "")):
            return True
    return False


def _river(wanted: str, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The part of the conversation that a tool gets (``river``, facts/vcp-protocol §1.2)."""
    told = [{"role": str(m.get("role", "")), "content": m.get("content", "")} for m in messages]
    if wanted == "full":
        return told
    texts = [message for message in told if isinstance(message["content"], str)]
    count = _LAST.fullmatch(wanted)
    if count is not None:
        # Without an embedder the nearest in meaning are taken to be the nearest in time.
        default = 10 if count[1] == "last" else 5
        return texts[-(int(count[2]) if count[2] else default) :]
    return texts
