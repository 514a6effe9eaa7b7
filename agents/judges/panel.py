"""A panel: several judges judge the whole, and the mean counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyprefer.agents.judges.base import Judge, Judgement, Material, ask_all, merge_judgements
from anyprefer.types import Candidate


@dataclass(frozen=True)
class Panel(Judge):
    """Averages over the single judgements of its members, be they models, orderings or both."""

    members: tuple[Judge, ...]

    @property
    def compares(self) -> bool:
        """Whether any member does."""
        return any(member.compares for member in self.members)

    def num_looks(self, num_candidates: int) -> int:
        """Those of all members."""
        return sum(member.num_looks(num_candidates) for member in self.members)

    def voices(self, num_candidates: int) -> Sequence[Judge]:
        """Those of all members, one member after the other."""
        return [voice for member in self.members for voice in member.voices(num_candidates)]

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`; every verdict keeps the single judgements' scores."""
        judgements = await ask_all(self.voices(len(candidates)), material, candidates)
        return merge_judgements(judgements, judgements)
