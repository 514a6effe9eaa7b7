"""How diverse preference datasets are, and whether one lies where others do.

Paper: section 3.7 (a t-SNE map in which Anyprefer-V1 covers other datasets) and appendix C (the condition number of the
covariance of 500 embedded examples, smaller for more diverse data: 1390.15 against 1560.70). The appendix does not say how a
covariance without full rank has one, so each measure's definition stands in the result, and measures that need no such choice
stand beside it.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import TYPE_CHECKING

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.distinct_words import count_words, measure_distinct
from anyprefer.analysis.subsampling import Estimate
from anyprefer.analysis.tsne_map import TsneMap, make_map
from anyprefer.backends.text_encoders import TextEncoder
from anyprefer.errors import ConfigError, DataError
from anyprefer.types import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_PAIRS = 10
"""Fewer are listed but not measured: every measure would say how few they are."""
FEW_PAIRS = 100
"""From here on intervals are narrow enough to compare datasets by."""
VIEWS = {"prompt": ("prompt",), "responses": ("chosen", "rejected"), "pair": ("prompt", "chosen", "rejected")}
"""Fields of a pair whose vectors stand side by side in each view."""

DEFINITIONS = {
    "condition_number": "Largest over smallest non-zero eigenvalue of the sample covariance (mean removed, n - 1). Non-zero: "
    "a singular value above max(n, d) x 1.19e-7 (float32's rounding) of the largest one with the mean. Smaller means more even "
    "directions. It depends on n/d: compare at equal n and d only.",
    "plain_condition_number": "numpy.linalg.cond of the d x d covariance. With n <= d the smallest eigenvalue is rounding "
    "error, and so is this number.",
    "row_condition_number": "numpy.linalg.cond of numpy.cov(X), whose default takes the n samples as variables: another reading "
    "of the paper. With d <= n it is rounding error.",
    "shrunk_condition_number": "Largest over smallest of all d eigenvalues after Ledoit and Wolf's (2004) shrinkage, which makes "
    "the covariance full rank.",
    "effective_rank": "exp of the entropy of the singular values of X without its mean, as shares (Roy and Vetterli 2007).",
    "participation_ratio": "Squared sum of the covariance's eigenvalues over the sum of their squares.",
    "vendi": "exp of the entropy of the eigenvalues of K/n, K the cosine similarities (Friedman and Dieng 2023): how many wholly "
    "different items would be as diverse; 1 to n.",
    "mean_distance": "Mean cosine distance of two items.",
    "nearest_distance": "Mean cosine distance of an item to its nearest other.",
    "near_duplicates": "Share of items with another at a cosine similarity of 0.95 or more.",
    "distinct": "Different 1-, 2- and 3-grams of words over all of them (Li et al. 2016), in the first `words` words.",
    "coverage": "Share of a set's items with an item of the covering set within the distance of their own 5th nearest neighbour "
    "(Naeem et al. 2020). `expected` is what two samples of one distribution have.",
    "interval": "95 %, from random four fifths of the items without repetition (delete-d jackknife): drawing with replacement "
    "repeats items, which lowers diversity.",
    "view": "Vectors of one text have length 1. `responses` puts those of chosen and rejected side by side, `pair` those of "
    "prompt, chosen and rejected.",
}


class ViewDiversity(Value):
    """One view of one dataset."""

    view: str
    """`prompt`, `responses` or `pair`."""
    n: int
    """Pairs measured, the same for all datasets of a comparison."""
    d: int
    """Features: the encoder's dimensions times the view's fields."""
    rank: int
    """Eigenvalues of the covariance that count as non-zero, at most the smaller of n - 1 and d."""
    truncated: float
    """Share of the texts that are longer than the encoder reads."""
    condition_number: Estimate | None
    """None where all vectors are equal."""
    plain_condition_number: float | None
    """None where infinite."""
    row_condition_number: float | None
    """None where infinite."""
    shrunk_condition_number: Estimate | None
    effective_rank: Estimate | None
    participation_ratio: Estimate | None
    vendi: Estimate | None
    mean_distance: Estimate | None
    nearest_distance: Estimate | None
    near_duplicates: Estimate | None
    distinct: tuple[float, float, float]
    """Distinct-1, -2 and -3."""
    words: int
    """Words that `distinct` read, the same for all datasets of a comparison."""


class DatasetDiversity(Value):
    """All views of one dataset."""

    name: str
    size: int
    """Pairs that it has, of which `n` were drawn."""
    views: tuple[ViewDiversity, ...]
    """Empty where it has fewer than `MIN_PAIRS`."""


class Coverage(Value):
    """How much of one dataset lies where another does."""

    view: str
    covering: str
    covered: str
    share: Estimate | None
    expected: float
    """What two samples of one distribution of this size have."""


class Diversity(Value):
    """One dataset, or several at equal n and d."""

    encoder: str
    encoder_digest: str
    max_tokens: int
    """Tokens of a text that the encoder reads."""
    size: int
    """n; 0 where no dataset has enough pairs."""
    resamples: int
    seed: int
    definitions: dict[str, str]
    """Of each measure."""
    datasets: tuple[DatasetDiversity, ...]
    coverage: tuple[Coverage, ...]
    """Both directions of every two datasets, in each view."""
    map: TsneMap | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before comparing numbers."""
        return (*self._size_warnings(), *self._view_warnings(), *self._interval_warnings(), *self._verdict_warnings())

    def _size_warnings(self) -> Iterator[str]:
        for dataset in self.datasets:
            if not dataset.views:
                yield f"{dataset.name} has {dataset.size} pairs: diversity is measured from {MIN_PAIRS} on"
        if 0 < self.size < FEW_PAIRS:
            yield f"{self.size} pairs are few: diversity grows with their number, and the intervals are wide"

    def _view_warnings(self) -> Iterator[str]:
        measured = [view for dataset in self.datasets for view in dataset.views]
        if narrow := sorted({f"{view.view} (d = {view.d})" for view in measured if view.n < 2 * view.d}):
            yield (
                f"n = {self.size} is less than twice d in {', '.join(narrow)}: the condition number follows n/d more than the "
                "data there, steeply near n = d, and where n <= d the plain one is rounding error"
            )
        for name in VIEWS:
            ranks = [view.rank for view in measured if view.view == name]
            if ranks and min(ranks) < 0.95 * max(ranks):
                yield (
                    f"in the view {name} the ranks go from {min(ranks)} to {max(ranks)}, mostly because texts repeat: the "
                    "condition numbers are of different numbers of directions"
                )
        for dataset in self.datasets:
            cut = max((view.truncated for view in dataset.views), default=0.0)
            if cut > 0.1:
                yield f"the encoder reads {self.max_tokens} tokens: up to {cut:.0%} of the texts of {dataset.name} are longer"

    def _interval_warnings(self) -> Iterator[str]:
        for dataset in self.datasets:
            found = [(view.view, view.condition_number) for view in dataset.views if view.condition_number]
            if wide := [name for name, number in found if number.high > 10 * number.low]:
                yield (
                    f"the condition number of {dataset.name} is uncertain by more than a factor of ten in {', '.join(wide)}: a "
                    "few pairs, mostly near duplicates, decide its smallest eigenvalue"
                )

    def _verdict_warnings(self) -> Iterator[str]:
        """Two datasets that the condition number and the Vendi score rank in opposite ways, both beyond their intervals."""
        for first, second in combinations([dataset for dataset in self.datasets if dataset.views], 2):
            for one, other in zip(first.views, second.views, strict=True):
                by_condition = _sign(other.condition_number, one.condition_number)
                by_vendi = _sign(one.vendi, other.vendi)
                if by_condition * by_vendi < 0:
                    more, less = (first, second) if by_vendi > 0 else (second, first)
                    yield (
                        f"in the view {one.view}, {more.name} is more diverse than {less.name} by the Vendi score and less by "
                        "the condition number: trust the Vendi score, which does not hang on the smallest eigenvalue"
                    )


