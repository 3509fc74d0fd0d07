"""Names of retrieval metrics, as ir_measures spells them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from vcplab.core.errors import InvalidInputError

__all__ = ["metric_cutoff", "parse_metric", "parse_metrics"]

_USUAL = ("nDCG@10", "R@20", "RR", "AP", "P@5", "Success@5")


def parse_metric(metric: Any) -> tuple[str, Any]:
    """The label and the ir_measures object of a metric.

    Args:
        metric: A name such as ``"nDCG@10"``, ``"R(rel=2)@20"`` or an ir_measures measure.

    Returns:
        (label, measure).

    Raises:
        InvalidInputError: There is no such metric; the message lists near names.
    """
    from ir_measures import parse_measure
    from ir_measures.measures import Measure

    if isinstance(metric, Measure):
        return str(metric), metric
    if not isinstance(metric, str):
        raise InvalidInputError(
            f"{metric!r} is not a metric.",
            where="metrics",
            next_step=f"Name metrics as ir_measures does: {', '.join(_USUAL)}.",
        )
    try:
        measure = parse_measure(metric.strip())
    except (NameError, ValueError, TypeError, SyntaxError, AttributeError) as error:
        near = _near(metric)
        raise InvalidInputError(
            f"There is no metric {metric!r}.",
            where="metrics",
            next_step=f"Did you mean {' or '.join(near)}?"
            if near
            else f"Name metrics as ir_measures does: {', '.join(_USUAL)}.",
            details={"near": near},
        ) from error
    return str(measure), measure


def parse_metrics(metrics: Any) -> dict[str, Any]:
    """Label → measure of several metrics, in order, each once.

    Args:
        metrics: One metric or a sequence of them.

    Raises:
        InvalidInputError: One of them does not exist or cannot be computed here, or there is none.
    """
    several = metrics if isinstance(metrics, Sequence) and not isinstance(metrics, str) else None
    parsed = dict(parse_metric(metric) for metric in (several or ([metrics] if metrics else [])))
    if not parsed:
        raise InvalidInputError(
            "No metric was named.",
            where="metrics",
            next_step=f"Name at least one: {', '.join(_USUAL)}.",
        )
    from ir_measures import DefaultPipeline

    pipeline: Any = DefaultPipeline
    for label, measure in parsed.items():
        if not pipeline.supports(measure):
            raise InvalidInputError(
                f"ir_measures cannot compute {label} with what is installed.",
                where="metrics",
                next_step="Leave it out, or install ir_measures with the package that it needs.",
            )
    return parsed


def metric_cutoff(measure: Any) -> int | None:
    """The rank at which a measure stops reading, or None."""
    cutoff = measure.params.get("cutoff")
    return int(cutoff) if cutoff is not None else None


def _near(metric: str) -> list[str]:
    from ir_measures.measures import registry

    match = re.match(r"\s*([^@(\s]*)(.*)", metric)
    base, rest = (match[1], match[2].strip()) if match else (metric, "")
    if not re.fullmatch(r"(\([\w\s=.,'\"]*\))?(@\d+)?", rest):
        rest = ""
    # Aliases are searched too; what is offered is the name that results carry.
    folded = {name.lower(): str(measure) for name, measure in registry.items()}
    found = difflib.get_close_matches(base.lower(), folded, n=5, cutoff=0.6)
    return list(dict.fromkeys(folded[name] + rest for name in found))[:3]
