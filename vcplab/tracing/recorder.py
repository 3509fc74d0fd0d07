"""The sink: takes spans in the thread that ends them, writes them in its own."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeAlias

from vcplab.core.clock import current_clock
from vcplab.core.errors import NotFoundError
from vcplab.core.redaction import Redactor
from vcplab.core.trace import RemoteSpan, Span, add_sink, current_span
from vcplab.tracing.records import Level, LogRecord, SpanRecord, plain
from vcplab.tracing.store import TraceStore

__all__ = ["Batch", "Recorder"]

_logger = logging.getLogger(__name__)

Batch: TypeAlias = Sequence[SpanRecord]
Watcher: TypeAlias = Callable[[str, Span], object]

# Spans that wait to be written; above it the oldest are dropped and counted.
_WAITING = 200_000
# Pruning looks at the size of files, so it runs seldom.
_PRUNE_EVERY = 50_000
_AT_A_TIME = 2
_BREATH = 0.0001  # seconds


class Recorder:
    """Writes every span of the process into a store, in batches, off the thread of the work.

    Opening and closing a span costs its thread a few microseconds. What is written is free of
    secrets. A span that is still open when a batch is written is written as open and completed
    later, so a process that dies shows what it was doing.

    Args:
        store: Where to write.
        redactor: What removes secrets; one that knows settings and environment if None.
        batch: A batch is written as soon as so many spans wait.
        interval: And at the latest after so many seconds.
    """

    def __init__(
        self,
        store: TraceStore,
        *,
        redactor: Redactor | None = None,
        batch: int = 2000,
        interval: float = 0.25,
    ) -> None:
        self.store = store
        self.redactor = redactor or Redactor()
        self._batch, self._interval = batch, interval
        self._ended: deque[Span] = deque(maxlen=_WAITING)
        self._lines: deque[LogRecord] = deque(maxlen=_WAITING)
        self._open: dict[int, Span] = {}
        self._written_open: set[str] = set()
        self._watchers: tuple[tuple[frozenset[str] | None, Watcher], ...] = ()
        self._listeners: tuple[Callable[[Batch], object], ...] = ()
        self._wake = threading.Event()
        self._writing = threading.Lock()
        self._since_prune = 0
        self.dropped = 0
        self._stopped = False
        self._pid = os.getpid()
        self._handle = add_sink(self)
        atexit.register(self.close)  # a kernel that ends has not closed its labs
        self._thread = threading.Thread(target=self._run, name="vcplab-trace", daemon=True)
        self._thread.start()

    # --- the sink (in the threads of the work) ------------------------------------------------

    def on_start(self, span: Span) -> None:
        """A span was opened."""
        self._open[id(span)] = span
        if self._watchers:
            self._tell("start", span)

    def on_end(self, span: Span) -> None:
        """A span was closed."""
        self._open.pop(id(span), None)
        if len(self._ended) == _WAITING:
            self.dropped += 1
        self._ended.append(span)
        if len(self._ended) >= self._batch and not self._wake.is_set():
            self._wake.set()
        if self._watchers:
            self._tell("end", span)

    def on_event(self, span: Span) -> None:
        """Something was noted inside a span."""
        if self._watchers:
            self._tell("event", span)

    def log(
        self,
        level: Level,
        category: str,
        message: str,
        data: Any = None,
        *,
        call: Span | RemoteSpan | None = None,
    ) -> LogRecord:
        """Write a line, with the trace and span in which it is written.

        Returns:
            The line, free of secrets; its id is 0 until it is read back.
        """
        span = call or current_span()
        line = LogRecord(
            id=0,
            time=current_clock().now(),
            level=level,
            category=self.redactor.text(category),
            message=self.redactor.text(message),
            data=self.redactor.redact(plain(data)),
            trace_id=None if span is None else span.trace_id,
            call_id=None if span is None else span.span_id,
        )
        self._lines.append(line)
        return line

    # --- who is told --------------------------------------------------------------------------

    def watch(self, watcher: Watcher, kinds: Iterable[str] | None = None) -> Callable[[], None]:
        """Have a function called with ``("start" | "end" | "event", span)``, in the span's thread.

        Args:
            watcher: Called for every such moment; it sees the span itself, secrets and all.
            kinds: Of spans of these kinds only; None for all.

        Returns:
            A function that ends it.
        """
        entry = (None if kinds is None else frozenset(kinds), watcher)
        self._watchers = (*self._watchers, entry)

        def stop() -> None:
            self._watchers = tuple(other for other in self._watchers if other is not entry)

        return stop

    def listen(self, listener: Callable[[Batch], object]) -> Callable[[], None]:
        """Have a function called with every batch that was written, in the writer's thread.

        Returns:
            A function that ends it.
        """
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

        return stop

    def _tell(self, moment: str, span: Span) -> None:
        for kinds, watcher in self._watchers:
            if kinds is None or span.kind in kinds:
                try:
                    watcher(moment, span)
                except Exception:
                    _logger.exception("a watcher of spans failed")

    # --- writing (in the recorder's thread) ---------------------------------------------------

    def flush(self) -> None:
        """Write what waits, now and in this thread; afterwards the store has it.

        A forked child writes nothing: the file is its parent's.
        """
        if os.getpid() != self._pid:
            self._ended.clear()
            self._lines.clear()
            return
        with self._writing:
            spans = [self._ended.popleft() for _ in range(len(self._ended))]
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            records = self._records(spans)
            # Once while it is open; its end completes it.
            opened = [
                self.record(span)
                for span in list(self._open.values())
                if span.span_id not in self._written_open
            ]
            records += opened
            if (records or lines) and not self.store.read_only:
                try:
                    self.store.add(records, lines)
                except BaseException:
                    # The disk may be full: they wait for the next time, up to the limit.
                    self._ended.extendleft(reversed(spans))
                    self._lines.extendleft(reversed(lines))
                    raise
                self._since_prune += len(records)
            self._written_open.update(record.span_id for record in opened)
            self._written_open.difference_update(span.span_id for span in spans)
        for listener in self._listeners if records else ():
            try:
                listener(records)
            except Exception:
                _logger.exception("a listener to spans failed")

    def _records(self, spans: Sequence[Span]) -> list[SpanRecord]:
        if threading.current_thread() is not self._thread:
            return [self.record(span) for span in spans]
        records = []
        for number, span in enumerate(spans):
            try:
                records.append(self.record(span))
            except BaseException:  # of an object in it: nobody else can raise one in this thread
                _logger.exception("the span %r could not be written", span.name)
            # Python hands the GIL over after 5 ms; whoever answers calls must not wait so long.
            if number % _AT_A_TIME == _AT_A_TIME - 1:
                time.sleep(_BREATH)
        return records

    def trace(self, trace_id: str) -> list[SpanRecord]:
        """The spans of one trace up to this moment, in the order in which they began.

        Raises:
            NotFoundError: No such trace was recorded.
        """
        self.flush()
        spans = self.store.spans(trace_id=trace_id)
        if not spans:
            raise NotFoundError(
                f"There is no trace {trace_id!r}.",
                where="trace_id",
                next_step="take the trace_id of a span, call, session or request",
            )
        return spans[::-1]

    def find(self, span_id: str, kinds: Sequence[str], what: str) -> SpanRecord:
        """One span up to this moment, whole.

        Args:
            span_id: Its id.
            kinds: What it may be.
            what: What that is to the user, for the error, e.g. ``"call"``.

        Raises:
            NotFoundError: No such span was recorded.
        """
        self.flush()
        found = self.store.span(span_id)
        if found is None or found.kind not in kinds:
            raise NotFoundError(
                f"There is no {what} {span_id!r}.",
                where=f"{what}_id",
                next_step=f"list them with get_recent_{what}s()",
            )
        return found

    def record(self, span: Span) -> SpanRecord:
        """What is kept of a span at this moment, free of secrets."""
        redactor = self.redactor
        message = span.error_message
        return SpanRecord(
            span_id=span.span_id,
            trace_id=span.trace_id,
            parent_id=span.parent_id,
            name=redactor.text(span.name),
            kind=span.kind,
            status=span.status,
            start_ns=span.start_ns,
            duration_ns=span.duration_ns,
            attributes=redactor.redact(plain(dict(span.attributes))) if span.attributes else {},
            events=tuple(
                {
                    "name": redactor.text(event.name),
                    "time_ns": event.time_ns,
                    "attributes": redactor.redact(plain(event.attributes)),
                }
                for event in span.events
            ),
            error_type=span.error_type,
            error_message=None if message is None else redactor.text(message),
        )

    def _run(self) -> None:
        failed = False
        self._since_prune = _PRUNE_EVERY  # what became too old since the last time goes first
        while not self._stopped:
            self._wake.wait(self._interval)
            self._wake.clear()
            try:
                self.flush()
                if self._since_prune >= _PRUNE_EVERY and not self.store.read_only:
                    self._since_prune = 0
                    self.store.prune()
                failed = False
            except Exception:
                # Once in full: a full disk would fill the log as well.
                _logger.log(
                    logging.DEBUG if failed else logging.ERROR,
                    "the trace could not be written",
                    exc_info=True,
                )
                failed = True

    def close(self) -> None:
        """Stop recording; what waits is written first. Closing twice is allowed."""
        if self._stopped:
            return
        self._stopped = True
        atexit.unregister(self.close)
        self._handle.close()
        if os.getpid() != self._pid:
            return  # the thread and the file are the parent's
        self._wake.set()
        self._thread.join(timeout=10)
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._stopped else "recording"
        return f"<Recorder {state} to {self.store!r}>"
