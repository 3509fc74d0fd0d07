"""One text on its way: what is found in it, what is done, until nothing more is to be done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from vcplab.grounding.suppression.drafting import Draft
from vcplab.grounding.suppression.inert import Areas, marks_in
from vcplab.grounding.suppression.judging import OFF, Judged, judge, sourced
from vcplab.grounding.suppression.options import SuppressorOptions
from vcplab.grounding.suppression.patches import Patch, PatchList
from vcplab.grounding.suppression.planning import plan
from vcplab.grounding.suppression.policies import Hedge
from vcplab.grounding.suppression.regenerating import Regenerate
from vcplab.grounding.suppression.result import Detection, Suppression
from vcplab.grounding.suppression.rewriting import Rewriter, Task
from vcplab.grounding.suppression.sources import Sources
from vcplab.protocol.grounding import Finding, Sample
from vcplab.protocol.ports import Detector
from vcplab.text.sentences import sentences

__all__ = ["suppression_of"]

# A replacement may let another finding come to light; after so many the text is only marked.
_ROUNDS: Final = 6
# How much of what came before is read with a sentence of a stream.
_BEFORE: Final = 300


def suppression_of(
    options: SuppressorOptions,
    detector: Detector,
    sources: Sources,
    text: str,
    before: str = "",
    rewriter: Rewriter | None = None,
) -> Suppression:
    """A text after suppression.

    Replacements are made, and sentences rewritten, until none is called for, then the rest is marked; so doing it again
    changes nothing. Marks that are there already are not read.

    Args:
        options: What is done.
        detector: What looks.
        sources: What the text is held against.
        text: The text.
        before: What came before it; it is read, too, but stays.
        rewriter: What has models rewrite sentences, kept for the whole of a stream; a new one if
            None.
    """
    began = time.perf_counter()
    if not options.enabled:
        return Suppression(text, text, abstained=OFF)
    ahead = _tail(before)
    rewriter = rewriter or Rewriter()
    known = len(rewriter.notices)
    run = _Run(options, detector, sources, ahead + text, len(ahead), rewriter)
    patches = PatchList(
        replace(patch, start=patch.start - len(ahead), end=patch.end - len(ahead))
        for patch in run.patches
        if patch.start >= len(ahead)
    )
    judged = run.first
    return Suppression(
        original_text=text,
        processed_text=patches.apply(text),
        detections=tuple(run.detections(len(ahead))),
        overall_confidence=None if judged.p is None else 1.0 - judged.p,
        abstained=judged.abstained,
        patches=patches,
        calibrated=judged.p is not None
        and judged.calibrated
        and bool(getattr(detector, "calibrated", True)),
        notices=tuple(rewriter.notices[known:]),
        ms=1000 * (time.perf_counter() - began),
    )


def _tail(before: str) -> str:
    """Whole sentences from the end of a text, without the beginning of a long one."""
    if len(before) <= _BEFORE:
        return before
    areas = Areas(before)
    for span in sentences(before):
        if span.start >= len(before) - _BEFORE and areas.outside(span.start) == span.start:
            return before[span.start :]
    return ""


class _Run:
    def __init__(
        self,
        options: SuppressorOptions,
        detector: Detector,
        sources: Sources,
        text: str,
        first: int,
        rewriter: Rewriter,
    ) -> None:
        self.options = options
        self.detector = detector
        self.sources = sources
        self.rewriter = rewriter
        self.text = text
        self.hidden = list(marks_in(text, options.marks))
        self.plain = Draft(text, self.hidden)
        # What came before is read, but nothing is done about it.
        self.ahead = first - sum(end - start for start, end in self.hidden if end <= first)
        self.first = self._judge(self.plain.text)
        self.patches = self._patches()

    def _judge(self, text: str) -> Judged:
        texts, names = self.sources.knowledge.about(text)
        sample = Sample("text", text, texts, self.sources.question, self.sources.history)
        (judged,) = judge(self.options, self.detector, [sample])
        return replace(judged, findings=sourced(judged.findings, names))

    def _patches(self) -> PatchList:
        draft, findings = Draft(self.text, self.hidden), self.first.findings
        for _ in range(_ROUNDS):
            rewrite = partial(self._rewritten, draft)
            planned = plan(self.options, self._own(findings), draft.text, rewrite)
            if not planned.fixes:
                break
            for patch in reversed(planned.fixes):
                draft.change(patch)
            findings = self._judge(draft.text).findings
        else:
            draft = Draft(self.text, self.hidden)
            unfixed = replace(self.options, auto_fix=False)
            planned = plan(unfixed, self._own(self.first.findings), draft.text)
        settled = draft.text
        self._note(draft, planned.notes)
        patches = draft.patches()
        after = patches.apply(self.text)
        if Draft(after, marks_in(after, self.options.marks)).text != settled:
            # The marks would not be known again as what they are.
            return PatchList()
        return patches

    def _rewritten(
        self,
        draft: Draft,
        policy: Regenerate,
        text: str,
        start: int,
        end: int,
        findings: Sequence[Finding],
    ) -> str | None:
        """What shall stand in a sentence's place; None for one that was tried before."""
        if self._is_marked(draft, start, end):
            return None
        texts, _ = self.sources.knowledge.about(text[start:end])
        task = Task(
            text, start, end, findings, texts, self.sources.history, self.sources.question,
            self.options.marks, self._found,
        )  # fmt: skip
        return self.rewriter.rewritten(policy, task)

    def _is_marked(self, draft: Draft, start: int, end: int) -> bool:
        """Whether a mark or hedge of this suppressor belongs to a sentence."""
        hedges = {
            word
            for policy in self.options.policies
            if isinstance(policy, Hedge)
            for word in policy.words.values()
        }
        # A mark stands behind what it is about, a hedge before it.
        return any(
            start <= at < end if mark in hedges else start < at <= end
            for at in range(start, end + 1)
            for mark in draft.hidden_at(at)
        )

    def _found(self, text: str, start: int, end: int) -> Sequence[Finding]:
        return [
            one
            for one in self._judge(text).findings
            if one.p is not None and one.start < end and start < one.end
        ]

    def _own(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        return [finding for finding in findings if finding.start >= self.ahead]

    @staticmethod
    def _note(draft: Draft, notes: Sequence[Patch]) -> None:
        for patch in reversed(notes):
            if patch.new not in draft.hidden_at(patch.start):
                draft.change(patch)

    def detections(self, first: int) -> list[Detection]:
        """What was found from an offset on, which is counted as 0."""
        text = self.text[first:]
        return [
            Detection.of(finding, start - first, end - first, text)
            for finding, start, end in self._places(self.first.findings)
            if start >= first
        ]

    def _places(self, findings: Sequence[Finding]) -> list[tuple[Finding, int, int]]:
        draft = self.plain
        return [
            (one, draft.to_before(one.start), draft.to_before(one.end, end=True))
            for one in findings
        ]
