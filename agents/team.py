"""The team: every agent of a recipe over its models, prompts and tools."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from anyprefer.agents.aggregator import KnowledgeAggregator
from anyprefer.agents.critic import RewardCritic
from anyprefer.agents.judge import ToolJudge
from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.agents.rewriter import PromptRewriter
from anyprefer.agents.sampler import TargetSampler
from anyprefer.agents.scoring import Scorer
from anyprefer.backends.calls import CallStore
from anyprefer.backends.providers import Backends
from anyprefer.config import ROLES, Recipe
from anyprefer.tools.base import Tool
from anyprefer.tools.registry import build_tools
from anyprefer.tools.toolbox import Toolbox
from anyprefer.types import Attempt, Candidate, PreferenceRecord, Prompts, RoleUsage, Task


class Sampler(Protocol):
    """Whatever gives the loop its candidates."""

    async def sample(self, task: Task, prompts: Prompts, round_: int) -> tuple[Candidate, ...]:
        """See `TargetSampler.sample`."""


@dataclass(frozen=True)
class Team:
    """The players of the loop and what every record says about them."""

    recipe: Recipe
    sampler: Sampler
    judge: ToolJudge
    toolbox: Toolbox
    aggregator: KnowledgeAggregator
    critic: RewardCritic
    rewriter: PromptRewriter
    calls: CallStore
    models: Mapping[str, str]
    """Role -> model identifier."""
    prompt_hashes: Mapping[str, str]
    recipe_digest: str

    async def record(self, task: Task, attempts: tuple[Attempt, ...], **outcome: Any) -> PreferenceRecord:
        """Write up what came of a task, with its cost so far."""
        usage = await self.calls.usage(task.id)
        return PreferenceRecord(
            task=task,
            attempts=attempts,
            models=dict(self.models),
            prompt_hashes=dict(self.prompt_hashes),
            usage=usage,
            cost_usd=sum(usage.values(), RoleUsage()).cost_usd,
            seed=self.recipe.run.seed,
            recipe_digest=self.recipe_digest,
            **outcome,
        )


def build_team(recipe: Recipe, backends: Backends, calls: CallStore, digest: str = "") -> Team:
    """Assemble the agents; models connect on first use.

    Raises:
        ConfigError: A tool, a prompt file or an extra is missing or wrong.
    """
    prompts = load_prompts(recipe)
    tools: dict[str, Tool] = build_tools(recipe.tools)
    clients = {role: backends.client(role, calls) for role in ROLES}
    return Team(
        recipe=recipe,
        sampler=TargetSampler(
            (clients["target"], *backends.generators(calls)), prompts["sample"], recipe.sampling, recipe.target.request_n
        ),
        judge=ToolJudge(
            (clients["judge"], *backends.panel(calls)),
            prompts["choose_tools"],
            prompts["fill_in_arguments"],
            prompts["answer"],
            prompts["meta"],
            Scorer(
                prompts["score"], prompts["score_one"], recipe.judge, recipe.tools.evidence_chars, recipe.field, recipe.examples
            ),
            recipe.judge,
            recipe.tools,
            tools,
            recipe.field,
        ),
        toolbox=Toolbox(tools, recipe.tools.timeout_seconds, calls),
        aggregator=KnowledgeAggregator(
            clients["aggregator"], prompts["aggregate"], recipe.aggregator, recipe.field, recipe.tools.evidence_chars
        ),
        critic=RewardCritic(clients["critic"], prompts["critique"], recipe.field, recipe.examples, recipe.critic.analysis_chars),
        rewriter=PromptRewriter(
            clients["rewriter"],
            prompts["rewrite_both"],
            prompts["rewrite_target"],
            prompts["rewrite_judge"],
            recipe.loop.feedback,
        ),
        calls=calls,
        models=model_ids(recipe, backends, calls),
        prompt_hashes=prompt_hashes(prompts),
        recipe_digest=digest,
    )


def model_ids(recipe: Recipe, backends: Backends, calls: CallStore) -> dict[str, str]:
    """Role -> model, of the roles that work."""
    names = (name for name in recipe.members() if name != "critic" or recipe.critic.enabled)
    found = {name: backends.client(name, calls).model_id for name in names}
    return found | ({"judge": f"reference:{recipe.judge.reference}"} if recipe.judge.reference else {})
