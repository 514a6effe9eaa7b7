"""Expected scores from token log-probabilities."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyprefer.backends.logprobs import expected_digits, find_digits


def entries(*tokens, chances=None, with_bytes=True):
    """A reply's `logprobs.content`, every digit with the same alternatives."""
    found = []
    for token in tokens:
        others = chances if chances and token.strip().isdigit() else {token: 0.0}
        tops = [{"token": other, "logprob": value} for other, value in others.items()]
        found.append(
            {"token": token, "bytes": list(token.encode()) if with_bytes else None, "logprob": 0.0, "top_logprobs": tops}
        )
    return found


HALVES = {"2": math.log(0.25), "8": math.log(0.25), "x": math.log(0.5)}


@pytest.mark.parametrize("with_bytes", [True, False])
def test_expected_value_is_over_the_digits_alone(with_bytes):
    content = entries('{"', "score", '":', " ", "8", "}", chances=HALVES, with_bytes=with_bytes)
    text = '{"score": 8}'
    assert expected_digits(text, "score", find_digits(text, content)) == [pytest.approx(5.0)]


def test_code_fence_that_only_the_tokens_show_does_not_move_the_digits():
    content = entries("```", "json\n", '{"', "score", '": ', "8", "}", "\n```", chances=HALVES)
    text = '{"score": 8}'
    assert expected_digits(text, "score", find_digits(text, content)) == [pytest.approx(5.0)]


def test_digits_in_the_analysis_do_not_count():
    text = '{"analysis": "\\"score\\": 3, été 2", "score": 8}'
    tokens = list(text)
    places = [i for i, token in enumerate(tokens) if token == "8"]
    content = entries(*tokens)
    content[places[-1]]["top_logprobs"] = [{"token": "8", "logprob": math.log(0.9)}, {"token": "0", "logprob": math.log(0.1)}]
    assert expected_digits(text, "score", find_digits(text, content)) == [pytest.approx(7.2)]


def test_every_score_of_a_list_has_its_own_expectation():
    text = '{"scores": [1, 9,3]}'
    content = entries(*text)
    assert expected_digits(text, "scores", find_digits(text, content)) == [1, 9, 3]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"score": 8}', None),
        ('{"score": 8}', []),
        ('{"score": 8}', entries("something", "else")),
        ('{"score": 8}', entries('{"score": ', "8", "}", chances={"x": 0.0, "8": math.log(0.01)})),
        ('{"other": 8}', entries('{"other": ', "8", "}")),
    ],
)  # fmt: skip
def test_without_a_usable_distribution_there_is_no_expectation(text, content):
    assert expected_digits(text, "score", find_digits(text, content)) is None


@given(st.text(), st.integers(0, 9), st.integers(1, 5))
def test_any_analysis_and_any_cut_into_tokens_keeps_the_place(analysis, digit, size):
    text = json.dumps({"analysis": analysis, "score": digit}, ensure_ascii=False)
    head, tail = text[:-2], text[-2:]
    tokens = [head[i : i + size] for i in range(0, len(head), size)] + list(tail)
    assert expected_digits(text, "score", find_digits(text, entries(*tokens))) == [digit]
