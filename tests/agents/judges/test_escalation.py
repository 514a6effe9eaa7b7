"""A stronger judge for the unsure."""

from typing import Any

import pytest
from judge_example import CANDIDATES, judge, scores
from loopback import LoopbackModel, responses_in

from anyprefer.agents.judges.base import Judgement, JudgeSetup
from anyprefer.agents.judges.builder import build_judge
from anyprefer.backends.calls import MemoryCalls
from anyprefer.errors import ConfigError


def escalated(model: LoopbackModel, first: list[int], *, second: tuple[int, ...] = (2, 9, 4), **options: Any) -> Judgement:
    """Verdicts of a judge `m` with the stronger `strong`; each gives the scores that it is told to, whatever it is shown."""

    def reply(body: Any, choice: int) -> Any:
        said = second if body["model"] == "strong" else first
        places = [int(text[-1]) for text in responses_in(body)]
        return {"analyses": [body["model"]] * len(places), "scores": [said[place] for place in places]}

    model.replies["ScoreSheet"] = reply
    return judge(model, escalate={"model": "openai:strong", "base_url": model.url}, **options)


@pytest.mark.parametrize(
    ("first", "margin", "unsure"),
    [([5, 6, 5], 1.0, False), ([5, 5, 5], 1.0, True), ([5, 6, 5], 1.5, True), ([5, 5, 5], 0.0, False)],
)
def test_the_stronger_judge_is_asked_where_the_first_is_unsure(
    model: LoopbackModel, first: list[int], margin: float, *, unsure: bool
) -> None:
    verdicts = escalated(model, first, escalate_margin=margin)
    assert [body["model"] for body in model.requests] == ["m", "strong"][: 1 + unsure]
    assert scores(verdicts) == ([2, 9, 4] if unsure else first)
    assert [verdict.unsure for verdict in verdicts] == ([(score,) for score in first] if unsure else [()] * 3)
    assert {verdict.analysis for verdict in verdicts} == {"strong" if unsure else "m"}


def test_single_judgements_that_disagree_are_unsure_at_any_margin(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": ["x"] * 3,
        "scores": {"m": [9, 5, 1], "n": [1, 5, 2], "strong": [3, 4, 8]}[body["model"]],
    }
    panel = [{"model": "openai:n", "base_url": model.url}]
    verdicts = judge(model, panel=panel, escalate={"model": "openai:strong", "base_url": model.url}, escalate_margin=0.0)
    assert [body["model"] for body in model.requests] == ["m", "n", "strong"]
    assert [(verdict.score, verdict.scores, verdict.unsure) for verdict in verdicts] == [
        (3, (3,), (9, 1)), (4, (4,), (5, 5)), (8, (8,), (1, 2))
    ]  # fmt: skip


def test_one_response_needs_no_second_opinion(model: LoopbackModel) -> None:
    assert scores(escalated(model, [5, 5, 5], candidates=CANDIDATES[:1])) == [5]
    assert len(model.requests) == 1


def test_both_judges_looks_have_numbers_of_their_own(model: LoopbackModel) -> None:
    model.replies["Score"] = lambda body, choice: {"analysis": body["model"], "score": 5}
    calls = MemoryCalls()
    judge(model, method="pointwise", escalate={"model": "openai:strong", "base_url": model.url}, calls=calls)
    found = {call.site.step: str(call.reply) for call in calls.calls.values()}
    assert sorted(found) == [f"score/{number}" for number in range(6)]
    assert ["strong" in found[f"score/{number}"] for number in range(6)] == [False] * 3 + [True] * 3


def test_the_stronger_judge_solves_the_task_itself_and_rules_on_the_same_criteria(model: LoopbackModel) -> None:
    model.replies["Rulings"] = lambda body, choice: {
        **{f"finding_{i}": "x" for i in range(1, 4)}, **{f"ruling_{i}": "met" for i in range(1, 4)}
    }  # fmt: skip
    judge(model, method="rubric", self_reference=True, escalate={"model": "openai:strong", "base_url": model.url})
    assert model.titles() == ["Rubric", None, *["Rulings"] * 3, None, *["Rulings"] * 3]
    assert [body["model"] for body in model.requests] == [*"m" * 5, *["strong"] * 4]


@pytest.mark.parametrize(("options", "span"), [({}, (1, 2)), ({"self_reference": True}, (2, 4)), ({"method": "rubric"}, (3, 7))])
def test_calls_are_counted_with_and_without_the_stronger_judge(
    model: LoopbackModel, options: dict[str, Any], span: tuple[int, int]
) -> None:
    counted = []

    def make(setup: JudgeSetup) -> Any:
        built = build_judge(setup, (), setup.model)
        counted.append(built.num_calls(3))
        return built

    judge(model, make=make, escalate={"model": "openai:strong", "base_url": model.url}, **options)
    assert counted == [span]


def test_a_stronger_judge_needs_a_model(model: LoopbackModel) -> None:
    with pytest.raises(ConfigError, match=r"judge\.escalate needs a model"):
        judge(model, escalate={"temperature": 0.5})
    with pytest.raises(ConfigError, match=r"unknown key judge\.escalate\.modell = .*did you mean 'model'"):
        judge(model, escalate={"modell": "openai:strong"})
