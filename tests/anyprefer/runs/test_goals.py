"""Exactly N accepted, budgets, estimates: what a run promises before it starts."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data, review
from rich.console import Console
from typer.testing import CliRunner

from anyprefer.cli import app
from anyprefer.errors import ConfigError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.estimate import calls_per_task, estimate_run
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.summary import Summary

NUM_TASKS = 60


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        # About half of the pairs are good enough, going by the request's seed, so the same ones in every session.
        server.replies["PairReview"] = lambda body, choice: review(9 if body["seed"] % 2 else 3)(body, choice)
        yield server


def make_session(
    folder: Path, url: str, num_tasks: int = NUM_TASKS, sections: dict[str, Any] | None = None, **goal: Any
) -> Session:
    tasks = folder / "tasks.jsonl"
    tasks.write_text("".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(num_tasks)))
    run = {"concurrency": 12, **(sections or {}).pop("run", {})}
    loop = {"feedback": "none", **(sections or {}).pop("loop", {})}
    recipe = parse_recipe(recipe_data(url, run=run, loop=loop, **(sections or {})))
    return Session(recipe, tasks, folder / "out", **goal)


def go(session: Session) -> Summary:
    return asyncio.run(run_session(session, Progress(Console(quiet=True))))


def statuses(folder: Path) -> list[str]:
    records = [json.loads(line) for line in (folder / "out" / "records.jsonl").read_text().splitlines()]
    assert len({record["task"]["id"] for record in records}) == len(records)
    return [record["status"] for record in records]


@pytest.mark.parametrize("wanted", [1, 7, 20])
def test_exactly_as_many_accepted_as_wanted(model: LoopbackModel, tmp_path: Path, wanted: int) -> None:
    summary = go(make_session(tmp_path, model.url, accept=wanted))
    assert (summary.accepted, summary.stopped) == (wanted, "accepted")
    assert statuses(tmp_path).count("accepted") == wanted


def test_a_larger_number_goes_on_and_pays_for_nothing_twice(model: LoopbackModel, tmp_path: Path) -> None:
    model.delay_seconds = 0.01
    go(make_session(tmp_path, model.url, accept=5))
    summary = go(make_session(tmp_path, model.url, accept=12))
    assert (summary.accepted, summary.stopped, summary.repeated_calls) == (12, "accepted", 0)
    whole = go(make_session(tmp_path, model.url))
    assert (whole.tasks, whole.stopped) == (NUM_TASKS, "finished")
    assert len(model.requests) == whole.calls - len(model.probes) == 3 * NUM_TASKS


def test_a_number_that_is_reached_already_does_nothing(model: LoopbackModel, tmp_path: Path) -> None:
    go(make_session(tmp_path, model.url, accept=5))
    before = len(model.requests)
    assert go(make_session(tmp_path, model.url, accept=3)).accepted == 5
    assert len(model.requests) == before


def test_too_few_tasks_are_said(model: LoopbackModel, tmp_path: Path) -> None:
    session = make_session(tmp_path, model.url, num_tasks=4)
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(session.recipe.model_dump(mode="json", exclude_none=True)))
    arguments = ["run", str(tmp_path / "recipe.toml"), "--tasks", str(session.tasks), "--out", str(session.out), "--accept", "5"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "of 5 accepted: give more tasks" in done.stderr


@pytest.mark.parametrize("budget", [2_000, 20_000])
def test_token_budget_is_never_exceeded_and_can_be_raised(model: LoopbackModel, tmp_path: Path, budget: int) -> None:
    summary = go(make_session(tmp_path, model.url, budget_tokens=budget))
    used = summary.prompt_tokens + summary.completion_tokens
    assert summary.stopped == "budget"
    assert used <= budget
    assert summary.failed == 0
    whole = go(make_session(tmp_path, model.url, budget_tokens=10_000_000))
    assert (whole.stopped, whole.tasks, whole.repeated_calls) == ("finished", NUM_TASKS, 0)
    assert len(model.requests) == whole.calls - len(model.probes)


def test_most_of_a_budget_is_used(model: LoopbackModel, tmp_path: Path) -> None:
    summary = go(make_session(tmp_path, model.url, budget_tokens=40_000))
    # Five responses of up to 1,024 tokens and their prompt are reserved at once; so much may be left.
    assert 40_000 - 7_000 < summary.prompt_tokens + summary.completion_tokens <= 40_000


PRICES = {"prices": {"openai:m": {"prompt_usd": 2.0, "completion_usd": 8.0}}}


def test_dollar_budget(model: LoopbackModel, tmp_path: Path) -> None:
    summary = go(make_session(tmp_path, model.url, sections=PRICES, budget_usd=0.1))
    assert summary.stopped == "budget"
    assert summary.cost_usd is not None
    assert 0.05 < summary.cost_usd <= 0.1
    assert summary.cost_usd == pytest.approx(summary.prompt_tokens * 2e-6 + summary.completion_tokens * 8e-6)
    records = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert all(record["cost_usd"] > 0 for record in records)


def test_dollar_budget_without_prices_is_refused_before_any_work(model: LoopbackModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'\[prices\."openai:m"\]'):
        go(make_session(tmp_path, model.url, budget_usd=0.1))
    assert model.requests == []
    assert go(make_session(tmp_path, model.url, num_tasks=2)).cost_usd is None


def test_prices_may_change_between_sessions(model: LoopbackModel, tmp_path: Path) -> None:
    go(make_session(tmp_path, model.url, num_tasks=2))
    go(make_session(tmp_path, model.url, num_tasks=3, sections=PRICES))


def test_estimate_from_the_recipe_alone(model: LoopbackModel, tmp_path: Path) -> None:
    session = make_session(tmp_path, model.url)
    estimate = estimate_run(session.recipe, session.out, NUM_TASKS)
    assert (estimate.basis, estimate.tasks, estimate.calls[0], estimate.tokens) == (0, NUM_TASKS, 3 * NUM_TASKS, None)
    assert model.requests == []


def test_estimate_from_a_pilot_holds(model: LoopbackModel, tmp_path: Path) -> None:
    session = make_session(tmp_path, model.url, sections=PRICES)
    go(make_session(tmp_path, model.url, sections=PRICES, limit=10))
    estimate = estimate_run(session.recipe, session.out, NUM_TASKS)
    before = len(model.requests)
    summary = go(session)
    assert (estimate.basis, estimate.tasks) == (10, NUM_TASKS - 10)
    assert estimate.calls[0] <= len(model.requests) - before <= estimate.calls[1]
    assert estimate.cost_usd is not None
    assert summary.cost_usd is not None
    assert estimate.cost_usd[0] <= summary.cost_usd * 50 / 60 <= estimate.cost_usd[1]


def test_estimate_for_a_number_of_accepted(model: LoopbackModel, tmp_path: Path) -> None:
    go(make_session(tmp_path, model.url, limit=20))
    session = make_session(tmp_path, model.url)
    accepted = statuses(tmp_path).count("accepted")
    estimate = estimate_run(session.recipe, session.out, NUM_TASKS, accepted + 10)
    assert estimate.tasks == pytest.approx(10 * 20 / accepted, abs=1)
    assert not estimate_run(session.recipe, session.out, NUM_TASKS, 1000).enough_tasks


def test_calls_per_task_are_what_a_run_makes(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["PairReview"] = review(9)
    for number, sections in enumerate([
        {}, {"judge": {"permutations": 3}}, {"judge": {"method": "pointwise"}}, {"target": {"request_n": False}},
        {"tools": {"names": ["consensus"]}}, {"judge": {"aspects": {"a": "x", "b": "y"}}},
        {"judge": {"permutations": 3, "combine": "meta", "self_reference": True}},
        {"judge": {"require_agreement": "pointwise"}, "loop": {"feedback": "none"}}, {"critic": {"method": "sides"}},
        {"critic": {"enabled": False}},
    ]):  # fmt: skip
        folder = tmp_path / str(number)
        folder.mkdir()
        session = make_session(folder, model.url, num_tasks=4, sections=dict(sections))
        model.probes.clear()
        assert go(session).calls - len(model.probes) == 4 * calls_per_task(session.recipe)[0], sections


def test_findings_may_spare_the_judge_and_later_rounds_score_earlier_responses_again(model: LoopbackModel) -> None:
    tools = {"names": ["python"], "choose": "arguments"}
    judge, sampling = {"method": "pointwise"}, {"num_candidates": 5, "max_resamples": 0}
    sections: dict[str, Any] = {
        "judge": judge, "sampling": sampling, "loop": {"max_rounds": 1}, "aggregator": {"enabled": False},
    }  # fmt: skip

    def calls(**changes: Any) -> tuple[int, int]:
        return calls_per_task(parse_recipe(recipe_data(model.url, **{**sections, **changes})))

    rewrite, rewards = 1, 2
    assert calls() == (1 + 5 + 1, 2 * 1 + (5 + 10) + rewards + rewrite)
    assert calls(tools=tools) == (2 + 1, 2 * 2 + (5 + 10) + rewards + rewrite)
    assert calls(tools=tools, pair={"require": "none"})[0] == calls(tools=tools, judge={**judge, "ask": "always"})[0] == 2 + 5 + 1
