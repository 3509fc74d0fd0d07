"""The suppression task: responses in, changed responses out, measured by gold or by a judge.

Suppressors see a response, its context, history and question, nothing of its gold. What they did
is measured by annotated spans or corrections, and, if one is given, by a detector that judges the
text before and after; a judge that also guides the suppressor flatters it
(facts/hallucination §7).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.evaluation._options import task_options
from vcplab.evaluation.detection.outputs import blind
from vcplab.evaluation.detection.summary import summarise_sets
from vcplab.evaluation.samples import GroundingData
from vcplab.evaluation.samples.content import content_of, sha
from vcplab.evaluation.suppression.edits import Edit, counts_of, edits_of, gold_of
from vcplab.evaluation.suppression.metrics import (
    METRICS,
    SuppressionMetric,
    parse_suppression_metrics,
)
from vcplab.evaluation.suppression.systems import SuppressorSystem, as_suppressors
from vcplab.evaluation.tasks import Output, SystemInfo
from vcplab.protocol.grounding import Sample

if TYPE_CHECKING:
    from vcplab.evaluation.matrix import MatrixResult
    from vcplab.evaluation.summary import TestPlan
    from vcplab.evaluation.suppression.board import SuppressionBoard

__all__ = ["SuppressionTask"]


class SuppressionTask:
    """Have suppressors change each response.

    It may stand in ``compare`` in place of the data.

    Args:
        data: The responses.
        judge: A detector that says what it holds of the text before and after; None for gold alone.
        baselines: Whether changing nothing and deleting everything stand beside the suppressors;
            or other suppressors that are to stand there.

    Raises:
        InvalidInputError: The judge is no detector.
    """

    name = "suppression"
    failed: ClassVar[str] = "are left out for it"
    plural: ClassVar[str] = "samples"
    block: ClassVar[int] = 32
    threads: ClassVar[bool] = True

    def __init__(
        self,
        data: GroundingData,
        judge: Any = None,
        baselines: bool | Sequence[Any] = True,
    ) -> None:
        if judge is not None and not callable(getattr(judge, "detect", None)):
            raise InvalidInputError(
                f"A {type(judge).__name__} is no detector.",
                where="judge",
                next_step="Give a detector, another one than the suppressor uses.",
            )
        self.data = data
        self.judge = judge
        self.baselines = baselines

    def task(self, **options: Any) -> SuppressionTask:
        """Itself: the data of ``compare`` know their task, and this is one.

        Args:
            **options: None are left to choose.

        Raises:
            InvalidInputError: There is one.
        """
        task_options(options, (), "suppression_task")
        return self

    # --- what compare asks ----------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """Changes with the judge; samples enter by :meth:`digest`."""
        return f"suppression:{self._judge_fingerprint or ''}"

    @property
    def _judge_fingerprint(self) -> str | None:
        own = getattr(self.judge, "fingerprint", None)
        return None if own is None else str(own)

    def items(self) -> Sequence[str]:
        """Ids of the samples."""
        return [sample.id for sample in self.data]

    def digest(self, items: Sequence[str]) -> str:
        """Hash of the samples as suppressors see them."""
        return sha([content_of(self.data[item]) for item in items])

    def competitors(self, systems: Any) -> tuple[SuppressorSystem, ...]:
        """Suppressors, each with a name of its own, and the baselines."""
        return as_suppressors(systems, self.baselines)

    def metrics(self, given: Any) -> dict[str, SuppressionMetric]:
        """Name → metric; for None what gold, labels, corrections and the judge allow."""
        if given is None:
            golds = [gold_of(sample) for sample in self.data]
            given = []
            if any(golds):
                given += ["edit precision", "removed", "kept", "cleaned"]
            if any(sample.correction for sample in self.data):
                given += ["restored"]
            if any(sample.label is False for sample in self.data):
                given += ["clean altered", "clean touched"]
            if any(golds):
                given += ["mark precision", "marked"]
            if self.judge is not None:
                given += ["judge before", "judge drop"]
            # Where nothing can be measured, check() says why.
            given = given or ["kept"]
        return parse_suppression_metrics(given)

    def check(self, systems: Sequence[SuppressorSystem], measures: Mapping[str, Any]) -> list[str]:
        """What the data are like.

        Raises:
            InvalidDataError: Nothing tells what is wrong in a response, and there is no judge.
        """
        unknown = sum(gold_of(sample) is None for sample in self.data)
        if self.judge is None and unknown == len(self.data):
            raise InvalidDataError(
                f"No sample of {self.data.name} has spans, a correction or a label that says that "
                "nothing is wrong.",
                where=self.data.name,
                next_step="Give a judge=detector, or samples with gold.",
            )
        told = [str(remark) for remark in self.data.card.get("remarks", ())]
        if unknown:
            told.append(
                f"{unknown} of {len(self.data)} samples have neither spans nor a correction."
            )
        derived = sum(
            bool(sample.label) and sample.spans is None and bool(sample.correction)
            for sample in self.data
        )
        if derived:
            told.append(
                f"Of {derived} samples gold is what differs from the correction: they have no "
                "annotated spans."
            )
        return told

    def judged_by(self, measures: Mapping[str, Any]) -> str | None:
        """Hash of gold and metrics; None where a metric is the user's own."""
        if any(METRICS.get(name) is not metric for name, metric in measures.items()):
            return None
        return sha([self.data.fingerprint, list(measures)])

    def groups(self) -> Sequence[str]:
        """The group of each sample."""
        return self.data.groups

    def summary(
        self,
        names: Sequence[str],
        scores: Sequence[pd.DataFrame],
        measures: Mapping[str, Any],
        baseline: int | None,
        plan: TestPlan,
    ) -> tuple[pd.DataFrame, dict[str, int]]:
        """Metrics of the whole set, with intervals over groups."""
        frame = summarise_sets(names, scores, measures, self.groups(), baseline, plan)
        return frame, {
            name: int(frame.loc[frame["metric"] == name, "n"].min()) for name in measures
        }

    def why_anew(self, system: SuppressorSystem) -> str:
        """What keeps a suppressor's changes out of the cache."""
        if self.judge is not None and self._judge_fingerprint is None:
            return "nothing tells when the judge changes (give it a `fingerprint`)"
        return "nothing tells when it changes (give it a `fingerprint`)"

    def describe(self, system: Any) -> SystemInfo:
        """Name, fingerprint and parameters of a suppressor."""
        own = getattr(system.value, "fingerprint", None)
        unknown = self.judge is not None and self._judge_fingerprint is None
        moment = str(getattr(system.value, "moment", "") or "")
        told = None if own is None or unknown else str(own)
        return SystemInfo(system.name, told, system.parameters, moment)

    def remarks(
        self, result: MatrixResult, scores: Sequence[pd.DataFrame], measures: Mapping[str, Any]
    ) -> list[str]:
        """Suppressors that changed nothing."""
        return [
            f"{info.name}: nothing was changed, so its edit precision does not exist"
            for info, frame in zip(result.systems, scores, strict=True)
            if info.name != "nothing" and not frame["edits"].sum()
        ]

    def board(self, **parts: Any) -> SuppressionBoard:
        """The result."""
        from vcplab.evaluation.suppression.board import SuppressionBoard

        return SuppressionBoard(task=self, **parts)

    # --- running --------------------------------------------------------------------------

    def prepare(self, systems: Sequence[Any]) -> None:
        """Let suppressors and the judge load what they need."""
        for value in (*(system.value for system in systems), self.judge):
            ready = getattr(value, "prepare", None)
            if callable(ready):
                ready()

    def run(self, systems: Sequence[Any], items: Sequence[str]) -> list[list[Output]]:
        """Changes per suppressor and sample."""
        samples = [blind(self.data[item]) for item in items]
        before = self._judged(samples)
        return [self._one(system, samples, before) for system in systems]

    def _judged(self, samples: Sequence[Sample]) -> list[float | None]:
        if self.judge is None:
            return [None] * len(samples)
        filled = [sample for sample in samples if sample.response.strip()]
        said = iter(self.judge.detect(filled))
        # A text of which nothing is left says nothing wrong.
        return [next(said).p if sample.response.strip() else 0.0 for sample in samples]

    def _one(
        self, system: SuppressorSystem, samples: Sequence[Sample], before: Sequence[float | None]
    ) -> list[Output]:
        outputs: list[Output] = []
        after: list[Sample] = []
        for sample in samples:
            began = time.perf_counter()
            try:
                made = system.value.suppress(
                    sample.response,
                    knowledge_base=list(sample.context),
                    conversation_history=list(sample.history),
                    question=sample.question,
                )
                processed = str(made.processed_text)
            except Exception as error:
                error.add_note(f"While {system.name!r} suppressed {sample.id}.")
                raise
            ms = (time.perf_counter() - began) * 1000
            edits = edits_of(made, sample.response)
            outputs.append(
                {"edits": [asdict(edit) for edit in edits], "after": processed, "ms": ms}
            )
            after.append(replace(sample, response=processed))
        if self.judge is not None:
            for output, first, last in zip(outputs, before, self._judged(after), strict=True):
                output["judge"] = [first, last]
        return outputs

    # --- measuring ------------------------------------------------------------------------

    def measure(self, outputs: Mapping[str, Output], metrics: Sequence[Any]) -> pd.DataFrame:
        """One row per sample of the data, of which metrics are made.

        Columns: those of :func:`~vcplab.evaluation.suppression.edits.counts_of`, and label, edits,
        judge_before and judge_drop (of hallucinated samples).
        """
        rows = []
        for sample in self.data:
            output = outputs[sample.id]
            edits = [Edit(**one) for one in output.get("edits", ())]
            said = [math.nan if p is None else float(p) for p in output.get("judge") or ()]
            first, last = said if said and sample.label is not False else (math.nan, math.nan)
            row = dict(counts_of(edits, sample))
            if "edits" not in output:
                row = dict.fromkeys(row, math.nan)
            rows.append(
                {
                    **row,
                    "label": math.nan if sample.label is None else float(sample.label),
                    "edits": float(len(edits)),
                    "judge_before": first,
                    "judge_drop": first - last,
                }
            )
        return pd.DataFrame(rows, index=[sample.id for sample in self.data], dtype=float)
