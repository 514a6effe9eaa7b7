"""PromptRewriter: turns a critique into better guidance, a textual gradient (paper: section 2.4, equation 2)."""

from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from anyprefer.agents.material import lay_out, task_block, text_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import Feedback
from anyprefer.prompts import Prompt
from anyprefer.shortening import shorten
from anyprefer.types import Attempt, Prompts, Task

_Gradient = Annotated[str, Field(min_length=1, max_length=400)]
_Guidance = Annotated[str, Field(min_length=1, max_length=600)]
_Reply = TypeVar("_Reply", bound=BaseModel)


class TargetRewrite(BaseModel):
    """New guidance for the target, after the reason for it."""

    model_config = ConfigDict(extra="forbid")

    gradient: _Gradient
    target_guidance: _Guidance


class JudgeRewrite(BaseModel):
    """New guidance for the judge, after the reason for it."""

    model_config = ConfigDict(extra="forbid")

    gradient: _Gradient
    judge_guidance: _Guidance


class JointRewrite(BaseModel):
    """New guidance for both players from one gradient, so that they can adapt to each other."""

    model_config = ConfigDict(extra="forbid")

    gradient: _Gradient
    target_guidance: _Guidance
    judge_guidance: _Guidance


@dataclass(frozen=True)
class PromptRewriter:
    """Rewrites p_t, p_j or both, as the recipe's feedback mode says."""

    model: ModelClient
    both_prompt: Prompt
    target_prompt: Prompt
    judge_prompt: Prompt
    feedback: Feedback

    async def rewrite(self, task: Task, attempt: Attempt) -> Prompts:
        """Make the next round's prompts from the last attempt and its critique.

        Raises:
            ModelError: The model failed.
        """
        old = attempt.prompts
        target, judge = old.target, old.judge
        if self.feedback == "joint":
            both = await self._ask(task, attempt, self.both_prompt, JointRewrite)
            target, judge = both.target_guidance, both.judge_guidance
        elif self.feedback == "independent":
            target, judge = await complete_all((self._new_target(task, attempt), self._new_judge(task, attempt)))
        elif self.feedback == "target_only":
            target = await self._new_target(task, attempt)
        elif self.feedback == "judge_only":
            judge = await self._new_judge(task, attempt)
        return Prompts(target=target, judge=judge, version=old.version + 1)

    async def _new_target(self, task: Task, attempt: Attempt) -> str:
        return (await self._ask(task, attempt, self.target_prompt, TargetRewrite)).target_guidance

    async def _new_judge(self, task: Task, attempt: Attempt) -> str:
        return (await self._ask(task, attempt, self.judge_prompt, JudgeRewrite)).judge_guidance

    async def _ask(self, task: Task, attempt: Attempt, prompt: Prompt, schema: type[_Reply]) -> _Reply:
        site = CallSite(task.id, "rewriter", attempt.round, prompt.name)
        nonce = site.nonce(self.model.calls.secret)
        messages = lay_out(self.model, lambda: prompt.fill({
            "task": task_block(task, nonce), "outcome": text_block(_outcome(attempt), "outcome", nonce),
            "critique": text_block(attempt.critique.analysis, "critique", nonce),
            "target_guidance": text_block(attempt.prompts.target, "current guidance of the target", nonce),
            "judge_guidance": text_block(attempt.prompts.judge, "current guidance of the judge", nonce),
        }))  # fmt: skip
        return await self.model.structured(messages, site, schema)


_SIDE_CHARS = 1500
"""Longest response of the pair; the critique says what matters about it."""


def _outcome(attempt: Attempt) -> str:
    scores = ", ".join(f"{verdict.score:.3g}" for verdict in attempt.verdicts)
    if attempt.pair is None:
        return f"No pair could be formed. Scores of the responses: {scores or 'none'}."
    chosen = shorten(attempt.pair.chosen.text, _SIDE_CHARS, "preferred response")
    rejected = shorten(attempt.pair.rejected.text, _SIDE_CHARS, "dispreferred response")
    return (
        f"Scores of the responses: {scores}. Reward of the pair: {attempt.reward:g}/10.\n\n"
        f"Preferred response:\n{chosen}\n\nDispreferred response:\n{rejected}"
    )
