"""How hard the pairs are, in the paper's four classes, and how satisfying, in its three (paper: appendix D.3).

The paper had people classify by two criteria: the smaller the difference between the responses the harder, and the difficulty of
the question. Here both are measured, so that every dataset is classified alike; `DEFINITION` says how.
"""

import re
from collections import Counter
from collections.abc import Iterable
from math import log
from statistics import fmean
from typing import Literal, get_args

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.findings import Finding, Spread
from anyprefer.analysis.references import read_truth
from anyprefer.wording import likeness, words

Grade = Literal["very easy", "easy", "medium", "hard"]
Satisfaction = Literal["satisfied", "okay", "dissatisfied"]

GRADES: tuple[Grade, ...] = get_args(Grade)
LIMITS = (0.3, 0.5, 0.7)
"""Where the classes meet. Fixed, not quantiles, so that two datasets can be compared."""
CLOSE = 0.6
"""Likeness of responses that counts as fully close: two independent good answers of a hundred words reach some 0.35, two that
differ in one passage 0.6 and more."""
CLOSENESS_WEIGHT = 0.6
"""The paper names the difference first; above one half, so that a hard question with an obvious label is not hard."""
LONG_PROMPT = 300
"""Words of a prompt that count as fully long."""
MANY_NUMBERS = 10
"""Numbers in a prompt that count as fully many."""
EXAMPLES = 5
"""Ids listed for each class."""

DEFINITION = (
    f"difficulty = {CLOSENESS_WEIGHT} x closeness + {1 - CLOSENESS_WEIGHT:g} x question, each 0 to 1. Closeness is the mean of "
    f"how alike the responses are (F1 of their words, of three-letter runs in texts below 10 words, over {CLOSE}) and, where "
    "scored, 1 - margin / 9. Question is the mean of how much there is to read, which is the greater of the prompt's length, "
    f"log(1 + words) / log(1 + {LONG_PROMPT}), and its numbers, n / {MANY_NUMBERS}, and, where scored, of how low the judge "
    f"scored both responses, 1 - (mean score - 1) / 9; at most 1 each. Below {LIMITS[0]} very easy, below {LIMITS[1]} easy, "
    f"below {LIMITS[2]} medium, else hard."
)

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Difficulty(Finding):
    """What `classify_difficulty` found."""

    definition: str
    """How the score is made up, in words."""
    score: Spread
    """Of all pairs, 0 to 1."""
    counts: dict[Grade, int]
    """Class -> pairs; all four, easiest first."""
    shares: dict[Grade, float]
    """Class -> share of the pairs, 0 to 1."""
    examples: dict[Grade, tuple[str, ...]]
    """Class -> a few ids, those nearest to the middle of the class first."""
    classes: dict[str, Grade]
    """Pair id -> class, of every pair; of pairs with one id, the last counts."""
    satisfaction: dict[Satisfaction, int] | None
    """Pairs that a reference decides: chosen right and rejected wrong; one of the two; neither. None where none is decided."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Too many pairs at one end."""
        found = []
        easy, hard = self.shares["very easy"], self.shares["hard"]
        if easy > 0.5:
            found.append(
                f"{100 * easy:.0f} % of the pairs are very easy by this measure: what differs so much teaches little about the "
                "task; sample more responses for each task, or pair the best with a closer one"
            )
        if hard > 0.5:
            found.append(
                f"{100 * hard:.0f} % of the pairs are hard by this measure: where responses differ so little, labels are often "
                "chance; check some by hand, or raise pair.min_margin"
            )
        if self.satisfaction and self.satisfaction["dissatisfied"] > 0.1 * sum(self.satisfaction.values()):
            found.append(
                f"{self.satisfaction['dissatisfied']} of {sum(self.satisfaction.values())} pairs have a wrong chosen and a "
                "right rejected response: swap or drop them, since they teach the opposite"
            )
        return tuple(found)


def classify_difficulty(data: Dataset) -> Difficulty:
    """Put every pair into one of the paper's classes; see `DEFINITION`."""
    scores = [score_difficulty(pair) for pair in data.pairs]
    grades = [grade_of(score) for score in scores]
    counts = Counter(grades)
    return Difficulty(
        definition=DEFINITION, score=Spread.of(scores), counts={grade: counts[grade] for grade in GRADES},
        shares={grade: counts[grade] / len(grades) for grade in GRADES},
        examples={grade: _examples(data, scores, grade) for grade in GRADES},
        classes={pair.id: grade for pair, grade in zip(data.pairs, grades, strict=True)},
        satisfaction=_satisfaction(data.pairs),
    )  # fmt: skip


def score_difficulty(pair: TextPair) -> float:
    """The difficulty of a pair, 0 (easiest) to 1."""
    length = log(1 + len(words(pair.prompt))) / log(1 + LONG_PROMPT)
    question = [min(1.0, max(length, len(_NUMBER.findall(pair.prompt)) / MANY_NUMBERS))]
    closeness = [min(1.0, likeness(pair.chosen, pair.rejected) / CLOSE)]
    if pair.margin is not None and pair.chosen_score is not None and pair.rejected_score is not None:
        closeness.append(1 - min(9.0, max(0.0, pair.margin)) / 9)
        mean = min(10.0, max(1.0, (pair.chosen_score + pair.rejected_score) / 2))
        question.append(1 - (mean - 1) / 9)
    return CLOSENESS_WEIGHT * fmean(closeness) + (1 - CLOSENESS_WEIGHT) * fmean(question)


def grade_of(score: float) -> Grade:
    """The class of a difficulty."""
    return GRADES[sum(score >= limit for limit in LIMITS)]


def _examples(data: Dataset, scores: list[float], grade: Grade) -> tuple[str, ...]:
    members = [(score, pair.id) for pair, score in zip(data.pairs, scores, strict=True) if grade_of(score) == grade]
    middle = sum(score for score, _ in members) / max(1, len(members))
    return tuple(name for _, name in sorted(members, key=lambda member: abs(member[0] - middle))[:EXAMPLES])


def _satisfaction(pairs: Iterable[TextPair]) -> dict[Satisfaction, int] | None:
    truths = [truth for pair in pairs if (truth := read_truth(pair)) and truth.decided]
    if not truths:
        return None
    good = Counter((truth.chosen is True) + (truth.rejected is False) for truth in truths)
    return {"satisfied": good[2], "okay": good[1], "dissatisfied": good[0]}
