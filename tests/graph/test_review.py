"""A person's decision in the loop: when the graph stops for it, and what becomes of the record."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from loopback import LoopbackModel, recipe_data

from anyprefer.agents.outcome import reasons_for_review
from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.graph.builder import build_graph
from anyprefer.graph.state import state_serializer
from anyprefer.recipes import parse_recipe
from anyprefer.types import Attempt, Candidate, Critique, Origin, PreferencePair, PreferenceRecord, Prompts, Side, Task, Verdict

THREAD: Any = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def run_and_review(server: LoopbackModel, *answers: dict[str, Any], mode: str = "all") -> tuple[list[Any], PreferenceRecord]:
    """Run to the interrupt and resume with each answer; the requests on the way, and the record."""

    async def main() -> tuple[list[Any], PreferenceRecord]:
        recipe = parse_recipe(recipe_data(server.url, review={"mode": mode}))
        async with Backends(recipe) as backends:
            team = build_team(recipe, backends, MemoryCalls())
            graph = build_graph(team).compile(checkpointer=InMemorySaver(serde=state_serializer()))
            state = await graph.ainvoke({"task": Task(id="t", prompt="Hello?")}, THREAD)
            asked = []
            for answer in answers:
                asked.append(state["__interrupt__"][0].value)
                state = await graph.ainvoke(Command(resume=answer), THREAD)
            return asked, state["record"]

    return asyncio.run(main())


def test_an_accepted_pair_is_recorded_as_it_is(model: LoopbackModel) -> None:
    (request,), record = run_and_review(model, {"decision": "accept", "reviewer": "me"})
    assert record.best is not None
    assert record.best.pair is not None
    assert (request["chosen"], request["reasons"]) == (record.best.pair.chosen.text, ("every pair is reviewed",))
    assert (record.status, record.pair) == ("accepted", record.best.pair)
    assert record.review is not None
    assert record.review.reviewer == "me"
    assert len([title for title in model.titles() if title == "ScoreSheet"]) == 1  # nothing ran twice


def test_a_swap_turns_the_pair_round(model: LoopbackModel) -> None:
    (request,), record = run_and_review(model, {"decision": "swap"})
    assert record.pair is not None
    assert record.best is not None
    assert record.best.pair is not None
    assert (record.pair.chosen, record.pair.rejected) == (record.best.pair.rejected, record.best.pair.chosen)
    assert record.pair.chosen.score == request["rejected_score"]  # a side takes its own score along
    assert (record.pair.margin or 0) < 0
    assert record.best.pair.chosen.text == request["chosen"]  # what the judge said stays on record


def test_an_edit_replaces_a_text(model: LoopbackModel) -> None:
    (request,), record = run_and_review(model, {"decision": "edit", "chosen": "A better one."})
    assert record.pair is not None
    chosen, rejected = record.pair.chosen, record.pair.rejected
    assert (chosen.text, str(chosen.origin), chosen.score) == ("A better one.", "person", None)
    assert (rejected.text, rejected.origin.kind, rejected.score) == (
        request["rejected"],
        "candidate",
        request["rejected_score"],
    )
    assert record.pair.margin is None


def test_a_rejected_pair_has_a_reason_and_no_pair(model: LoopbackModel) -> None:
    (_, again), record = run_and_review(model, {"decision": "reject"}, {"decision": "reject", "reason": "both are wrong"})
    assert "takes a reason" in again["problem"]
    assert (record.status, record.pair) == ("rejected", None)


def test_an_edit_that_makes_equal_texts_is_asked_for_again(model: LoopbackModel) -> None:
    requests, record = run_and_review(model, {"decision": "edit", "chosen": "x", "rejected": "x"}, {"decision": "accept"})
    assert "two different texts" in requests[1]["problem"]
    assert record.status == "accepted"


def attempt(margin: float = 3, reward: int = 9, scores: tuple[tuple[float, ...], ...] = ((), ())) -> Attempt:
    return Attempt(
        round=0, prompts=Prompts(), critique=Critique(analysis="x", score=reward),
        candidates=(Candidate(index=0, output="a"), Candidate(index=1, output="b")),
        verdicts=tuple(Verdict(candidate=i, analysis="", score=5, scores=one) for i, one in enumerate(scores)),
        pair=PreferencePair(
            chosen=Side(origin=Origin(kind="candidate", candidate=0, round=0), output="a", score=1 + margin),
            rejected=Side(origin=Origin(kind="candidate", candidate=1, round=0), output="b", score=1),
        ),
    )  # fmt: skip


def recipe(**review: Any) -> Recipe:
    return parse_recipe(recipe_data("http://127.0.0.1:1/v1", review=review, loop={"threshold": 7}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"margin": 0.5}, ["margin is 0.5"]),
        ({"reward": 7}, ["close to the threshold"]),
        ({"scores": ((9, 2), (3, 8))}, ["opposite ways"]),
        ({"scores": ((9, 8), (3, 2))}, []),
        ({"reward": 2}, []),
    ],
)
def test_uncertain_pairs_are_those_that_someone_doubts(changes: dict[str, Any], words: list[str]) -> None:
    found = reasons_for_review(recipe(mode="uncertain"), "t", attempt(**changes))
    assert len(found) == len(words)
    assert all(word in reason for word, reason in zip(words, found, strict=True))


CODE = frozenset({"python"})


@pytest.mark.parametrize(
    ("certainty", "verifiers", "words"),
    [
        (1.0, CODE, ()), (0.8, CODE, ()), (0.6, CODE, ("60% of the votes stand behind the order",)),
        (0.6, frozenset(), ("60% of the votes stand behind the order",)), (None, CODE, ("no tool verified it",)),
        (None, frozenset(), ()),
    ],
)  # fmt: skip
def test_few_votes_are_a_doubt_and_none_only_where_a_tool_could_have_voted(
    certainty: float | None, verifiers: frozenset[str], words: tuple[str, ...]
) -> None:
    one = attempt()
    assert one.pair is not None
    voted = one.model_copy(update={"pair": one.pair.model_copy(update={"certainty": certainty})})
    assert reasons_for_review(recipe(mode="uncertain"), "t", voted, verifiers) == words
    assert reasons_for_review(recipe(mode="uncertain", certainty=0.5), "t", voted, frozenset()) == ()


def test_disputed_pairs_can_be_left_to_the_judge() -> None:
    disputed = attempt(scores=((9, 2), (3, 8)))
    assert reasons_for_review(recipe(mode="uncertain", disagreement=True), "t", disputed)
    assert not reasons_for_review(recipe(mode="uncertain", disagreement=False), "t", disputed)


def test_a_pair_just_below_the_threshold_is_looked_at() -> None:
    found = reasons_for_review(recipe(mode="uncertain", reward_band=1), "t", attempt(reward=6))
    assert found == ("the reward, 6, is close to the threshold of 7",)


def test_a_sample_is_the_share_asked_for_and_always_the_same() -> None:
    settings = recipe(mode="sampled", share=0.2)
    drawn = [f"t{i}" for i in range(2000) if reasons_for_review(settings, f"t{i}", attempt())]
    assert 330 < len(drawn) < 470
    assert drawn == [f"t{i}" for i in range(2000) if reasons_for_review(settings, f"t{i}", attempt())]
    assert not reasons_for_review(recipe(), "t0", attempt(margin=0.1))
