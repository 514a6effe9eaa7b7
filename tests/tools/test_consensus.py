import pytest

from anyprefer.errors import ToolError
from anyprefer.tools.base import Case
from anyprefer.tools.consensus import Consensus
from anyprefer.types import Candidate, Task

CHOICE = "What is the capital of Italy?\nA. Paris\nB. Rome\nC. Bern"


async def find(texts, index=0, prompt="How many eggs are left?", ending="complete"):
    candidates = tuple(Candidate(index=place, output=text, ending=ending) for place, text in enumerate(texts))
    tool = Consensus(Consensus.Options())
    return await tool.run(tool.Args(), Case(Task(prompt=prompt), candidates, candidates[index]))


async def report(*args, **kwargs):
    return (await find(*args, **kwargs)).text


async def test_answer_and_distribution_are_reported():
    texts = [
        "Answer: 42",
        r"So it is \boxed{42.0}.",
        "3 * 14 = $42",
        "#### 40",
        "I do not know, since eggs are hard to count for me.",
    ]
    expected = "The final answer of this response is 42. 3 of 5 responses give it; others: 40 (1), none stated (1)."
    assert await report(texts) == expected
    assert await report(texts, 3) == (
        "The final answer of this response is 40. 1 of 5 responses gives it; others: 42 (3), none stated (1)."
    )


async def test_agreement_is_counted_and_is_no_verdict():
    texts = ["Answer: 42", "40", "So it is 42.", "I do not know, since eggs are hard to count for me."]
    assert [(found.supports, found.value, found.votes) for found in [await find(texts, index) for index in range(4)]] == [
        (None, 0.5, (2, 4)), (None, 0.25, (1, 4)), (None, 0.5, (2, 4)), (None, None, None),
    ]  # fmt: skip
    assert (await find(["42", "42.0"])).votes == (2, 2)
    assert (await find(["42"])).votes is None


async def test_response_without_an_answer_sees_those_of_the_others():
    texts = ["I do not know, since eggs are hard to count for me.", "40", "42", "42"]
    expected = (
        "No final answer was found in this response. The final answers of the 4 responses: 42 (2), 40 (1), none stated (1)."
    )
    assert await report(texts) == expected


async def test_other_answers_are_counted_by_value():
    content = await report(["42", "3/4", "$0.75", "I say forty-one."])
    assert content.endswith("1 of 4 responses gives it; others: 3/4 (2), I say forty-one (1).")


async def test_full_agreement_is_said():
    assert await report(["3/4", "0.75", "Answer: .75 kg"]) == "The final answer of this response is 3/4. All 3 responses give it."


async def test_options_are_compared_by_letter():
    content = await report(["Rome", "The answer is (B).", "b", "C. Bern"], prompt=CHOICE)
    assert content == "The final answer of this response is B. 3 of 4 responses give it; others: C (1)."


async def test_number_in_a_response_that_was_cut_off_is_no_answer():
    content = await report(["So 3 * 14 = 42 eggs, and", "42"], ending="cut")
    assert content.startswith("No final answer was found")


async def test_many_answers_are_shortened():
    content = await report([str(number) for number in range(30)])
    assert content.endswith("10 (1), 19 more.")


async def test_single_response_has_nothing_to_compare_with():
    assert await report(["42"]) == "The final answer of this response is 42. There is no other response to compare it with."


async def test_call_without_a_response_is_refused():
    tool = Consensus(Consensus.Options())
    with pytest.raises(ToolError, match="once per candidate"):
        await tool.run(tool.Args(), Case(Task(prompt="Why?")))
