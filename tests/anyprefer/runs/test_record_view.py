"""`anyprefer show`: one record, whole and harmless."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from anyprefer.data.records import RecordFile
from anyprefer.errors import DataError
from anyprefer.runs.record_view import find_record, show_record
from anyprefer.types import (
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Knowledge,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    RoleUsage,
    Task,
    ToolCall,
    Verdict,
)


def attempt(round_: int, **changes: object) -> Attempt:
    values = {
        "round": round_, "prompts": Prompts(judge="Mind the units.", version=round_) if round_ else Prompts(),
        "candidates": (
            Candidate(index=0, text="4 [bold]apples[/bold]"), Candidate(index=1, text="\x1b[31mfive", finish_reason="length"),
        ),
        "tool_calls": tuple(ToolCall(tool="python", args={"program": "print(4)"}, candidate=i, why="to count") for i in range(2)),
        "evidence": (Evidence(tool="python", candidate=1, content="they differ", seconds=0.1),
                     Evidence(tool="search", content="no network", ok=False, seconds=0.1)),
        "knowledge": Knowledge(text="There are four."),
        "verdicts": (
            Verdict(candidate=0, analysis="right", score=8.5, scores=(8, 9)), Verdict(candidate=1, analysis="wrong", score=2),
        ),
        "pair": PreferencePair(chosen="4 apples", rejected="five", chosen_score=8.5, rejected_score=2),
        "critique": Critique(analysis="a fine pair", score=9), **changes,
    }  # fmt: skip
    return Attempt.model_validate(values)


RECORD = PreferenceRecord(
    task=Task(id="apples-1", prompt="How many apples?", reference="4"), status="accepted",
    attempts=(attempt(0, pair=None, critique=Critique(analysis="No contrast.")), attempt(1)), best_attempt=1,
    models={"judge": "openai:m"}, usage={"judge": RoleUsage(calls=4, prompt_tokens=100, completion_tokens=20, seconds=3)},
)  # fmt: skip


def printed(record: PreferenceRecord) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_record(record, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_part_of_every_round_is_shown() -> None:
    text = printed(RECORD)
    parts = [
        "apples-1", "How many apples?", "round 1", "response 1", "cut off: length", "python for 2 responses", "because: to count",
        "program = print(4)", "python on response 2", "they differ", "failed: no network", "There are four.", "response 1: 8.5",
        "single scores: 8, 9", "No contrast.", "round 2", "guidance of the judge", "Mind the units.", "chosen (8.5)",
        "reward 9/10", "2 rounds, the pair of round 2", "openai:m: 4 calls",
    ]  # fmt: skip
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]


def test_text_of_models_is_neither_markup_nor_terminal_codes() -> None:
    text = printed(RECORD)
    assert "4 [bold]apples[/bold]" in text
    assert "\x1b" not in text


def test_record_is_found_by_id_or_by_its_only_beginning(tmp_path: Path) -> None:
    with RecordFile(tmp_path / "records.jsonl") as records:
        for name in ("apples-1", "apples-10", "pears"):
            records.append(RECORD.model_copy(update={"task": RECORD.task.model_copy(update={"id": name})}))
    assert find_record(tmp_path, "apples-1").task.id == "apples-1"
    assert find_record(tmp_path, "pea").task.id == "pears"
    with pytest.raises(DataError, match="several start like that"):
        find_record(tmp_path, "app")
    with pytest.raises(DataError, match="no task 'figs'"):
        find_record(tmp_path, "figs")
    with pytest.raises(DataError, match=r"has no records\.jsonl"):
        find_record(tmp_path / "missing", "x")
