"""The measurement of a critic, end to end against a real server whose right answers are known."""

import asyncio
import json
import random
import re
from collections.abc import Callable, Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, title_of
from typer.testing import CliRunner

from anyprefer.errors import ConfigError, DataError
from anyprefer.evaluation.critic import load_problems
from anyprefer.evaluation.critic_report import CriticReport, run_critic_evaluation
from anyprefer.evaluation.intervals import auc, bootstrap_auc
from anyprefer.recipes import parse_recipe

RESPONSES = (
    "{0} + 2 = {1}. Answer: {1}",
    "It is {0} + 2 = {1}. Answer: {1}",
    "{0} + 2 = {2}. Answer: {2}",
    "So {0} + 2 = {2}. Answer: {2}",
)


def write(folder: Path, number: int = 6, responses: tuple[str, ...] = RESPONSES) -> Path:
    """Sums with two right responses and two wrong ones each, the reference beside them."""
    path = folder / "labelled.jsonl"
    said = [[one.format(i, i + 2, i + 3) for one in responses] for i in range(number)]
    rows = [{"id": f"t{i}", "question": f"{i} + 2?", "answer": str(i + 2), "responses": one} for i, one in enumerate(said)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def by_evidence(body: dict[str, Any], choice: int) -> dict[str, Any]:
    """A critic that sees nothing by itself and believes the calculator."""
    prompt = prompt_of(body)
    if "calculator on the response" not in prompt:
        return {"analysis": "x", "grade": 5}
    first, result = re.findall(r"(\d+) \+ 2 = (\d+)", prompt)[0]
    return {"analysis": "x", "grade": 9 if int(first) + 2 == int(result) else 2}


@pytest.fixture
def server() -> Iterator[LoopbackModel]:
    with LoopbackModel() as model:
        model.replies["SideReview"] = by_evidence
        yield model


def evaluate(
    server: LoopbackModel, data: Path, out: Path, arms: tuple[str, ...] = ("none", "tools"), limit: int | None = None,
    **sections: Any,
) -> CriticReport:  # fmt: skip
    tools = {"names": ["calculator"], "choose": "always"}
    critic = {"method": "sides", "evidence_weight": 0.0, **sections.pop("critic", {})}
    recipe = parse_recipe(
        recipe_data(server.url, **{"tools": tools, "aggregator": {"enabled": False}, "critic": critic, **sections})
    )
    return asyncio.run(run_critic_evaluation(recipe, data, out, arms, limit))


def test_each_arm_shows_what_findings_are_worth(server: LoopbackModel, tmp_path: Path) -> None:
    report = evaluate(server, write(tmp_path), tmp_path / "out")
    none, tools = report.arms
    assert {kind: found.auc for kind, found in none.against.items()} == dict.fromkeys(none.against, 0.5)
    assert {kind: (found.auc, found.low, found.pairs) for kind, found in tools.against.items()} == dict.fromkeys(
        ("flipped", "right/right", "wrong/wrong"), (1.0, 1.0, 6)
    )
    right, wrong = 8 / 9, 1 / 9
    assert tools.rewards == pytest.approx({
        "right/wrong": 1 + 9 * right, "flipped": 1 + 9 * wrong, "right/right": 1 + 9 * sqrt(right * wrong),
        "wrong/wrong": 1 + 9 * sqrt(right * wrong),
    })  # fmt: skip
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert saved["arms"][1]["against"]["flipped"]["auc"] == 1
    assert saved["outcomes"]["tools"][0]["critiques"]["flipped"]["grades"] == pytest.approx([2, 9])
    assert "method sides, 6 problems of labelled.jsonl" in report.table()
    assert "| tools | 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] | 9.00 (n = 6) |" in report.table()


def test_a_response_is_asked_about_once_and_a_second_run_asks_nothing(server: LoopbackModel, tmp_path: Path) -> None:
    data = write(tmp_path)
    first = evaluate(server, data, tmp_path / "out")
    assert server.titles().count("SideReview") == len(server.requests) == 2 * 6 * 4
    assert [row.calls for row in first.arms] == [24, 24]
    assert evaluate(server, data, tmp_path / "out").arms == first.arms
    assert len(server.requests) == 2 * 6 * 4


def test_findings_are_gathered_once_a_problem(server: LoopbackModel, tmp_path: Path) -> None:
    chosen = {"calls": [{"tool": "calculator", "why": "sums", "args": {}}]}
    server.replies["ToolChoice"] = lambda body, choice: chosen
    evaluate(server, write(tmp_path), tmp_path / "out", ("tools",), tools={"names": ["calculator"], "choose": "judge"})
    asked = [prompt_of(body) for body in server.requests if title_of(body) == "ToolChoice"]
    assert len(asked) == 6
    assert all(prompt.count("<<response") == 4 for prompt in asked), "the judge sees all responses, as in the loop"


def test_findings_decide_where_the_recipe_says_so(server: LoopbackModel, tmp_path: Path) -> None:
    report = evaluate(server, write(tmp_path), tmp_path / "out", ("tools",), critic={"evidence_weight": 1.0})
    assert report.arms[0].against["flipped"].auc > 0.5
    graded = server.titles().count("SideReview")
    assert graded < 24, "what a finding decides is not asked about"


def test_the_papers_critic_is_asked_about_every_pair(server: LoopbackModel, tmp_path: Path) -> None:
    report = evaluate(server, write(tmp_path), tmp_path / "out", critic={"method": "paper"})
    assert (report.method, report.arms[0].calls) == ("paper", 24)
    assert report.arms[1].rewards == dict.fromkeys(report.arms[1].rewards, 9.0)


def test_pairs_are_what_the_responses_allow_and_the_seed_decides_which(tmp_path: Path) -> None:
    def kinds(*places: int, seed: int = 0) -> list[dict[str, tuple[str, str]]]:
        recipe = parse_recipe(recipe_data("http://127.0.0.1:1/v1", run={"seed": seed}))
        found = load_problems(write(tmp_path, 12, tuple(RESPONSES[place] for place in places)), recipe)
        return [{kind: (pair.chosen.text, pair.rejected.text) for kind, pair in one.pairs.items()} for one in found.problems]

    assert {tuple(pairs) for pairs in kinds(0, 1, 2, 3)} == {("right/wrong", "flipped", "right/right", "wrong/wrong")}
    assert {tuple(pairs) for pairs in kinds(0, 2, 2)} == {("right/wrong", "flipped")}
    assert {tuple(pairs) for pairs in kinds(2, 3)} == {("wrong/wrong",)}
    assert {tuple(pairs) for pairs in kinds(0, 1)} == {("right/right",)}
    assert all(pairs["flipped"] == pairs["right/wrong"][::-1] for pairs in kinds(0, 1, 2, 3))
    assert kinds(0, 1, 2, 3) == kinds(0, 1, 2, 3) != kinds(0, 1, 2, 3, seed=1)
    with pytest.raises(DataError, match="only one response"):
        kinds(0)


def test_labelled_pairs_give_both_orders(server: LoopbackModel, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [{"id": f"t{i}", "prompt": "?", "chosen": f"{i} + 2 = {i + 2}", "rejected": f"{i} + 2 = 99"} for i in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": "?", "chosen": "x", "rejected": "x"}]))
    report = evaluate(server, path, tmp_path / "out", ("tools",))
    assert {kind: row.auc for kind, row in report.arms[0].against.items()} == {"flipped": 1.0}
    assert "| 1.00 [1.00, 1.00] | - | - |" in report.table()
    assert report.unused == {"chosen and rejected are the same text": 1}
    assert evaluate(server, path, tmp_path / "few", ("tools",), 3).problems == 3


def test_no_position_tells_which_response_is_right(tmp_path: Path) -> None:
    found = load_problems(write(tmp_path, 40), parse_recipe(recipe_data("http://127.0.0.1:1/v1")))
    first = [problem.candidates[0].text == problem.pairs["right/wrong"].chosen.text for problem in found.problems]
    assert 0 < sum(first) < 40


def test_a_failed_problem_counts_and_the_others_stay(server: LoopbackModel, tmp_path: Path) -> None:
    good: Callable[..., Any] = by_evidence
    server.replies["SideReview"] = lambda body, choice: "?" if "It is 3 + 2" in prompt_of(body) else good(body, choice)
    report = evaluate(server, write(tmp_path), tmp_path / "out", ("tools",))
    assert (report.arms[0].failed, report.arms[0].pairs["flipped"], report.arms[0].against["flipped"].auc) == (1, 5, 1)
    assert [case["task_id"] for case in report.outcomes["tools"] if case["error"]] == ["t3"]


@pytest.mark.parametrize(
    ("sections", "arms", "message"),
    [({"tools": {"names": []}}, ("tools",), "needs tools"), ({}, ("both",), "there is no arm 'both': choose from none, tools")],
)
def test_an_arm_that_cannot_be_measured_is_refused(
    server: LoopbackModel, tmp_path: Path, sections: dict[str, Any], arms: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluate(server, write(tmp_path), tmp_path / "out", arms, **sections)
    assert not server.requests


def test_a_critic_that_the_loop_does_not_ask_can_be_measured(server: LoopbackModel, tmp_path: Path) -> None:
    off = {"critic": {"enabled": False}, "loop": {"feedback": "none"}}
    assert evaluate(server, write(tmp_path), tmp_path / "out", ("tools",), **off).arms[0].against["flipped"].auc == 1


def test_the_command_prints_the_table(server: LoopbackModel, tmp_path: Path) -> None:
    import tomli_w

    from anyprefer.cli import app

    (tmp_path / "my.toml").write_text(tomli_w.dumps(recipe_data(server.url, critic={"method": "sides"})))
    said = CliRunner().invoke(app, [
        "evaluate", "critic", str(tmp_path / "my.toml"), "--data", str(write(tmp_path)), "--out", str(tmp_path / "out"),
        "--arms", "none", "--limit", "2",
    ])  # fmt: skip
    assert said.exit_code == 0, said.output
    assert "| none | 0.50 [0.50, 0.50] |" in said.stdout
    assert "none: 2 of 2 problems" in said.stderr


def test_the_area_counts_a_tie_as_half_and_its_interval_goes_over_problems() -> None:
    assert auc([3, 2], [1, 2]) == 0.875
    assert (auc([], [1]), auc([1], [])) == (None, None)
    assert bootstrap_auc([([1.0], []), ([2.0], [])]) is None
    rng = random.Random(0)
    few = [([rng.gauss(1, 1)], [rng.gauss(0, 1)]) for _ in range(20)]
    found, doubled = bootstrap_auc(few), bootstrap_auc([(high * 4, low * 4) for high, low in few])
    assert found is not None
    assert found == doubled, "the same problem four times says no more than once"
    assert 0.5 < found.low < found.mean < found.high < 1
