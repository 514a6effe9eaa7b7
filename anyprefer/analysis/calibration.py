"""Whether scores mean something: how margins and rewards are spread, and whether higher ones go with more correct pairs.

Correct means that the chosen response agrees with the reference and the rejected one does not (`anyprefer.analysis.references`).
A score is read as a chance of being correct: a margin m as 0.5 + m / 18 (no margin is a coin toss, 9 is certainty), a reward r as
(r - 1) / 9. This is a convention, as the judge is never asked for a chance; the order is what counts.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.findings import Finding, Listed, Spread, correlate_ranks
from anyprefer.analysis.references import read_truth
from anyprefer.shares import Share, share_or_none

LEAST_DECIDED = 30
"""Decided pairs below which nothing is said about right and wrong: an interval of +-18 points says little."""
MAX_SATURATED = 0.5
"""Share of pairs scored 10 against 1 from which margins no longer rank pairs."""
MAX_ONE_VALUE = 0.8
"""Share of pairs with one and the same score from which it no longer tells pairs apart."""
NUM_BINS = 9
"""One for each point of a margin or a reward; scores on another scale are cut into as many equal parts."""


class Bin(Finding):
    """Pairs whose score lies in one range."""

    low: float
    """Lower end; it belongs to the bin."""
    high: float
    """Upper end; it belongs to the last bin only."""
    count: int
    """Pairs in the bin."""
    share: float
    """Of all pairs with this score, 0 to 1."""
    right: Share | None
    """Share of correct pairs among the decided ones; None where none is decided."""


class ScoreUse(Finding):
    """How one score is used and what it is worth."""

    pairs: int
    """Pairs that have it."""
    spread: Spread
    """Mean and median."""
    distinct: int
    """Different values; a judge that gives whole points has at most 9 margins."""
    most_common: float
    """Its most frequent value."""
    most_common_share: float
    """Share of the pairs with that value, 0 to 1."""
    bins: tuple[Bin, ...]
    """Histogram and reliability table in one."""
    decided: int
    """Pairs that a reference decides."""
    correlation: float | None
    """Rank correlation with being correct, -1 to 1; above 0 a higher score goes with more correct pairs. None below
    `LEAST_DECIDED` decided pairs, or where the score or the outcome is constant."""
    error: float | None
    """Expected calibration error, 0 to 1: the mean distance, over decided pairs, of a bin's share of correct pairs from what its
    scores promise. None likewise, and for scores off the scale of 1 to 10."""


class Calibration(Finding):
    """What `measure_calibration` measured."""

    margin: ScoreUse | None
    """None where the data has no scores."""
    reward: ScoreUse | None
    """None where the data has no rewards."""
    agreement: float | None
    """Rank correlation of margin and reward, where pairs have both: do judge and critic see the same?"""
    chosen_scores: dict[int, int]
    """Chosen score, rounded to a whole point -> pairs."""
    rejected_scores: dict[int, int]
    """Likewise of the rejected responses."""
    saturated: Share | None
    """Share of pairs at both ends of the scale, 10 against 1; None without scores, or with scores off that scale."""
    not_positive: Listed
    """Pairs whose chosen response does not score higher than the rejected one."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Scores that say nothing, or the wrong thing."""
        found = []
        if self.not_positive.total:
            found.append(
                f"{self.not_positive.total} pairs have a chosen score that is not above the rejected one "
                f"({self.not_positive.name()}): their labels contradict their scores; drop them, or swap those below 0"
            )
        is_saturated = self.saturated is not None and self.saturated.value > MAX_SATURATED
        if is_saturated:
            found.append(
                f"{self.saturated} of the pairs are scored 10 against 1: margins do not tell close pairs from clear ones, as "
                "always where a reference judges; else ask the judge for expected scores (judge.expected_score), or average "
                "several orderings (judge.permutations)"
            )
        for name, use in (("margin", self.margin), ("reward", self.reward)):
            found.extend(_warn_of(name, use, is_told=is_saturated and name == "margin") if use else ())
        return tuple(found)


