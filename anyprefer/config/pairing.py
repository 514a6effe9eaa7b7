"""What the forming of pairs reads."""

from typing import Literal

from pydantic import Field

from anyprefer.config.base import Section


class PairConfig(Section):
    """Which two responses become the pair."""

    chosen: Literal["best", "reference"] = "best"
    """`reference` takes the task's reference answer as chosen (the paper's medical setting)."""
    chosen_rank: int = Field(default=1, ge=1)
    """Rank of the chosen candidate, 1 is the best."""
    rejected_rank: int = Field(default=0, ge=0)
    """Rank of the rejected candidate, 0 is the worst."""
    min_margin: float = Field(default=1.0, gt=0, le=9)
    """Least difference of the two scores. Below 1 the difference is within a judge's rounding."""
    allow_truncated: bool = False
    """Whether a response cut off by its length limit may stand in a pair, on either side; to train on one teaches to stop half
    way, or that to stop is what was wrong."""
