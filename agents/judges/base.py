"""What a judge is: a way of scoring the candidates of one task, from 1 to 10 each.

A judge that asks a model is given one and asks it for one look at the candidates; panels, orderings, aspects and the rest wrap
any judge. Another package adds a judge with an entry point in the group `anyprefer.judges` that names a subclass of `Judge`, or
any function from a `JudgeSetup` to one.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import ClassVar, NamedTuple

from anyprefer.agents.material import Show, show_text
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import JudgeConfig
from anyprefer.errors import ModelError
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate, Criterion, Evidence, Knowledge, Ruling, Task, Verdict

Judgement = tuple[Verdict, ...]
"""One judgement of the whole: a verdict for each candidate, in the candidates' order."""


class PromptFile(NamedTuple):
    """A prompt that a judge brings along; a recipe may name another file for it under `[judge.prompts]`."""

    path: Path
    placeholders: frozenset[str]


@dataclass(frozen=True)
class Material:
    """What a judge goes by, the candidates apart."""

    task: Task
    evidence: Sequence[Evidence]
    knowledge: Knowledge | None
    guidance: str
    """The judge policy's current guidance (paper: p_j)."""
    round: int
    own_answer: str = ""
    """The judge's own answer to the task; empty where the recipe does not ask for one."""
    aspect: str = ""
    """What alone is to be judged, as `name: description`; empty judges the whole."""
    rubric: tuple[Criterion, ...] = ()
    """The criteria that a response is ruled on, as far as they are settled: those of an earlier round, or the task's own."""
    look: int = 0
    """The number of the first look that the judge may take; its requests are told apart by their numbers."""


@dataclass(frozen=True, kw_only=True)
class JudgeSetup:
    """What a judge is made from."""

    model: ModelClient
    prompts: Mapping[str, Prompt]
    """By name: the judge's prompts, and those that its class names in `prompts`."""
    config: JudgeConfig
    field: str
    """The domain that the judge must know."""
    examples: str = ""
    evidence_chars: int = 2000
    show: Show = show_text
    """How the judge sees an output."""


class Judge(ABC):
    """Scores candidates.

    Example:
        class LengthJudge(Judge):
            def __init__(self, setup: JudgeSetup) -> None:
                self.show = setup.show

            def num_looks(self, num_candidates: int) -> int:
                return 0

            async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
                return tuple(
                    Verdict(candidate=one.index, analysis="", score=max(1.0, 10 - len(self.show(one.output)) / 100))
                    for one in candidates
                )
    """

    prompts: ClassVar[Mapping[str, PromptFile]] = {}
    """Name -> prompt file, of the prompts that this judge needs beyond the built-in ones."""

    @property
    def compares(self) -> bool:
        """Whether it sees the candidates beside each other, so that their order may sway it."""
        return True

    def num_looks(self, num_candidates: int) -> int:
        """How many numbered requests it makes at most for so many candidates; 0 of a judge that asks no model."""
        return 1

    def num_calls(self, num_candidates: int) -> tuple[int, int]:
        """Fewest and most requests of one judgement, those without a number included."""
        looks = self.num_looks(num_candidates)
        return looks, looks

    def voices(self, num_candidates: int) -> Sequence["Judge"]:
        """The judges whose single judgements its verdicts consist of."""
        return (self,)

    @abstractmethod
    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """Score every candidate.

        Raises:
            ModelError: A judgement is missing or malformed; an unreadable verdict is never a score.
            DataError: The task lacks what this judge goes by.
        """


@dataclass(frozen=True)
class Wrapper(Judge):
    """A judge around another; what it does not say itself, the inner one says."""

    judge: Judge

    @property
    def compares(self) -> bool:
        """As the inner judge."""
        return self.judge.compares

    def num_looks(self, num_candidates: int) -> int:
        """As many as the inner judge."""
        return self.judge.num_looks(num_candidates)


def make_verdict(candidate: Candidate, analysis: str, score: float) -> Verdict:
    """The verdict of a single judgement."""
    return Verdict(candidate=candidate.index, analysis=analysis, score=score, scores=(score,))


def sort_verdicts(verdicts: Iterable[Verdict], candidates: Sequence[Candidate]) -> Judgement:
    """Put verdicts in the candidates' order.

    Raises:
        ModelError: A candidate has none.
    """
    found = {verdict.candidate: verdict for verdict in verdicts}
    if missing := [candidate.index for candidate in candidates if candidate.index not in found]:
        raise ModelError(f"a judge gave no verdict on candidate {missing[0]}: it must score every candidate")
    return tuple(found[candidate.index] for candidate in candidates)


async def ask_all(judges: Sequence[Judge], material: Material, candidates: Sequence[Candidate]) -> list[Judgement]:
    """Ask judges side by side; their looks are numbered one judge after the other.

    Raises:
        ModelError: One of them failed.
    """
    firsts = itertools.accumulate((judge.num_looks(len(candidates)) for judge in judges), initial=material.look)
    calls = (judge.score(replace(material, look=first), candidates) for judge, first in zip(judges, firsts, strict=False))
    return [sort_verdicts(verdicts, candidates) for verdicts in await complete_all(calls)]


def merge_judgements(judgements: Sequence[Judgement], counted: Sequence[Judgement]) -> Judgement:
    """One judgement out of several.

    Args:
        judgements: All of them; every verdict keeps their scores.
        counted: Those whose mean score counts and whose analyses stay.
    """
    merged = []
    for all_of_one, counted_of_one in zip(zip(*judgements, strict=True), zip(*counted, strict=True), strict=True):
        merged.append(
            Verdict(
                candidate=all_of_one[0].candidate,
                analysis="\n\n".join(verdict.analysis for verdict in counted_of_one if verdict.analysis),
                score=fmean(verdict.score for verdict in counted_of_one),
                scores=tuple(verdict.score for verdict in all_of_one),
                rulings=merge_rulings(counted_of_one),
            )
        )
    return tuple(merged)


def merge_rulings(verdicts: Iterable[Verdict]) -> tuple[Ruling, ...]:
    """One ruling for each criterion out of those of several verdicts: as most of them say, unknown where they are split."""
    found: dict[Criterion, list[Ruling]] = {}
    for ruling in (ruling for verdict in verdicts for ruling in verdict.rulings):
        found.setdefault(ruling.criterion, []).append(ruling)
    return tuple(map(_join_rulings, found.values()))


def _join_rulings(rulings: Sequence[Ruling]) -> Ruling:
    lead = sum((ruling.met is True) - (ruling.met is False) for ruling in rulings)
    met = lead > 0 if lead else None
    finding = next((ruling.finding for ruling in rulings if ruling.met is met), "")
    return Ruling(criterion=rulings[0].criterion, met=met, finding=finding)