def measure_calibration(data: Dataset) -> Calibration | None:
    """Look at margins and rewards, beside the references where there are some; None where the data has no scores at all."""
    pairs = data.pairs
    outcomes = [truth.agrees if (truth := read_truth(pair)) and truth.decided else None for pair in pairs]
    scored = [pair for pair in pairs if pair.margin is not None]
    on_scale = all(_on_scale(pair.chosen_score) and _on_scale(pair.rejected_score) for pair in scored)
    rewards_on_scale = all(_on_scale(pair.reward) for pair in pairs if pair.reward is not None)
    margin = _measure(pairs, outcomes, _Scale(lambda pair: pair.margin, 0, 9, lambda m: 0.5 + m / 18, on_scale))
    reward = _measure(pairs, outcomes, _Scale(lambda pair: pair.reward, 1, 10, lambda r: (r - 1) / 9, rewards_on_scale))
    if margin is None and reward is None:
        return None
    both = [(pair.margin, pair.reward) for pair in scored if pair.margin is not None and pair.reward is not None]
    ends = sum(pair.chosen_score == 10 and pair.rejected_score == 1 for pair in scored)
    return Calibration(
        margin=margin, reward=reward, agreement=correlate_ranks([m for m, _ in both], [r for _, r in both]),
        chosen_scores=_count_points([pair.chosen_score for pair in scored]),
        rejected_scores=_count_points([pair.rejected_score for pair in scored]),
        saturated=share_or_none(ends, len(scored)) if on_scale else None,
        not_positive=Listed.of([pair.id for pair in scored if (pair.margin or 0) <= 0]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Scale:
    """How a score is read off a pair, its usual range, and the chance that it promises."""

    read: Callable[[TextPair], float | None]
    low: float
    high: float
    promise: Callable[[float], float]
    usual: bool
    """Whether all scores keep to 1 to 10."""


def _measure(pairs: Sequence[TextPair], outcomes: Sequence[bool | None], scale: _Scale) -> ScoreUse | None:
    known = [(value, right) for pair, right in zip(pairs, outcomes, strict=True) if (value := scale.read(pair)) is not None]
    if not known:
        return None
    values = [value for value, _ in known]
    decided = [(value, right) for value, right in known if right is not None]
    low, high = (min(scale.low, *values), scale.high) if scale.usual else (min(values), max(values))
    enough = len(decided) >= LEAST_DECIDED
    sorted_in = _sort_in(known, low, high)
    value, times = Counter(values).most_common(1)[0]
    return ScoreUse(
        pairs=len(known), spread=Spread.of(values), distinct=len(set(values)), most_common=value,
        most_common_share=times / len(known), bins=tuple(_bin(*ends, found, len(known)) for ends, found in sorted_in),
        decided=len(decided), error=_error(sorted_in, scale.promise) if enough and scale.usual else None,
        correlation=correlate_ranks([v for v, _ in decided], [float(right) for _, right in decided]) if enough else None,
    )  # fmt: skip


_Scored = list[tuple[float, bool | None]]


def _sort_in(known: _Scored, low: float, high: float) -> list[tuple[tuple[float, float], _Scored]]:
    width = (high - low) / NUM_BINS or 1.0
    found: list[_Scored] = [[] for _ in range(NUM_BINS)]
    for value, right in known:
        found[min(NUM_BINS - 1, int((value - low) / width))].append((value, right))
    return [((low + i * width, low + (i + 1) * width), members) for i, members in enumerate(found)]


def _bin(low: float, high: float, members: _Scored, total: int) -> Bin:
    decided = [right for _, right in members if right is not None]
    share = len(members) / total
    return Bin(low=low, high=high, count=len(members), share=share, right=share_or_none(sum(decided), len(decided)))


def _error(sorted_in: list[tuple[tuple[float, float], _Scored]], promise: Callable[[float], float]) -> float:
    gaps, total = 0.0, 0
    for _, members in sorted_in:
        decided = [(promise(value), right) for value, right in members if right is not None]
        if decided:
            gaps += len(decided) * abs(fmean(right for _, right in decided) - fmean(chance for chance, _ in decided))
            total += len(decided)
    return gaps / total


def _on_scale(score: float | None) -> bool:
    return score is not None and 1 <= score <= 10


def _count_points(scores: Sequence[float | None]) -> dict[int, int]:
    return dict(sorted(Counter(round(score) for score in scores if score is not None).items()))


def _warn_of(name: str, use: ScoreUse, *, is_told: bool) -> list[str]:
    found = []
    if not is_told and use.pairs >= LEAST_DECIDED and use.most_common_share > MAX_ONE_VALUE:
        found.append(
            f"{100 * use.most_common_share:.0f} % of the pairs have the {name} {use.most_common:g}: it does not tell good pairs "
            "from bad ones; a stronger model, or a finer scale, would"
        )
    if use.correlation is not None and use.correlation <= 0:
        found.append(
            f"a higher {name} does not go with more correct pairs (rank correlation {use.correlation:+.2f} over {use.decided} "
            "pairs with a reference): do not filter or weight by it; use another model, or tools, for that score"
        )
    return found
