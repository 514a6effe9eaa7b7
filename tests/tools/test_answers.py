import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyprefer.tools.answers import answer_like, choice_of, final_answer, list_options, same_answer

CAPITALS = "What is the capital of Italy?\nA. Paris\nB. Rome\nC. Rome or Paris\nD) Bern"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"Thus the total is \(\boxed{42}\) dollars.", "42"),
        (r"\boxed{\text{Paris}}", "Paris"),
        (r"\boxed{\$18.00}", "18"),
        (r"So the cost is \(\boxed{-\frac{5}{2}}\).", "-5/2"),
        (r"\boxed{\frac{\sqrt{3}}{2}}", r"\frac{\sqrt{3}}{2}"),
        ("She has 3 * 6 = 18.\n#### 18", "18"),
        ("#### $1,234.50", "1234.5"),
        ("#### Step 1\n5 + 5 = 10\n#### Step 2\n10 + 2 = 12", "12"),
        ("So she makes $28.\nAnswer: $28", "28"),
        ("Answer: 18 dollars per day", "18"),
        ("**Answer:** $\\frac{6}{8}$", "3/4"),
        ("Answer (in dollars): 12", "12"),
        ("Answer: 12\nWait, one is broken.\nAnswer: 11", "11"),
        ("Answer:\n\n**42**", "42"),
        ("The answer is **(B)**", "B"),
        ("The answer is (b), because Rome is a city.", "B"),
        ("The answer is option C.", "C"),
        ("The correct option is B) Rome.", "B"),
        ("B is the correct answer, since Rome is the capital. A is not.", "B"),
        ("Answer: (A) and (C)", "(A) and (C)"),
        ("I'm certain the final answer must be 17.", "17"),
        ("The answer to the question is 42. It is a joke.", "42"),
        ("The answer is 7.\n\nThis answer is reasonable, as 7 < 9.", "7"),
        ("Answer: Dr. Smith. He was there.", "Dr. Smith"),
        ("The answer is J. K. Rowling.", "J. K. Rowling"),
        ("The answer is **yes**, since 3 > 2.", "yes"),
        ('```json\n{"answer": "Paris", "why": "I know"}\n```', "Paris"),
        ('{"reasoning": "3 * 2 = 6", "final_answer": 6}', "6"),
        ("<think>The answer is 5?</think>7", "7"),
        ("<think>5?</think><answer> 7 </answer>", "7"),
    ],
)
def test_marked_answer_is_found(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Paris", "Paris"),
        ("**Paris.**", "Paris"),
        ("C.", "C"),
        ("(b)", "B"),
        ("Option D", "D"),
        ("So it must be (C)", "C"),
        ("Rome is in Italy, Bern is not.\nIt cannot be Paris.\n\nB.", "B"),
        ("Yes, it is. Ants have six legs.", "yes"),
        ("No", "no"),
        ("18.00", "18"),
        ("$1,234.50", "1234.5"),
        ("12%", "12"),
        ("-5", "-5"),
        ("\u22125 °C", "-5"),
        ("1.5 million", "1500000"),
        (r"3 \times 10^8 m/s", "300000000"),
        ("1½ cups", "3/2"),
        ("2160g", "2160"),
        ("x = 5", "5"),
        ("x = 5, y = 3", "x = 5, y = 3"),
        ("It costs $5", "5"),
        ("5:30 pm", "5:30 pm"),
        ("5 pm", "5 pm"),
        ("10 to 12", "10 to 12"),
        ("July 4, 1776", "July 4, 1776"),
        ("21st century", "21st century"),
        ("12 Angry Men", "12 Angry Men"),
        ("5/0", "5/0"),
        ("2**3", "2**3"),
    ],
)
def test_short_reply_is_the_answer(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [  # as small models wrote them
        ("It takes 2 bolts.\nHalf that much is 2 / 2 = 1 bolt.\nSo in total, the robe takes 2 + 1 = 3 bolts.", "3"),
        ("This is $150,000 - $80,000 = $70,000.\n\nTherefore, Josh made $70,000 in profit.", "70000"),
        ("75 * 80 = 5000.\nSo the distance left from home at the end of those 4 hours is 100 - 5000 = -4000 miles.", "-4000"),
        ("He drives 180 + 120 + 15 = 315 miles.\nTherefore, he is 315 miles from home at the end of those 4 hours.", "315"),
        ("25 liters / 26 liters = 1 liter\n\nTherefore, the amount of water in the remaining 24 liters is 1 liter.", "1"),
        ("1. It takes 1.5 years to break even.\n2. Therefore, it will take Carlos 2 years to start earning money.", "2"),
        ("1800 / 250 = 7.2\nSo, you can eat approximately 7.2 grams of chips in 100 grams.", "7.2"),
        ("16 \\text{ oz} \\times 0.03 = 0.48 \\text{ dollars} \\]", "0.48"),
        ("- 32 - 32 = 0 eggs.\n\nSo, Janet does not make any revenue at the farmers' market per day.", "0"),
        ("A dozen contains 12 eggs, so 16 eggs is equal to 16 / 12 = 1 1/3 dozen.\nAnswer: 1 1/3", "4/3"),
        ("print(cost)\n```\n```output\n18.5\n```\nThe original price of the book was \\(\\boxed{18.50}\\).", "18.5"),
        ("Net profit = $40 - $2000\nNet profit = -$1960\n\nTherefore, Charlie's net profit is -$1960.", "-1960"),
    ],
)  # fmt: skip
def test_result_of_a_calculation_is_the_answer(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "Trees are tall plants with a trunk. They grow in woods all over the world, and people like to sit below them.",
        "Columbus sailed in 1492 with three ships. He died in 1506 in Spain, after four voyages, and was buried there.",
        "The capital of France is Paris.",
        "He walks 3 + 4 miles, so the total is 3 * 7 + 5",
        r"\boxed{the number of eggs = 2x}",  # read again, it is an open calculation
        "This calculation leads nowhere, since x = 3 + y * 2",
    ],
)
def test_prose_states_no_answer(text):
    assert final_answer(text) is None


