"""What rewriting the prompts did: the reward before and after, and the rewrites after which it rose and fell most."""

from array import array
from dataclasses import dataclass, field

from anyprefer.report.shortlist import Shortlist
from anyprefer.types import PreferenceRecord, Prompts

KEPT = 5
"""Rewrites shown from each end."""


@dataclass(frozen=True)
class Rewrite:
    """One step from a round to the next."""

    task_id: str
    round: int
    """The round that the rewrite led to; the first round is 0."""
    before: Prompts
    after: Prompts
    critique: str
    """What the critic had said, which is what the rewriter worked from."""
    reward_before: float
    """0 for a round without a pair."""
    reward_after: float

    @property
    def gain(self) -> float:
        """Reward after minus reward before, -10 to 10."""
        return self.reward_after - self.reward_before


@dataclass
class Rewrites:
    """All rewrites of a run."""

    gains: "array[float]" = field(default_factory=lambda: array("d"))
    unchanged: int = 0
    """Rounds that began with the prompts of the round before."""
    _most: Shortlist[Rewrite] = field(default_factory=lambda: Shortlist(KEPT))
    _least: Shortlist[Rewrite] = field(default_factory=lambda: Shortlist(KEPT))

    def add(self, record: PreferenceRecord) -> None:
        """Look at each step of a record."""
        for earlier, later in zip(record.attempts, record.attempts[1:], strict=False):
            if (earlier.prompts.target, earlier.prompts.judge) == (later.prompts.target, later.prompts.judge):
                self.unchanged += 1
            step = Rewrite(
                record.task.id, later.round, earlier.prompts, later.prompts, earlier.critique.analysis, earlier.reward,
                later.reward,
            )  # fmt: skip
            self.gains.append(step.gain)
            self._most.add(step.gain, step)
            self._least.add(-step.gain, step)

    def most(self) -> list[Rewrite]:
        """Those after which the reward rose, the greatest rise first."""
        return [step for step in self._most.items() if step.gain > 0]

    def least(self) -> list[Rewrite]:
        """Those after which it stayed or fell, the greatest fall first."""
        return [step for step in self._least.items() if step.gain <= 0]
