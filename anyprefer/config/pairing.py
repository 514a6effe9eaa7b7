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
    require: Literal["verified", "consistent", "none"] | None = None
    """What findings must say of a pair. `verified`: the chosen response is shown to be right and the rejected one to be wrong.
    `consistent`: no finding speaks against the order. `none`: scores alone decide (the paper's way). Unset is `verified` where
    `tools.names` has a tool that can verify, else `consistent`."""
    min_certainty: float = Field(default=0.0, ge=0, le=1)
    """Least share of verifying tools' votes behind the order, where any were cast: 0.8 takes 4 of 5 and not 3 of 5."""
    min_verified: int = Field(default=1, ge=1)
    """Least number of responses that findings show to be right, with `verified`. Programs of one model may misread a task alike,
    but seldom meet two responses that do so as well: 2 where one model's programs are all there is. Tests of code need one."""
    min_margin: float = Field(default=1.0, gt=0, le=9)
    """Least difference of the two scores, where a judge gave any and findings do not decide. Below 1 the difference is within a
    judge's rounding."""
    allow_truncated: bool = False
    """Whether a response cut off by its length limit may stand in a pair, on either side; to train on one teaches to stop half
    way, or that to stop is what was wrong."""
