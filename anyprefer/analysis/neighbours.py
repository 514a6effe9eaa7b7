"""How far apart vectors lie, and whether one set lies where another does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.95
"""Cosine similarity from which two items count as nearly the same: with MiniLM, paraphrases and edits of a few words."""
NEIGHBOURS = 5
"""The k of coverage, as in Naeem et al. 2020: a set of the same distribution then covers about 97 %."""


@dataclass(frozen=True)
class Spacing:
    """Distances within one set.

    Attributes:
        mean_distance: Mean cosine distance of two items, 0 to 2.
        nearest_distance: Mean cosine distance of an item to its nearest other, 0 to 2.
        near_duplicates: Share of items with another at a cosine similarity of `NEAR` or more.
    """

    mean_distance: float
    nearest_distance: float
    near_duplicates: float


def measure_spacing(products: "NDArray[np.float64]") -> Spacing:
    """Measure distances by the cosine similarities `[n, n]`, n at least 2."""
    count = len(products)
    others = products.copy()
    np.fill_diagonal(others, -np.inf)
    nearest = others.max(axis=1)
    total = products.sum() - np.trace(products)
    return Spacing(
        mean_distance=float(1 - total / (count * (count - 1))),
        nearest_distance=float(1 - nearest.mean()),
        near_duplicates=float((nearest >= NEAR).mean()),
    )


def measure_coverage(covered: "NDArray[np.float64]", across: "NDArray[np.float64]", neighbours: int = NEIGHBOURS) -> float:
    """Share of a set's points that have a point of another set within the distance of their own k-th nearest neighbour.

    Source: coverage in Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models".

    Args:
        covered: Cosine similarities within the set that may be covered, `[n, n]`.
        across: Of its points to those of the covering set, `[n, m]`.
        neighbours: k; n - 1 where there are fewer others.
    """
    others = covered.copy()
    np.fill_diagonal(others, -np.inf)
    kth = min(neighbours, len(covered) - 1)
    radius = -np.partition(-others, kth - 1, axis=1)[:, kth - 1]
    slack = 1e-6  # the same text may come out of two batches with another last bit
    return float((across.max(axis=1) >= radius - slack).mean())


def expected_coverage(covered: int, covering: int, neighbours: int = NEIGHBOURS) -> float:
    """Coverage that two samples of one distribution have (Naeem et al. 2020): 1 minus the chance that k own points come first."""
    missed = 1.0
    for step in range(min(neighbours, covered - 1)):
        missed *= (covered - 1 - step) / (covering + covered - 1 - step)
    return 1 - missed
