"""Findings decide and opinions order, through the whole loop with real programs in the real sandbox."""

from collections.abc import Iterator
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, review
from one_task import run_task

from anyprefer.types import PreferenceRecord, Task

TASK = Task(prompt="What do 3 tickets at 14 euros and a drink for 5 euros cost?", reference="47")


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def answers(model: LoopbackModel, *rounds: list[Any]) -> None:
    """What the target says in each round; later requests of a round repeat it."""
    texts = [[f"So it is {number}. Answer: {number}" if isinstance(number, int) else number for number in one] for one in rounds]

    def reply(body: dict[str, Any], choice: int) -> str:
        place = min(len([one for one in model.titles() if one == "Args"]), len(texts) - 1)
        return texts[place][choice % len(texts[place])]

    model.replies[None] = reply


def programs(model: LoopbackModel, *rounds: list[int]) -> None:
    """What the judge's programs print, two a sample, in each round."""
    asked: list[int] = []

    def reply(body: dict[str, Any], choice: int) -> dict[str, Any]:
        asked.append(choice)
        results = rounds[min((len(asked) - 1) // 2, len(rounds) - 1)]
        return {"programs": [f"print({result})" for result in results], "tests": ""}

    model.replies["Args"] = reply


def run(model: LoopbackModel, **sections: Any) -> tuple[PreferenceRecord, list[str]]:
    tools = {"names": ["python"], "choose": "arguments", "samples": 2}
    return run_task(model, TASK, **{"tools": tools, "aggregator": {"enabled": False}, **sections})


def test_the_judge_is_not_asked_where_programs_decide(model: LoopbackModel) -> None:
    answers(model, [24, 47, 24, 50, "no idea, sorry"])
    programs(model, [47, 47])
    record, nodes = run(model)
    assert "score_candidates" not in nodes
    assert "ScoreSheet" not in model.titles()
    assert record.status == "accepted"
    pair = record.pair
    assert pair is not None
    assert "Answer: 47" in pair.chosen.text
    assert "47" not in pair.rejected.text
    assert (pair.certainty, pair.margin, pair.chosen.score) == (1.0, None, None)


def test_a_judge_that_likes_the_wrong_one_does_not_decide(model: LoopbackModel) -> None:
    """Asked in any case, it scores the right response lowest; the pair is the same, and the scores are on record."""
    answers(model, [24, 47])
    programs(model, [47, 47])
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["a", "b"], "scores": [10, 2]}
    record, nodes = run(model, judge={"ask": "always"}, sampling={"num_candidates": 2})
    assert "score_candidates" in nodes
    assert record.pair is not None
    assert ("47" in record.pair.chosen.text, record.pair.margin) == (True, -8.0)
    paper, _ = run(model, judge={"ask": "always"}, sampling={"num_candidates": 2}, pair={"require": "none"})
    assert paper.pair is not None
    assert "24" in paper.pair.chosen.text


@pytest.mark.parametrize(
    ("said", "printed", "reason"),
    [
        ([47, "The total is 47 euros. Answer: 47"], [47, 47], "all_right"),
        ([24, 50], [47, 47], "all_wrong"),
        ([24, 47], [47, 50], "undecided"),
    ],
)
def test_no_pair_is_made_where_findings_show_none(model: LoopbackModel, said: list[Any], printed: list[int], reason: str) -> None:
    answers(model, said)
    programs(model, printed)
    record, _ = run(model, loop={"max_rounds": 0})
    assert (record.status, record.pair) == ("exhausted", None)
    [attempt] = record.attempts
    assert attempt.shortfall is not None
    assert attempt.shortfall.reasons[0] == reason
    assert attempt.critique.analysis == attempt.shortfall.text


def test_a_second_round_adds_candidates_and_programs_to_the_first(model: LoopbackModel) -> None:
    """All wrong at first; the right response comes in round two, against a wrong one of round one, and all programs vote."""
    answers(
        model,
        [24, 50],
        [47, "I would ask at the till, since prices change every week and nobody knows them better than the people there do."],
    )
    programs(model, [47, 47], [47, 99])
    record, nodes = run(model, loop={"max_rounds": 1, "threshold": 5}, sampling={"num_candidates": 2, "max_resamples": 0})
    assert nodes.count("sample_candidates") == 2
    assert record.status == "accepted", record.attempts[-1].shortfall
    first, second = record.attempts
    assert ([one.index for one in first.candidates], [one.index for one in second.candidates]) == ([0, 1], [2, 3])
    assert [one.round for one in second.candidates] == [1, 1]
    pair = record.pair
    assert pair is not None
    assert "47" in pair.chosen.text
    assert (pair.chosen.origin.candidate, pair.chosen.origin.round) == (2, 1)
    assert pair.rejected.origin.round == 0
    found = {one.candidate: one.finding.votes for one in second.evidence}
    assert (found[2], found[0]) == ((6, 8), (0, 8))
    assert pair.certainty == 0.75
    assert record.model_of(pair.rejected) == record.model_of(pair.chosen) != None  # noqa: E711
    assert [one.tool for one in second.evidence_of(pair.rejected)] == ["python"]


def test_the_critic_sees_what_programs_found(model: LoopbackModel) -> None:
    answers(model, [24, 47])
    programs(model, [47, 47])
    model.replies["PairReview"] = review(9)
    run(model, critic={"method": "paper"}, sampling={"num_candidates": 2})
    asked = next(body for body, title in zip(model.requests, model.titles(), strict=True) if title == "PairReview")
    assert "programs written for this task print 47" in prompt_of(asked)
