"""Whether a critic's rewards tell pairs apart: where nearly all are one number, a threshold decides nothing."""

from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from anyprefer.types import Attempt, PreferenceRecord

LEAST_REWARDS = 20
"""Fewer say nothing."""
MOST_ALIKE = 0.9
"""Share of one number above which the critic is said not to discriminate."""


class CommonReward(BaseModel):
    """The reward that a critic gives most often."""

    model_config = ConfigDict(frozen=True)

    reward: float
    count: int
    """How many rewards are this number, to three digits."""
    total: int
    """Rewards that are a model's opinion."""

    @property
    def warning(self) -> str:
        """What is wrong and what to do; empty where nothing is."""
        if self.total < LEAST_REWARDS or self.count <= MOST_ALIKE * self.total:
            return ""
        return (
            f"{self.count:,} of {self.total:,} rewards are {self.reward:g}, so the critic does not discriminate: use "
            "critic.method = 'sides' with critic.expected_score = true, give the judge tools, or name a stronger critic.model"
        )


def opinions_of(record: PreferenceRecord) -> Iterator[float]:
    """The rewards of all rounds that are a critic's opinion, as they are shown."""
    return (float(f"{attempt.reward:.3g}") for attempt in record.attempts if is_opinion(attempt))


def is_opinion(attempt: Attempt) -> bool:
    """Whether a model gave the reward, and no finding a part of it: two verified pairs may well be worth the same."""
    if attempt.critique.score is None or attempt.pair is None:
        return False
    return attempt.critique.grades is None or attempt.pair.certainty is None


def find_common(rewards: Counter[float]) -> CommonReward | None:
    """The most frequent of these rewards; None where there are none."""
    if not rewards:
        return None
    ((reward, count),) = rewards.most_common(1)
    return CommonReward(reward=reward, count=count, total=rewards.total())
