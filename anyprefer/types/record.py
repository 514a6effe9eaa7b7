"""The one result of a task, with its whole lineage."""

import operator
import re
from typing import Final, Literal

from pydantic import Field

from anyprefer.redaction import quote
from anyprefer.types.base import Value
from anyprefer.types.candidate import Candidate
from anyprefer.types.evidence import Evidence, Knowledge, ToolCall
from anyprefer.types.pair import Critique, PreferencePair, Review, Side, Verdict
from anyprefer.types.shortfall import Reason, Shortfall
from anyprefer.types.task import Task

RECORD_VERSION: Final = 2
"""Of the format below; `anyprefer.data.old_records` reads what earlier versions wrote."""


class Prompts(Value):
    """The two policies that the loop optimises (paper: p_t and p_j): guidance around fixed templates."""

    target: str = ""
    judge: str = ""
    version: int = 0
    """How many rewrites led here."""
    reasons: tuple[Reason, ...] = Field(default=(), exclude_if=operator.not_)
    """The known reasons whose fixed lines stand in the guidance."""
    rewritten_by: Literal["rules", "model", ""] = Field(default="", exclude_if=operator.not_)
    """Who made the last rewrite: fixed lines alone, or the rewriter's model, whose words the lines then precede; empty before the
    first, and in records of before."""
    refused: str = Field(default="", exclude_if=operator.not_)
    """What the words of the rewriter's model stated that guidance may not, so that they were left out; empty where none were."""


class Cut(Value):
    """What of a text did not enter a prompt: the middle, where it was too long, or its remarks to the judge."""

    role: str
    """Whose model read it, such as "judge"; "tools" where a tool shortened what it found."""
    what: str
    """Which text, such as "task", "response 2", "calculator on response 2" or "remarks to the judge in response 2"."""
    chars: int = Field(ge=1)
    """Characters that were left out."""

    @property
    def is_judged(self) -> bool:
        """Whether a judge or the critic read it, so that a verdict may rest on half a text."""
        return self.role.partition(".")[0] in ("judge", "critic")

    @property
    def part(self) -> str:
        """The same for all responses and for all judges of a panel, such as "judge: response"."""
        return f"{self.role.partition('.')[0]}: {re.sub(r' [0-9]+$', '', self.what)}"


class Attempt(Value):
    """Everything of one round of the loop."""

    round: int = Field(ge=0)
    prompts: Prompts
    candidates: tuple[Candidate, ...]
    """Those that this round sampled. Findings, verdicts and the pair may be about earlier rounds' as well."""
    tool_calls: tuple[ToolCall, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    knowledge: Knowledge | None = None
    verdicts: tuple[Verdict, ...] = ()
    pair: PreferencePair | None = None
    critique: Critique
    shortfall: Shortfall | None = Field(default=None, exclude_if=lambda shortfall: shortfall is None)
    """Why there is no pair, or none that is good enough; None of a good one, of one that the critic failed to score, and in
    records of before."""
    cuts: tuple[Cut, ...] = Field(default=(), exclude_if=operator.not_)
    """Texts that a model saw shortened. What a prompt quotes in excerpts by design is not among them: responses while tools are
    chosen, those of the last round for the aggregator."""

    @property
    def shortened(self) -> frozenset[str]:
        """What a judge or the critic saw shortened, as `Cut.part` calls it."""
        return frozenset(cut.part for cut in self.cuts if cut.is_judged)

    @property
    def reward(self) -> float:
        """The critic's score, or 0 where there was nothing to score."""
        return float(self.critique.score or 0)

    def candidate_of(self, side: Side) -> Candidate | None:
        """The candidate that a side is; None where this round did not sample it."""
        origin = side.origin
        if origin.round != self.round:
            return None
        return next((candidate for candidate in self.candidates if candidate.index == origin.candidate), None)

    def knows(self, side: Side) -> bool:
        """Whether the side is a candidate that this round, or one before it, sampled.

        In records of before, where each round counted its candidates from 0, a round knows its own alone.
        """
        if side.origin.round is None or any(one.round is None for one in self.candidates):
            return side.origin.round == self.round
        return side.origin.round <= self.round

    def verdict_of(self, side: Side) -> Verdict | None:
        """The round's verdict on a side; None where no judge saw it."""
        return next((one for one in self.verdicts if self.knows(side) and one.candidate == side.origin.candidate), None)

    def evidence_of(self, side: Side) -> tuple[Evidence, ...]:
        """What tools found about a side in this round."""
        return tuple(one for one in self.evidence if self.knows(side) and one.candidate == side.origin.candidate)


class RoleUsage(Value):
    """What one role (target, judge, ...) has cost so far."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """Sum of the calls' durations; calls overlap, so this is not wall time."""
    cost_usd: float | None = 0.0
    """None as soon as one call's price is unknown."""
    estimated: int = Field(default=0, exclude_if=operator.not_)
    """Calls whose tokens are an estimate, since the endpoint did not count them."""

    def __add__(self, other: "RoleUsage") -> "RoleUsage":
        known = self.cost_usd is not None and other.cost_usd is not None
        return RoleUsage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            seconds=self.seconds + other.seconds,
            cost_usd=(self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
            estimated=self.estimated + other.estimated,
        )


class Failure(Value):
    """What ended a task early."""

    kind: str
    """The exception's class name."""
    message: str
    node: str
    """The graph node that failed."""
    cause: str = Field(default="", exclude_if=operator.not_)
    """One line that is the same for every task that it happened to; records of before have none."""

    @property
    def reason(self) -> str:
        """One line to count by: the cause, or what is known in its place."""
        return self.cause or quote(self.message)


class PreferenceRecord(Value):
    """The one result of a task, with its whole lineage."""

    version: Literal[2] = RECORD_VERSION
    task: Task
    status: Literal["accepted", "exhausted", "rejected", "failed"]
    """With a good pair; out of rounds, or ended by an error, with at best a pair that is not good enough; turned down by a
    reviewer; ended by an error without any pair."""
    attempts: tuple[Attempt, ...] = ()
    best_attempt: int | None = None
    """Index into `attempts`: the accepted one, or the best of an exhausted task; None where no attempt made a pair."""
    review: Review | None = None
    """A person's decision, where one was asked for."""
    error: Failure | None = None
    """What ended the task before it was accepted or out of rounds; it may have a pair all the same."""
    models: dict[str, str] = Field(default_factory=dict)
    """Role -> model identifier."""
    prompt_hashes: dict[str, str] = Field(default_factory=dict)
    """Prompt file -> SHA-256 of its text."""
    usage: dict[str, RoleUsage] = Field(default_factory=dict)
    cost_usd: float | None = None
    seed: int | None = None
    recipe_digest: str = ""

    @property
    def shortened(self) -> frozenset[str]:
        """What a judge or the critic saw shortened in any round, as `Cut.part` calls it."""
        return frozenset(part for attempt in self.attempts for part in attempt.shortened)

    @property
    def best(self) -> Attempt | None:
        """The attempt that `best_attempt` names."""
        return None if self.best_attempt is None else self.attempts[self.best_attempt]

    @property
    def pair(self) -> PreferencePair | None:
        """The pair of the best attempt, as a reviewer left it."""
        pair = self.best.pair if self.best else None
        return self.review.apply(pair) if pair and self.review else pair

    def model_of(self, side: Side) -> str | None:
        """The model that wrote a side; None where no model did, or nobody knows which."""
        found = (attempt.candidate_of(side) for attempt in self.attempts)
        return next((candidate.model for candidate in found if candidate is not None), None)
