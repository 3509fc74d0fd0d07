"""The parts of ``bench_hallucination.py`` that go through ``compare``.

``python benchmarks/hallucination_sides.py FOLDER CACHE CALLS DIE_AFTER`` is the process that the
section ``resume`` kills.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from measure import verdict

from vcplab.evaluation.comparison import compare
from vcplab.evaluation.datasets import load, load_grounding
from vcplab.evaluation.samples import GroundingData
from vcplab.grounding.detectors.citation import CitationDetector
from vcplab.grounding.detectors.combined import CombinedDetector
from vcplab.grounding.detectors.lexical import CANDIDATES, LexicalDetector
from vcplab.grounding.detectors.temporal import TemporalDetector
from vcplab.grounding.suppression import HallucinationSuppressor

METRICS = ["AUROC", "BAcc", "F1", "ECE", "char F1"]
RESPONSES = 5000
DIE_AFTER = 3000
OPTIONS = {"cache": False, "progress": False, "baseline": None, "resamples": 2000, "seed": 0}


# -- the bundled pairs ----------------------------------------------------------------------------


def detectors_for_pairs() -> dict[str, object]:
    """Ours, fitted on the train split, and those that never saw the set's train or test split."""
    train = load("hallucinations").split_named("train")
    rules = LexicalDetector(aggregator=None)
    return {
        "lexical, fitted": rules.fit(train, candidates=CANDIDATES),
        "lexical, shipped": LexicalDetector(),
        "rules alone": rules,
        "combined, fitted": CombinedDetector(
            [LexicalDetector(aggregator=None), TemporalDetector(), CitationDetector()]
        ).fit(train),
        "suppressor": HallucinationSuppressor(),
    }


def bundled() -> None:
    """The test split by type and language, thresholds chosen on dev."""
    test = load("hallucinations").split_named("test")
    board = compare(detectors_for_pairs(), test, METRICS, threshold="dev", **OPTIONS)
    print(f"Bundled pairs, train → dev → test: n={len(test)} in {board.n} pairs, 50 % hallucinated")
    _table(board.to_frame())
    print("  share of pairs whose wrong member has the higher p (ties half)")
    for name in board.names:
        value, low, high = _pairs(board.per_sample(name), test.groups)
        print(f"    {name:18} {value:.3f} [{low:.3f}, {high:.3f}]")
    for column in ("language", "type"):
        print(f"  AUROC by {column} [95 % over pairs]")
        _wide(_slices(board, test, column), column)
    for language in ("en", "zh"):
        part = compare(
            detectors_for_pairs(), _with_dev(test, language), ["AUROC", "BAcc"], threshold="dev",
            **OPTIONS,
        )  # fmt: skip
        print(f"  {language}: AUROC by type [95 % over pairs]")
        _wide(_slices(part, part.data, "type"), "type")
    print("  shipped: ECE by language, AUROC [95 %]")
    for language in ("en", "zh"):
        frame = compare(
            {"shipped": LexicalDetector()}, test.filter(language=language), ["AUROC", "ECE"],
            baselines=False, **OPTIONS,
        ).to_frame()  # fmt: skip
        _table(frame, shown=language)


def _with_dev(test: GroundingData, language: str) -> GroundingData:
    """The test samples of a language, thresholds from the dev samples of the same."""
    kept = tuple(sample for sample in test.everything or () if sample.language == language)
    data = replace(test, samples=kept, everything=None, split="all")
    return data.split_named("test")


def _pairs(frame: pd.DataFrame, groups) -> tuple[float, float, float]:
    p = frame.assign(group=list(groups)).pivot_table("p", index="group", columns="label")
    right = (np.sign(p[1.0] - p[0.0]).to_numpy() + 1) / 2
    rng = np.random.default_rng(0)
    means = right[rng.integers(0, len(right), (2000, len(right)))].mean(axis=1)
    return float(right.mean()), *map(float, np.percentile(means, [2.5, 97.5]))


def _slices(board, data, column: str) -> pd.DataFrame:
    """AUROC of each slice: for a type, its pairs; ``by`` sets them against all faithful answers."""
    values = [str(data.value(s, column) if column != "type" else s.meta["type"]) for s in data]
    rows = []
    for value in sorted(set(values)):
        mask = np.array([one == value for one in values])
        for name in board.names:
            frame = board.per_sample(name)[mask]
            groups = [group for group, kept in zip(data.groups, mask, strict=True) if kept]
            rows.append((value, name, *_auroc(frame, groups)))
    return pd.DataFrame(rows, columns=[column, "system", "AUROC", "low", "high"])


def _auroc(frame: pd.DataFrame, groups) -> tuple[float, float, float]:
    from vcplab.evaluation.detection import statistics as of
    from vcplab.evaluation.statistics.resampling import resample_groups

    found = resample_groups({"": of.auroc(frame)}, groups, resamples=2000, seed=0)[""]
    interval = found.interval(0.95)
    return found.value, interval.low, interval.high


def _wide(frame: pd.DataFrame, column: str) -> None:
    values = list(dict.fromkeys(frame[column]))
    print("    " + " " * 18 + "".join(f"{value:>22}" for value in values))
    for name, own in frame.groupby("system", sort=False):
        cells = [f"{row.AUROC:.3f} [{row.low:.2f}, {row.high:.2f}]" for row in own.itertuples()]
        print(f"    {name:18}" + "".join(f"{cell:>22}" for cell in cells))


