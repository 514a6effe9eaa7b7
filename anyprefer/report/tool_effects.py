"""What tools found, and how the judge's scores went with it.

Scores are compared within one attempt, so that easy and hard tasks do not mix: what a tool said of one response against what it
said of another. Which response a tool sided with follows from the values of its findings, never from their words.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from anyprefer.agents.pooling import evidence_about
from anyprefer.types import Attempt, Evidence, Side

Leaning = Literal["for", "against", "silent"]
Sided = Literal["chosen", "rejected", "neither"]
SIDES: tuple[Sided, ...] = ("chosen", "rejected", "neither")

RANKS: dict[Leaning, int] = {"against": 0, "silent": 1, "for": 2}


@dataclass
class Mean:
    """A running mean."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Take in a value."""
        self.total += value
        self.count += 1

    @property
    def value(self) -> float | None:
        """The mean; None of nothing."""
        return self.total / self.count if self.count else None


@dataclass
class ToolEffect:
    """One tool over a run."""

    calls: int = 0
    failed: int = 0
    readable: int = 0
    """Calls whose finding says something to a program: for or against a response, votes, or a measure."""
    seconds: float = 0.0
    by_leaning: defaultdict[Leaning, Mean] = field(default_factory=lambda: defaultdict(Mean))
    """The judge's score of responses that the tool spoke for, against, or kept silent on."""
    same: Mean = field(default_factory=Mean)
    """Absolute difference in score of two responses of one attempt of which the tool said the same."""
    different: Mean = field(default_factory=Mean)
    """Likewise where it said different things; well above `same` means that the judge heeds the tool."""
    sided: Counter[Sided] = field(default_factory=Counter)
    """How often the tool sided with the pair's chosen response, with the rejected one, or with neither."""

    def add(self, findings: Sequence[Evidence]) -> None:
        """Count what the tool found in one attempt."""
        self.calls += len(findings)
        self.failed += sum(not found.ok for found in findings)
        self.readable += sum(_is_readable(found) for found in findings)
        self.seconds += sum(found.seconds for found in findings)


@dataclass
class ToolEffects:
    """All tools over a run."""

    tools: dict[str, ToolEffect] = field(default_factory=dict)
    without: int = 0
    """Attempts without any evidence."""

    def add(self, attempt: Attempt, attempts: Sequence[Attempt] = ()) -> None:
        """Count the evidence of an attempt, one of a task's `attempts`."""
        self.without += not attempt.evidence
        by_tool: defaultdict[str, list[Evidence]] = defaultdict(list)
        for found in attempt.evidence:
            by_tool[found.tool].append(found)
        for name, findings in by_tool.items():
            effect = self.tools.setdefault(name, ToolEffect())
            effect.add(findings)
            _compare_scores(effect, attempt, findings)
            side = side_of(name, attempt, attempts)
            if side is not None:
                effect.sided[side] += 1


def _is_readable(found: Evidence) -> bool:
    finding = found.finding
    return any(said is not None for said in (finding.supports, finding.value, finding.votes))


def _compare_scores(effect: ToolEffect, attempt: Attempt, findings: Sequence[Evidence]) -> None:
    about: defaultdict[int | None, list[Evidence]] = defaultdict(list)
    for found in findings:
        if found.ok:
            about[found.candidate].append(found)
    scored = [(verdict.score, about[verdict.candidate]) for verdict in attempt.verdicts if verdict.candidate in about]
    for score, own in scored:
        effect.by_leaning[leaning(own)].add(score)
    for (score, own), (other_score, other) in itertools.combinations(scored, 2):
        said_same = [found.finding for found in own] == [found.finding for found in other]
        (effect.same if said_same else effect.different).add(abs(score - other_score))


def leaning(findings: Sequence[Evidence]) -> Leaning:
    """What one tool's findings about a response come to; one that speaks against it outweighs those that speak for it."""
    said = {found.finding.supports for found in findings}
    return "against" if False in said else "for" if True in said else "silent"


def side_of(tool: str, attempt: Attempt, attempts: Sequence[Attempt] = ()) -> Sided | None:
    """Which response of the attempt's pair a tool sided with; None where it did not look at both.

    It sides with the one that it speaks better of. Where it is silent on both but measures both, the larger measure counts.

    Args:
        tool: Its name.
        attempt: With a pair.
        attempts: All of the task, since an earlier one may have found what is known of a side.
    """
    if attempt.pair is None:
        return None
    chosen, rejected = (_said_of(tool, attempt, attempts, side) for side in (attempt.pair.chosen, attempt.pair.rejected))
    if not chosen or not rejected:
        return None
    leanings = leaning(chosen), leaning(rejected)
    if leanings != ("silent", "silent"):
        return _higher(RANKS[leanings[0]], RANKS[leanings[1]])
    measures = _measure(chosen), _measure(rejected)
    return "neither" if measures[0] is None or measures[1] is None else _higher(measures[0], measures[1])


def _higher(chosen: float, rejected: float) -> Sided:
    return "neither" if chosen == rejected else "chosen" if chosen > rejected else "rejected"


def _said_of(tool: str, attempt: Attempt, attempts: Sequence[Attempt], side: Side) -> list[Evidence]:
    return [found for found in evidence_about(attempts, attempt, side) if found.tool == tool and found.ok]


def _measure(findings: Sequence[Evidence]) -> float | None:
    """The mean of a tool's measures of one response."""
    mean = Mean()
    for found in findings:
        if found.finding.value is not None:
            mean.add(found.finding.value)
    return mean.value
