"""The waterfall of a score: which parts a stage added up, what a later stage made of the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vcplab.core.display import SafeHtml, escape, format_number

if TYPE_CHECKING:
    import pandas as pd

    from vcplab.memory.explanation import StageAccount

__all__ = ["Step", "steps", "value_text", "waterfall_frame", "waterfall_html"]

StepKind = Literal["query", "filter", "lane", "part", "sum", "moved", "removed"]
_COLUMNS = ["stage", "part", "kind", "start", "end", "change", "rank_before", "rank", "reason"]
_WIDTH, _HEIGHT = 150, 12
# On white and on black alike these stand out at 3:1 or more.
_PLUS, _MINUS, _WHOLE = "#2f7fc1", "#d0582e", "#808a94"


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of a waterfall.

    Attributes:
        stage: Name of the stage.
        part: Name of the part: a lane of a fusion, a bonus; empty for the stage as a whole.
        kind: ``part`` of a sum and the ``sum`` itself; ``lane`` for a lane's own score; ``moved``
            by a stage that replaces scores (old → new); ``removed`` by a stage or a filter;
            ``query`` and ``filter`` for what has no score.
        start: Where the bar begins: the parts before it, or the old score.
        end: Where it ends.
        rank_before: Position from 0 before a stage that reorders.
        rank: Position from 0 after it.
        reason: What the stage says.
    """

    stage: str
    part: str
    kind: StepKind
    start: float | None
    end: float | None
    rank_before: int | None
    rank: int | None
    reason: str

    @property
    def change(self) -> float | None:
        """The length of the bar, negative downwards."""
        return None if self.start is None or self.end is None else self.end - self.start


def steps(accounts: Sequence[StageAccount]) -> tuple[Step, ...]:
    """The bars of an explanation, in the order in which the stages ran."""
    out: list[Step] = []
    parts: list[StageAccount] = []
    for account in accounts:
        if account.lane:
            parts.append(account)
            continue
        total, summed = 0.0, False
        for part in parts:
            start, summed = total, summed or part.contribution is not None
            total += part.contribution or 0.0
            end = None if part.contribution is None else total
            begin = None if part.contribution is None else start
            out.append(
                Step(account.stage, part.lane, "part", begin, end, None, part.rank, part.reason)
            )
        parts = []
        out.append(_whole(account, summed))
    return tuple(out)


def _whole(account: StageAccount, summed: bool) -> Step:
    kind: StepKind = "sum"
    start: float | None = 0.0
    if account.kind == "query":
        kind, start = "query", None
    elif account.score is None:
        gone = account.before_rank is not None or account.kind == "filter"
        out = account.kind == "filter" and account.before_rank is None
        kind = "removed" if gone else "lane"
        if out and not account.reason.startswith("left out"):
            kind = "filter"
        start = account.before_score
    elif summed:
        kind = "sum"
    elif account.before_score is not None:
        kind, start = "moved", account.before_score
    elif account.kind == "lane":
        kind = "lane"
    else:
        # A stage found it anew, as an expansion finds the neighbours of what was listed.
        kind, start = "moved", None
    return Step(
        account.stage,
        "",
        kind,
        start,
        account.score,
        account.before_rank,
        account.rank,
        account.reason,
    )


def waterfall_frame(accounts: Sequence[StageAccount]) -> pd.DataFrame:
    """One row per bar; see :class:`Step` for the columns."""
    import pandas as pd

    rows = [[getattr(step, name) for name in _COLUMNS] for step in steps(accounts)]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    for name in ("start", "end", "change"):
        frame[name] = frame[name].astype(float)
    return frame.astype({"rank_before": "Int64", "rank": "Int64"})


def waterfall_html(accounts: Sequence[StageAccount], caption: str) -> SafeHtml:
    """A table with a bar per step: static, escaped, in the colours of the page."""
    from vcplab.core.display import html_table

    bars = steps(accounts)
    extent: dict[str, float] = {}
    for step in bars:
        here = max(abs(step.start or 0.0), abs(step.end or 0.0))
        extent[step.stage] = max(extent.get(step.stage, 0.0), here)
    rows = []
    seen = ""
    for step in bars:
        label = "" if step.stage == seen else step.stage
        seen = step.stage
        rows.append(
            (
                label,
                step.part or ("=" if step.kind == "sum" else ""),
                _bar(step, extent[step.stage]),
                value_text(step),
                _rank(step),
                # Said by the bar already.
                "" if step.kind == "moved" and step.reason.startswith("score ") else step.reason,
            )
        )
    return html_table(
        ["stage", "part", "score", "value", "place", "reason"],
        rows,
        caption=caption,
        align=["left", "left", "left", "right", "right", "left"],
    )


def _bar(step: Step, extent: float) -> SafeHtml:
    if step.end is None and step.start is None:
        return SafeHtml("")
    start, end = step.start or 0.0, step.end or 0.0
    low = min(0.0, -extent if min(start, end) < 0 else 0.0)
    unit = _WIDTH / ((extent - low) or 1.0)
    left, right = sorted(((start - low) * unit, (end - low) * unit))
    colour = _WHOLE if step.kind in ("sum", "lane") else _PLUS if end >= start else _MINUS
    told = escape(f"{value_text(step)}")
    shape = (
        f'<rect x="{left:.1f}" y="1" width="{max(1.0, right - left):.1f}" height="{_HEIGHT - 2}" '
        f'rx="1.5" fill="{colour}"/>'
    )
    if step.kind in ("moved", "removed") and step.start is not None:
        at = min(_WIDTH - 1.0, (start - low) * unit)
        shape += f'<rect x="{at:.1f}" y="0" width="1.5" height="{_HEIGHT}" fill="currentColor"/>'
    return SafeHtml(
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{told}">{shape}</svg>'
    )


def value_text(step: Step) -> str:
    """What a step's bar is worth, written: a part with its sign, a move as old → new."""
    if step.kind in ("moved", "removed"):
        old = "" if step.start is None else format_number(step.start, 4)
        new = "removed" if step.end is None else format_number(step.end, 4)
        return f"{old} → {new}" if old else new
    if step.kind == "part":
        return "" if step.change is None else f"{step.change:+.4f}"
    return "" if step.end is None else format_number(step.end, 4)


def _rank(step: Step) -> str:
    new = "–" if step.rank is None else str(step.rank + 1)
    if step.kind in ("query", "filter"):
        return ""
    if step.rank_before is None or step.rank_before == step.rank:
        return new
    return f"{step.rank_before + 1} → {new}"
