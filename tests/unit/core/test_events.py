from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, datetime

import pytest

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError
from vcplab.core.events import Event, EventBus, HandlerFailed


@dataclass(frozen=True, kw_only=True, slots=True)
class Said(Event):
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Shouted(Said):
    loudness: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Left(Event):
    pass


def texts(events: object) -> list[str]:
    return [event.text for event in events if isinstance(event, Said)]  # type: ignore[attr-defined]


def test_event_is_frozen_and_stamped_by_the_current_clock() -> None:
    with use_clock(FrozenClock("2026-03-01T09:00+08:00")):
        event = Said(text="hello")
    assert event.time == datetime(2026, 3, 1, 1, tzinfo=UTC)
    assert Said(text="now").time.tzinfo is not None
    with pytest.raises(FrozenInstanceError):
        event.text = "other"  # type: ignore[misc]
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    assert Said(text="a", time=moment).time is moment


def test_a_base_subscription_sees_subclasses_and_not_the_reverse() -> None:
    bus, said, shouted, everything = EventBus(), [], [], []
    bus.subscribe(Said, said.append)
    bus.subscribe(Shouted, shouted.append)
    bus.subscribe(Event, everything.append)
    a, b, c = Said(text="a"), Shouted(text="b"), Left()
    for event in (a, b, c):
        bus.publish(event)
    assert (said, shouted, everything) == ([a, b], [b], [a, b, c])


def test_handlers_run_in_order_of_subscription_before_publish_returns() -> None:
    bus, order = EventBus(), []
    for name in "abc":
        bus.subscribe(Said, lambda event, name=name: order.append((name, event.text)))
    bus.publish(Said(text="1"))
    assert order == [("a", "1"), ("b", "1"), ("c", "1")]


def test_close_is_idempotent_and_works_as_a_context_manager() -> None:
    bus, seen = EventBus(), []
    with bus.subscribe(Said, seen.append) as subscription:
        bus.publish(Said(text="in"))
        assert not subscription.closed
    assert subscription.closed
    subscription.close()
    bus.publish(Said(text="out"))
    assert texts(seen) == ["in"]


def test_one_handler_subscribed_twice_is_two_subscriptions() -> None:
    bus, seen = EventBus(), []
    first = bus.subscribe(Said, seen.append)
    bus.subscribe(Said, seen.append)
    bus.publish(Said(text="a"))
    first.close()
    bus.publish(Said(text="b"))
    assert texts(seen) == ["a", "a", "b"]


def test_unsubscribing_and_subscribing_while_publishing() -> None:
    bus, seen = EventBus(), []

    def once(event: Said) -> None:
        seen.append(("once", event.text))
        own.close()
        later.close()  # has not had its turn yet and must not get it
        bus.subscribe(Said, lambda event: seen.append(("new", event.text)))

    own = bus.subscribe(Said, once)
    later = bus.subscribe(Said, lambda event: seen.append(("later", event.text)))
    bus.subscribe(Said, lambda event: seen.append(("last", event.text)))
    bus.publish(Said(text="1"))
    bus.publish(Said(text="2"))
    assert seen == [("once", "1"), ("last", "1"), ("last", "2"), ("new", "2")]


def test_failing_handler_is_isolated_logged_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    bus, seen, failures = EventBus(), [], []

    def broken(event: Said) -> None:
        raise RuntimeError("no paper")

    bus.subscribe(Said, broken)
    bus.subscribe(Said, seen.append)
    bus.subscribe(HandlerFailed, failures.append)
    event = Said(text="a")
    with caplog.at_level(logging.ERROR, logger="vcplab.core.events"):
        bus.publish(event)
    assert seen == [event]
    (failure,) = failures
    assert failure.event is event
    assert (failure.error_type, failure.message) == ("RuntimeError", "no paper")
    assert failure.handler.endswith("broken")
    assert bus.history() == (event, failure)
    assert "no paper" in caplog.text


def test_a_failing_handler_of_failures_ends_there(caplog: pytest.LogCaptureFixture) -> None:
    bus = EventBus()

    def broken(event: Event) -> None:
        raise RuntimeError(type(event).__name__)

    bus.subscribe(Event, broken)
    with caplog.at_level("DEBUG", logger="vcplab.core.events"):
        bus.publish(Left())
    assert [type(event) for event in bus.history()] == [Left, HandlerFailed]
    assert [record.levelname for record in caplog.records] == ["ERROR", "DEBUG"]


def test_each_handler_that_fails_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    bus = EventBus()

    def broken(event: Event) -> None:
        raise RuntimeError("again")

    first = bus.subscribe(Left, broken)
    failures: list[HandlerFailed] = []
    bus.subscribe(HandlerFailed, failures.append)
    for _ in range(3):
        bus.publish(Left())
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].exc_info
    assert len(failures) == 3, "those who listen for failures hear of each"
    first.close()
    bus.subscribe(Left, broken)
    bus.publish(Left())
    assert len(caplog.records) == 2, "another subscription speaks for itself"


def test_an_exception_without_text_is_still_reported() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    bus = EventBus()

    def broken(event: Event) -> None:
        raise Mute

    with bus.subscribe(Left, broken):
        logging.disable(logging.CRITICAL)
        try:
            bus.publish(Left())
        finally:
            logging.disable(logging.NOTSET)
    failure = bus.history()[-1]
    assert isinstance(failure, HandlerFailed)
    assert failure.error_type == "Mute"


