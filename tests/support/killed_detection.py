"""Detection whose process is killed after some blocks, to be run again by another one.

::

    python -m tests.support.killed_detection CACHE CALLS DIE_AFTER [COUNT]

The detector notes the id of every sample that it judges in the file CALLS, and ends its own process
with SIGKILL when it has judged DIE_AFTER samples (0: never). The board's table goes to standard
output.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from vcplab.evaluation.comparison import compare
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import Sample, Verdict

COUNT = 200


def samples(count: int = COUNT) -> GroundingData:
    """Responses with labels."""
    return GroundingData(
        tuple(
            Sample(f"s{n}", f"Response {n * 7919 % 1000}.", ("c",), label=n % 3 == 0)
            for n in range(count)
        ),
        name="killed",
    )


class Noting:
    """Judges by the number in the response, and notes what it judged."""

    name = "noting"
    fingerprint = "noting/1"

    def __init__(self, calls: Path, die_after: int = 0) -> None:
        self._calls = calls
        self._left = die_after

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict each; perhaps the process ends in between."""
        verdicts = []
        for sample in samples:
            with self._calls.open("a") as file:
                file.write(f"{sample.id}\n")
            if self._left:
                self._left -= 1
                if not self._left:
                    os.kill(os.getpid(), signal.SIGKILL)
            verdicts.append(Verdict(int(sample.response[9:-1]) / 1000))
        return verdicts


if __name__ == "__main__":
    cache, calls, die_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    data = samples(int(sys.argv[4]) if len(sys.argv) > 4 else COUNT)
    board = compare(Noting(calls, die_after), data, cache=cache, resamples=50, progress=False)
    print(board.to_frame().to_csv(index=False))
