"""Each aspect judged alone, and the scores averaged (UltraFeedback's way, arXiv 2310.01377)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from anyprefer.agents.judges.base import Judgement, Material, Wrapper, ask_all
from anyprefer.types import Candidate, Verdict


@dataclass(frozen=True)
class Aspects(Wrapper):
    """One judgement out of one look for each aspect."""

    aspects: Mapping[str, str]
    """Name -> what it means."""

    def num_looks(self, num_candidates: int) -> int:
        """Those of every aspect."""
        return len(self.aspects) * self.judge.num_looks(num_candidates)

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`; the analyses of the aspects stand one after the other."""
        judges = [OneAspect(self.judge, f"{name}: {what}") for name, what in self.aspects.items()]
        return tuple(map(_average, *await ask_all(judges, material, candidates)))


@dataclass(frozen=True)
class OneAspect(Wrapper):
    """Judges one aspect and nothing else."""

    aspect: str

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        return await self.judge.score(replace(material, aspect=self.aspect), candidates)


def _average(*verdicts: Verdict) -> Verdict:
    score = fmean(verdict.score for verdict in verdicts)
    analysis = "\n".join(verdict.analysis for verdict in verdicts if verdict.analysis)
    return Verdict(candidate=verdicts[0].candidate, analysis=analysis, score=score, scores=(score,))
