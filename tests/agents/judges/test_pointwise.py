"""One candidate at a time."""

from dataclasses import replace

from judge_example import MATERIAL, TEXTS, found, judge
from loopback import LoopbackModel, prompt_of, responses_in


def test_each_response_is_shown_alone_with_its_own_evidence(model: LoopbackModel) -> None:
    evidence = [found("calculator", f"finding {i}", i) for i in range(3)]
    verdicts = judge(model, replace(MATERIAL, evidence=evidence), method="pointwise")
    requests = sorted(model.requests, key=responses_in)
    assert [responses_in(body) for body in requests] == [[text] for text in TEXTS]
    for i, body in enumerate(requests):
        assert [f"finding {k}" in prompt_of(body) for k in range(3)] == [k == i for k in range(3)]
        assert "Mind the units." in prompt_of(body)
    assert len({verdict.score for verdict in verdicts}) > 1


def test_the_verdicts_stand_in_the_candidates_order(model: LoopbackModel) -> None:
    model.replies["Score"] = lambda body, choice: {"analysis": responses_in(body)[0], "score": 5}
    verdicts = judge(model, method="pointwise")
    assert [(verdict.candidate, verdict.analysis) for verdict in verdicts] == list(enumerate(TEXTS))
