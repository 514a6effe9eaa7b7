"""Bootstrap intervals of shares and of paired differences (Efron and Tibshirani 1993, percentile method)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

RESAMPLES = 5000
"""Enough for the ends of a 95 % interval to move by less than half a point."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def bootstrap(values: Sequence[float], seed: int = 0) -> Interval:
    """The mean of values, one for each independent item, with its percentile interval.

    For a paired difference give the differences item by item.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    rng = random.Random(seed)  # noqa: S311 - resampling, not a secret
    means = sorted(fmean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return Interval(fmean(values), means[round(0.025 * (RESAMPLES - 1))], means[round(0.975 * (RESAMPLES - 1))])
