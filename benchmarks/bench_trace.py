"""What a span costs, and how many a second reach the disk.

Run ``python benchmarks/bench_trace.py``; the budgets are 30 µs per open and close without a sink,
and 5,000 spans a second written into a file, attributes and all.
"""

from __future__ import annotations

import tempfile
import time
import timeit
from pathlib import Path

from vcplab.core.trace import Span, add_sink, span
from vcplab.tracing import Recorder, TraceStore


class ListSink:
    """Keeps the spans it is told of."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def on_start(self, span: Span) -> None:
        """Nothing to do at the start."""

    def on_end(self, span: Span) -> None:
        """Keep the span."""
        self.spans.append(span)


def once() -> None:
    with span("benchmark", k=5):
        pass


def microseconds(number: int = 20_000, repeat: int = 7) -> float:
    """The fastest of several rounds, which is the least disturbed one."""
    return min(timeit.repeat(once, number=number, repeat=repeat)) / number * 1e6


def recorded(number: int = 50_000) -> tuple[float, float, float]:
    """Spans per second of wall and of CPU time until all are on disk, and µs in the work's thread.

    Every other span is a tool call with its input and output, inside a request.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = TraceStore(Path(folder) / "trace.sqlite3")
        with store, Recorder(store) as recorder:
            began, cpu = time.perf_counter(), time.process_time()
            for i in range(number // 2):
                with (
                    span("request", number=i),
                    span("SuperDice", "tool", tool="SuperDice", input={"notation": "2d6"}) as call,
                ):
                    call.set(output={"rolls": [1, 2, 3], "text": "x" * 50})
            produced = time.perf_counter() - began
            recorder.flush()
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            assert store.count() == number
            assert recorder.dropped == 0
    return number / wall, number / cpu, produced / number * 1e6


def main() -> None:
    print(f"no sink        {microseconds():6.2f} µs per open and close")
    with add_sink(ListSink()):
        print(f"one list sink  {microseconds():6.2f} µs per open and close")
    wall, cpu, own = max(recorded() for _ in range(3))
    print(f"on disk        {wall:6.0f} spans/s ({cpu:.0f} per CPU-s), {own:.1f} µs while it writes")


if __name__ == "__main__":
    main()