def test_response_that_was_cut_off_only_counts_with_a_mark():
    assert final_answer("So 3 * 6 = 18 eggs, and", is_complete=False) is None
    assert final_answer("Answer: 18\n\nTo see why, note that 3 * 6", is_complete=False) == "18"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("18", "18.0"), ("18", "$18"), ("0.75", "3/4"), ("1,000", "1000 dollars"), ("-0", "0"), ("6/8", "3/4"),
        ("(b)", "B"), ("B", "B. Rome"), ("Yes", "yes, it is"), ("Paris.", "paris"), ("the  Beatles", "Beatles"),
        (r"\text{Rome}", "Rome"), ("The Iranian Revolution", "Iranian Revolution"), ("an Iranian rug", "Iranian rug"),
    ],
)  # fmt: skip
def test_same_answers(a, b):
    assert same_answer(a, b)
    assert same_answer(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [("18", "18.01"), ("0.33", "1/3"), ("5", "-5"), ("A", "B"), ("yes", "no"), ("5 am", "5 pm"), ("", "0"), ("5/0", "5")],
)
def test_different_answers(a, b):
    assert not same_answer(a, b)


@pytest.mark.parametrize(
    "prompt",
    [
        CAPITALS,
        "Which? (A) Paris (B) Rome (C) Rome or Paris (D) Bern",
        "Which? a) Paris, b) Rome, c) Rome or Paris, d) Bern",
        "Which?\n**A)** Paris\n**B)** Rome\n**C)** Rome or Paris\n- D: Bern",
        "Example: A. 3 B. 4\nAnswer: A\n\n" + CAPITALS,
    ],
)
def test_options_of_a_prompt_are_found(prompt):
    assert list_options(prompt) == {"A": "Paris", "B": "Rome", "C": "Rome or Paris", "D": "Bern"}


def test_choice_by_letter_or_by_the_whole_text():
    assert choice_of("(b)", CAPITALS) == "B"
    assert choice_of("rome", CAPITALS) == "B"
    assert choice_of("E", CAPITALS) is None
    assert choice_of("Rome, Italy", CAPITALS) is None
    assert choice_of("4.0", "A. 3\nB. 4") == "B"
    assert choice_of("3", "A. 3\nB. 3.0") is None
    assert choice_of("A", "What is vitamin A. Is it good?") is None


HOSTILE = (
    "answer:", "\\boxed{", "9", "1,", "= 5 ", "the answer to ", "(A) ", " ", "\n", "*", "\\", "$", "- ", "```", "a. ",
    "1/2", "\\frac{1}{",
    '"answer":"', "x(", "\\text{a", " \t", "#### ", "99999,", "\n ", "1. ", "<answer>", "(B) is ", "answer (",
)  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_text_is_read_quickly(part):
    text = (part * 100_000)[:100_000]
    start = time.perf_counter()
    final_answer(text)
    same_answer(text, text + "x")
    choice_of(text, text)
    assert time.perf_counter() - start < 30  # a third of a second on an idle core; quadratic work takes minutes


PARTS = st.sampled_from([*HOSTILE, "Answer: ", "is ", "C", "5", "yes", "and ", "so ", "}", "of ", ".", "The Hague"])


@given(st.one_of(st.text(), st.lists(PARTS).map("".join)))
def test_extraction_never_fails_and_is_idempotent(text):
    answer = final_answer(text)
    if answer is not None:
        assert answer == answer.strip() != ""
        assert "\n" not in answer
        assert final_answer(answer) == answer
        assert same_answer(answer, answer)
    choice_of(text, text)


@given(st.fractions(max_denominator=10**6).filter(lambda value: abs(value) < 10**12))
def test_a_number_keeps_its_value(value):
    assert same_answer(final_answer(f"The answer is {value}."), str(value))
    assert final_answer(f"Answer: {value.numerator:,}") == str(value.numerator)


@pytest.mark.parametrize(
    ("stated", "known", "like"),
    [
        ("Ann now has 12 apples", "21", "12"),
        ("18", "21", "18"),
        ("Ask at the till", "21", None),
        ("2 hours 30 minutes", "150", None),
        ("Paris", "London", "Paris"),
        (None, "21", None),
    ],
)
def test_words_are_compared_with_a_number_by_the_number_in_them(stated: str | None, known: str, like: str | None) -> None:
    assert answer_like(stated, known) == like
