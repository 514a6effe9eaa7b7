"""What every check returns: frozen values with warnings, and lists that are capped but counted."""

from collections.abc import Sequence
from statistics import StatisticsError, correlation, fmean, median

from pydantic import BaseModel, ConfigDict

LISTED = 100
"""Most ids of one list: enough to look at, and a report of 20,000 bad rows stays readable."""


class Finding(BaseModel):
    """Base of all results: frozen, no unknown fields, floats always finite, so that they are plain JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found, why it matters and what to do; empty where nothing is wrong."""
        return ()


class Listed(Finding):
    """Pairs by their ids."""

    total: int = 0
    """How many there are."""
    ids: tuple[str, ...] = ()
    """The first `LISTED` of them, in the order of the data."""

    @classmethod
    def of(cls, ids: Sequence[str]) -> "Listed":
        """Cap a list and keep its length."""
        return cls(total=len(ids), ids=tuple(ids[:LISTED]))

    def name(self, most: int = 3) -> str:
        """A few ids for a sentence."""
        return ", ".join(self.ids[:most]) + (", ..." if self.total > most else "")


class Spread(Finding):
    """A quantity over all pairs."""

    mean: float
    """Arithmetic mean."""
    median: float
    """Less moved by a few long texts."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Mean and median of at least one value."""
        return cls(mean=fmean(values), median=float(median(values)))


def correlate_ranks(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, -1 to 1, ties sharing their mean rank; None for fewer than three pairs or a constant."""
    if len(first) < 3:
        return None
    try:
        return max(-1.0, min(1.0, correlation(_rank(first), _rank(second))))
    except StatisticsError:
        return None


def _rank(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + end - 1) / 2
        start = end
    return ranks
