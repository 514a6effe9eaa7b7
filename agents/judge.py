"""ToolJudge: chooses tools, then scores the candidates (paper: section 2.2, appendix D.1)."""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from anyprefer.agents.choice import arguments_messages, choice_schema, describe_tools, expand_calls, merge_arguments
from anyprefer.agents.material import response_blocks, task_block
from anyprefer.agents.meta import Judgement, choose_judgement, merge_opinions
from anyprefer.agents.scoring import Material, Reading, Scorer
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import JudgeConfig, ToolsConfig
from anyprefer.errors import DataError
from anyprefer.prompts import Prompt, clip
from anyprefer.tools.base import Tool
from anyprefer.tools.scorers import Score, scorer_of
from anyprefer.types import Candidate, Evidence, Knowledge, Message, Prompts, Task, ToolCall, Verdict

_PREVIEW_CHARS = 300
"""How much of a response the judge sees while it chooses tools."""


@dataclass(frozen=True)
class ToolJudge:
    """The judge: its models, its prompts, the tools it may choose and the domain it must know."""

    models: tuple[ModelClient, ...]
    """The judge itself, then the rest of its panel."""
    choose_prompt: Prompt
    arguments_prompt: Prompt
    answer_prompt: Prompt
    meta_prompt: Prompt
    scorer: Scorer
    config: JudgeConfig
    tools_config: ToolsConfig
    tools: Mapping[str, Tool]
    field: str

    def __post_init__(self) -> None:
        if self.config.reference:
            scorer_of(self.config.reference)  # one that cannot be imported is an error at the start

    @property
    def model(self) -> ModelClient:
        """The judge's own model, which chooses tools, answers and compares."""
        return self.models[0]

    async def choose_tools(self, task: Task, candidates: Sequence[Candidate], round_: int) -> tuple[ToolCall, ...]:
        """Choose tool calls with arguments; a candidate tool becomes one call per candidate.

        Raises:
            ModelError: The model failed; its choice is never guessed.
        """
        if self.tools_config.choose == "always":
            calls = [
                ToolCall(tool=name, args=tool.default_args(task).model_dump(mode="json")) for name, tool in self.tools.items()
            ]
        elif self.tools_config.choose == "arguments":
            calls = await complete_all(self._fill_in(task, name, tool, round_) for name, tool in self.tools.items())
        else:
            site = CallSite(task.id, "judge", round_, "choose_tools")
            messages = self._choose_messages(task, candidates, site)
            reply: Any = await self.model.structured(messages, site, choice_schema(self.tools, self.tools_config.max_calls))
            calls = [ToolCall(tool=call.tool, args=call.args.model_dump(mode="json"), why=call.why) for call in reply.calls]
        return expand_calls(calls, self.tools, candidates)

    async def _fill_in(self, task: Task, name: str, tool: Tool, round_: int) -> ToolCall:
        """Write one tool's arguments; one without any costs no call."""
        if not tool.Args.model_fields:
            return ToolCall(tool=name)
        site = CallSite(task.id, "judge", round_, f"fill_in/{name}")
        nonce = site.nonce(self.model.calls.secret)
        messages = arguments_messages(self.arguments_prompt, self.field, name, tool, task, nonce)
        config = self.tools_config
        if config.samples > 1:
            replies = await self.model.structured_samples(messages, site, tool.Args, config.samples, config.sample_temperature)
        else:
            replies = [await self.model.structured(messages, site, tool.Args)]
        return ToolCall(tool=name, args=merge_arguments(tool.Args, replies))

    async def score(
        self, task: Task, candidates: Sequence[Candidate], evidence: Sequence[Evidence], knowledge: Knowledge | None,
        prompts: Prompts, round_: int,
    ) -> tuple[Verdict, ...]:  # fmt: skip
        """Score every candidate 1-10.

        The mean over panel, orderings and aspects counts, or the judgement that the meta-judge prefers.

        Raises:
            ModelError: A judgement is missing or malformed; an unreadable verdict is never a score.
            DataError: The judge scores against references, and the task has none.
        """
        if self.config.reference:
            return tuple(_against_reference(candidate, task, scorer_of(self.config.reference)) for candidate in candidates)
        own_answer = await self._own_answer(task) if self.config.self_reference else ""
        material = Material(task, evidence, knowledge, prompts.judge, own_answer, round_)
        plan = self._plan(candidates)
        judgements = await complete_all(self._judge(readings, material) for readings in plan)
        kept = judgements
        if self.config.combine == "meta":
            kept = [judgements[await choose_judgement(self.model, self.meta_prompt, material, candidates, judgements)]]
        return tuple(_verdict(candidate.index, kept, judgements) for candidate in candidates)

    async def _judge(self, readings: Sequence[Reading], material: Material) -> Judgement:
        opinions = await complete_all(self.scorer.read(reading, material) for reading in readings)
        return merge_opinions(list(itertools.chain.from_iterable(opinions)))

    def _plan(self, candidates: Sequence[Candidate]) -> list[list[Reading]]:
        """The readings of every judgement: one judgement for each model and ordering, in each of them every aspect."""
        aspects = [f"{name}: {what}" for name, what in self.config.aspects.items()] or [""]
        if self.config.method == "pointwise":
            looks = [[[candidate] for candidate in candidates]]
        else:
            looks = [[[candidates[i] for i in order]] for order in orderings(len(candidates), self.config.permutations)]
        numbers = itertools.count()
        return [
            [Reading(next(numbers), model, tuple(shown), aspect) for aspect in aspects for shown in look]
            for model in self.models
            for look in looks
        ]

    async def _own_answer(self, task: Task) -> str:
        """Asked for once per task: the site names no later round, so the journal has it from then on."""
        site = CallSite(task.id, "judge", 0, "own_answer")
        nonce = site.nonce(self.model.calls.secret)
        messages = self.answer_prompt.fill({"field": self.field, "task": task_block(task, nonce)})
        return (await self.model.complete(messages, site)).texts[0]

    def _choose_messages(self, task: Task, candidates: Sequence[Candidate], site: CallSite) -> tuple[Message, ...]:
        nonce = site.nonce(self.model.calls.secret)
        previews = [item.model_copy(update={"text": clip(item.text, _PREVIEW_CHARS)}) for item in candidates]
        return self.choose_prompt.fill({
            "field": self.field, "tools": describe_tools(self.tools), "max_calls": str(self.tools_config.max_calls),
            "task": task_block(task, nonce), "responses": response_blocks(previews, nonce),
        })  # fmt: skip


