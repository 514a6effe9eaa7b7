"""How every chart looks: colours that colour-blind readers tell apart, marks beside them, and the colour of the page's text."""

from typing import TYPE_CHECKING

from anyprefer.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Okabe and Ito 2008 without black and yellow, which vanish on a dark or a light page: blue, vermillion, green, purple, sky
blue, orange."""
MARKERS = ("o", "^", "s", "D", "v", "P")
"""One shape for each colour, so that nothing depends on colour alone: circle, triangle, square, diamond, triangle down, plus."""
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "+++")
"""One pattern for each colour, for areas."""
INK = "#010203"
"""Stands for the colour of the text around the chart: `to_svg` replaces it by `currentColor`. No palette colour comes near it."""
FAINT = 0.18
"""Opacity of grid lines."""


def new_figure(width_inches: float, height_inches: float) -> "tuple[Figure, Axes]":
    """Make an empty chart with a transparent background, ink lines and text, and a light grid behind the data.

    No pyplot: a figure belongs to its caller alone, needs no display and is freed with its last name.

    Raises:
        ConfigError: matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(f"charts need matplotlib ({error}): pip install 'anyprefer[report]'") from error
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=INK, alpha=FAINT, linewidth=0.6)
    axes.tick_params(which="both", colors=INK, labelsize=9)
    for name, spine in axes.spines.items():
        spine.set(color=INK, linewidth=0.8, visible=name in {"left", "bottom"})
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title, axes.xaxis.get_offset_text(), axes.yaxis.get_offset_text()):
        text.set_color(INK)
    return figure, axes
