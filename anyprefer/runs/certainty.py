"""Pairs by how certain they are, and what the tasks' references say of each band."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from anyprefer.agents.references import ReferenceCount, Truth, count_truths

NOBODY = "nobody voted"
BANDS = ("100 %", "80 % to below 100 %", "60 % to below 80 %", "below 60 %", NOBODY)
"""From the most certain to pairs on which no verifying tool voted. Of five programs, 4 make 80 % and 3 make 60 %."""
_LIMITS = (1.0, 0.8, 0.6, 0.0)


def band_of(certainty: float | None) -> str:
    """The band of a pair's certainty."""
    if certainty is None:
        return NOBODY
    return next(band for band, limit in zip(BANDS, _LIMITS, strict=False) if certainty >= limit)


@dataclass
class CertaintyBands:
    """Counts pairs, one at a time; memory does not grow with their number."""

    _truths: defaultdict[str, Counter[Truth | None]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, certainty: float | None, truth: Truth | None) -> None:
        """Count a pair, with what its task's reference says."""
        self._truths[band_of(certainty)][truth] += 1

    @property
    def voted(self) -> int:
        """Pairs on which verifying tools voted."""
        return sum(found.total() for band, found in self._truths.items() if band != NOBODY)

    @property
    def references(self) -> ReferenceCount | None:
        """Over all bands; None where no pair has a reference."""
        return _count(sum(self._truths.values(), Counter()))

    def rows(self) -> Iterator[tuple[str, int, ReferenceCount | None]]:
        """Each band that has pairs, how many, and what references say of them."""
        for band in BANDS:
            if found := self._truths.get(band):
                yield band, found.total(), _count(found)


def _count(truths: Counter[Truth | None]) -> ReferenceCount | None:
    return count_truths({truth: number for truth, number in truths.items() if truth is not None})
