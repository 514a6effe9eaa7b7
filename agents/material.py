"""How tasks, responses and findings are laid out in a prompt, each fenced with the call's nonce."""

from collections.abc import Callable, Sequence

from anyprefer.prompts import clip, fence
from anyprefer.types import Candidate, Ending, Evidence, Output, Task

Show = Callable[[Output], str]
"""How a judging role sees an output; the application decides."""


def show_text(output: Output) -> str:
    """How an output reads, thoughts apart."""
    return output.text


TASK_CHARS = 24_000
"""A longer task is cut in prompts of judging roles; the target always gets all of it."""

RESPONSE_CHARS = 8_000
"""Likewise for one response."""


def task_block(task: Task, nonce: str) -> str:
    """The task's prompt."""
    return fence(clip(task.text, TASK_CHARS), "task", nonce)


def text_block(text: str, label: str, nonce: str) -> str:
    """Any other text, "(none)" where it is empty."""
    return fence(clip(text, RESPONSE_CHARS) or "(none)", label, nonce)


_ENDINGS: dict[Ending, str] = {
    "complete": "",
    "cut": "\n(cut off by its length limit)",
    "filtered": "\n(held back by its provider's filter)",
    "failed": "\n(ended in an error)",
}


def response_blocks(
    candidates: Sequence[Candidate], nonce: str, evidence: Sequence[Evidence] = (), evidence_chars: int = 2000,
    show: Show = show_text,
) -> str:  # fmt: skip
    """The responses, numbered from 1 in the order given, each followed by the findings that concern it."""
    blocks = []
    for place, candidate in enumerate(candidates, start=1):
        blocks.append(text_block(show(candidate.output), f"response {place}", nonce) + _ENDINGS[candidate.ending])
        own = [item for item in evidence if item.candidate == candidate.index]
        blocks += [evidence_block(item, f"{item.tool} on response {place}", nonce, evidence_chars) for item in own]
    return "\n\n".join(blocks)


def task_evidence_blocks(evidence: Sequence[Evidence], nonce: str, evidence_chars: int) -> str:
    """The findings about the task as a whole."""
    own = [item for item in evidence if item.candidate is None]
    return "\n\n".join(evidence_block(item, f"{item.tool} on the task", nonce, evidence_chars) for item in own)


def evidence_block(item: Evidence, label: str, nonce: str, evidence_chars: int) -> str:
    """One finding; a failed call says so."""
    content = item.text if item.ok else f"(the tool failed: {item.text})"
    return fence(clip(content, evidence_chars), label, nonce)
