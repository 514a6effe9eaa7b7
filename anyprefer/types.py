"""The values of one synthesis, in the order in which they come into being.

All are frozen pydantic models that refuse unknown fields. They are what nodes exchange, what checkpoints hold (the list
`VALUES` is the checkpoint serializer's allowlist) and what `records.jsonl` stores.
"""

import hashlib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Value(BaseModel):
    """Base of all values: frozen, no unknown fields, floats always finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Message(Value):
    """One chat message of a task's prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


class Task(Value):
    """One prompt to make a preference pair for.

    Example:
        Task(prompt="What is 2 + 2?", reference="4")
    """

    id: str = ""
    """Unique within a run; a hash of the prompt and images when the input names none."""
    prompt: str | tuple[Message, ...]
    """A plain user prompt, or a conversation whose last message is the user's."""
    images: tuple[str, ...] = ()
    """Paths or content hashes, never bytes."""
    reference: str | None = None
    """A trusted answer, used as the chosen response when the recipe says so."""
    application: str = "text"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """Carried through to record and export. No model sees it, but the tool `python` runs `tests` and quotes a failing one."""

    @model_validator(mode="before")
    @classmethod
    def _fill_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("id") in (None, "") and "prompt" in data:
            prompt = data["prompt"]
            parts = prompt if isinstance(prompt, str) else [Message.model_validate(part) for part in prompt]
            text = parts if isinstance(parts, str) else "\0".join(f"{part.role}\0{part.content}" for part in parts)
            digest = hashlib.sha256("\0\0".join((text, *map(str, data.get("images") or ()))).encode("utf-8", "surrogatepass"))
            return {**data, "id": digest.hexdigest()[:24]}
        return data

    @model_validator(mode="after")
    def _check_prompt(self) -> "Task":
        if not any(message.content.strip() for message in self.messages):
            raise ValueError("prompt is empty: every task needs a prompt with text")
        if self.messages[-1].role != "user":
            raise ValueError(f"the last message of prompt has role {self.messages[-1].role!r}: it must be 'user'")
        return self

    @property
    def messages(self) -> tuple[Message, ...]:
        """The prompt as a conversation."""
        return (Message(role="user", content=self.prompt),) if isinstance(self.prompt, str) else self.prompt

    @property
    def text(self) -> str:
        """The prompt as plain text, for judges, tools and search queries."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in self.prompt)


class Candidate(Value):
    """One response of the target model."""

    index: int = Field(ge=0)
    text: str
    finish_reason: str | None = None
    """As the server reports it; "length" means that the response was cut off."""
    model: str | None = None
    """Which model wrote it, where the recipe has more than one generator."""


class ToolCall(Value):
    """A tool that the judge chose, with its arguments."""

    tool: str
    args: dict[str, Any] = Field(default_factory=dict)
    candidate: int | None = None
    """The index of the candidate it concerns; None for a call about the task."""
    why: str = ""
    """What the judge hoped to find out, in its own words."""


class Evidence(Value):
    """What one tool call found, or why it failed."""

    tool: str
    args: dict[str, Any] = Field(default_factory=dict)
    candidate: int | None = None
    content: str
    ok: bool = True
    seconds: float = Field(ge=0)


class Knowledge(Value):
    """The aggregated evidence: what the judge needs and nothing else."""

    text: str


class Verdict(Value):
    """The judge's opinion of one candidate."""

    candidate: int = Field(ge=0)
    analysis: str
    score: float = Field(ge=1, le=10)
    """1 (worst) to 10 (perfect): the mean of `scores`, or the one that a meta-judge preferred."""
    scores: tuple[float, ...] = ()
    """The scores of the single judgements: each model of the panel, each ordering; in the same order for every candidate."""


def disagree(first: Verdict, second: Verdict) -> bool | None:
    """Whether single judgements (orderings, panel members) rank two candidates in opposite ways; None where there is but one."""
    if min(len(first.scores), len(second.scores)) < 2:
        return None
    signs = {(a > b) - (a < b) for a, b in zip(first.scores, second.scores, strict=True)}
    return {1, -1} <= signs


class PreferencePair(Value):
    """Two different responses, the first preferred with a positive margin.

    Construction fails on identical texts (white space apart) and on a margin that is not positive, so that no code path can
    make a degenerate pair.
    """

    chosen: str
    rejected: str
    chosen_score: float = Field(ge=1, le=10)
    rejected_score: float = Field(ge=1, le=10)

    @model_validator(mode="after")
    def _check_contrast(self) -> "PreferencePair":
        if not self.chosen.strip() or not self.rejected.strip():
            raise ValueError("a preference pair needs two texts that are not empty")
        if normalize(self.chosen) == normalize(self.rejected):
            raise ValueError("a preference pair needs two different texts")
        if self.margin <= 0:
            raise ValueError(f"a preference pair needs a positive margin, got {self.margin!r}")
        return self

    @property
    def margin(self) -> float:
        """Chosen score minus rejected score, above 0 and at most 9."""
        return self.chosen_score - self.rejected_score


class Critique(Value):
    """The reward critic's opinion of a pair."""

    analysis: str
    score: int | None = Field(default=None, ge=1, le=10)
    """The surrogate reward (paper: section 2.3); None when there was no pair to score, which counts as below any threshold."""


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


class Review(Value):
    """What a person decided about a pair."""

    decision: Literal["accept", "swap", "edit", "reject"]
    """Keep it, exchange its sides, keep it with other texts, or drop it."""
    reason: str = ""
    chosen: str | None = None
    """With `edit`: the chosen text, if it is another one."""
    rejected: str | None = None
    """With `edit`: the rejected text, if it is another one."""
    reviewer: str = ""

    @model_validator(mode="after")
    def _check_edit(self) -> "Review":
        if (self.decision == "edit") != (self.chosen is not None or self.rejected is not None):
            raise ValueError("'edit' takes a chosen or a rejected text, and no other decision does")
        if self.decision == "reject" and not self.reason.strip():
            raise ValueError("'reject' takes a reason")
        return self

    def apply(self, pair: PreferencePair) -> PreferencePair | None:
        """The pair as the reviewer wants it, None where it is rejected.

        With `swap` the scores stay with their side: the reviewer says that the judge had the responses the wrong way round.
        """
        if self.decision == "reject":
            return None
        if self.decision == "swap":
            return pair.model_copy(update={"chosen": pair.rejected, "rejected": pair.chosen})
        values = {
            **pair.model_dump(),
            **{key: text for key in ("chosen", "rejected") if (text := getattr(self, key)) is not None},
        }
        return PreferencePair.model_validate(values)


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


VALUES: tuple[type[Value], ...] = (
    Message, Task, Candidate, ToolCall, Evidence, Knowledge, Verdict, PreferencePair, Critique, Prompts, Attempt,
    Review, RoleUsage, Failure, PreferenceRecord,
)  # fmt: skip


def normalize(text: str) -> str:
    """Fold white space, so that texts which differ only in layout count as the same."""
    return " ".join(text.split())
