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
    more calls, shorter prompts, and what small judges need. Further names are those of registered judges."""
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
    """Score against the tasks' references and ask no model: `gsm8k`, `arc_easy`, `arc_challenge`, `exact`, or
    `module:function` of your own scorer (answer, task) -> 0 to 1. For tasks whose answers can be verified."""
