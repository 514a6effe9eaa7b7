"""All candidates on one sheet (the paper's way)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.agents.grading import analysis_type, describe_analysis, scale, score_type
from anyprefer.agents.judges.base import Judge, Judgement, JudgeSetup, Material, make_verdict
from anyprefer.agents.judges.looks import take_look
from anyprefer.types import Candidate


@dataclass(frozen=True)
class ListwiseJudge(Judge):
    """Asks for the scores of all candidates in one reply."""

    setup: JudgeSetup

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        config, count = self.setup.config, len(candidates)
        sheet, scores = await take_look(
            self.setup, material, candidates, prompt=self.setup.prompts["score"], key="scores",
            schema=score_sheet(count, config.analysis_chars, *scale(config)),
            values={
                "num_candidates": str(count),
                "analysis": describe_analysis(config, "of every response, in the order shown"),
            },
        )  # fmt: skip
        analyses = sheet.get("analyses", [""] * count)
        return tuple(make_verdict(*parts) for parts in zip(candidates, analyses, scores, strict=True))


@cache
def score_sheet(count: int, analysis_chars: int, lowest: int, highest: int) -> type[BaseModel]:
    """The reply: analyses, where the recipe wants them, come before scores, so that scores follow from them."""
    size = Field(min_length=count, max_length=count)
    analysis: Any = analysis_type(analysis_chars)
    score: Any = score_type(lowest, highest)
    first: dict[str, Any] = {"analyses": (Annotated[list[analysis], size], ...)} if analysis_chars else {}
    return create_model("ScoreSheet", __config__=ConfigDict(extra="forbid"), **first, scores=(Annotated[list[score], size], ...))
