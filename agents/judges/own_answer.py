"""The judge solves the task itself first, and compares."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from anyprefer.agents.judges.base import Judgement, Material, Wrapper
from anyprefer.agents.material import lay_out, task_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate, Task


@dataclass(frozen=True)
class OwnAnswer(Wrapper):
    """Shows the inner judge an answer that a model gave without having seen the candidates."""

    model: ModelClient
    prompt: Prompt
    field: str

    def num_calls(self, num_candidates: int) -> tuple[int, int]:
        """The inner judge's, and one for the answer."""
        least, most = self.judge.num_calls(num_candidates)
        return least + 1, most + 1

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        return await self.judge.score(replace(material, own_answer=await self._answer(material.task)), candidates)

    async def _answer(self, task: Task) -> str:
        """Asked for once per task: the site names no later round, so the journal has it from then on."""
        site = CallSite(task.id, "judge", 0, "own_answer")
        messages = lay_out(self.model, lambda: self.prompt.fill({"field": self.field, "task": task_block(task)}))
        return (await self.model.complete(messages, site)).texts[0]
