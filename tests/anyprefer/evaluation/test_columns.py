"""What is measured is read like what is run: the same formats, the same meanings of columns."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyprefer.config import ColumnsConfig
from anyprefer.errors import DataError
from anyprefer.evaluation.benchmarks import load_benchmark
from anyprefer.evaluation.pairs import load_pairs

CONTEXT = "<context>\nThe red rope is 3 m long.\n</context>\n\nHow long is the rope?"


def write(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"rows": rows}))
    return path


@pytest.mark.parametrize(
    "sides",
    [
        {"chosen": "3 m", "rejected": "5 m"},
        {"chosen": {"from": "gpt", "value": "3 m"}, "rejected": {"from": "gpt", "value": "5 m"}},
        {"answer": 3, "responses": ["The answer is 3", "The answer is 5"]},
    ],
)
def test_context_reaches_the_judge_that_is_measured(tmp_path: Path, sides: dict[str, Any]) -> None:
    row = {"question": "How long is the rope?", "context": "The red rope is 3 m long.", **sides}
    (pair,) = load_pairs(write(tmp_path, row)).pairs
    assert pair.task.text.removeprefix("[user]\n") == CONTEXT
    assert ("3" in pair.right, "5" in pair.wrong) == (True, True)


def test_unknown_text_is_refused_until_the_recipe_says_what_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, {"q": "How long is the rope?", "fact": "The red rope is 3 m long.", "gold": 3})
    columns = ColumnsConfig(prompt=("q",), context=("fact",), reference=("gold",))
    for load in (load_pairs, lambda path: load_benchmark("exact", path)):
        with pytest.raises(DataError, match="has no prompt"):
            load(path)
    assert [task.text for task in load_pairs(path, columns=columns).unsampled] == [CONTEXT]
    (item,) = load_benchmark("exact", path, columns=columns)
    assert (item.messages[0].text, item.task.answer) == (CONTEXT, "3")
    with pytest.raises(DataError, match="the column 'fact' holds text"):
        load_benchmark("exact", path, columns=ColumnsConfig(prompt=("q",), reference=("gold",)))


def test_options_of_a_choice_stay_with_the_benchmark(tmp_path: Path) -> None:
    row = {"question": "Colour?", "choices": {"text": ["red", "blue"], "label": ["A", "B"]}, "answerKey": "B"}
    (item,) = load_benchmark("arc_easy", write(tmp_path, row))
    assert "A. red\nB. blue" in item.messages[0].text
    assert item.task.answer == "B"
