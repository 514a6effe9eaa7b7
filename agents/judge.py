"""ToolJudge: chooses tools, then scores all candidates together (paper: section 2.2, appendix D.1)."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.agents.material import response_blocks, task_block, task_evidence_blocks, text_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import JudgeConfig, ToolsConfig
from anyprefer.prompts import Prompt, clip
from anyprefer.tools.base import Tool
from anyprefer.types import Candidate, Evidence, Knowledge, Message, Prompts, Task, ToolCall, Verdict

_OWN_ANSWER = (
    "Before you look at the responses, work out the task yourself and write your answer down in `own_answer`; then compare."
)

_PREVIEW_CHARS = 300
"""How much of a response the judge sees while it chooses tools."""


class ScoreSheet(BaseModel):
    """What a listwise judgement must look like; `score_sheet` fixes the lengths."""

    model_config = ConfigDict(extra="forbid")

    analyses: list[str]
    scores: list[int]


class ReferencedScoreSheet(BaseModel):
    """The same after the judge's own answer, which must come first for the analyses to follow from it."""

    model_config = ConfigDict(extra="forbid")

    own_answer: Annotated[str, Field(min_length=1, max_length=300)]
    analyses: list[str]
    scores: list[int]


@dataclass(frozen=True)
class ToolJudge:
    """The judge: a model, its prompts, the tools it may choose and the domain it must know."""

    model: ModelClient
    choose_prompt: Prompt
    score_prompt: Prompt
    config: JudgeConfig
    tools_config: ToolsConfig
    tools: Mapping[str, Tool]
    field: str
    examples: str = ""

    async def choose_tools(self, task: Task, candidates: Sequence[Candidate], round_: int) -> tuple[ToolCall, ...]:
        """Choose tool calls with arguments; a candidate tool becomes one call per candidate.

        Raises:
            ModelError: The model failed; its choice is never guessed.
        """
        if self.tools_config.choose == "always":
            chosen = [(name, tool.default_args(task).model_dump(mode="json")) for name, tool in self.tools.items()]
        else:
            site = CallSite(task.id, "judge", round_, "choose_tools")
            reply: Any = await self.model.structured(self._choose_messages(task, candidates, site), site, self._choice_schema())
            chosen = [(call.tool, call.args.model_dump(mode="json")) for call in reply.calls]
        return tuple(_expand(chosen, self.tools, candidates))

    async def score(
        self, task: Task, candidates: Sequence[Candidate], evidence: Sequence[Evidence], knowledge: Knowledge | None,
        prompts: Prompts, round_: int,
    ) -> tuple[Verdict, ...]:  # fmt: skip
        """Score every candidate 1-10, averaged over orderings.

        Raises:
            ModelError: A judgement is missing or malformed; an unreadable verdict is never a score.
        """
        orders = orderings(len(candidates), self.config.permutations)
        sheets = await complete_all(
            self._score_once(task, [candidates[i] for i in order], evidence, knowledge, prompts, round_, number)
            for number, order in enumerate(orders)
        )
        verdicts = []
        for place, candidate in enumerate(candidates):
            seen = [(sheet, order.index(place)) for sheet, order in zip(sheets, orders, strict=True)]
            analysis = "\n\n".join(sheet.analyses[i] for sheet, i in seen)
            score = fmean(sheet.scores[i] for sheet, i in seen)
            verdicts.append(Verdict(candidate=candidate.index, analysis=analysis, score=score))
        return tuple(verdicts)

    async def _score_once(
        self, task: Task, shown: Sequence[Candidate], evidence: Sequence[Evidence], knowledge: Knowledge | None,
        prompts: Prompts, round_: int, number: int,
    ) -> ScoreSheet | ReferencedScoreSheet:  # fmt: skip
        site = CallSite(task.id, "judge", round_, f"score/{number}")
        nonce = site.nonce(self.model.calls.secret)
        limit = self.tools_config.evidence_chars
        if knowledge is not None:
            background = text_block(knowledge.text, "findings", nonce)
        else:
            background = task_evidence_blocks(evidence, nonce, limit)
        messages = self.score_prompt.fill({
            "field": self.field, "examples": self.examples, "num_candidates": str(len(shown)),
            "analysis_chars": str(self.config.analysis_chars),
            "own_answer": _OWN_ANSWER if self.config.self_reference else "",
            "guidance": f"Further guidance:\n{prompts.judge}" if prompts.judge else "",
            "task": task_block(task, nonce), "knowledge": background,
            "responses": response_blocks(shown, nonce, evidence, limit),
        })  # fmt: skip
        return await self.model.structured(messages, site, score_sheet(len(shown), self.config))

    def _choose_messages(self, task: Task, candidates: Sequence[Candidate], site: CallSite) -> tuple[Message, ...]:
        nonce = site.nonce(self.model.calls.secret)
        previews = [item.model_copy(update={"text": clip(item.text, _PREVIEW_CHARS)}) for item in candidates]
        tools = "\n".join(f"- {name} ({tool.scope}): {tool.description}" for name, tool in self.tools.items())
        return self.choose_prompt.fill({
            "field": self.field, "tools": tools, "max_calls": str(self.tools_config.max_calls),
            "task": task_block(task, nonce), "responses": response_blocks(previews, nonce),
        })  # fmt: skip

    def _choice_schema(self) -> type[BaseModel]:
        """One variant per tool, so that the server's grammar and our validation hold the arguments to the tool's own model."""
        strict = ConfigDict(extra="forbid")
        variants: list[Any] = []
        for name, tool in self.tools.items():
            literal: Any = Literal[name]
            variants.append(create_model(f"{name}_call", __config__=strict, tool=(literal, ...), args=(tool.Args, ...)))
        variant: Any = Union[tuple(variants)]  # noqa: UP007 - built at run time
        calls: Any = Annotated[list[variant], Field(max_length=self.tools_config.max_calls)]
        return create_model("ToolChoice", __config__=strict, calls=(calls, ...))


def score_sheet(num_candidates: int, config: JudgeConfig) -> type[ScoreSheet] | type[ReferencedScoreSheet]:
    """The reply schema for so many candidates: analyses come before scores, so that scores follow from them."""
    analysis = Annotated[str, Field(min_length=1, max_length=config.analysis_chars)]
    score = Annotated[int, Field(ge=1, le=10)]
    size = Field(min_length=num_candidates, max_length=num_candidates)
    base = ReferencedScoreSheet if config.self_reference else ScoreSheet
    lists: dict[str, Any] = {"analyses": (Annotated[list[analysis], size], ...), "scores": (Annotated[list[score], size], ...)}
    return create_model("ScoreSheet", __base__=base, **lists)


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


def _expand(
    chosen: Sequence[tuple[str, dict[str, Any]]], tools: Mapping[str, Tool], candidates: Sequence[Candidate]
) -> list[ToolCall]:
    calls: list[ToolCall] = []
    for name, args in chosen:
        if tools[name].scope == "task":
            calls.append(ToolCall(tool=name, args=args))
        else:
            calls += [ToolCall(tool=name, args=args, candidate=candidate.index) for candidate in candidates]
    return [call for i, call in enumerate(calls) if call not in calls[:i]]
