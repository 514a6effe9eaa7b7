"""Two texts with their differences marked, as HTML that is safe to show."""

import difflib
import re

from markupsafe import Markup

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


def marked(first: str, second: str) -> tuple[Markup, Markup]:
    """Two texts as HTML, escaped, with the words that only one of them has in `<mark>`."""
    a, b = _WORDS.findall(first), _WORDS.findall(second)
    sides: tuple[list[Markup], list[Markup]] = ([], [])
    for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for side, words in zip(sides, (a[a0:a1], b[b0:b1]), strict=True):
            text = Markup.escape("".join(words))
            side.append(text if kind == "equal" or not text.strip() else Markup("<mark>{}</mark>").format(text))
    return Markup("").join(sides[0]), Markup("").join(sides[1])
