from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.trace import (
    Span,
    SpanSink,
    add_sink,
    attach,
    attach_from_environment,
    carrier,
    current_span,
    in_context,
    remove_sink,
    span,
)


class ListSink:
    def __init__(self) -> None:
        self.started: list[Span] = []
        self.ended: list[Span] = []

    def on_start(self, span: Span) -> None:
        self.started.append(span)

    def on_end(self, span: Span) -> None:
        self.ended.append(span)


@pytest.fixture
def sink() -> Iterator[ListSink]:
    listening = ListSink()
    with add_sink(listening):
        yield listening


def test_nesting_and_ids() -> None:
    assert current_span() is None
    assert carrier() == {}
    with span("outer", kind="server", k=5) as outer:
        assert current_span() is outer
        with span("inner") as inner:
            assert current_span() is inner
            assert carrier() == {"traceparent": f"00-{outer.trace_id}-{inner.span_id}-01"}
        assert current_span() is outer
    assert current_span() is None
    assert re.fullmatch("[0-9a-f]{32}", outer.trace_id)
    assert re.fullmatch("[0-9a-f]{16}", outer.span_id)
    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert outer.parent_id is None
    assert (outer.name, outer.kind, inner.kind) == ("outer", "server", "internal")
    assert outer.attributes == {"k": 5}
    with span("next") as other:
        assert other.trace_id != outer.trace_id


def test_ids_are_distinct() -> None:
    ids = set()
    for _ in range(2000):
        with span("x") as here:
            ids |= {here.trace_id, here.span_id}
    assert len(ids) == 4000
    assert set(map(len, ids)) == {16, 32}


def test_attributes_events_and_times() -> None:
    with span("x", name="also fine", self=1) as here:
        assert here.status == "open"
        assert here.duration_ns is None
        assert here.set(hits=3, self=2) is here
        assert here.event("cache.miss", key="a", name="b") is here
        time.sleep(0.01)
    assert here.attributes == {"name": "also fine", "self": 2, "hits": 3}
    (event,) = here.events
    assert (event.name, dict(event.attributes)) == ("cache.miss", {"key": "a", "name": "b"})
    assert here.start_ns <= event.time_ns <= time.time_ns()
    assert here.duration_ns is not None
    assert 9_000_000 <= here.duration_ns < 5_000_000_000
    assert here.status == "ok"
    assert (here.error_type, here.error_message) == (None, None)
    assert repr(here).startswith("<Span 'x' ok, ")


def test_an_injected_clock_gives_the_start_and_the_events() -> None:
    with use_clock(FrozenClock("2026-03-01T09:00+08:00")), span("x") as here:
        here.event("e")
    assert here.start == datetime(2026, 3, 1, 1, tzinfo=UTC)
    assert here.events[0].time_ns == here.start_ns == 1_772_326_800_000_000_000
    assert here.duration_ns is not None
    assert here.duration_ns > 0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no"), "error"),
        (SystemExit("no"), "error"),
        (asyncio.CancelledError("no"), "cancelled"),
        (concurrent.futures.CancelledError("no"), "cancelled"),
        (KeyboardInterrupt("no"), "cancelled"),
        (GeneratorExit("no"), "cancelled"),
    ],
)
def test_exceptions_are_recorded_and_raised_again(error: BaseException, status: str) -> None:
    here = span("x")
    with pytest.raises(type(error)) as caught, here:
        raise error
    assert caught.value is error
    assert (here.status, here.error_type, here.error_message) == (
        status,
        type(error).__name__,
        "no",
    )
    assert current_span() is None


def test_an_exception_whose_text_fails_passes_through() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    here = span("x")
    with pytest.raises(Mute), here:
        raise Mute
    assert here.error_type == "Mute"


def test_a_span_is_opened_once() -> None:
    here = span("x")
    with here:
        pass
    ended = (here.span_id, here.status, here.duration_ns)
    with pytest.raises(StateError, match="opened before"), here:
        pass
    assert (here.span_id, here.status, here.duration_ns) == ended


def test_decorates_plain_functions(sink: ListSink) -> None:
    @span("add", kind="internal", unit="apples")
    def add(a: int, b: int = 1) -> int:
        """Adds."""
        here = current_span()
        assert here is not None
        here.set(a=a)
        return a + b

    assert (add(1), add(2, b=3)) == (2, 5)
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert [s.attributes for s in sink.ended] == [
        {"unit": "apples", "a": 1},
        {"unit": "apples", "a": 2},
    ]
    assert len({s.span_id for s in sink.ended}) == 2


