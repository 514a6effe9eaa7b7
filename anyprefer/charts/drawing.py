"""Bars, histograms and lines; every one gives the picture and the table of what it shows."""

import itertools
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anyprefer.charts.chart import Chart
from anyprefer.charts.palette import COLOURS, HATCHES, INK, new_figure
from anyprefer.charts.svg import to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 6.4, 3.2
"""Inches; two charts stand side by side on a wide page."""


@dataclass(frozen=True)
class Plan:
    """What a chart is called and how its axes are.

    Attributes:
        key: Unique on a page; begins with a letter.
        title: What it shows.
        summary: What it says, in a sentence.
        x: Label of the horizontal axis, with its unit; also the head of the table's first column.
        y: Likewise of the vertical axis.
        digits: Decimals in the table.
        top: Where the vertical axis ends; None fits the data.
    """

    key: str
    title: str
    summary: str
    x: str
    y: str
    digits: int = 0
    top: float | None = None


@dataclass
class _Sheet:
    """A figure in the making."""

    plan: Plan
    figure: Any = field(init=False)
    axes: "Axes" = field(init=False)

    def __post_init__(self) -> None:
        self.figure, self.axes = new_figure(WIDTH, HEIGHT)
        self.axes.set_xlabel(self.plan.x)
        self.axes.set_ylabel(self.plan.y)
        self.axes.locator_params(axis="y", integer=not self.plan.digits)

    def finish(self, labels: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> Chart:
        """Add legend and limits, and make the table."""
        if self.plan.top is not None:
            self.axes.set_ylim(0, self.plan.top)
        if len(series) > 1:
            self.figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9, labelcolor=INK, handlelength=1.6)
        plan = self.plan
        rows = tuple(
            (label, *("" if value is None else f"{value:,.{plan.digits}f}" for value in values))
            for label, *values in zip(labels, *series.values(), strict=True)
        )
        svg = to_svg(self.figure, key=plan.key, label=f"{plan.title}. {plan.summary}")
        return Chart(plan.title, plan.summary, svg, (plan.x, *series), rows)


def bar_chart(plan: Plan, labels: Sequence[str], series: Mapping[str, Sequence[float | None]], *, stacked: bool = False) -> Chart:
    """Bars for each label, one for each series, side by side or on top of each other.

    Args:
        plan: Title, axes and units.
        labels: One for each group of bars; they may be texts from data.
        series: Name -> a value for each label; None draws nothing.
        stacked: One bar for each label, with the series on top of each other.
    """
    sheet = _Sheet(plan)
    width = 0.8 if stacked else 0.8 / max(len(series), 1)
    floor = [0.0] * len(labels)
    for number, (name, values) in enumerate(series.items()):
        heights = [value or 0.0 for value in values]
        shift = 0.0 if stacked else (number - (len(series) - 1) / 2) * width
        at = [place + shift for place in range(len(labels))]
        sheet.axes.bar(at, heights, width, bottom=floor if stacked else 0, label=name, **_area(number))
        floor = [below + height for below, height in zip(floor, heights, strict=True)] if stacked else floor
    sheet.axes.set_xticks(range(len(labels)), [_short(label) for label in labels])
    return sheet.finish(labels, series)


def histogram(plan: Plan, edges: Sequence[float], series: Mapping[str, Sequence[float]], *, share: bool = False) -> Chart:
    """How often values fall between edges, as bars side by side.

    Args:
        plan: Title, axes and units.
        edges: In rising order; the last bin holds its upper edge, and values outside count in the bin next to them. Edges at
            halves, one apart, make bins of whole numbers, which the table calls by those.
        series: Name -> values.
        share: Percent of the series instead of counts, so that series of unlike sizes can be compared.
    """
    counts = {name: _count(values, edges, share=share) for name, values in series.items()}
    labels = _bin_labels(edges)
    sheet = _Sheet(plan)
    sheet.axes.locator_params(axis="x", integer=True)
    bin_width = edges[1] - edges[0]
    width = 0.92 * bin_width / max(len(series), 1)
    for number, (name, heights) in enumerate(counts.items()):
        at = [edge + 0.04 * bin_width + (number + 0.5) * width for edge in edges[:-1]]
        sheet.axes.bar(at, heights, width, label=name, **_area(number))
    return sheet.finish(labels, counts)


def _area(number: int) -> dict[str, Any]:
    """Colour and pattern of a series; the pattern is drawn in the edge's colour."""
    return {
        "color": COLOURS[number % len(COLOURS)], "hatch": HATCHES[number % len(HATCHES)], "edgecolor": INK, "linewidth": 0.5,
    }  # fmt: skip


def _count(values: Sequence[float], edges: Sequence[float], *, share: bool) -> list[float]:
    counts = [0.0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    return [100 * count / len(values) for count in counts] if share and values else counts


def _bin_labels(edges: Sequence[float]) -> list[str]:
    if all(edge % 1 == 0.5 for edge in edges) and all(high - low == 1 for low, high in itertools.pairwise(edges)):
        return [f"{low + 0.5:g}" for low in edges[:-1]]
    last = len(edges) - 2
    return [
        f"{low:g} to {'' if number == last else 'below '}{high:g}" for number, (low, high) in enumerate(itertools.pairwise(edges))
    ]


def _short(label: str) -> str:
    return label if len(label) <= 18 else f"{label[:17]}…"
