from __future__ import annotations

import gc
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
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vcplab.core import _sqlite
from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    SchemaMismatchError,
    StateError,
)
from vcplab.core.store import Store

BIG = b"0123456789abcdef" * 5000  # 80 kB, above the threshold


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "file":
        made = Store(tmp_path / "state.sqlite3", schema="test")
    else:
        made = Store.memory(schema="test")
    yield made
    made.close()


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


# --- keys and values ----------------------------------------------------------------------------


def test_put_get_delete_keys(store: Store) -> None:
    assert store.get("a", "x") is None
    store.put("a", "x", b"1")
    store.put("b", "x", b"2")
    store.put("a", "x", b"3")
    store.put("a", "空\0键", b"")
    assert store.get("a", "x") == b"3"
    assert store.get("b", "x") == b"2"
    assert store.get("a", "空\0键") == b""
    assert store.keys("a") == ["x", "空\0键"]
    assert store.delete("a", "x")
    assert not store.delete("a", "x")
    assert store.get("a", "x") is None
    assert store.keys("nothing") == []


def test_many_at_once_beyond_the_variable_limit(store: Store) -> None:
    values = {f"key {i}": str(i).encode() for i in range(2500)}
    store.put_many("n", values)
    asked = [*reversed(values), "missing", "key 3"]
    assert list(store.get_many("n", asked).items()) == list(reversed(values.items()))
    assert len(store.keys("n")) == 2500
    store.put_many("n", {})
    assert store.get_many("n", []) == {}


def test_ten_thousand_vectors_are_fast(tmp_path: Path) -> None:
    values = {f"{i:064x}": i.to_bytes(2, "big") * 768 for i in range(10_000)}
    with Store(tmp_path / "s.sqlite3", schema="test") as store:
        best_put = best_get = 9.0
        for namespace in ("a", "b"):
            begun = time.process_time()
            store.put_many(namespace, values)
            best_put = min(best_put, time.process_time() - begun)
            begun = time.process_time()
            assert store.get_many(namespace, values) == values
            best_get = min(best_get, time.process_time() - begun)
    assert best_put < 1
    assert best_get < 1


def test_bytes_likes_are_kept_as_bytes(store: Store) -> None:
    store.put_many("n", {"a": bytearray(b"x"), "b": memoryview(b"y")})
    assert store.get_many("n", ["a", "b"]) == {"a": b"x", "b": b"y"}


@pytest.mark.parametrize(
    ("key", "value"), [("b", "text"), (1, b"x"), ("\ud800", b"x"), (None, b"x")]
)
def test_bad_input_writes_nothing(store: Store, key: object, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        store.put_many("n", {"a": BIG, key: value})
    assert caught.value.next_step
    assert store.keys("n") == []
    assert store.blob_bytes() == 0


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        st.binary(max_size=40),
        max_size=12,
    )
)
def test_what_goes_in_comes_out(tmp_path: Path, content: dict[str, bytes]) -> None:
    with Store(tmp_path / "h.sqlite3", schema="test", blob_threshold=20) as store:
        for key in store.keys("n"):
            store.delete("n", key)
        store.put_many("n", content)
        assert store.get_many("n", content) == content
        assert store.keys("n") == sorted(content, key=lambda key: key.encode("utf-8"))


# --- blobs --------------------------------------------------------------------------------------


