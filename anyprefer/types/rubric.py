"""What a rubric says: criteria of a task, and whether a response meets them."""

from collections.abc import Sequence

from pydantic import Field

from anyprefer.types.base import Value


class Criterion(Value):
    """One thing that a good response to a task does."""

    text: str = Field(min_length=1)
    """A statement that is met or not, such as "names the year of the treaty"."""
    weight: float = Field(default=1.0, gt=0, le=100)
    """How much it counts beside the others of its task."""


class Ruling(Value):
    """What a judge found about one criterion in one response."""

    criterion: Criterion
    met: bool | None
    """None where the judge cannot tell."""
    finding: str = ""
    """What in the response decides it."""


class Difference(Value):
    """A criterion that the two sides of a pair do not meet alike."""

    criterion: Criterion
    chosen: Ruling
    rejected: Ruling


def find_differences(chosen: Sequence[Ruling], rejected: Sequence[Ruling]) -> tuple[Difference, ...]:
    """The criteria on which two responses differ, in the rubric's order; of rulings under the same rubric."""
    others = {ruling.criterion: ruling for ruling in rejected}
    both = [(ruling, others[ruling.criterion]) for ruling in chosen if ruling.criterion in others]
    return tuple(Difference(criterion=one.criterion, chosen=one, rejected=other) for one, other in both if one.met != other.met)
