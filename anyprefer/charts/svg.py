"""From a matplotlib figure to an `<svg>` element that can stand in any page, light or dark, beside others of its kind."""

import io
import re
import warnings
from html import escape
from typing import TYPE_CHECKING

from anyprefer.charts.palette import INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TAG = re.compile(r"<[^>]*>")  # matplotlib escapes ">" in attributes and in text
_NAME = re.compile(r'(\bid="|href="#|url\(#)')
_FONTS = re.compile(r"'DejaVu Sans'[^;\"]*")


def to_svg(figure: "Figure", *, key: str, label: str) -> str:
    """Draw a figure as SVG text, the same bytes for the same figure.

    Text stays text. What is drawn in `INK` takes the colour of the page's text. There is no prolog, script, style sheet or date.
    A `$` in a label is a dollar: nothing is read as mathematics, so a logarithmic axis needs a formatter that writes plain text.

    Args:
        figure: As `new_figure` made it, and filled.
        key: Goes before every id of the element, so that charts of one page do not share ids: letters, digits, `-` and `_`.
        label: What the chart says, for whoever does not see it.

    Raises:
        ValueError: The key cannot begin an id.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"a chart's key is a letter and then letters, digits, - and _, got {key!r}")
    drawn = _draw(figure, key)
    body = drawn[drawn.index(">", drawn.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", body, count=2, flags=re.DOTALL)
    body = _TAG.sub(lambda tag: _FONTS.sub("sans-serif", _NAME.sub(rf"\g<1>{key}-", tag[0].replace(INK, "currentColor"))), body)
    width, height = (f"{72 * inches:g}" for inches in figure.get_size_inches())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}" '
        f'width="{width}pt" height="{height}pt" role="img" aria-labelledby="{key}-title" stroke-linejoin="round" '
        f'stroke-linecap="butt">\n<title id="{key}-title">{escape(label)}</title>\n{body.strip()}\n'
    )


def _draw(figure: "Figure", salt: str) -> str:
    import matplotlib as mpl
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    buffer = io.StringIO()
    plain = mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "text.parse_math": False})
    with plain, warnings.catch_warnings():
        # The reader's fonts draw the text; that matplotlib's own lacks a letter only makes its width a guess.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
