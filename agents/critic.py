"""The reward critic: scores a pair as training data (paper: section 2.3, appendix D.2).

Two ways of scoring stand behind one interface. `PairCritic` is the paper's. `SideCritic` departs from it: the model never learns
which response is preferred, since a small one takes the label for the answer, and the reward is computed from two grades.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, create_model

from anyprefer.agents.grading import analysis_type, describe_analysis, scale, score_type, weigh_digits
from anyprefer.agents.material import (
    Show,
    differ_unseen,
    evidence_block,
    fits_surely,
    knowledge_block,
    lay_out,
    response_block,
    response_name,
    show_text,
    task_block,
)
from anyprefer.agents.standing import UNKNOWN, Standing, Standings
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import CriticConfig
from anyprefer.prompts import Prompt
from anyprefer.shortening import watch_cuts
from anyprefer.types import REFERENCE, Critique, Evidence, Knowledge, Message, PreferencePair, Side, Task

_NONE: Standings = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Background:
    """What a critic goes by, the pair apart."""

    task: Task
    evidence: Sequence[Evidence] = ()
    knowledge: Knowledge | None = None
    standings: Standings


@dataclass(frozen=True, kw_only=True)
class RewardCritic(ABC):
    """Sees the pair, the task and the findings, never the judge's scores, so that it cannot just agree."""

    model: ModelClient
    prompts: Mapping[str, Prompt]
    config: CriticConfig
    field: str
    examples: str = ""
    evidence_chars: int = 2000
    show: Show = show_text

    async def critique(
        self, task: Task, pair: PreferencePair, round_: int, *, evidence: Sequence[Evidence] = (),
        knowledge: Knowledge | None = None, standings: Standings = _NONE,
    ) -> Critique:  # fmt: skip
        """Score the pair from 1 to 10, with the reasons.

        Args:
            task: What the sides answer.
            pair: The pair.
            round_: The round of the loop.
            evidence: What tools found, about the sides and the task among others.
            knowledge: What the aggregator made of it.
            standings: What findings come to, by the index of a candidate.

        Raises:
            ModelError: The model failed; a missing score is never 0.
        """
        background = Background(task=task, evidence=evidence, knowledge=knowledge, standings=standings)
        return await self._critique(background, pair, round_)

    def sees_no_difference(
        self, task: Task, pair: PreferencePair, *, evidence: Sequence[Evidence] = (), knowledge: Knowledge | None = None,
        standings: Standings = _NONE,
    ) -> bool:  # fmt: skip
        """Whether the sides are too long for the critic, and differ only in what it is not shown; asks no model."""
        background = Background(task=task, evidence=evidence, knowledge=knowledge, standings=standings)
        if all(fits_surely(self.model, self.show(side.output)) for side in (pair.chosen, pair.rejected)):
            return False
        with watch_cuts() as cuts:
            names = self._lay_out(background, pair)
        return differ_unseen(pair, names, cuts, self.model.role, self.show)

    @abstractmethod
    async def _critique(self, background: Background, pair: PreferencePair, round_: int) -> Critique: ...

    @abstractmethod
    def _lay_out(self, background: Background, pair: PreferencePair) -> tuple[str, str]:
        """Fill the prompts without asking; returns what cuts call the two sides."""

    def _findings(self, background: Background, side: Side, label: str, name: str) -> Iterator[str]:
        """What was found about a side, a block a finding."""
        for item in background.evidence:
            if item.candidate is not None and item.candidate == side.origin.candidate:
                yield evidence_block(item, f"{item.tool} on the {label}", self.evidence_chars, f"{item.tool} on {name}")


@dataclass(frozen=True)
class Grade:
    """What is known about one side."""

    chance: float
    """That it is right, 0 to 1."""
    reasons: str

    @property
    def score(self) -> float:
        """On the scale from 1 to 10."""
        return 1 + 9 * self.chance


