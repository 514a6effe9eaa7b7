"""`anyprefer show`: one record, whole and harmless."""

import io
from pathlib import Path

import pytest
from lineage import CARRIED, EDITED, FROM_REFERENCE, SWAPPED, THOUGHTS, TWO_GENERATORS, evidence, side
from rich.console import Console

from anyprefer.data.records import RecordFile
from anyprefer.errors import DataError
from anyprefer.runs.record_view import find_record, show_record
from anyprefer.types import (
    Attempt,
    Candidate,
    Criterion,
    Critique,
    Knowledge,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    RoleUsage,
    Ruling,
    Task,
    ToolCall,
    Verdict,
    find_differences,
)


def attempt(round_: int, **changes: object) -> Attempt:
    values = {
        "round": round_, "prompts": Prompts(judge="Mind the units.", version=round_) if round_ else Prompts(),
        "candidates": (
            Candidate(index=0, output="4 [bold]apples[/bold]"), Candidate(index=1, output="\x1b[31mfive", ending="cut"),
        ),
        "tool_calls": tuple(ToolCall(tool="python", args={"program": "print(4)"}, candidate=i, why="to count") for i in range(2)),
        "evidence": (evidence(1, "they differ", False, tool="python", votes=(1, 5), value=0.25),
                     evidence(None, "no network", tool="search").model_copy(update={"ok": False})),
        "knowledge": Knowledge(text="There are four."),
        "verdicts": (
            Verdict(candidate=0, analysis="right", score=8.5, scores=(8, 9)), Verdict(candidate=1, analysis="wrong", score=2),
        ),
        "pair": PreferencePair(chosen=side(0, "4 apples", 8.5, round_), rejected=side(1, "five", 2, round_), certainty=0.8),
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
        "apples-1", "How many apples?", "round 1", "response 1", "five [cut off]", "python for 2 responses", "because: to count",
        "program = print(4)", "python on response 2, speaks against it, 1 of 5 votes, value 0.25", "they differ",
        "failed: no network",
        "There are four.", "response 1: 8.5",
        "single scores: 8, 9", "No contrast.", "round 2", "guidance of the judge", "Mind the units.",
        "chosen (8.5 of 10; response 1 of round 2)",
        "certainty 80 %", "reward 9/10", "2 rounds, the pair of round 2", "openai:m: 4 calls",
    ]  # fmt: skip
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]


@pytest.mark.parametrize(
    ("prompts", "line"),
    [
        (Prompts(target="Be brief.", version=1, reasons=("cut_off",), rewritten_by="rules"), "fixed lines (cut off)"),
        (Prompts(target="Be brief.", version=1, rewritten_by="model"), "the rewriter's model"),
        (Prompts(version=1, rewritten_by="rules"), "nobody: no words mend the reason"),
        (Prompts(target="Be brief.", version=1), ""),
    ],
)
def test_guidance_says_who_wrote_it(prompts: Prompts, line: str) -> None:
    text = printed(RECORD.model_copy(update={"attempts": (attempt(1, prompts=prompts),), "best_attempt": 0}))
    assert [said.strip() for said in text.partition("written by")[2].splitlines()[1:2]] == ([line] if line else [])


CHOSEN, REJECTED = "response 1 of round 1, openai:big", "response 2 of round 1, openai:small"
VOTED = f"{CHOSEN}; calculator: 4 of 5 votes"


@pytest.mark.parametrize(
    ("record", "sides"),
    [
        (TWO_GENERATORS, [f"chosen (9 of 10; {VOTED})", f"rejected (2 of 10; {REJECTED})"]),
        (SWAPPED, [f"chosen (2 of 10; {REJECTED})", f"rejected (9 of 10; {VOTED})"]),
        (EDITED, ["chosen (no score; a person)", f"rejected (2 of 10; {REJECTED})"]),
        (CARRIED, [f"chosen (9 of 10; {VOTED})", "rejected (1 of 10; response 5 of round 2, openai:small)"]),
        (FROM_REFERENCE, ["chosen (no score; the task's reference)", f"rejected (2 of 10; {REJECTED})"]),
    ],
)
def test_a_side_says_whose_it_is_and_what_it_scored(record: PreferenceRecord, sides: list[str]) -> None:
    lines = [line.strip() for line in printed(record).splitlines() if line.strip().startswith(("chosen (", "rejected ("))]
    assert lines[-2:] == sides
    assert len(lines) == (4 if record.review else 2), "a pair that a reviewer changed is shown as it was, too"


