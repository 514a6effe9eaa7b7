"""What a task's reference says about a pair: each side right, wrong, or undecided.

One reading for summaries, dataset cards, reports and analyses. A reference with a final answer that can be compared ("18", "B",
"Paris") decides; free text decides nothing. Where the recipe names a scorer, the scorer decides.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from anyprefer.agents.judges.scorers import Score, scorer_of
from anyprefer.config import Recipe
from anyprefer.errors import ConfigError
from anyprefer.tools.answers import answer_like, choice_of, final_answer, same_answer
from anyprefer.types import PreferencePair, Reply, Side, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a reference says about a pair.

    Attributes:
        chosen: Whether the chosen response is right; None where that cannot be told.
        rejected: Likewise of the rejected response.
        use: `answer` where the reference has a short answer, or a scorer reads it; `text` where it is free text, which decides
            nothing; `chosen` where it is the chosen side itself, of which it is no confirmation.
    """

    chosen: bool | None = None
    rejected: bool | None = None
    use: Literal["answer", "text", "chosen"] = "answer"

    @property
    def decided(self) -> bool:
        """Whether both responses could be compared."""
        return self.chosen is not None and self.rejected is not None

    @property
    def agrees(self) -> bool:
        """Whether the label is the reference's: chosen right, rejected wrong."""
        return self.chosen is True and self.rejected is False


class ReferenceCount(BaseModel):
    """How many sides of pairs the references confirm."""

    model_config = ConfigDict(frozen=True)

    pairs: int
    """Pairs of tasks with a reference."""
    chosen_right: int
    chosen_wrong: int
    rejected_right: int
    rejected_wrong: int
    decided: int
    """Pairs of which both sides could be compared."""
    right_against_wrong: int
    """Of these, pairs of a right chosen and a wrong rejected side."""
    itself: int
    """Pairs whose chosen side is the reference; it counts neither as right nor as undecided."""
    free_text: int
    """Pairs whose reference is no short answer; nothing about them is decided."""

    @property
    def chosen_undecided(self) -> int:
        """Chosen sides without a final answer that could be compared."""
        return self.pairs - self.itself - self.chosen_right - self.chosen_wrong

    @property
    def rejected_undecided(self) -> int:
        """Likewise of rejected sides."""
        return self.pairs - self.rejected_right - self.rejected_wrong


def count_truths(truths: Mapping[Truth, int]) -> ReferenceCount | None:
    """Add up what references say of pairs; None where no pair has one.

    Args:
        truths: What was said -> number of pairs.
    """
    if not truths:
        return None

    def total(wanted: Callable[[Truth], bool]) -> int:
        return sum(number for truth, number in truths.items() if wanted(truth))

    return ReferenceCount(
        pairs=sum(truths.values()),
        chosen_right=total(lambda truth: truth.chosen is True),
        chosen_wrong=total(lambda truth: truth.chosen is False),
        rejected_right=total(lambda truth: truth.rejected is True),
        rejected_wrong=total(lambda truth: truth.rejected is False),
        decided=total(lambda truth: truth.decided),
        right_against_wrong=total(lambda truth: truth.agrees),
        itself=total(lambda truth: truth.use == "chosen"),
        free_text=total(lambda truth: truth.use == "text"),
    )


@dataclass(frozen=True)
class ReferenceReader:
    """Compares the sides of pairs with references.

    Attributes:
        score: The recipe's own scorer; None goes by final answers.
    """

    score: Score | None = None

    @classmethod
    def of(cls, recipe: Recipe) -> "ReferenceReader":
        """The reader of a recipe's runs: with the scorer of `judge.reference`, if it is there to be imported."""
        if recipe.judge.reference is None:
            return cls()
        try:
            return cls(scorer_of(recipe.judge.reference))
        except ConfigError as error:  # a run can be looked at where its scorer is not installed
            logger.warning("%s; references are compared by their final answers", error)
            return cls()

    def read_pair(self, task: Task, pair: PreferencePair) -> Truth | None:
        """What the task's reference says about a pair; None where it has none."""
        reference = task.answer.strip()
        if not reference:
            return None
        is_itself = pair.chosen.origin.kind == "reference"
        if self.score is not None:
            sides = self._score_side(task, pair.chosen), self._score_side(task, pair.rejected)
            return Truth(None, sides[1], "chosen") if is_itself else Truth(*sides)
        outputs = (task.reference, pair.chosen.output, pair.rejected.output)
        if not all(isinstance(output, Reply) for output in outputs):
            return Truth(use="chosen" if is_itself else "text")
        return compare_texts(task.text, reference, pair.chosen.text, pair.rejected.text, is_itself=is_itself)

    def _score_side(self, task: Task, side: Side) -> bool | None:
        assert self.score is not None  # noqa: S101 - asked before
        try:
            return {1.0: True, 0.0: False}.get(self.score(side.text, task))
        except Exception:  # code of another's, and a count is no reason to lose a record
            logger.warning("task %s: the scorer failed, so its side counts as undecided", task.id, exc_info=True)
            return None


def compare_texts(prompt: str, reference: str, chosen: str, rejected: str, *, is_itself: bool = False) -> Truth:
    """Compare two responses with a reference by their final answers.

    Args:
        prompt: The task, for the options that it may list.
        reference: Not empty.
        chosen: The preferred response.
        rejected: The other.
        is_itself: Whether the chosen response is the reference.
    """
    stated = final_answer(reference)
    if stated is None:
        return Truth(use="chosen" if is_itself else "text")
    answer = choice_of(stated, prompt) or stated
    right = _is_right(rejected, answer, prompt)
    return Truth(None, right, "chosen") if is_itself else Truth(_is_right(chosen, answer, prompt), right)


def _is_right(response: str, answer: str, prompt: str) -> bool | None:
    """Whether a response's final answer is the reference's; None where that cannot be told."""
    stated = final_answer(response)
    if stated is None:
        return None
    stated = choice_of(stated, prompt) or answer_like(stated, answer)
    return None if stated is None else same_answer(stated, answer)
