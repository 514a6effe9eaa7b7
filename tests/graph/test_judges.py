"""Every way of judging through the whole loop, with what the record says about it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from loopback import LoopbackModel, prompt_of, recipe_data, responses_in, review, schema_of

from anyprefer.agents.judges.registry import JUDGES
from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.agents.team import build_team
from anyprefer.backends.budget import Budget
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.graph.state import state_serializer
from anyprefer.recipes import parse_recipe
from anyprefer.runs.changes import compare_recipes
from anyprefer.types import PreferenceRecord, Task

STRONG = "openai:strong"
TASK = Task(id="t", prompt="Which?", reference="Answer 3.")
OPEN = Task(id="t", prompt="Which?")


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        server.replies[None] = lambda body, choice: f"Answer {choice}."
        yield server


def run_task(server: LoopbackModel, task: Task, **sections: Any) -> PreferenceRecord:
    """Synthesise one task, with checkpoints that are read back under the serializer of real runs."""

    async def main() -> PreferenceRecord:
        recipe = parse_recipe(recipe_data(server.url, **sections))
        async with Backends(recipe) as backends:
            graph = build_graph(build_team(recipe, backends, MemoryCalls())).compile(InMemorySaver(serde=state_serializer()))
            config: Any = {"recursion_limit": recursion_limit(recipe), "configurable": {"thread_id": "1"}}
            await graph.ainvoke({"task": task}, config)
            record = (await graph.aget_state(config)).values["record"]
            assert PreferenceRecord.model_validate_json(record.model_dump_json()) == record
            return record  # type: ignore[no-any-return]

    return asyncio.run(main())


def strong(server: LoopbackModel) -> dict[str, Any]:
    return {"model": STRONG, "base_url": server.url}


WAYS: dict[str, dict[str, Any]] = {
    **{name: {"method": name} for name in JUDGES.built_in if name != "reference"},
    "reference": {"method": "reference", "reference": "exact"},
    "reference first": {"reference": "exact", "method": "pointwise"},
    "orderings": {"permutations": 2, "combine": "meta"},
    "own answer": {"method": "rubric", "self_reference": True, "principles": ["Be fair."]},
    "aspects": {"method": "pointwise", "aspects": {"a": "x", "b": "y"}},
    "agreement": {"method": "rubric", "require_agreement": "listwise"},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_judging_makes_a_pair_by_its_scores(model: LoopbackModel, way: str) -> None:
    record = run_task(model, TASK, judge=WAYS[way], pair={"min_margin": 0.1})
    attempt = record.attempts[0]
    assert [verdict.candidate for verdict in attempt.verdicts] == [0, 1, 2, 3, 4]
    if attempt.pair is None:
        assert attempt.shortfall is not None
        assert (way, attempt.shortfall.reasons[0]) == ("agreement", "judges_disagree")
        return
    scores = {verdict.candidate: verdict.score for verdict in attempt.verdicts}
    assert (attempt.pair.chosen.score, attempt.pair.rejected.score) == (max(scores.values()), min(scores.values()))
    assert record.status == "accepted"


@pytest.mark.parametrize("task", [TASK, OPEN], ids=["reference", "open"])
@pytest.mark.parametrize("method", ["listwise", "pointwise", "rubric"])
def test_the_reference_decides_where_there_is_one_and_the_method_where_there_is_none(
    model: LoopbackModel, task: Task, method: str
) -> None:
    record = run_task(
        model, task, judge={"reference": "exact", "method": method}, critic={"enabled": False}, loop={"feedback": "none"}
    )
    (attempt,) = record.attempts
    assert {verdict.by_reference for verdict in attempt.verdicts} == {task is TASK}
    assert ("judge" in record.usage) == (task is OPEN)
    assert attempt.pair is not None
    if task is TASK:
        assert attempt.pair.chosen.text == "Answer 3."
    assert record.models["judge"] == f"openai:m@{model.url}"
    assert record.models["judge.reference"] == "reference:exact"


def test_a_judge_that_is_never_asked_is_not_named(model: LoopbackModel) -> None:
    judge = {"method": "reference", "reference": "exact", "panel": [{"model": "openai:n", "base_url": model.url}]}
    record = run_task(model, TASK, judge=judge)
    assert {name: found for name, found in record.models.items() if name.startswith("judge")} == {"judge": "reference:exact"}
    model.replies["ToolChoice"] = lambda body, choice: {"calls": []}
    chooser = run_task(model, TASK, judge=judge, tools={"names": ["calculator"]})
    assert chooser.models["judge.reference"] == "reference:exact"
    assert chooser.models["judge"] == f"openai:m@{model.url}"


def test_the_pair_carries_the_criteria_that_differ(model: LoopbackModel) -> None:
    def rule(body: Any, choice: int) -> Any:
        place = int(responses_in(body)[0][-2])
        fields = iter(["met" if place >= number else "unmet" for number in (1, 2, 4)])
        properties = (schema_of(body) or {})["properties"]
        return {name: next(fields) if name.startswith("ruling") else f"says {place}" for name in properties}

    model.replies["Rulings"] = rule
    (attempt,) = run_task(model, OPEN, judge={"method": "rubric"}, pair={"rejected_rank": 4}).attempts
    assert attempt.pair is not None
    assert [(one.criterion.text, one.chosen.met, one.rejected.met) for one in attempt.pair.differences] == [
        ("shows the way", True, False), ("answers in a sentence", True, False)
    ]  # fmt: skip
    assert attempt.pair.differences[0].chosen.finding == "says 4"


def test_criteria_are_frozen_for_all_rounds(model: LoopbackModel) -> None:
    model.replies["PairReview"] = review(2)
    record = run_task(model, OPEN, judge={"method": "rubric"}, loop={"max_rounds": 2})
    assert len(record.attempts) == 3
    assert model.titles().count("Rubric") == 1
    rounds = [{tuple(one.criterion for one in verdict.rulings) for verdict in attempt.verdicts} for attempt in record.attempts]
    assert rounds[0] == rounds[1] == rounds[2]
    assert len(rounds[0]) == 1
    last = [body for body in model.requests if "ruling" in prompt_of(body)][-1]
    assert "Look at the numbers." in prompt_of(last)


def test_forms_that_rank_in_opposite_ways_make_no_pair(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x"] * 5, "scores": [9, 7, 5, 3, 1]}
    model.replies["Score"] = lambda body, choice: {"analysis": "x", "score": 1 + int(responses_in(body)[0][-2])}
    (attempt, *_) = run_task(model, OPEN, judge={"require_agreement": "pointwise"}).attempts
    assert [verdict.scores for verdict in attempt.verdicts] == [(9, 1), (7, 2), (5, 3), (3, 4), (1, 5)]
    assert attempt.pair is None
    assert attempt.shortfall is not None
    assert attempt.shortfall.reasons == ("judges_disagree",)


def test_a_stronger_judges_verdicts_count_for_the_unsure(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": ["x"] * 5, "scores": [2, 3, 9, 3, 3] if body["model"] == "strong" else [5] * 5
    }  # fmt: skip
    record = run_task(model, OPEN, judge={"escalate": strong(model)})
    (attempt,) = record.attempts
    assert attempt.pair is not None
    assert (attempt.pair.chosen.origin.candidate, attempt.pair.rejected.origin.candidate) == (2, 0)
    assert {verdict.unsure for verdict in attempt.verdicts} == {(5.0,)}
    assert record.models["judge.escalate"] == f"{STRONG}@{model.url}"
    assert record.usage["judge"].calls == 2


def test_whatever_knows_a_recipes_models_knows_the_stronger_judge(model: LoopbackModel) -> None:
    plain = parse_recipe(recipe_data(model.url))
    recipe = parse_recipe(recipe_data(model.url, judge={"escalate": strong(model)}, prices={"openai:m": FREE}))
    assert "judge.escalate" in Backends(recipe).capabilities()
    with pytest.raises(ConfigError, match=f"the price of '{STRONG}'"):
        Backends(recipe, budget=Budget(max_usd=1.0))
    asyncio.run(start(recipe))
    assert sorted({body["model"] for body in model.probes}) == ["m", "strong"]
    prompts = prompt_hashes(load_prompts(plain))
    change = compare_recipes(RunDir("x").lock_of(plain, "", prompts), recipe, prompts)
    assert change is not None
    assert (change.roles, change.by_all) == ({"judge"}, False)


FREE = {"prompt_usd": 0.0, "completion_usd": 0.0}


async def start(recipe: Any) -> None:
    async with Backends(recipe) as backends:
        await backends.start()
