"""Bootstrap intervals of shares, paired differences and areas under curves (Efron and Tibshirani 1993, percentile method)."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

_Item = TypeVar("_Item")

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
    found = _percentiles(values, fmean, seed)
    assert found is not None  # noqa: S101 - a mean always is
    return found


def bootstrap_auc(items: Sequence[tuple[Sequence[float], Sequence[float]]], seed: int = 0) -> Interval | None:
    """The area under the ROC curve with its percentile interval, over independent items that may each have several values.

    Args:
        items: Of each item, the values that should be high and those that should be low; either may be empty.
        seed: Of the resampling.

    Returns:
        None where no value should be high, or none low.
    """

    def area(drawn: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float | None:
        return auc([value for high, _ in drawn for value in high], [value for _, low in drawn for value in low])

    return _percentiles(items, area, seed)


def auc(high: Sequence[float], low: Sequence[float]) -> float | None:
    """The chance that a value of the first kind is above one of the second, a tie counting half; None where a kind has none."""
    if not high or not low:
        return None
    ordered = sorted(low)
    below = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in high)
    return below / (2 * len(high) * len(low))


def _percentiles(items: Sequence[_Item], statistic: Callable[[Sequence[_Item]], float | None], seed: int) -> Interval | None:
    """A statistic of items with its interval; None where the items have none. Resamples that have none are left out."""
    whole, rng = statistic(items), random.Random(seed)  # noqa: S311 - resampling, not a secret
    if whole is None:
        return None
    drawn = (statistic(rng.choices(items, k=len(items))) for _ in range(RESAMPLES))
    found = sorted(value for value in drawn if value is not None)
    return Interval(whole, found[round(0.025 * (len(found) - 1))], found[round(0.975 * (len(found) - 1))])