def _against_reference(candidate: Candidate, task: Task, score: Score) -> Verdict:
    if not (task.reference or "").strip():
        raise DataError(f"task {task.id!r} has no reference to judge by: add one, or leave out judge.reference")
    share = min(1.0, max(0.0, score(candidate.text, task)))
    return Verdict(candidate=candidate.index, analysis=f"worth {share:g} of 1 by the reference", score=1 + 9 * share)


def _verdict(index: int, kept: Sequence[Judgement], judgements: Sequence[Judgement]) -> Verdict:
    analyses = [judgement[index].analysis for judgement in kept if judgement[index].analysis]
    return Verdict(
        candidate=index, analysis="\n\n".join(analyses), score=fmean(judgement[index].score for judgement in kept),
        scores=tuple(judgement[index].score for judgement in judgements),
    )  # fmt: skip


def orderings(num_candidates: int, count: int) -> list[list[int]]:
    """Different orders of the candidates: as they are, reversed, then shuffles from a fixed seed.

    Returns:
        At most `count` permutations of `range(num_candidates)`, fewer where there are no more.
    """
    plain = list(range(num_candidates))
    orders = [plain]
    if count > 1 and num_candidates > 1:
        orders.append(plain[::-1])
    shuffler = random.Random(num_candidates)  # noqa: S311 - an ordering, not a secret
    for _ in range(200 * count):
        if len(orders) >= count:
            break
        order = shuffler.sample(plain, num_candidates)
        if order not in orders:
            orders.append(order)
    return orders[:count]
