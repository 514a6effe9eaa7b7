"""The pairs that `anyprefer run` prints at its end: whose the sides are, shortened and harmless."""

import io
from pathlib import Path

from lineage import CARRIED, EDITED, FROM_REFERENCE, SWAPPED, TWO_GENERATORS, make_attempt, make_record
from rich.console import Console

from anyprefer.agents.references import Truth, count_truths
from anyprefer.data.records import RecordFile
from anyprefer.runs.show import name_yields, show_pairs, show_summary
from anyprefer.runs.summary import Summary, measure_yields
from anyprefer.types import Critique, PreferenceRecord, Shortfall


def printed(folder: Path, *records: PreferenceRecord) -> list[str]:
    with RecordFile(folder / "records.jsonl") as file:
        for record in records:
            file.append(record)
    console = Console(file=io.StringIO(), width=200)
    show_pairs(folder / "records.jsonl", console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_sides_are_named_with_score_and_author(tmp_path: Path) -> None:
    lines = printed(tmp_path, TWO_GENERATORS, SWAPPED, EDITED, FROM_REFERENCE)
    assert [line.strip() for line in lines if line.startswith("  chosen ")] == [
        "chosen   (9 of 10; response 1 of round 1, openai:big): It is 42.",
        "chosen   (2 of 10; response 2 of round 1, openai:small): It is 41.",
        "chosen   (no score; a person): It is 42, by hand.",
        "chosen   (no score; the task's reference): Forty-two, that is 42.",
    ]
    ends = [line for line in lines if line.startswith("  reward ")]
    assert ends[:2] == ["  reward 8/10, certainty 80 % in round 1", "  reward 8/10 in round 1"]
    assert lines[3:6] == [
        "           calculator speaks for it, 4 of 5 votes: 6*7 = 42",
        "  rejected (2 of 10; response 2 of round 1, openai:small): It is 41.",
        "           calculator speaks against it: 6*7 = 41",
    ]


def test_what_tools_found_in_an_earlier_round_stands_under_the_side(tmp_path: Path) -> None:
    lines = printed(tmp_path, CARRIED)
    assert lines[2:4] == [
        "  chosen   (9 of 10; response 1 of round 1, openai:big): It is 42.",
        "           calculator speaks for it, 4 of 5 votes: 6*7 = 42",
    ]


def refused(name: str) -> PreferenceRecord:
    shortfall = Shortfall(reasons=("all_wrong", "no_answer"), text="No contrast: 5 of 5 are \x1b[31mwrong.")
    attempt = make_attempt(pair=None, shortfall=shortfall, critique=Critique(analysis="none"))
    return make_record(name, attempt).model_copy(update={"status": "exhausted", "best_attempt": None})


def test_one_task_without_a_pair_ends_the_list_with_its_reasons(tmp_path: Path) -> None:
    lines = printed(tmp_path, refused("first"), TWO_GENERATORS, refused("second"))
    assert lines[-2:] == ["task first: What is 6 x 7?", "  no pair (all wrong, no answer): No contrast: 5 of 5 are [31mwrong."]
    assert not any("second" in line for line in lines)


def test_the_summary_says_what_references_confirm_and_what_the_work_brought_in() -> None:
    references = count_truths({Truth(True, False): 3, Truth(True, None): 1, Truth(False, True): 1, Truth(use="text"): 2})
    summary = Summary(
        recipe="r", digest="d", tasks=20, accepted=7, exhausted=13, failed=0, stopped="finished", rounds={}, errors={}, calls=9,
        repeated_calls=0, prompt_tokens=3000, completion_tokens=1000, seconds=1, usage={}, references=references,
        yields=measure_yields(20, 7, 4000, references),
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=200)
    show_summary(summary, Path("out"), console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "right against wrong" not in name_yields(measure_yields(20, 7, 4000, None))
    assert name_yields(measure_yields(20, 7, 0, None)) == "accepted pairs: 35 per 100 tasks"
    assert lines[3:4] == [
        "accepted pairs: 35 per 100 tasks, 1.75 per 1,000 tokens; right against wrong: 15 per 100 tasks, 0.75 per 1,000 tokens"
    ]
    assert lines[4].split("; ") == [
        "by the references: chosen 4 right, 1 wrong, 2 undecided", "rejected 3 wrong, 1 right, 3 undecided",
        "3 of 4 decided pairs are right against wrong", "2 references are free text, which decides nothing",
    ]  # fmt: skip
