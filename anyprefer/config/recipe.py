"""A whole recipe: every section, and what must hold across them."""

from pydantic import Field, model_validator

from anyprefer.config.aggregator import AggregatorConfig
from anyprefer.config.base import Section, Untracked
from anyprefer.config.columns import ColumnsConfig
from anyprefer.config.critic import CriticConfig
from anyprefer.config.judge import JudgeConfig
from anyprefer.config.loop import LoopConfig
from anyprefer.config.models import AS_TARGET, CONNECTION, EmbeddedConfig, Price, RoleConfig, VllmConfig
from anyprefer.config.pairing import PairConfig
from anyprefer.config.paths import FileOrHub
from anyprefer.config.review import ReviewConfig
from anyprefer.config.rounds import RoundsConfig
from anyprefer.config.run import RunConfig
from anyprefer.config.sampler import SamplingConfig, TargetConfig
from anyprefer.config.tools import ToolsConfig
from anyprefer.config.training import TrainingConfig

ROLES = ("target", "judge", "aggregator", "critic", "rewriter")
"""Every role that calls a model, in the order of the loop."""


class Recipe(Section):
    """A whole run: models, tools, loop and limits."""

    name: Untracked[str]
    """Short name, used in logs and dataset cards."""
    description: Untracked[str] = ""
    """One sentence for readers of the recipe and the dataset card."""
    application: str = "text"
    """Which kind of task this is: the name of a registered application, which reads, shows, compares and exports its outputs."""
    field: str = "general knowledge"
    """The expertise that the judge and the critic are asked to bring (paper: `task_field`)."""
    examples: str = ""
    """Worked examples for the judge, inserted verbatim; optional."""
    tasks: Untracked[FileOrHub[str | None]] = None
    """Default task file, relative to the recipe; `--tasks` overrides it."""
    columns: Untracked[ColumnsConfig] = ColumnsConfig()
    target: TargetConfig
    judge: JudgeConfig
    critic: CriticConfig = CriticConfig()
    rewriter: RoleConfig = RoleConfig()
    aggregator: AggregatorConfig = AggregatorConfig()
    sampling: SamplingConfig = SamplingConfig()
    review: Untracked[ReviewConfig] = ReviewConfig()
    tools: ToolsConfig = ToolsConfig()
    pair: PairConfig = PairConfig()
    loop: LoopConfig = LoopConfig()
    run: RunConfig = RunConfig()
    embedded: EmbeddedConfig = EmbeddedConfig()
    vllm: VllmConfig = VllmConfig()
    training: Untracked[TrainingConfig] = TrainingConfig()
    rounds: Untracked[RoundsConfig] = RoundsConfig()
    prices: Untracked[dict[str, Price]] = Field(default_factory=dict)
    """Model as the recipe names it -> its price. Embedded models cost nothing; any other needs an entry when a budget in
    dollars is set, and has no cost in records without one."""

    @model_validator(mode="after")
    def _check_across_sections(self) -> "Recipe":
        for role in ("target", "judge"):
            if not getattr(self, role).model:
                raise ValueError(f"{role}.model is empty: set it to 'openai:NAME' or 'llamacpp:NAME'")
        if self.pair.chosen == "best" and self.sampling.num_candidates < 2:
            raise ValueError("sampling.num_candidates must be at least 2, or pair.chosen = 'reference'")
        self._check_judge()
        if AS_TARGET in (self.target.model, *(config.model for config in self.sampling.generators)):
            raise ValueError(f"target and sampling.generators: {AS_TARGET!r} is for roles that are the target: name a model")
        lowest = self.pair.rejected_rank or self.sampling.num_candidates
        if self.pair.chosen == "best" and self.pair.chosen_rank >= lowest:
            raise ValueError(
                f"pair.chosen_rank {self.pair.chosen_rank} must be above pair.rejected_rank {lowest} (1 is the best)"
            )
        if max(self.pair.chosen_rank, self.pair.rejected_rank) > self.sampling.num_candidates:
            raise ValueError(f"pair ranks must not exceed sampling.num_candidates = {self.sampling.num_candidates}")
        return self

    def _check_judge(self) -> None:
        if problem := self.judge.contradiction():
            raise ValueError(problem)
        if any(not member.model for member in (*self.judge.panel, *self.sampling.generators)):
            raise ValueError("judge.panel and sampling.generators: every entry needs a model")

    @property
    def rewrites(self) -> bool:
        """Whether a critique may lead to another round: responses that were there already are not sampled again."""
        return self.loop.feedback != "none" and self.loop.max_rounds > 0 and not self.sampling.existing

    def role(self, name: str) -> RoleConfig:
        """A role's configuration with a model that can be reached; see `_reach`."""
        config: RoleConfig = getattr(self, name)
        return self._reach(config)

    def members(self) -> dict[str, RoleConfig]:
        """Every model of the recipe: roles by name, the judge's panel by place and its stronger judge, generators by place."""
        found = {name: self.role(name) for name in ROLES}
        found |= {f"judge.panel.{i}": self._reach(config) for i, config in enumerate(self.judge.panel)}
        found |= {} if self.judge.escalate is None else {"judge.escalate": self._reach(self.judge.escalate)}
        return found | {f"sampling.generators.{i}": config for i, config in enumerate(self.sampling.generators)}

    def idle_judges(self) -> frozenset[str]:
        """The judge's models that are never asked, by name: where references judge every task, one may still choose tools."""
        if self.judge.method != "reference":
            return frozenset()
        chooses = self.tools.names and self.tools.choose != "always"
        return frozenset(name for name in self.members() if name.startswith("judge.") or (name == "judge" and not chooses))

    def _reach(self, config: RoleConfig) -> RoleConfig:
        """A role that has no model of its own, or is the target, with the connection of whom it borrows from.

        What it sets itself stays its own, and the name of a key is not borrowed for another endpoint.
        """
        if config.model not in ("", AS_TARGET):
            return config
        lender = self.target if config.model == AS_TARGET else self.role("judge")
        fields = type(config).model_fields
        keys = [key for key in CONNECTION if key != "api_key_env" or config.base_url in (None, lender.base_url)]
        unset = [key for key in keys if getattr(config, key) == fields[key].get_default(call_default_factory=True)]
        return config.model_copy(update={"model": lender.model, **{key: getattr(lender, key) for key in unset}})
