"""One sample, opened in the detection panel: spans, evidence, contributions, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vcplab.core.display.cells import showable
from vcplab.core.errors import StateError
from vcplab.evaluation.detection.outputs import blind
from vcplab.evaluation.samples import sample_types
from vcplab.widgets.detection_marks import diff_pieces, marked_pieces
from vcplab.widgets.detection_messages import BoardReader, kind_of, number
from vcplab.widgets.plugin_messages import cut_text, error_text

if TYPE_CHECKING:
    from vcplab.evaluation.detection.systems import DetectorSystem
    from vcplab.protocol.grounding import Finding, Sample, Verdict

__all__ = ["contributions", "difference_message", "sample_message"]

_FINDINGS = 60
_SOURCES = 12
_CONTRIBUTIONS = 12
_EVIDENCE = 2_000


def sample_message(reader: BoardReader, place: int, at: int, threshold: float) -> dict[str, Any]:
    """A sample with what a detector says of it.

    Args:
        reader: Of the board.
        place: The detector's position.
        at: The sample's position.
        threshold: From which p on it counts as flagged.

    Raises:
        IndexError: There is no such sample.
    """
    system, sample = reader.board.systems[place], reader.board.data[at]
    verdict = reader.verdict(system.name, sample.id)
    findings = verdict.findings[:_FINDINGS]
    label = float("nan") if sample.label is None else float(sample.label)
    p = float("nan") if verdict.p is None else verdict.p
    gold = [
        (span.start, span.end, "gold", showable(span.type or span.raw_type or "hallucinated"))
        for span in sample.spans or ()
    ]
    found = [
        (f.start, f.end, "remark" if f.p is None else "found", n) for n, f in enumerate(findings)
    ]
    return {
        "kind": "sample",
        "place": place,
        "at": at,
        "id": showable(sample.id),
        "what": kind_of(label, p, threshold),
        "facts": _facts(sample),
        "p": number(verdict.p),
        "raw": number(verdict.raw),
        "label": sample.label,
        "abstained": None if verdict.abstained is None else cut_text(verdict.abstained, 2_000),
        "question": cut_text(sample.question, 4_000),
        "annotated": sample.spans is not None,
        "response": marked_pieces(sample.response, [*gold, *found]),
        "correction": None if sample.correction is None else cut_text(sample.correction, 20_000),
        "findings": [_finding(finding, sample) for finding in findings],
        "more": max(0, len(verdict.findings) - _FINDINGS),
        "sources": _sources(sample, findings),
        "contributions": contributions(system, sample, verdict),
        "suppresses": callable(getattr(system.value, "suppress", None)),
    }


def _facts(sample: Sample) -> list[list[str]]:
    said = {
        "type": " + ".join(sample_types(sample)),
        "language": sample.language,
        "split": sample.split,
        "group": sample.group,
    }
    return [[name, cut_text(value, 200)] for name, value in said.items() if value]


def _finding(finding: Finding, sample: Sample) -> dict[str, Any]:
    return {
        "quote": cut_text(sample.response[finding.start : finding.end], 1_000),
        "p": number(finding.p),
        "rule": showable(finding.rule),
        "reason": cut_text(finding.reason, 1_000),
        "type": finding.type,
        "severity": finding.severity,
        "suggestion": None if finding.suggestion is None else cut_text(finding.suggestion, 1_000),
        "evidence": [
            {"where": _where(e, sample), "text": cut_text(e.text, _EVIDENCE)}
            for e in finding.evidence[:4]
        ],
    }


def _where(evidence: Any, sample: Sample) -> str:
    if evidence.docno is not None and evidence.source < 0:
        name = "history" if evidence.source == -1 else "knowledge base"
        return showable(f"{name}, {evidence.docno}")
    if evidence.source < 0:
        return "history" if evidence.source == -1 else "knowledge base"
    beyond = evidence.source - len(sample.context)
    return f"context {evidence.source + 1}" if beyond < 0 else f"history {beyond + 1}"


def _sources(sample: Sample, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    texts = [(f"Context {n + 1}", text) for n, text in enumerate(sample.context)]
    texts += [(f"History {n + 1}", text) for n, text in enumerate(sample.history)]
    marks: dict[int, list[tuple[int, int, str, object]]] = {}
    for n, finding in enumerate(findings):
        shortest = min((e.end - e.start for e in finding.evidence), default=0)
        for e in finding.evidence:
            # Evidence that is not where it says it is would mark something else.
            if 0 <= e.source < len(texts) and texts[e.source][1][e.start : e.end] == e.text:
                kind = "found" if e.end - e.start == shortest else "near"
                marks.setdefault(e.source, []).append((e.start, e.end, kind, n))
    shown = [
        {"name": name, "pieces": marked_pieces(text, marks.get(n, ()))}
        for n, (name, text) in enumerate(texts[:_SOURCES])
    ]
    if len(texts) > _SOURCES:
        shown.append({"name": f"{len(texts) - _SOURCES} more", "pieces": []})
    return shown


# --- why -----------------------------------------------------------------------------------


def contributions(system: DetectorSystem, sample: Sample, verdict: Verdict) -> dict[str, Any]:
    """What each feature adds to a detector's log-odds, the largest first.

    A detector that has ``contributions(sample)`` is asked; one that has a fitted ``aggregator`` is
    asked through what it measured. Of all others the features are shown as they are.

    Args:
        system: The detector.
        sample: What it judged.
        verdict: What it said in the comparison.

    Returns:
        ``of`` ("contributions", "features" or "nothing"), ``rows`` of name, value, contribution,
        the number that is left out as ``more``, and a ``note``.
    """
    rows: list[list[Any]] = []
    note = ""
    if verdict.p is not None:
        try:
            told = _explaining(system.value)
            rows = _contributed(system, told, sample, verdict)
            if rows and told is not system.value:
                note = f"Of its part {getattr(told, 'name', 'first')}; other parts are not in it."
        except Exception as error:  # a detector's own; the rest of the sample is still shown
            note = f"The detector could not say what contributed. {error_text(error)}"
    if rows:
        rows.sort(key=lambda row: -abs(row[2] or 0.0))
        rows = [row for row in rows if row[2]]
    else:
        rows = [[showable(name), number(value), None] for name, value in verdict.features.items()]
        rows = sorted((row for row in rows if row[1]), key=lambda row: -abs(row[1] or 0.0))
    shown = rows[:_CONTRIBUTIONS]
    of = "nothing" if not shown else "features" if shown[0][2] is None else "contributions"
    return {"of": of, "rows": shown, "more": len(rows) - len(shown), "note": note}


def _explaining(value: Any) -> Any:
    """A detector, or the part of it that can say what contributed: a suppressor asks others."""
    part = value
    for _ in range(4):
        if part is None or hasattr(part, "contributions") or hasattr(part, "aggregator"):
            return value if part is None else part
        parts = getattr(part, "parts", None)
        part = getattr(part, "detector", None) or (parts[0] if parts else None)
    return value


def _contributed(
    system: DetectorSystem, told: Any, sample: Sample, verdict: Verdict
) -> list[list[Any]]:
    own = getattr(told, "contributions", None)
    aggregator = getattr(told, "aggregator", None)
    model = getattr(aggregator, "model", None)
    if not callable(own) and not callable(getattr(model, "contributions", None)):
        return []
    if _changed(system):
        raise StateError(
            "It was fitted or set anew since the comparison.",
            where=system.name,
            next_step="Compare again.",
        )
    if callable(own):
        return _rows(own(blind(sample)), verdict)
    names = list(getattr(aggregator, "names", ()))
    if any(name not in verdict.features for name in names):
        return []
    values = [verdict.features[name] for name in names]
    added = model.contributions([values])[0]  # type: ignore[union-attr]
    return [
        [showable(name), number(value), number(part)]
        for name, value, part in zip(names, values, added, strict=True)
    ]


def _rows(given: Any, verdict: Verdict) -> list[list[Any]]:
    """Name, value and contribution of what a detector gave, in whichever form."""
    items: Iterable[Any] = given.items() if isinstance(given, Mapping) else given or ()
    rows = []
    for item in items:
        if hasattr(item, "name"):
            name, value = item.name, getattr(item, "value", None)
            part = getattr(item, "contribution", None)
        else:
            name, *rest = item
            value, part = (rest[0], rest[-1]) if len(rest) > 1 else (None, rest[0])
        value = verdict.features.get(str(name)) if value is None else value
        rows.append([showable(str(name)), number(value), number(part)])
    return [row for row in rows if row[2] is not None]


def _changed(system: DetectorSystem) -> bool:
    now = getattr(system.value, "fingerprint", None) or getattr(system.value, "version", None)
    return (None if now is None else str(now)) != system.fingerprint


# --- before and after ----------------------------------------------------------------------


def difference_message(reader: BoardReader, place: int, at: int) -> dict[str, Any]:
    """What a suppressor makes of a response, run now, with the sample's context and history.

    Args:
        reader: Of the board.
        place: The detector's position.
        at: The sample's position.

    Raises:
        StateError: The detector changes nothing, or is another one since the comparison.
    """
    system, sample = reader.board.systems[place], blind(reader.board.data[at])
    suppress = getattr(system.value, "suppress", None)
    if not callable(suppress):
        raise StateError(
            f"{system.name} only judges.",
            where=system.name,
            next_step="Compare a HallucinationSuppressor to see what it would change.",
        )
    if _changed(system):
        raise StateError(
            "It was fitted or set anew since the comparison.",
            where=system.name,
            next_step="Compare again.",
        )
    made = suppress(
        sample.response,
        conversation_history=list(sample.history),
        knowledge_base=list(sample.context),
        question=sample.question,
    )
    patches: list[dict[str, Any]] = [
        {
            "start": int(patch.start),
            "end": int(patch.end),
            "old": str(patch.old),
            "new": str(patch.new),
            "policy": showable(str(getattr(patch, "policy", ""))),
            "rule": showable(str(getattr(patch, "rule", ""))),
            "reason": cut_text(getattr(patch, "reason", ""), 1_000),
            "p": number(getattr(patch, "p", None)),
        }
        for patch in getattr(made, "patches", ())
    ]
    after = str(made.processed_text)
    gold = reader.board.data[at].spans
    changes = [
        {
            **{key: patch[key] for key in ("policy", "rule", "reason", "p")},
            "old": cut_text(patch["old"], 1_000),
            "new": cut_text(patch["new"], 1_000),
            "gold": None
            if gold is None
            else any(_touches(patch["start"], patch["end"], s.start, s.end) for s in gold),
        }
        for patch in patches
    ]
    return {
        "kind": "difference",
        "place": place,
        "at": at,
        "changed": after != sample.response,
        "pieces": diff_pieces(sample.response, after, patches),
        "changes": changes,
    }


def _touches(start: int, end: int, first: int, last: int) -> bool:
    """Whether a change lies on a gold span; what is only put in does at its ends, too."""
    return first <= start <= last if start == end else start < last and first < end