def _table(frame: pd.DataFrame, shown: str = "") -> None:
    for system, own in frame.groupby("system", sort=False):
        cells = [
            f"{row.metric} {row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]"
            for row in own.rename(columns={"mean": "value"}).assign(mean=own["mean"]).itertuples()
            if np.isfinite(row.mean)
        ]
        print(f"  {shown or system:18} " + "  ".join(cells))


# -- suppression ----------------------------------------------------------------------------------


def suppression(folder: Path) -> None:
    """What the default policies do, and the bars for replacing numbers."""
    sets = (
        ("SummEdits", load_grounding(folder / "summedits", "summedits")),
        ("WiCE spans, test", load_grounding(folder / "wice", "wice_spans", split="test")),
        ("bundled, test", load("hallucinations").split_named("test")),
    )
    for name, data in sets:
        began = time.perf_counter()
        board = compare(HallucinationSuppressor(), data, task="suppression", **OPTIONS)
        print(
            f"Suppression of {name}: n={len(data)}, {data.prevalence:.1%} hallucinated, "
            f"{time.perf_counter() - began:.0f} s"
        )
        _table(board.to_frame())
        for row in board.policies().itertuples():
            if row.system != "suppressor":
                continue
            print(
                f"    {row.policy:8} {row.edits:5} edits in {row.samples:4} responses: "
                f"precision {row.precision:.3f} [{row[7]:.3f}, {row[8]:.3f}], "
                f"hits {row.hits:.3f}, restored {row.restored:.3f} of {row.of}, "
                f"acts on {row.clean:.3f} of the clean"
            )
        for row in board.policies("rule").itertuples():
            if row.system == "suppressor":
                print(
                    f"      {row.rule:22} {row.edits:5} precision {row.precision:.3f}, "
                    f"acts on {row.clean:.3f} of the clean"
                )
        own = board.to_frame().set_index(["system", "metric"])["mean"]["suppressor"]
        if name == "SummEdits":
            print(verdict("numbers replaced by what the seed says", own["restored"], 0.80, True))
            print(verdict("clean summaries altered", own["clean altered"], 0.03, False))
        print(verdict("correct characters kept", own["kept"], 0.99, True))


# -- a killed run ---------------------------------------------------------------------------------


class Noting:
    """The lexical detector, which notes what it judges and may end its process in between."""

    name = "lexical"

    def __init__(self, calls: Path, die_after: int = 0) -> None:
        self._detector = LexicalDetector()
        self.fingerprint = self._detector.fingerprint
        self.threshold = self._detector.threshold
        self._calls, self._left = calls, die_after

    def detect(self, samples):
        """A verdict each; perhaps the process ends in between."""
        verdicts = []
        with self._calls.open("a") as file:
            for sample in samples:
                verdicts += self._detector.detect([sample])
                file.write(f"{sample.id}\n")
                file.flush()
                self._left -= 1
                if not self._left:
                    os.kill(os.getpid(), signal.SIGKILL)
        return verdicts


def _responses(folder: Path) -> GroundingData:
    """5,000 real responses."""
    summaries = load_grounding(folder / "summedits", "summedits")
    claims = load_grounding(folder / "wice", "wice", split="dev")
    return replace(
        summaries, samples=(*summaries, *claims)[:RESPONSES], name="responses", everything=None
    )


def _judge(folder: Path, cache: Path, calls: Path, die_after: int = 0):
    return compare(
        Noting(calls, die_after), _responses(folder), ["AUROC"], baselines=False,
        **{**OPTIONS, "cache": cache, "resamples": 200},
    )  # fmt: skip


def resume(folder: Path) -> None:
    """A run of 5,000 responses is killed with SIGKILL, and goes on without judging any twice."""
    with tempfile.TemporaryDirectory() as place:
        cache, calls = Path(place, "cache.sqlite3"), Path(place, "calls.txt")
        began = time.perf_counter()
        killed = subprocess.run(
            [sys.executable, __file__, str(folder), str(cache), str(calls), str(DIE_AFTER)],
            check=False,
        )
        first = calls.read_text().split("\n")[:-1]
        middle = time.perf_counter()
        board = _judge(folder, cache, calls)
        ended = time.perf_counter()
        second = calls.read_text().split("\n")[len(first) : -1]
        same = _judge(folder, cache, calls).to_frame().equals(board.to_frame())
        again = time.perf_counter() - ended
        third = len(calls.read_text().split("\n")) - 1 - len(first) - len(second)
    block = board.task.block
    print(f"A killed run: {RESPONSES} responses, SIGKILL after {len(first)} ({killed.returncode})")
    print(
        f"  {middle - began:.1f} s until killed, {ended - middle:.1f} s to the end, "
        f"{again:.1f} s once more from the cache ({third} judged, same table: {same})"
    )
    twice = len(set(first) & set(second))
    print(verdict(f"judged twice (at most one block of {block})", twice, block - 1, False))
    print(verdict("never judged", RESPONSES - len(set(first) | set(second)), 0, False))


if __name__ == "__main__":
    _judge(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
