"""How tasks, responses and findings are laid out in a prompt: each fenced, without remarks to the judge, and within limits."""

import bisect
from collections.abc import Callable, Sequence

from anyprefer.backends.client import ModelClient
from anyprefer.prompts import fence
from anyprefer.remarks import leave_out_remarks
from anyprefer.shortening import fewest_tokens, look_alike, most_tokens, note_cuts, note_left_out, shorten, watch_cuts
from anyprefer.types import Candidate, Cut, Ending, Evidence, Knowledge, Message, Output, PreferencePair, Task

Show = Callable[[Output], str]
"""How a judging role sees an output; the application decides."""


def show_text(output: Output) -> str:
    """How an output reads, thoughts apart."""
    return output.text


TASK_CHARS = 24_000
"""A longer task is shortened in prompts of judging roles; the target always gets all of it."""

RESPONSE_CHARS = 8_000
"""Likewise for one response."""

LEAST_CHARS = 200
"""No text is made shorter than this for a small context; what does not fit then is the endpoint's to refuse."""


def lay_out(model: ModelClient, build: Callable[[], tuple[Message, ...]]) -> tuple[Message, ...]:
    """A prompt for a model, with every text that was shortened noted down as read by its role.

    Texts have limits of their own. Where the model's context is known and too small all the same, the longest texts are made
    shorter, all to one length, until the prompt fits by a cautious estimate. A prompt that may fit stays as it is.

    Args:
        model: Who reads it.
        build: Fills the prompt; called again for each length that is tried.
    """
    room = _room(model)
    with watch_cuts(model.role) as cuts:
        messages = build()
    if room is not None and _count(fewest_tokens, messages) > room:

        def tokens_at(chars: int) -> int:
            with watch_cuts(most=chars):
                return _count(most_tokens, build())

        lengths = range(LEAST_CHARS, TASK_CHARS)
        place = bisect.bisect_right(lengths, room, key=tokens_at)
        with watch_cuts(model.role, lengths[max(place - 1, 0)]) as cuts:
            messages = build()
    note_cuts(cuts)
    return messages


def fits_surely(model: ModelClient, text: str) -> bool:
    """Whether a response is so short that no prompt for a model shortens it."""
    return len(text) <= (RESPONSE_CHARS if model.context_tokens is None else LEAST_CHARS)


def _room(model: ModelClient) -> int | None:
    """Tokens of the model's context that its reply leaves, and at least a quarter; None where the context is not known."""
    context = model.context_tokens
    return None if context is None else max(context - model.max_tokens, context // 4)


def _count(tokens: Callable[[str], int], messages: Sequence[Message]) -> int:
    return sum(tokens(message.text) for message in messages)


def task_block(task: Task) -> str:
    """The task's prompt."""
    return fence(shorten(task.text, TASK_CHARS, "task"), "task")


def text_block(text: str, label: str, what: str | None = None) -> str:
    """Our own words or a model's in our service, "(none)" where there are none; `what` names them where they are shortened."""
    return fence(shorten(text, RESPONSE_CHARS, label if what is None else what) or "(none)", label)


def response_block(text: str, label: str, what: str) -> str:
    """A response, without what it says to its judge; `what` names it where something is left out."""
    return fence(_quote(text, RESPONSE_CHARS, what) or "(none)", label)


def _quote(text: str, chars: int, what: str) -> str:
    """Somebody else's words: short enough, and without remarks to the judge, which are noted as cuts.

    Where nothing else would be left, claims stay: the task may ask for a score.
    """
    short = shorten(text, chars, what)
    kept = leave_out_remarks(short) or leave_out_remarks(short, claims=False)
    if kept != short and what:
        note_left_out(f"remarks to the judge in {what}", len(short) - len(kept))
    return kept


_ENDINGS: dict[Ending, str] = {
    "complete": "",
    "cut": "\n(cut off by its length limit)",
    "filtered": "\n(held back by its provider's filter)",
    "failed": "\n(ended in an error)",
}


def response_name(index: int) -> str:
    """What a candidate is called for people, wherever it stands in a prompt."""
    return f"response {index + 1}"


def differ_unseen(pair: PreferencePair, names: tuple[str, str], cuts: Sequence[Cut], role: str, show: Show) -> bool:
    """Whether both sides of a pair were shortened for a role and differ only in what it was not shown.

    Args:
        pair: The pair.
        names: What the cuts call the chosen and the rejected side.
        cuts: Of the role's prompts, among others.
        role: Who read them.
        show: How the role sees an output.
    """
    chosen, rejected = (min((cut.chars for cut in cuts if (cut.role, cut.what) == (role, name)), default=0) for name in names)
    return look_alike(show(pair.chosen.output), show(pair.rejected.output), (chosen, rejected))


def response_blocks(
    candidates: Sequence[Candidate], evidence: Sequence[Evidence] = (), evidence_chars: int = 2000,
    show: Show = show_text,
) -> str:  # fmt: skip
    """The responses, numbered from 1 in the order given, each followed by the findings that concern it."""
    blocks = []
    for place, candidate in enumerate(candidates, start=1):
        name = response_name(candidate.index)
        blocks.append(response_block(show(candidate.output), f"response {place}", name) + _ENDINGS[candidate.ending])
        own = [item for item in evidence if item.candidate == candidate.index]
        for item in own:
            label, what = f"{item.tool} on response {place}", f"{item.tool} on {name}"
            blocks.append(evidence_block(item, label, evidence_chars, what))
    return "\n\n".join(blocks)


def guidance_part(guidance: str) -> str:
    """The judge's guidance (paper: p_j) as it stands in a prompt; empty where there is none, so that it leaves no trace."""
    return f"Further guidance:\n{guidance}" if guidance else ""


def knowledge_block(knowledge: Knowledge | None, evidence: Sequence[Evidence], evidence_chars: int) -> str:
    """What is known about the task: what the aggregator made of it, else the findings about the task as a whole."""
    if knowledge is not None:
        return text_block(knowledge.text, "findings")
    return task_evidence_blocks(evidence, evidence_chars)


def task_evidence_blocks(evidence: Sequence[Evidence], evidence_chars: int) -> str:
    """The findings about the task as a whole."""
    own = [item for item in evidence if item.candidate is None]
    return "\n\n".join(evidence_block(item, f"{item.tool} on the task", evidence_chars) for item in own)


def evidence_block(item: Evidence, label: str, evidence_chars: int, what: str | None = None) -> str:
    """One finding; of somebody else's words those without remarks to the judge; a failed call says so.

    `what` names the finding where something is left out, else the label does. Tools that write findings of their own take care of
    what they quote in them.
    """
    name = label if what is None else what
    text = _quote(item.text, evidence_chars, name) if item.finding.is_quote else shorten(item.text, evidence_chars, name)
    return fence((text if item.ok else f"(the tool failed: {text})") or "(none)", label)
