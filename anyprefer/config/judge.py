"""What the judge reads."""

from typing import Literal

from pydantic import Field

from anyprefer.config.models import RoleConfig


class JudgeConfig(RoleConfig):
    """The model that chooses tools and scores candidates."""

    permutations: int = Field(default=1, ge=1, le=24)
    """Orderings of the candidates that are scored and averaged, against position bias. Each costs one call."""
    method: str = "listwise"
    """`listwise` scores all candidates in one reply (the paper's way); `pointwise` one at a time, with its evidence beside it:
    more calls, shorter prompts, and what small judges need; `rubric` rules on criteria of the task, one candidate at a time, for
    open tasks; `reference` asks no model and needs `reference`. Further names are those of registered judges."""
    ask: Literal["undecided", "always"] = "undecided"
    """`undecided` asks no model to score the responses to a task where findings, or a reference, decide the pair already;
    `always` asks in any case (the paper's way), and scores then order what findings leave equal."""
    show_reasoning: bool = False
    """Show the judge what a target thought before its answer. Off: a verdict is about what the user gets."""
    expected_score: bool = False
    """Take the expected value over the score token's log-probabilities instead of the score that was written, where the server
    gives them. Breaks the ties of small judges; a large judge's written scores say as much."""
    analysis_chars: int = Field(default=400, ge=0)
    """Longest analysis per candidate in characters, 0 for none; small models need a small number to keep to the point."""
    self_reference: bool = False
    """Have the judge solve the task itself first, once, and compare against its own answer."""
    principles: tuple[str, ...] = ()
    """Rules that every judgement must apply, one sentence each."""
    aspects: dict[str, str] = Field(default_factory=dict)
    """Name -> what it means. Each aspect is judged alone and the scores are averaged (UltraFeedback's way); one call each."""
    panel: tuple[RoleConfig, ...] = ()
    """Further judge models that score as well; the mean counts, and each verdict keeps the single scores."""
    combine: Literal["mean", "meta"] = "mean"
    """How several judgements become one: their mean, or the one that the judge prefers when it compares them (Meta-Rewarding)."""
    reference: str | None = None
    """Score the responses to a task that has a reference against it, and ask no model: `gsm8k`, `arc_easy`, `arc_challenge`,
    `exact`, or `module:function` of your own scorer (answer, task) -> 0 to 1. A task without one is judged by `method`; where
    that is `reference` as well, it is an error."""
    escalate: RoleConfig | None = None
    """A stronger judge for tasks on which this one is unsure: it judges by the same method, and its verdicts count."""
    escalate_margin: float = Field(default=1.0, ge=0)
    """Least margin in points between the best and the worst response for a judge to be sure; single judgements that rank the two
    in opposite ways make it unsure at any margin. 1 is one step of the scale; with 0 they alone do."""
    require_agreement: str | None = None
    """A second method, which judges as well: the mean of both counts, and responses that the two do not rank alike make no pair.
    None asks for one opinion, which costs half."""

    @property
    def methods(self) -> dict[str, str]:
        """The ways in which it judges, by the keys that name them: one, and another one where two must agree."""
        named = {"judge.method": self.method, "judge.require_agreement": self.require_agreement}
        return {key: name for key, name in named.items() if name is not None}

    def contradiction(self) -> str:
        """Which of these settings cannot stand beside each other, and what to do; empty where all can."""
        if self.combine == "meta" and self.permutations * (1 + len(self.panel)) < 2:
            return "judge.combine = 'meta' compares judgements: set judge.permutations to 2 or more, or name a judge.panel"
        if self.escalate is not None and not self.escalate.model:
            return "judge.escalate needs a model: name a stronger one than the judge's, or leave it out"
        second = self.require_agreement
        if second == self.method:
            return f"judge.require_agreement = {second!r} is judge.method as well: name another method, or leave it out"
        if second == "reference":
            return (
                "judge.require_agreement = 'reference': where there is a reference it decides alone; set judge.reference instead"
            )
        if self.method == "reference" and (second or self.escalate):
            return "judge.method = 'reference' asks no model: leave out judge.escalate and judge.require_agreement"
        return ""
