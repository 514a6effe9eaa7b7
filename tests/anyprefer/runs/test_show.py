"""The pairs that `anyprefer run` prints at its end: whose the sides are, shortened and harmless."""

import io
from pathlib import Path

from lineage import EDITED, FROM_REFERENCE, SWAPPED, TWO_GENERATORS
from rich.console import Console

from anyprefer.data.records import RecordFile
from anyprefer.runs.show import show_pairs
from anyprefer.types import PreferenceRecord


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
    assert "reward 8/10, certainty 80 % in round 1" in lines[4]
    assert "certainty" not in lines[9]
