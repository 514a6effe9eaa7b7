"""Texts that stand in a dataset more than once: repeated prompts, boilerplate answers, whole pairs, and pairs that contradict.

Near duplicates are found with MinHash and locality-sensitive hashing (Broder 1997; Indyk and Motwani 1998), then verified by the
exact Jaccard similarity of their shingles, so that a group holds no false member.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.findings import LISTED, Finding, Listed
from anyprefer.errors import ConfigError
from anyprefer.wording import SHORT_WORDS, fold, jaccard, shingles, words

MIN_WORDS = 5
"""Responses with fewer words are not compared: "42" and "Paris." recur because questions do, and that is no defect."""
PERMUTATIONS = 128
"""Hashes of a MinHash. With `WEIGHTS` and a threshold of 0.7, texts that are exactly that similar are found 98 times in a
hundred, and those of 0.75 always but twice in a thousand."""
WEIGHTS = (0.02, 0.98)
"""How bad a false candidate and a missed one are: a false one costs a comparison, as every candidate is verified."""
MAX_CANDIDATES = 200
"""Candidates that are verified for one text: thousands of texts on one template would otherwise take quadratic time."""
MAX_PROMPT_SHARE = 0.02
"""Share of rows with a repeated prompt from which a warning is worth it."""
MAX_RESPONSE_SHARE = 0.05
"""Likewise of responses: a few fixed phrases are normal."""

_DIGITS = re.compile(r"\d+")


class DuplicateGroup(Finding):
    """Rows that say the same."""

    size: int
    """Number of rows."""
    ids: tuple[str, ...]
    """The first rows' ids, in the order of the data; the first is the one to keep."""
    exact: bool
    """Whether all are equal after folding case, white space and Unicode."""


class FieldDuplicates(Finding):
    """The duplicates in one field."""

    rows: int
    """Rows compared."""
    too_short: int
    """Rows left out because a response has fewer than `MIN_WORDS` words; always 0 for prompts and pairs."""
    exact_groups: int
    """Groups of two or more equal texts."""
    exact_surplus: int
    """Rows that would go if one of each of those groups were kept."""
    near_groups: int
    """Groups with at least two different texts that are near duplicates."""
    surplus: int
    """Rows that would go if one of each group, exact or near, were kept."""
    boilerplate: int
    """Of a response: rows that would go if each group's text stood under one prompt only; 0 for prompts and pairs. Prompts that
    repeat bring their responses along, which is no boilerplate."""
    groups: tuple[DuplicateGroup, ...]
    """The largest `LISTED` groups."""


class Duplicates(Finding):
    """What `find_duplicates` found."""

    rows: int
    """Pairs of the dataset."""
    threshold: float
    """Least Jaccard similarity of near duplicates, 0 to 1."""
    prompts: FieldDuplicates
    """A prompt may stand in several pairs on purpose; its pairs must then stay on one side of a split."""
    chosen: FieldDuplicates
    """Boilerplate that is always preferred."""
    rejected: FieldDuplicates
    """Boilerplate that is always dispreferred."""
    pairs: FieldDuplicates
    """Rows whose prompt, chosen and rejected are all duplicates of another row's."""
    contradictions: Listed
    """Pairs whose prompt and responses stand elsewhere with the sides exchanged: one of the two labels is wrong."""
    same_sides: Listed
    """Pairs whose chosen and rejected are equal after folding: nothing can be learnt from them."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Duplicates that change what a training sees."""
        return tuple(self._found())

    def _found(self) -> Iterator[str]:
        if self.pairs.surplus:
            yield (
                f"{self.pairs.surplus} of {self.rows} pairs repeat another pair (first: {self.pairs.groups[0].ids[0]}): they "
                "count double in training and leak into a validation split; keep one of each group"
            )
        if self.prompts.surplus > MAX_PROMPT_SHARE * self.rows:
            yield (
                f"{self.prompts.surplus} of {self.rows} prompts repeat another one: split training and validation by prompt, or "
                "keep one pair for each"
            )
        for side, found in (("chosen", self.chosen), ("rejected", self.rejected)):
            if found.boilerplate > MAX_RESPONSE_SHARE * self.rows:
                yield (
                    f"{found.boilerplate} of {found.rows} {side} responses repeat one to another prompt: training learns the "
                    f"phrase instead of the preference; drop most of the largest group ({found.groups[0].size} rows, first: "
                    f"{found.groups[0].ids[0]})"
                )
        if self.contradictions.total:
            yield (
                f"{self.contradictions.total} pairs stand in the data with both labels ({self.contradictions.name()}): their "
                "gradients cancel; decide for one, or drop both"
            )
        if self.same_sides.total:
            yield (
                f"{self.same_sides.total} pairs have the same text on both sides ({self.same_sides.name()}): drop them, since "
                "they hold no preference"
            )


