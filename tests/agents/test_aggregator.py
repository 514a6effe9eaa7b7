"""What the aggregator reads: findings, the last round's scores and the judge's guidance."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.recipes import parse_recipe
from anyprefer.types import Attempt, Candidate, Critique, Evidence, Finding, Knowledge, Prompts, Task, ToolCall, Verdict

TASK = Task(id="t", prompt="What is 2 + 2?")
EVIDENCE = (Evidence(call=ToolCall(tool="search"), finding=Finding(content="two and two make four"), seconds=0),)


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def aggregate(server: LoopbackModel, *candidates: Candidate, previous: Attempt | None = None, **options: Any) -> str:
    """The prompt of one aggregation."""

    async def main() -> Knowledge | None:
        recipe = parse_recipe(recipe_data(server.url))
        async with Backends(recipe) as backends:
            aggregator = build_team(recipe, backends, MemoryCalls()).aggregator
            return await aggregator.aggregate(TASK, candidates, EVIDENCE, previous, 1, **options)

    assert asyncio.run(main()) == Knowledge(text="notes")
    return prompt_of(server.requests[-1])


def candidate(index: int, round_: int | None = None) -> Candidate:
    return Candidate(index=index, output=f"Response text {index}", round=round_)


def attempt(*candidates: Candidate, scores: dict[int, float]) -> Attempt:
    verdicts = tuple(Verdict(candidate=index, analysis="", score=score) for index, score in scores.items())
    return Attempt(round=0, prompts=Prompts(), candidates=candidates, verdicts=verdicts, critique=Critique(analysis="x"))


def test_scores_of_the_last_round_may_be_about_candidates_of_the_rounds_before_it(model: LoopbackModel) -> None:
    pool = [candidate(0, 0), candidate(1, 0), candidate(2, 1), candidate(3, 2)]
    previous = attempt(pool[2], scores={0: 4, 1: 9.25, 2: 6})
    prompt = aggregate(model, *pool, previous=previous)
    for line in ("4/10: Response text 0", "9.25/10: Response text 1", "6/10: Response text 2"):
        assert line in prompt
    assert "10: Response text 3" not in prompt


def test_a_round_that_asked_no_judge_has_no_history(model: LoopbackModel) -> None:
    plain = aggregate(model, candidate(0))
    assert "scores of the previous round" not in plain
    assert "scores of the previous round" not in aggregate(model, candidate(0), previous=attempt(candidate(0), scores={}))


def test_guidance_of_the_judge_enters_and_none_leaves_no_trace(model: LoopbackModel) -> None:
    plain = aggregate(model, candidate(0))
    guided = aggregate(model, candidate(0), guidance="Mind the units.")
    assert "Further guidance:\nMind the units." in guided
    assert "guidance" not in plain.lower()
    assert "\n\n\n" not in plain.split("<<")[0]
    system = model.requests[0]["messages"][0]["content"]
    assert system == model.requests[1]["messages"][0]["content"].removesuffix("\n\nFurther guidance:\nMind the units.")
