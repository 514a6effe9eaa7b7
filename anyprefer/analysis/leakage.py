"""Benchmark items that stand in a training set, by the n-grams they share: a model trained on them cannot be tested on them.

Texts are compared as folded words, so that case, punctuation and line breaks hide nothing, and an item inside a longer text is
found. An item counts as leaked where a text holds at least `THRESHOLD` of its 8-grams (as PaLM was checked: Chowdhery et al.
2022, section 8).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.findings import LISTED, Finding
from anyprefer.data.columns import ROLES
from anyprefer.data.rows import read_rows
from anyprefer.errors import ConfigError, DataError
from anyprefer.wording import ngrams, words

Side = Literal["prompt", "chosen", "rejected"]
SIDES: tuple[Side, ...] = ("prompt", "chosen", "rejected")

QUESTION_FIELDS = (*ROLES["prompt"], *ROLES["input"], "text", "sentence", "goal", "ctx", "passage")
"""Names under which benchmarks keep what is asked."""
ANSWER_FIELDS = (*ROLES["reference"], "canonical_solution", "choices", "options")
"""Names under which they keep what is expected; an answer of a few words is in many texts, so only long ones are looked for."""

THRESHOLD = 0.7
"""Least share of an item's n-grams: some of them are lost where a text was shortened or mended."""
MIN_WORDS = 5
"""A shorter item would be found by chance."""
FREQUENT = 50
"""Most items that one n-gram points at: one in more items is part of a template, and the rest of an item finds it."""


class Match(Finding):
    """One text of the data that holds one item of the benchmark."""

    id: str
    """The pair's id."""
    side: Side
    """Where in the pair."""
    row: str
    """Where in the benchmark: its file and line."""
    field: str
    """Which column of the benchmark."""
    overlap: float
    """Share of the item's n-grams that the text holds, from `THRESHOLD` to 1."""


class Leakage(Finding):
    """What `find_leakage` found."""

    benchmark: str
    """The file's name."""
    n: int
    """Words of an n-gram."""
    threshold: float
    """Least share of an item's n-grams, 0 to 1."""
    items: int
    """Rows of the benchmark with a text that could be looked for."""
    too_short: int
    """Texts of the benchmark with fewer than `MIN_WORDS` words, which were not."""
    pairs: int
    """Pairs of the data."""
    leaked_items: int
    """Rows of the benchmark found in the data."""
    leaked_pairs: int
    """Pairs that hold at least one of them."""
    sides: dict[Side, int]
    """Side -> pairs that hold an item there."""
    matches: tuple[Match, ...]
    """The first `LISTED`, in the order of the data; each item is listed once for each text."""
    total_matches: int
    """How many there are."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Any leak is one too many."""
        if not self.leaked_pairs:
            return ()
        text = (
            f"{self.leaked_pairs} of {self.pairs} pairs hold {self.leaked_items} of {self.items} items of {self.benchmark} "
            f"(first: pair {self.matches[0].id}, {self.matches[0].side}): a model trained on them has seen the test; drop these "
            "pairs"
        )
        return (text,)


def find_leakage(data: Dataset, benchmark: Path, n: int = 8) -> Leakage:
    """Look for a benchmark's questions and long answers in all texts of the pairs.

    Args:
        data: The pairs.
        benchmark: A file or folder that holds the benchmark's rows; see `anyprefer.data.rows.read_rows`.
        n: Words of an n-gram, at least `MIN_WORDS`. Fewer find more paraphrases and more chance matches.

    Raises:
        DataError: The benchmark cannot be read, or has no text to look for.
        ConfigError: n is too small.
    """
    if n < MIN_WORDS:
        raise ConfigError(f"n = {n!r} words are found by chance: give at least {MIN_WORDS}; 8 is usual")
    index = _read_index(benchmark, n)
    found = [list(_search(pair, index)) for pair in data.pairs]
    matches = [match for in_pair in found for match in in_pair]
    sides = {side: sum(any(match.side == side for match in in_pair) for in_pair in found) for side in SIDES}
    return Leakage(
        benchmark=benchmark.name, n=n, threshold=THRESHOLD, items=len({item.row for item in index.items}),
        too_short=index.too_short, pairs=len(data), leaked_items=len({match.row for match in matches}),
        leaked_pairs=sum(map(bool, found)), sides=sides, matches=tuple(matches[:LISTED]), total_matches=len(matches),
    )  # fmt: skip


@dataclass(frozen=True)
class _Item:
    """One text of the benchmark as the hashes of its n-grams; of one shorter than n words, it is the only one."""

    row: str
    field: str
    n: int
    grams: frozenset[int]


@dataclass
class _Index:
    """All items, and in which of them each n-gram stands."""

    n: int
    items: list[_Item] = field(default_factory=list)
    places: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    lengths: set[int] = field(default_factory=set)
    too_short: int = 0

    def add(self, row: str, name: str, text: str) -> None:
        found = words(text)
        if len(found) < MIN_WORDS:
            self.too_short += 1
            return
        n = min(self.n, len(found))
        grams = frozenset(map(hash, ngrams(found, n)))
        for gram in grams:
            if len(self.places[gram]) < FREQUENT:
                self.places[gram].append(len(self.items))
        self.items.append(_Item(row, name, n, grams))
        self.lengths.add(n)


def _read_index(benchmark: Path, n: int) -> _Index:
    index = _Index(n)
    for where, row in read_rows(benchmark):
        for name, text in _texts(row, n):
            index.add(where, name, text)
    if not index.items:
        raise DataError(
            f"benchmark {str(benchmark)!r} has no text of {MIN_WORDS} words or more under one of {', '.join(QUESTION_FIELDS)}: "
            "rename its columns, or give another file"
        )
    return index


def _texts(row: Mapping[str, Any], n: int) -> Iterator[tuple[str, str]]:
    """What a row asks, and those of its answers that are long enough to be no coincidence."""
    for name in QUESTION_FIELDS:
        if text := _flatten(row.get(name)):
            yield name, text
    for name in ANSWER_FIELDS:
        text = _flatten(row.get(name))
        if len(words(text)) >= n:
            yield name, text


def _flatten(value: Any) -> str:
    """Text, a list of texts or messages, or `{text: [...]}`, as one text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return "\n".join(part for item in value if (part := _flatten(item)))
    if isinstance(value, Mapping):
        return _flatten(value.get("content") or value.get("text"))
    return ""


def _search(pair: TextPair, index: _Index) -> Iterator[Match]:
    for side in SIDES:
        found = words(getattr(pair, side))
        grams = {hash(gram) for n in index.lengths for gram in ngrams(found, n)}
        for place in sorted(_candidates(grams, index)):
            item = index.items[place]
            overlap = len(item.grams & grams) / len(item.grams)
            if overlap >= THRESHOLD:
                yield Match(id=pair.id, side=side, row=item.row, field=item.field, overlap=overlap)


def _candidates(grams: set[int], index: _Index) -> set[int]:
    """The items that share an n-gram with a text."""
    return {place for gram in grams for place in index.places.get(gram, ())}
