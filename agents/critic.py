"""RewardCritic: scores a pair as training data (paper: section 2.3, appendix D.2)."""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.agents.material import Show, differ_unseen, fits_surely, lay_out, show_text, task_block, text_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient
from anyprefer.prompts import Prompt
from anyprefer.shortening import watch_cuts
from anyprefer.types import Critique, Message, PreferencePair, Task

_SIDES = ("preferred response", "dispreferred response")


class PairReview(BaseModel):
    """The critic's reply: analyses first, so that the score follows from them."""

    model_config = ConfigDict(extra="forbid")

    preferred_analysis: str
    dispreferred_analysis: str
    score: Annotated[int, Field(ge=1, le=10)]


@cache
def review_schema(analysis_chars: int) -> type[PairReview]:
    """The reply schema with the recipe's limit."""
    analysis: Any = Annotated[str, Field(min_length=1, max_length=analysis_chars)]
    fields: dict[str, Any] = {"preferred_analysis": (analysis, ...), "dispreferred_analysis": (analysis, ...)}
    return create_model("PairReview", __base__=PairReview, **fields)


@dataclass(frozen=True)
class RewardCritic:
    """Sees the pair and the task, never the judge's scores, so that it cannot just agree."""

    model: ModelClient
    prompt: Prompt
    field: str
    examples: str = ""
    analysis_chars: int = 400
    show: Show = show_text

    async def critique(self, task: Task, pair: PreferencePair, round_: int) -> Critique:
        """Analyse both responses and score the pair 1-10.

        Raises:
            ModelError: The model failed; a missing score is never 0.
        """
        site = CallSite(task.id, "critic", round_, "critique")
        review = await self.model.structured(self._messages(task, pair, site), site, review_schema(self.analysis_chars))
        analysis = f"Preferred: {review.preferred_analysis}\nDispreferred: {review.dispreferred_analysis}"
        return Critique(analysis=analysis, score=review.score)

    def sees_no_difference(self, task: Task, pair: PreferencePair) -> bool:
        """Whether the sides are too long for the critic, and differ only in what it is not shown; asks no model."""
        if all(fits_surely(self.model, self.show(side.output)) for side in (pair.chosen, pair.rejected)):
            return False
        with watch_cuts() as cuts:
            self._messages(task, pair, CallSite(task.id, "critic", 0, "critique"))
        return differ_unseen(pair, _SIDES, cuts, self.model.role, self.show)

    def _messages(self, task: Task, pair: PreferencePair, site: CallSite) -> tuple[Message, ...]:
        nonce = site.nonce(self.model.calls.secret)
        return lay_out(self.model, lambda: self.prompt.fill({
            "field": self.field, "examples": self.examples, "task": task_block(task, nonce),
            "chosen": text_block(self.show(pair.chosen.output), _SIDES[0], nonce),
            "rejected": text_block(self.show(pair.rejected.output), _SIDES[1], nonce),
        }))  # fmt: skip
