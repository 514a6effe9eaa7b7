"""One candidate at a time, with its evidence beside it: more requests, shorter prompts, and what small judges need."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from anyprefer.agents.grading import analysis_type, describe_analysis, scale, score_type
from anyprefer.agents.judges.base import Material, make_verdict
from anyprefer.agents.judges.looks import take_look
from anyprefer.agents.judges.one_by_one import OneByOneJudge
from anyprefer.types import Candidate, Verdict


@dataclass(frozen=True)
class PointwiseJudge(OneByOneJudge):
    """Asks for the score of each candidate by itself."""

    async def judge_one(self, material: Material, candidate: Candidate) -> Verdict:
        """See `OneByOneJudge.judge_one`."""
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
