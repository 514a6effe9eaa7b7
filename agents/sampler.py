"""TargetSampler: draws unique candidates from the target model (paper: section 2.2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anyprefer.agents.pairing import describe_endings, whole_ones
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import PairConfig, SamplingConfig
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
    pair: PairConfig
    """Says which responses may stand in a pair."""
    same: Callable[[Output, Output], bool] = same_output
    """When two responses count as one."""

    async def sample(self, task: Task, prompts: Prompts, round_: int, earlier: Sequence[Candidate] = ()) -> tuple[Candidate, ...]:
        """Draw up to `num_candidates` responses that are whole and differ from each other and from those of earlier rounds.

        Empty and repeated ones are drawn again, and so are those that a length limit, a filter or an error ended; the latter come
        back as well, behind the whole ones. There are `max_resamples` further tries at most, so fewer may be whole.

        Raises:
            DataError: The task has pictures, which the target would not see, or outputs of its own.
            MalformedReplyError: No response of any try says anything.
            ModelError: The model could not be reached or refused.
        """
        refuse_pictures(task)
        check_given(task, existing=False)
        messages = self.messages(task, prompts)
        whole: list[Candidate] = []
        others: list[Candidate] = []
        known = [one.output for one in whole_ones(earlier, self.pair)]
        for attempt in range(1 + self.config.max_resamples):
            missing = self.config.num_candidates - len(whole)
            for reply, ending, model in await self._draw(messages, task, round_, attempt, missing):
                candidate = Candidate(index=0, output=reply, ending=ending, model=model, round=round_)
                if not whole_ones([candidate], self.pair):
                    others += [candidate] * (ending != "complete")
                elif not any(self.same(reply, output) for output in known):
                    whole.append(candidate)
                    known.append(reply)
            if len(whole) >= self.config.num_candidates:
                break
        if not known and not any(one.text.strip() for one in others):
            raise self._nothing_said(task, others)
        first = len(earlier)
        return tuple(one.model_copy(update={"index": index}) for index, one in enumerate((*whole, *others), start=first))

    def _nothing_said(self, task: Task, found: Sequence[Candidate]) -> MalformedReplyError:
        """Why there is no response: thoughts took all tokens, or others ended it, or nobody knows."""
        model, tries = self.models[0], 1 + self.config.max_resamples
        if any(one.ending == "cut" for one in found):
            why = f"thought for up to {model.max_tokens} tokens a response and had none left to answer: raise target.max_tokens"
        elif found:
            why = f"gave no response that says anything ({describe_endings(found)}): leave the task out or use another model"
        else:
            why = "gave only empty responses: check its chat template"
        error = MalformedReplyError(f"target model {model.model_id!r} {why} (task {task.id!r}, {tries} tries)")
        error.cause = f"target model {model.model_id!r} {why}"
        return error

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
            if share:
                requests.append((model, CallSite(task.id, "target", round_, step), share))
        completions = await complete_all(model.complete(messages, site, n=n, tools=task.tools) for model, site, n in requests)
        return [
            (reply, ending, model.model_id)
            for (model, _, _), done in zip(requests, completions, strict=True)
            for reply, ending in zip(done.replies, done.endings, strict=True)
        ]


@dataclass(frozen=True)
class GivenSampler:
    """Offers the outputs that a task came with; nobody is asked, so another round would have the same."""

    same: Callable[[Output, Output], bool] = same_output
    """When two outputs count as one."""

    async def sample(self, task: Task, prompts: Prompts, round_: int, earlier: Sequence[Candidate] = ()) -> tuple[Candidate, ...]:
        """The task's different outputs that say something, without a model: the file does not say who wrote them.

        Raises:
            DataError: The task has none, or has pictures, which the judge would not see.
        """
        refuse_pictures(task)
        check_given(task, existing=True)
        found: list[Output] = []
        for output in task.given:
            if output.text.strip() and not any(self.same(output, known) for known in found):
                found.append(output)
        return tuple(Candidate(index=index, output=output, round=round_) for index, output in enumerate(found))


def check_given(task: Task, *, existing: bool) -> None:
    """See that a task brings outputs of its own where those are to be judged, and nowhere else.

    Args:
        task: Any task.
        existing: The recipe's `sampling.existing`.

    Raises:
        DataError: It does not, or should not.
    """
    if existing and not task.given:
        raise DataError(f"task {task.id!r} has no outputs to judge: leave out --judge-existing, or give it two")
    if task.given and not existing:
        raise DataError(f"task {task.id!r} has outputs of its own: --judge-existing has the judge score them; or leave them out")


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
