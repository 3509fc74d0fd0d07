from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.settings import override_settings
from vcplab.core.store import Store
from vcplab.evaluation import cache as cache_module
from vcplab.evaluation.cache import BlockCache, clear_memory, decode, encode, key_of
from vcplab.evaluation.matrix import Matrix
from vcplab.evaluation.retrieval import RetrievalTask
from vcplab.evaluation.tasks import SystemInfo


class Doubling:
    """A task that is not retrieval: items are numbers, a system multiplies them."""

    name = "doubling"
    fingerprint = "doubling/1"

    def __init__(self, count: int = 10) -> None:
        self.count = count
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.prepared: list[str] = []
        self.breaks_on: set[tuple[str, str]] = set()
        self.interrupt_after: int | None = None

    def items(self):
        return [str(i) for i in range(self.count)]

    def digest(self, items):
        return "/".join(items)

    def describe(self, system):
        name, factor = system
        return SystemInfo(name, None if factor is None else f"times {factor}", {"factor": factor})

    def prepare(self, systems):
        self.prepared += [name for name, _ in systems]

    def run(self, systems, items):
        results = []
        for name, factor in systems:
            self.calls.append((name, tuple(items)))
            if self.interrupt_after is not None and len(self.calls) > self.interrupt_after:
                raise KeyboardInterrupt
            for item in items:
                if (name, item) in self.breaks_on:
                    raise ValueError(f"{name} cannot {item}")
            results.append([{"value": int(item) * (factor or 1)} for item in items])
        return results

    def measure(self, outputs, metrics):
        return pd.DataFrame({m: [o["value"] for o in outputs.values()] for m in metrics})


ONE, TWO, WILD = ("one", 1), ("two", 2), ("wild", None)


def _values(result, system):
    return [output["value"] for output in result.outputs(system).values()]


def test_every_system_meets_every_item() -> None:
    task = Doubling()
    result = Matrix(task, [ONE, TWO], block=4).run()
    assert result.items == tuple(str(i) for i in range(10))
    assert _values(result, 1) == [2 * i for i in range(10)]
    assert [len(items) for _, items in task.calls] == [4, 4, 4, 4, 2, 2]
    assert (result.computed, result.reused) == (6, 0)


@pytest.mark.parametrize("fresh_process", [False, True])
def test_nothing_is_run_twice(fresh_process: bool) -> None:
    first = Matrix(Doubling(), [ONE, TWO], block=4).run()
    if fresh_process:
        clear_memory()
    task = Doubling()
    again = Matrix(task, [ONE, TWO], block=4).run()
    assert task.calls == []
    assert task.prepared == []
    assert (again.computed, again.reused) == (0, 6)
    assert [_values(again, s) for s in (0, 1)] == [_values(first, s) for s in (0, 1)]


def test_a_changed_system_runs_alone() -> None:
    Matrix(Doubling(), [ONE, TWO], block=4).run()
    task = Doubling()
    Matrix(task, [ONE, ("two", 3)], block=4).run()
    assert {name for name, _ in task.calls} == {"two"}
    assert task.prepared == ["two"]


def test_a_changed_task_or_item_runs_again() -> None:
    Matrix(Doubling(), [ONE], block=4).run()
    longer = Doubling(12)
    Matrix(longer, [ONE], block=4).run()
    assert longer.calls == [("one", ("8", "9", "10", "11"))]
    other = Doubling()
    other.fingerprint = "doubling/2"
    Matrix(other, [ONE], block=4).run()
    assert len(other.calls) == 3


def test_a_renamed_system_is_the_same() -> None:
    Matrix(Doubling(), [ONE], block=4).run()
    task = Doubling()
    result = Matrix(task, [("uno", 1)], block=4).run()
    assert task.calls == []
    assert result.systems[0].name == "uno"


def test_systems_without_fingerprint_are_never_kept() -> None:
    for _ in range(2):
        task = Doubling()
        Matrix(task, [WILD, ONE], block=5).run()
        assert [name for name, _ in task.calls if name == "wild"] == ["wild", "wild"]


def test_the_cache_can_be_elsewhere_or_nowhere(tmp_path: Path, fresh_cache: Path) -> None:
    Matrix(Doubling(), [ONE], cache=False).run()
    assert not fresh_cache.exists()
    Matrix(Doubling(), [ONE], cache=tmp_path / "deep" / "mine.sqlite3").run()
    assert (tmp_path / "deep" / "mine.sqlite3").exists()
    assert not fresh_cache.exists()
    with Store.memory(schema="test", version=1) as store:
        Matrix(Doubling(), [ONE], cache=store).run()
        clear_memory()
        task = Doubling()
        Matrix(task, [ONE], cache=store).run()
        assert task.calls == []


