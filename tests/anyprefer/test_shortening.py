"""A shortened text keeps both ends, says what is missing, and tells whoever watches."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyprefer.shortening import fewest_tokens, look_alike, most_tokens, note_cuts, shorten, watch_cuts
from anyprefer.types import Cut

MARK = re.compile(r" \[\.\.\. ([0-9,]+) characters left out \.\.\.\] ")


@given(st.text(max_size=400), st.integers(100, 500))
def test_a_text_that_fits_stays_as_it_is_and_any_other_fits_then(text: str, limit: int) -> None:
    with watch_cuts("judge") as cuts:
        found = shorten(text, limit, "task")
    assert len(found) <= limit
    assert (found == text) == (len(text) <= limit) == (not cuts)


@given(st.integers(101, 100_000), st.integers(100, 100_000))
def test_both_ends_stay_and_the_mark_counts_what_is_missing(length: int, limit: int) -> None:
    text = "".join(chr(0x4E00 + i % 20_000) for i in range(length))
    with watch_cuts("judge") as cuts:
        found = shorten(text, limit, "task")
    if found == text:
        return
    head, number, tail = MARK.split(found)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert abs(len(head) - len(tail)) <= 1
    left_out = length - len(head) - len(tail)
    assert (int(number.replace(",", "")), cuts) == (left_out, [Cut(role="judge", what="task", chars=left_out)])
    assert len(found) > limit - 30, "no more goes than has to"


def test_a_question_at_the_end_is_seen() -> None:
    assert shorten("Item. " * 10_000 + "Question: which one?", 1000).endswith("Question: which one?")


def test_a_cut_is_told_once_to_the_nearest_watcher_and_an_excerpt_to_nobody() -> None:
    shorten("x" * 1000, 100, "task")  # nobody watches
    with watch_cuts("judge") as outer:
        with watch_cuts("critic") as inner:
            shorten("x" * 1000, 100, "task")
            shorten("x" * 1000, 100, "task")
            shorten("y" * 1000, 100)
        assert outer == []
        note_cuts([*inner, *inner])
    assert outer == inner == [Cut(role="critic", what="task", chars=950)]


def test_cuts_of_tasks_that_run_side_by_side_do_not_mix() -> None:
    async def node(name: str) -> list[Cut]:
        with watch_cuts(name) as cuts:
            await asyncio.gather(*(part(f"{name} {number}") for number in range(3)))
        return cuts

    async def part(what: str) -> None:
        await asyncio.sleep(0)
        shorten("x" * 1000, 100, what)
        await asyncio.sleep(0)

    async def main() -> list[list[Cut]]:
        return await asyncio.gather(node("judge"), node("critic"))

    for name, cuts in zip(("judge", "critic"), asyncio.run(main()), strict=True):
        assert {(cut.role, cut.what) for cut in cuts} == {(name, f"{name} {number}") for number in range(3)}


def test_a_watcher_may_hold_every_text_to_a_length() -> None:
    with watch_cuts(most=150):
        assert len(shorten("x" * 1000, 500)) <= 150
        assert len(shorten("x" * 1000, 120)) <= 120
    assert len(shorten("x" * 1000, 500)) > 150


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("a" * 500 + "1" + "b" * 500, "a" * 500 + "2" + "b" * 500, True),
        ("a" * 500 + "1" * 90 + "b" * 500, "a" * 500 + "2" + "b" * 500, True),
        ("A" + "a" * 500 + "b" * 500, "a" * 501 + "b" * 500, False),
        ("a" * 500 + "b" * 500 + "B", "a" * 500 + "b" * 501, False),
        ("a a" * 200 + "1" + "b" * 500, "a  a" * 200 + "2" + "b" * 500, False),
        ("a\n" + "a" * 500 + "1" + "b" * 500, "a " + "a" * 500 + "2" + "b" * 500, True),
    ],
)
def test_texts_look_alike_where_only_what_was_left_out_differs(first: str, second: str, alike: bool) -> None:
    with watch_cuts() as cuts:
        for text in (first, second):
            shorten(text, 400, text)
    left_out = (cuts[0].chars, cuts[1].chars)
    assert look_alike(first, second, left_out) is alike
    assert not look_alike(first, second, (left_out[0], 0)), "what was shown whole is not like another text"


def test_a_text_looks_like_itself_shortened_further() -> None:
    text = "".join(str(i) for i in range(1000))
    assert look_alike(text, text, (2000, 2400))


@pytest.mark.parametrize(
    ("text", "fewest", "most"),
    [
        ("", 0, 0), ("The canyon is deep.", 5, 6), ("12345678", 3, 8), ("x = 12", 3, 5),
        ("\u4eba\u5de5\u667a\u80fd", 2, 4), ("\u043f\u0440\u0438\u0432\u0435\u0442", 2, 3),
    ],
)  # fmt: skip
def test_tokens_are_estimated_from_below_and_from_above(text: str, fewest: int, most: int) -> None:
    assert (fewest_tokens(text), most_tokens(text)) == (fewest, most)


@given(st.text(max_size=300))
def test_the_estimate_from_below_is_never_above_the_other(text: str) -> None:
    assert fewest_tokens(text) <= most_tokens(text)
