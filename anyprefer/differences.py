"""Two texts with their differences marked, as HTML that is safe to show."""

import difflib
import re
from collections.abc import Iterator, Sequence

from markupsafe import Markup

MOST_PAIRS = 4_000_000
"""Of words held against each other, half a second at worst; of longer texts all between equal ends is marked."""

_WORDS = re.compile(r"(?:\w+|[^\w\s])\s*|\s+")


def marked(first: str, second: str) -> tuple[Markup, Markup]:
    """Two texts as HTML, escaped, with the words that only one of them has in `<mark>`; white space makes no difference."""
    a, b = _WORDS.findall(first), _WORDS.findall(second)
    sides: tuple[list[Markup], list[Markup]] = ([], [])
    for is_equal, *ranges in _runs([word.strip() for word in a], [word.strip() for word in b]):
        for side, words, (start, end) in zip(sides, (a, b), ranges, strict=True):
            text = "".join(words[start:end])
            inner = text.rstrip()
            rest = text[len(inner) :]
            side.append(Markup.escape(text) if is_equal or not inner else Markup("<mark>{}</mark>{}").format(inner, rest))
    return Markup("").join(sides[0]), Markup("").join(sides[1])


def _runs(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[bool, tuple[int, int], tuple[int, int]]]:
    """Whether the words of a range are equal in both, and the range in each."""
    start = _num_shared(a, b)
    end = _num_shared(a[start:][::-1], b[start:][::-1])
    yield True, (0, start), (0, start)
    rest_a, rest_b = a[start : len(a) - end], b[start : len(b) - end]
    if len(rest_a) * len(rest_b) > MOST_PAIRS:
        yield False, (start, len(a) - end), (start, len(b) - end)
    else:
        for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, rest_a, rest_b, autojunk=False).get_opcodes():
            yield kind == "equal", (start + a0, start + a1), (start + b0, start + b1)
    yield True, (len(a) - end, len(a)), (len(b) - end, len(b))


def _num_shared(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words both begin with."""
    return next((place for place, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
