"""How texts are compared: folded, as words, as shingles. One reading for all that compares, so that numbers fit together."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""A run of letters and digits; a Chinese or Japanese sign is a word of its own, as these scripts have no spaces."""

WORD_SHINGLE = 3
"""Words: long enough to keep their order, short enough that one changed word in thirty leaves 0.8 of the shingles."""
LETTER_SHINGLE = 4
SHORT_WORDS = 10
"""Below this many words, shingles are of letters: a sentence of eight words has only six word shingles."""


def fold(text: str) -> str:
    """The text without differences of case, white space and Unicode form (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> list[str]:
    """The words of a text, folded, without punctuation."""
    return _WORD.findall(fold(text))


def shingles(text: str) -> frozenset[str]:
    """What near duplicates share: runs of three words, or, in a text below `SHORT_WORDS` words, of four letters."""
    found = words(text)
    if len(found) >= SHORT_WORDS:
        return frozenset(ngrams(found, WORD_SHINGLE))
    line = " ".join(found)
    return frozenset(line[i : i + LETTER_SHINGLE] for i in range(max(1, len(line) - LETTER_SHINGLE + 1)))


def ngrams(found: Sequence[str], n: int) -> Iterable[str]:
    """Runs of n words; none where there are fewer."""
    return (" ".join(found[i : i + n]) for i in range(len(found) - n + 1))


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Shared parts over all parts, 0 to 1."""
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared) if shared else 0.0


def overlap_f1(first: Sequence[str], second: Sequence[str]) -> float:
    """F1 of two bags of words, 0 to 1: the harmonic mean of what each has of the other (as SQuAD scores answers)."""
    shared = (Counter(first) & Counter(second)).total()
    return 2 * shared / (len(first) + len(second)) if shared else 0.0


def likeness(first: str, second: str) -> float:
    """How alike two texts are, 0 to 1: F1 of their words; of three-letter runs where one has fewer than `SHORT_WORDS` words."""
    left, right = words(first), words(second)
    if min(len(left), len(right)) >= SHORT_WORDS:
        return overlap_f1(left, right)
    return overlap_f1(_letter_runs(left), _letter_runs(right))


def _letter_runs(found: Sequence[str]) -> list[str]:
    line = f" {' '.join(found)} "
    return [line[i : i + 3] for i in range(max(1, len(line) - 2))]
