"""How many directions a set of vectors fills, from the eigenvalues of its covariance and of its similarities.

Everything is computed from the n x n matrix of dot products: subsets of the rows then cost no new products, and a covariance of
d > n features needs no d x d matrix, since both have the same non-zero eigenvalues.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = float(np.finfo(np.float32).eps)
"""Of float32, because embeddings are. Rounding errors are as large as the vectors make them, whatever their mean, so a singular
value counts beside the largest one that the vectors have before their mean is taken away."""


@dataclass(frozen=True)
class Spectrum:
    """What the eigenvalues of one set say.

    Attributes:
        rank: Eigenvalues of the covariance that count as non-zero.
        condition_number: Largest over smallest of those; at least 1; infinite where there is none (all vectors equal).
        shrunk_condition_number: The same after Ledoit and Wolf's shrinkage, over all d eigenvalues.
        effective_rank: 1 to `rank`.
        participation_ratio: 1 to `rank`.
        vendi: 1 to n.
    """

    rank: int
    condition_number: float
    shrunk_condition_number: float
    effective_rank: float
    participation_ratio: float
    vendi: float


def measure_spectrum(products: "NDArray[np.float64]", dimensions: int) -> Spectrum:
    """Measure a set by the dot products of its vectors.

    Args:
        products: `[n, n]`, of rows of length 1 and d features; n at least 2.
        dimensions: d.
    """
    count = len(products)
    similarities = np.clip(np.linalg.eigvalsh(products), 0.0, None)
    centred = centre(products)
    values = np.clip(np.linalg.eigvalsh(centred)[::-1], 0.0, None)  # of the scatter matrix: (n - 1) times the covariance
    kept = values[values > similarities[-1] * (max(count, dimensions) * TOLERANCE) ** 2]
    if not len(kept):
        return Spectrum(0, float("inf"), float("inf"), 1.0, 1.0, 1.0)
    return Spectrum(
        rank=len(kept),
        condition_number=float(kept[0] / kept[-1]),
        shrunk_condition_number=_shrunk_condition(values, np.diag(centred), dimensions),
        effective_rank=_exp_entropy(np.sqrt(kept)),
        participation_ratio=float(kept.sum() ** 2 / (kept**2).sum()),
        vendi=_exp_entropy(similarities),
    )


def vendi_score(products: "NDArray[np.float64]") -> float:
    """Exponential of the entropy of the eigenvalues of K/n, K the cosine similarities (Friedman and Dieng 2023): 1 to n."""
    return _exp_entropy(np.clip(np.linalg.eigvalsh(products), 0.0, None))


def plain_condition(vectors: "NDArray[np.float64]") -> float:
    """`numpy.linalg.cond` of the `[d, d]` sample covariance of `[n, d]`.

    Where n <= d the smallest eigenvalue is zero but for rounding, so this is the rounding error's size and no property of data.
    """
    return float(np.linalg.cond(np.cov(vectors, rowvar=False)))


def condition_by_rows(vectors: "NDArray[np.float64]") -> float:
    """`numpy.linalg.cond` of `numpy.cov(vectors)`, whose default takes rows as variables: `[n, n]`, samples over features.

    Another reading of the paper's appendix C; a number where d > n, rounding error elsewhere.
    """
    return float(np.linalg.cond(np.cov(vectors)))


def centre(products: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The dot products after the mean vector was taken from each row."""
    rows = products.mean(axis=1)
    return np.asarray(products - rows[:, None] - rows[None, :] + rows.mean())


def _shrunk_condition(scatter: "NDArray[np.float64]", squared_lengths: "NDArray[np.float64]", dimensions: int) -> float:
    """Condition number of (1 - a) S + a m I (Ledoit and Wolf 2004), as scikit-learn's `ledoit_wolf` has it: S with ddof 0.

    Args:
        scatter: Eigenvalues of the scatter matrix, the largest first, `[n]`.
        squared_lengths: Of the centred rows, `[n]`.
        dimensions: d.
    """
    count = len(squared_lengths)
    values = scatter / count
    mean = values.sum() / dimensions
    spread = (values**2).sum()
    noise = ((squared_lengths**2).sum() / count - spread) / count
    distance = spread - dimensions * mean**2
    shrinkage = min(max(noise, 0.0), distance) / distance if distance > 0 else 1.0
    smallest = values[dimensions - 1] if dimensions <= count else 0.0
    low = (1 - shrinkage) * smallest + shrinkage * mean
    return float(((1 - shrinkage) * values[0] + shrinkage * mean) / low) if low > 0 else float("inf")


def _exp_entropy(values: "NDArray[np.float64]") -> float:
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
