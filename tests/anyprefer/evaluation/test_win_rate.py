"""A judge's preferences between two models' answers, against a real server whose taste is known."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, recipe_data, responses_in

from anyprefer.backends.calls import MemoryCalls
from anyprefer.errors import DataError
from anyprefer.evaluation.win_rate import WinReport, load_outputs, measure_win_rate
from anyprefer.recipes import parse_recipe

PROMPTS = [f"question {i}" for i in range(20)]


def measure(server: LoopbackModel, first: dict[str, str], second: dict[str, str]) -> WinReport:
    return asyncio.run(measure_win_rate(parse_recipe(recipe_data(server.url)), first, second, MemoryCalls()))


def test_the_preferred_model_wins_wherever_it_stands() -> None:
    with LoopbackModel() as server:
        server.replies["ScoreSheet"] = lambda body, choice: {
            "analyses": ["x", "x"], "scores": [9 if text.startswith("good") else 2 for text in responses_in(body)]
        }  # fmt: skip
        good, bad = ({prompt: f"{word} {prompt}" for prompt in PROMPTS} for word in ("good", "poor"))
        report = measure(server, good, bad | {PROMPTS[0]: good[PROMPTS[0]]})
        assert (report.wins, report.losses, report.ties) == (19, 0, 1)
        assert report.win_rate == pytest.approx(0.975)
        assert len(server.requests) == 19  # equal answers are not asked about
        assert measure(server, bad, good).win_rate == 0.0
        places = {responses_in(body)[0].startswith("good") for body in server.requests}
        assert places == {True, False}


def test_a_judge_that_likes_length_is_controlled_for() -> None:
    """It prefers the longer answer always: no model is better once lengths are equal."""
    with LoopbackModel() as server:

        def longest_wins(body: dict[str, Any], choice: int) -> dict[str, Any]:
            lengths = [len(text) for text in responses_in(body)]
            return {"analyses": ["x", "x"], "scores": [9 if length == max(lengths) else 2 for length in lengths]}

        server.replies["ScoreSheet"] = longest_wins
        first = {prompt: "word " * (30 + i % 5 if i < 15 else 2) for i, prompt in enumerate(PROMPTS)}
        second = {prompt: "word " * (16 + i % 3) for i, prompt in enumerate(PROMPTS)}
        report = measure(server, first, second)
        assert report.win_rate == 0.75
        assert report.controlled is not None
        assert report.length_effect is not None
        assert abs(report.controlled - 0.5) < 0.15
        assert report.length_effect > 1


def test_answers_are_read_from_alpacaevals_files(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps([{"instruction": "a", "output": "b", "generator": "m"}]))
    assert load_outputs(path) == {"a": "b"}
    path.write_text(json.dumps({"instruction": "a", "output": "one\u2028two"}, ensure_ascii=False) + "\n\n")
    assert load_outputs(path) == {"a": "one\u2028two"}
    path.write_text(json.dumps([{"instruction": "a", "output": "b"}, {"instruction": "a", "output": "c"}]))
    with pytest.raises(DataError, match="row 2: this instruction was answered before"):
        load_outputs(path)
    path.write_text(json.dumps([{"instruction": "a"}]))
    with pytest.raises(DataError, match="row 1: rows need 'instruction' and 'output'"):
        load_outputs(path)


def test_no_common_prompt_is_an_error() -> None:
    with LoopbackModel() as server, pytest.raises(DataError, match="no prompt in common"):
        measure(server, {"a": "x"}, {"b": "x"})
