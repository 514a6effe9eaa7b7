"""Causes are told apart by what was said, not by the numbers in it, and never grow without bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyprefer.backends.troubles import (
    FIRST_REFUSALS,
    LATER_REFUSALS,
    MOST_CAUSES,
    OTHERS,
    Refusals,
    Trouble,
    cause_of,
    count_cause,
    failure_of,
)
from anyprefer.errors import DataError, EndpointDownError, ModelRefusedError

WHO = "judge model 'openai:gpt-4o-2024@http://h:80/v1'"


def found(*messages: str) -> dict[str, int]:
    troubles: dict[str, Trouble] = {}
    for message in messages:
        count_cause(troubles, Trouble(message, "error", 1))
    return {trouble.message: trouble.count for trouble in troubles.values()}


def test_numbers_times_ids_and_roles_do_not_make_another_cause() -> None:
    first = f"{WHO} answered 429: limit 30000, used 29871; try again in 1.2s (request req_8f3a2b)"
    other = f"{WHO} answered 429: limit 30000, used 512; try again in 20ms (request req_99aa11)"
    assert found(first, other, first.replace("judge", "judge.panel.1")) == {first: 3}


@pytest.mark.parametrize(
    "other",
    [
        f"{WHO} answered 400: no such thing",
        f"{WHO.replace('2024', '2025')} answered 404: no such thing",
        f"{WHO} answered 404: no such place",
    ],
)
def test_another_status_another_model_or_other_words_are_another_cause(other: str) -> None:
    assert found(f"{WHO} answered 404: no such thing", other) == {f"{WHO} answered 404: no such thing": 1, other: 1}


def test_only_a_new_cause_is_news() -> None:
    troubles: dict[str, Trouble] = {}
    assert count_cause(troubles, Trouble("no money", "x", 1)) == Trouble("no money", "x", 1)
    assert count_cause(troubles, Trouble("no money", "x", 1)) is None


@given(st.lists(st.text(alphabet="abcdefgh", min_size=1), max_size=100))
def test_causes_are_bounded_and_none_is_lost(messages: list[str]) -> None:
    counts = found(*messages)
    assert len(counts) <= MOST_CAUSES + 1
    assert sum(counts.values()) == len(messages)
    assert (OTHERS in counts) == (len(set(messages)) > MOST_CAUSES)


def test_a_cause_is_one_printable_line() -> None:
    assert cause_of(DataError("row\x1b[2J\n\u202e7: no prompt")) == "row 7: no prompt"
    assert cause_of(KeyError("x")) == "KeyError: 'x'"
    down = EndpointDownError("answered 402: no money; pay, then run again")
    down.cause = "answered 402: no\tmoney"
    assert cause_of(down) == "answered 402: no money"


def test_what_a_record_keeps_of_an_error_is_printable_and_short() -> None:
    error = ModelRefusedError("refused \x1b[31m" + "x" * 10**6)
    error.cause = "refused"
    failure = failure_of(error, "score_candidates", " (see run.log)")
    assert (failure.kind, failure.node, failure.reason) == ("ModelRefusedError", "score_candidates", "refused")
    assert failure.message.isprintable()
    assert failure.message.endswith("xxx (see run.log)")
    assert len(failure.message) < 2100


def test_refusals_are_counted_in_a_row_and_by_kind() -> None:
    refusals = Refusals()
    for number in range(1, FIRST_REFUSALS):
        assert refusals.add(f"judge/score/{number}") == 0
        refusals.forget("target/sample")
    assert refusals.add("judge/score/9") == FIRST_REFUSALS
    refusals.forget("judge/score/3")
    assert [refusals.add("judge/score/1") for _ in range(LATER_REFUSALS)] == [0] * (LATER_REFUSALS - 1) + [LATER_REFUSALS]
