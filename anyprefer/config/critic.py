"""What the reward critic reads."""

from typing import Literal

from pydantic import Field

from anyprefer.config.models import RoleConfig


class CriticConfig(RoleConfig):
    """The model that scores pairs."""

    enabled: bool = True
    """False accepts every pair as it is, without a critic's calls (the self-rewarding methods): the paper's loop needs the
    reward."""
    method: Literal["sides", "paper"] = "sides"
    """`sides` grades each response in a request of its own, which does not say that it stands in a pair, and computes the reward
    from both grades: a model that is told which response is preferred finds reasons for it. `paper` shows the whole pair and
    takes the model's integer from 1 to 10."""
    analysis_chars: int = Field(default=400, ge=0)
    """Longest analysis of each response in characters, 0 for none; a critique is also what the rewriter has to work with."""
    expected_score: bool = False
    """Take the expected value over the grade's log-probabilities instead of the grade that was written, where the server gives
    them, with `sides`: small models write the same grade for almost everything."""
    evidence_weight: float = Field(default=0.8, ge=0, le=1)
    """With `sides`: what findings count against the model's grade, where verifying tools or a reference decide about a response.
    Programs that agree are right far more often than a critic, but they misread a task alike; 1 asks no model about such a
    response, 0 leaves all to the model, which is shown the findings in any case."""
