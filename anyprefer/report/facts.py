"""What a run came to, gathered one record at a time: every record is looked at once, and few are kept."""

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from anyprefer.agents.references import ReferenceReader
from anyprefer.data.pair_digest import PairDigest
from anyprefer.report.cases import CaseBook
from anyprefer.report.failures import FailureGroups
from anyprefer.report.rewrites import Rewrites
from anyprefer.report.tool_effects import ToolEffects
from anyprefer.runs.certainty import CertaintyBands
from anyprefer.runs.naming import name_origin
from anyprefer.runs.rewards import opinions_of
from anyprefer.types import Attempt, PreferenceRecord, Reason, RoleUsage, Side

UNNAMED_MODEL = "a model without a name"
"""Who wrote a response of which the record does not say it."""


FIRST = 5
"""Accepted pairs that the page begins with, as many as `anyprefer show` prints."""


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
    exhausted_after_error: int = 0
    """Exhausted tasks that an error ended before they were out of rounds."""
    decisions: Counter[str] = field(default_factory=Counter)
    """What reviewers decided."""
    models: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Role -> models."""
    usage: dict[str, RoleUsage] = field(default_factory=dict)
    """Role -> cost of the finished tasks."""
    rounds: dict[int, RoundFacts] = field(default_factory=dict)
    chosen: "array[float]" = field(default_factory=_numbers)
    """Scores of chosen responses, over the pair of each record as a reviewer left it."""
    rejected: "array[float]" = field(default_factory=_numbers)
    others: "array[float]" = field(default_factory=_numbers)
    """Scores of the responses of those attempts that are in no pair; one that a reviewer replaced was in one."""
    shortened: int = 0
    """Tasks whose judge or critic saw a shortened text in some round."""
    shortened_parts: Counter[str] = field(default_factory=Counter)
    """Who saw what shortened -> tasks."""
    opinions: Counter[float] = field(default_factory=Counter)
    """Rewards of all rounds that are a critic's opinion, to three digits -> attempts."""
    unscored: int = 0
    """Sides that no judge has scored."""
    margins: "array[float]" = field(default_factory=_numbers)
    """Of the pairs with two scores; below 0 where the chosen response has the lower one."""
    certainties: "array[float]" = field(default_factory=_numbers)
    """Of the pairs on which verifying tools voted."""
    reader: ReferenceReader = field(default_factory=ReferenceReader)
    """Compares pairs with references."""
    bands: CertaintyBands = field(default_factory=CertaintyBands)
    """Accepted pairs by certainty, with what references say of them."""
    differing: int = 0
    """Pairs whose sides do not meet the criteria of a rubric alike."""
    grades: dict[str, "array[float]"] = field(default_factory=lambda: {"chosen": _numbers(), "rejected": _numbers()})
    """The critic's grades of the sides that it read each by itself."""
    shortfalls: Counter[Reason] = field(default_factory=Counter)
    """What stood in the way first -> rounds without a good pair."""
    authors: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Who wrote -> how many chosen and rejected sides."""
    rewards: "array[float]" = field(default_factory=_numbers)
    pairs: PairDigest = field(default_factory=PairDigest)
    """Names the accepted pairs."""
    tools: ToolEffects = field(default_factory=ToolEffects)
    rewrites: Rewrites = field(default_factory=Rewrites)
    failures: FailureGroups = field(default_factory=FailureGroups)
    cases: CaseBook = field(default_factory=CaseBook)
    first: list[PreferenceRecord] = field(default_factory=list)
    """The first accepted records, up to `FIRST`."""

    @property
    def total(self) -> int:
        """Finished tasks."""
        return self.statuses.total()

    def add(self, record: PreferenceRecord) -> None:
        """Count a record."""
        self.statuses[record.status] += 1
        self.exhausted_after_error += record.status == "exhausted" and record.error is not None
        if record.review:
            self.decisions[record.review.decision] += 1
        for role, model in record.models.items():
            self.models[role].add(model)
        for role, usage in record.usage.items():
            self.usage[role] = self.usage.get(role, RoleUsage()) + usage
        for index, attempt in enumerate(record.attempts):
            accepted = record.status == "accepted" and index == record.best_attempt
            self.rounds.setdefault(attempt.round, RoundFacts()).add(attempt, accepted=accepted)
            self.tools.add(attempt, record.attempts)
            if attempt.shortfall:
                self.shortfalls[attempt.shortfall.reasons[0]] += 1
        self.shortened += bool(record.shortened)
        self.shortened_parts.update(record.shortened)
        self.opinions.update(opinions_of(record))
        self._add_scores(record)
        self.rewrites.add(record)
        self.failures.add(record)
        self.cases.add(record)

    def _add_scores(self, record: PreferenceRecord) -> None:
        best, pair = record.best, record.pair
        if best is None or pair is None:
            return
        for name, side, scores in (("chosen", pair.chosen, self.chosen), ("rejected", pair.rejected, self.rejected)):
            self.authors[_author(record, side)][name] += 1
            self.unscored += side.score is None
            _append_known(scores, side.score)
        for grades, grade in zip(self.grades.values(), best.critique.grades or (), strict=False):
            grades.append(grade)
        self.differing += bool(pair.differences)
        _append_known(self.margins, pair.margin)
        _append_known(self.certainties, pair.certainty)
        _append_known(self.rewards, best.critique.score)
        if record.status == "accepted":
            self.bands.add(pair.certainty, self.reader.read_pair(record.task, pair))
            if len(self.first) < FIRST:
                self.first.append(record)
            self.pairs.add(record.task.id, pair.chosen.text, pair.rejected.text)
        self.others.extend(_other_scores(best))


def _author(record: PreferenceRecord, side: Side) -> str:
    if side.origin.kind != "candidate":
        return name_origin(side.origin)
    return record.model_of(side) or UNNAMED_MODEL


def _append_known(numbers: "array[float]", value: float | None) -> None:
    if value is not None:
        numbers.append(value)


def _other_scores(attempt: Attempt) -> list[float]:
    """Scores of the responses that the loop left out of its pair."""
    sides = (attempt.pair.chosen, attempt.pair.rejected) if attempt.pair else ()
    inside = {side.origin.candidate for side in sides if attempt.knows(side)}
    return [verdict.score for verdict in attempt.verdicts if verdict.candidate not in inside]
