"""What the values of a record are called where people read them: at the terminal, on the review page and in the report.

Numbers count from 1 there, as people count; in the values they count from 0.
"""

from collections.abc import Mapping

from anyprefer.types import Ending, Finding, Origin, Side

ENDINGS: Mapping[Ending, str] = {"complete": "", "cut": "cut off", "filtered": "filtered", "failed": "failed"}
"""How a response ended, where that needs a word."""

REFERENCE_AUTHOR = "the task's reference"
GIVEN_AUTHOR = "given with the task"
PERSON_AUTHOR = "a person"


def name_origin(origin: Origin) -> str:
    """Where a side comes from, such as "response 2 of round 1"."""
    if origin.candidate is not None and origin.round is not None and origin.kind == "candidate":
        return f"response {origin.candidate + 1} of round {origin.round + 1}"
    return {"person": PERSON_AUTHOR, "given": GIVEN_AUTHOR}.get(origin.kind, REFERENCE_AUTHOR)


def name_side(side: Side, model: str | None) -> str:
    """Where a side comes from and which model wrote it, such as "response 2 of round 1, openai:big"."""
    return ", ".join(part for part in (name_origin(side.origin), model) if part)


def name_score(score: float | None) -> str:
    """A judge's score, which a side that no judge has seen lacks."""
    return "no score" if score is None else f"{score:.3g} of 10"


def name_certainty(certainty: float | None) -> str:
    """The share of votes behind a pair; empty where nobody voted."""
    return "" if certainty is None else f"certainty {100 * certainty:.0f} %"


def name_finding(finding: Finding) -> str:
    """What a finding says to a program, such as "speaks against it, 1 of 5 votes"; empty where it says nothing to one."""
    parts = []
    if finding.supports is not None:
        parts.append("speaks for it" if finding.supports else "speaks against it")
    if finding.votes is not None:
        parts.append(f"{finding.votes[0]} of {finding.votes[1]} votes")
    if finding.value is not None:
        parts.append(f"value {finding.value:.3g}")
    return ", ".join(parts)


def name_shortened(number: int, parts: Mapping[str, int]) -> str:
    """In how many tasks a judge or the critic saw a shortened text, and which."""
    tasks = f"{number:,} task{'' if number == 1 else 's'}"
    return f"a text was shortened for the judge or the critic in {tasks} ({name_parts(parts)})"


def name_parts(parts: Mapping[str, int]) -> str:
    """Who saw what shortened, and how often, such as "critic: task 2, judge: response 1"."""
    return ", ".join(f"{part} {count:,}" for part, count in sorted(parts.items()))


def name_exhausted(number: int, after_error: int) -> str:
    """How many tasks are exhausted, and how many of them an error has ended."""
    return f"{number} exhausted" + (f" ({after_error} after an error)" if after_error else "")
