"""How people agree with the loop, over a run's reviewed records."""

import math
from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel

from anyprefer.evaluation.intervals import bootstrap
from anyprefer.types import PreferenceRecord


class Agreement(BaseModel):
    """Counts over reviewed records.

    Attributes:
        reviewed: Records with a person's decision.
        decisions: Decision -> count.
        agreed: Share in which the person kept the pair's order (accept or edit) among those with an order (rejections aside).
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
        by_margin: Margin of the judge's scores, in whole points -> (kept order, all with an order); a pair with a side that no
            judge scored has none.
    """

    reviewed: int
    decisions: dict[str, int]
    agreed: float | None
    low: float | None
    high: float | None
    by_margin: dict[int, tuple[int, int]]

    def lines(self) -> list[str]:
        """For a person."""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.decisions.items()))
        found = [f"{self.reviewed} reviewed: {counts or 'none'}"]
        if self.agreed is not None and self.low is not None and self.high is not None:
            span = f"{100 * self.agreed:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"
            found.append(f"the reviewer kept the order in {span}")
            found += [f"  margin {margin} to {margin + 1}: {kept} of {count}" for margin, (kept, count) in self.by_margin.items()]
        return found


def measure_agreement(records: Iterable[PreferenceRecord]) -> Agreement:
    """Compare the order of the pairs that the loop made with the reviewers'."""
    decisions: Counter[str] = Counter()
    kept: list[float] = []
    margins: dict[int, list[float]] = {}
    for record in records:
        if record.review is None or record.best is None or record.best.pair is None:
            continue
        decisions[record.review.decision] += 1
        if record.review.decision != "reject":
            kept.append(float(record.review.decision != "swap"))
            margin = record.best.pair.margin
            if margin is not None:
                margins.setdefault(math.floor(margin), []).append(kept[-1])
    interval = bootstrap(kept) if kept else None
    return Agreement(
        reviewed=decisions.total(), decisions=dict(decisions), agreed=interval.mean if interval else None,
        low=interval.low if interval else None, high=interval.high if interval else None,
        by_margin={margin: (int(sum(values)), len(values)) for margin, values in sorted(margins.items())},
    )  # fmt: skip
