"""The critic that grades sides, in the loop: what a record keeps of it, and what it is not asked."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, responses_in, title_of

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.recipes import parse_recipe
from anyprefer.types import PreferenceRecord, Task

BEST, WORST = "The best there is.", "The worst there is."


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    def score(body: dict[str, Any], choice: int) -> dict[str, Any]:
        marks = [{BEST: 10, WORST: 1}.get(text, 5) for text in responses_in(body)]
        return {"analyses": ["x"] * len(marks), "scores": marks}

    with LoopbackModel() as server:
        server.replies[None] = lambda body, choice: {0: BEST, 1: WORST}.get(choice, f"{choice} of {body['seed']}")
        server.replies["ScoreSheet"] = score
        yield server


def run_task(server: LoopbackModel, **sections: Any) -> PreferenceRecord:
    async def main() -> PreferenceRecord:
        critic = {"method": "sides", **sections.pop("critic", {})}
        recipe = parse_recipe(recipe_data(server.url, critic=critic, sampling={"num_candidates": 3}, **sections))
        async with Backends(recipe) as backends:
            graph = build_graph(build_team(recipe, backends, MemoryCalls())).compile()
            state = await graph.ainvoke({"task": Task(prompt="Go")}, {"recursion_limit": recursion_limit(recipe)})
            record: PreferenceRecord = state["record"]
            return record

    return asyncio.run(main())


def test_a_record_keeps_both_grades_and_the_threshold_may_be_a_fraction(model: LoopbackModel) -> None:
    model.replies["SideReview"] = lambda body, choice: {"analysis": "x", "grade": 9 if BEST in prompt_of(body) else 2}
    reward = 1 + 9 * 8 / 9
    for threshold, status in ((8.9, "accepted"), (9.1, "exhausted")):
        record = run_task(model, loop={"threshold": threshold, "max_rounds": 0})
        assert record.status == status
        assert record.best is not None
        assert record.best.critique.grades == pytest.approx((9, 2))
        assert record.best.reward == pytest.approx(reward)


def test_a_pair_of_both_rounds_is_graded_once(model: LoopbackModel) -> None:
    model.replies["SideReview"] = lambda body, choice: {"analysis": "x", "grade": 5}
    record = run_task(model, loop={"max_rounds": 1})
    pairs = [attempt.pair for attempt in record.attempts]
    assert [(pair.chosen.text, pair.rejected.text) for pair in pairs if pair] == [(BEST, WORST)] * 2
    assert [title_of(body) for body in model.requests].count("SideReview") == record.usage["critic"].calls == 2


def test_sides_that_the_critic_cannot_tell_apart_are_no_pair_and_cost_no_call(model: LoopbackModel) -> None:
    model.replies[None] = lambda body, choice: "a " * 1500 + f" {choice} of {body['seed']} " + "b " * 1500
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x"] * 3, "scores": [9, 5, 1]}
    critic = {"model": "openai:critic", "base_url": model.url, "context_tokens": 2048}
    record = run_task(model, critic=critic, loop={"max_rounds": 0})
    assert record.best is None
    assert "which the critic was not shown" in record.attempts[0].critique.analysis
    assert "SideReview" not in model.titles()


def test_what_was_shortened_for_a_grade_is_on_record(model: LoopbackModel) -> None:
    long = {0: "a" * 9000 + " first", 1: "b" * 9000 + " second", 2: "third"}
    model.replies[None] = lambda body, choice: long[choice]
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x"] * 3, "scores": [9, 1, 5]}
    record = run_task(model, loop={"max_rounds": 0})
    assert {(cut.role, cut.what) for cut in record.attempts[0].cuts if cut.role == "critic"} == {
        ("critic", "response 1"), ("critic", "response 2"),
    }  # fmt: skip