def test_responses_of_earlier_rounds_are_named_with_their_round() -> None:
    text = printed(CARRIED)
    second = text.partition(" round 2 ")[2]
    assert "response 1 of round 1: 9\n    judged again" in second
    assert "response 5: 1\n    off by two" in second
    assert "calculator on response 5, speaks against it" in second
    assert "why there is no pair\n  undecided, cut off\n    The checks are split." in text


RULE = Criterion(text="names the unit")
MET, UNMET = Ruling(criterion=RULE, met=True, finding="42 apples"), Ruling(criterion=RULE, met=False)


def test_criteria_grades_and_who_decided_are_shown() -> None:
    pair = RECORD.attempts[1].pair
    assert pair is not None
    differing = pair.model_copy(update={"differences": find_differences((MET,), (UNMET,))})
    verdicts = (Verdict(candidate=0, analysis="right", score=10, by_reference=True, rulings=(MET,), unsure=(4, 5.5)),)
    text = printed(RECORD.model_copy(update={"attempts": (
        attempt(0, pair=differing, verdicts=verdicts, critique=Critique(analysis="fine", score=8.25, grades=(9, 1.5))),),
        "best_attempt": 0}))  # fmt: skip
    assert (
        "response 1: 10, by the reference\n    right (a judge that was unsure: 4, 5.5)\n    names the unit: met (42 apples)"
        in text
    )
    assert "differs in: names the unit\n    chosen met (42 apples); rejected not met" in text
    assert "reward 8.25/10 (grades: chosen 9, rejected 1.5)" in text


def test_rulings_that_are_the_analysis_are_shown_once() -> None:
    one = Verdict(candidate=0, analysis="met: names the unit (42 apples)", score=10, scores=(10,), rulings=(MET,))
    panel = Verdict(
        candidate=1, analysis="met: names the unit\n\nunmet: names the unit", score=6, scores=(10, 2), rulings=(UNMET,)
    )
    text = printed(RECORD.model_copy(update={"attempts": (attempt(0, verdicts=(one, panel)),), "best_attempt": 0}))
    assert "names the unit: met" not in text
    assert "names the unit: not met" in text


def test_a_pair_that_no_judge_scored_is_shown() -> None:
    bare = PreferencePair(chosen=side(0, "4 apples", None), rejected=side(1, "five", None), certainty=1)
    text = printed(RECORD.model_copy(update={"attempts": (attempt(0, pair=bare, verdicts=()),), "best_attempt": 0}))
    assert "chosen (no score; response 1 of round 1)" in text
    assert "rejected (no score; response 2 of round 1; python: 1 of 5 votes)" in text
    assert "certainty 100 %" in text


def test_an_edit_is_shown() -> None:
    assert "It is 42, by hand." in printed(EDITED)


def test_thoughts_are_counted_and_not_shown() -> None:
    text = printed(TWO_GENERATORS)
    assert f"thought: {len(THOUGHTS)} characters" in text
    assert text.count("thought:") == 1
    assert THOUGHTS not in text


@pytest.mark.parametrize(("ending", "name"), [("cut", "cut off"), ("filtered", "filtered"), ("failed", "failed")])
def test_endings_that_are_not_whole_are_named(ending: str, name: str) -> None:
    shown = printed(RECORD.model_copy(update={"attempts": (attempt(0, candidates=(
        Candidate.model_validate({"index": 0, "output": "abc", "ending": ending}),), verdicts=(), evidence=()),),
        "best_attempt": 0}))  # fmt: skip
    assert f"abc [{name}]" in shown


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
