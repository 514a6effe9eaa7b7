"""What tools found out."""

import operator
from typing import Annotated, Any

from pydantic import Field, model_validator

from anyprefer.types.base import Value
from anyprefer.types.content import Image, Text, text_of


class ToolCall(Value):
    """A tool that the judge chose, with its arguments."""

    tool: str
    args: dict[str, Any] = Field(default_factory=dict)
    candidate: int | None = None
    """The index of the candidate it concerns; None for a call about the task."""
    why: str = ""
    """What the judge hoped to find out, in its own words."""


class Finding(Value):
    """What one call found: content for a reader, and values for a program.

    Example:
        Finding(content="12 * 12 = 145 is wrong: 144", supports=False)
    """

    content: str | tuple[Annotated[Text | Image, Field(discriminator="type")], ...]
    """For the judge to read."""
    supports: bool | None = None
    """Whether it speaks for (True) or against (False) the candidate it is about; None where it is silent on that."""
    value: float | None = None
    """A measure where the tool has one, such as a reward model's score; comparable within a task alone."""
    votes: tuple[int, int] | None = None
    """(k, n): k of n checks speak for the candidate, where several voted."""

    is_quote: bool = Field(default=False, exclude_if=operator.not_)
    """Whether the content is somebody else's words, such as a page's: a judge is shown it without what speaks to the judge."""

    @model_validator(mode="after")
    def _check_votes(self) -> "Finding":
        if self.votes is not None and not 0 <= self.votes[0] <= self.votes[1] > 0:
            raise ValueError(f"votes are (k, n) with 0 <= k <= n and n > 0, got {self.votes!r}")
        return self

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content if isinstance(self.content, str) else text_of(self.content)


class Evidence(Value):
    """What came of one tool call."""

    call: ToolCall
    finding: Finding
    """Of a failed call: why it failed, silent on the candidate."""
    ok: bool = True
    seconds: float = Field(ge=0)

    @model_validator(mode="after")
    def _check_failure(self) -> "Evidence":
        if not self.ok and self.finding.supports is not None:
            raise ValueError("a failed call speaks neither for nor against a candidate")
        return self

    @property
    def tool(self) -> str:
        """Which tool was called."""
        return self.call.tool

    @property
    def candidate(self) -> int | None:
        """The index of the candidate it concerns; None where it is about the task."""
        return self.call.candidate

    @property
    def text(self) -> str:
        """What was found, or why the call failed, for a reader."""
        return self.finding.text


class Knowledge(Value):
    """The aggregated evidence: what the judge needs and nothing else."""

    text: str
