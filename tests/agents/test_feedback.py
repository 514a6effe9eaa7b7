"""Known reasons and their lines."""

from typing import get_args

import pytest

from anyprefer.agents.feedback import (
    BEYOND_WORDS,
    JUDGE_LINES,
    PLAYERS,
    TARGET_LINES,
    KnownAdvice,
    Player,
    is_known,
    join_reasons,
)
from anyprefer.agents.leaks import find_leak, withhold
from anyprefer.config.loop import Feedback
from anyprefer.types import REASONS, Reason, Task

KNOWN = KnownAdvice(max_tokens=256)
BY_MODEL: set[Reason] = {"contradicted", "low_margin", "judges_disagree", "low_reward"}


def test_every_reason_has_a_line_or_a_model_or_is_beyond_words() -> None:
    with_lines = TARGET_LINES.keys() | JUDGE_LINES.keys()
    assert {*with_lines, *BEYOND_WORDS, *BY_MODEL} == set(REASONS)
    assert {reason for reason in REASONS if not is_known([reason])} == BY_MODEL
    assert not with_lines & BEYOND_WORDS


def test_without_a_reason_a_model_is_asked() -> None:
    assert not is_known(())


def test_the_reason_that_decided_counts_and_not_what_came_on_the_way() -> None:
    assert not is_known(["low_margin", "cut_off"])
    assert is_known(["cut_off", "low_margin"])


@pytest.mark.parametrize(("max_tokens", "words"), [(256, 120), (400, 200), (1024, 510), (8, 10)])
def test_a_response_that_was_cut_off_is_told_how_many_words_it_has(max_tokens: int, words: int) -> None:
    assert KnownAdvice(max_tokens).lines("target", ["cut_off"]) == [f"Finish within about {words} words."]


def test_reasons_with_the_same_remedy_are_one_line() -> None:
    assert len(KNOWN.lines("target", ["unverified", "no_answer"])) == 1
    assert len(KNOWN.lines("judge", ["all_wrong", "undecided", "unverified"])) == 1


def test_lines_of_earlier_rounds_stay_once_unless_the_opposite_came_up() -> None:
    assert join_reasons(["cut_off", "no_answer"], ["no_answer", "all_wrong", "low_margin"]) == (
        "cut_off", "no_answer", "all_wrong",
    )  # fmt: skip
    assert join_reasons(["all_right", "cut_off"], ["all_wrong"]) == ("cut_off", "all_wrong")
    assert join_reasons(["all_wrong"], ["all_right"]) == ("all_right",)


@pytest.mark.parametrize("player", get_args(Player))
def test_lines_and_a_models_words_can_be_told_apart(player: Player) -> None:
    words = "Name the units.\nRead twice."
    guidance = KNOWN.join(player, REASONS, words)
    assert guidance.splitlines()[-2:] == words.splitlines()
    assert len(guidance.splitlines()) == 2 + len(KNOWN.lines(player))
    assert KNOWN.strip(player, guidance) == words
    assert KNOWN.join(player, REASONS, guidance) == guidance


def test_a_model_that_repeats_a_line_within_its_words_does_not_double_it() -> None:
    (line,) = KNOWN.lines("target", ["cut_off"])
    assert KNOWN.join("target", ["cut_off"], f"Name the units. {line}") == f"{line}\nName the units."


def test_no_line_asks_for_a_wrong_answer_or_states_one() -> None:
    told = [line for player in get_args(Player) for line in KNOWN.lines(player)]
    withheld = withhold(Task(prompt="Is 7 prime?", reference="yes"), [])
    assert all(find_leak(line, withheld) is None and "wrong" not in line for line in told)


def test_every_feedback_mode_says_whom_it_reaches() -> None:
    assert PLAYERS.keys() == set(get_args(Feedback))
