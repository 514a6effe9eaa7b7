"""Two forms of judging, whose rankings must be alike: a mistake of one is seldom the other's as well."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyprefer.agents.judges.base import Judge, Judgement, Material, ask_all, merge_judgements
from anyprefer.types import Candidate


@dataclass(frozen=True)
class Agreement(Judge):
    """Judges in every form, and averages.

    A verdict's `scores` are one for each form, in the forms' order: within a form, orderings and panels are averaged first, so
    that forms are compared with each other and not single looks. Whether they agree on a pair is decided where it is formed.
    """

    forms: tuple[Judge, ...]

    @property
    def compares(self) -> bool:
        """Whether any form does."""
        return any(form.compares for form in self.forms)

    def num_looks(self, num_candidates: int) -> int:
        """Those of all forms."""
        return sum(form.num_looks(num_candidates) for form in self.forms)

    def num_calls(self, num_candidates: int) -> tuple[int, int]:
        """Those of all forms."""
        calls = [form.num_calls(num_candidates) for form in self.forms]
        return sum(least for least, _ in calls), sum(most for _, most in calls)

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        judgements = await ask_all(self.forms, material, candidates)
        return merge_judgements(judgements, judgements)
