"""The waterfall of an explanation as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcplab.evaluation.plots import _figure_type, _fonts, _label
from vcplab.memory.explaining.waterfall import steps, value_text
from vcplab.memory.explanation import Why

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["waterfall_plot"]

# As in the forest plots; told apart with every common colour blindness.
_WHOLE, _PLUS, _MINUS = "#999999", "#0072B2", "#D55E00"


def waterfall_plot(why: Why) -> Figure:
    """One row per bar, the first on top: parts of a sum, sums, and scores moved old → new.

    Args:
        why: The explanation.

    Returns:
        A figure that belongs to no window and no global state.
    """
    bars = [step for step in steps(why.accounts) if step.start is not None or step.end is not None]
    labels = [_label(f"{s.stage}: {s.part}" if s.part else s.stage) for s in bars]
    title = _label(f"{why.docno} for “{why.query}”", 80)
    families, drawn = _fonts([*labels, title])
    *labels, title = drawn
    size = (7.2, 0.9 + 0.32 * max(1, len(bars)))
    figure = _figure_type()(figsize=size, layout="constrained")
    axis = figure.add_subplot()
    for place, step in enumerate(bars):
        start, end = step.start or 0.0, step.end or 0.0
        colour = _WHOLE if step.kind in ("sum", "lane") else _PLUS if end >= start else _MINUS
        axis.barh(place, end - start, left=start, color=colour, height=0.6)
        axis.annotate(
            value_text(step),
            (max(start, end), place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.set_yticks(range(len(bars)), labels)
    axis.invert_yaxis()
    axis.margins(x=0.2)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(length=0)
    axis.set_title(title, loc="left", fontsize=10)
    for text in (axis.title, axis._left_title, *axis.get_yticklabels()):  # type: ignore[attr-defined]
        text.set_fontfamily(families)
        text.set_parse_math(False)  # a dollar sign in a name is a dollar sign
    return figure
