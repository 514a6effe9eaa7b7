"""Guidance that states what it may not is found, and advice is not taken for it."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anyprefer.agents.leaks import COPIED_WORDS, Leak, Withheld, find_leak, withhold
from anyprefer.types import Candidate, Evidence, Finding, Task, ToolCall
from anyprefer.wording import words

BOOK = Task(
    prompt="Ann reads 8 pages in 20 minutes. How many hours will it take her to read 120 pages? She owns two books.",
    reference="A page takes 2.5 minutes, so it takes 300 minutes.\n#### 5",
)
READERS = (
    Candidate(index=0, output="120 / 8 * 20 = 300 minutes, so it takes 5 hours.\nAnswer: 5"),
    Candidate(index=1, output="She needs a while.\nThe answer is 47."),
)
PLANETS = Task(prompt="Which planet is the largest?\n(A) Venus\n(B) Jupiter\n(C) Mars\n(D) Earth")
ADVICE = (
    "Work step by step.", "Name every quantity and its unit before you compute.", "Check each step against the task.",
    "End with one line that states the final answer.", "Say first what is asked.", "Keep sentences short and plain.",
    "Trust a finding that most checks share.", "Look at the last step of each response.",
    "1. Read the task again. 2. Name the quantities. 3. Compute in order.", "First read; then compute; finally check.",
    "Weigh what is true and what is false.", "Answer in three or four sentences.",
)  # fmt: skip


def evidence(text: str, votes: tuple[int, int] | None = None, *, ok: bool = True) -> Evidence:
    return Evidence(call=ToolCall(tool="python", candidate=0), finding=Finding(content=text, votes=votes), ok=ok, seconds=0)


@pytest.mark.parametrize(
    ("guidance", "leak"),
    [
        ("Read at a pace that allows you to read 8 pages in a sitting.", "number"),
        ("Mind that twenty minutes is a part of an hour.", "number"),
        ("Divide 300 by the minutes of an hour.", "number"),
        ("The pace is 2.5 for a page.", "number"),
        ("In two sentences, say how you got there.", "number"),
        ("Work it out: 47 hours.", "answer"),
        ("The answer is five.", "number"),
        ("Answer: 5", "answer"),
        ("State how many hours it will take her to read the pages of a book.", None),
        ("Find out how many hours will it take her to read them.", "copy"),
        ("In four sentences, say how you got there.", None),
        ("Give one line of working.", None),
    ],
)
def test_numbers_and_wording_of_a_sum(guidance: str, leak: Leak | None) -> None:
    assert find_leak(guidance, withhold(BOOK, READERS)) == leak


@pytest.mark.parametrize(
    ("guidance", "leak"),
    [
        ("Think of Jupiter.", "answer"), ("Do not choose mars, it is small.", "answer"), ("The answer is B.", "answer"),
        ("Choose (B).", "answer"), ("Option B is right.", "answer"), ("Answer: b", "answer"),
        ("Compare the sizes of all planets.", None), ("A good response names one option.", None),
    ],
)  # fmt: skip
def test_options_and_their_letters(guidance: str, leak: Leak | None) -> None:
    assert find_leak(guidance, withhold(PLANETS, [Candidate(index=0, output="The answer is (B).")])) == leak


@pytest.mark.parametrize(
    ("answer", "guidance", "leak"),
    [
        ("The capital is old.\nAnswer: Rome", "Consider rome's age.", "answer"),
        ("Answer: Rio", "Think of Rio.", None),
        ("Answer: Rio", "The answer is Rio.", "answer"),
        ("Answer: false", "Look for what is false.", None),
        ("Answer: false", "The answer is false.", "answer"),
        ("Answer: 北京", "北京 is a city.", "answer"),
    ],
)
def test_answers_in_words(answer: str, guidance: str, leak: Leak | None) -> None:
    assert find_leak(guidance, withhold(Task(prompt="Which one?"), [Candidate(index=0, output=answer)])) == leak


def test_of_a_response_that_was_cut_off_the_last_number_is_no_answer() -> None:
    cut = Candidate(index=0, output="7 + 6 = 13, and 13 - 2 = 11", ending="cut")
    assert find_leak("Stop at 11.", withhold(Task(prompt="How many?"), [cut])) is None
    assert (
        find_leak("Stop at 11.", withhold(Task(prompt="How many?"), [cut.model_copy(update={"ending": "complete"})])) == "number"
    )


def test_what_programs_print_is_a_value_and_how_many_printed_it_is_none() -> None:
    found = [evidence("Of 5 programs written for this task, 3 print 6240, 2 print 312.", (3, 5))]
    withheld = withhold(Task(prompt="How many?"), [], found)
    assert find_leak("It should come to 6240 or so.", withheld) == "number"
    assert find_leak("Answer in 3 sentences.", withheld) is None
    failed = withhold(Task(prompt="How many?"), [], [evidence("line 6240", ok=False)])
    assert find_leak("It should come to 6240 or so.", failed) is None


@pytest.mark.parametrize(
    ("prompt", "guidance"),
    [
        ("It costs $1,234.50.", "Take 1234.5 as given."), ("It costs 1.234,50 €.", "Take 1234.5 as given."),
        ("It has 12 300 parts.", "Take 12300 parts."), ("It has 12,300 parts.", "Take 12 300 parts."),
        ("He eats 3/4 of it.", "He leaves a rest of 0.75."), ("He eats ¾ of it.", "Take 3/4."),
        ("He eats 2½.", "Take 2.5 cakes."),
        ("A share of 25%.", "Take 0.25 of it."), ("It has 3 million parts.", "Take 3,000,000 parts."),
        ("A dozen eggs.", "Take 12 eggs."), ("Two hundred eggs.", "Take 200 eggs."), ("Twenty-one eggs.", "Take 21 eggs."),
        ("It has 21 eggs.", "Take twenty one eggs."), ("It has ٢١ eggs.", "Take 21 eggs."), ("Add 3,5,9.", "Begin at 9."),
        ("It costs 1'234 francs.", "Take 1234 francs."), ("A ratio of 60/3.", "Begin at 60."), ("He has 007.", "Take 7."),
        ("It runs in 5km.", "Take five of them."), ("It fell by -12.", "Take 12 of them."),
    ],
)  # fmt: skip
def test_a_number_is_known_however_it_is_written(prompt: str, guidance: str) -> None:
    assert find_leak(guidance, withhold(Task(prompt=prompt), [])) == "number"


FORMS = (
    lambda value: f"{value}", lambda value: f"{value:,}", lambda value: f"${value:,}.00", lambda value: f"{value}%",
    lambda value: f"{value}.0", lambda value: f"{value:,}".replace(",", " "), lambda value: f"about {value}km",
    lambda value: f"({value})", lambda value: f"{value}/1",
)  # fmt: skip


@given(st.integers(2, 10**7), st.sampled_from(FORMS), st.sampled_from(FORMS), st.sampled_from(ADVICE), st.booleans())
def test_every_form_of_a_number_is_found_in_every_other(value, there, here, advice, in_response):
    text = f"Say that there were {there(value)} of them."
    task = Task(prompt="How many?" if in_response else text)
    responses = [Candidate(index=0, output=f"They counted.\nAnswer: {value}")] if in_response else []
    assert find_leak(f"{advice} Say {here(value)} then.", withhold(task, responses)) in ("number", "answer")


@given(st.integers(2, 10**6), st.sampled_from(ADVICE))
def test_advice_passes_whatever_the_number_of_the_task(value, advice):
    said = {3, 4} if "three" in advice else set()
    if value not in said:
        assert find_leak(advice, withhold(Task(prompt=f"There were {value} of them. How many remain?"), READERS)) is None


WORDS = st.lists(
    st.sampled_from("river canyon stone water plateau slowly carved deep over years".split()), min_size=8, max_size=40
)


@given(WORDS, st.data(), st.booleans())
@example(["river"] * COPIED_WORDS, None, False)
def test_a_long_run_of_words_is_found_wherever_it_stands_and_a_shorter_one_is_not(found, data, in_response):
    start = data.draw(st.integers(0, len(found) - COPIED_WORDS)) if data else 0
    text = " ".join(found)
    task = Task(prompt="What happened?" if in_response else text)
    withheld = withhold(task, [Candidate(index=0, output=f"{text}.\n\nThat is all there is.")] if in_response else [])
    run = ", ".join(found[start : start + COPIED_WORDS]).upper()
    assert find_leak(f"Explain how {run} came about.", withheld) == "copy"
    short = " ".join(found[start : start + COPIED_WORDS - 1])
    assert find_leak(f"Explain how {short} came about.", withheld) is None


@given(st.text(max_size=200), st.text(min_size=1, max_size=200).filter(str.strip), st.text(max_size=200))
def test_any_text_can_be_looked_at(guidance, prompt, response):
    withheld = withhold(Task(prompt=prompt, reference=response), [Candidate(index=0, output=response)])
    assert isinstance(withheld, Withheld)
    assert find_leak(guidance, withheld) in (None, "answer", "number", "copy")
    if len(words(prompt)) >= COPIED_WORDS:
        assert find_leak(prompt, withheld) is not None


def test_a_number_without_end_is_read_at_once():
    assert find_leak("9" * 100_000, withhold(Task(prompt="7" * 100_000), [])) is None


def test_a_numbered_list_is_no_number_but_a_single_one_is():
    withheld = withhold(Task(prompt="It has 1 wheel, 2 doors and 3 seats."), [])
    assert find_leak("1. Read. 2. Compute. 3. Check.", withheld) is None
    assert find_leak("1) Read.\n2) Compute.", withheld) is None
    assert find_leak("2. Compute with the doors.", withheld) == "number"
    assert find_leak("1. Read. 2. Take 3 seats.", withheld) == "number"
    assert Fraction(1) in withhold(Task(prompt="1 wheel"), []).values


def test_one_is_a_number_where_it_is_an_answer_or_stands_in_digits():
    assert find_leak("Give one line.", withhold(Task(prompt="One day Ann left. How many came?"), [])) is None
    assert find_leak("It is one of them.", withhold(Task(prompt="How many?", reference="Answer: 1"), [])) == "number"
