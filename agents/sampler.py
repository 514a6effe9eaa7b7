"""TargetSampler: draws unique candidates from the target model (paper: section 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import SamplingConfig
from anyprefer.errors import MalformedReplyError
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate, Message, Prompts, Task, normalize


@dataclass(frozen=True)
class TargetSampler:
    """Samples responses under the current guidance; the task's own prompt always goes in word for word."""

    models: tuple[ModelClient, ...]
    """The target, then the recipe's further generators."""
    prompt: Prompt
    config: SamplingConfig
    request_n: bool = True
    """Whether the servers take `n`."""

    async def sample(self, task: Task, prompts: Prompts, round_: int) -> tuple[Candidate, ...]:
        """Draw up to `num_candidates` different responses that are not empty.

        Empty and repeated responses are drawn again, `max_resamples` times at most, so fewer may come back.

        Raises:
            MalformedReplyError: Every response of every try was empty.
            ModelError: The model could not be reached or refused.
        """
        messages = self.messages(task, prompts)
        found: dict[str, Candidate] = {}
        for attempt in range(1 + self.config.max_resamples):
            missing = self.config.num_candidates - len(found)
            for text, reason, model in await self._draw(messages, task, round_, attempt, missing):
                if text.strip():
                    found.setdefault(normalize(text), Candidate(index=len(found), text=text, finish_reason=reason, model=model))
            if len(found) >= self.config.num_candidates:
                break
        if not found:
            raise MalformedReplyError(
                f"target model {self.models[0].model_id!r} gave only empty responses to task {task.id!r} in "
                f"{1 + self.config.max_resamples} tries: check its chat template and target.max_tokens"
            )
        return tuple(found.values())

    def messages(self, task: Task, prompts: Prompts) -> tuple[Message, ...]:
        """The conversation that the target sees; without guidance it is the task's own (p_t starts as x)."""
        if not prompts.target.strip():
            return task.messages
        system = "\n\n".join(message.content for message in task.messages if message.role == "system")
        filled = self.prompt.fill({"system": system, "guidance": prompts.target})
        rest = tuple(message for message in task.messages if message.role != "system")
        return (*(message for message in filled if message.role == "system"), *rest)

    async def _draw(
        self, messages: Sequence[Message], task: Task, round_: int, attempt: int, count: int
    ) -> list[tuple[str, str | None, str | None]]:
        """Draw `count` responses, shared out over the models; the first ones get what is left over."""
        requests: list[tuple[ModelClient, CallSite, int]] = []
        for place, model in enumerate(self.models):
            share = count // len(self.models) + (place < count % len(self.models))
            step = f"sample/{attempt}" if place == 0 else f"sample/{attempt}/generator/{place}"
            sizes = [share] if self.request_n else [1] * share
            for part, n in enumerate(sizes):
                if n:
                    requests.append((model, CallSite(task.id, "target", round_, step if self.request_n else f"{step}.{part}"), n))
        completions = await complete_all(model.complete(messages, site, n=n) for model, site, n in requests)
        several = len(self.models) > 1
        return [
            (text, reason, model.model_id if several else None)
            for (model, _, _), done in zip(requests, completions, strict=True)
            for text, reason in zip(done.texts, done.finish_reasons, strict=True)
        ]
