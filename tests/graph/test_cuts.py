"""What was shortened for a model is on record, and a difference that was cut away makes no pair."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, review, title_of

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.recipes import parse_recipe
from anyprefer.types import PreferenceRecord, Task

LONG_TASK = Task(id="long", prompt="Item. " * 5000 + "Question: which item is odd?")
CUT_TASK = ("task", 30_000 + 28 - 24_000 + 50)


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def run_task(server: LoopbackModel, task: Task, calls: MemoryCalls | None = None, **sections: Any) -> PreferenceRecord:
    async def main() -> PreferenceRecord:
        recipe = parse_recipe(recipe_data(server.url, **sections))
        async with Backends(recipe) as backends:
            graph = build_graph(build_team(recipe, backends, calls or MemoryCalls())).compile()
            state = await graph.ainvoke({"task": task}, {"recursion_limit": recursion_limit(recipe)})
            record: PreferenceRecord = state["record"]
            return record

    return asyncio.run(main())


def cuts_of(record: PreferenceRecord, place: int = 0) -> list[tuple[str, str, int]]:
    return [(cut.role, cut.what, cut.chars) for cut in record.attempts[place].cuts]


def test_everyone_sees_the_end_and_the_record_says_who_saw_what_shortened(model: LoopbackModel) -> None:
    model.replies["PairReview"] = review(2)
    record = run_task(model, LONG_TASK, loop={"max_rounds": 1}, tools={"names": ["calculator"]})
    asked = [body for body in model.requests if title_of(body) is not None]
    assert all("Question: which item is odd?" in prompt_of(body) for body in asked)
    assert {title_of(body) for body in asked} == {"ToolChoice", "ScoreSheet", "PairReview", "JointRewrite"}
    assert cuts_of(record) == [("judge", *CUT_TASK), ("critic", *CUT_TASK)]
    assert cuts_of(record, 1) == [("rewriter", *CUT_TASK), ("judge", *CUT_TASK), ("critic", *CUT_TASK)]
    assert record.shortened == {"judge: task", "critic: task"}


def test_a_record_of_short_texts_has_no_word_of_cuts(model: LoopbackModel) -> None:
    record = run_task(model, Task(prompt="Hello?"))
    assert record.status == "accepted"
    assert "cuts" not in record.model_dump_json()
    assert not record.shortened


def test_a_resumed_run_notes_the_same_cuts(model: LoopbackModel) -> None:
    calls = MemoryCalls()
    first, again = (run_task(model, LONG_TASK, calls) for _ in range(2))
    assert first.attempts == again.attempts
    assert model.titles().count("ScoreSheet") == 1


def middle(body: dict[str, Any], choice: int) -> str:
    return "a" * 6000 + f" {choice} of {body['seed']} " + "b" * 6000


@pytest.mark.parametrize("judge", [{}, {"method": "pointwise"}, {"permutations": 2}])
def test_responses_that_differ_only_where_the_judge_could_not_look_are_no_pair(
    model: LoopbackModel, judge: dict[str, Any]
) -> None:
    sheets, scores = iter([[9, 5, 1], [1, 5, 9]]), iter([9, 5, 1])
    model.replies[None] = middle
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x"] * 3, "scores": next(sheets)}
    model.replies["Score"] = lambda body, choice: {"analysis": "x", "score": next(scores)}
    record = run_task(model, Task(prompt="Go"), judge=judge, sampling={"num_candidates": 3}, loop={"max_rounds": 0})
    assert record.best is None
    assert "differ only in the middle, which the judge was not shown" in record.attempts[0].critique.analysis
    assert {(role, what) for role, what, _ in cuts_of(record)} == {("judge", f"response {i}") for i in (1, 2, 3)}
    assert record.shortened == {"judge: response"}


def test_a_difference_at_either_end_is_seen(model: LoopbackModel) -> None:
    for text in ("{} start " + "a" * 9000, "a" * 9000 + " end {}"):
        model.replies[None] = lambda body, choice, text=text: text.format(choice)
        record = run_task(model, Task(prompt="Go"))
        assert record.status == "accepted"
        assert record.shortened == {"judge: response", "critic: preferred response", "critic: dispreferred response"}


def test_a_member_of_the_panel_that_sees_the_difference_is_enough(model: LoopbackModel) -> None:
    model.replies[None] = lambda body, choice: "a " * 1500 + f" {choice} of {body['seed']} " + "b " * 1500
    panel = [{"model": "openai:large", "base_url": model.url, "context_tokens": 100_000}]
    for members, status in ((panel, "accepted"), ([], "exhausted")):
        judge = {"panel": members, "context_tokens": 4096}
        # The critic has a context of its own, since it would borrow the judge's.
        critic = {"model": "openai:critic", "base_url": model.url}
        record = run_task(model, Task(prompt="Go"), judge=judge, critic=critic, loop={"max_rounds": 0})
        assert record.status == status
        assert record.shortened == {"judge: response"}


def test_what_the_critic_alone_cannot_tell_apart_is_no_pair_and_costs_no_call(model: LoopbackModel) -> None:
    model.replies[None] = lambda body, choice: "a " * 1500 + f" {choice} of {body['seed']} " + "b " * 1500
    critic = {"model": "openai:critic", "base_url": model.url, "context_tokens": 2048}
    record = run_task(model, Task(prompt="Go"), critic=critic, loop={"max_rounds": 0})
    assert record.best is None
    assert "which the critic was not shown" in record.attempts[0].critique.analysis
    assert "PairReview" not in model.titles()
    record = run_task(model, Task(prompt="Go"), critic={**critic, "enabled": False}, loop={"feedback": "none"})
    assert record.status == "accepted"


def test_a_known_context_holds_the_whole_sheet_and_a_large_one_changes_nothing(model: LoopbackModel) -> None:
    model.replies[None] = lambda body, choice: f"{choice} " + "some words " * 400
    prompts = []
    for context in (None, 200_000, 4096):
        model.requests.clear()
        judge = {} if context is None else {"context_tokens": context}
        record = run_task(model, Task(prompt="Go"), judge=judge)
        assert record.status == "accepted"
        prompts.append(prompt_of(next(body for body in model.requests if title_of(body) == "ScoreSheet")))
    plain, large, small = (prompt.count("some words") for prompt in prompts)
    assert plain == large == 5 * 400
    assert 700 < small < 1600, "3,072 tokens, by an estimate from above"