def find_duplicates(data: Dataset, threshold: float = 0.7) -> Duplicates:
    """Find exact and near duplicates of prompts, responses and whole pairs.

    Args:
        data: The pairs.
        threshold: Least Jaccard similarity of near duplicates, above 0 and at most 1. 0.7 forgives one changed word in a
            text of 19, two in 36, and finds nothing among 800 problems of GSM8K, which resemble each other.

    Raises:
        ConfigError: The extra is missing, or the threshold is out of range.
    """
    pairs = data.pairs
    prompts = group_texts([pair.prompt for pair in pairs], threshold)
    chosen = group_texts([pair.chosen for pair in pairs], threshold)
    rejected = group_texts([pair.rejected for pair in pairs], threshold)
    folded = [(fold(pair.prompt), fold(pair.chosen), fold(pair.rejected)) for pair in pairs]
    known = set(folded)
    swapped = [pair.id for pair, (p, c, r) in zip(pairs, folded, strict=True) if c != r and (p, r, c) in known]
    every = range(len(pairs))
    return Duplicates(
        rows=len(pairs), threshold=threshold, prompts=_summarize(pairs, every, prompts, [f[0] for f in folded], prompts),
        chosen=_summarize(pairs, _long_enough(pair.chosen for pair in pairs), chosen, [f[1] for f in folded], prompts),
        rejected=_summarize(pairs, _long_enough(pair.rejected for pair in pairs), rejected, [f[2] for f in folded], prompts),
        pairs=_summarize(pairs, every, list(zip(prompts, chosen, rejected, strict=True)), folded, prompts),
        contradictions=Listed.of(swapped),
        same_sides=Listed.of([pair.id for pair, (_, c, r) in zip(pairs, folded, strict=True) if c == r]),
    )  # fmt: skip


def group_texts(texts: Sequence[str], threshold: float = 0.7) -> list[int]:
    """The number of each text's group: the same for texts that are equal after folding, or linked by near duplicates.

    In a text below `SHORT_WORDS` words a number says what the text is about, so near duplicates have the same numbers there.

    Raises:
        ConfigError: The extra is missing, or the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"duplicate threshold = {threshold!r}: give a similarity above 0 and at most 1, such as 0.7")
    numbers: dict[str, int] = {}
    places = [numbers.setdefault(fold(text), len(numbers)) for text in texts]
    distinct = list(numbers)
    union = _Union(list(range(len(distinct))))
    if threshold < 1:
        _link_near(distinct, threshold, union)
    return [union.root(place) for place in places]


@dataclass
class _Union:
    """Disjoint sets of numbers; the root is the least of its set."""

    parents: list[int]

    def root(self, item: int) -> int:
        while self.parents[item] != item:
            self.parents[item] = self.parents[self.parents[item]]
            item = self.parents[item]
        return item

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self.root(first), self.root(second)))
        self.parents[high] = low


def _link_near(texts: Sequence[str], threshold: float, union: _Union) -> None:
    """Join the groups of near duplicates among different texts, each compared with those before it."""
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        raise ConfigError("finding near duplicates needs datasketch: pip install 'anyprefer[analyze]'") from None
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, weights=WEIGHTS)
    parts = [shingles(text) for text in texts]
    coded = ([crc32(part.encode("utf-8", "surrogatepass")) for part in part_set] for part_set in parts)
    sketches = MinHash.generator(coded, num_perm=PERMUTATIONS, hashfunc=_identity)
    for place, sketch in enumerate(sketches):
        numbers = _numbers(texts[place])
        for other in sorted(index.query(sketch))[:MAX_CANDIDATES]:
            if union.root(other) == union.root(place) or _numbers(texts[other]) != numbers:
                continue
            if jaccard(parts[place], parts[other]) >= threshold:
                union.join(place, other)
        index.insert(place, sketch)


def _identity(value: int) -> int:
    return value


def _numbers(text: str) -> tuple[str, ...]:
    """The numbers of a short text; none of a long one, where a different number is a detail."""
    found = words(text) if len(text) < 200 else []
    return tuple(sorted(_DIGITS.findall(" ".join(found)))) if 0 < len(found) < SHORT_WORDS else ()


def _long_enough(texts: Iterable[str]) -> list[int]:
    return [row for row, text in enumerate(texts) if len(words(text)) >= MIN_WORDS]


def _summarize(
    pairs: Sequence[TextPair],
    rows: Sequence[int],
    groups: Sequence[Hashable],
    folded: Sequence[Hashable],
    prompts: Sequence[int],
) -> FieldDuplicates:
    by_group: dict[Hashable, list[int]] = defaultdict(list)
    by_text: dict[Hashable, int] = defaultdict(int)
    for row in rows:
        by_group[groups[row]].append(row)
        by_text[folded[row]] += 1
    found = sorted((group for group in by_group.values() if len(group) > 1), key=lambda group: (-len(group), group[0]))
    near = [len({folded[row] for row in group}) > 1 for group in found]
    repeated = [number for number in by_text.values() if number > 1]
    listed = [
        DuplicateGroup(size=len(group), ids=tuple(pairs[row].id for row in group[:LISTED]), exact=not is_near)
        for group, is_near in zip(found[:LISTED], near, strict=False)
    ]
    return FieldDuplicates(
        rows=len(rows), too_short=len(pairs) - len(rows), exact_groups=len(repeated), exact_surplus=sum(repeated) - len(repeated),
        near_groups=sum(near), surplus=sum(map(len, found)) - len(found), groups=tuple(listed),
        boilerplate=sum(len({prompts[row] for row in group}) - 1 for group in found),
    )  # fmt: skip