def test_decorates_async_functions(sink: ListSink) -> None:
    @span("wait")
    async def wait(text: str) -> str:
        await asyncio.sleep(0)
        return text

    async def main() -> list[str]:
        return await asyncio.gather(wait("a"), wait("b"))

    assert asyncio.run(main()) == ["a", "b"]
    assert [s.status for s in sink.ended] == ["ok", "ok"]
    assert len({s.trace_id for s in sink.ended}) == 2


def test_decorator_refuses_what_it_cannot_time() -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    for function in (generator, asynchronous, 3):
        with pytest.raises(InvalidInputError):
            span("x")(function)  # type: ignore[arg-type]

    with pytest.raises(InvalidInputError, match="needs a name"):

        @span  # type: ignore[arg-type]
        def bare() -> None: ...


def test_async_with_and_tasks_inherit() -> None:
    async def child() -> str | None:
        async with span("child") as here:
            await asyncio.sleep(0.001)
            return here.parent_id

    async def main() -> None:
        async with span("parent") as parent:
            tasks = [asyncio.create_task(child()) for _ in range(5)]
            async with span("sibling"):
                assert await asyncio.gather(*tasks) == [parent.span_id] * 5
            assert current_span() is parent

    asyncio.run(main())


def test_a_cancelled_task_ends_its_span_as_cancelled(sink: ListSink) -> None:
    async def main() -> None:
        async def work() -> None:
            async with span("work"):
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert [s.status for s in sink.ended] == ["cancelled"]


def test_threads_inherit_by_in_context_also_at_once() -> None:
    meet = threading.Barrier(4, timeout=10)

    def work(number: int) -> tuple[int, str | None]:
        with span("work") as here:
            meet.wait()  # all four are inside the same bound function
            return number, here.parent_id

    with span("parent") as parent, concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [(i, None) for i in range(4)]
        bound = in_context(work)
        assert bound.__name__ == "work"
        assert sorted(pool.map(bound, range(4))) == [(i, parent.span_id) for i in range(4)]
        seen: list[Span | None] = []
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(lambda: seen.append(current_span()),))
        thread.start()
        thread.join()
        assert seen == [parent]


def test_in_context_refuses_coroutines() -> None:
    async def work() -> None: ...

    with pytest.raises(InvalidInputError, match="asynchronous"):
        in_context(work)


CHILD = """
import json
from vcplab.core.trace import attach_from_environment, carrier, current_span, span
with attach_from_environment():
    assert current_span() is None
    handed_on = carrier()
    with span("child") as child:
        pass
print(json.dumps([child.trace_id, child.parent_id, child.span_id, handed_on]))
"""


def run_child(traceparent: str | None) -> tuple[str, str | None, str, dict[str, str]]:
    environment = {k: v for k, v in os.environ.items() if k != "TRACEPARENT"}
    if traceparent is not None:
        environment["TRACEPARENT"] = traceparent
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True
    )
    return tuple(json.loads(done.stdout))  # type: ignore[return-value]


def test_a_child_process_continues_the_trace() -> None:
    with span("parent") as parent:
        handed = carrier()
        trace_id, parent_id, span_id, handed_on = run_child(handed["traceparent"])
    assert (trace_id, parent_id) == (parent.trace_id, parent.span_id)
    assert span_id != parent.span_id
    assert handed_on == handed
    trace_id, parent_id, _, handed_on = run_child("nonsense")
    assert trace_id != parent.trace_id
    assert (parent_id, handed_on) == (None, {})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_draws_other_ids() -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with span("x") as here:
            os.write(writer, here.trace_id.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = os.read(reader, 100).decode()
    os.close(reader)
    os.close(writer)
    with span("x") as here:
        pass
    assert len(theirs) == 32
    assert theirs != here.trace_id


hexadecimal = st.text("0123456789abcdef")


@settings(deadline=None, max_examples=150)
@given(
    trace=st.integers(1, 2**128 - 1),
    parent=st.integers(1, 2**64 - 1),
    flags=st.integers(0, 255),
    key=st.sampled_from(["traceparent", "Traceparent", "TRACEPARENT"]),
)
def test_traceparent_round_trip(trace: int, parent: int, flags: int, key: str) -> None:
    with attach({key: f"00-{trace:032x}-{parent:016x}-{flags:02x}", "other": "x"}):
        assert carrier() == {"traceparent": f"00-{trace:032x}-{parent:016x}-01"}
        with span("x") as here:
            handed = carrier()
        assert (here.trace_id, here.parent_id) == (f"{trace:032x}", f"{parent:016x}")
    with attach(handed):
        assert carrier() == handed
    assert carrier() == {}


GOOD = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"ff-{GOOD}-01",
        f"00-{GOOD}-01-extra",
        f"00-{GOOD}",
        f"00-{GOOD.upper()}-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        f"00-{GOOD}-01\n",
        f"00-{GOOD.replace('0af', '０af')}-01",
    ],
)
def test_malformed_traceparent_begins_a_new_trace(text: str) -> None:
    with span("around") as around:
        with attach({"traceparent": text}):
            assert carrier() == {}
            with span("x") as here:
                assert here.parent_id is None
                assert here.trace_id != around.trace_id
        assert current_span() is around


