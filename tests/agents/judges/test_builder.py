"""A recipe's judge, and every wrapper around every way of judging."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from judge_example import CANDIDATES, MATERIAL, TEXTS, judge, scores
from loopback import LoopbackModel, prompt_of, responses_in

from anyprefer.agents.judges.agreement import Agreement
from anyprefer.agents.judges.aspects import Aspects
from anyprefer.agents.judges.base import Judge, JudgeSetup
from anyprefer.agents.judges.escalation import Escalation
from anyprefer.agents.judges.listwise import ListwiseJudge
from anyprefer.agents.judges.meta import MetaJudge
from anyprefer.agents.judges.orderings import Orderings
from anyprefer.agents.judges.own_answer import OwnAnswer
from anyprefer.agents.judges.panel import Panel
from anyprefer.agents.judges.pointwise import PointwiseJudge
from anyprefer.agents.judges.reference import ReferenceJudge
from anyprefer.agents.judges.rubric import RubricJudge
from anyprefer.backends.calls import MemoryCalls
from anyprefer.errors import ConfigError
from anyprefer.types import Criterion

Wrap = Callable[[Judge, JudgeSetup], Judge]
BASES: dict[str, Callable[[JudgeSetup], Judge]] = {
    "listwise": ListwiseJudge,
    "pointwise": PointwiseJudge,
    "reference": ReferenceJudge,
    "rubric": RubricJudge,
}
LOOKS = {"listwise": 1, "pointwise": 3, "reference": 0, "rubric": 3}
RULED = replace(MATERIAL, rubric=(Criterion(text="is right"), Criterion(text="is short", weight=2)))
WRAPPERS: dict[str, tuple[Wrap, int]] = {
    "panel": (lambda one, setup: Panel((one, one)), 2),
    "aspects": (lambda one, setup: Aspects(one, {"a": "x", "b": "y", "c": "z"}), 3),
    "meta": (lambda one, setup: MetaJudge(Panel((one, one)), setup.model, setup.prompts["meta"]), 2),
    "own_answer": (lambda one, setup: OwnAnswer(one, setup.model, setup.prompts["answer"], "sums"), 1),
    "panel of aspects": (lambda one, setup: Panel((Aspects(one, {"a": "x"}), one)), 2),
    "agreement": (lambda one, setup: Agreement((one, Panel((one, one)))), 3),
    "escalation": (lambda one, setup: Escalation(one, Panel((one, one)), 9.5), 3),
}
FURTHER = {"meta": 1, "own_answer": 1}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("base", BASES)
def test_an_even_handed_judge_says_the_same_in_every_wrapper(model: LoopbackModel, base: str, wrapper: str) -> None:
    plain = scores(judge(model, RULED, make=BASES[base], reference="exact"))
    model.requests.clear()
    (wrap, times), sizes = WRAPPERS[wrapper], list[tuple[int, int]]()

    def make(setup: JudgeSetup) -> Judge:
        wrapped = wrap(BASES[base](setup), setup)
        sizes.append((wrapped.num_looks(len(CANDIDATES)), wrapped.num_calls(len(CANDIDATES))[1]))
        return wrapped

    calls = MemoryCalls()
    verdicts = judge(model, RULED, make=make, reference="exact", calls=calls)
    assert [verdict.candidate for verdict in verdicts] == [0, 1, 2]
    assert scores(verdicts) == plain
    steps = [call.site.step for call in calls.calls.values()]
    looks = sorted(int(step.partition("/")[2]) for step in steps if step.startswith("score/"))
    assert looks == list(range(LOOKS[base] * times))
    assert len(steps) == len(looks) + FURTHER.get(wrapper, 0)
    assert sizes == [(len(looks), len(steps))]


def test_orderings_wrap_what_shows_responses_together(model: LoopbackModel) -> None:
    plain = scores(judge(model))
    model.requests.clear()
    inner: Wrap = lambda one, setup: Orderings(Panel((one, Aspects(one, {"a": "x"}))), 3)  # noqa: E731 - a value of the table's type
    assert scores(judge(model, make=lambda setup: inner(ListwiseJudge(setup), setup))) == pytest.approx(plain)
    assert len({tuple(responses_in(body)) for body in model.requests}) == 3
    assert len(model.requests) == 6


@pytest.mark.parametrize("base", ["pointwise", "reference", "rubric"])
@pytest.mark.parametrize("between", [None, *(name for name in WRAPPERS)])
def test_orderings_of_what_shows_one_response_are_refused(model: LoopbackModel, base: str, between: str | None) -> None:
    def make(setup: JudgeSetup) -> Judge:
        one = BASES[base](setup)
        return Orderings(WRAPPERS[between][0](one, setup) if between else one, 2)

    with pytest.raises(ConfigError, match=r"judge\.permutations orders responses that are shown together"):
        judge(model, make=make, reference="exact")
    assert not model.requests


def test_looks_are_numbered_by_model_then_order_then_aspect(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": [f"{body['model']} {responses_in(body)[0][-1]} {'ab'['b: second' in prompt_of(body)]}"] * 3,
        "scores": [5] * 3,
    }
    calls = MemoryCalls()
    panel = [{"model": "openai:n", "base_url": model.url}]
    verdicts = judge(model, panel=panel, permutations=2, aspects={"a": "first", "b": "second"}, calls=calls)
    found = {call.site.step: str(call.reply) for call in calls.calls.values()}
    expected = [f"{name} {first} {aspect}" for name in "mn" for first in "02" for aspect in "ab"]
    assert sorted(found) == [f"score/{number}" for number in range(8)]
    assert [words in found[f"score/{number}"] for number, words in enumerate(expected)] == [True] * 8
    assert verdicts[0].analysis == "m 0 a\nm 0 b\n\nm 2 a\nm 2 b\n\nn 0 a\nn 0 b\n\nn 2 a\nn 2 b"


def test_pointwise_looks_are_numbered_by_aspect_then_response(model: LoopbackModel) -> None:
    model.replies["Score"] = lambda body, choice: {
        "analysis": f"{'ab'['b: second' in prompt_of(body)]} {responses_in(body)[0]}", "score": 5
    }  # fmt: skip
    calls = MemoryCalls()
    judge(model, method="pointwise", aspects={"a": "first", "b": "second"}, calls=calls)
    found = {call.site.step: str(call.reply) for call in calls.calls.values()}
    expected = [f"{aspect} {text}" for aspect in "ab" for text in TEXTS]
    assert [words in found[f"score/{number}"] for number, words in enumerate(expected)] == [True] * 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "pointwise", "permutations": 2}, "judge.permutations"),
        ({"combine": "meta"}, "judge.combine = 'meta'"),
        ({"panel": [{"temperature": 0.5}]}, "needs a model"),
        ({"method": "reference"}, "set judge.reference to one of gsm8k|Input should be 'listwise' or 'pointwise'"),
        ({"method": "listwize"}, "did you mean 'listwise'|Input should be 'listwise' or 'pointwise'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(model: LoopbackModel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        judge(model, **options)
