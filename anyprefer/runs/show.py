"""Show a finished run to a person: its pairs and its numbers."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from anyprefer.agents.pooling import evidence_about
from anyprefer.data.records import RecordFile
from anyprefer.runs.naming import (
    name_certainty,
    name_difference,
    name_exhausted,
    name_finding,
    name_rates,
    name_reasons,
    name_references,
    name_reward,
    name_score,
    name_shortened,
    name_side,
)
from anyprefer.runs.progress import describe_causes, describe_passing
from anyprefer.runs.summary import Summary, Yields
from anyprefer.types import Attempt, PreferencePair, PreferenceRecord, Side

MAX_PAIRS = 5
"""Pairs printed; the rest is in the run folder."""

MAX_LOOKED_AT = 200
"""Records that are searched for a task without a pair, beyond those that it takes to find the pairs."""

_CHARS = 280
_STATES = {
    "finished": "finished",
    "accepted": "has what was asked for",
    "budget": "stopped at its budget",
    "interrupted": "stopped early",
    "endpoint": "was stopped by an endpoint",
}


def show_pairs(records: Path, console: Console) -> None:
    """Print the first accepted pairs and one task that has none, shortened; model text is never read as markup."""
    shown = 0
    refused: list[str] = []
    for number, record in enumerate(RecordFile(records), 1):
        pair, why = record.pair, record.attempts[-1].shortfall if record.attempts else None
        if record.status == "accepted" and record.best is not None and pair is not None and shown < MAX_PAIRS:
            _print(console, _describe_pair(record, record.best, pair))
            shown += 1
        elif pair is None and why is not None and not refused:
            refused = [_head(record), f"  no pair ({name_reasons(why)}): {_short(why.text)}"]
        if shown == MAX_PAIRS and (refused or number >= MAX_LOOKED_AT):
            break
    if refused:
        _print(console, refused)


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
        *([name_yields(summary.yields)] if summary.yields and summary.accepted else []),
        *([f"by the references: {name_references(summary.references)}"] if summary.references else []),
        *([summary.common_reward.warning] if summary.common_reward and summary.common_reward.warning else []),
        *([name_shortened(summary.shortened, summary.shortened_parts)] if summary.shortened else []),
        *filter(None, [summary.name_waiting(folder)]),
        *describe_causes(summary.causes),
        *(line for found in summary.troubles.values() for line in describe_passing(found)),
    )
    _print(console, lines)


def name_yields(found: Yields) -> str:
    """How many pairs the work brought in."""
    accepted = f"accepted pairs: {name_rates(found.accepted_per_100_tasks, found.accepted_per_1000_tokens)}"
    if found.right_per_100_tasks is None:
        return accepted
    return f"{accepted}; right against wrong: {name_rates(found.right_per_100_tasks, found.right_per_1000_tokens)}"


def _describe_pair(record: PreferenceRecord, attempt: Attempt, pair: PreferencePair) -> list[str]:
    certainty = f", {name_certainty(pair.certainty)}" if pair.certainty is not None else ""
    reward = "no reward (no critic)" if attempt.critique.score is None else name_reward(attempt.critique)
    return [
        _head(record),
        *_describe_side(record, attempt, "chosen  ", pair.chosen),
        *_describe_side(record, attempt, "rejected", pair.rejected),
        *(f"  differs in {_short(name_difference(one))}" for one in pair.differences),
        f"  {reward}{certainty} in round {attempt.round + 1}",
    ]


def _head(record: PreferenceRecord) -> str:
    return f"\ntask {record.task.id}: {_short(record.task.text)}"


def _describe_side(record: PreferenceRecord, attempt: Attempt, name: str, side: Side) -> list[str]:
    """A side, and under it what tools found that took one."""
    taken = [found for found in evidence_about(record.attempts, attempt, side) if found.ok and found.finding.supports is not None]
    return [
        f"  {name} ({name_score(side.score)}; {name_side(side, record.model_of(side))}): {_short(side.text)}",
        *(f"           {found.tool} {name_finding(found.finding)}: {_short(found.text)}" for found in taken),
    ]


def _print(console: Console, lines: Iterable[str]) -> None:
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _short(text: str) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _CHARS else f"{line[:_CHARS]}..."