@pytest.mark.parametrize("text", [f"01-{GOOD}-01", f"cc-{GOOD}-01-what-the-future-brings"])
def test_later_versions_are_read_as_far_as_they_are_known(text: str) -> None:
    with attach({"traceparent": text}):
        assert carrier() == {"traceparent": f"00-{GOOD}-01"}


@pytest.mark.parametrize("thing", [None, 3, [], {}, {"traceparent": None}, {3: b"x"}])
def test_strange_carriers_never_raise(thing: object) -> None:
    with attach(thing):  # type: ignore[arg-type]
        assert carrier() == {}


@settings(deadline=None, max_examples=150)
@given(st.text() | hexadecimal.map(lambda h: f"00-{h}-{h}-01"))
def test_any_text_is_a_carrier_that_never_raises(text: str) -> None:
    with attach({"traceparent": text}), span("x") as here:
        assert len(here.trace_id) == 32


def test_attach_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", f"00-{GOOD}-01")
    with attach_from_environment():
        assert carrier() == {"traceparent": f"00-{GOOD}-01"}
    monkeypatch.delenv("TRACEPARENT")
    with attach_from_environment():
        assert carrier() == {}


def test_sinks_are_told_of_start_and_end(sink: ListSink) -> None:
    assert isinstance(sink, SpanSink)
    with span("a") as a:
        assert sink.started == [a]
        assert sink.ended == []
        with span("b") as b:
            pass
    assert (sink.started, sink.ended) == ([a, b], [b, a])
    assert sink.ended[0].duration_ns is not None


def test_handles_and_remove_sink() -> None:
    one, two = ListSink(), ListSink()
    handle = add_sink(one)
    add_sink(two)
    add_sink(two)
    with span("a"):
        pass
    handle.close()
    handle.close()
    with span("b"):
        pass
    remove_sink(two)
    remove_sink(two)
    with span("c"):
        pass
    assert [s.name for s in one.ended] == ["a"]
    assert [s.name for s in two.ended] == ["a", "a", "b", "b"]


def test_add_sink_wants_a_sink() -> None:
    with pytest.raises(InvalidInputError) as caught:
        add_sink([])  # type: ignore[arg-type]
    assert "on_start" in str(caught.value.next_step)


def test_failing_sink_is_isolated_and_logged_once(
    sink: ListSink, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def on_start(self, span: Span) -> None:
            raise RuntimeError("disk full")

        def on_end(self, span: Span) -> None:
            raise RuntimeError("disk full")

    after = ListSink()
    with caplog.at_level(logging.WARNING), add_sink(Broken()), add_sink(after):
        for _ in range(3):
            with span("x"):
                pass
    assert len(sink.ended) == len(after.ended) == 3
    assert len(caplog.records) == 1
    assert "disk full" in caplog.text


def test_spans_of_a_sink_are_not_reported(sink: ListSink) -> None:
    class Busy:
        def on_start(self, span: Span) -> None: ...

        def on_end(self, ended: Span) -> None:
            with span("store.put"):
                pass

    with add_sink(Busy()), span("x"):
        pass
    assert [s.name for s in sink.ended] == ["x"]


def test_interrupt_inside_a_sink_leaves_no_span_behind() -> None:
    class Interrupted:
        def on_start(self, span: Span) -> None:
            raise KeyboardInterrupt

        def on_end(self, span: Span) -> None: ...

    with add_sink(Interrupted()), pytest.raises(KeyboardInterrupt), span("x"):
        pass
    assert current_span() is None
    listening = ListSink()
    with add_sink(listening), span("y"):
        pass
    assert [s.name for s in listening.ended] == ["y"]


def test_a_span_closed_in_another_context_does_not_raise(sink: ListSink) -> None:
    def generator() -> Iterator[int]:
        with span("inside"):
            yield 1
            yield 2

    pending = generator()
    contextvars.copy_context().run(next, pending)
    pending.close()
    gc.collect()
    assert [(s.name, s.status) for s in sink.ended] == [("inside", "cancelled")]
    assert current_span() is None