class SideCritic(RewardCritic):
    """Grades each side by itself; the reward is the geometric mean of the chances that one is right and the other is not.

    So 7 of 10 stands for two thirds on either side, and no certainty about one side makes up for the other.
    A request holds one response and nothing of the pair, so that the same response gets the same grade on either side, and the
    journal has it when a later round pairs it again.
    """

    async def _critique(self, background: Background, pair: PreferencePair, round_: int) -> Critique:
        chosen, rejected = await complete_all(self._grade(background, side) for side in (pair.chosen, pair.rejected))
        reward = 1 + 9 * sqrt(chosen.chance * (1 - rejected.chance))
        analysis = f"Preferred: {chosen.reasons}\nDispreferred: {rejected.reasons}\n{describe_contrast(chosen, rejected)}"
        return Critique(analysis=analysis, score=reward, grades=(chosen.score, rejected.score))

    async def _grade(self, background: Background, side: Side) -> Grade:
        if side.origin == REFERENCE:
            return Grade(1.0, "It is the task's reference, which is taken to be right.")
        standing = _standing(background, side)
        share = None if standing.supports is None else standing.share
        if share is not None and self.config.evidence_weight == 1:
            return Grade(share, _describe_standing(standing))
        score, analysis = await self._ask(background, side)
        chance = (score - 1) / 9
        if share is not None:
            weight = self.config.evidence_weight
            chance = min(1.0, weight * share + (1 - weight) * chance)
        parts = (_describe_standing(standing), f"Read by itself it gets {score:.3g} of 10.", analysis)
        return Grade(chance, " ".join(part for part in parts if part))

    async def _ask(self, background: Background, side: Side) -> tuple[float, str]:
        """The model's grade from 1 to 10, and its analysis."""
        site, schema = _site(background, side), side_schema(self.config.analysis_chars, *scale(self.config))
        messages, expected = self._messages(background, side), self.config.expected_score
        sheet, completion = await self.model.structured_completion(messages, site, schema, digits=expected)
        reply = sheet.model_dump()
        written = [int(reply["grade"])]
        (score,) = weigh_digits(self.model, completion, "grade", written) if expected else map(float, written)
        return score, reply.get("analysis", "")

    def _messages(self, background: Background, side: Side) -> tuple[Message, ...]:
        (lowest, highest), name = scale(self.config), _name(side)
        return lay_out(self.model, lambda: self.prompts["critique_side"].fill({
            "field": self.field, "lowest": str(lowest), "highest": str(highest), "task": task_block(background.task),
            "analysis": describe_analysis(self.config, "of the response"),
            "knowledge": knowledge_block(background.knowledge, background.evidence, self.evidence_chars),
            "response": "\n\n".join((
                response_block(self.show(side.output), "response", name),
                *self._findings(background, side, "response", name),
            )),
        }))  # fmt: skip

    def _lay_out(self, background: Background, pair: PreferencePair) -> tuple[str, str]:
        for side in (pair.chosen, pair.rejected):
            if _standing(background, side).supports is None:  # what decides about the others has seen them
                self._messages(background, side)
        return _name(pair.chosen), _name(pair.rejected)


def _standing(background: Background, side: Side) -> Standing:
    return background.standings.get(-1 if side.origin.candidate is None else side.origin.candidate, UNKNOWN)


def _site(background: Background, side: Side) -> CallSite:
    """The same whichever side it is, and in whichever round it is asked about."""
    origin = side.origin
    step = f"rate/{origin.kind if origin.candidate is None else origin.candidate}"
    return CallSite(background.task.id, "critic", origin.round or 0, step)


def _name(side: Side) -> str:
    return side.origin.kind if side.origin.candidate is None else response_name(side.origin.candidate)


def _describe_standing(standing: Standing) -> str:
    if standing.votes:
        doubt = "" if standing.supports is not None else ", which decides nothing"
        return f"{standing.votes_for:g} of {standing.votes} checks speak for it{doubt}."
    return "No answer could be read in it that a check knows." if standing.silent else ""


