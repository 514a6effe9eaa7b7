"""The paper's classes: close responses and hard questions are harder."""

from dataclasses import replace

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.difficulty import GRADES, LIMITS, classify_difficulty, grade_of, score_difficulty

EASY = TextPair("easy", "What is the capital of France?", "Paris is the capital.", "Bananas grow on tall green plants.")
HARD = replace(EASY, id="hard", chosen="The capital of France is Paris.", rejected="The capital of France is London.")


def test_closer_responses_are_harder() -> None:
    assert score_difficulty(EASY) < score_difficulty(HARD)
    assert classify_difficulty(Dataset("d", (EASY, HARD))).classes == {"easy": "very easy", "hard": "hard"}


def test_smaller_margins_and_lower_scores_are_harder() -> None:
    clear, close, low = (replace(EASY, chosen_score=a, rejected_score=b) for a, b in ((10.0, 2.0), (7.0, 5.0), (4.0, 2.0)))
    assert score_difficulty(clear) < score_difficulty(close) < score_difficulty(low)


def test_longer_prompts_and_prompts_with_many_numbers_are_harder() -> None:
    long = replace(EASY, prompt=EASY.prompt * 10)
    sums = replace(EASY, prompt="Add 1, 2, 3, 4, 5, 6, 7, 8, 9 and 10.")
    assert score_difficulty(EASY) < min(score_difficulty(long), score_difficulty(sums))


def test_all_four_classes_are_counted_with_examples() -> None:
    found = classify_difficulty(Dataset("d", (EASY, HARD, replace(EASY, id="again"))))
    assert list(found.counts) == list(GRADES) == list(found.shares)
    assert (found.counts["very easy"], found.counts["medium"], found.shares["hard"]) == (2, 0, 1 / 3)
    assert found.examples["hard"] == ("hard",)
    assert [grade_of(limit) for limit in LIMITS] == list(GRADES[1:])
    assert all(str(limit) in found.definition for limit in LIMITS)
    assert any("67 % of the pairs are very easy" in text for text in found.warnings)


def test_satisfaction_follows_the_reference() -> None:
    rows = [("Answer: 18", "Answer: 17"), ("Answer: 18", "18"), ("Answer: 1", "Answer: 2"), ("Answer: 17", "Answer: 18")]
    pairs = tuple(TextPair(str(i), "How many?", a, b, reference="18") for i, (a, b) in enumerate(rows))
    found = classify_difficulty(Dataset("d", pairs))
    assert found.satisfaction == {"satisfied": 1, "okay": 2, "dissatisfied": 1}
    assert classify_difficulty(Dataset("d", (EASY,))).satisfaction is None
