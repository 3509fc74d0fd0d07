"""Forest plots: means with intervals, and paired differences from the baseline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import NotFoundError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vcplab.evaluation.board import Board

__all__ = ["figure_svg", "forest_plot"]

# Okabe and Ito's palette: told apart with every common colour blindness; shapes differ as well.
_BASE, _SURE, _OPEN = "#000000", "#0072B2", "#999999"
_LONGEST = 44
_CJK = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Noto Sans CJK JP",
    "Noto Sans CJK TC",
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
_PLAIN = "DejaVu Sans"  # comes with matplotlib


def forest_plot(comparison: Board, metric: str | None = None) -> Figure:
    """Means of all systems with intervals; beside them the differences from the baseline.

    Args:
        comparison: What to draw.
        metric: One of its metrics; the first if None.

    Returns:
        A figure that belongs to no window and no global state.

    Raises:
        NotFoundError: There is no such metric.
    """
    metric = metric or comparison.metrics[0]
    if metric not in comparison.metrics:
        raise NotFoundError(
            f"The comparison has no metric {metric!r}.",
            where="plot",
            next_step=f"Its metrics are: {', '.join(comparison.metrics)}.",
        )
    frame = comparison.to_frame()
    rows = frame[frame["metric"] == metric].to_dict("records")
    tested = any(row["p"] == row["p"] for row in rows)
    labels = [_label(name) for name in comparison.names]
    title = _label(comparison.title, 80)
    baseline = _label(comparison.baseline or "")
    families, drawn = _fonts([*labels, title, baseline])
    *labels, title, baseline = drawn
    height = 1.5 + 0.38 * len(rows)
    figure = _figure_type()(figsize=(7.2 if tested else 5.0, height), layout="constrained")
    axes = figure.subplots(1, 2 if tested else 1, sharey=True, squeeze=False)[0]
    places = list(range(len(rows)))[::-1]
    _panel(axes[0], rows, places, ("mean", "low", "high"), comparison.baseline)
    axes[0].set_yticks(places, labels)
    axes[0].set_ylim(-0.6, len(rows) - 0.4)
    axes[0].set_xlabel(f"{metric}, {comparison.plan.confidence:.0%} interval", parse_math=False)
    axes[0].set_title(title, loc="left", fontsize=10)
    if tested:
        others = [(r, p) for r, p in zip(rows, places, strict=True) if r["p"] == r["p"]]
        axes[1].axvline(0, color=_BASE, linewidth=0.8)
        _panel(
            axes[1],
            [row for row, _ in others],
            [place for _, place in others],
            ("delta", "delta_low", "delta_high"),
            None,
        )
        axes[1].set_xlabel(f"difference in {metric} from {baseline}")
        axes[1].set_title("filled: p < .05 after correction", loc="left", fontsize=10)
        axes[1].tick_params(left=False)
    for axis in axes:
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.grid(axis="x", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.locator_params(axis="x", nbins=5)
        axis.tick_params(length=0)
        for text in (axis.title, axis._left_title, axis.xaxis.label, *axis.get_yticklabels()):
            text.set_fontfamily(families)
            text.set_parse_math(False)  # a dollar sign in a name is a dollar sign
    return figure


def _panel(
    axis: Any,
    rows: Sequence[dict[Any, Any]],
    places: Sequence[int],
    columns: tuple[str, str, str],
    baseline: str | None,
) -> None:
    centre, low, high = columns
    for row, place in zip(rows, places, strict=True):
        sure = row["p_adjusted"] < 0.05
        is_base = baseline is not None and row["system"] == baseline
        colour = _BASE if is_base else _SURE if sure or centre == "mean" else _OPEN
        axis.plot([row[low], row[high]], [place, place], color=colour, linewidth=1.8)
        filled = centre == "mean" or sure
        axis.plot(
            [row[centre]],
            [place],
            marker="s" if is_base else "o",
            markersize=6,
            color=colour,
            markerfacecolor=colour if filled else "white",
            linestyle="none",
        )


@cache
def _figure_type() -> type[Figure]:
    """A figure that shows itself in notebooks: IPython draws matplotlib's own only with pyplot."""
    from matplotlib.figure import Figure

    class ForestPlot(Figure):
        def _repr_svg_(self) -> str:
            return _svg(self, "vcplab")

    return ForestPlot


def figure_svg(figure: Figure, salt: str = "vcplab") -> str:
    """A figure as an SVG element to be put into a page: nothing outside is referred to.

    Args:
        figure: The figure.
        salt: Makes the ids of several figures in one page differ; equal salts give equal bytes.
    """
    # Inside HTML the namespaces are implied; without them the page names no address at all.
    return re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", _svg(figure, salt))


def _svg(figure: Figure, salt: str) -> str:
    import io

    import matplotlib

    target = io.StringIO()
    # Outlines instead of fonts: the page looks the same where no Chinese font is installed.
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "path"}):
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    svg = target.getvalue()
    svg = svg[svg.index("<svg") :]
    return re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)


def _label(text: str, longest: int = _LONGEST) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _fonts(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Font families for these texts, and the texts with what no font can draw replaced."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    families = [_PLAIN]
    needed = {char for text in texts for char in text}
    known = set(get_font(findfont(FontProperties(family=_PLAIN))).get_charmap())
    if any(ord(char) not in known for char in needed):
        family = _cjk_family()
        if family is not None:
            families.append(family)
            known |= set(get_font(findfont(FontProperties(family=family))).get_charmap())
    drawn = ["".join(c if ord(c) in known else "□" for c in text) for text in texts]
    return families, drawn


@cache
def _cjk_family() -> str | None:
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    return next((family for family in _CJK if family in installed), None)
