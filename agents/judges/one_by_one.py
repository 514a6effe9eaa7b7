"""Judges that see one candidate at a time: one numbered request for each, all side by side."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anyprefer.agents.judges.base import Judge, Judgement, JudgeSetup, Material
from anyprefer.backends.client import complete_all
from anyprefer.types import Candidate, Verdict


@dataclass(frozen=True)
class OneByOneJudge(Judge):
    """Gives each candidate a verdict without having seen another."""

    setup: JudgeSetup

    @property
    def compares(self) -> bool:
        """No candidate is shown beside another."""
        return False

    def num_looks(self, num_candidates: int) -> int:
        """One for each candidate."""
        return num_candidates

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        looks = (replace(material, look=material.look + place) for place in range(len(candidates)))
        return tuple(await complete_all(map(self.judge_one, looks, candidates)))

    @abstractmethod
    async def judge_one(self, material: Material, candidate: Candidate) -> Verdict:
        """Look at one candidate; `material.look` numbers the request.

        Raises:
            ModelError: As for `Judge.score`.
        """
