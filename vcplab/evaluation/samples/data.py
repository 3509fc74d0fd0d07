"""Responses with their sources, to try detectors of hallucinations on: the data of detection.

::

    data = vl.datasets.load("hallucinations")
    board = vl.compare([detector], data, threshold="dev")
    for domain, train, held in data.leave_out("domain"):
        ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation._options import task_options, whole_option
from vcplab.evaluation.samples.checks import broken, problems_of
from vcplab.evaluation.samples.content import content_of, fingerprint_of, sample_types
from vcplab.evaluation.samples.groups import draw_folds, draw_splits
from vcplab.protocol.grounding import Sample

if TYPE_CHECKING:
    import pandas as pd

    from vcplab.evaluation.detection.task import DetectionTask
    from vcplab.evaluation.suppression.task import SuppressionTask

__all__ = ["GroundingData", "content_of", "sample_types"]

# Columns of a sample's own; any other name is looked up in its meta.
_FIELDS = ("id", "split", "group", "language", "label")


@dataclass(frozen=True, eq=False, repr=False)
class GroundingData(Sequence[Sample]):
    """Samples, and what is known about them. A value: methods give another one.

    Attributes:
        samples: The samples, each with an id of its own.
        name: What results call them.
        version: Version of the set, if it states one.
        licence: Its licence, if it states one.
        source: Where it came from, for the report.
        card: Everything else that is known: citation, published counts, remarks.
        split: The part that was chosen, with its filters ("all" for everything).
        notes: What was wrong in its files: (file, line, id, problem); line 0 where there is none.
        everything: The samples of all splits, if this is one of them.

    Raises:
        InvalidDataError: There is no sample, two share an id, a response is empty, or a gold span
            lies outside its response.
    """

    samples: tuple[Sample, ...]
    name: str = "samples"
    version: str = ""
    licence: str = ""
    source: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)
    split: str = "all"
    notes: tuple[tuple[str, int, str, str], ...] = ()
    everything: tuple[Sample, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", tuple(self.samples))
        if not self.samples:
            raise InvalidDataError(
                f"{self.name} has no samples.",
                where=self.name,
                next_step="Give at least one, or loosen the filter.",
            )
        reason = broken(self.samples)
        if reason is not None:
            raise InvalidDataError(
                reason[1],
                where=f"{self.name}, sample {reason[0]!r}",
                next_step="Mend the data; offsets count code points of the response.",
            )

    # --- a sequence ------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, str):
            return self.samples[place]
        if place not in self._by_id:
            raise NotFoundError(
                f"{self.name} has no sample {place!r}.",
                where="id",
                next_step="data.to_frame() lists the ids.",
            )
        return self._by_id[place]

    @cached_property
    def _by_id(self) -> dict[str, Sample]:
        return {sample.id: sample for sample in self.samples}

    # --- what they are ---------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything in the samples, whatever their order."""
        return fingerprint_of(self.samples)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the parts that can be chosen."""
        return tuple(sorted({s.split for s in self.everything or self.samples} - {""}))

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the samples, as far as they say."""
        return tuple(sorted({sample.language for sample in self.samples} - {""}))

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each sample; its own id where it names none."""
        return tuple(sample.group or f"\x00{sample.id}" for sample in self.samples)

    @property
    def prevalence(self) -> float:
        """Share of hallucinated samples among those with a label; NaN without any."""
        labels = [sample.label for sample in self.samples if sample.label is not None]
        return sum(labels) / len(labels) if labels else float("nan")

    def task(self, task: str = "detection", **options: Any) -> DetectionTask | SuppressionTask:
        """What ``compare`` runs: finding the hallucinations, or suppressing them.

        Args:
            task: ``detection`` or ``suppression``.
            **options: Of :class:`~vcplab.evaluation.detection.task.DetectionTask` ``threshold``
                and ``baselines``, of :class:`~vcplab.evaluation.suppression.task.SuppressionTask`
                ``judge`` and ``baselines``.

        Raises:
            InvalidInputError: There is no such task, or an option is unknown or out of range.
        """
        if task == "suppression":
            task_options(options, ("judge", "baselines"), "suppression")
            return self.suppression_task(**options)
        if task != "detection":
            raise InvalidInputError(
                f"There is no task {task!r} for samples.",
                where="task",
                next_step="Use detection or suppression.",
            )
        from vcplab.evaluation.detection.task import DetectionTask

        task_options(options, ("task", "threshold", "baselines"), "detection")
        return DetectionTask(self, **options)

    def suppression_task(
        self, judge: Any = None, baselines: bool | Sequence[Any] = True
    ) -> SuppressionTask:
        """The task of suppressing their hallucinations; ``compare`` takes it in place of data.

        Args:
            judge: A detector that judges the text before and after; None for gold alone.
            baselines: Whether changing nothing and deleting everything stand beside.

        Raises:
            InvalidInputError: The judge is no detector.
        """
        from vcplab.evaluation.suppression.task import SuppressionTask

        return SuppressionTask(self, judge, baselines)

    # --- parts -----------------------------------------------------------------------------

    def part(self, samples: Sequence[Sample], shown: str) -> GroundingData:
        """Some of the samples.

        Args:
            samples: Those to keep.
            shown: How the part is named, after the split.

        Raises:
            InvalidDataError: None is left.
        """
        split = f"{self.split}, {shown}" if self.split != "all" else shown
        return replace(self, samples=tuple(samples), split=split)

    def split_named(self, split: str) -> GroundingData:
        """The samples of one split.

        Args:
            split: One of :attr:`splits`, or "all".

        Raises:
            NotFoundError: There is no such split.
        """
        everything = self.everything or self.samples
        if split == "all":
            return replace(self, samples=everything, split="all", everything=everything)
        if split not in self.splits:
            raise NotFoundError(
                f"{self.name} has no split {split!r}.",
                where=self.name,
                next_step=f"Its splits are: {', '.join((*self.splits, 'all'))}.",
            )
        chosen = tuple(sample for sample in everything if sample.split == split)
        return replace(self, samples=chosen, split=split, everything=everything)

    def value(self, sample: Sample, column: str) -> Any:
        """A sample's value in a column: a field, ``type``, or an entry of its meta; None if none.

        Args:
            sample: The sample.
            column: ``split``, ``group``, ``language``, ``label``, ``type`` or a key of ``meta``.
        """
        if column in _FIELDS:
            return getattr(sample, column)
        if column in ("type", "types"):
            return " + ".join(sample_types(sample)) or None
        return sample.meta.get(column)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that :meth:`filter`, :meth:`leave_out` and a board's ``by`` know."""
        keys = dict.fromkeys(
            key
            for sample in self.samples
            for key, value in sample.meta.items()
            if isinstance(value, str | int | float | bool) and key not in ("type", "types")
        )
        return (*_FIELDS[1:], "type", *keys)

    def _known(self, column: str, where: str) -> str:
        name = column if column in self.columns else column.rstrip("_")
        if name not in self.columns and name != "id":
            raise InvalidInputError(
                f"The samples of {self.name} have no column {column!r}.",
                where=where,
                next_step=f"Columns: {', '.join(self.columns)}.",
            )
        return name

    def filter(self, **conditions: Any) -> GroundingData:
        """The samples for which columns have given values.

        Args:
            **conditions: Column → a value, several values, or a function of the value.

        Raises:
            InvalidInputError: There is no such column, or no sample is left.
        """
        kept, shown = list(self.samples), []
        for given, wanted in conditions.items():
            column = self._known(given, "filter")
            if callable(wanted):
                test, told = wanted, str(getattr(wanted, "__name__", "function"))
            else:
                listed = isinstance(wanted, list | tuple | set | frozenset)
                values = list(wanted) if listed else [wanted]
                test, told = values.__contains__, "|".join(map(str, values))
            kept = [sample for sample in kept if test(self.value(sample, column))]
            shown.append(f"{column}={told}")
        if not kept:
            raise InvalidInputError(
                "No sample is left.",
                where=f"filter({', '.join(conditions)})",
                next_step="data.to_frame() shows the values that occur.",
            )
        return self.part(kept, ", ".join(shown)) if shown else self

    def head(self, count: int) -> GroundingData:
        """The first samples.

        Args:
            count: How many, at most.

        Raises:
            InvalidInputError: It is no positive whole number.
        """
        count = whole_option(count, "count", 10)
        return self if count >= len(self) else self.part(self.samples[:count], f"first {count}")

    def with_splits(
        self, shares: Mapping[str, float] | None = None, *, seed: int = 0
    ) -> GroundingData:
        """The same samples with splits drawn anew, whole groups at a time.

        Args:
            shares: Split → share of the samples, about: groups are not parted. 50 % train, 20 %
                dev, 30 % test if None.
            seed: Fixes the draw.

        Raises:
            InvalidInputError: Shares are not positive.
        """
        shares = {"train": 0.5, "dev": 0.2, "test": 0.3} if shares is None else dict(shares)
        placed = draw_splits(self.groups, shares, seed)
        samples = tuple(
            replace(sample, split=placed[group])
            for sample, group in zip(self.samples, self.groups, strict=True)
        )
        return replace(self, samples=samples, everything=None)

    def folds(self, count: int = 5, *, seed: int = 0) -> list[tuple[GroundingData, GroundingData]]:
        """Parts for cross-validation: (train, held out) per fold, whole groups at a time.

        Args:
            count: Number of folds, at least 2 and at most the number of groups.
            seed: Fixes the draw.

        Raises:
            InvalidInputError: There are fewer groups than folds.
        """
        count = whole_option(count, "count", 5, least=2)
        numbered = draw_folds(self.groups, count, seed)
        return [
            self._parted(numbered, fold, f"fold {fold + 1} of {count}") for fold in range(count)
        ]

    def leave_out(self, column: str) -> Iterator[tuple[str, GroundingData, GroundingData]]:
        """Each value of a column in turn: (value, all others, samples with that value).

        Args:
            column: E.g. ``domain``.

        Raises:
            InvalidInputError: There is no such column, or it has one value only.
        """
        column = self._known(column, "leave_out")
        values = [str(self.value(sample, column)) for sample in self.samples]
        if len(set(values)) < 2:
            raise InvalidInputError(
                f"All samples have the same {column}.",
                where=column,
                next_step="Name a column with several values.",
            )
        for value in dict.fromkeys(values):
            train, held = self._parted(values, value, f"{column}={value}")
            yield value, train, held

    def _parted(
        self, keys: Sequence[Any], wanted: Any, shown: str
    ) -> tuple[GroundingData, GroundingData]:
        pairs = list(zip(self.samples, keys, strict=True))
        train = [sample for sample, key in pairs if key != wanted]
        held = [sample for sample, key in pairs if key == wanted]
        return self.part(train, f"without {shown}"), self.part(held, shown)

    # --- how they are told -----------------------------------------------------------------

    def check(self) -> pd.DataFrame:
        """What should be known before results are believed.

        Returns:
            One row per kind of problem: problem, count, examples. Duplicates, equal samples with
            different labels, groups and contexts that are in several splits, labels that their
            spans contradict, spans that could not be located, samples without label.
        """
        return problems_of(self.everything or self.samples)

    @property
    def report(self) -> pd.DataFrame:
        """What was wrong in the files: file, line, id, problem."""
        import pandas as pd

        return pd.DataFrame(list(self.notes), columns=["file", "line", "id", "problem"])

    def to_frame(self) -> pd.DataFrame:
        """One row per sample: fields, gold, sizes, and plain entries of its meta."""
        from vcplab.evaluation.samples.telling import frame_of

        return frame_of(self)

    def facts(self) -> dict[str, Any]:
        """What a result says about its data, in order."""
        from vcplab.evaluation.samples.telling import facts_of

        return facts_of(self)

    def __repr__(self) -> str:
        return (
            f"GroundingData({self.name!r}, split={self.split!r}, {len(self):,} samples in "
            f"{len(set(self.groups)):,} groups, {self.prevalence:.1%} hallucinated)"
        )

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_card, style_block

        return style_block() + html_card(f"Data: {self.name}", list(self.facts().items()))
