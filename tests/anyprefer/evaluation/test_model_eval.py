"""A served model on a benchmark: scores, the journal, and what is wrong with a file."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data

from anyprefer.errors import ConfigError, DataError
from anyprefer.evaluation.gate import held_out_metric
from anyprefer.evaluation.model_eval import ModelReport, evaluate_model, read_report
from anyprefer.recipes import parse_recipe


def write_arc(path: Path, number: int = 8) -> Path:
    rows = [
        {
            "id": f"q{i}", "question": f"Which is {i}?", "answerKey": "ABCD"[i % 4],
            "choices": {"label": list("ABCD"), "text": [str(i - i % 4 + k) for k in range(4)]},
        }
        for i in range(number)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def evaluate(server: LoopbackModel, benchmark: str, data: Path, out: Path) -> ModelReport:
    return asyncio.run(evaluate_model(parse_recipe(recipe_data(server.url)), benchmark, data, out))


def test_a_model_that_knows_half_of_the_answers(tmp_path: Path) -> None:
    def answer(body: dict[str, object], choice: int) -> str:
        number = int(re.search(r"Which is (\d+)\?", prompt_of(body)).group(1))  # type: ignore[union-attr]
        options = dict(re.findall(r"^([A-D])\. (\d+)$", prompt_of(body), re.MULTILINE))
        right = next(letter for letter, text in options.items() if text == str(number))
        return right if number % 2 == 0 else "none of them"

    data = write_arc(tmp_path / "arc.jsonl")
    with LoopbackModel() as server:
        server.replies[None] = answer
        report = evaluate(server, "arc_easy", data, tmp_path / "out")
        assert (report.items, report.score, report.failed) == (8, 0.5, 0)
        assert report.low < 0.5 < report.high
        assert all(body["temperature"] == 0 for body in server.requests)
        assert read_report(tmp_path / "out") == report
        asked = len(server.requests)
        assert evaluate(server, "arc_easy", data, tmp_path / "out").scores() == report.scores()
        assert len(server.requests) == asked  # the journal has the answers


def test_the_gate_measures_the_recipes_benchmark(tmp_path: Path) -> None:
    data = write_arc(tmp_path / "arc.jsonl")
    with LoopbackModel() as server:
        server.replies[None] = lambda body, choice: "A"
        rounds = {"benchmark": "arc_easy", "benchmark_data": str(data), "benchmark_limit": 4}
        metric = held_out_metric(parse_recipe(recipe_data(server.url, rounds=rounds)), tmp_path / "gate")
        assert (metric.items, metric.score) == (4, 0.25)
        with pytest.raises(ConfigError, match="a gate needs a metric"):
            held_out_metric(parse_recipe(recipe_data(server.url)), tmp_path / "gate")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"question": "q", "choices": {"label": ["A"], "text": ["x"]}, "answerKey": "E"},
            "answerKey 'E' is none of its options A",
        ),
        ({"question": "q"}, "has no reference answer"),
    ],
)
def test_items_without_a_right_answer_are_named(tmp_path: Path, row: dict[str, object], words: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with LoopbackModel() as server, pytest.raises(DataError, match=words):
        evaluate(server, "arc_easy", path, tmp_path / "out")


def test_a_folder_without_a_report(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `anyprefer evaluate model"):
        read_report(tmp_path)
