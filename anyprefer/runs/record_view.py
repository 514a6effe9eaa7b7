"""One record for a person to read: every round with its candidates, tools, evidence, verdicts, pair, critique and prompts."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from anyprefer.agents.pooling import evidence_about
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import DataError
from anyprefer.runs.naming import (
    ENDINGS,
    name_certainty,
    name_finding,
    name_reasons,
    name_reward,
    name_rewrite,
    name_ruling,
    name_score,
    name_side,
    name_votes,
)
from anyprefer.runs.synthesizer import thread_id
from anyprefer.types import (
    Attempt,
    Candidate,
    Evidence,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Shortfall,
    ToolCall,
    Verdict,
)

Line = tuple[str, str]
"""Label and text."""


def find_record(run_dir: Path, task_id: str) -> PreferenceRecord:
    """The record of a task, by its id or by the start of it.

    Raises:
        DataError: The folder has no records, or no task or several fit.
    """
    path = RunDir(run_dir).records
    if not path.exists():
        raise DataError(f"{str(run_dir)!r} has no records.jsonl: give the folder of a run")
    close: list[PreferenceRecord] = []
    for record in RecordFile(path):
        if record.task.id == task_id:
            return record
        if record.task.id.startswith(task_id):
            close.append(record)
    if len(close) == 1:
        return close[0]
    known = ", ".join(record.task.id for record in close[:5])
    hint = (
        f"several start like that ({known}): write more of it"
        if close
        else f"see the ids with: anyprefer show {shlex.quote(str(run_dir))} --list"
    )
    raise DataError(f"no task {task_id!r} in {str(run_dir)!r}; {hint}")


def find_thread(run_dir: Path, record: PreferenceRecord) -> str:
    """The thread of a record's task, which Studio opens where the folder keeps threads; empty where there is no such folder."""
    files = RunDir(run_dir)
    return thread_id(files.read_lock().identity, record.task.id) if files.lock.exists() else ""


def show_record(record: PreferenceRecord, console: Console, thread: str = "") -> None:
    """Print a record; text of models and tools is never read as markup or as terminal codes.

    Args:
        record: Of a run folder, or of a run that keeps nothing.
        console: Where to.
        thread: The task's thread in the folder.
    """
    _print(console, "task", [(record.task.id, record.task.text), *_reference(record)])
    for attempt in record.attempts:
        console.print(Rule(f"round {attempt.round + 1}"))
        for title, lines in _sections(record, attempt):
            if lines:
                _print(console, title, lines)
    console.print(Rule())
    _print(console, "result", [*_result(record), *([("thread", thread)] if thread else [])])


def _sections(record: PreferenceRecord, attempt: Attempt) -> Iterator[tuple[str, list[Line]]]:
    names = name_candidates(record, attempt)
    yield "prompts", list(_prompts(attempt.prompts))
    yield "candidates", [(names[candidate.index], _candidate(candidate)) for candidate in attempt.candidates]
    yield "chosen tools", list(_calls(attempt.tool_calls))
    yield "evidence", [_evidence(item, names) for item in attempt.evidence]
    yield "knowledge", [("", attempt.knowledge.text)] if attempt.knowledge else []
    yield "verdicts", [_verdict(verdict, names) for verdict in attempt.verdicts]
    yield "shortened", [(cut.role, f"{cut.what}: {cut.chars:,} characters left out") for cut in attempt.cuts]
    yield "pair", list(_pair(record, attempt, attempt.pair)) if attempt.pair else []
    yield "why it is not good enough" if attempt.pair else "why there is no pair", list(_shortfall(attempt.shortfall))
    yield "critique", [(name_reward(attempt.critique), attempt.critique.analysis)]


def name_candidates(record: PreferenceRecord, attempt: Attempt) -> dict[int, str]:
    """What a round calls the candidates that it judged: its own by their number, those of earlier rounds by their round as well.

    In records of before, each round counted its candidates from 0 and judged no others.
    """
    earlier = {
        candidate.index: f"response {candidate.index + 1} of round {candidate.round + 1}"
        for other in record.attempts
        for candidate in other.candidates
        if candidate.round is not None and candidate.round < attempt.round
    }
    return earlier | {candidate.index: f"response {candidate.index + 1}" for candidate in attempt.candidates}


def _shortfall(shortfall: Shortfall | None) -> Iterator[Line]:
    if shortfall is not None:
        yield name_reasons(shortfall), shortfall.text


def _reference(record: PreferenceRecord) -> list[Line]:
    return [("reference", record.task.answer)] if record.task.answer else []


