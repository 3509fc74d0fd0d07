"""What is to be done about findings: which policy takes which, and where its change stands."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from vcplab.grounding.suppression.inert import Areas
from vcplab.grounding.suppression.options import SuppressorOptions
from vcplab.grounding.suppression.patches import Patch
from vcplab.grounding.suppression.policies import Delete, Hedge, Mark, Policy, Replace
from vcplab.grounding.suppression.regenerating import Regenerate
from vcplab.grounding.suppression.restating import restated
from vcplab.protocol.grounding import Finding
from vcplab.text.sentences import Span, sentences

__all__ = ["Plan", "Rewrite", "plan"]

Rewrite: TypeAlias = Callable[[Regenerate, str, int, int, Sequence[Finding]], str | None]
"""From a policy, the text, a sentence's place and its findings to what shall stand there."""

_HAN: Final = re.compile("[\u3400-\u9fff]")
_LIST_ITEM: Final = re.compile(r"(?:[-*+>•·]\s+|#{1,6}\s+|\d{1,3}[.)、．]\s*|[*_]{1,3}(?=\S))*")
_JOINING: Final = "\u200d\ufe0e\ufe0f"


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes of a text.

    Attributes:
        fixes: Replacements, rewritten sentences and deletions, in order, without overlap.
        notes: Marks and hedges, in order.
    """

    fixes: tuple[Patch, ...] = ()
    notes: tuple[Patch, ...] = ()


def plan(
    options: SuppressorOptions,
    findings: Sequence[Finding],
    text: str,
    rewrite: Rewrite | None = None,
) -> Plan:
    """What the policies do about findings.

    Nothing is done in code and blocks; in quotations nothing is replaced or deleted, and a mark
    stands behind them.

    Args:
        options: The policies, and what they may do.
        findings: What counts, in order.
        text: The text that they speak of.
        rewrite: Who rewrites sentences; nobody if None.
    """
    if not findings:
        return Plan()
    return _Planner(options, findings, text, rewrite).plan()


class _Planner:
    def __init__(
        self,
        options: SuppressorOptions,
        findings: Sequence[Finding],
        text: str,
        rewrite: Rewrite | None,
    ) -> None:
        self.options = options
        self.findings = findings
        self.text = text
        self.rewrite = rewrite
        self._fixed = 0
        self.areas = Areas(text)
        self.spans = sentences(text)
        self._starts = [span.start for span in self.spans]

    def plan(self) -> Plan:
        fixes: list[Patch] = []
        notes: dict[tuple[int, str], Patch] = {}
        for finding in self.findings:
            if self.areas.is_protected(finding.start, finding.end):
                continue
            for policy in self.options.policies:
                patch = self._patch(policy, finding)
                if patch is None:
                    continue
                if isinstance(policy, Mark | Hedge):
                    notes.setdefault((patch.start, patch.new), patch)
                elif not fixes or fixes[-1].end <= patch.start:
                    fixes.append(patch)
                    self._fixed = patch.end
                break
        return Plan(tuple(fixes), tuple(sorted(notes.values(), key=lambda one: one.start)))

    def _patch(self, policy: Policy, finding: Finding) -> Patch | None:
        allowed = (
            self.options.mark_uncertain
            if isinstance(policy, Mark | Hedge)
            else self.options.auto_fix
        )
        sentence = self._sentence(finding.start)
        first = self._first(sentence)
        whole = max(1, sentence.end - first)
        share = (min(finding.end, sentence.end) - max(finding.start, first)) / whole
        if not allowed or not policy.takes(finding, share):
            return None
        if isinstance(policy, Mark):
            at = self._behind(finding.end)
            return _made(
                policy, finding, at, at, "", policy.marker or self.options.uncertain_marker
            )
        if isinstance(policy, Hedge):
            return self._hedge(policy, finding, sentence)
        if isinstance(policy, Replace):
            return self._replacement(policy, finding, sentence)
        if isinstance(policy, Delete):
            return self._deletion(policy, finding, sentence)
        if isinstance(policy, Regenerate):
            return self._rewriting(policy, finding, sentence)
        return None

    def _sentence(self, at: int) -> Span:
        place = max(0, bisect_right(self._starts, at) - 1)
        return self.spans[place] if self.spans else Span(0, len(self.text), self.text)

    def _first(self, sentence: Span) -> int:
        """Where a sentence begins behind the sign of a list or heading."""
        item = _LIST_ITEM.match(self.text, sentence.start, sentence.end)
        return sentence.start if item is None else item.end()

    def _behind(self, end: int) -> int:
        """Where a mark of a span stands: behind it, but not within a character or a quotation."""
        text = self.text
        while end < len(text) and (unicodedata.combining(text[end]) or text[end] in _JOINING):
            end += 1
        return self.areas.outside(end)

    def _hedge(self, policy: Hedge, finding: Finding, sentence: Span) -> Patch | None:
        at = self._first(sentence)
        if self.areas.outside(at) != at:
            return None
        language = "zh" if _HAN.search(sentence.text) else "en"
        word = policy.words.get(language, policy.words["en"])
        return _made(policy, finding, at, at, "", word)

    def _replacement(self, policy: Replace, finding: Finding, sentence: Span) -> Patch | None:
        start, end = finding.start, finding.end
        if self.areas.is_quoted(start, end):
            return None
        old = self.text[start:end]
        new = restated(finding, old, sentence, self.findings)
        return None if new is None or new == old else _made(policy, finding, start, end, old, new)

    def _rewriting(self, policy: Regenerate, finding: Finding, sentence: Span) -> Patch | None:
        start = self._first(sentence)
        old = self.text[start : sentence.end].rstrip()
        end = start + len(old)
        if self.rewrite is None or finding.start < start or finding.end > end:
            return None
        if self.areas.is_protected(start, end) or self.areas.is_quoted(finding.start, finding.end):
            return None
        if self.areas.outside(start) != start or self.areas.outside(end) != end:
            return None
        if start < self._fixed:
            # Something else is mended there first; what is left is asked about in the next round.
            return _made(policy, finding, start, end, old, old)
        own = [
            one
            for one in self.findings
            if start <= one.start and one.end <= end and one.p is not None
        ]
        new = self.rewrite(policy, self.text, start, end, own)
        if new is None:
            return None
        reasons = dict.fromkeys(one.reason for one in own if one.reason)
        told = " ".join((*reasons, f"Rewritten by {policy.model.name}."))
        return replace(_made(policy, finding, start, end, old, new), reason=told)

    def _deletion(self, policy: Delete, finding: Finding, sentence: Span) -> Patch | None:
        start, end = finding.start, finding.end
        if policy.sentence:
            start, end = sentence.start, max(end, sentence.end)
        if self.areas.is_protected(start, end) or self.areas.is_quoted(start, end):
            return None
        text = self.text
        if end < len(text) and text[end] == " " and (start == 0 or text[start - 1].isspace()):
            end += 1
        elif start and text[start - 1] == " ":
            start -= 1
        return _made(policy, finding, start, end, text[start:end], "")


def _made(policy: Policy, finding: Finding, start: int, end: int, old: str, new: str) -> Patch:
    return Patch(
        start, end, old, new, finding.rule, policy.action, finding.p, finding.reason,
        finding.evidence,
    )  # fmt: skip
