"""What the target made of a task, and how it ended."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from anyprefer.types.base import Value
from anyprefer.types.output import Output

Ending = Literal["complete", "cut", "filtered", "failed"]
"""Whole; stopped by a length limit, also within a thought; held back by the provider's filter; ended in any other way."""


_WORDS: Mapping[Ending, str] = {
    "complete": "stop end_turn eos eos_token stop_sequence tool_calls tool_use function_call complete completed",
    "cut": "length max_tokens model_length max_output_tokens model_context_window_exceeded",
    "filtered": (
        "content_filter content_filtered safety refusal recitation blocklist prohibited_content spii image_safety "
        "guardrail_intervened"
    ),
}
_ENDINGS = {word: ending for ending, words in _WORDS.items() for word in words.split()}
"""A server's word for how a reply ended -> ours; a word that is not here is no good ending."""


def ending_of(reason: str | None) -> Ending:
    """What a finish reason means, also as a member of an enumeration; a server that gives none is taken to have ended well."""
    word = (reason or "stop").lower().rpartition(".")[2].removeprefix("finish_reason_")
    return _ENDINGS.get(word, "failed")


class Candidate(Value):
    """One output of the target model."""

    index: int = Field(ge=0)
    """Unique within a task: later rounds count on. In records of before, unique within a round."""
    output: Output
    ending: Ending = "complete"
    model: str | None = None
    """Which model wrote it; None where nobody said."""
    round: int | None = Field(default=None, ge=0, exclude_if=lambda round_: round_ is None)
    """The round of the loop that it came from; None in records of before, whose attempts held their own candidates alone."""

    @property
    def text(self) -> str:
        """How the output reads, thoughts apart."""
        return self.output.text

    def is_whole(self, *, or_cut: bool = False) -> bool:
        """Whether it says something and ended as its author meant it to: no other output is a side of a pair.

        Args:
            or_cut: Whether one that its length limit stopped counts as well.
        """
        return (self.ending == "complete" or (or_cut and self.ending == "cut")) and bool(self.text.strip())
