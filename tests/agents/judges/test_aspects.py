"""One look for each aspect."""

from judge_example import judge, scores
from loopback import LoopbackModel, prompt_of

ASPECTS = {"honesty": "says what it does not know", "helpfulness": "does the task"}


def test_aspects_are_judged_one_by_one_and_averaged(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": [str("honesty: says" in prompt_of(body))] * 3,
        "scores": [10, 4, 1] if "honesty: says" in prompt_of(body) else [4, 6, 1],
    }
    verdicts = judge(model, aspects=ASPECTS)
    assert len(model.requests) == 2
    assert not any("honesty" in prompt_of(body) and "helpfulness: " in prompt_of(body) for body in model.requests)
    assert scores(verdicts) == [7, 5, 1]
    assert verdicts[0].analysis == "True\nFalse"


def test_all_aspects_together_are_one_judgement(model: LoopbackModel) -> None:
    verdicts = judge(model, aspects=ASPECTS, permutations=2)
    assert len(model.requests) == 4
    assert {len(verdict.scores) for verdict in verdicts} == {2}


def test_pointwise_judges_take_aspects_too(model: LoopbackModel) -> None:
    model.replies["Score"] = lambda body, choice: {"analysis": "x", "score": 8 if "honesty: says" in prompt_of(body) else 2}
    assert scores(judge(model, aspects=ASPECTS, method="pointwise")) == [5, 5, 5]
    assert len(model.requests) == 6
