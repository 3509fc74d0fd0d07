"""Measuring fairly on a noisy machine: alternating rounds, CPU time, the best round of each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """CPU seconds of one competitor over the rounds."""

    name: str
    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The least disturbed round."""
        return min(self.seconds)


def alternate(competitors: dict[str, Callable[[], object]], rounds: int = 3) -> dict[str, Timing]:
    """Run the competitors in turn, several rounds, and keep each one's CPU seconds.

    CPU time of the whole process, all threads. Alternating spreads what else the machine does over
    all of them; the best round is the one it disturbed least.
    """
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(rounds):
        for name, work in competitors.items():
            began = time.process_time()
            work()
            seconds[name].append(time.process_time() - began)
    return {name: Timing(name, tuple(values)) for name, values in seconds.items()}


def load_line() -> str:
    """How busy the machine is; figures taken under load are ratios, not rates."""
    if not hasattr(os, "getloadavg"):
        return "load: unknown on this system"
    return (
        f"load averages {' '.join(f'{x:.1f}' for x in os.getloadavg())} on {os.cpu_count()} cores"
    )


def verdict(name: str, value: float, bar: float, at_least: bool) -> str:
    """One line: the figure, its bar, and whether it is met."""
    met = value >= bar if at_least else value <= bar
    sign = "≥" if at_least else "≤"
    return f"{'met   ' if met else 'MISSED'}  {name}: {value:.3g} (bar {sign} {bar:g})"
