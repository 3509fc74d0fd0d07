"""What a person has to allow: turns and tools, asked and answered."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from vcplab.agents.chat.driving import on_loop
from vcplab.agents.chat.session import Session
from vcplab.core.errors import LoopError, NotFoundError
from vcplab.core.loop import blocking, to_worker

__all__ = ["Approvals", "attended"]

P = ParamSpec("P")
T = TypeVar("T")

_logger = logging.getLogger("vcplab.agents")


class Approvals:
    """Questions that wait for a person.

    Args:
        session: The chat's memory.
        approver: Answers instead of a person; None for a person. A plain function runs in a worker
            thread, an asynchronous one on the library's loop.
        on_wait: Told whether somebody is waited for.
    """

    def __init__(
        self,
        session: Session,
        approver: Callable[[str, str, str], bool | Awaitable[bool]] | None,
        on_wait: Callable[[bool], object],
    ) -> None:
        self._session = session
        self.approver = approver
        self._on_wait = on_wait
        self._number = 0
        self._open: dict[str, tuple[dict[str, Any], asyncio.Future[bool]]] = {}

    async def ask(self, kind: str, agent: str, text: str) -> Mapping[str, Any]:
        """Ask, and wait for the answer.

        Args:
            kind: ``"turn"`` or ``"tool"``.
            agent: Whose turn or tool it is.
            text: What it is about.

        Returns:
            ``approved``, and ``why`` where an approver that failed is the reason of a refusal.
        """
        if self.approver is not None:
            return await self._asked(self.approver, kind, agent, text)
        self._number += 1
        asked = {"id": f"a{self._number}", "kind": kind, "agent": agent, "text": text}
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._open[asked["id"]] = asked, answer
        self._on_wait(True)
        self._session.tell("approval:asked", asked)
        try:
            approved = await answer
        finally:
            del self._open[asked["id"]]
            if not self._open:
                self._on_wait(False)
        self._session.tell("approval:given", {"id": asked["id"], "approved": approved})
        return {"approved": approved}

    @staticmethod
    async def _asked(
        approver: Callable[[str, str, str], bool | Awaitable[bool]],
        kind: str,
        agent: str,
        text: str,
    ) -> Mapping[str, Any]:
        """The answer of a function; one that fails allows nothing."""
        try:
            if inspect.iscoroutinefunction(approver):
                given: Any = await approver(kind, agent, text)
            else:
                given = await to_worker(approver, kind, agent, text)
                if inspect.isawaitable(given):
                    given = await given
        except Exception as error:
            why = f"The approver failed: {type(error).__name__}: {error}"
            _logger.warning("%s. The %s of %s was not allowed.", why, kind, agent)
            return {"approved": False, "why": why}
        return {"approved": bool(given)}

    def answer(self, question: str | None, approved: bool) -> None:
        """Answer a question, from any thread.

        Args:
            question: Its id; None for all that are open.
            approved: The answer.

        Raises:
            NotFoundError: Nobody asks this.
        """
        wanted = list(self._open) if question is None else [question]
        if not wanted or any(one not in self._open for one in wanted):
            raise NotFoundError(
                "Nothing is waiting for an answer." if not self._open else "Nobody asks this.",
                where=question or "approval",
                next_step="the open questions are in chat.pending_approvals",
            )

        def settle() -> None:
            for one in wanted:
                if one in self._open and not self._open[one][1].done():
                    self._open[one][1].set_result(approved)

        on_loop(settle)

    def pending(self) -> list[dict[str, Any]]:
        """The open questions."""
        return [dict(asked) for asked, _ in list(self._open.values())]

    def refuse_blocking(self, needed: bool, name: str) -> None:
        """Refuse a blocking call that would wait for a person who cannot click meanwhile.

        Raises:
            LoopError: It would.
        """
        if needed and self.approver is None:
            raise LoopError(
                "This call waits for a person, whose clicks a synchronous cell does not let in.",
                where=f"{name}()",
                next_step=f"await chat.a{name}(…), use the panel, or give an approver=",
            )


class _Attended(Protocol):
    def _refuse_blocking(self, name: str) -> None: ...


def attended(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The blocking twin of a method that may have to wait for a person.

    Args:
        method: The asynchronous one.
    """
    twin: Any = blocking(method)

    def call(self: _Attended, *args: Any, **kwargs: Any) -> Any:
        self._refuse_blocking(twin.__name__)
        return twin.__get__(self)(*args, **kwargs)

    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__signature__"):
        setattr(call, name, getattr(twin, name))
    return cast("Callable[P, T]", call)
