"""What the reward critic reads."""

from pydantic import Field

from anyprefer.config.models import RoleConfig


class CriticConfig(RoleConfig):
    """The model that scores pairs."""

    enabled: bool = True
    """False accepts every pair as it is, one call less (the self-rewarding methods): the paper's loop needs the reward."""
    analysis_chars: int = Field(default=400, ge=40)
    """Longest analysis of each response in characters; a critique is also what the rewriter has to work with."""
