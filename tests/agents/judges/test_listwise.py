"""All candidates on one sheet."""

from dataclasses import replace

from judge_example import MATERIAL, TEXTS, found, judge, scores
from loopback import LoopbackModel, prompt_of, responses_in


def test_all_responses_are_scored_in_one_reply(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["a", "b", "c"], "scores": [9, 5, 1]}
    verdicts = judge(model)
    (body,) = model.requests
    assert responses_in(body) == list(TEXTS)
    assert "rate 3 responses" in prompt_of(body)
    assert [(verdict.candidate, verdict.analysis, verdict.score, verdict.scores) for verdict in verdicts] == [
        (0, "a", 9, (9,)), (1, "b", 5, (5,)), (2, "c", 1, (1,))
    ]  # fmt: skip


def test_findings_stand_beside_the_response_that_they_are_about(model: LoopbackModel) -> None:
    evidence = (found("calculator", "finding two", 2), found("calculator", "no such file", 0, ok=False))
    assert len(scores(judge(model, replace(MATERIAL, evidence=evidence)))) == 3
    prompt = prompt_of(model.requests[0])
    assert "<<calculator on response 3" in prompt.split(TEXTS[2])[1]
    assert "(the tool failed: no such file)" in prompt.split(TEXTS[0])[1].split(TEXTS[1])[0]
