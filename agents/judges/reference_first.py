"""The task's reference where there is one, the recipe's method where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyprefer.agents.judges.base import Judge, Judgement, Material, Wrapper
from anyprefer.types import Candidate


@dataclass(frozen=True)
class ReferenceFirst(Wrapper):
    """Asks the inner judge about tasks without a reference alone: what can be verified is no matter of opinion."""

    reference: Judge
    """Goes by the task's reference."""

    def num_calls(self, num_candidates: int) -> tuple[int, int]:
        """None at the least: of a task with a reference."""
        return 0, self.judge.num_calls(num_candidates)[1]

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        judge = self.reference if material.task.answer.strip() else self.judge
        return await judge.score(material, candidates)
