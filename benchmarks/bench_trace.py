"""What a span costs: microseconds per open and close, without a sink and with one list sink.

Run ``python benchmarks/bench_trace.py``; the budget without a sink is 30 µs.
"""

from __future__ import annotations

import timeit

from vcplab.core.trace import Span, add_sink, span


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


def main() -> None:
    print(f"no sink        {microseconds():6.2f} µs per open and close")
    with add_sink(ListSink()):
        print(f"one list sink  {microseconds():6.2f} µs per open and close")


if __name__ == "__main__":
    main()