def test_large_values_become_blobs_written_once(tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with use_clock(FrozenClock(at)), Store(tmp_path / "state.sqlite3", schema="t") as store:
        store.put_many("n", {"a": BIG, "b": BIG, "c": b"small"})
        digest = store.put_blob(BIG)
        assert digest == hashlib.sha256(BIG).hexdigest()
        assert store.get("n", "a") == store.get("n", "b") == store.get_blob(digest) == BIG
        assert store.blob_bytes() == len(BIG)
        file = tmp_path / "state.blobs" / digest[:2] / digest[2:]
        assert file.read_bytes() == BIG
        assert [p for p in (tmp_path / "state.blobs").rglob("*") if p.is_file()] == [file]
        assert store.rows("SELECT hash, size, created FROM blobs") == [
            (digest, len(BIG), "2026-03-01T12:00:00+00:00")
        ]
        store.put("n", "a", b"now small")
        assert store.get("n", "a") == b"now small"
    with Store(tmp_path / "state.sqlite3", schema="t") as store:
        assert store.get("n", "b") == BIG


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_missing_or_damaged_blob_is_named_and_can_be_mended(tmp_path: Path, damage: str) -> None:
    with Store(tmp_path / "s.sqlite3", schema="t") as store:
        store.put("n", "picture", BIG)
        digest = hashlib.sha256(BIG).hexdigest()
        file = tmp_path / "s.blobs" / digest[:2] / digest[2:]
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(b"X" + BIG[1:])
        with pytest.raises(StateError, match=f"{digest} of 'n/picture' is {damage}"):
            store.get("n", "picture")
        with pytest.raises(StateError, match=damage):
            store.get_blob(digest)
        store.put("other", "picture", BIG)
        assert store.get("n", "picture") == BIG


def test_blobs_are_asked_for_by_digest_only(store: Store) -> None:
    digest = store.put_blob(b"small ones too")
    assert store.get_blob(digest) == b"small ones too"
    assert store.blob_bytes() == 14
    for wrong in ("0" * 64, "../../etc/passwd", digest.upper()):
        with pytest.raises(NotFoundError):
            store.get_blob(wrong)
    with pytest.raises(InvalidInputError):
        store.put_blob("text")


# --- transactions -------------------------------------------------------------------------------


def put_and_fail(store: Store, key: str, error: Exception) -> None:
    with store.transaction():
        store.put("n", key, b"")
        store.delete("n", "a")
        raise error


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    with store.transaction():
        store.put("n", "a", b"1")
        store.put_many("n", {"b": b"2"})
    with pytest.raises(ZeroDivisionError):
        put_and_fail(store, "c", ZeroDivisionError())
    assert store.keys("n") == ["a", "b"]


def test_an_inner_transaction_fails_alone_and_succeeds_with_the_outer(store: Store) -> None:
    with store.transaction():
        store.put("n", "a", b"")
        with pytest.raises(KeyError):
            put_and_fail(store, "inner", KeyError())
        with store.transaction():
            store.put("n", "second", b"")
    assert store.keys("n") == ["a", "second"]

    def outer() -> None:
        with store.transaction():
            with store.transaction():
                store.put("n", "third", b"")
            raise KeyError

    with pytest.raises(KeyError):
        outer()
    assert store.keys("n") == ["a", "second"]


def test_own_tables(tmp_path: Path) -> None:
    tables = """
        CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT UNIQUE); -- a comment; with semicolon
        CREATE INDEX by_name ON runs (name);
    """
    for _ in range(2):  # made once, found the second time
        with Store(tmp_path / "s.sqlite3", schema="t", tables=tables) as store:
            assert store.rows("SELECT count(*) FROM runs") in ([(0,)], [(3,)])
            if store.rows("SELECT count(*) FROM runs") == [(0,)]:
                assert store.execute("INSERT INTO runs (name) VALUES (?)", ["a"]) == 1
                sql = "INSERT INTO runs (name) VALUES (?)"
                assert store.executemany(sql, [("b",), ("c",)]) == 2
    with Store(tmp_path / "s.sqlite3", schema="t", tables=tables) as store:
        with pytest.raises(InvalidInputError, match="UNIQUE"):
            store.executemany("INSERT INTO runs (name) VALUES (?)", [("d",), ("a",)])
        assert [name for (name,) in store.rows("SELECT name FROM runs")] == ["a", "b", "c"]
        with pytest.raises(InvalidInputError, match="no such table"):
            store.rows("SELECT * FROM absent")
        with pytest.raises(InvalidInputError, match="syntax"):
            store.execute("INSERT OUTOF x")


def test_wrong_tables_make_no_store(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        Store(tmp_path / "s.sqlite3", schema="t", tables="CREATE TABLE x (; nonsense")
    with Store(tmp_path / "s.sqlite3", schema="t") as store:
        assert store.keys("n") == []


# --- threads and processes ----------------------------------------------------------------------


def test_threads_share_a_store(store: Store) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(20):
                with store.transaction():
                    (count,) = store.get_many("n", ["count"]).values() or (b"0",)
                    store.put("n", "count", str(int(count) + 1).encode())
                    store.put("n", f"{number}-{i}", b"x")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.get("n", "count") == b"160"
    assert len(store.keys("n")) == 161


def test_a_threads_connection_ends_with_it(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite3", schema="t") as store:
        for _ in range(5):
            thread = threading.Thread(target=store.put, args=("n", "a", b"x"))
            thread.start()
            thread.join()
        del thread
        gc.collect()
        assert len(store._database._process.connections) == 1


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    script = """
        import sys
        from vcplab.core.store import Store

        with Store(sys.argv[1], schema="t") as store:
            print("ready", flush=True)
            sys.stdin.readline()
            for i in range(100):
                with store.transaction():
                    count = int(store.get("n", "count") or b"0")
                    store.put("n", "count", str(count + 1).encode())
                store.put("n", f"{sys.argv[2]}-{i}", b"y" * (70_000 if i % 20 == 0 else 10))
    """
    path = tmp_path / "s.sqlite3"  # made by whichever is first
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        _, errors = child.communicate("go\n", timeout=60)
        assert (child.returncode, errors) == (0, "")
    with Store(path, schema="t") as store:
        assert store.get("n", "count") == b"200"
        assert len(store.keys("n")) == 201
        assert store.get("n", "b-40") == b"y" * 70_000


def kill_and_check(folder: Path, kills: int) -> None:
    script = """
        import sys
        from vcplab.core.store import Store

        store = Store(sys.argv[1], schema="t", blob_threshold=3000)
        print("ready", flush=True)
        batch = 0
        while True:
            names = [f"{sys.argv[2]}-{batch}-{i}" for i in range(20)]
            store.put_many("n", {name: (name * 150).encode()[: 1000 + 137 * i]
                                 for i, name in enumerate(names)})
            print(*names, flush=True)
            batch += 1
    """
    generator = random.Random(20260301)
    reported: list[str] = []
    for number in range(kills):
        child = start(script, str(folder / "s.sqlite3"), str(number))
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0.02, 0.25))
        child.kill()
        out, _ = child.communicate(timeout=30)
        # A line that was cut off by the kill reports nothing.
        reported += [name for line in out.split("\n")[:-1] for name in line.split()]
        with Store(folder / "s.sqlite3", schema="t", blob_threshold=3000) as store:
            assert store.rows("PRAGMA integrity_check") == [("ok",)]
            assert store.rows("PRAGMA foreign_key_check") == []
            found = store.get_many("n", store.keys("n"))
            assert set(reported) <= set(found)
            assert all(
                value == (key * 150).encode()[: 1000 + 137 * int(key.split("-")[2])]
                for key, value in found.items()
            )
    assert reported


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is POSIX")
def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    kill_and_check(tmp_path, 5)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is POSIX")
def test_what_was_committed_survives_fifty_kills(tmp_path: Path) -> None:
    kill_and_check(tmp_path, 50)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_uses_connections_of_its_own(tmp_path: Path) -> None:
    script = """
        import os, sys, threading
        from vcplab.core.store import Store

        store, memory = Store(sys.argv[1], schema="t"), Store.memory()
        store.put("n", "parent", b"1")
        memory.put("n", "parent", b"1")
        ready, parked = threading.Event(), threading.Event()
        thread = threading.Thread(
            target=lambda: (store.get("n", "parent"), ready.set(), parked.wait())
        )
        thread.start()
        ready.wait()  # a fork in the middle of a C call would inherit SQLite's locks
        with store.transaction():
            store.put("n", "open", b"1")
            pid = os.fork()
            if pid == 0:
                assert memory.get("n", "parent") == b"1"
                assert store.get("n", "parent") == b"1"
                assert store.get("n", "open") is None  # the parent's transaction is not ours
                sys.stdout.write("child\\n")
                sys.stdout.flush()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        pid = os.fork()
        if pid == 0:
            store.put("n", "child", b"1")
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        store.put("n", "after", b"1")
        print(store.keys("n"), store.rows("PRAGMA integrity_check"))
        parked.set()
        thread.join()
        store.close()
    """
    result = subprocess.run(
        [
            sys.executable,
            *("-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning"),
            *("-c", textwrap.dedent(script), str(tmp_path / "s.sqlite3")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stderr == ""
    assert result.stdout.split("\n")[:2] == [
        "child",
        "['after', 'child', 'open', 'parent'] [('ok',)]",
    ]


def test_a_long_write_elsewhere_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite, "_PATIENCE", 0.3)
    with Store(tmp_path / "s.sqlite3", schema="t") as store:
        store.put("n", "a", b"1")
        other = sqlite3.connect(tmp_path / "s.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(StateError, match="has been writing"):
                store.put("n", "a", b"2")
            assert store.get("n", "a") == b"1"  # readers do not wait
        finally:
            other.execute("ROLLBACK")
            other.close()
        store.put("n", "a", b"2")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to one's own process")
def test_waiting_for_another_writer_can_be_interrupted(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite3", schema="t") as store:
        other = sqlite3.connect(tmp_path / "s.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        begun = time.monotonic()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            store.put("n", "a", b"2")
        assert time.monotonic() - begun < 3
        timer.join()
        other.execute("ROLLBACK")
        other.close()
        store.put("n", "a", b"3")
        assert store.get("n", "a") == b"3"


# --- opening ------------------------------------------------------------------------------------


def test_meta_says_what_the_file_is(tmp_path: Path) -> None:
    with Store(tmp_path / "deep" / "s.sqlite3", schema="t", version=3) as store:
        ((schema, version, created_by),) = store.rows(
            "SELECT schema, version, created_by FROM meta"
        )
        assert (schema, version) == ("t", 3)
        assert created_by.startswith("vcplab ")
        assert store.rows("PRAGMA journal_mode") == [("wal",)]
        assert (store.schema, store.version, store.read_only) == ("t", 3, False)
        assert repr(store).endswith("s.sqlite3: t 3>")
    assert repr(store).endswith("closed>")
    with pytest.raises(StateError, match="closed"):
        store.get("n", "a")
    store.close()


def test_another_schema_or_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    Store(path, schema="t", version=2).close()
    before = path.read_bytes()
    with pytest.raises(SchemaMismatchError, match="'t', not 'u'") as caught:
        Store(path, schema="u", version=2)
    assert caught.value.next_step
    with pytest.raises(SchemaMismatchError, match=r"version 2; this vcplab uses 1") as caught:
        Store(path, schema="t", version=1)
    assert "Update vcplab" in str(caught.value)
    assert path.read_bytes() == before


def test_an_older_version_is_migrated_after_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t", version=1) as store:
        store.put("n", "a", b"old")
    with pytest.raises(SchemaMismatchError, match="version 1"):
        Store(path, schema="t", version=3, read_only=True)
    with pytest.raises(SchemaMismatchError, match="No migration leads on from version 2"):
        Store(path, schema="t", version=3, migrations={1: lambda store: None})
    assert not (tmp_path / "s.sqlite3.v1.bak").exists()

    def first(store: Store) -> None:
        store.execute("CREATE TABLE extra (x)")
        store.put("n", "a", b"new")

    def broken(store: Store) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Store(path, schema="t", version=3, migrations={1: first, 2: broken})
    with Store(path, schema="t", version=1) as store:
        assert store.get("n", "a") == b"old"
    migrations = {1: first, 2: lambda store: store.put("n", "b", b"added")}
    for _ in range(2):
        with Store(path, schema="t", version=3, migrations=migrations) as store:
            assert store.get_many("n", "ab") == {"a": b"new", "b": b"added"}
            assert store.rows("SELECT version FROM meta") == [(3,)]
    with Store(tmp_path / "s.sqlite3.v1.bak", schema="t", version=1) as backup:
        assert backup.get_many("n", "ab") == {"a": b"old"}


def test_what_is_not_a_store_is_left_as_it_is(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_bytes(b"These are my notes, and no database at all. " * 40)
    before = text.read_bytes()
    for read_only in (False, True):
        with pytest.raises(InvalidDataError, match="not an SQLite database") as caught:
            Store(text, schema="t", read_only=read_only)
        assert caught.value.next_step
    foreign = tmp_path / "foreign.sqlite3"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE meta (something)")
    connection.close()
    content = foreign.read_bytes()
    with pytest.raises(InvalidDataError, match="not a store of vcplab"):
        Store(foreign, schema="t")
    assert (text.read_bytes(), foreign.read_bytes()) == (before, content)
    assert sorted(os.listdir(tmp_path)) == ["foreign.sqlite3", "notes.txt"]
    with pytest.raises(StateError, match="cannot be"):
        Store(tmp_path, schema="t")
    with pytest.raises(StateError, match="folder cannot be made"):
        Store(text / "s.sqlite3", schema="t")


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "empty # 100% ?.sqlite3"
    path.touch()
    with pytest.raises(NotFoundError):
        Store(path, schema="t", read_only=True)
    with Store(path, schema="t") as store:
        store.put("n", "a", b"x")
    assert (tmp_path / "empty # 100% ?.sqlite3").stat().st_size > 0


def test_read_only_reads_and_refuses_every_write(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with pytest.raises(NotFoundError):
        Store(path, schema="t", read_only=True)
    assert not path.exists()
    with Store(path, schema="t") as writer:
        writer.put_many("n", {"a": b"1", "b": BIG})
        with Store(path, schema="t", read_only=True) as reader:
            assert reader.read_only
            assert reader.get("n", "b") == BIG
            writer.put("n", "a", b"2")
            assert reader.get("n", "a") == b"2"
            for write in (
                lambda: reader.put("n", "a", b"3"),
                lambda: reader.put("n", "big", BIG + b"!"),
                lambda: reader.delete("n", "a"),
                lambda: reader.put_blob(b"x"),
                lambda: reader.execute("DELETE FROM kv"),
                lambda: reader.executemany("DELETE FROM kv WHERE key = ?", [("a",)]),
                lambda: reader.rows("DELETE FROM kv RETURNING key"),
                lambda: reader.transaction().__enter__(),
            ):
                with pytest.raises(ReadOnlyError) as caught:
                    write()
                assert caught.value.next_step
            assert "read-only" in repr(reader)
        assert writer.keys("n") == ["a", "b"]
        assert len(list((tmp_path / "s.blobs").rglob("*"))) == 2
    memory = Store.memory(read_only=True)
    assert memory.keys("n") == []
    with pytest.raises(ReadOnlyError):
        memory.put("n", "a", b"1")
    memory.close()


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store(path, schema="t") as store:
        store.put_many("n", {f"k{i}": b"x" * 900 for i in range(200)})
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"\xaa" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(InvalidDataError, match="damaged"), Store(path, schema="t") as store:
        store.get_many("n", store.keys("n"))
