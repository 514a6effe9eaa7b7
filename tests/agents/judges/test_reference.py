"""Scores against the task's reference, without a model."""

from dataclasses import replace

import pytest
from judge_example import MATERIAL, TEXTS, judge, scores
from loopback import LoopbackModel

from anyprefer.errors import ConfigError, DataError
from anyprefer.types import Candidate, Reply, Task


def test_the_reference_judges_without_a_model(model: LoopbackModel) -> None:
    assert scores(judge(model, reference="exact")) == [1, 10, 1]
    assert scores(judge(model, reference="loopback:half")) == [5.5] * 3
    assert not model.requests


def test_the_answer_is_compared_and_not_the_thought(model: LoopbackModel) -> None:
    thoughtful = [Candidate(index=i, output=Reply.of(text, reasoning="so")) for i, text in enumerate(TEXTS)]
    shown = judge(model, candidates=thoughtful, reference="exact", show=lambda output: f"{output.reasoning} {output.text}")
    assert scores(shown) == [1, 10, 1]


def test_a_reference_is_compared_by_its_answer(model: LoopbackModel) -> None:
    task = Task(prompt="Which?", reference=Reply.of("response text 2", reasoning="a thought"))
    assert scores(judge(model, replace(MATERIAL, task=task), reference="exact")) == [1, 1, 10]


OPEN = replace(MATERIAL, task=Task(id="t", prompt="Which?", reference=" "))


@pytest.mark.parametrize(("method", "requests"), [("listwise", 1), ("pointwise", 3), ("rubric", 4)])
def test_a_task_without_a_reference_is_judged_by_the_method(model: LoopbackModel, method: str, requests: int) -> None:
    by_reference = judge(model, reference="exact", method=method)
    assert [(verdict.score, verdict.by_reference) for verdict in by_reference] == [(1, True), (10, True), (1, True)]
    assert not model.requests
    verdicts = judge(model, OPEN, reference="exact", method=method)
    assert not any(verdict.by_reference for verdict in verdicts)
    assert scores(verdicts) == scores(judge(model, OPEN, method=method))
    assert len(model.requests) == 2 * requests


def test_a_task_without_a_reference_is_an_error_where_nothing_else_judges(model: LoopbackModel) -> None:
    assert scores(judge(model, reference="exact", method="reference")) == [1, 10, 1]
    with pytest.raises(DataError, match=r"task 't' has no reference to judge by: add one, or set judge\.method"):
        judge(model, OPEN, reference="exact", method="reference")
    assert not model.requests


def test_a_scorer_that_cannot_be_imported_is_an_error_at_the_start(model: LoopbackModel) -> None:
    with pytest.raises(ConfigError, match="cannot import the scorer 'nowhere:f'"):
        judge(model, reference="nowhere:f")


def test_what_would_ask_the_model_again_is_left_out(model: LoopbackModel) -> None:
    verdicts = judge(model, reference="exact", permutations=2, self_reference=True, aspects={"honesty": "says so"})
    assert [(verdict.score, verdict.scores) for verdict in verdicts] == [(1, ()), (10, ()), (1, ())]
    assert not model.requests