def _prompts(prompts: Prompts) -> Iterator[Line]:
    if prompts.target:
        yield "guidance of the target", prompts.target
    if prompts.judge:
        yield "guidance of the judge", prompts.judge
    if who := name_rewrite(prompts):
        yield "written by", who


def _candidate(candidate: Candidate) -> str:
    notes = ", ".join(note for note in (ENDINGS[candidate.ending], candidate.model) if note)
    thoughts = candidate.output.reasoning
    lines = [f"thought: {len(thoughts):,} characters"] if thoughts else []
    return "\n".join([*lines, f"{candidate.text} [{notes}]" if notes else candidate.text])


def _pair(record: PreferenceRecord, attempt: Attempt, pair: PreferencePair) -> Iterator[Line]:
    for name, side in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        notes = [
            name_score(side.score),
            name_side(side, record.model_of(side)),
            name_votes(evidence_about(record.attempts, attempt, side)),
        ]
        yield f"{name} ({'; '.join(note for note in notes if note)})", side.text
    for difference in pair.differences:
        yield (
            f"differs in: {difference.criterion.text}",
            (f"chosen {name_ruling(difference.chosen)}; rejected {name_ruling(difference.rejected)}"),
        )
    if pair.certainty is not None:
        yield name_certainty(pair.certainty), ""


def _calls(calls: tuple[ToolCall, ...]) -> Iterator[Line]:
    """One line for each choice: calls that differ in their candidate alone were one choice."""
    choices: dict[str, tuple[ToolCall, int]] = {}
    for call in calls:
        key = call.model_copy(update={"candidate": None}).model_dump_json()
        choices[key] = (call, choices.get(key, (call, 0))[1] + 1)
    for call, number in choices.values():
        args = "\n".join(f"{name} = {value}" for name, value in call.args.items() if value not in ("", None))
        times = f" for {number} responses" if call.candidate is not None else ""
        why = f"because: {call.why}" if call.why else "as the recipe says"
        yield call.tool + times, "\n".join(part for part in (why, args) if part)


def _evidence(item: Evidence, names: dict[int, str]) -> Line:
    about = "the task" if item.candidate is None else names.get(item.candidate, f"response {item.candidate + 1}")
    says = name_finding(item.finding)
    return f"{item.tool} on {about}{f', {says}' if says else ''}", item.text if item.ok else f"failed: {item.text}"


def _verdict(verdict: Verdict, names: dict[int, str]) -> Line:
    single = f" (single scores: {', '.join(f'{score:.3g}' for score in verdict.scores)})" if len(verdict.scores) > 1 else ""
    unsure = f" (a judge that was unsure: {', '.join(f'{score:.3g}' for score in verdict.unsure)})" if verdict.unsure else ""
    by = ", by the reference" if verdict.by_reference else ""
    told = verdict.analysis if len(verdict.scores) == 1 else ""  # several are merged, and the analyses are those of each
    rulings = [f"{one.criterion.text}: {name_ruling(one)}" for one in verdict.rulings if one.criterion.text not in told]
    name = names.get(verdict.candidate, f"response {verdict.candidate + 1}")
    return f"{name}: {verdict.score:.3g}{by}", "\n".join([f"{verdict.analysis}{single}{unsure}", *rulings])


def _result(record: PreferenceRecord) -> Iterator[Line]:
    kept = "" if record.best_attempt is None else f", the pair of round {record.best_attempt + 1}"
    count = len(record.attempts)
    yield record.status, f"{count} round{'' if count == 1 else 's'}{kept}"
    if record.review:
        who = f" by {record.review.reviewer}" if record.review.reviewer else ""
        yield f"reviewed{who}: {record.review.decision}", record.review.reason
        if record.pair and record.best and record.pair != record.best.pair:
            yield from _pair(record, record.best, record.pair)
    if record.error:
        yield f"{record.error.kind} in {record.error.node}", record.error.message
    for role, usage in record.usage.items():
        yield (
            role,
            (
                f"{record.models.get(role, '')}: {usage.calls} calls, {usage.prompt_tokens} prompt and {usage.completion_tokens} "
                f"completion tokens, {usage.seconds:.0f} s"
            ),
        )


def _print(console: Console, title: str, lines: list[Line]) -> None:
    console.print(Text(title, style="bold"))
    for label, text in lines:
        clean = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
        body = clean.replace("\n", "\n    ")
        console.print(Text("\n".join([f"  {label}"] * bool(label) + [f"    {body}"] * bool(body))), soft_wrap=True)
