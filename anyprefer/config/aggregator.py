"""What the knowledge aggregator reads."""

from pydantic import Field

from anyprefer.config.models import RoleConfig


class AggregatorConfig(RoleConfig):
    """The model that distils evidence into knowledge."""

    enabled: bool = True
    """False hands the evidence to the judge as it is, one call less."""
    knowledge_chars: int = Field(default=1500, ge=50)
    """Longest knowledge text in characters."""
