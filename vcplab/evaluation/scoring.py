"""Running and measuring all systems of a comparison, once per process."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import pandas as pd

from vcplab.core.errors import NotFoundError
from vcplab.evaluation.cache import BlockCache, clear_memory
from vcplab.evaluation.matrix import Matrix, MatrixResult
from vcplab.evaluation.summary import clear_summaries
from vcplab.evaluation.tasks import ComparableTask

__all__ = ["baseline_place", "forget", "own_notices", "score"]

_KEPT = 16
_scored: OrderedDict[str, tuple[MatrixResult, tuple[pd.DataFrame, ...]]] = OrderedDict()
_lock = Lock()


def forget() -> None:
    """Forget what comparisons keep in this process; what is on disk stays."""
    with _lock:
        _scored.clear()
    clear_summaries()
    clear_memory()


def score(
    matrix: Matrix, task: ComparableTask, measures: Mapping[str, Any], cache: BlockCache
) -> tuple[MatrixResult, tuple[pd.DataFrame, ...]]:
    """Run and measure, unless this process has done just that."""
    infos = [task.describe(system) for system in matrix.systems]
    state, key = task.fingerprint, None
    judged_by = task.judged_by(measures)
    known_all = judged_by is not None and all(info.fingerprint is not None for info in infos)
    if cache.enabled and known_all:
        items = task.items()
        named = [(info.name, info.fingerprint, info.moment) for info in infos]
        content = json.dumps(
            {
                "cache": cache.name,
                "systems": named,
                "task": [state, task.digest(items), list(items), matrix.block],
                "judged_by": judged_by,
                "metrics": list(measures),
            }
        )
        key = hashlib.sha256(content.encode("ascii")).hexdigest()
        with _lock:
            known = _scored.get(key)
            if known is not None:
                _scored.move_to_end(key)
                return known
    result = matrix.run()
    scores = tuple(
        task.measure(result.outputs(s), list(measures.values())) for s in range(len(infos))
    )
    volatile = any(
        output.get("volatile") for s in range(len(infos)) for output in result.outputs(s).values()
    )
    result.release()
    # The key names the corpus as it was before the run.
    kept = not result.failures and not volatile and task.fingerprint == state
    if key is not None and kept:
        with _lock:
            _scored[key] = (result, scores)
            while len(_scored) > _KEPT:
                _scored.popitem(last=False)
    return result, scores


def baseline_place(baseline: int | str | None, names: list[str]) -> int | None:
    """Position of the baseline among the systems.

    Raises:
        NotFoundError: There is no such system.
    """
    if baseline is None:
        return None
    if isinstance(baseline, str):
        if baseline in names:
            return names.index(baseline)
    elif isinstance(baseline, int) and -len(names) <= baseline < len(names):
        return baseline % len(names)
    raise NotFoundError(
        f"There is no system {baseline!r} to be the baseline.",
        where="baseline",
        next_step=f"Use 0 to {len(names) - 1}, a name ({', '.join(names)}), or None.",
    )


def own_notices(result: MatrixResult, task: ComparableTask, systems: Sequence[Any]) -> list[str]:
    """What the comparison itself has to say about systems."""
    notices = []
    for info, system in zip(result.systems, systems, strict=True):
        if info.fingerprint is None:
            notices.append(f"{info.name}: run anew each time, because {task.why_anew(system)}.")
        failed = [failure for failure in result.failures if failure.system == info.name]
        if failed:
            notices.append(
                f"{info.name}: failed on {len(failed)} of {len(result.items)} {task.plural}, which "
                f"{task.failed}; the first: {failed[0].error}"
            )
    return notices
