"""The choice between whole judgements."""

import re

from judge_example import TEXTS, judge, scores
from loopback import LoopbackModel, prompt_of, responses_in

from anyprefer.backends.calls import MemoryCalls


def by_order(body, choice):
    return {"analyses": ["x"] * 3, "scores": [9, 5, 1] if responses_in(body)[0] == TEXTS[0] else [2, 2, 8]}


def test_meta_judge_keeps_the_judgement_it_prefers(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = by_order
    verdicts = judge(model, permutations=2, combine="meta")
    assert scores(verdicts) == [8, 2, 2]
    assert [verdict.scores for verdict in verdicts] == [(9, 8), (5, 2), (1, 2)]
    model.replies["MetaVerdict"] = lambda body, choice: {"analysis": "x", "better": "A"}
    assert scores(judge(model, permutations=2, combine="meta")) == [9, 5, 1]


def test_the_winner_meets_every_further_judgement_and_changes_places(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": [f"by {body['model']}"] * 3, "scores": [9, 5, 1]}
    model.replies["MetaVerdict"] = lambda body, choice: {
        "analysis": "x", "better": "A" if "by m\n" in prompt_of(body).split("<<judgement B")[0] else "B"
    }  # fmt: skip
    calls = MemoryCalls()
    panel = [{"model": f"openai:{name}", "base_url": model.url} for name in ("second", "third")]
    verdicts = judge(model, panel=panel, combine="meta", calls=calls)
    compared = [re.findall(r"<<judgement [AB].*?by (\w+)", prompt_of(body), re.DOTALL) for body in model.requests[3:]]
    assert compared == [["m", "second"], ["third", "m"]]
    assert [call.site.step for call in calls.calls.values() if "meta" in call.site.step] == ["meta/1", "meta/2"]
    assert {verdict.analysis for verdict in verdicts} == {"by m"}


def test_comparisons_are_asked_of_the_judge_itself(model: LoopbackModel) -> None:
    judge(model, panel=[{"model": "openai:other", "base_url": model.url}], combine="meta")
    assert [body["model"] for body in model.requests if "judgement A" in prompt_of(body)] == ["m"]


def test_meta_judge_sees_the_responses_as_the_judges_do(model: LoopbackModel) -> None:
    judge(model, permutations=2, combine="meta", show=lambda output: f"shown {output.text}")
    assert responses_in(model.requests[-1]) == [f"shown {text}" for text in TEXTS]
