"""What rewriting the prompts did: the reward before and after, and the rewrites after which it rose and fell most."""

from array import array
from dataclasses import dataclass, field

from anyprefer.report.shortlist import Shortlist
from anyprefer.runs.naming import name_rewrite
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
    """What was wrong with the round before: the critic's words, or why there was no pair."""
    reward_before: float
    """0 for a round without a pair."""
    reward_after: float

    @property
    def gain(self) -> float:
        """Reward after minus reward before, -10 to 10."""
        return self.reward_after - self.reward_before

    @property
    def written_by(self) -> str:
        """Who wrote what is new, and what was left out; empty in records of before."""
        return name_rewrite(self.after)


@dataclass
class Rewrites:
    """All rewrites of a run."""

    gains: "array[float]" = field(default_factory=lambda: array("d"))
    unchanged: int = 0
    """Rounds that began with the prompts of the round before."""
    by_rules: int = 0
    """Rewrites that followed from a known reason, so that no model was asked."""
    refused: int = 0
    """Rewrites of which a model's words were left out, since they stated an answer or a value."""
    _most: Shortlist[Rewrite] = field(default_factory=lambda: Shortlist(KEPT))
    _least: Shortlist[Rewrite] = field(default_factory=lambda: Shortlist(KEPT))

    def add(self, record: PreferenceRecord) -> None:
        """Look at each step of a record."""
        for earlier, later in zip(record.attempts, record.attempts[1:], strict=False):
            if (earlier.prompts.target, earlier.prompts.judge) == (later.prompts.target, later.prompts.judge):
                self.unchanged += 1
            self.by_rules += later.prompts.rewritten_by == "rules"
            self.refused += bool(later.prompts.refused)
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
