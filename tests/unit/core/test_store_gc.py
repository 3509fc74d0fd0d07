from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vcplab.core import _sqlite
from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, ReadOnlyError, SchemaMismatchError, StateError
from vcplab.core.store import GcReport, Store
from vcplab.core.workspace import Workspace

HOUR = 3600
# The tables as the first layout had them, and one value of each kind.
LAYOUT_1 = """
CREATE TABLE meta (
    schema TEXT NOT NULL, version INTEGER NOT NULL, layout INTEGER NOT NULL,
    created_by TEXT NOT NULL, created TEXT NOT NULL
);
CREATE TABLE blobs (
    hash TEXT PRIMARY KEY, size INTEGER NOT NULL, created TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE kv (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value BLOB,
    blob TEXT REFERENCES blobs (hash),
    UNIQUE (namespace, key), CHECK ((value IS NULL) <> (blob IS NULL))
);
CREATE INDEX kv_blob ON kv (blob) WHERE blob IS NOT NULL;
INSERT INTO meta VALUES ('t', 1, 1, 'vcplab 0.1.0', '2026-03-01T12:00:00+00:00');
"""


def big(number: int) -> bytes:
    return random.Random(number).randbytes(70_000)


def file_of(path: Path, data: bytes) -> Path:
    digest = hashlib.sha256(data).hexdigest()
    return path.with_name(f"{path.stem}.blobs") / digest[:2] / digest[2:]


