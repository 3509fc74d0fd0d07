"""The sink: one tree across threads, tasks and processes; nothing secret, little lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, ReadOnlyError
from vcplab.core.redaction import MASK, Redactor
from vcplab.core.settings import override_settings
from vcplab.core.trace import carrier, in_context, span
from vcplab.tracing import Recorder, SpanRecord, TraceStore

CHILD = """
import sys
from vcplab.core.trace import attach_from_environment, span
from vcplab.tracing import Recorder, TraceStore
with Recorder(TraceStore(sys.argv[1])), attach_from_environment():
    with span("child"):
        with span("grandchild"):
            pass
"""


def by_name(store: TraceStore) -> dict[str, SpanRecord]:
    return {record.name: record for record in store.spans()}


def test_threads_tasks_and_a_process_are_one_tree(store: TraceStore, recorder: Recorder) -> None:
    async def work() -> None:
        async def task(name: str) -> None:
            with span(name):
                await asyncio.sleep(0)

        with span("loop"):
            await asyncio.gather(task("task-1"), task("task-2"))

    def in_thread() -> None:
        with span("thread"):
            pass

    with span("request"):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(in_context(in_thread)).result()
        asyncio.run(work())
        assert store.path is not None
        environment = {**os.environ, "TRACEPARENT": carrier()["traceparent"]}
        subprocess.run(
            [sys.executable, "-c", CHILD, str(store.path)], env=environment, check=True, timeout=60
        )
    recorder.flush()
    found = by_name(store)
    assert len({record.trace_id for record in found.values()}) == 1
    parents = {
        name: None
        if record.parent_id is None
        else next(other.name for other in found.values() if other.span_id == record.parent_id)
        for name, record in found.items()
    }
    assert parents == {
        "request": None,
        "thread": "request",
        "loop": "request",
        "task-1": "loop",
        "task-2": "loop",
        "child": "request",
        "grandchild": "child",
    }


def test_inputs_and_outputs_whole(store: TraceStore, recorder: Recorder) -> None:
    @dataclass
    class Query:
        text: str
        k: int

    large = {"hits": [{"docno": f"d{i}", "text": "今天" * 40} for i in range(500)]}
    with span(
        "search", kind="tool", input=Query("预算", 5), output=large, nan=float("nan")
    ) as here:
        here.event("progress", progress=50)
    recorder.flush()
    listed = store.spans()[0]
    assert listed.attributes["input"] == {"text": "预算", "k": 5}
    assert listed.attributes["nan"] == "nan"
    assert listed.attributes["output"]["bytes"] > 64 * 1024
    whole = store.span(listed.span_id)
    assert whole is not None
    assert whole.attributes["output"] == large
    assert whole.events[0]["attributes"] == {"progress": 50}


def test_the_same_payload_is_kept_once(tmp_path: Path) -> None:
    text = "x" * 300_000
    with TraceStore(tmp_path / "t.sqlite3") as store, Recorder(store) as recorder:
        for _ in range(20):
            with span("a", output=text):
                pass
        recorder.flush()
        assert store.total_bytes() < 2 * len(text)


def test_open_spans_are_written_and_completed(store: TraceStore, recorder: Recorder) -> None:
    with span("long") as here:
        recorder.flush()
        assert by_name(store)["long"].status == "open"
        here.set(hits=3)
    recorder.flush()
    record = by_name(store)["long"]
    assert (record.status, record.attributes, store.count()) == ("ok", {"hits": 3}, 1)


def test_errors_and_cancelling(store: TraceStore, recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="bad"), span("fails"):
        raise ValueError("bad input")
    with pytest.raises(asyncio.CancelledError), span("stops"):
        raise asyncio.CancelledError
    recorder.flush()
    found = by_name(store)
    assert (found["fails"].status, found["fails"].error_message) == ("error", "bad input")
    assert found["stops"].status == "cancelled"


SECRET = "k7-planted-Secret/+=9 ü"


def test_a_planted_key_is_found_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "sk-proj-0123456789abcdefghijABCD"
    monkeypatch.setenv("MY_SERVICE_TOKEN", "env-secret-123456")
    with (
        override_settings(model_key=SECRET),
        TraceStore(tmp_path / "t.sqlite3") as store,
        Recorder(store) as recorder,
    ):

        def leak() -> None:
            with span(f"call {SECRET}", url=f"http://x/?key={SECRET}") as here:
                here.set(
                    headers={"Authorization": f"Bearer {other}", SECRET: 1},
                    api_key="short",
                    nested=[{"deep": json.dumps({"k": SECRET, "api_key": "another-one"})}],
                    env="env-secret-123456",
                    big=f"{'x' * 200_000}{SECRET}{other}",
                )
                here.event("sent", body=SECRET)
                raise RuntimeError(f"401 for {SECRET} and {other}")

        with pytest.raises(RuntimeError):
            leak()
        recorder.log("error", "http", f"key {SECRET}", {"password": "hunter2-x", "raw": other})
        recorder.flush()
        secrets = [SECRET, other, "env-secret-123456", "another-one", "hunter2-x", "short"]
        kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
        for secret in secrets:
            for spelling in (secret, json.dumps(secret)[1:-1]):
                assert spelling.encode() not in kept, secret
        assert MASK.encode() in kept
        assert len(store.spans()) == 1


def test_names_and_looks() -> None:
    redactor = Redactor(["abcdef-known"])
    assert redactor.redact({"apiKey": "x", "max_tokens": 5, "tokens": ["a"], "keywords": "k"}) == {
        "apiKey": MASK,
        "max_tokens": 5,
        "tokens": ["a"],
        "keywords": "k",
    }
    assert redactor.text("ws://h/VCP_Key=abcd1234/x?y=1") == f"ws://h/VCP_Key={MASK}/x?y=1"
    assert redactor.text("http://me:pass1234@host/") == f"http://me:{MASK}@host/"
    assert (
        redactor.text("the token budget is 12, see key=idea")
        == f"the token budget is 12, see key={MASK}"
    )
    assert redactor.text("YWJjZGVmLWtub3du") == MASK
    assert redactor.text("monkey=banana, no secret here") == "monkey=banana, no secret here"


KILLED = """
import os, sys
from vcplab.core.trace import span
from vcplab.tracing import Recorder, TraceStore
recorder = Recorder(TraceStore(sys.argv[1]), batch=50, interval=0.02)
i = 0
while True:
    with span("work", i=i, output="x" * (5000 if i % 7 == 0 else 10)):
        pass
    i += 1
    if i % 50 == 0:
        recorder.flush()
        print(i, flush=True)
