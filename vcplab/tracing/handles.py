"""Spans that begin in one call and end in another, found again by their id."""

from __future__ import annotations

import threading
from typing import Any

from vcplab.core.errors import NotFoundError
from vcplab.core.trace import RemoteSpan, Span, SpanStatus, current_span, span

__all__ = ["Handles"]


class Handles:
    """The open spans of a view.

    Args:
        what: What they are to the user, for errors, e.g. ``"session"``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._open: dict[str, Span] = {}
        self._lock = threading.Lock()

    def start(
        self,
        name: str,
        kind: str,
        parent: Span | RemoteSpan | None = None,
        *,
        root: bool = False,
        **attributes: Any,
    ) -> Span:
        """Open a span under ``parent``, or under the present one.

        Args:
            name: What begins.
            kind: Its kind.
            parent: The span around it.
            root: Whether it begins a trace of its own where no parent is given.
            **attributes: JSON-able facts.
        """
        around = parent if parent is not None or root else current_span()
        opened = span(name, kind, **attributes).begin(around)
        with self._lock:
            self._open[opened.span_id] = opened
        return opened

    def find(self, span_id: str) -> Span | None:
        """The open span of an id; None if it is over or unknown."""
        return self._open.get(span_id)

    def get(self, span_id: str) -> Span:
        """The open span of an id.

        Raises:
            NotFoundError: It is over or unknown.
        """
        found = self._open.get(span_id)
        if found is None:
            raise NotFoundError(
                f"No {self._what} {span_id!r} is open.",
                where=self._what,
                next_step="use the id that its start gave, before its end",
            )
        return found

    def end(
        self,
        span_id: str,
        status: SpanStatus = "ok",
        error: BaseException | str | None = None,
        **attributes: Any,
    ) -> Span:
        """Close a span.

        Raises:
            NotFoundError: It is over or unknown.
        """
        found = self.get(span_id).set(**attributes)
        with self._lock:
            self._open.pop(span_id, None)
        return found.end(status, error)

    def all(self) -> list[Span]:
        """The open spans, oldest first."""
        with self._lock:
            return list(self._open.values())
