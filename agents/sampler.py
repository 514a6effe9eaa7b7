"""TargetSampler: draws unique candidates from the target model (paper: section 2.2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import SamplingConfig
from anyprefer.errors import DataError, MalformedReplyError
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate, Ending, Message, Output, Prompts, Reply, Task, same_output

Draw = tuple[Reply, Ending, str]
"""A reply, how it ended, and the model that wrote it."""


@dataclass(frozen=True)
class TargetSampler:
    """Samples responses under the current guidance; the task's own prompt always goes in word for word."""

    models: tuple[ModelClient, ...]
    """The target, then the recipe's further generators."""
    prompt: Prompt
    config: SamplingConfig
    request_n: bool = True
    """Whether the servers take `n`."""
    same: Callable[[Output, Output], bool] = same_output
    """When two responses count as one."""

    async def sample(self, task: Task, prompts: Prompts, round_: int) -> tuple[Candidate, ...]:
        """Draw up to `num_candidates` different responses that are not empty.

        Empty and repeated responses are drawn again, `max_resamples` times at most, so fewer may come back. A response that is
        nothing but a thought counts as empty.

        Raises:
            DataError: The task has pictures, which the target would not see.
            MalformedReplyError: Every response of every try was empty.
            ModelError: The model could not be reached or refused.
        """
        refuse_pictures(task)
        messages = self.messages(task, prompts)
        found: list[Candidate] = []
        for attempt in range(1 + self.config.max_resamples):
            missing = self.config.num_candidates - len(found)
            for reply, ending, model in await self._draw(messages, task, round_, attempt, missing):
                if reply.answer.strip() and not any(self.same(reply, known.output) for known in found):
                    found.append(Candidate(index=len(found), output=reply, ending=ending, model=model))
            if len(found) >= self.config.num_candidates:
                break
        if not found:
            raise MalformedReplyError(
                f"target model {self.models[0].model_id!r} gave only empty responses to task {task.id!r} in "
                f"{1 + self.config.max_resamples} tries: check its chat template and target.max_tokens"
            )
        return tuple(found)

    def messages(self, task: Task, prompts: Prompts) -> tuple[Message, ...]:
        """The conversation that the target sees; without guidance it is the task's own (p_t starts as x)."""
        if not prompts.target.strip():
            return task.messages
        system = "\n\n".join(message.text for message in task.messages if message.role == "system")
        filled = self.prompt.fill({"system": system, "guidance": prompts.target})
        rest = tuple(message for message in task.messages if message.role != "system")
        return (*(message for message in filled if message.role == "system"), *rest)

    async def _draw(self, messages: Sequence[Message], task: Task, round_: int, attempt: int, count: int) -> list[Draw]:
        """Draw `count` responses, shared out over the models; the first ones get what is left over."""
        requests: list[tuple[ModelClient, CallSite, int]] = []
        for place, model in enumerate(self.models):
            share = count // len(self.models) + (place < count % len(self.models))
            step = f"sample/{attempt}" if place == 0 else f"sample/{attempt}/generator/{place}"
            sizes = [share] if self.request_n else [1] * share
            for part, n in enumerate(sizes):
                if n:
                    requests.append((model, CallSite(task.id, "target", round_, step if self.request_n else f"{step}.{part}"), n))
        completions = await complete_all(model.complete(messages, site, n=n, tools=task.tools) for model, site, n in requests)
        return [
            (reply, ending, model.model_id)
            for (model, _, _), done in zip(requests, completions, strict=True)
            for reply, ending in zip(done.replies, done.endings, strict=True)
        ]


def refuse_pictures(task: Task) -> None:
    """Refuse a task with pictures, as long as no role's model can be shown any: its pair would be written blind.

    Raises:
        DataError: It has some.
    """
    if task.images:
        count = f"{len(task.images)} picture{'s' if len(task.images) > 1 else ''}"
        raise DataError(
            f"task {task.id!r} has {count}, and no role of this recipe can see: leave the task out, or write what its pictures "
            "show into the prompt"
        )
