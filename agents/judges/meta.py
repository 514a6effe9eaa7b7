"""The meta-judge: compares whole judgements and keeps the best (Meta-Rewarding Language Models, arXiv 2407.19594).

The paper trains the judge on such comparisons; here they decide which judgement's scores count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from anyprefer.agents.judges.base import Judgement, Material, Wrapper, ask_all, merge_judgements
from anyprefer.agents.material import Show, lay_out, response_blocks, show_text, task_block, text_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate, Message


class MetaVerdict(BaseModel):
    """The comparison's reply: the reason first."""

    model_config = ConfigDict(extra="forbid")

    analysis: Annotated[str, Field(min_length=1, max_length=300)]
    better: Literal["A", "B"]


@dataclass(frozen=True)
class MetaJudge(Wrapper):
    """Lets a model choose between the single judgements that the inner judge consists of."""

    model: ModelClient
    prompt: Prompt
    show: Show = show_text

    def num_calls(self, num_candidates: int) -> tuple[int, int]:
        """The inner judge's, and one for each comparison."""
        comparisons = len(self.judge.voices(num_candidates)) - 1
        least, most = self.judge.num_calls(num_candidates)
        return least + comparisons, most + comparisons

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`; the preferred judgement counts, and every verdict keeps all scores."""
        judgements = await ask_all(self.judge.voices(len(candidates)), material, candidates)
        return merge_judgements(judgements, [await self._choose(judgements, material, candidates)])

    async def _choose(self, judgements: Sequence[Judgement], material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """Compare judgements two at a time; the winner stays.

        Each comparison swaps the places of winner and challenger, so that no place is favoured throughout.
        """
        best = judgements[0]
        for number, challenger in enumerate(judgements[1:], start=1):
            first, second = (best, challenger) if number % 2 else (challenger, best)
            site = CallSite(material.task.id, "judge", material.round, f"meta/{number}")
            messages = lay_out(self.model, partial(self._fill, material, candidates, first, second))
            reply = await self.model.structured(messages, site, MetaVerdict)
            best = first if reply.better == "A" else second
        return best

    def _fill(
        self, material: Material, candidates: Sequence[Candidate], first: Judgement, second: Judgement
    ) -> tuple[Message, ...]:
        return self.prompt.fill({
            "task": task_block(material.task), "responses": response_blocks(candidates, show=self.show),
            "judgement_a": text_block(_describe(first), "judgement A"),
            "judgement_b": text_block(_describe(second), "judgement B"),
        })  # fmt: skip


def _describe(judgement: Judgement) -> str:
    lines = (f"Response {place}: {one.score:g}. {one.analysis}" for place, one in enumerate(judgement, start=1))
    return "\n".join(lines)
