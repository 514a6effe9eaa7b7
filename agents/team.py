"""The team: every agent of a recipe over its models, prompts and tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyprefer.agents.aggregator import KnowledgeAggregator
from anyprefer.agents.critic import RewardCritic, build_critic
from anyprefer.agents.feedback import KnownAdvice
from anyprefer.agents.judges.base import Judge, JudgeSetup
from anyprefer.agents.judges.builder import build_judge
from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.agents.material import Show, differ_unseen, response_name
from anyprefer.agents.rewriter import PromptRewriter
from anyprefer.agents.sampler import GivenSampler, TargetSampler
from anyprefer.agents.tool_choice import ToolChooser
from anyprefer.applications.base import Application, Sampler
from anyprefer.applications.registry import find_application
from anyprefer.backends.calls import CallStore
from anyprefer.backends.client import ModelClient
from anyprefer.backends.providers import Backends
from anyprefer.config import ROLES, PairConfig, Recipe
from anyprefer.errors import ConfigError
from anyprefer.prompts import Prompt
from anyprefer.recipe_tables import digest_of
from anyprefer.tools.base import Tool
from anyprefer.tools.registry import build_tools
from anyprefer.tools.toolbox import Toolbox
from anyprefer.types import Attempt, Cut, Output, PreferencePair, PreferenceRecord, Reasoning, RoleUsage, Task, text_of


@dataclass(frozen=True)
class Team:
    """The players of the loop and what every record says about them."""

    recipe: Recipe
    application: Application
    sampler: Sampler
    chooser: ToolChooser
    toolbox: Toolbox
    aggregator: KnowledgeAggregator
    judge: Judge
    critic: RewardCritic
    rewriter: PromptRewriter
    calls: CallStore
    models: Mapping[str, str]
    """Role -> model identifier."""
    prompt_hashes: Mapping[str, str]
    recipe_digest: str
    """Over recipe and prompts: the same through every door."""

    @property
    def verifiers(self) -> frozenset[str]:
        """The tools that can show a response to be right."""
        return verifying(self.toolbox.tools)

    @property
    def pair(self) -> PairConfig:
        """The recipe's `[pair]`, with what findings must say of a pair where the recipe leaves it open."""
        default = "verified" if self.verifiers else "consistent"
        return self.recipe.pair.model_copy(update={"require": self.recipe.pair.require or default})

    def find_unseen(self, task: Task, cuts: Sequence[Cut], pair: PreferencePair, **background: Any) -> str:
        """Why the difference of a pair was seen by none who judged it; empty where it was seen.

        Args:
            task: What the sides answer.
            cuts: Of the judge's prompts, among others.
            pair: The pair.
            background: What the critic goes by; see `RewardCritic.critique`.
        """
        chosen, rejected = (
            "" if side.origin.candidate is None else response_name(side.origin.candidate) for side in (pair.chosen, pair.rejected)
        )
        show = shown(self.application, reasoning=self.recipe.judge.show_reasoning)
        judges = [name for name in self.recipe.members() if name.partition(".")[0] == "judge"] if cuts else []
        if not any(cut.role == "judge.escalate" for cut in cuts):  # it may not have been asked
            judges = [name for name in judges if name != "judge.escalate"]
        if judges and all(differ_unseen(pair, (chosen, rejected), cuts, name, show) for name in judges):
            reader = "judge"
        elif self.recipe.critic.enabled and self.critic.sees_no_difference(task, pair, **background):
            reader = "critic"
        else:
            return ""
        return f"The two responses differ only in the middle, which the {reader} was not shown: shorter responses are needed."

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


@dataclass(frozen=True)
class _Target:
    """What an application samples with; see `TargetPlayer`."""

    recipe: Recipe
    models: tuple[ModelClient, ...]
    prompt: Prompt
    application: Application

    def sampler(self) -> Sampler:
        """What the loop's candidates come from."""
        existing = self.recipe.sampling.existing
        return GivenSampler(self.application.same) if existing else self.application.sampler(self)

    def sample_replies(self) -> Sampler:
        return TargetSampler(self.models, self.prompt, self.recipe.sampling, self.recipe.pair, self.application.same)


