"""What a run came to, gathered one record at a time: every record is looked at once, and none is kept."""

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from anyprefer.data.pair_digest import PairDigest
from anyprefer.report.cases import CaseBook
from anyprefer.report.failures import FailureGroups
from anyprefer.report.rewrites import Rewrites
from anyprefer.report.tool_effects import ToolEffects
from anyprefer.types import Attempt, PreferenceRecord, RoleUsage


def _numbers() -> "array[float]":
    return array("d")


@dataclass
class RoundFacts:
    """All attempts of one round of the loop."""

    attempts: int = 0
    accepted: int = 0
    without_pair: int = 0
    rewards: "array[float]" = field(default_factory=_numbers)
    """The critic's scores of the pairs that it scored, 1 to 10."""

    def add(self, attempt: Attempt, *, accepted: bool) -> None:
        """Count an attempt."""
        self.attempts += 1
        self.accepted += accepted
        self.without_pair += attempt.pair is None
        if attempt.critique.score is not None:
            self.rewards.append(attempt.critique.score)


@dataclass
class RunFacts:
    """The numbers of the report's sections."""

    statuses: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    """What reviewers decided."""
    models: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Role -> models."""
    usage: dict[str, RoleUsage] = field(default_factory=dict)
    """Role -> cost of the finished tasks."""
    rounds: dict[int, RoundFacts] = field(default_factory=dict)
    chosen: "array[float]" = field(default_factory=_numbers)
    """Scores of chosen responses, over the best pair of each record."""
    rejected: "array[float]" = field(default_factory=_numbers)
    others: "array[float]" = field(default_factory=_numbers)
    """Scores of the responses of those attempts that are in no pair."""
    margins: "array[float]" = field(default_factory=_numbers)
    rewards: "array[float]" = field(default_factory=_numbers)
    pairs: PairDigest = field(default_factory=PairDigest)
    """Names the accepted pairs."""
    tools: ToolEffects = field(default_factory=ToolEffects)
    rewrites: Rewrites = field(default_factory=Rewrites)
    failures: FailureGroups = field(default_factory=FailureGroups)
    cases: CaseBook = field(default_factory=CaseBook)

    @property
    def total(self) -> int:
        """Finished tasks."""
        return self.statuses.total()

    def add(self, record: PreferenceRecord) -> None:
        """Count a record."""
        self.statuses[record.status] += 1
        if record.review:
            self.decisions[record.review.decision] += 1
        for role, model in record.models.items():
            self.models[role].add(model)
        for role, usage in record.usage.items():
            self.usage[role] = self.usage.get(role, RoleUsage()) + usage
        for index, attempt in enumerate(record.attempts):
            accepted = record.status == "accepted" and index == record.best_attempt
            self.rounds.setdefault(attempt.round, RoundFacts()).add(attempt, accepted=accepted)
            self.tools.add(attempt)
        self._add_scores(record)
        self.rewrites.add(record)
        self.failures.add(record)
        self.cases.add(record)

    def _add_scores(self, record: PreferenceRecord) -> None:
        best, pair = record.best, record.pair
        if best is None or pair is None:
            return
        self.chosen.append(pair.chosen_score)
        self.rejected.append(pair.rejected_score)
        self.margins.append(pair.margin)
        if record.status == "accepted":
            self.pairs.add(record.task.id, pair.chosen, pair.rejected)
        if best.critique.score is not None:
            self.rewards.append(best.critique.score)
        texts = {candidate.index: candidate.text for candidate in best.candidates}
        inside = {pair.chosen, pair.rejected}
        self.others.extend(verdict.score for verdict in best.verdicts if texts.get(verdict.candidate) not in inside)
