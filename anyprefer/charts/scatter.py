"""Maps of points: several datasets in one plane."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from anyprefer.charts.chart import Chart
from anyprefer.charts.palette import COLOURS, INK, MARKERS, new_figure
from anyprefer.charts.svg import to_svg

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SIZE_INCHES = (7.0, 5.0)
MANY_POINTS = 3000
"""More than these become one picture inside the SVG: each point is about 100 bytes and an element that the page must draw."""
DOTS_PER_INCH = 150
"""Of that picture and of PNG files: sharp at the size of a page."""
_PAGE_INK = "#24292f"


def scatter_map(title: str, summary: str, groups: "Mapping[str, NDArray[np.float64]]", *, key: str = "map") -> Chart:
    """Draw points of several groups, each with its own colour and shape; the table has where each group lies.

    Args:
        title: What it shows.
        summary: What it says, in a sentence.
        groups: Name to `[n, 2]`; the first ones, up to the number of colours, differ in colour and shape, later ones in one of
            them at least.
        key: Before the SVG's ids, another one for each chart of a page.
    """
    svg = to_svg(_draw(groups), key=key, label=f"{title}. {summary}")
    rows = tuple(
        (name, str(len(points)), *(f"{value:.1f}" for value in (*points.mean(axis=0), *points.std(axis=0))))
        for name, points in groups.items()
        if len(points)
    )
    return Chart(title, summary, svg, ("Dataset", "Points", "Mean x", "Mean y", "Spread x", "Spread y"), rows)


def write_png(path: Path, title: str, groups: "Mapping[str, NDArray[np.float64]]") -> None:
    """Write the same map as a PNG with a white background, for places that take no SVG: a dataset's card."""
    from matplotlib.text import Text

    figure = _draw(groups, ink=_PAGE_INK)
    figure.axes[0].set_title(title, color=_PAGE_INK, fontsize=11)
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    figure.savefig(path, format="png", dpi=DOTS_PER_INCH, facecolor="white", metadata={"Software": None})


def _draw(groups: "Mapping[str, NDArray[np.float64]]", ink: str = INK) -> "Figure":
    figure, axes = new_figure(*SIZE_INCHES)
    total = sum(map(len, groups.values()))
    for number, (name, points) in enumerate(groups.items()):
        # After one turn through the colours the shapes move on by one, so that every pair of them comes up once.
        shape = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
        axes.scatter(
            points[:, 0], points[:, 1], s=18 if total <= 1000 else 9, c=COLOURS[number % len(COLOURS)], marker=shape,
            alpha=0.9, linewidths=0, label=name, rasterized=total > MANY_POINTS,
        )  # fmt: skip
    axes.set_xticks([])  # positions and distances on the map mean nothing in numbers
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=ink, alpha=0.4)
    figure.set_dpi(DOTS_PER_INCH)
    if groups:
        legend = figure.legend(loc="outside lower center", ncols=min(3, len(groups)), frameon=False, labelcolor=ink, fontsize=9)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    return figure
