"""What tools found, and how the judge's scores went with it.

Scores are compared within one attempt, so that easy and hard tasks do not mix: what a tool said of one response against what it
said of another. A finding "speaks for" or "speaks against" a response when its words say so (`leaning`), which is a reading of
text and can be wrong; whether two findings of a tool differ at all is exact.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from anyprefer.types import Attempt, Evidence

Leaning = Literal["for", "against", "neither"]

AGAINST = re.compile(
    r"\b(wrong|incorrect|false|fails?|failed|differs?|disagrees?|contradict\w*|refuted?|unsupported|not supported|mismatch\w*|"
    r"only \d+ of \d+ agree|no final answer)\b",
    re.IGNORECASE,
)
FOR = re.compile(
    r"\b(right|correct|passes|agrees?|matches|supported|confirmed|confirms|all \d+ responses give it|most agree)\b", re.IGNORECASE
)


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
    seconds: float = 0.0
    by_leaning: defaultdict[Leaning, Mean] = field(default_factory=lambda: defaultdict(Mean))
    """The judge's score of responses that the tool spoke for, against, or neither."""
    same: Mean = field(default_factory=Mean)
    """Absolute difference in score of two responses of one attempt of which the tool said the same."""
    different: Mean = field(default_factory=Mean)
    """Likewise where it said different things; well above `same` means that the judge heeds the tool."""
    sided: Counter[str] = field(default_factory=Counter)
    """How often the tool sided with the pair's chosen response, with the rejected one, or with neither."""


@dataclass
class ToolEffects:
    """All tools over a run."""

    tools: dict[str, ToolEffect] = field(default_factory=dict)
    without: int = 0
    """Attempts without any evidence."""

    def add(self, attempt: Attempt) -> None:
        """Count the evidence of an attempt."""
        self.without += not attempt.evidence
        by_tool: defaultdict[str, list[Evidence]] = defaultdict(list)
        for found in attempt.evidence:
            by_tool[found.tool].append(found)
        for name, findings in by_tool.items():
            effect = self.tools.setdefault(name, ToolEffect())
            effect.calls += len(findings)
            effect.failed += sum(not found.ok for found in findings)
            effect.seconds += sum(found.seconds for found in findings)
            _compare_scores(effect, attempt, {found.candidate: found for found in findings if found.ok})
            side = side_of(name, attempt)
            if side is not None:
                effect.sided[side] += 1


def _compare_scores(effect: ToolEffect, attempt: Attempt, findings: dict[int | None, Evidence]) -> None:
    scored = [(verdict.score, findings[verdict.candidate]) for verdict in attempt.verdicts if verdict.candidate in findings]
    for score, found in scored:
        effect.by_leaning[leaning(found.content)].add(score)
    for (score, found), (other_score, other) in itertools.combinations(scored, 2):
        mean = effect.same if found.content == other.content else effect.different
        mean.add(abs(score - other_score))


def leaning(content: str) -> Leaning:
    """Whether a finding speaks for or against the response it is about, by its words; one bad word outweighs good ones."""
    if AGAINST.search(content):
        return "against"
    return "for" if FOR.search(content) else "neither"


def side_of(tool: str, attempt: Attempt) -> Literal["chosen", "rejected", "neither"] | None:
    """Which response of the attempt's pair a tool spoke better of; None where it did not look at both."""
    if attempt.pair is None:
        return None
    sides = [_about(tool, attempt, text) for text in (attempt.pair.chosen, attempt.pair.rejected)]
    if sides[0] is None or sides[1] is None:
        return None
    ranks: Sequence[Leaning] = ("against", "neither", "for")
    chosen, rejected = (ranks.index(leaning(found.content)) for found in sides if found)
    return "neither" if chosen == rejected else "chosen" if chosen > rejected else "rejected"


def _about(tool: str, attempt: Attempt, text: str) -> Evidence | None:
    index = next((candidate.index for candidate in attempt.candidates if candidate.text == text), None)
    found = (item for item in attempt.evidence if item.tool == tool and item.ok and item.candidate == index)
    return None if index is None else next(found, None)
