"""The judge's own answer."""

from dataclasses import replace

from judge_example import MATERIAL, TEXTS, judge
from loopback import LoopbackModel, prompt_of

from anyprefer.backends.calls import MemoryCalls


def test_own_answer_is_worked_out_once_for_all_rounds(model: LoopbackModel) -> None:
    model.replies[None] = lambda body, choice: "I get 4."
    calls = MemoryCalls()
    for round_ in range(2):
        judge(model, replace(MATERIAL, round=round_), calls=calls, self_reference=True)
    assert model.titles() == [None, "ScoreSheet", "ScoreSheet"]
    assert [(call.site.round, call.site.step) for call in calls.calls.values()] == [
        (0, "own_answer"),
        (0, "score/0"),
        (1, "score/0"),
    ]
    assert all("I get 4." in prompt_of(body) for body in model.requests[1:])
    assert not any(text in prompt_of(model.requests[0]) for text in TEXTS)


def test_all_looks_compare_with_the_same_answer(model: LoopbackModel) -> None:
    model.replies[None] = lambda body, choice: f"{body['model']} gets 4."
    panel = [{"model": "openai:other", "base_url": model.url}]
    judge(model, self_reference=True, method="pointwise", panel=panel)
    assert model.titles() == [None, *["Score"] * 6]
    assert all("m gets 4." in prompt_of(body) for body in model.requests[1:])
