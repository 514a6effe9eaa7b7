"""No model: candidates are scored against the task's reference, for tasks whose answers can be verified."""

from collections.abc import Sequence

from anyprefer.agents.judges.base import Judge, Judgement, JudgeSetup, Material
from anyprefer.agents.judges.scorers import KINDS, scorer_of
from anyprefer.errors import ConfigError, DataError
from anyprefer.types import Candidate, Task, Verdict


class ReferenceJudge(Judge):
    """Scores by what `judge.reference` names: a benchmark's scorer, or one's own."""

    def __init__(self, setup: JudgeSetup) -> None:
        """Find the scorer.

        Raises:
            ConfigError: None is named, or it cannot be imported.
        """
        if not setup.config.reference:
            raise ConfigError(
                "judge.method = 'reference' scores against the tasks' references: set judge.reference to one of "
                f"{', '.join(KINDS)}, or to module:function of a scorer"
            )
        self.scorer = scorer_of(setup.config.reference)

    @property
    def compares(self) -> bool:
        """Each candidate is compared with the reference alone."""
        return False

    def num_looks(self, num_candidates: int) -> int:
        """None: it asks no model."""
        return 0

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        return tuple(self._score_one(candidate, material.task) for candidate in candidates)

    def _score_one(self, candidate: Candidate, task: Task) -> Verdict:
        if not task.answer.strip():
            raise DataError(
                f"task {task.id!r} has no reference to judge by: add one, or set judge.method to what shall judge such tasks"
            )
        share = min(1.0, max(0.0, self.scorer(candidate.text, task)))
        analysis = f"worth {share:g} of 1 by the reference"
        return Verdict(candidate=candidate.index, analysis=analysis, score=1 + 9 * share, by_reference=True)
