"""How long the retrieval explorer takes from a moved slider to the new table, without a browser.

    python benchmarks/bench_explorer.py

Each move is one that was not made before; the times are those of the kernel's half: parameters,
all queries of the diaries, metrics and intervals. The browser test measures the way there and back
as well.
"""

from __future__ import annotations

import statistics
import time

import vcplab as vl
from vcplab.widgets.explorer_engine import Exploration
from vcplab.widgets.explorer_views import VIEWS, read_wanted, system_message

MOVES = 15
SLIDERS = (
    ("LightMemo", 0, "bm25_weight", 0.31),
    ("LightMemo", 0, "k1", 1.25),
    ("TagMemo", 1, "tag_weight", 0.31),
    ("TagMemo", 1, "spread__walk", 0.41),
    ("TagMemo", 1, "base__bm25_weight", 0.31),
)


def main() -> None:
    """Print the median of each slider, on the wall and of the processor."""
    data = vl.datasets.load("diaries")
    exploration = Exploration([vl.LightMemo(), vl.TagMemo()], data)
    states = [{"system": place, "beside": 1 - place} for place in (0, 1)]
    for state in states:
        VIEWS["table"](exploration, read_wanted(exploration, state), lambda: False)
    print(f"{data!r}\n{'system':10} {'slider':20} {'wall ms':>8} {'CPU ms':>8}")
    for name, place, slider, first in SLIDERS:
        wall, cpu = [], []
        for move in range(MOVES):
            params = {str(place): {slider: first + 0.01 * move}}
            began, spent = time.perf_counter(), time.process_time()
            wanted = read_wanted(exploration, {**states[place], "params": params})
            system_message(exploration, wanted)
            VIEWS["table"](exploration, wanted, lambda: False)
            wall.append((time.perf_counter() - began) * 1000)
            cpu.append((time.process_time() - spent) * 1000)
        both = f"{statistics.median(wall):8.0f} {statistics.median(cpu):8.0f}"
        print(f"{name:10} {slider:20} {both}")


if __name__ == "__main__":
    main()
