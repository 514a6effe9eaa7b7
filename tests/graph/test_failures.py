"""A task that an error ends: the best pair made before it stays, and what nobody foresaw says what there was."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from loopback import Body, LoopbackModel, recipe_data, review, title_of

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.graph.nodes import NodeCrashedError
from anyprefer.graph.state import state_serializer
from anyprefer.recipes import parse_recipe
from anyprefer.types import PreferenceRecord, Task

THREAD = {"thread_id": "1"}
NEAR = {"mode": "uncertain", "reward_band": 1.0}


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        server.replies["ToolChoice"] = lambda body, choice: {"calls": [{"tool": "calculator", "why": "sums", "args": {}}]}
        server.replies["PairReview"] = review(6)
        yield server


async def run_graph(server: LoopbackModel, answer: dict[str, Any] | None, **sections: Any) -> tuple[Any, dict[str, Any]]:
    """The state in which the task stops, after an answer to the reviewer's question; and the question."""
    recipe = parse_recipe(recipe_data(server.url, **{"tools": {"names": ["calculator"]}, **sections}))
    config: Any = {"configurable": THREAD, "recursion_limit": recursion_limit(recipe)}
    async with Backends(recipe) as backends:
        graph = build_graph(build_team(recipe, backends, MemoryCalls())).compile(
            checkpointer=InMemorySaver(serde=state_serializer())
        )
        state = await graph.ainvoke({"task": Task(id="t", prompt="Hello?")}, config)
        asked = state["__interrupt__"][0].value if "__interrupt__" in state else {}
        return (await graph.ainvoke(Command(resume=answer), config) if answer else state), asked


def record_of(server: LoopbackModel, **sections: Any) -> PreferenceRecord:
    state, _ = asyncio.run(run_graph(server, None, **sections))
    record: PreferenceRecord = state["record"]
    return record


def refuse(server: LoopbackModel, title: str | None, after: int) -> None:
    """Refuse every request of a kind after so many."""
    seen = 0

    def before(body: Body) -> int | None:
        nonlocal seen
        seen += title_of(body) == title
        return 422 if title_of(body) == title and seen > after else None

    server.before = before


@pytest.mark.parametrize(
    ("title", "node"),
    [
        (None, "sample_candidates"), ("ToolChoice", "select_tools"), ("Notes", "aggregate_knowledge"),
        ("ScoreSheet", "score_candidates"), ("PairReview", "critique_pair"), ("JointRewrite", "rewrite_prompts"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("after", [0, 1])
def test_a_pair_survives_whatever_fails_after_it(model: LoopbackModel, title: str | None, node: str, after: int) -> None:
    refuse(model, title, after)
    record = record_of(model)
    assert record.error is not None
    assert (record.error.kind, record.error.node) == ("ModelRefusedError", node)
    has_pair = after > 0 or node in ("critique_pair", "rewrite_prompts")
    assert record.status == ("exhausted" if has_pair else "failed")
    assert (record.pair is not None) == has_pair
    scores = [attempt.critique.score for attempt in record.attempts]
    expected = {"critique_pair": [*[6] * after, None], "rewrite_prompts": [6] * (1 + after)}
    assert scores == expected.get(node, [6] * after)
    assert record.best_attempt == (0 if has_pair else None)


def test_a_scored_pair_goes_before_one_without_a_reward(model: LoopbackModel) -> None:
    model.replies["PairReview"] = review(1)
    refuse(model, "PairReview", 1)
    record = record_of(model)
    assert [attempt.critique.score for attempt in record.attempts] == [1, None]
    assert record.best_attempt == 0


def test_a_pair_without_a_reward_is_better_than_none(model: LoopbackModel) -> None:
    good = model.replies["ScoreSheet"]
    ties = {"analyses": ["x"] * 5, "scores": [5] * 5}
    model.replies["ScoreSheet"] = lambda body, choice: good(body, choice) if model.titles().count("ScoreSheet") > 1 else ties
    refuse(model, "PairReview", 0)
    record = record_of(model)
    assert [attempt.pair is None for attempt in record.attempts] == [True, False]
    assert (record.status, record.best_attempt, record.attempts[1].critique.score) == ("exhausted", 1, None)


def test_a_reviewer_sees_a_pair_near_the_threshold_although_its_task_failed_later(model: LoopbackModel) -> None:
    refuse(model, "JointRewrite", 0)
    state, asked = asyncio.run(run_graph(model, {"decision": "accept"}, review=NEAR))
    record = state["record"]
    assert asked["reward"] == 6
    assert (record.status, record.error.node, record.review.decision) == ("accepted", "rewrite_prompts", "accept")
    state, _ = asyncio.run(run_graph(model, {"decision": "reject", "reason": "no"}, review=NEAR))
    assert (state["record"].status, state["record"].pair) == ("rejected", None)


@pytest.mark.parametrize(("title", "threshold"), [("JointRewrite", 10), ("PairReview", 1)])
def test_a_reviewer_does_not_see_one_far_from_it_or_without_a_reward(model: LoopbackModel, title: str, threshold: int) -> None:
    refuse(model, title, 0)
    state, asked = asyncio.run(run_graph(model, None, review=NEAR, loop={"threshold": threshold}))
    assert (asked, state["record"].status) == ({}, "exhausted")


def test_an_error_that_nobody_foresaw_carries_the_attempts(model: LoopbackModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from anyprefer.graph.nodes import Nodes

    async def rewrite_prompts(self: Nodes, state: Any) -> Any:
        raise KeyError("planted")

    monkeypatch.setattr(Nodes, "rewrite_prompts", rewrite_prompts)
    with pytest.raises(NodeCrashedError, match="rewrite_prompts: KeyError: 'planted'") as crash:
        record_of(model)
    assert isinstance(crash.value.error, KeyError)
    assert [attempt.critique.score for attempt in crash.value.attempts] == [6]
