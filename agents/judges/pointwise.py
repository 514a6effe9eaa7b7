"""One candidate at a time, with its evidence beside it: more requests, shorter prompts, and what small judges need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from anyprefer.agents.grading import analysis_type, describe_analysis, scale, score_type
from anyprefer.agents.judges.base import Judge, Judgement, JudgeSetup, Material, make_verdict
from anyprefer.agents.judges.looks import take_look
from anyprefer.backends.client import complete_all
from anyprefer.types import Candidate, Verdict


@dataclass(frozen=True)
class PointwiseJudge(Judge):
    """Asks for the score of each candidate by itself."""

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
        return tuple(await complete_all(map(self._score_one, looks, candidates)))

    async def _score_one(self, material: Material, candidate: Candidate) -> Verdict:
        config = self.setup.config
        reply, [score] = await take_look(
            self.setup, material, [candidate], prompt=self.setup.prompts["score_one"], key="score",
            schema=score_reply(config.analysis_chars, *scale(config)),
            values={"analysis": describe_analysis(config, "of the response")},
        )  # fmt: skip
        return make_verdict(candidate, reply.get("analysis", ""), score)


@cache
def score_reply(analysis_chars: int, lowest: int, highest: int) -> type[BaseModel]:
    """The reply: the analysis, where the recipe wants one, comes before the score."""
    first: dict[str, Any] = {"analysis": (analysis_type(analysis_chars), ...)} if analysis_chars else {}
    return create_model("Score", __config__=ConfigDict(extra="forbid"), **first, score=(score_type(lowest, highest), ...))
