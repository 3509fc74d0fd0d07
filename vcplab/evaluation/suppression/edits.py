"""Changes of a response, held against what is wrong in it (facts/hallucination §3e, §4).

Gold are the annotated spans; where a hallucinated sample has none, but a correction, the words of
the response that the correction has not. A change takes characters away (replacements, deletions),
or speaks of some (marks, hedges); either are its target, of which a share is gold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from vcplab.protocol.grounding import Sample
from vcplab.text.quantities import find_quantities

__all__ = ["TAKING", "Edit", "counts_of", "edits_of", "gold_of", "judged_edits", "restores"]

TAKING: Final = frozenset({"replace", "regenerate", "delete"})
"""Policies that take characters away; others leave the text and say something about it."""

_WORD: Final = re.compile(r"[^\W_]+(?:['’.,:/-][^\W_]+)*|[^\w\s]|_", re.UNICODE)
_HAN: Final = re.compile("[㐀-鿿]")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a response.

    Attributes:
        start: Offset of the first character that it is about.
        end: Offset after the last.
        old: What stands there.
        new: What it becomes; for marks and hedges what is put in.
        policy: ``replace``, ``regenerate``, ``delete``, ``mark``, ``hedge``, or another of the suppressor's.
        rule: What found the need.
    """

    start: int
    end: int
    old: str
    new: str
    policy: str
    rule: str = ""

    @property
    def takes(self) -> bool:
        """Whether characters are taken away."""
        return self.policy in TAKING


def edits_of(made: Any, response: str) -> list[Edit]:
    """The changes in what ``suppress`` gave.

    Args:
        made: With ``patches`` (each with start, end, old, new, policy), if it has them, and
            ``detections`` with spans for the places that marks speak of; without patches the
            difference of ``processed_text`` is taken.
        response: The text before.
    """
    patches = getattr(made, "patches", None)
    if patches is None:
        return _difference(response, made.processed_text)
    spans = [(*one.span, str(getattr(one, "rule", ""))) for one in getattr(made, "detections", ())]
    edits = []
    for patch in patches:
        start, end = patch.start, patch.end
        rule, policy = str(getattr(patch, "rule", "")), str(getattr(patch, "policy", "replace"))
        new = patch.new
        if policy == "regenerate" and (words := _rewritten(patch, rule)):
            edits += words
            continue
        if start == end:
            start, end = _spoken_of(start, rule, spans, behind=policy != "hedge")
        elif policy == "replace":
            start, end, new = _narrowed(response, start, end, new)
        edits.append(Edit(start, end, response[start:end], new, policy, rule))
    return edits


def _rewritten(patch: Any, rule: str) -> list[Edit]:
    """The words that a rewritten sentence has otherwise: the others were not touched."""
    shift = patch.start
    return [
        Edit(shift + one.start, shift + one.end, one.old, one.new, "regenerate", rule)
        for one in _difference(patch.old, patch.new)
    ]


def _narrowed(response: str, start: int, end: int, new: str) -> tuple[int, int, str]:
    """A replacement without the words at both ends that stay: 80 kilos → 30 kilos is 80 → 30."""
    old = _words(response[start:end])
    put = _words(new)
    same = 0
    while same < min(len(old), len(put)) and old[same].group() == put[same].group():
        same += 1
    tail = 0
    while tail < min(len(old), len(put)) - same and (
        old[-1 - tail].group() == put[-1 - tail].group()
    ):
        tail += 1
    if same + tail >= min(len(old), len(put)):
        return start, end, new
    return (
        start + old[same].start(),
        start + old[len(old) - 1 - tail].end(),
        new[put[same].start() : put[len(put) - 1 - tail].end()],
    )


def _spoken_of(
    at: int, rule: str, spans: Sequence[tuple[int, int, str]], *, behind: bool
) -> tuple[int, int]:
    """The span of the finding that a mark behind it, or a hedge before it, belongs to."""
    own = [one for one in spans if one[2] == rule] or list(spans)
    if behind:
        near = [(at - end, start, end) for start, end, _ in own if end <= at]
    else:
        near = [(max(0, start - at), start, end) for start, end, _ in own if end > at]
    return min(near)[1:] if near else (at, at)


def _difference(before: str, after: str) -> list[Edit]:
    places = [(match.start(), match.end()) for match in _words(before)]
    found = []
    for tag, i, j, k, m in _opcodes(before, after):
        if tag != "equal" and j > i:
            start, end = places[i][0], places[j - 1][1]
            others = _words(after)
            new = after[others[k].start() : others[m - 1].end()] if m > k else ""
            policy = "replace" if new else "delete"
            found.append(Edit(start, end, before[start:end], new, policy))
    if not found and before != after and before and not after.strip():
        found.append(Edit(0, len(before), before, "", "delete"))
    if found and not after.strip():
        return [Edit(0, len(before), before, "", "delete")]
    return found


