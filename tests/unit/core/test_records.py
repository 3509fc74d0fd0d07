"""JSON records by key."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.core.records import JsonRecords
from vcplab.core.store import Store


def test_order_dates_and_the_value_before() -> None:
    records = JsonRecords(None, "n")
    with use_clock(FrozenClock("2026-01-01T00:00+00:00")):
        records.put_many({"b": {"x": 1}, "a": {"x": 2}})
    with use_clock(FrozenClock("2026-01-02T00:00+00:00")):
        records.put("b", {"x": 3}, keep=True)
        records.put("b", {"x": 4})
    first, second = records.all()
    assert (first.key, second.key) == ("b", "a")
    assert (first.body, first.previous) == ({"x": 4}, {"x": 1})
    assert first.created.startswith("2026-01-01")
    assert first.updated.startswith("2026-01-02")
    assert records.delete("b")
    assert not records.delete("b")
    assert records.get("b") is None


def test_namespaces_are_apart() -> None:
    store = Store.memory()
    JsonRecords(store, "a").put("k", {})
    assert JsonRecords(store, "b").all() == []


def test_all_or_none() -> None:
    records = JsonRecords(None, "n")
    for bad in ({"x": object()}, {"x": float("nan")}, {"x": "\ud800"}):
        with pytest.raises(InvalidInputError):
            records.put_many({"good": {}, "bad": bad})
    with suppress(ZeroDivisionError), records.transaction():
        records.put("a", {})
        raise ZeroDivisionError
    assert records.all() == []


@pytest.mark.parametrize("data", [b"[]", b"{", b"\xff", b'{"schema": 1}', b"null"])
def test_what_cannot_be_read_is_named(data: bytes) -> None:
    store = Store.memory()
    store.put("n", "k", data)
    with pytest.raises(InvalidDataError, match="n/k"):
        JsonRecords(store, "n").all()


def test_newer_records_are_refused() -> None:
    store = Store.memory()
    store.put("n", "k", b'{"schema": 2}')
    with pytest.raises(SchemaMismatchError):
        JsonRecords(store, "n").get("k")


def test_threads_add_in_turn() -> None:
    records = JsonRecords(None, "n")
    threads = [threading.Thread(target=records.put, args=(str(n), {"n": n})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record.serial for record in records.all()) == list(range(1, 9))
