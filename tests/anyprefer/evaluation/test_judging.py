"""The measurement of a judge, end to end against a real server whose right answers are known."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, responses_in

from anyprefer.errors import ConfigError
from anyprefer.evaluation.intervals import bootstrap
from anyprefer.evaluation.judge_report import JudgeReport, run_evaluation
from anyprefer.recipes import parse_recipe

ARMS = ("none", "tools", "feedback", "both")


def write_pairs(folder: Path, number: int = 12) -> Path:
    path = folder / "pairs.jsonl"
    rows = [
        {"id": f"t{i}", "prompt": f"What is {i} + 2?", "chosen": f"{i} + 2 = {i + 2}", "rejected": f"{i} + 2 = {i + 3}"}
        for i in range(number)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def by_evidence(body: dict[str, Any], choice: int) -> dict[str, Any]:
    """A judge that sees nothing by itself, believes the calculator, and looks closer when it is told to."""
    prompt, texts = prompt_of(body), responses_in(body)
    told = "Look at the numbers" in prompt

    def score(place: int, text: str) -> int:
        number = int(text.split(maxsplit=1)[0])
        knows = f"calculator on response {place}" in prompt or (told and number % 2 == 0)
        return 5 if not knows else 9 if text.endswith(f"= {number + 2}") else 2

    return {"analyses": ["x"] * len(texts), "scores": [score(i, text) for i, text in enumerate(texts, start=1)]}


def evaluate(server: LoopbackModel, data: Path, out: Path, arms: tuple[str, ...] = ARMS, **sections: Any) -> JudgeReport:
    tools = {"names": ["calculator"], "choose": "always"}
    recipe = parse_recipe(
        recipe_data(server.url, **{"tools": tools, "aggregator": {"enabled": False}, "loop": {"max_rounds": 1}, **sections})
    )
    return asyncio.run(run_evaluation(recipe, data, out, arms, None))


@pytest.fixture
def server() -> Any:
    with LoopbackModel() as model:
        model.replies["ScoreSheet"] = by_evidence
        yield model


def test_each_arm_shows_what_its_help_is_worth(server: LoopbackModel, tmp_path: Path) -> None:
    report = evaluate(server, write_pairs(tmp_path), tmp_path / "out")
    found = {row.arm: row for row in report.arms}
    assert [round(found[arm].accuracy, 2) for arm in ARMS] == [0, 1, 0.5, 1]
    assert [round(found[arm].tie_rate, 2) for arm in ARMS] == [1, 0, 0.5, 0]
    assert found["feedback"].mean_rounds == 1
    assert report.gains["both"][0] == 1
    assert report.gains["feedback"][1] > 0
    assert found["none"].calls == 12
    assert found["tools"].calls == 12
    assert json.loads((tmp_path / "out" / "report.json").read_text())["arms"][1]["accuracy"] == 1
    assert "| tools | 100.0 [100.0, 100.0] | +100.0" in report.table()


def test_without_a_pair_the_clearest_round_counts(server: LoopbackModel, tmp_path: Path) -> None:
    """A margin below the least one makes no pair; a second look with no margin at all must not wipe out the first."""

    def unsure(body: dict[str, Any], choice: int) -> dict[str, Any]:
        again = "Look at the numbers" in prompt_of(body)
        scores = [5 if again or text.endswith(f"= {int(text.split()[0]) + 3}") else 6 for text in responses_in(body)]
        return {"analyses": ["x"] * len(scores), "scores": scores}

    server.replies["ScoreSheet"] = unsure
    report = evaluate(server, write_pairs(tmp_path, 4), tmp_path / "out", ("feedback",), pair={"min_margin": 2.0})
    assert (report.arms[0].accuracy, report.arms[0].mean_rounds) == (1.0, 1.0)


def test_what_arms_share_is_asked_once_and_a_second_run_asks_nothing(server: LoopbackModel, tmp_path: Path) -> None:
    data = write_pairs(tmp_path, 4)
    first = evaluate(server, data, tmp_path / "out")
    asked = len(server.requests)
    assert asked < sum(row.calls for row in first.arms)
    assert evaluate(server, data, tmp_path / "out").arms == first.arms
    assert len(server.requests) == asked


def test_right_response_stands_first_in_some_pairs_only(server: LoopbackModel, tmp_path: Path) -> None:
    evaluate(server, write_pairs(tmp_path), tmp_path / "out", ("none",))
    first_is_right = [
        responses_in(body)[0].endswith(f"= {int(responses_in(body)[0].split()[0]) + 2}") for body in server.requests
    ]
    assert 0 < sum(first_is_right) < 12


def test_position_bias_shows_as_flips(server: LoopbackModel, tmp_path: Path) -> None:
    server.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x", "x"], "scores": [9, 2]}
    report = evaluate(server, write_pairs(tmp_path, 4), tmp_path / "out", ("none",), judge={"permutations": 2})
    assert report.arms[0].flip_rate == 1
    assert report.arms[0].tie_rate == 1


def test_failed_judgement_counts_and_is_told_apart(server: LoopbackModel, tmp_path: Path) -> None:
    good: Callable[..., Any] = by_evidence
    server.replies["ScoreSheet"] = lambda body, choice: "nonsense" if "What is 3 +" in prompt_of(body) else good(body, choice)
    report = evaluate(server, write_pairs(tmp_path, 4), tmp_path / "out", ("tools",))
    assert (report.arms[0].failed, report.arms[0].accuracy) == (1, 0.75)
    assert [outcome["task_id"] for outcome in report.outcomes["tools"] if outcome["error"]] == ["t3"]


def test_missing_responses_are_sampled_from_the_target(server: LoopbackModel, tmp_path: Path) -> None:
    data = tmp_path / "tasks.jsonl"
    data.write_text(
        '{"id": "t5", "question": "What is 5 + 2?", "answer": "7"}\n{"id": "t6", "question": "Why?", "answer": "8"}\n'
    )
    server.replies[None] = lambda body, choice: f"Try {choice}.\nAnswer: {7 + choice % 2 if '5 + 2' in prompt_of(body) else 3}"
    server.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x"] * 2, "scores": [9, 2]}
    report = evaluate(server, data, tmp_path / "out", ("none",))
    assert report.arms[0].pairs == 1
    assert report.unused == {"every response is wrong": 1}


@pytest.mark.parametrize(
    ("sections", "arms", "message"),
    [
        ({"tools": {"names": []}}, ("both",), "needs tools"),
        ({"loop": {"max_rounds": 0}}, ("feedback",), "needs rewrites"),
        ({}, ("nun",), "there is no arm 'nun'"),
    ],
)
def test_arm_that_cannot_be_measured_is_refused(
    server: LoopbackModel, tmp_path: Path, sections: dict[str, Any], arms: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluate(server, write_pairs(tmp_path), tmp_path / "out", arms, **sections)
    assert not server.requests


def test_interval_holds_the_mean_and_narrows_with_more_items() -> None:
    few, many = bootstrap([1, 0, 1, 1]), bootstrap([1, 0, 1, 1] * 50)
    assert few.low <= few.mean == 0.75 <= few.high
    assert many.high - many.low < few.high - few.low
    assert many.low == pytest.approx(0.75 - 1.96 * (0.75 * 0.25 / 200) ** 0.5, abs=0.02)
    assert str(bootstrap([1.0])) == "100.0 [100.0, 100.0]"
