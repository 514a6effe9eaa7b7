"""The pair and the opinions about it."""

import operator
from typing import Literal

from pydantic import Field, model_validator

from anyprefer.types.base import Value
from anyprefer.types.output import Output, same_output
from anyprefer.types.rubric import Difference, Ruling


class Verdict(Value):
    """The judge's opinion of one candidate."""

    candidate: int = Field(ge=0)
    analysis: str
    score: float = Field(ge=1, le=10)
    """1 (worst) to 10 (perfect): the mean of `scores`, or the one that a meta-judge preferred."""
    scores: tuple[float, ...] = ()
    """The scores of the single judgements: each model of the panel, each ordering; in the same order for every candidate."""
    unsure: tuple[float, ...] = Field(default=(), exclude_if=operator.not_)
    """The scores of a judge that was unsure about the task, so that a stronger one was asked, whose verdict this is."""
    rulings: tuple[Ruling, ...] = Field(default=(), exclude_if=operator.not_)
    """What a rubric's criteria came to, where the judge goes by one."""
    by_reference: bool = Field(default=False, exclude_if=operator.not_)
    """Whether the task's reference decided, and no model."""


def disagree(first: Verdict, second: Verdict) -> bool | None:
    """Whether single judgements (orderings, panel members) rank two candidates in opposite ways; None where there is but one."""
    if min(len(first.scores), len(second.scores)) < 2:
        return None
    signs = {(a > b) - (a < b) for a, b in zip(first.scores, second.scores, strict=True)}
    return {1, -1} <= signs


class Origin(Value):
    """Who wrote a side of a pair."""

    kind: Literal["candidate", "given", "reference", "person"]
    """A model in the loop; whoever wrote what the task gave to judge; whoever wrote the task's reference; a reviewer."""
    candidate: int | None = Field(default=None, ge=0)
    """Of a candidate, sampled or given, its index."""
    round: int | None = Field(default=None, ge=0)
    """Likewise, the round of the loop that it came from."""

    @model_validator(mode="after")
    def _check_place(self) -> "Origin":
        if (self.kind in ("candidate", "given")) != (self.candidate is not None and self.round is not None):
            raise ValueError("a candidate has an index and a round, and nothing else has")
        return self

    def __str__(self) -> str:
        return self.kind if self.candidate is None else f"{self.kind} {self.candidate} of round {self.round}"


REFERENCE = Origin(kind="reference")
PERSON = Origin(kind="person")


class Side(Value):
    """One side of a pair: what it says, who wrote it, and what the judge gave it."""

    origin: Origin
    output: Output
    score: float | None = Field(default=None, ge=1, le=10)
    """The judge's score of this very output; None where no judge saw it."""

    @property
    def text(self) -> str:
        """How the output reads, thoughts apart."""
        return self.output.text


class PreferencePair(Value):
    """Two different outputs, the first preferred.

    Construction fails on equal outputs (thoughts and white space apart) and on empty ones, so that no code path can make a
    degenerate pair.
    """

    chosen: Side
    rejected: Side
    certainty: float | None = Field(default=None, ge=0, le=1)
    """Share of the votes that stand behind the order, those of tools or of the reference: the lesser of the shares for the chosen
    and against the rejected side; None where nobody voted on one of them."""
    differences: tuple[Difference, ...] = Field(default=(), exclude_if=operator.not_)
    """The criteria of the judge's rubric that the sides do not meet alike."""

    @model_validator(mode="after")
    def _check_contrast(self) -> "PreferencePair":
        if not self.chosen.text.strip() or not self.rejected.text.strip():
            raise ValueError("a preference pair needs two texts that are not empty")
        if same_output(self.chosen.output, self.rejected.output):
            raise ValueError("a preference pair needs two different texts")
        return self

    @property
    def margin(self) -> float | None:
        """Chosen score minus rejected score; below 0 where a person turned the order round, None where a score is missing."""
        if self.chosen.score is None or self.rejected.score is None:
            return None
        return self.chosen.score - self.rejected.score

    def swapped(self) -> "PreferencePair":
        """The pair the other way round; every side keeps what is its own."""
        return PreferencePair(chosen=self.rejected, rejected=self.chosen)


class Critique(Value):
    """The reward critic's opinion of a pair."""

    analysis: str
    score: float | None = Field(default=None, ge=1, le=10)
    """The surrogate reward (paper: section 2.3); None when there was no pair to score, which counts as below any threshold."""
    grades: tuple[float, float] | None = Field(default=None, exclude_if=lambda grades: grades is None)
    """From 1 to 10, how right the critic found the chosen and the rejected side, each read by itself; None of a critic that
    reads the pair as a whole."""


class Review(Value):
    """What a person decided about a pair."""

    decision: Literal["accept", "swap", "edit", "reject"]
    """Keep it, exchange its sides, keep it with other outputs, or drop it."""
    reason: str = ""
    chosen: Output | None = None
    """With `edit`: the chosen output, if it is another one."""
    rejected: Output | None = None
    """With `edit`: the rejected output, if it is another one."""
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

        With `swap` each side takes its origin and its score along. With `edit` a side of other words is the person's, and no
        judge has scored it; one with the words of either side stays whose it was. Votes stand behind the order of the sides that
        they were about, and behind no other.

        Raises:
            ValueError: The sides would be equal or empty.
        """
        if self.decision == "reject":
            return None
        if self.decision == "swap":
            return pair.swapped()
        if self.decision == "accept":
            return pair
        chosen = _edited(self.chosen, pair.chosen, pair.rejected)
        rejected = _edited(self.rejected, pair.rejected, pair.chosen)
        kept = (chosen, rejected) == (pair.chosen, pair.rejected)
        return PreferencePair(chosen=chosen, rejected=rejected, certainty=pair.certainty if kept else None)


def _edited(output: Output | None, side: Side, other: Side) -> Side:
    if output is None:
        return side
    return next((one for one in (side, other) if same_output(one.output, output)), Side(origin=PERSON, output=output))
