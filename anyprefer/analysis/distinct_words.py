"""Diversity of words, which needs no model: distinct-n (Li et al. 2016)."""

import re
from collections.abc import Iterable, Iterator

_WORD = re.compile(r"\w+")


def count_words(texts: Iterable[str]) -> int:
    """Runs of letters and digits in all texts."""
    return sum(1 for text in texts for _ in _WORD.finditer(text))


def measure_distinct(texts: Iterable[str], words: int) -> tuple[float, float, float]:
    """Shares of different 1-, 2- and 3-grams among all of them, in lower case, each within one text: 0 to 1.

    The share falls with every further word, so sets compare only at the same number of words.

    Args:
        texts: Read in their order.
        words: Words to read; the rest does not count.
    """
    cut = list(_cut(texts, words))
    shares = []
    for size in (1, 2, 3):
        grams = [tuple(text[i : i + size]) for text in cut for i in range(len(text) - size + 1)]
        shares.append(len(set(grams)) / len(grams) if grams else 0.0)
    return shares[0], shares[1], shares[2]


def _cut(texts: Iterable[str], words: int) -> Iterator[list[str]]:
    for text in texts:
        if words <= 0:
            return
        found = _WORD.findall(text.lower())[:words]
        words -= len(found)
        yield found
