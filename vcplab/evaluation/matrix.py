"""The experiment runner: systems × items → outputs, block by block.

Each block is written to the cache as soon as it is finished. So a run that was stopped, by ■, by
:meth:`Matrix.cancel` or by the death of the process, continues where it was; and changing one
system recomputes that system only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.evaluation._options import whole_option
from vcplab.evaluation.cache import BlockCache, decode, encode, key_of
from vcplab.evaluation.executors import Payload, open_executor, payload_for
from vcplab.evaluation.progress import Progress
from vcplab.evaluation.tasks import Output, SystemInfo, Task

if TYPE_CHECKING:
    from vcplab.core.store import Store

__all__ = ["Failure", "Matrix", "MatrixResult"]

OnError = Literal["raise", "record"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Failure:
    """A system that failed on an item."""

    system: str
    item: str
    error: str


@dataclass(slots=True)
class MatrixResult:
    """Outputs of all systems for all items.

    Attributes:
        systems: Who ran.
        items: On what.
        blocks: Encoded outputs per system and block.
        computed: Blocks (of one system) that were computed now.
        reused: Blocks that came from the cache.
        failures: What failed, where ``on_error="record"``.
        notices: What the systems reported, each once: (system, text).
        seconds: Wall time of the run.
    """

    systems: tuple[SystemInfo, ...]
    items: tuple[str, ...]
    blocks: tuple[tuple[bytes, ...], ...]
    computed: int
    reused: int
    failures: tuple[Failure, ...]
    notices: tuple[tuple[str, str], ...]
    seconds: float
    _decoded: dict[int, dict[str, Output]] = field(default_factory=dict, repr=False)

    def outputs(self, system: int) -> dict[str, Output]:
        """Item → output of one system.

        Args:
            system: Its position.
        """
        if system not in self._decoded:
            outputs = (o for block in self.blocks[system] for o in decode(block))
            self._decoded[system] = dict(zip(self.items, outputs, strict=True))
        return self._decoded[system]

    def release(self) -> None:
        """Keep only the compact form; outputs are decoded again when they are asked for."""
        self._decoded.clear()


class Matrix:
    """Runs systems over the items of a task.

    Args:
        task: What is run.
        systems: Competitors that the task understands.
        block: Items per block: the unit of storing, resuming and sharing work.
        cache: True (the settings' cache folder), False, a path, or a ``Store``.
        executor: Where blocks run; in this thread if None.
        jobs: Number of processes (loky; threads where the task says so), if no executor is given;
            the settings' ``jobs`` if None.
        progress: Whether a bar is shown; decided by the surroundings if None.
        on_error: What happens when a system fails on an item: "raise" it, or "record" it as the
            item's output and go on (a block with failures is not cached).
        cancel: An event that stops the run between blocks.

    Raises:
        InvalidInputError: An option is out of range.
    """

    def __init__(
        self,
        task: Task,
        systems: Sequence[Any],
        *,
        block: int = 64,
        cache: bool | str | Path | Store = True,
        executor: Executor | None = None,
        jobs: int | None = None,
        progress: bool | None = None,
        on_error: OnError = "raise",
        cancel: threading.Event | None = None,
    ) -> None:
        if on_error not in ("raise", "record"):
            raise InvalidInputError(
                f"on_error cannot be {on_error!r}.",
                where="on_error",
                next_step='Use "raise" or "record".',
            )
        self.task = task
        self.systems = tuple(systems)
        self.block = whole_option(block, "block", 64)
        self._cache = cache
        self._executor = executor
        self._jobs = jobs
        self._progress = progress
        self._on_error: OnError = on_error
        self._cancelled = cancel or threading.Event()

    def cancel(self) -> None:
        """Stop before the next block; what is finished stays in the cache. From any thread."""
        self._cancelled.set()

    def run(self) -> MatrixResult:
        """Run what is not cached and return everything.

        Raises:
            StateError: The run was cancelled, or what it reads changed meanwhile.
        """
        began = time.monotonic()
        task, items = self.task, tuple(self.task.items())
        state = task.fingerprint
        infos = tuple(task.describe(system) for system in self.systems)
        spans = [items[i : i + self.block] for i in range(0, len(items), self.block)]
        digests = [task.digest(span) for span in spans]
        cells = [(s, b) for b in range(len(spans)) for s in range(len(infos))]
        keys: dict[tuple[int, int], str] = {}
        for s, b in cells:
            fingerprint = infos[s].fingerprint
            if fingerprint is not None:
                keys[s, b] = key_of(fingerprint, state, digests[b], spans[b], infos[s].moment)
        values: dict[tuple[int, int], bytes] = {}
        failures: list[Failure] = []
        with BlockCache(self._cache) as cache:
            found = cache.get_many({keys[cell]: len(spans[cell[1]]) for cell in keys})
            values.update({c: found[k] for c, k in keys.items() if k in found})
            reused = len(values)
            missing: dict[int, list[int]] = {}
            for s, b in cells:
                if (s, b) not in values:
                    missing.setdefault(b, []).append(s)
            done = sum(len(spans[b]) for _, b in values)
            with Progress(len(items) * len(infos), done, task.name, self._progress) as bar:
                work = [(b, tuple(systems), spans[b]) for b, systems in missing.items()]
                for b, systems, outputs in self._outputs(work):
                    # Keys name what was there at the start: nothing else may be kept under them.
                    self._refuse_change(state, {s: infos[s] for s in systems})
                    encoded = [encode(per_item) for per_item in outputs]
                    values.update({(s, b): e for s, e in zip(systems, encoded, strict=True)})
                    failed = [
                        [
                            Failure(infos[s].name, item, str(output["error"]))
                            for item, output in zip(spans[b], per_item, strict=True)
                            if "error" in output
                        ]
                        for s, per_item in zip(systems, outputs, strict=True)
                    ]
                    cache.put_many(
                        {
                            keys[s, b]: value
                            for s, value, bad, per_item in zip(
                                systems, encoded, failed, outputs, strict=True
                            )
                            if (s, b) in keys
                            and not bad
                            and not any(output.get("volatile") for output in per_item)
                        }
                    )
                    failures.extend(failure for bad in failed for failure in bad)
                    bar.advance(len(spans[b]) * len(systems))
        result = MatrixResult(
            infos,
            items,
            tuple(tuple(values[s, b] for b in range(len(spans))) for s in range(len(infos))),
            computed=len(values) - reused,
            reused=reused,
            failures=tuple(failures),
            notices=(),
            seconds=time.monotonic() - began,
        )
        found_notices = list(_notices(result))
        if cache.problem:
            found_notices.append(("cache", cache.problem))
        result.notices = tuple(found_notices)
        return result

    def _outputs(
        self, work: list[tuple[int, tuple[int, ...], tuple[str, ...]]]
    ) -> Iterator[tuple[int, tuple[int, ...], list[list[Output]]]]:
        """Computed blocks as they finish: (block, systems, outputs per system and item)."""
        if not work:
            return
        self._check(0, len(work))
        needed = sorted({s for _, systems, _ in work for s in systems})
        self.task.prepare([self.systems[s] for s in needed])
        threads = bool(getattr(self.task, "threads", False))
        with open_executor(self._executor, self._jobs, len(work), threads=threads) as executor:
            if executor is None:
                for number, (b, systems, span) in enumerate(work):
                    self._check(number, len(work))
                    chosen = [self.systems[s] for s in systems]
                    yield b, systems, run_block(self.task, chosen, span, self._on_error)
                return
            with payload_for(executor, self.task, self.systems) as payload:
                yield from self._parallel(executor, payload, work)

    def _parallel(
        self,
        executor: Executor,
        payload: Payload,
        work: list[tuple[int, tuple[int, ...], tuple[str, ...]]],
    ) -> Iterator[tuple[int, tuple[int, ...], list[list[Output]]]]:
        waiting: dict[Future[list[list[Output]]], tuple[int, tuple[int, ...]]] = {}
        try:
            for b, systems, span in work:
                future = executor.submit(run_payload, payload, systems, span, self._on_error)
                waiting[future] = (b, systems)
            while waiting:
                # A short wait, so that cancelling and ■ are noticed while blocks run.
                finished, _ = wait(list(waiting), timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    b, systems = waiting.pop(future)
                    yield b, systems, future.result()
                if waiting:
                    self._check(len(work) - len(waiting), len(work))
        finally:
            for future in waiting:
                future.cancel()
            stop = getattr(self.task, "stop", None)
            if waiting and callable(stop):
                stop()  # else the executor would wait for what nobody wants any more

    def _refuse_change(self, state: str, infos: Mapping[int, SystemInfo]) -> None:
        if self.task.fingerprint == state and all(
            self.task.describe(self.systems[s]).fingerprint == info.fingerprint
            for s, info in infos.items()
        ):
            return
        raise StateError(
            "The corpus (or a system) changed during the run, so its blocks do not belong "
            "together.",
            where=self.task.name,
            next_step="Run it again while nothing is written, or compare on a copy: "
            "vl.Corpus(list(corpus)).",
        )

    def _check(self, finished: int, total: int) -> None:
        if self._cancelled.is_set():
            raise StateError(
                f"The run was cancelled after {finished} of {total} blocks.",
                where=self.task.name,
                next_step="Run it again: finished blocks are kept unless cache=False.",
                details={"finished": finished, "blocks": total},
            )


def run_payload(
    payload: Payload, systems: Sequence[int], items: Sequence[str], on_error: OnError
) -> list[list[Output]]:
    """One block, wherever the executor runs it."""
    task, everyone = payload.load()
    return run_block(task, [everyone[s] for s in systems], items, on_error)


def run_block(
    task: Task, systems: Sequence[Any], items: Sequence[str], on_error: OnError
) -> list[list[Output]]:
    """Outputs per system and item of one block."""
    if on_error == "raise":
        return task.run(systems, items)
    # Together if it works (shared prefixes), else each system, else each item by itself.
    whole = _attempt(lambda: task.run(systems, items))
    if not isinstance(whole, Exception):
        return whole
    results: list[list[Output]] = []
    for system in systems:
        alone = _attempt(lambda system=system: task.run([system], items)[0])  # type: ignore[misc]
        if isinstance(alone, Exception):
            alone = [_record(task, system, item) for item in items]
        results.append(alone)
    return results


def _attempt(call: Callable[[], _T]) -> _T | Exception:
    try:
        return call()
    except Exception as error:
        return error


def _record(task: Task, system: Any, item: str) -> Output:
    try:
        return task.run([system], [item])[0][0]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _notices(result: MatrixResult) -> Iterable[tuple[str, str]]:
    seen: dict[tuple[str, str], None] = {}
    for s, info in enumerate(result.systems):
        for output in result.outputs(s).values():
            for text in output.get("notices", ()):
                seen.setdefault((info.name, str(text)))
    return seen