def measure_diversity(
    datasets: Sequence[Dataset],
    encoder: TextEncoder,
    *,
    size: int | None = 500,
    resamples: int = 200,
    seed: int = 0,
    cache: Path | None = None,
) -> Diversity:
    """Measure one dataset, or compare several at equal n and d.

    A dataset with fewer than `MIN_PAIRS` pairs is listed without measures, and does not lower the n of the others.

    Args:
        datasets: At least one, with different names.
        encoder: From `open_encoder`.
        size: Pairs to draw from each, less where one has fewer; None for as many as the smallest has. Paper: 500.
        resamples: Subsets for the intervals, at least 2. 200 take seconds for a dataset of 500.
        seed: Of draws, intervals and map. A dataset's draw does not depend on what it is compared with.
        cache: Folder for vectors, so that another analysis does not encode again; None keeps none.

    Raises:
        ConfigError: An extra is missing, or a number is too small.
        DataError: Two datasets have the same name.
    """
    if resamples < 2 or (size is not None and size < MIN_PAIRS):
        raise ConfigError(f"diversity needs size >= {MIN_PAIRS} and resamples >= 2, got {size!r} and {resamples!r}")
    names = [dataset.name for dataset in datasets]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"two datasets are called {repeated[0]!r}: give each its own name")
    try:
        from threadpoolctl import threadpool_limits

        from anyprefer.analysis.view_metrics import embed_views
    except ImportError as error:
        raise ConfigError(f"diversity needs numpy and scikit-learn ({error}): pip install 'anyprefer[analyze]'") from error
    large = [dataset for dataset in datasets if len(dataset) >= MIN_PAIRS]
    count = min((len(dataset) for dataset in large), default=0)
    count = count if size is None else min(count, size)
    drawn = {dataset.name: draw_pairs(dataset, count, seed) for dataset in large}
    vectors = {name: embed_views(pairs, VIEWS, encoder, cache) for name, pairs in drawn.items()}
    ids = [[pair.id for pair in pairs] for pairs in drawn.values()]
    # The matrices are small: several threads cost more than they save, a hundredfold on a busy machine.
    with threadpool_limits(1):
        views = _measure_views(drawn, vectors, encoder, resamples, seed)
        coverage = tuple(_measure_coverage(vectors, resamples, seed))
        placed = make_map(list(drawn), ids, [found["pair"] for found in vectors.values()], seed=seed) if drawn else None
    return Diversity(
        encoder=encoder.name, encoder_digest=encoder.digest, max_tokens=encoder.max_tokens, size=count, resamples=resamples,
        seed=seed, definitions=DEFINITIONS, coverage=coverage, map=placed,
        datasets=tuple(DatasetDiversity(name=d.name, size=len(d), views=views.get(d.name, ())) for d in datasets),
    )  # fmt: skip