def build_team(recipe: Recipe, backends: Backends, calls: CallStore) -> Team:
    """Assemble the agents; models connect on first use.

    Raises:
        ConfigError: An application, a judge, a tool, a prompt file or an extra is missing or wrong.
    """
    application = find_application(recipe.application)
    prompts = load_prompts(recipe)
    hashes = prompt_hashes(prompts)
    tools = build_tools(recipe.tools)
    _check_require(recipe, tools)
    clients = {role: backends.client(role, calls) for role in ROLES}
    field, chars, show = recipe.field, recipe.tools.evidence_chars, shown(application)
    setup = JudgeSetup(
        model=clients["judge"], prompts=prompts, config=recipe.judge, field=field, examples=recipe.examples, evidence_chars=chars,
        show=shown(application, reasoning=recipe.judge.show_reasoning),
    )  # fmt: skip
    critic = build_critic(
        config=recipe.critic, model=clients["critic"], prompts=prompts, field=field, examples=recipe.examples,
        evidence_chars=chars, show=show,
    )  # fmt: skip
    chooser = ToolChooser(
        model=clients["judge"], choose_prompt=prompts["choose_tools"], arguments_prompt=prompts["fill_in_arguments"],
        config=recipe.tools, tools=tools, field=field, show=show,
    )  # fmt: skip
    aggregator = KnowledgeAggregator(clients["aggregator"], prompts["aggregate"], recipe.aggregator, field, chars, show)
    return Team(
        recipe=recipe,
        application=application,
        sampler=_Target(recipe, (clients["target"], *backends.generators(calls)), prompts["sample"], application).sampler(),
        chooser=chooser,
        toolbox=Toolbox(tools, recipe.tools.timeout_seconds, calls, {name: recipe.tools.setup(name) for name in tools}),
        aggregator=aggregator,
        judge=build_judge(setup, backends.panel(calls), backends.stronger_judge(calls)),
        critic=critic,
        rewriter=_build_rewriter(recipe, clients["rewriter"], prompts, tools, show),
        calls=calls,
        models=model_ids(recipe, backends, calls),
        prompt_hashes=hashes,
        recipe_digest=digest_of(recipe, {"prompts": hashes}),
    )


def _build_rewriter(
    recipe: Recipe, model: ModelClient, prompts: Mapping[str, Prompt], tools: Mapping[str, Tool], show: Show
) -> PromptRewriter:
    """The rewriter; its lines about length go by the shortest limit of the models that answer."""
    return PromptRewriter(
        model=model, both_prompt=prompts["rewrite_both"], target_prompt=prompts["rewrite_target"],
        judge_prompt=prompts["rewrite_judge"], feedback=recipe.loop.feedback,
        known=KnownAdvice(min(one.max_tokens for one in (recipe.target, *recipe.sampling.generators))),
        verifiers=verifying(tools), evidence_chars=recipe.tools.evidence_chars, show=show,
    )  # fmt: skip


def _check_require(recipe: Recipe, tools: Mapping[str, Tool]) -> None:
    """Refuse verified pairs where nothing can verify: every task would use up its rounds for nothing."""
    if recipe.pair.require == "verified" and not (verifying(tools) or recipe.judge.reference):
        raise ConfigError(
            "pair.require = 'verified' and nothing can verify a response: add 'python', or a tool of yours with verifies = True, "
            "to tools.names, or set judge.reference; or set pair.require = 'consistent'"
        )


def verifying(tools: Mapping[str, Tool]) -> frozenset[str]:
    """The tools that can show a response to be right."""
    return frozenset(name for name, tool in tools.items() if tool.verifies)


def shown(application: Application, *, reasoning: bool = False) -> Show:
    """How an application's outputs read in a prompt; with thoughts, each part says which it is."""

    def read(output: Output) -> str:
        parts = application.show(output, reasoning=reasoning)
        thoughts = "\n\n".join(part.text for part in parts if isinstance(part, Reasoning))
        answer = text_of(part for part in parts if not isinstance(part, Reasoning))
        return f"[thought]\n{thoughts}\n\n[answer]\n{answer}" if thoughts else answer

    return read


def model_ids(recipe: Recipe, backends: Backends, calls: CallStore) -> dict[str, str]:
    """Role -> model, of the roles that work; what scores against references stands beside the judge, or in its place."""
    idle = (*recipe.idle_judges(), *(() if recipe.critic.enabled else ("critic",)))
    if recipe.sampling.existing:
        idle = (*idle, "target", "rewriter", *(name for name in recipe.members() if name.startswith("sampling.")))
    found = {name: backends.client(name, calls).model_id for name in recipe.members() if name not in idle}
    if recipe.judge.reference:
        found["judge.reference" if "judge" in found else "judge"] = f"reference:{recipe.judge.reference}"
    return found
