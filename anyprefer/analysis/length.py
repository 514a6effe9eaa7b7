"""Whether the chosen responses are the longer ones: the cheapest thing that a model can learn (Singhal et al. 2023)."""

from collections.abc import Callable, Sequence

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.findings import Finding, Spread, correlate_ranks
from anyprefer.shares import Share, share_or_none
from anyprefer.wording import words

MEANINGFUL = 0.1
"""How far from one half the share of longer chosen responses may be, even where it is no chance."""
STRONG = 0.4
"""Rank correlation of length and score from which it deserves a word."""
LEAST_CORRELATED = 30
"""Pairs below which a correlation is mostly chance."""


class LengthBias(Finding):
    """What `measure_length` measured."""

    pairs: int
    """Pairs measured."""
    chosen_chars: Spread
    """Characters of the chosen responses."""
    rejected_chars: Spread
    """Characters of the rejected responses."""
    chosen_words: Spread
    """Words, without punctuation."""
    rejected_words: Spread
    """Likewise of the rejected responses."""
    difference_chars: Spread
    """Characters of the chosen response minus those of the rejected one."""
    longer_chosen: Share
    """Share of pairs whose chosen response has more characters, equal lengths counting half; 0.5 is no bias."""
    longer_chosen_words: Share
    """Likewise in words."""
    longer_wins: Share | None
    """Accuracy of the rule "the longer one wins" where the lengths differ; None where none do."""
    margin_correlation: float | None
    """Rank correlation (Spearman) of the difference in characters with the margin; None without margins."""
    reward_correlation: float | None
    """Likewise with the reward."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """A bias beyond chance and large enough to be learnt."""
        share, found = self.longer_chosen, []
        if not share.low <= 0.5 <= share.high and abs(share.value - 0.5) >= MEANINGFUL:
            side = "longer" if share.value > 0.5 else "shorter"
            value = share if share.value > 0.5 else Share.of((1 - share.value) * share.count, share.count)
            found.append(
                f"the chosen response is the {side} one in {value} of {self.pairs} pairs: training will teach length; drop pairs "
                "until both sides win alike, or train with a loss that normalises by length"
            )
        for name, value_ in (("margin", self.margin_correlation), ("reward", self.reward_correlation)):
            if value_ is not None and self.pairs >= LEAST_CORRELATED and abs(value_) >= STRONG:
                found.append(
                    f"the {name} follows the difference in length (rank correlation {value_:+.2f}): who scored these pairs "
                    "seems to score length; compare with a judge that sees the responses in both orders, or tell it to ignore "
                    "length"
                )
        return tuple(found)


def measure_length(data: Dataset) -> LengthBias:
    """Measure how length and preference go together."""
    pairs = data.pairs
    chosen, rejected = [len(pair.chosen) for pair in pairs], [len(pair.rejected) for pair in pairs]
    chosen_words, rejected_words = [len(words(pair.chosen)) for pair in pairs], [len(words(pair.rejected)) for pair in pairs]
    differences = [a - b for a, b in zip(chosen, rejected, strict=True)]
    return LengthBias(
        pairs=len(pairs), chosen_chars=Spread.of(chosen), rejected_chars=Spread.of(rejected),
        chosen_words=Spread.of(chosen_words), rejected_words=Spread.of(rejected_words), difference_chars=Spread.of(differences),
        longer_chosen=_share_above(differences),
        longer_chosen_words=_share_above([a - b for a, b in zip(chosen_words, rejected_words, strict=True)]),
        longer_wins=share_or_none(sum(value > 0 for value in differences), sum(value != 0 for value in differences)),
        margin_correlation=_correlate(pairs, differences, lambda pair: pair.margin),
        reward_correlation=_correlate(pairs, differences, lambda pair: pair.reward),
    )  # fmt: skip


def _share_above(differences: Sequence[int]) -> Share:
    return Share.of(sum((value > 0) + (value == 0) / 2 for value in differences), len(differences))


def _correlate(pairs: Sequence[TextPair], differences: Sequence[int], score: Callable[[TextPair], float | None]) -> float | None:
    known = [
        (difference, value) for pair, difference in zip(pairs, differences, strict=True) if (value := score(pair)) is not None
    ]
    return correlate_ranks([difference for difference, _ in known], [value for _, value in known])