def draw_pairs(dataset: Dataset, count: int, seed: int) -> tuple[TextPair, ...]:
    """Draw pairs without repetition, in random order."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(dataset))[:count]
    return tuple(dataset.pairs[i] for i in order)


def _measure_views(
    drawn: dict[str, tuple[TextPair, ...]],
    vectors: "dict[str, dict[str, NDArray[np.float64]]]",
    encoder: TextEncoder,
    resamples: int,
    seed: int,
) -> dict[str, tuple[ViewDiversity, ...]]:
    from anyprefer.analysis.view_metrics import measure_plain, measure_rank, measure_view

    texts = {name: {view: _texts(pairs, fields) for view, fields in VIEWS.items()} for name, pairs in drawn.items()}
    words = {view: min(count_words(own[view]) for own in texts.values()) for view in VIEWS} if texts else {}
    measured: dict[str, tuple[ViewDiversity, ...]] = {}
    for name in drawn:
        found = []
        for view, rows in vectors[name].items():
            lengths = encoder.count_tokens(texts[name][view])
            plain, by_rows = measure_plain(rows)
            found.append(
                ViewDiversity(
                    view=view, n=rows.shape[0], d=rows.shape[1], rank=measure_rank(rows), plain_condition_number=plain,
                    row_condition_number=by_rows, truncated=sum(n > encoder.max_tokens for n in lengths) / len(lengths),
                    distinct=measure_distinct(texts[name][view], words[view]), words=words[view],
                    **measure_view(rows, resamples, seed),
                )
            )  # fmt: skip
        measured[name] = tuple(found)
    return measured


def _measure_coverage(vectors: "dict[str, dict[str, NDArray[np.float64]]]", resamples: int, seed: int) -> Iterator[Coverage]:
    from anyprefer.analysis.neighbours import expected_coverage
    from anyprefer.analysis.view_metrics import estimate_coverage

    for view in VIEWS:
        for covering, covered in permutations(vectors, 2):
            own, other = vectors[covered][view], vectors[covering][view]
            yield Coverage(
                view=view, covering=covering, covered=covered, share=estimate_coverage(own, other, resamples, seed),
                expected=expected_coverage(len(own), len(other)),
            )  # fmt: skip


def _texts(pairs: Sequence[TextPair], fields: Sequence[str]) -> list[str]:
    return [getattr(pair, field) for pair in pairs for field in fields]


def _sign(one: Estimate | None, other: Estimate | None) -> int:
    """1 where the first is clearly larger, -1 where smaller, else 0."""
    if one is None or other is None or not one.is_apart_from(other):
        return 0
    return 1 if one.value > other.value else -1
