"""Paired tests and win rates against values worked out by other means."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyprefer.errors import DataError
from anyprefer.evaluation.comparison import compare, mcnemar, win_rate


@pytest.mark.parametrize(("first", "second", "expected"), [(0, 0, 1.0), (5, 0, 2 / 32), (8, 2, 112 / 1024), (3, 3, 1.0)])
def test_exact_test_by_hand(first: int, second: int, expected: float) -> None:
    assert mcnemar(first, second) == pytest.approx(expected)


@given(st.integers(0, 40), st.integers(0, 40))
def test_exact_test_is_symmetric_and_a_probability(first: int, second: int) -> None:
    assert mcnemar(first, second) == mcnemar(second, first)
    assert 0 < mcnemar(first, second) <= 1


def test_only_shared_items_count() -> None:
    found = compare({"a": 1.0, "b": 1.0, "x": 0.0}, {"a": 1.0, "b": 0.0, "y": 1.0})
    assert (found.items, found.only_first, found.only_second) == (2, 1, 0)
    assert found.difference.mean == 0.5
    with pytest.raises(DataError, match="no item in common"):
        compare({"a": 1.0}, {"b": 1.0})


def test_scores_between_zero_and_one_have_no_exact_test() -> None:
    assert compare({"a": 0.3}, {"a": 0.5}).p_value is None


def test_a_judge_who_only_counts_characters_is_found_out() -> None:
    rng = random.Random(0)
    lengths = [rng.gauss(80, 200) for _ in range(2000)]
    preferences = [float(rng.random() < 1 / (1 + math.exp(-3 * math.tanh(value / 215)))) for value in lengths]
    found = win_rate(preferences, lengths)
    assert found.plain.mean > 0.6
    assert found.controlled == pytest.approx(0.5, abs=0.04)
    assert found.length_effect == pytest.approx(3.0, abs=0.4)


def test_a_judge_without_a_length_bias_is_left_alone() -> None:
    rng = random.Random(1)
    lengths = [rng.gauss(0, 200) for _ in range(2000)]
    found = win_rate([float(rng.random() < 0.7) for _ in lengths], lengths)
    assert found.controlled == pytest.approx(found.plain.mean, abs=0.02)


def test_equal_lengths_change_nothing() -> None:
    assert win_rate([1.0, 0.0, 0.5, 1.0], [0.0] * 4).controlled == 0.625
