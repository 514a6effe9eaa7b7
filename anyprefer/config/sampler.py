"""What the target sampler reads."""

from pydantic import Field

from anyprefer.config.base import Section
from anyprefer.config.models import RoleConfig


class TargetConfig(RoleConfig):
    """The model that is to be aligned."""

    temperature: float = Field(default=1.0, ge=0, le=2)
    """1: the pair should show what the target really says, so its own distribution is sampled."""


class SamplingConfig(Section):
    """How candidates are drawn."""

    num_candidates: int = Field(default=5, ge=1, le=26)
    """C in the paper (section 2.2), which fixes 5 to balance diversity and cost."""
    generators: tuple[RoleConfig, ...] = ()
    """Further models that answer beside the target, each an equal share of the candidates (UltraFeedback's way). Pairs are then
    no longer the target's own responses."""
    existing: bool = False
    """Sample nothing: the judge scores the chosen and the rejected response that each row has already (`--judge-existing`)."""
    max_resamples: int = Field(default=3, ge=0)
    """Further requests for candidates that turned out empty or equal to another one."""
