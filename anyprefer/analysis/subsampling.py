"""Intervals of statistics that repeated items would bias.

A bootstrap draws with replacement: a third of the items are missing and others stand twice, so that ranks fall, nearest
neighbours lie at distance 0 and every diversity comes out too low. Here each resample leaves a fifth of the items out and
repeats none (delete-d jackknife; Shao and Wu 1989). Its spread, widened by sqrt(m / (n - m)) because subsets of the same items
overlap, estimates the standard error at n. On simulated vectors it was within a fifth of the true one for all measures but the
condition number, whose intervals came out up to 1.7 times too wide.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from anyprefer.types import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = 0.8
"""Share of the items in a resample: enough that n/d, on which spectra depend, stays nearly what it was."""
_NORMAL = 1.959964

Scale = Literal["ratio", "distance", "share"]
"""At least 1, with errors in proportion; a cosine distance, 0 to 2; 0 to 1."""


class Estimate(Value):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 3
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def is_apart_from(self, other: "Estimate") -> bool:
        """Whether the intervals have nothing in common: stricter than a test of the difference at 5 %."""
        return self.low > other.high or other.low > self.high


def estimate(
    statistic: "Callable[[NDArray[np.intp]], Sequence[float]]", scales: Sequence[Scale], count: int, *, resamples: int, seed: int
) -> list[Estimate | None]:
    """Estimate statistics of `count` items.

    Args:
        statistic: From the indices of some items, each at most once, to values.
        scales: Of each value.
        count: Items, at least 5.
        resamples: Subsets to draw, at least 2.
        seed: Of the draws.

    Returns:
        One for each value; None for a value that is not finite.
    """
    import numpy as np

    kept = max(2, round(KEPT * count))
    rng = np.random.default_rng(seed)
    values = np.asarray(statistic(np.arange(count)), dtype=float)
    drawn = np.array([statistic(np.sort(rng.permutation(count)[:kept])) for _ in range(resamples)], dtype=float)
    widening = math.sqrt(kept / (count - kept))
    return [_interval(float(value), drawn[:, i], widening, scales[i]) for i, value in enumerate(values)]


def _interval(value: float, drawn: "NDArray[np.float64]", widening: float, scale: Scale) -> Estimate | None:
    import numpy as np

    drawn = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or len(drawn) < 2:
        return None
    if scale == "ratio":
        factor = math.exp(_NORMAL * widening * float(np.log(drawn).std(ddof=1)))
        return Estimate(value=value, low=max(1.0, value / factor), high=value * factor)
    margin = _NORMAL * widening * float(drawn.std(ddof=1))
    return Estimate(value=value, low=max(0.0, value - margin), high=min(1.0 if scale == "share" else 2.0, value + margin))
