"""Show a finished run to a person: its pairs and its numbers."""

from pathlib import Path

from rich.console import Console

from anyprefer.data.records import RecordFile
from anyprefer.runs.naming import name_certainty, name_exhausted, name_score, name_shortened, name_side
from anyprefer.runs.progress import describe_causes, describe_passing
from anyprefer.runs.summary import Summary
from anyprefer.types import Attempt, PreferenceRecord, Side

MAX_PAIRS = 5
"""Pairs printed; the rest is in the run folder."""

_CHARS = 280
_STATES = {
    "finished": "finished",
    "accepted": "has what was asked for",
    "budget": "stopped at its budget",
    "interrupted": "stopped early",
    "endpoint": "was stopped by an endpoint",
}


def show_pairs(records: Path, console: Console) -> None:
    """Print the first accepted pairs, shortened; model text is never read as markup."""
    shown = 0
    for record in RecordFile(records):
        if record.status != "accepted" or record.best is None or record.pair is None:
            continue
        pair = record.pair
        certainty = f", {name_certainty(pair.certainty)}" if pair.certainty is not None else ""
        lines = (
            f"\ntask {record.task.id}: {_short(record.task.text)}",
            f"  chosen   {_side(record, pair.chosen)}",
            f"  rejected {_side(record, pair.rejected)}",
            f"  {_reward(record.best)}{certainty} in round {record.best.round + 1}",
        )
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
        shown += 1
        if shown == MAX_PAIRS:
            break


def show_summary(summary: Summary, folder: Path, console: Console) -> None:
    """Print what the run came to."""
    tokens = summary.prompt_tokens + summary.completion_tokens
    state = _STATES[summary.stopped]
    seconds = f"{summary.seconds:.0f} seconds"
    cost = "" if not summary.cost_usd else f"{summary.cost_usd:.4f} USD, "
    exhausted = name_exhausted(summary.exhausted, summary.exhausted_after_error)
    counts = f"{summary.accepted} accepted, {exhausted}, {summary.failed} failed"
    counts += f", {summary.rejected} rejected" if summary.rejected else ""
    reused = f", {summary.reused_calls} reused from another folder" if summary.reused_calls else ""
    parts = f"{summary.prompt_tokens} prompt, {summary.completion_tokens} completion"
    estimated = sum(usage.estimated for usage in summary.usage.values())
    parts += f"; those of {estimated} calls are estimated" if estimated else ""
    lines = (
        f"\nrun {folder} {state}: {summary.tasks} tasks, {counts}",
        f"{summary.calls} calls ({summary.repeated_calls} repeated{reused}), {tokens} tokens ({parts}), {cost}{seconds}",
        *([f"judgements disagree on {summary.flip_rate:.0%} of the pairs"] if summary.flip_rate is not None else []),
        *([name_shortened(summary.shortened, summary.shortened_parts)] if summary.shortened else []),
        *([f"{summary.waiting} tasks wait for a review: anyprefer review {folder}"] if summary.waiting else []),
        *describe_causes(summary.causes),
        *(line for found in summary.troubles.values() for line in describe_passing(found)),
    )
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _side(record: PreferenceRecord, side: Side) -> str:
    return f"({name_score(side.score)}; {name_side(side, record.model_of(side))}): {_short(side.text)}"


def _reward(attempt: Attempt) -> str:
    return "no reward (no critic)" if attempt.critique.score is None else f"reward {attempt.critique.score}/10"


def _short(text: str) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _CHARS else f"{line[:_CHARS]}..."
