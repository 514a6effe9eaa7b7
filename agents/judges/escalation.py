"""A stronger judge for what a first one is unsure about: most tasks cost what the first one costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from anyprefer.agents.judges.base import Judge, Judgement, Material, Wrapper, sort_verdicts
from anyprefer.types import Candidate, disagree


@dataclass(frozen=True)
class Escalation(Wrapper):
    """Has the inner judge judge first, and another one again where the best and the worst response are not clearly apart.

    The second judgement is of all candidates, so that their scores stay comparable, and it alone counts: each verdict keeps the
    first judge's scores apart from its own, since they are another's opinion and not one more of the same.
    """

    stronger: Judge
    margin: float
    """Least distance in points between the best and the worst score of a judge that is sure."""

    def num_looks(self, num_candidates: int) -> int:
        """Those of both judges."""
        return self.judge.num_looks(num_candidates) + self.stronger.num_looks(num_candidates)

    def num_calls(self, num_candidates: int) -> tuple[int, int]:
        """Those of the first judge, at the most those of both."""
        (least, most), (_, more) = self.judge.num_calls(num_candidates), self.stronger.num_calls(num_candidates)
        return least, most + more

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        first = sort_verdicts(await self.judge.score(material, candidates), candidates)
        if self._is_sure(first):
            return first
        again = replace(material, look=material.look + self.judge.num_looks(len(candidates)))
        second = sort_verdicts(await self.stronger.score(again, candidates), candidates)
        return tuple(
            verdict.model_copy(update={"unsure": earlier.scores or (earlier.score,)})
            for verdict, earlier in zip(second, first, strict=True)
        )

    def _is_sure(self, verdicts: Judgement) -> bool:
        """Whether best and worst are apart, in the mean and in every single judgement; one candidate is compared with none."""
        if len(verdicts) < 2:
            return True
        ranked = sorted(verdicts, key=lambda verdict: -verdict.score)
        best, worst = ranked[0], ranked[-1]
        return best.score - worst.score >= self.margin and not disagree(best, worst)