def test_damaged_values_are_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite3"
    Matrix(Doubling(4), [ONE], block=2, cache=path).run()
    clear_memory()
    with Store(path, schema=cache_module.SCHEMA, version=cache_module.VERSION) as store:
        keys = store.keys(cache_module.NAMESPACE)
        store.put(cache_module.NAMESPACE, keys[0], b"rubbish")
        store.put(cache_module.NAMESPACE, keys[1], encode([{"value": 1}]))  # too few
    task = Doubling(4)
    assert _values(Matrix(task, [ONE], block=2, cache=path).run(), 0) == [0, 1, 2, 3]
    assert len(task.calls) == 2


def test_the_cache_keeps_to_the_budget_of_the_settings(tmp_path: Path) -> None:
    with override_settings(cache_budget=2**20), BlockCache(tmp_path / "m.sqlite3") as cache:
        for i in range(40):
            cache.put_many({f"{i:02}": encode([{"value": os.urandom(40_000).hex()}])})
        store = cache._open()
        assert store.total_bytes() <= 1.1 * 2**20
        kept = store.keys(cache_module.NAMESPACE)
        assert 5 < len(kept) < 40
        assert kept[-1] == "39"


def test_an_unusable_default_folder_stops_nothing(fresh_cache: Path) -> None:
    fresh_cache.write_text("a file where the folder should be", encoding="utf-8")
    result = Matrix(Doubling(), [ONE]).run()
    assert _values(result, 0)[-1] == 9
    assert result.notices[0][0] == "cache"
    with pytest.raises(StateError):
        Matrix(Doubling(), [ONE], cache=fresh_cache / "mine.sqlite3").run()


def test_edited_engines_do_not_meet_old_outputs(monkeypatch) -> None:
    before = key_of("s", "t", "d", ["1"])
    monkeypatch.setattr(cache_module, "engine_fingerprint", lambda: "edited")
    assert key_of("s", "t", "d", ["1"]) != before


def test_interrupting_keeps_what_is_finished() -> None:
    task = Doubling()
    task.interrupt_after = 2
    with pytest.raises(KeyboardInterrupt):
        Matrix(task, [ONE], block=2).run()
    again = Doubling()
    result = Matrix(again, [ONE], block=2).run()
    assert [items for _, items in again.calls] == [("4", "5"), ("6", "7"), ("8", "9")]
    assert (result.computed, result.reused) == (3, 2)


def test_cancelling_from_another_place() -> None:
    task = Doubling()
    matrix = Matrix(task, [ONE], block=2)
    run = task.run

    def stop_at_third(systems, items):
        if len(task.calls) == 2:
            matrix.cancel()
        return run(systems, items)

    task.run = stop_at_third
    with pytest.raises(StateError) as caught:
        matrix.run()
    assert caught.value.details == {"finished": 3, "blocks": 5}
    again = Doubling()
    Matrix(again, [ONE], block=2).run()
    assert len(again.calls) == 2


def test_an_event_cancels_before_the_first_block() -> None:
    event = threading.Event()
    event.set()
    task = Doubling()
    with pytest.raises(StateError):
        Matrix(task, [ONE], cancel=event).run()
    assert task.calls == []


def test_threads_give_the_same() -> None:
    serial = Matrix(Doubling(50), [ONE, TWO], block=4, cache=False).run()
    with ThreadPoolExecutor(3) as executor:
        parallel = Matrix(Doubling(50), [ONE, TWO], block=4, cache=False, executor=executor).run()
    assert parallel.blocks == serial.blocks


def test_cancelling_threads_keeps_what_is_finished() -> None:
    task = Doubling(60)
    run = task.run

    def slow(systems, items):
        time.sleep(0.02)
        return run(systems, items)

    task.run = slow
    with ThreadPoolExecutor(2) as executor:
        matrix = Matrix(task, [ONE], block=1, executor=executor)
        timer = threading.Timer(0.2, matrix.cancel)
        timer.start()
        with pytest.raises(StateError) as caught:
            matrix.run()
        timer.join()
    finished = caught.value.details["finished"]
    assert 0 < finished < 60
    again = Doubling(60)
    result = Matrix(again, [ONE], block=1).run()
    assert result.reused >= finished
    assert result.computed == 60 - result.reused


def test_a_failure_is_raised() -> None:
    task = Doubling()
    task.breaks_on = {("two", "7")}
    with pytest.raises(ValueError, match="two cannot 7"):
        Matrix(task, [ONE, TWO], block=5).run()
    # The first block was finished before.
    assert Matrix(Doubling(), [ONE, TWO], block=5).run().reused == 2