def age(file: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(file, (then, then))


def orphan(path: Path, data: bytes, seconds: float) -> Path:
    file = file_of(path, data)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    age(file, seconds)
    return file


def files_of(path: Path) -> set[Path]:
    folder = path.with_name(f"{path.stem}.blobs")
    return {file for file in folder.rglob("*") if file.is_file()}


def blobs_of(path: Path) -> set[Path]:
    return {file for file in files_of(path) if not file.name.startswith(".")}


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


# --- garbage ------------------------------------------------------------------------------------


def test_orphans_go_when_old_enough_and_foreign_files_stay(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t") as store:
        store.put("n", "a", big(1))
        age(file_of(path, big(1)), 9 * HOUR)
        old, young = orphan(path, big(2), 2 * HOUR), orphan(path, big(3), HOUR / 2)
        half = old.with_name(f".{old.name}.123-4.tmp")
        writing = old.with_name(f".{old.name}.123-5.tmp")
        foreign = old.with_name("notes.txt")
        for file, seconds in ((half, 2 * HOUR), (writing, 60), (foreign, 9 * HOUR)):
            file.write_bytes(b"12345")
            age(file, seconds)
        report = store.gc()
        assert (report.removed_entries, report.removed_blobs) == (0, 1)
        assert report.freed_bytes == 70_000 + 5
        assert report.kept_bytes == store.total_bytes() > store.blob_bytes() == 70_000
        assert files_of(path) == {file_of(path, big(1)), young, writing, foreign}
        assert store.gc(keep_seconds=0).removed_blobs == 1
        # A file that is being written is never taken from under its writer.
        assert files_of(path) == {file_of(path, big(1)), writing, foreign}
        assert store.get("n", "a") == big(1)
        assert store.gc() == GcReport(0, 0, 0, store.total_bytes())


def test_an_injected_clock_does_not_make_files_old(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    future = FrozenClock(datetime(2199, 1, 1, tzinfo=UTC))
    with use_clock(future), Store(path, schema="t") as store:
        file = orphan(path, big(1), 0)
        store.gc()
        assert file.is_file()


@pytest.mark.parametrize("memory", [False, True])
def test_overwritten_and_deleted_values_go_and_given_out_blobs_stay(
    tmp_path: Path, memory: bool
) -> None:
    store = Store.memory() if memory else Store(tmp_path / "s.sqlite3", schema="t")
    with store:
        store.put_many("n", {"a": big(1), "b": big(2), "c": big(3), "d": big(3), "e": big(4)})
        digest = store.put_blob(big(5))
        assert store.put_blob(big(4)) == hashlib.sha256(big(4)).hexdigest()
        store.put("n", "a", b"small")
        for key in ("b", "c", "e"):
            store.delete("n", key)
        report = store.gc()
        assert (report.removed_entries, report.removed_blobs) == (0, 2)
        assert store.get_many("n", "abcde") == {"a": b"small", "d": big(3)}
        assert store.get_blob(digest) == big(5)
        assert store.get_blob(hashlib.sha256(big(4)).hexdigest()) == big(4)
        assert store.blob_bytes() == 3 * 70_000
        store.put("n", "a", big(1))
        assert store.get("n", "a") == big(1)


def test_what_lost_its_file_goes_only_where_it_may(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t", evictable=("cache",)) as store:
        store.put_many("cache", {"a": big(1), "b": big(2), "c": b"small"})
        store.put_many("mine", {"a": big(3)})
        store.delete("cache", "b")
        for number in (1, 2, 3):
            file_of(path, big(number)).unlink()
        assert store.gc().removed_entries == 1
        assert store.get_many("cache", "abc") == {"c": b"small"}
        with pytest.raises(StateError, match="is missing"):
            store.get("mine", "a")
        assert store.blob_bytes() == 70_000


# --- the budget ---------------------------------------------------------------------------------


def test_least_recently_used_entries_go_first_and_others_never(tmp_path: Path) -> None:
    clock = FrozenClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    with use_clock(clock), Store(tmp_path / "s.sqlite3", schema="t", evictable=("c",)) as store:
        store.put_many("mine", {f"{i}": big(100 + i) for i in range(3)})
        for i in range(10):
            store.put("c", f"{i}", big(i))
            clock.advance(timedelta(days=1))
        assert store.get_many("c", ["1", "4"]) == {"1": big(1), "4": big(4)}
        assert store.gc().removed_entries == 0
        report = store.gc(budget=3 * 70_000 + 5 * 70_000 + store.total_bytes() % 70_000)
        assert store.keys("c") == ["1", "4", "7", "8", "9"]
        assert (report.removed_entries, report.removed_blobs) == (5, 5)
        assert report.freed_bytes >= 5 * 70_000
        assert report.kept_bytes == store.total_bytes()
        assert store.gc(budget=0).removed_entries == 5
        assert store.keys("c") == []
        assert len(store.keys("mine")) == 3
        assert store.blob_bytes() == 3 * 70_000


def test_all_namespaces_may_be_evictable_and_none_is_by_default(tmp_path: Path) -> None:
    with Store(tmp_path / "a.sqlite3", schema="t", evictable=True) as store:
        store.put("one", "a", b"x" * 9000)
        store.put("two", "b", b"x" * 9000)
        assert store.gc(budget=0).removed_entries == 2
    with Store(tmp_path / "b.sqlite3", schema="t", evictable=False) as store:
        store.put("one", "a", b"x" * 9000)
        assert store.gc(budget=0).removed_entries == 0
        assert store.get("one", "a") == b"x" * 9000


def test_a_shared_blob_stays_while_anything_refers_to_it(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite3", schema="t", evictable=("c",)) as store:
        store.put_many("c", {"a": big(1), "b": big(1)})
        store.put("mine", "a", big(1))
        assert store.gc(budget=0).removed_blobs == 0
        assert store.get("mine", "a") == big(1)


def test_the_file_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t", evictable=True) as store:
        store.put_many("n", {f"{i}": random.Random(i).randbytes(1500) for i in range(6000)})
        before = store.total_bytes()
        assert before > 9_000_000
        report = store.gc(budget=1_000_000)
        assert 900_000 < report.kept_bytes <= 1_000_000
        assert report.freed_bytes == before - report.kept_bytes
        assert path.stat().st_size < 1_100_000
        kept = store.keys("n")
        assert len(kept) == 6000 - report.removed_entries
        assert min(map(int, kept)) > 5000  # of one day, the older went
        assert store.rows("PRAGMA integrity_check") == [("ok",)]


def test_use_is_written_once_a_day_and_only_where_it_matters(tmp_path: Path) -> None:
    clock = FrozenClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    with use_clock(clock), Store(tmp_path / "s.sqlite3", schema="t", evictable=("c",)) as store:
        store.put_many("c", {"a": b"1", "b": b"2"})
        store.put_many("n", {"a": b"1"})
        changes = store.rows("SELECT total_changes()")
        store.get_many("c", "ab")
        assert store.rows("SELECT total_changes()") == changes
        clock.advance(timedelta(days=2))
        store.get_many("c", "a")
        store.get_many("c", "a")
        store.get_many("n", "a")
        assert store.rows("SELECT total_changes() - ?", changes[0]) == [(1,)]
        query = "SELECT namespace, key, used FROM kv ORDER BY namespace, key"
        day = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() // 86400)
        assert store.rows(query) == [("c", "a", day + 2), ("c", "b", day), ("n", "a", 0)]


def test_a_read_does_not_wait_for_another_writer(tmp_path: Path) -> None:
    clock = FrozenClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    path = tmp_path / "s.sqlite3"
    with use_clock(clock), Store(path, schema="t", evictable=True) as store:
        store.put("c", "a", b"1")
        clock.advance(timedelta(days=1))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        assert store.get("c", "a") == b"1"
        assert time.monotonic() - begun < 5
        other.execute("ROLLBACK")
        other.close()


def test_a_store_collects_by_itself_after_writes_but_never_inside_a_transaction(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t", budget=500_000, evictable=("c",)) as store:
        assert store.budget == 500_000
        for i in range(30):
            store.put("c", f"{i:02}", big(i))
            assert store.total_bytes() <= 550_000
        assert store.keys("c")[-1] == "29"
        assert 4 <= len(store.keys("c")) <= 8
        with store.transaction():
            store.put_many("c", {f"in {i}": big(50 + i) for i in range(20)})
            assert store.total_bytes() > 1_400_000
            with pytest.raises(StateError, match="inside a transaction"):
                store.gc()
            assert store.total_bytes() > 1_400_000
        assert store.total_bytes() <= 500_000
        assert len(files_of(path)) * 70_000 == store.blob_bytes()
        store.put_many("mine", {f"{i}": big(i) for i in range(10)})
        assert len(store.keys("mine")) == 10  # over the budget, but not to be dropped


def test_housekeeping_that_fails_does_not_fail_the_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "s.sqlite3", schema="t", budget=1000, evictable=True) as store:

        def fail(*arguments: object) -> GcReport:
            raise StateError("The disk is gone.")

        monkeypatch.setattr(store._collector, "collect", fail)
        store.put("c", "a", big(1))
        assert store.get("c", "a") == big(1)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"budget": -1}, "budget"),
        ({"budget": 1.5}, "budget"),
        ({"budget": True}, "budget"),
        ({"evictable": "cache"}, "evictable"),
    ],
)
def test_wrong_limits_are_refused(tmp_path: Path, arguments: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Store(tmp_path / "s.sqlite3", schema="t", **arguments)  # type: ignore[arg-type]
    assert (caught.value.where, bool(caught.value.next_step)) == (where, True)
    assert not (tmp_path / "s.sqlite3").exists()


def test_wrong_collections_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t") as store:
        for arguments in ({"budget": -1}, {"keep_seconds": -1}, {"keep_seconds": float("nan")}):
            with pytest.raises(InvalidInputError):
                store.gc(**arguments)  # type: ignore[arg-type]
        with Store(path, schema="t", read_only=True) as reader, pytest.raises(ReadOnlyError):
            reader.gc()


# --- older files --------------------------------------------------------------------------------


def layout_1(path: Path) -> None:
    digest = hashlib.sha256(big(1)).hexdigest()
    connection = sqlite3.connect(path)
    connection.executescript(LAYOUT_1)
    connection.execute("INSERT INTO blobs VALUES (?, 70000, '2026-03-01')", [digest])
    connection.execute("INSERT INTO kv VALUES ('c', 'small', ?, NULL)", [b"1" * 2000])
    connection.execute("INSERT INTO kv VALUES ('c', 'large', NULL, ?)", [digest])
    rows = [(f"{i:04}", b"x" * 1500) for i in range(500)]
    connection.executemany("INSERT INTO kv VALUES ('c', ?, ?, NULL)", rows)
    connection.commit()
    connection.close()
    file = file_of(path, big(1))
    file.parent.mkdir(parents=True)
    file.write_bytes(big(1))


def test_a_file_of_the_first_layout_is_brought_up_to_date_after_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    layout_1(path)
    before = path.read_bytes()
    with Store(path, schema="t", read_only=True, evictable=True) as reader:
        assert reader.get_many("c", ["small", "large"]) == {"small": b"1" * 2000, "large": big(1)}
        assert reader.total_bytes() > 700_000
    assert path.read_bytes() == before
    for _ in range(2):
        with Store(path, schema="t", evictable=True) as store:
            assert store.rows("SELECT layout, version FROM meta") == [(2, 1)]
            assert store.get_many("c", ["small", "large"]) == {
                "small": b"1" * 2000,
                "large": big(1),
            }
    backup = tmp_path / "s.sqlite3.layout1.bak"
    connection = sqlite3.connect(backup)
    assert connection.execute("SELECT layout FROM meta").fetchall() == [(1,)]
    assert connection.execute("SELECT count(*) FROM kv").fetchall() == [(502,)]
    connection.close()
    with Store(path, schema="t", evictable=True) as store:
        store.put("c", "new", b"2" * 2000)
        report = store.gc(budget=150_000)  # what was never marked as used goes first
        assert store.get_many("c", ["0000", "small", "large", "new"]).keys() == {
            "small",
            "large",
            "new",
        }
        assert report.kept_bytes <= 150_000
        assert path.stat().st_size < 200_000  # rewritten once: the old file could not shrink
        store.gc(budget=0)
        # Nobody knows whether put_blob() had given it out.
        assert store.get_blob(hashlib.sha256(big(1)).hexdigest()) == big(1)


def test_layout_and_version_are_raised_together_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    layout_1(path)

    def broken(store: Store) -> None:
        store.put("n", "a", b"new")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Store(path, schema="t", version=2, migrations={1: broken})
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT layout, version FROM meta").fetchall() == [(1, 1)]
    connection.close()
    migrations = {1: lambda store: store.put("n", "a", b"new")}
    with Store(path, schema="t", version=2, migrations=migrations) as store:
        assert store.get("n", "a") == b"new"
        assert store.rows("SELECT layout, version FROM meta") == [(2, 2)]
    assert (tmp_path / "s.sqlite3.v1.bak").exists()


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t") as store:
        store.execute("UPDATE meta SET layout = 3")
    with pytest.raises(SchemaMismatchError, match="version 1"):
        Store(path, schema="t")


# --- others at work -----------------------------------------------------------------------------


def test_a_file_collected_between_writing_and_referring_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t") as store, Store(path, schema="t") as other:
        digest = store.put_blob(big(9))
        write = store._blobs.write
        calls: list[int] = []

        def write_and_collect(data: bytes) -> str:
            digest = write(data)
            if not calls:
                calls.append(other.gc(keep_seconds=0).removed_blobs)
            return digest

        monkeypatch.setattr(store._blobs, "write", write_and_collect)
        store.put("n", "a", big(1))
        assert calls == [1]
        assert other.get("n", "a") == big(1)
        assert other.get_blob(digest) == big(9)


def test_a_reader_overtaken_by_a_collection_finds_nothing_rather_than_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t", evictable=True) as store, Store(path, schema="t") as reader:
        store.put_many("c", {"a": big(1), "b": b"2"})
        read = reader._blobs.read
        changes: list[Callable[[], object]] = [lambda: store.gc(budget=0)]

        def overtaken(digest: str, what: str) -> bytes:
            if changes:
                changes.pop(0)()
            return read(digest, what)

        monkeypatch.setattr(reader._blobs, "read", overtaken)
        # The small one was read together with the large one, before both were dropped.
        assert reader.get_many("c", "ab") == {"b": b"2"}
        assert store.keys("c") == []
        store.put("c", "a", big(2))
        changes.append(lambda: (store.put("c", "a", big(4)), store.gc(keep_seconds=0)))
        assert reader.get("c", "a") == big(4)
        changes.append(lambda: (store.put("c", "a", b"small"), store.gc(keep_seconds=0)))
        assert reader.get("c", "a") == b"small"
        store.put("c", "a", big(5))
        file_of(path, big(5)).unlink()
        with pytest.raises(StateError, match="is missing"):
            reader.get("c", "a")


WORK = """
    import random, sys
    from vcplab.core.store import Store

    # Everything by number: whatever is found must be exactly what that number stands for.
    def value(i):
        return random.Random(i).randbytes(6000 if i % 3 else 200)

    generator = random.Random(int(sys.argv[2]))
    store = Store(sys.argv[1], schema="t", blob_threshold=3000, evictable=("c",))
    print("ready", flush=True)
    for turn in range(int(sys.argv[3])):
        numbers = [generator.randrange(60) for _ in range(8)]
        store.put_many("c", {str(i): value(i) for i in numbers})
        store.put("mine", f"{sys.argv[2]}-{turn % 10}", value(turn))
        for key, found in store.get_many("c", map(str, range(60))).items():
            assert found == value(int(key)), key
        if sys.argv[4] == "gc":
            store.gc(budget=generator.randrange(40_000, 200_000), keep_seconds=0)
    print("done", flush=True)
"""


def check_store(path: Path) -> None:
    with Store(path, schema="t", blob_threshold=3000, evictable=("c",)) as store:
        assert store.rows("PRAGMA integrity_check") == [("ok",)]
        assert store.rows("PRAGMA foreign_key_check") == []
        for namespace in ("c", "mine"):
            found = store.get_many(namespace, store.keys(namespace))
            for key, value in found.items():
                number = int(key.split("-")[-1])
                turns = [number] if namespace == "c" else range(number, 100_000, 10)
                expected = (random.Random(i).randbytes(6000 if i % 3 else 200) for i in turns)
                assert any(value == other for other in expected)
        for (digest,) in store.rows("SELECT hash FROM blobs"):
            assert len(store.get_blob(digest)) == 6000
        store.gc(keep_seconds=0)
        assert len(blobs_of(path)) == store.rows("SELECT count(*) FROM blobs")[0][0]


def test_processes_read_and_write_while_others_collect(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    children = [start(WORK, str(path), f"{i}", "25", mode) for i, mode in enumerate(("gc", "no"))]
    children.append(start(WORK, str(path), "7", "25", "gc"))
    for child in children:
        out, errors = child.communicate(timeout=120)
        assert (out, errors, child.returncode) == ("ready\ndone\n", "", 0)
    check_store(path)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is POSIX")
def test_kill_9_in_a_collection_leaves_a_sound_store(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    generator = random.Random(20261121)
    for number in range(5):
        child = start(WORK, str(path), str(number), "100000", "gc")
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0.05, 0.4))
        child.kill()
        _, errors = child.communicate(timeout=30)
        assert errors == ""
        check_store(path)


def test_threads_collect_and_write(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    with Store(tmp_path / "s.sqlite3", schema="t", budget=300_000, evictable=True) as store:

        def work(number: int) -> None:
            try:
                for i in range(10):
                    store.put("c", f"{number}-{i}", big(i))
                    assert store.get("c", f"{number}-{i}") in (None, big(i))
                    if number == 0:
                        store.gc(keep_seconds=0)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        store.gc(keep_seconds=0)
        assert store.total_bytes() <= 300_000


def test_a_busy_database_postpones_only_the_shrinking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite, "_PATIENCE", 0.2)
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t", evictable=True) as store:
        store.put_many("n", {f"{i}": b"x" * 1500 for i in range(500)})
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM kv").fetchall() == [(500,)]
        assert store.gc(budget=0).removed_entries == 500
        assert reader.execute("SELECT count(*) FROM kv").fetchall() == [(500,)]
        reader.execute("COMMIT")
        reader.close()
        assert store.gc().kept_bytes < 100_000


# --- the lab ------------------------------------------------------------------------------------


def test_a_lab_collects_the_garbage_of_its_state(tmp_path: Path) -> None:
    with Workspace(tmp_path / "lab") as lab:
        lab.store.put("n", "a", big(1))
        lab.store.delete("n", "a")
        assert lab.gc().removed_blobs == 1
        with Workspace(tmp_path / "lab") as second, pytest.raises(ReadOnlyError):
            second.gc()
    with pytest.raises(StateError, match="closed"):
        lab.gc()
