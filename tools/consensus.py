"""Compare the final answers of all responses: which one a response gives and how many others give the same.

Among several samples of one model, the answer that most of them reach is right more often than a single one (Wang et al.
2022, "Self-consistency improves chain of thought reasoning in language models"). It is a hint and no verification: a model can
be wrong the same way many times, and a hard task's right answer is often the rare one. So the finding counts, and speaks
neither for nor against a response.
"""

import asyncio
from collections.abc import Sequence

from anyprefer.tools.answers import choice_of, final_answer, same_answer
from anyprefer.tools.base import Case, NoOptions, Tool, ToolArgs
from anyprefer.tools.quoting import quote
from anyprefer.types import Candidate, Finding

MAX_ANSWERS = 10
"""Different answers that are listed."""
NONE_STATED = "none stated"


class Consensus(Tool["Consensus.Args", NoOptions]):
    """A candidate tool that counts how many responses give the same final answer."""

    name = "consensus"
    description = (
        "Reads the final answer out of every response and counts which ones agree; use it when a task has one right answer."
    )
    scope = "candidate"

    class Args(ToolArgs):
        """The tool needs no arguments: it reads the responses."""

    async def run(self, args: Args, case: Case) -> Finding:
        """Report the answer of the response and those of all, reading in a thread.

        Raises:
            ToolError: There is no response to read.
        """
        return await asyncio.to_thread(compare_answers, case.task.text, case.response(self.name), case.candidates)


def compare_answers(prompt: str, candidate: Candidate, candidates: Sequence[Candidate]) -> Finding:
    """Say what a response answers and how the answers of all responses, which include it, are distributed.

    Returns:
        Votes and value are the responses that give the same answer, as a number and as a share of all.
    """
    own = _read_answer(prompt, candidate)
    answers = [_read_answer(prompt, item) for item in candidates] or [own]
    lead = "No final answer was found in this response." if own is None else f"The final answer of this response is {quote(own)}."
    if len(answers) == 1:
        return Finding(content=f"{lead} There is no other response to compare it with.")
    groups = _count_answers(answers)
    if own is None:
        return Finding(content=f"{lead} The final answers of the {len(answers)} responses: {_list_counts(groups)}.")
    shared = sum(count for answer, count in groups if _agree(answer, own))
    others = [(answer, count) for answer, count in groups if not _agree(answer, own)]
    told = f"{shared} of {len(answers)} responses {'gives' if shared == 1 else 'give'} it; others: {_list_counts(others)}."
    content = f"{lead} {told if others else f'All {len(answers)} responses give it.'}"
    return Finding(content=content, value=shared / len(answers), votes=(shared, len(answers)))


def _read_answer(prompt: str, candidate: Candidate) -> str | None:
    """The final answer, as the letter of an option where the prompt lists options."""
    answer = final_answer(candidate.text, is_complete=candidate.ending != "cut")
    return answer if answer is None else choice_of(answer, prompt) or answer


def _count_answers(answers: Sequence[str | None]) -> list[tuple[str | None, int]]:
    """Each different answer with the number of responses that give it, the most frequent first, those without one last."""
    counts: dict[str | None, int] = {}
    for answer in answers:
        known = next((other for other in counts if _agree(other, answer)), answer)
        counts[known] = counts.get(known, 0) + 1
    return sorted(counts.items(), key=lambda item: (item[0] is None, -item[1]))


def _agree(a: str | None, b: str | None) -> bool:
    return a is b if a is None or b is None else same_answer(a, b)


def _list_counts(groups: Sequence[tuple[str | None, int]]) -> str:
    shown = [f"{NONE_STATED if answer is None else quote(answer)} ({count})" for answer, count in groups[:MAX_ANSWERS]]
    return ", ".join(shown) + (f", {len(groups) - MAX_ANSWERS} more" if len(groups) > MAX_ANSWERS else "")