def test_interrupt_reaches_the_publisher_after_the_other_handlers_ran() -> None:
    bus, seen = EventBus(), []

    def interrupted(event: Said) -> None:
        if event.text == "a":
            bus.publish(Said(text="nested"))
            raise KeyboardInterrupt

    bus.subscribe(Said, interrupted)
    bus.subscribe(Said, seen.append)
    with pytest.raises(KeyboardInterrupt):
        bus.publish(Said(text="a"))
    bus.publish(Said(text="b"))
    assert texts(seen) == ["a", "nested", "b"]


def test_nested_publishing_keeps_the_order_for_everyone() -> None:
    bus, first, second = EventBus(), [], []

    def answers(event: Said) -> None:
        first.append(event.text)
        if event.text == "question":
            bus.publish(Said(text="answer 1"))
            bus.publish(Said(text="answer 2"))

    bus.subscribe(Said, answers)
    bus.subscribe(Said, lambda event: second.append(event.text))
    bus.publish(Said(text="question"))
    assert first == second == ["question", "answer 1", "answer 2"]
    assert texts(bus.history()) == first


def test_a_long_chain_of_nested_events_needs_no_stack() -> None:
    bus, count = EventBus(), []

    def again(event: Shouted) -> None:
        count.append(event.loudness)
        if event.loudness < 5000:
            bus.publish(Shouted(text="", loudness=event.loudness + 1))

    bus.subscribe(Shouted, again)
    bus.publish(Shouted(text=""))
    assert count == list(range(1, 5001))


def test_order_per_publisher_from_many_threads() -> None:
    bus, seen = EventBus(history=10_000), []
    bus.subscribe(Said, seen.append)

    def publish(name: str) -> None:
        for i in range(300):
            bus.publish(Shouted(text=name, loudness=i))

    threads = [threading.Thread(target=publish, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for events in (seen, bus.history()):
        assert len(events) == 1800
        for name in "abcdef":
            assert [e.loudness for e in events if e.text == name] == list(range(300))


def test_history_is_a_bounded_ring() -> None:
    bus = EventBus(history=3)
    for text in "abcde":
        bus.publish(Said(text=text))
    assert texts(bus.history()) == ["c", "d", "e"]
    assert texts(bus.history(2)) == ["d", "e"]
    assert bus.history(0) == ()
    assert texts(bus.history(99)) == ["c", "d", "e"]
    none = EventBus(history=0)
    none.publish(Left())
    assert none.history() == ()


def test_bad_arguments_teach() -> None:
    bus = EventBus()

    async def coroutine(event: Event) -> None: ...

    async def generator(event: Event) -> AsyncIterator[None]:
        yield

    for call in (
        lambda: EventBus(history=-1),
        lambda: bus.history(-1),
        lambda: bus.stream(Event, maxsize=0),
        lambda: bus.stream(int),
        lambda: bus.subscribe(str, print),
        lambda: bus.subscribe(Left(), print),
        lambda: bus.subscribe(Event, None),
        lambda: bus.subscribe(Event, coroutine),
        lambda: bus.subscribe(Event, generator),
        lambda: bus.publish("hello"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            call()
        assert caught.value.where
        assert caught.value.next_step


def test_stream_yields_what_was_published_and_ends_at_close() -> None:
    bus = EventBus()

    async def main() -> list[str]:
        with bus.stream(Said) as stream:
            bus.publish(Said(text="a"))
            bus.publish(Left())
            bus.publish(Shouted(text="b"))
            stream.close()
            bus.publish(Said(text="after"))
            return [event.text async for event in stream]

    assert asyncio.run(main()) == ["a", "b"]


def test_stream_drops_the_oldest_and_counts() -> None:
    bus = EventBus()

    async def main() -> tuple[list[str], int]:
        async with bus.stream(Said, maxsize=3) as stream:
            for text in "abcde":
                bus.publish(Said(text=text))
            assert stream.dropped == 2
            return [(await anext(stream)).text for _ in range(3)], stream.dropped

    assert asyncio.run(main()) == (["c", "d", "e"], 2)


def test_stream_wakes_a_waiting_reader_from_another_thread() -> None:
    bus = EventBus()

    async def main() -> list[int]:
        stream = bus.stream(Shouted)

        def publish() -> None:
            for i in range(200):
                bus.publish(Shouted(text="", loudness=i))
            stream.close()

        thread = threading.Timer(0.02, publish)
        thread.start()
        async with asyncio.timeout(10):
            seen = [event.loudness async for event in stream]
        thread.join()
        return seen

    assert asyncio.run(main()) == list(range(200))


def test_a_cancelled_reader_loses_nothing() -> None:
    bus = EventBus()

    async def main() -> str:
        with bus.stream(Said) as stream:
            waiting = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            bus.publish(Said(text="kept"))  # the reader is woken, but cancelled before it runs
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            async with asyncio.timeout(5):
                return (await anext(stream)).text

    assert asyncio.run(main()) == "kept"


def test_stream_can_move_to_another_loop_and_outlive_a_closed_one() -> None:
    bus = EventBus()
    stream = bus.stream(Said)

    async def first() -> None:
        waiting = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(first())
    bus.publish(Said(text="a"))

    async def second() -> str:
        return (await anext(stream)).text

    assert asyncio.run(second()) == "a"
    stream.close()
    stream.close()
    with pytest.raises(StopAsyncIteration):
        asyncio.run(second())


def test_two_readers_share_a_stream() -> None:
    bus = EventBus()

    async def main() -> list[str]:
        stream = bus.stream(Said)

        async def read() -> list[str]:
            return [event.text async for event in stream]

        readers = [asyncio.create_task(read()) for _ in range(2)]
        await asyncio.sleep(0)
        for text in "abcdef":
            bus.publish(Said(text=text))
        stream.close()
        async with asyncio.timeout(5):
            return sorted(text for part in await asyncio.gather(*readers) for text in part)

    assert asyncio.run(main()) == list("abcdef")
