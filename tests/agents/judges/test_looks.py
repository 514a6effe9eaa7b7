"""What a judge's model is shown, and how its scores are read."""

from dataclasses import replace
from typing import Any

import pytest
from judge_example import CANDIDATES, MATERIAL, TEXTS, found, judge, scores
from loopback import LoopbackModel, prompt_of, responses_in

from anyprefer.agents.grading import weigh_digits
from anyprefer.agents.judges.base import JudgeSetup
from anyprefer.agents.judges.listwise import ListwiseJudge
from anyprefer.backends.client import Completion
from anyprefer.errors import MalformedReplyError
from anyprefer.types import Candidate, Knowledge, Reply


@pytest.mark.parametrize("method", ["pointwise", "listwise"])
def test_expected_score_weighs_the_digits_by_their_chances(model: LoopbackModel, method: str) -> None:
    model.replies["Score"] = lambda body, choice: {"score": 8}
    model.replies["ScoreSheet"] = lambda body, choice: {"scores": [8, 4, 0]}
    verdicts = judge(model, method=method, expected_score=True, analysis_chars=0)
    expected = [5.0, 3.0, 1.0] if method == "listwise" else [5.0, 5.0, 5.0]
    assert scores(verdicts) == pytest.approx(expected)
    assert "from 0 to 9" in prompt_of(model.requests[0])


def test_without_log_probabilities_the_written_score_counts(model: LoopbackModel, caplog: pytest.LogCaptureFixture) -> None:
    model.logprobs = False
    model.replies["Score"] = lambda body, choice: {"score": 8}
    assert scores(judge(model, method="pointwise", expected_score=True, analysis_chars=0)) == [9, 9, 9]
    assert "gives no log-probabilities" in caplog.text


def test_a_certain_nine_is_never_more_than_the_highest_score(model: LoopbackModel) -> None:
    text, chances = '{"score": 9}', [-place / 1000 for place in range(3000)]
    weighed: list[float] = []

    def look(setup: JudgeSetup) -> ListwiseJudge:
        for chance in chances:
            completion = Completion((Reply.of(text),), ("complete",), "key", [(text.index("9"), {"9": chance})])
            weighed.extend(weigh_digits(setup.model, completion, "score", [9]))
        return ListwiseJudge(setup)

    judge(model, make=look)
    assert max(weighed) == 10.0


@pytest.mark.parametrize("method", ["pointwise", "listwise"])
def test_principles_and_guidance_stand_in_every_judgement(model: LoopbackModel, method: str) -> None:
    judge(model, principles=["Prefer SI units."], method=method)
    assert all("- Prefer SI units." in prompt_of(body) and "Mind the units." in prompt_of(body) for body in model.requests)


@pytest.mark.parametrize("method", ["pointwise", "listwise"])
def test_thoughts_are_shown_only_where_asked_for(model: LoopbackModel, method: str) -> None:
    candidates = [Candidate(index=i, output=Reply.of(text, reasoning=f"thought {i}")) for i, text in enumerate(TEXTS)]
    judge(model, candidates=candidates, method=method)
    assert not any("thought" in prompt_of(body) for body in model.requests)
    model.requests.clear()
    judge(model, candidates=candidates, method=method, show=lambda output: f"{output.reasoning} / {output.text}")
    shown = sorted(text for body in model.requests for text in responses_in(body))
    assert shown == [f"thought {i} / {text}" for i, text in enumerate(TEXTS)]


def test_knowledge_stands_in_place_of_the_findings_about_the_task(model: LoopbackModel) -> None:
    plain = replace(MATERIAL, evidence=(found("web_search", "a page"), found("calculator", "a sum", 1)))
    for material in (plain, replace(plain, knowledge=Knowledge(text="what matters"))):
        judge(model, material)
    without, informed = map(prompt_of, model.requests)
    assert ("a page" in without, "what matters" in without, "a sum" in without) == (True, False, True)
    assert ("a page" in informed, "what matters" in informed, "a sum" in informed) == (False, True, True)


@pytest.mark.parametrize(
    ("method", "title", "reply"),
    [
        ("listwise", "ScoreSheet", {"analyses": ["x"] * 3, "scores": [5, 5]}),
        ("listwise", "ScoreSheet", {"analyses": ["x"] * 3, "scores": [5, 5, 11]}),
        ("pointwise", "Score", {"analysis": "x", "score": 0}),
        ("pointwise", "Score", "a good answer"),
    ],
)
def test_an_unreadable_verdict_is_an_error_and_no_score(model: LoopbackModel, method: str, title: str, reply: Any) -> None:
    model.replies[title] = lambda body, choice: reply
    with pytest.raises(MalformedReplyError, match=f"did not fit {title}"):
        judge(model, method=method)


def test_a_failed_look_does_not_cancel_the_others(model: LoopbackModel) -> None:
    model.replies["Score"] = lambda body, choice: {"analysis": "x", "score": 5}
    model.before = lambda body: 400 if TEXTS[0] in prompt_of(body) else None
    with pytest.raises(Exception, match="400"):
        judge(model, method="pointwise")
    assert sum(model.completed.values()) == len(CANDIDATES) - 1


def test_no_analysis_is_asked_for_where_the_recipe_wants_none(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {"scores": [1, 2, 3]}
    assert [verdict.analysis for verdict in judge(model, analysis_chars=0)] == ["", "", ""]
    assert "short analysis" not in prompt_of(model.requests[0])
