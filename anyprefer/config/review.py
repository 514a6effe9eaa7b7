"""What decides which pairs wait for a person."""

from typing import Literal

from pydantic import Field

from anyprefer.config.base import Section


class ReviewConfig(Section):
    """Which pairs a person looks at before they are recorded; such tasks wait until `anyprefer review`."""

    mode: Literal["none", "all", "uncertain", "sampled"] = "none"
    """No pair, every pair, those that judge or critic are unsure of, or a share drawn at random."""
    margin: float = Field(default=1.0, ge=0, le=9)
    """With `uncertain`: pairs whose margin is below this are looked at; one point of ten is what a judge's scores scatter by."""
    reward_band: float = Field(default=0.5, ge=0, le=9)
    """With `uncertain`: likewise pairs whose reward is this close to `loop.threshold`, on either side."""
    certainty: float = Field(default=0.8, ge=0, le=1)
    """With `uncertain`: likewise pairs with a smaller share of the verifying tools' votes behind them and, where the recipe names
    such a tool, pairs that none of them voted on. Of five programs, 0.8 lets 4 of 5 pass and not 3 of 5."""
    disagreement: bool = True
    """With `uncertain`: likewise pairs that single judgements rank in opposite ways."""
    share: float = Field(default=0.1, gt=0, le=1)
    """With `sampled`: share of the tasks; which ones depends on their ids and on `run.seed` alone."""