"""


def kill_one(tmp_path: Path, moment: float) -> None:
    path = tmp_path / "trace.sqlite3"
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        flushed = int(process.stdout.readline())
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]  # the last line may be cut
    flushed = int(rest[-1]) if rest else flushed
    with TraceStore(path) as store:
        numbers = sorted(record.attributes["i"] for record in store.spans(status="ok"))
        assert numbers == list(range(len(numbers)))
        # What had been flushed is there: at most one batch is lost.
        assert len(numbers) >= flushed
        for record in store.spans(limit=50):
            assert "output" in store.whole(record).attributes


@pytest.mark.parametrize("moment", [0.0, 0.13, 0.31])
def test_kill_9_loses_at_most_the_last_batch(tmp_path: Path, moment: float) -> None:
    kill_one(tmp_path, moment)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(50))
def test_kill_9_often(tmp_path: Path, number: int) -> None:
    kill_one(tmp_path, number * 0.011)


ENDS = """
import sys
from vcplab.core.trace import span
from vcplab.tracing import Recorder, TraceStore
recorder = Recorder(TraceStore(sys.argv[1]), interval=60)
with span("last words"):
    pass
"""


def test_a_process_that_ends_has_written_everything(tmp_path: Path) -> None:
    path = tmp_path / "trace.sqlite3"
    subprocess.run([sys.executable, "-c", ENDS, str(path)], check=True, timeout=60)
    with TraceStore(path) as store:
        assert [record.name for record in store.spans()] == ["last words"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_leaves_the_file_alone(store: TraceStore, recorder: Recorder) -> None:
    with span("parent"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of any thread
        child = os.fork()
    if child == 0:
        with span("child"):
            pass
        recorder.flush()
        recorder.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    recorder.flush()
    assert set(by_name(store)) == {"parent"}


def test_bounded_by_age_and_size(tmp_path: Path) -> None:
    clock = FrozenClock("2026-03-01T09:00Z")
    options = {"keep": timedelta(days=2), "budget": 400_000, "clock": clock}
    path = tmp_path / "t.sqlite3"
    with TraceStore(path, **options) as store, Recorder(store) as recorder:
        with span("old", output="y" * 3000):
            recorder.log("info", "old", "line")
        recorder.flush()
        clock.advance(timedelta(days=3))
        for number in range(600):
            with span("new", i=number, output=f"{number}" * 1000):
                pass
        recorder.flush()
        # The recorder prunes too, now and then: who did it is not told apart.
        store.prune()
        assert {record.name for record in store.spans()} == {"new"}
        assert 0 < store.count() < 600
        assert store.logs() == []
        assert store.total_bytes() <= 400_000
        newest = store.spans(limit=1)[0]
        assert store.whole(newest).attributes["output"] == "599" * 1000
    clock.advance(timedelta(days=3))
    # Opening is enough for what became too old meanwhile.
    with TraceStore(path, **options) as store, Recorder(store):
        for _ in range(200):
            if not store.count():
                break
            time.sleep(0.02)
        assert store.count() == 0


def test_a_past_by_another_clock_is_not_old(tmp_path: Path) -> None:
    with TraceStore(tmp_path / "t.sqlite3") as store, Recorder(store) as recorder:
        with use_clock(FrozenClock("2001-01-01T00:00Z")), span("replayed"):
            pass
        recorder.flush()
        assert store.prune() == 0
        assert store.spans()[0].start.year == 2001


def test_a_reader_beside_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite3"
    with TraceStore(path) as store, Recorder(store) as recorder:
        with span("a"):
            pass
        recorder.flush()
        with TraceStore(path, read_only=True) as reader:
            assert [record.name for record in reader.spans()] == ["a"]
            with pytest.raises(ReadOnlyError):
                reader.set_setting("x", 1)


def test_search_and_filters(store: TraceStore, recorder: Recorder) -> None:
    for name in ("100% done", "a_b", "axb"):
        with span(name, kind="tool"):
            pass
    recorder.flush()
    assert [r.name for r in store.spans(search="0% d")] == ["100% done"]
    assert [r.name for r in store.spans(search="A_B")] == ["a_b"]
    assert store.spans(kinds=["step"]) == []
    assert len(store.spans(kinds=["tool"], limit=2)) == 2


def test_a_sick_disk_does_not_stop_the_work(
    store: TraceStore,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(store, "add", fail)
    with span("a"):
        pass
    for _ in range(100):
        if "could not be written" in caplog.text:
            break
        time.sleep(0.02)
    assert "could not be written" in caplog.text
    monkeypatch.undo()
    with span("b"):
        pass
    recorder.flush()
    assert set(by_name(store)) == {"a", "b"}  # nothing was lost meanwhile


def test_many_threads(store: TraceStore, recorder: Recorder) -> None:
    def work(number: int) -> None:
        for i in range(200):
            with span("outer", n=number), span("inner", i=i):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.flush()
    assert store.count() == 8 * 200 * 2
    assert recorder.dropped == 0


def test_listeners_get_what_was_written(recorder: Recorder) -> None:
    seen: list[str] = []
    stop = recorder.listen(lambda batch: seen.extend(record.name for record in batch))
    with span("a"):
        pass
    recorder.flush()
    stop()
    with span("b"):
        pass
    recorder.flush()
    assert "a" in seen
    assert "b" not in seen


@pytest.mark.parametrize("options", [{"budget": 1}, {"keep": timedelta(0)}])
def test_bad_limits(options: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        TraceStore(**options)  # type: ignore[arg-type]


def test_strange_values(store: TraceStore, recorder: Recorder) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    circle: list[object] = []
    circle.append(circle)
    with span("\ud800", odd=Odd(), circle=circle, text="\udfff", raw=b"\xff", keys={1: {2}}):
        pass
    recorder.flush()
    (record,) = store.spans()
    assert record.attributes["odd"] == "<Odd>"
    assert record.attributes["keys"] == {"1": [2]}
