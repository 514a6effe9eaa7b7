"""What the loop's routes read."""

from typing import Literal

from pydantic import Field

from anyprefer.config.base import Section

Feedback = Literal["joint", "independent", "target_only", "judge_only", "none"]


class LoopConfig(Section):
    """When a pair is good enough and what happens when it is not."""

    threshold: int = Field(default=7, ge=1, le=10)
    """Least reward for acceptance (tau in the paper's algorithm 1, which gives no number)."""
    max_rounds: int = Field(default=2, ge=0, le=20)
    """Rewrites of the prompts before the best attempt is kept as `exhausted`; 0 is a single pass."""
    feedback: Feedback = "joint"
    """Which prompts a critique may rewrite (paper: tables 5 and 9). `none` ends the task after one pass."""
