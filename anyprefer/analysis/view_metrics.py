"""The measures of one view of a dataset, with their intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anyprefer.analysis.dataset import TextPair
from anyprefer.analysis.neighbours import measure_coverage, measure_spacing
from anyprefer.analysis.spectrum import condition_by_rows, measure_spectrum, plain_condition
from anyprefer.analysis.subsampling import Estimate, Scale, estimate
from anyprefer.backends.embedding_cache import encode_texts
from anyprefer.backends.text_encoders import TextEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEASURES: dict[str, Scale] = {
    "condition_number": "ratio",
    "shrunk_condition_number": "ratio",
    "effective_rank": "ratio",
    "participation_ratio": "ratio",
    "vendi": "ratio",
    "mean_distance": "distance",
    "nearest_distance": "distance",
    "near_duplicates": "share",
}
"""What has an interval, and how its errors behave."""


def embed_views(
    pairs: Sequence[TextPair], views: Mapping[str, Sequence[str]], encoder: TextEncoder, cache: Path | None
) -> "dict[str, NDArray[np.float64]]":
    """Vectors of each view: those of its fields side by side, scaled to length 1, `[n, fields x D]`."""
    names = ("prompt", "chosen", "rejected")
    texts = [getattr(pair, name) for name in names for pair in pairs]
    parts = dict(zip(names, np.split(encode_texts(encoder, texts, cache).astype(np.float64), 3), strict=True))
    joined = {view: np.hstack([parts[field] for field in fields]) for view, fields in views.items()}
    return {view: rows / np.linalg.norm(rows, axis=1, keepdims=True) for view, rows in joined.items()}


def measure_view(vectors: "NDArray[np.float64]", resamples: int, seed: int) -> dict[str, Estimate | None]:
    """Every measure of `MEASURES` for rows of length 1, `[n, d]`; None where one is infinite."""
    products, dimensions = vectors @ vectors.T, vectors.shape[1]

    def statistic(indices: "NDArray[np.intp]") -> list[float]:
        part = products[np.ix_(indices, indices)]
        found = vars(measure_spectrum(part, dimensions)) | vars(measure_spacing(part))
        return [found[name] for name in MEASURES]

    found = estimate(statistic, list(MEASURES.values()), len(vectors), resamples=resamples, seed=seed)
    return dict(zip(MEASURES, found, strict=True))


def measure_rank(vectors: "NDArray[np.float64]") -> int:
    """Non-zero eigenvalues of the covariance."""
    return measure_spectrum(vectors @ vectors.T, vectors.shape[1]).rank


def measure_plain(vectors: "NDArray[np.float64]") -> tuple[float | None, float | None]:
    """`numpy.linalg.cond` over features and over samples; None where infinite."""
    found = plain_condition(vectors), condition_by_rows(vectors)
    return found[0] if np.isfinite(found[0]) else None, found[1] if np.isfinite(found[1]) else None


def estimate_coverage(
    covered: "NDArray[np.float64]", covering: "NDArray[np.float64]", resamples: int, seed: int
) -> Estimate | None:
    """Coverage of one set by another of the same n, `[n, d]` each; a resample leaves out pairs of both."""
    within, across = covered @ covered.T, covered @ covering.T
    mixed = np.random.default_rng(seed).permutation(len(covering))  # so that a resample leaves out unrelated pairs

    def statistic(indices: "NDArray[np.intp]") -> list[float]:
        return [measure_coverage(within[np.ix_(indices, indices)], across[np.ix_(indices, mixed[indices])])]

    return estimate(statistic, ["share"], len(covered), resamples=resamples, seed=seed)[0]