def _words(text: str) -> list[re.Match[str]]:
    """Words, single Han characters and signs."""
    found = []
    for match in _WORD.finditer(text):
        if _HAN.search(match.group()) and len(match.group()) > 1:
            one = re.compile(".", re.DOTALL)
            found += list(one.finditer(text, match.start(), match.end()))
        else:
            found.append(match)
    return found


def _opcodes(before: str, after: str) -> list[tuple[str, int, int, int, int]]:
    a = [match.group() for match in _words(before)]
    b = [match.group() for match in _words(after)]
    return list(SequenceMatcher(None, a, b, autojunk=False).get_opcodes())


def gold_of(sample: Sample) -> list[tuple[int, int]] | None:
    """Where a response is wrong; None if that is not known.

    Args:
        sample: With spans, a correction, or a label that says that nothing is wrong.
    """
    if sample.spans is not None and not sample.meta.get("unlocated"):
        if sample.spans or sample.label is not True:
            return [(span.start, span.end) for span in sample.spans]
    elif sample.label is False:
        return []
    if sample.correction:
        return [(edit.start, edit.end) for edit in _difference(sample.response, sample.correction)]
    return None


def restores(edit: Edit, sample: Sample) -> bool | None:
    """Whether a replacement puts in what the correction says; None where there is none.

    Either the correction results, or every number put in is the correction's and not what was
    there before, or, where there is no number, the correction has the words more often.

    Args:
        edit: A replacement.
        sample: What it was made in.
    """
    correction = sample.correction
    if not correction or not edit.new or edit.policy not in ("replace", "regenerate"):
        return None
    response = sample.response
    after = response[: edit.start] + edit.new + response[edit.end :]
    if after == correction:
        return True
    end = edit.start + len(edit.new)
    put_in = {
        (one.dimension, one.base)
        for one in find_quantities(after)
        if one.start < end and edit.start < one.end
    }
    if put_in:
        known = {(one.dimension, one.base) for one in find_quantities(correction)}
        return put_in <= known
    return correction.count(edit.new) > response.count(edit.new)


def judged_edits(edits: Iterable[Edit], sample: Sample) -> list[dict[str, Any]]:
    """One row per change: what it is, how many of its characters are gold, whether it restores.

    Args:
        edits: Of one response.
        sample: That response with its gold; characters are NaN where that is not known.
    """
    gold = gold_of(sample)
    marked = _marked(len(sample.response), gold or ())
    rows = []
    for edit in edits:
        hit = float("nan") if gold is None else float(sum(marked[edit.start : edit.end]))
        right = restores(edit, sample)
        rows.append(
            {
                "id": sample.id, "policy": edit.policy, "rule": edit.rule,
                "start": edit.start, "end": edit.end, "old": edit.old, "new": edit.new,
                "characters": float(edit.end - edit.start), "gold": hit,
                "label": None if sample.label is None else bool(sample.label),
                "restored": float("nan") if right is None else float(right),
            }
        )  # fmt: skip
    return rows


def _marked(length: int, spans: Iterable[tuple[int, int]]) -> list[bool]:
    marked = [False] * length
    for start, end in spans:
        marked[start:end] = [True] * (end - start)
    return marked


def counts_of(edits: Sequence[Edit], sample: Sample) -> Mapping[str, float]:
    """Characters of one response: total, gold, and those taken away and spoken of.

    Args:
        edits: Its changes.
        sample: The response.
    """
    gold = gold_of(sample)
    length = len(sample.response)
    wrong = _marked(length, gold or ())
    taken = _marked(length, ((e.start, e.end) for e in edits if e.takes))
    noted = _marked(length, ((e.start, e.end) for e in edits if not e.takes))
    both = [a and b for a, b in zip(taken, wrong, strict=True)]
    spoken = [a and b for a, b in zip(noted, wrong, strict=True)]
    right = [r for e in edits if (r := restores(e, sample)) is not None]
    known = gold is not None
    nan = float("nan")
    return {
        "wrong": float(sum(wrong)) if known else nan,
        "correct": float(length - sum(wrong)) if known else nan,
        "taken": float(sum(taken)) if known else nan,
        "taken_wrong": float(sum(both)) if known else nan,
        "kept": float(length - sum(wrong) - sum(taken) + sum(both)) if known else nan,
        "noted": float(sum(noted)) if known else nan,
        "noted_wrong": float(sum(spoken)) if known else nan,
        "cleaned": float(sum(both) >= 0.9 * sum(wrong)) if known and any(wrong) else nan,
        "replaced": float(len(right)),
        "restored": float(sum(right)),
        "altered": float(any(e.takes for e in edits)) if sample.label is False else nan,
        "touched": float(bool(edits)) if sample.label is False else nan,
    }
