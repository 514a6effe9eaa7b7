"""What the loop's routes read."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer

from anyprefer.config.base import Section

Feedback = Literal["joint", "independent", "target_only", "judge_only", "none"]


def _plain(value: float) -> Any:
    """A whole number is written without a point, so that 7 and 7.0 are one recipe, and the one that folders know."""
    return int(value) if value == int(value) else value


class LoopConfig(Section):
    """When a pair is good enough and what happens when it is not."""

    threshold: Annotated[float, PlainSerializer(_plain)] = Field(default=7, ge=1, le=10)
    """Least reward for acceptance (tau in the paper's algorithm 1, which gives no number)."""
    max_rounds: int = Field(default=2, ge=0, le=20)
    """Rewrites of the prompts before the best attempt is kept as `exhausted`; 0 is a single pass."""
    feedback: Feedback = "joint"
    """Which prompts a critique may rewrite (paper: tables 5 and 9). `none` ends the task after one pass."""
