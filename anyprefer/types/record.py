"""The one result of a task, with its whole lineage."""

from typing import Final, Literal

from pydantic import Field

from anyprefer.types.base import Value
from anyprefer.types.candidate import Candidate
from anyprefer.types.evidence import Evidence, Knowledge, ToolCall
from anyprefer.types.pair import Critique, PreferencePair, Review, Side, Verdict
from anyprefer.types.task import Task

RECORD_VERSION: Final = 2
"""Of the format below; `anyprefer.data.old_records` reads what earlier versions wrote."""


class Prompts(Value):
    """The two policies that the loop optimises (paper: p_t and p_j): guidance around fixed templates."""

    target: str = ""
    judge: str = ""
    version: int = 0
    """How many rewrites led here."""


class Attempt(Value):
    """Everything of one round of the loop."""

    round: int = Field(ge=0)
    prompts: Prompts
    candidates: tuple[Candidate, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    knowledge: Knowledge | None = None
    verdicts: tuple[Verdict, ...] = ()
    pair: PreferencePair | None = None
    critique: Critique

    @property
    def reward(self) -> float:
        """The critic's score, or 0 where there was nothing to score."""
        return float(self.critique.score or 0)

    def candidate_of(self, side: Side) -> Candidate | None:
        """The candidate that a side is; None where this round did not sample it."""
        origin = side.origin
        if origin.kind != "candidate" or origin.round != self.round:
            return None
        return next((candidate for candidate in self.candidates if candidate.index == origin.candidate), None)

    def verdict_of(self, side: Side) -> Verdict | None:
        """The judge's verdict on a side; None where no judge saw it."""
        candidate = self.candidate_of(side)
        return next((one for one in self.verdicts if candidate and one.candidate == candidate.index), None)

    def evidence_of(self, side: Side) -> tuple[Evidence, ...]:
        """What tools found about a side."""
        candidate = self.candidate_of(side)
        return tuple(one for one in self.evidence if candidate and one.candidate == candidate.index)


class RoleUsage(Value):
    """What one role (target, judge, ...) has cost so far."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """Sum of the calls' durations; calls overlap, so this is not wall time."""
    cost_usd: float | None = 0.0
    """None as soon as one call's price is unknown."""

    def __add__(self, other: "RoleUsage") -> "RoleUsage":
        known = self.cost_usd is not None and other.cost_usd is not None
        return RoleUsage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            seconds=self.seconds + other.seconds,
            cost_usd=(self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
        )


class Failure(Value):
    """Why a task has no pair."""

    kind: str
    """The exception's class name."""
    message: str
    node: str
    """The graph node that failed."""


class PreferenceRecord(Value):
    """The one result of a task, with its whole lineage."""

    version: Literal[2] = RECORD_VERSION
    task: Task
    status: Literal["accepted", "exhausted", "rejected", "failed"]
    """With a good pair; out of rounds without one; turned down by a reviewer; without any result."""
    attempts: tuple[Attempt, ...] = ()
    best_attempt: int | None = None
    """Index into `attempts`: the accepted one, or the best of an exhausted task; None where no attempt made a pair."""
    review: Review | None = None
    """A person's decision, where one was asked for."""
    error: Failure | None = None
    models: dict[str, str] = Field(default_factory=dict)
    """Role -> model identifier."""
    prompt_hashes: dict[str, str] = Field(default_factory=dict)
    """Prompt file -> SHA-256 of its text."""
    usage: dict[str, RoleUsage] = Field(default_factory=dict)
    cost_usd: float | None = None
    seed: int | None = None
    recipe_digest: str = ""

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