@pytest.mark.parametrize("threads", [False, True])
def test_a_failure_can_be_recorded(threads: bool) -> None:
    task = Doubling()
    task.breaks_on = {("two", "7"), ("two", "8")}
    with ThreadPoolExecutor(2) as pool:
        executor = pool if threads else None
        result = Matrix(task, [ONE, TWO], block=5, on_error="record", executor=executor).run()
    assert [(f.system, f.item, f.error) for f in result.failures] == [
        ("two", "7", "ValueError: two cannot 7"),
        ("two", "8", "ValueError: two cannot 8"),
    ]
    assert result.outputs(1)["6"] == {"value": 12}
    assert result.outputs(1)["7"] == {"error": "ValueError: two cannot 7"}
    assert _values(result, 0) == list(range(10))
    # A block with failures is not kept; the sound ones are.
    mended = Doubling()
    Matrix(mended, [ONE, TWO], block=5).run()
    assert mended.calls == [("two", ("5", "6", "7", "8", "9"))]


def test_no_items_and_no_systems() -> None:
    assert Matrix(Doubling(0), [ONE]).run().outputs(0) == {}
    assert Matrix(Doubling(), []).run().blocks == ()


@pytest.mark.parametrize("options", [{"block": 0}, {"on_error": "ignore"}])
def test_bad_options_are_refused(options) -> None:
    with pytest.raises(InvalidInputError):
        Matrix(Doubling(), [ONE], **options)


def test_bad_jobs_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="jobs"):
        Matrix(Doubling(), [ONE], jobs=0).run()


def test_outputs_must_be_json_able() -> None:
    with pytest.raises(InvalidInputError):
        encode([{"value": float("nan")}])
    with pytest.raises(InvalidInputError):
        encode([{"value": object()}])
    odd = [{"docnos": ["日记/\ud800", "a\u2028b"], "scores": [0.1 + 0.2, 1e-300]}]
    assert decode(encode(odd)) == odd


def test_the_memory_of_the_process_is_bounded() -> None:
    memory = cache_module._Memory(100)
    for i in range(50):
        memory.put(("cache", str(i)), b"x" * 10)
    assert sum(memory.get(("cache", str(i))) is not None for i in range(50)) == 10
    assert repr(BlockCache(False)) == "BlockCache('nowhere')"


def test_shows_a_bar_only_where_someone_watches(capfd) -> None:
    Matrix(Doubling(), [ONE], cache=False).run()
    assert capfd.readouterr() == ("", "")
    Matrix(Doubling(), [ONE], cache=False, progress=True).run()
    out, err = capfd.readouterr()
    assert out == ""
    assert "doubling" in err
    Matrix(Doubling(), [ONE], cache=False, progress=False).run()
    assert capfd.readouterr() == ("", "")


def test_retrieval_is_a_task_like_any_other(data, system) -> None:
    one = system("one")
    result = Matrix(RetrievalTask(data, k=5), [one], block=16).run()
    assert len(one.calls) == len(data.queries)
    assert one.prepared == 1
    output = result.outputs(0)["q000"]
    assert len(output["docnos"]) == 5
    assert output["ms"] == 1.5
    json.dumps(output)


SCRIPT = """
import sys, time
from pathlib import Path

class Slow:
    name = "slow"
    fingerprint = "slow/1"
    def items(self): return [str(i) for i in range(12)]
    def digest(self, items): return "/".join(items)
    def describe(self, system):
        from vcplab.evaluation.tasks import SystemInfo
        return SystemInfo(system, system)
    def prepare(self, systems): pass
    def run(self, systems, items):
        with open(sys.argv[2], "a", encoding="utf-8") as log:
            for system in systems:
                log.write(system + " " + items[0] + "\\n")
        time.sleep(float(sys.argv[3]))
        return [[{"value": int(i)} for i in items] for _ in systems]

from vcplab.evaluation.matrix import Matrix
result = Matrix(Slow(), ["a", "b"], block=2, cache=sys.argv[1], progress=False).run()
print(result.computed, result.reused, sum(o["value"] for o in result.outputs(1).values()))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 exists on POSIX only")
def test_a_killed_run_resumes(tmp_path: Path, root: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    log = tmp_path / "log.txt"

    def command(pause: str) -> list[str]:
        return [sys.executable, str(script), str(tmp_path / "m.sqlite3"), str(log), pause]

    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(command("0.4"), env=environment)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if log.exists() and len(log.read_text(encoding="utf-8").splitlines()) >= 6:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
    started = log.read_text(encoding="utf-8").splitlines()
    log.unlink()
    done = subprocess.run(
        command("0"),
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    computed, reused, total = map(int, done.stdout.split())
    # The block under way when it was killed is run again, those before it are not.
    assert computed + reused == 12
    assert reused in (len(started) - 2, len(started))
    assert len(log.read_text(encoding="utf-8").splitlines()) == computed
    assert total == sum(range(12))
