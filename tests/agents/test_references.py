"""What a task's reference says about the sides of a pair."""

import logging
from typing import Any

import pytest
from lineage import side
from loopback import recipe_data

from anyprefer.agents.references import ReferenceReader, Truth, count_truths
from anyprefer.recipes import parse_recipe
from anyprefer.types import REFERENCE, PreferencePair, Side, Task, Trajectory

OPTIONS = "Which planet is the largest?\nA. Mars\nB. Jupiter\nC. Venus"
UNCLEAR = "I could not say how many there are, since that depends on the day."
ESSAY = "Leaves are green because chlorophyll absorbs red and blue light, and what is left over, the green part, is reflected."


def read(chosen: str, rejected: str, reference: Any, prompt: str = "How many?", reader: ReferenceReader | None = None) -> Truth:
    pair = PreferencePair(chosen=side(0, chosen, None), rejected=side(1, rejected, None))
    found = (reader or ReferenceReader()).read_pair(Task(prompt=prompt, reference=reference), pair)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("chosen", "rejected", "reference", "prompt", "expected"),
    [
        ("It makes 20 - 2 = 18 eggs.", "Answer: 17", "9 + 9 = 18\n#### 18", "How many?", Truth(True, False)),
        ("Answer: $18.00", "Answer: 18", "18", "How many?", Truth(True, True)),
        ("Answer: 18", UNCLEAR, "18", "How many?", Truth(True, None)),
        ("The answer is (B) Jupiter.", "C", "B", OPTIONS, Truth(True, False)),
        ("Jupiter", "Mars", "B", OPTIONS, Truth(True, False)),
        ("Paris", "London", "Paris", "Capital of France?", Truth(True, False)),
        ("Paris, France", "London", "Paris", "Capital of France?", Truth(None, False)),
        (ESSAY[:90], "I like trees.", ESSAY, "Why are leaves green?", Truth(use="text")),
    ],
)
def test_the_reading_fits_the_reference(chosen: str, rejected: str, reference: str, prompt: str, expected: Truth) -> None:
    assert read(chosen, rejected, reference, prompt) == expected


def test_without_a_reference_nothing_is_said() -> None:
    pair = PreferencePair(chosen=side(0, "a", None), rejected=side(1, "b", None))
    assert ReferenceReader().read_pair(Task(prompt="p"), pair) is None
    assert ReferenceReader().read_pair(Task(prompt="p", reference=" "), pair) is None
    assert count_truths({}) is None


@pytest.mark.parametrize("reader", [ReferenceReader(), ReferenceReader(lambda answer, task: 1.0 * ("18" in answer))])
def test_a_reference_is_no_confirmation_of_itself(reader: ReferenceReader) -> None:
    pair = PreferencePair(chosen=Side(origin=REFERENCE, output="18"), rejected=side(1, "Answer: 17", None))
    found = reader.read_pair(Task(prompt="How many?", reference="18"), pair)
    assert found == Truth(None, False, "chosen")
    count = count_truths({found: 2})
    assert count is not None
    assert (count.itself, count.chosen_right, count.chosen_undecided, count.rejected_wrong, count.decided) == (2, 0, 0, 2, 0)


def test_trajectories_are_not_read_for_answers() -> None:
    moves = [Trajectory(actions=((float(i),),)) for i in range(3)]
    pair = PreferencePair(chosen=side(0, moves[0], None), rejected=side(1, moves[1], None))
    assert ReferenceReader().read_pair(Task(prompt="p", reference=moves[2]), pair) == Truth(use="text")


def reader_of(name: str | None) -> ReferenceReader:
    return ReferenceReader.of(parse_recipe(recipe_data("http://127.0.0.1:9", judge={"model": "openai:m", "reference": name})))


def test_the_scorer_of_the_recipe_decides_what_final_answers_leave_open() -> None:
    assert read(UNCLEAR, "17", "18", reader=reader_of("gsm8k")) == Truth(False, False)
    assert read(UNCLEAR, "17", "18", reader=reader_of(None)) == Truth(None, False)
    assert read(ESSAY, "trees", ESSAY, reader=reader_of("exact")) == Truth(True, False)
    assert read("x", "y", "18", reader=reader_of("loopback:half")) == Truth(None, None), "half right is neither"


def test_a_scorer_that_is_not_there_is_said_and_final_answers_decide(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        reader = reader_of("not_here:score")
    assert "not_here:score" in caplog.text
    assert read("Answer: 18", "Answer: 17", "18", reader=reader) == Truth(True, False)


def test_a_scorer_that_fails_leaves_its_side_undecided(caplog: pytest.LogCaptureFixture) -> None:
    broken = ReferenceReader(lambda answer, task: {"a": 1.0}[answer])
    assert read("a", "b", "18", reader=broken) == Truth(True, None)
    assert "the scorer failed" in caplog.text


def test_every_side_is_counted_once() -> None:
    count = count_truths(
        {
            Truth(True, False): 5, Truth(False, True): 1, Truth(True, True): 2, Truth(None, False): 3, Truth(use="text"): 4,
            Truth(None, False, "chosen"): 6,
        }
    )  # fmt: skip
    assert count is not None
    assert count.pairs == 21
    assert (count.chosen_right, count.chosen_wrong, count.chosen_undecided, count.itself) == (7, 1, 7, 6)
    assert (count.rejected_right, count.rejected_wrong, count.rejected_undecided) == (3, 14, 4)
    assert (count.decided, count.right_against_wrong, count.free_text) == (8, 5, 4)