def describe_contrast(chosen: Grade, rejected: Grade) -> str:
    """What two grades come to, in one sentence."""
    chances = f"({100 * chosen.chance:.0f} % against {100 * rejected.chance:.0f} %)"
    if chosen.chance <= rejected.chance:
        return f"The preferred response is no more likely to be right than the other {chances}: the order cannot be trusted."
    if rejected.chance >= 0.5:
        return f"Both are likely to be right {chances}, so that the pair shows no mistake to avoid."
    if chosen.chance < 0.5:
        return f"Both are likely to be wrong {chances}, so that the pair shows nothing to follow."
    return f"The preferred response is likely to be right and the other one wrong {chances}."


@cache
def side_schema(analysis_chars: int, lowest: int, highest: int) -> type[BaseModel]:
    """The reply about one side: the analysis, where the recipe wants one, comes before the grade."""
    first: dict[str, Any] = {"analysis": (analysis_type(analysis_chars), ...)} if analysis_chars else {}
    return create_model("SideReview", __config__=ConfigDict(extra="forbid"), **first, grade=(score_type(lowest, highest), ...))


class PairCritic(RewardCritic):
    """The paper's critic: reads the pair as such and gives it an integer."""

    names: ClassVar[tuple[str, str]] = ("preferred response", "dispreferred response")

    async def _critique(self, background: Background, pair: PreferencePair, round_: int) -> Critique:
        site = CallSite(background.task.id, "critic", round_, "critique")
        schema = review_schema(self.config.analysis_chars)
        review = (await self.model.structured(self._messages(background, pair), site, schema)).model_dump()
        analyses = (review.get("preferred_analysis", ""), review.get("dispreferred_analysis", ""))
        analysis = f"Preferred: {analyses[0]}\nDispreferred: {analyses[1]}" if any(analyses) else ""
        return Critique(analysis=analysis, score=review["score"])

    def _messages(self, background: Background, pair: PreferencePair) -> tuple[Message, ...]:
        sides = (pair.chosen, pair.rejected)

        def build() -> tuple[Message, ...]:
            chosen, rejected = (
                response_block(self.show(side.output), name, name) for side, name in zip(sides, self.names, strict=True)
            )
            context = [knowledge_block(background.knowledge, background.evidence, self.evidence_chars)]
            for side, name in zip(sides, self.names, strict=True):
                context += self._findings(background, side, name, name)
            return self.prompts["critique"].fill({
                "field": self.field, "examples": self.examples, "context": "\n\n".join(filter(None, context)),
                "analysis": describe_analysis(self.config, "of each response"), "task": task_block(background.task),
                "chosen": chosen, "rejected": rejected,
            })  # fmt: skip

        return lay_out(self.model, build)

    def _lay_out(self, background: Background, pair: PreferencePair) -> tuple[str, str]:
        self._messages(background, pair)
        return self.names


@cache
def review_schema(analysis_chars: int) -> type[BaseModel]:
    """The reply about a pair: analyses first, so that the score follows from them."""
    names = ("preferred_analysis", "dispreferred_analysis") if analysis_chars else ()
    first: dict[str, Any] = {name: (analysis_type(analysis_chars), ...) for name in names}
    return create_model("PairReview", __config__=ConfigDict(extra="forbid"), **first, score=(score_type(1, 10), ...))


_METHODS: Mapping[str, type[RewardCritic]] = {"sides": SideCritic, "paper": PairCritic}


def build_critic(
    *, config: CriticConfig, model: ModelClient, prompts: Mapping[str, Prompt], field: str, examples: str = "",
    evidence_chars: int = 2000, show: Show = show_text,
) -> RewardCritic:  # fmt: skip
    """Make the critic of a recipe; the arguments are those of `build_judge`."""
    return _METHODS[config.method](
        model=model, prompts=prompts, config=config, field=field, examples=examples, evidence_chars=evidence_chars, show=show
    )
