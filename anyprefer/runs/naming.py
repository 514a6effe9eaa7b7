"""What the values of a record are called where people read them: at the terminal, on the review page and in the report.

Numbers count from 1 there, as people count; in the values they count from 0.
"""

from collections.abc import Iterable, Mapping

from anyprefer.agents.references import ReferenceCount
from anyprefer.shares import Share
from anyprefer.types import Critique, Difference, Ending, Evidence, Finding, Origin, Prompts, Reason, Ruling, Shortfall, Side

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


def name_votes(evidence: Iterable[Evidence]) -> str:
    """How many of each tool's checks speak for a side, such as "python: 4 of 5 votes"; empty where none voted."""
    votes: dict[str, tuple[int, int]] = {}
    for item in evidence:
        if item.finding.votes is not None:
            count, total = votes.get(item.tool, (0, 0))
            votes[item.tool] = count + item.finding.votes[0], total + item.finding.votes[1]
    return ", ".join(f"{tool}: {count} of {total} votes" for tool, (count, total) in votes.items())


def name_reward(critique: Critique) -> str:
    """The critic's reward, and its grades of the sides where it read each by itself."""
    if critique.score is None:
        return "no reward"
    grades = "" if critique.grades is None else f" (grades: chosen {critique.grades[0]:.3g}, rejected {critique.grades[1]:.3g})"
    return f"reward {critique.score:.3g}/10{grades}"


def name_reasons(shortfall: Shortfall) -> str:
    """Why there is no good pair, in the words that a program reads, such as "all wrong, no answer"."""
    return ", ".join(map(name_reason, shortfall.reasons))


def name_reason(reason: Reason) -> str:
    """One of them."""
    return reason.replace("_", " ")


def name_rewrite(prompts: Prompts) -> str:
    """Who wrote the last rewrite, such as "fixed lines (cut off)", and what was left out; empty where the record does not say."""
    lines = f"fixed lines ({', '.join(map(name_reason, prompts.reasons))})" if prompts.reasons else ""
    by_model = f"the rewriter's model{f', after {lines}' if lines else ''}"
    who = {"rules": lines or "nobody: no words mend the reason", "model": by_model, "": ""}
    refused = f"left out, since it stated what it may not: {prompts.refused}" if prompts.refused else ""
    return "; ".join(part for part in (who[prompts.rewritten_by], refused) if part)


def name_ruling(ruling: Ruling) -> str:
    """Whether a criterion is met, and what decides it."""
    met = "unknown" if ruling.met is None else "met" if ruling.met else "not met"
    return f"{met} ({ruling.finding})" if ruling.finding else met


def name_difference(difference: Difference) -> str:
    """A criterion that the sides do not meet alike, and what was found on each side."""
    sides = f"chosen {name_ruling(difference.chosen)}, rejected {name_ruling(difference.rejected)}"
    return f"{difference.criterion.text}: {sides}"


def name_references(count: ReferenceCount) -> str:
    """How many sides of the accepted pairs the references confirm."""
    parts = [
        f"chosen {count.chosen_right:,} right, {count.chosen_wrong:,} wrong, {count.chosen_undecided:,} undecided",
        f"rejected {count.rejected_wrong:,} wrong, {count.rejected_right:,} right, {count.rejected_undecided:,} undecided",
    ]
    if count.decided:
        parts.append(f"{count.right_against_wrong:,} of {count.decided:,} decided pairs are right against wrong")
    return "; ".join([*parts, *name_silent_references(count)])


def name_contrast(count: ReferenceCount | None) -> str:
    """How many of the pairs that references decide are right against wrong, with the 95 % interval; empty of no such pair."""
    if count is None or not count.decided:
        return ""
    share = Share.of(count.right_against_wrong, count.decided)
    return f"{count.right_against_wrong:,} of {count.decided:,}, {share}"


def name_rates(per_100_tasks: float, per_1000_tokens: float | None) -> str:
    """How often something came out of the work."""
    return f"{per_100_tasks:.3g} per 100 tasks" + ("" if per_1000_tokens is None else f", {per_1000_tokens:.3g} per 1,000 tokens")


def name_silent_references(count: ReferenceCount) -> list[str]:
    """Why some references confirm nothing; empty where all can."""
    found = []
    if count.itself:
        found.append(f"{count.itself:,} chosen {'side is' if count.itself == 1 else 'sides are'} the reference itself")
    if count.free_text:
        kind = "reference is" if count.free_text == 1 else "references are"
        found.append(f"{count.free_text:,} {kind} free text, which decides nothing")
    return found


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
