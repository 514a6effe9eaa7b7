"""Several orders of the candidates."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_example import TEXTS, judge, scores
from loopback import LoopbackModel, responses_in

from anyprefer.agents.judges.orderings import orderings


def test_a_judge_that_likes_the_first_place_is_evened_out(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["first", "second", "third"], "scores": [9, 5, 1]}
    verdicts = judge(model, permutations=2)
    assert sorted(responses_in(body) for body in model.requests) == sorted([list(TEXTS), list(TEXTS)[::-1]])
    assert scores(verdicts) == [5, 5, 5]
    assert [verdict.scores for verdict in verdicts] == [(9, 1), (5, 5), (1, 9)]
    assert verdicts[0].analysis == "first\n\nthird"


def test_no_more_orders_are_asked_for_than_there_are(model: LoopbackModel) -> None:
    verdicts = judge(model, permutations=24)
    assert len(model.requests) == 6
    assert {len(verdict.scores) for verdict in verdicts} == {6}


@pytest.mark.parametrize(("num_candidates", "count", "expected"), [(1, 3, [[0]]), (2, 5, [[0, 1], [1, 0]]), (3, 1, [[0, 1, 2]])])
def test_few_candidates_have_few_orders(num_candidates: int, count: int, expected: list[list[int]]) -> None:
    assert orderings(num_candidates, count) == expected


@given(st.integers(1, 6), st.integers(1, 24))
def test_orders_are_different_permutations_and_the_same_every_time(num_candidates: int, count: int) -> None:
    found = orderings(num_candidates, count)
    assert found == orderings(num_candidates, count)
    assert len({tuple(order) for order in found}) == len(found) == min(count, math.factorial(num_candidates))
    assert all(sorted(order) == list(range(num_candidates)) for order in found)
