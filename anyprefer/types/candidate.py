"""What the target made of a task, and how it ended."""

from typing import Literal

from pydantic import Field

from anyprefer.types.base import Value
from anyprefer.types.output import Output

Ending = Literal["complete", "cut", "filtered", "failed"]
"""Whole; stopped by a length limit, also within a thought; held back by the provider's filter; ended in any other way."""


class Candidate(Value):
    """One output of the target model."""

    index: int = Field(ge=0)
    output: Output
    ending: Ending = "complete"
    model: str | None = None
    """Which model wrote it; None where nobody said."""

    @property
    def text(self) -> str:
        """How the output reads, thoughts apart."""
        return self.output.text

    @property
    def is_complete(self) -> bool:
        """Whether it ended as its author meant it to."""
        return self.ending == "complete"
