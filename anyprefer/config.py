"""Recipes: every knob of a run, its unit, its default and the reason for it.

A recipe is one TOML file. Values come from the defaults here, then the recipe, then `--set a.b=c`. Secrets never stand in a
recipe: it names the environment variable that holds them. `anyprefer.recipes` reads and locks recipe files.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from anyprefer.config_base import Section
from anyprefer.training_config import RoundsConfig, TrainingConfig

Feedback = Literal["joint", "independent", "target_only", "judge_only", "none"]


class RoleConfig(Section):
    """How one role reaches its model."""

    model: str = ""
    """`provider:name`: `openai:NAME` (any compatible endpoint), `llamacpp:NAME` (embedded) or `vllm:NAME` (a model, or the folder
    of an adapter). Empty: the judge's model."""
    base_url: str | None = None
    """Endpoint of an `openai:` or `vllm:` model, ending in `/v1`; None is OpenAI's own, or a vLLM server that is started here."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key of an `openai:` model; a loopback endpoint needs none."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """0 for every role that judges: a verdict should not depend on luck. The target has its own default."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Share of probability mass to sample from; 1 leaves the distribution as trained."""
    max_tokens: int = Field(default=1024, ge=1)
    """Tokens per reply. 1,024 holds analyses of five candidates at the default lengths."""
    timeout_seconds: float = Field(default=120.0, gt=0)
    """One request's limit; a request that hangs is cut and counts as unavailable."""
    max_retries: int = Field(default=8, ge=0)
    """Retries of one request on 429, 5xx, timeouts and lost connections, with exponential backoff, honouring Retry-After."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent as it is with every request, for server-specific options such as `top_k`."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Prompt name -> path of a Markdown file that replaces it, relative to the recipe."""


class TargetConfig(RoleConfig):
    """The model that is to be aligned."""

    temperature: float = Field(default=1.0, ge=0, le=2)
    """1: the pair should show what the target really says, so its own distribution is sampled."""
    request_n: bool = True
    """Ask for all samples in one request (`n`), which shares the prompt's prefill; false for servers that refuse `n`."""


class JudgeConfig(RoleConfig):
    """The model that chooses tools and scores candidates."""

    permutations: int = Field(default=1, ge=1, le=24)
    """Orderings of the candidates that are scored and averaged, against position bias. Each costs one call."""
    method: str = "listwise"
    """`listwise` scores all candidates in one reply (the paper's way); `pointwise` one at a time, with its evidence beside it:
    more calls, shorter prompts, and what small judges need. Further names are those of registered judges."""
    show_reasoning: bool = False
    """Show the judge what a target thought before its answer. Off: a verdict is about what the user gets."""
    expected_score: bool = False
    """Take the expected value over the score token's log-probabilities instead of the score that was written, where the server
    gives them. Breaks the ties of small judges; a large judge's written scores say as much."""
    analysis_chars: int = Field(default=400, ge=0)
    """Longest analysis per candidate in characters, 0 for none; small models need a small number to keep to the point."""
    self_reference: bool = False
    """Have the judge solve the task itself first, once, and compare against its own answer."""
    principles: tuple[str, ...] = ()
    """Rules that every judgement must apply, one sentence each."""
    aspects: dict[str, str] = Field(default_factory=dict)
    """Name -> what it means. Each aspect is judged alone and the scores are averaged (UltraFeedback's way); one call each."""
    panel: tuple[RoleConfig, ...] = ()
    """Further judge models that score as well; the mean counts, and each verdict keeps the single scores."""
    combine: Literal["mean", "meta"] = "mean"
    """How several judgements become one: their mean, or the one that the judge prefers when it compares them (Meta-Rewarding)."""
    reference: str | None = None
    """Score against the tasks' references and ask no model: `gsm8k`, `arc_easy`, `arc_challenge`, `exact`, or
    `module:function` of your own scorer (answer, task) -> 0 to 1. For tasks whose answers can be verified."""


class CriticConfig(RoleConfig):
    """The model that scores pairs."""

    enabled: bool = True
    """False accepts every pair as it is, one call less (the self-rewarding methods): the paper's loop needs the reward."""
    analysis_chars: int = Field(default=400, ge=40)
    """Longest analysis of each response in characters; a critique is also what the rewriter has to work with."""


class ReviewConfig(Section):
    """Which pairs a person looks at before they are recorded; such tasks wait until `anyprefer review`."""

    mode: Literal["none", "all", "uncertain", "sampled"] = "none"
    """No pair, every pair, those that judge or critic are unsure of, or a share drawn at random."""
    margin: float = Field(default=1.0, ge=0, le=9)
    """With `uncertain`: pairs whose margin is below this are looked at; one point of ten is what a judge's scores scatter by."""
    reward_band: float = Field(default=0.5, ge=0, le=9)
    """With `uncertain`: likewise pairs whose reward is this close to `loop.threshold`, on either side."""
    disagreement: bool = True
    """With `uncertain`: likewise pairs that single judgements rank in opposite ways."""
    share: float = Field(default=0.1, gt=0, le=1)
    """With `sampled`: share of the tasks; which ones depends on their ids and on `run.seed` alone."""


class SamplingConfig(Section):
    """How candidates are drawn."""

    num_candidates: int = Field(default=5, ge=1, le=26)
    """C in the paper (section 2.2), which fixes 5 to balance diversity and cost."""
    generators: tuple[RoleConfig, ...] = ()
    """Further models that answer beside the target, each an equal share of the candidates (UltraFeedback's way). Pairs are then
    no longer the target's own responses."""
    max_resamples: int = Field(default=3, ge=0)
    """Further requests for candidates that turned out empty or equal to another one."""


class ServerConfig(Section):
    """An MCP server, either a program that is started here (`command`) or an address (`url`)."""

    command: tuple[str, ...] = ()
    """Program and arguments of a server that speaks over its standard input and output."""
    env_from: tuple[str, ...] = ()
    """Names of environment variables that the program gets, besides PATH, HOME and the like."""
    cwd: str | None = None
    """Folder that the program starts in; None is the current one."""
    url: str | None = None
    """Address of a server that speaks streamable HTTP."""
    headers_env: dict[str, str] = Field(default_factory=dict)
    """HTTP header -> the environment variable that holds its value, so that no secret stands in a recipe."""
    connect_seconds: float = Field(default=20.0, gt=0)
    """Limit for starting, greeting and listing; interpreters with many packages take seconds to start."""
    call_seconds: float = Field(default=30.0, gt=0)
    """Limit of one call; `tools.timeout_seconds` holds as well."""

    @model_validator(mode="after")
    def _check_kind(self) -> "ServerConfig":
        if bool(self.command) == bool(self.url):
            raise ValueError("give either command, to start a server, or url, to reach one")
        if self.url and (self.env_from or self.cwd):
            raise ValueError("env_from and cwd are for a server with a command; a url takes headers_env")
        if self.command and self.headers_env:
            raise ValueError("headers_env is for a server with a url; a command takes env_from")
        if self.url and (not self.url.startswith(("http://", "https://")) or "@" in self.url.split("/")[2]):
            raise ValueError("url must begin with http:// or https:// and hold no credentials; use headers_env for those")
        return self


class ToolsConfig(Section):
    """Which tools the judge may use."""

    names: tuple[str, ...] = ()
    """Registered tools, `langchain:module:NAME` for any LangChain tool and `mcp:SERVER/TOOL` for a tool of a server below;
    empty scores without evidence (the self-rewarding methods). No tool of a server can be called that is not named here."""
    servers: dict[str, ServerConfig] = Field(default_factory=dict)
    """Name -> an MCP server, for `mcp:` tools."""
    choose: Literal["judge", "arguments", "always"] = "judge"
    """`judge` asks the judge which tools to call and why (the paper's way); `arguments` calls every tool and has the judge only
    fill in the arguments, which helps judges too small to choose; `always` calls every tool with its default arguments, which
    saves the judge's call."""
    samples: int = Field(default=1, ge=1, le=16)
    """How often the judge writes the arguments where `choose` is `arguments`: lists of all samples are joined, so that several
    programs vote on an answer. Above 1 they are sampled at `sample_temperature`."""
    sample_temperature: float = Field(default=0.7, ge=0, le=2)
    """Enough for programs to differ where the task is hard, not so much that they break."""
    max_calls: int = Field(default=4, ge=1, le=32)
    """Most tool calls the judge may choose in one round; a candidate-scoped tool counts once."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """Limit of one tool call; beyond it the evidence says that the tool timed out."""
    evidence_chars: int = Field(default=2000, ge=100)
    """Longest evidence of one call that enters a prompt; the rest is cut, with a mark."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Tool name -> its own options, checked by the tool. Paths are relative to the recipe."""


class AggregatorConfig(RoleConfig):
    """The model that distils evidence into knowledge."""

    enabled: bool = True
    """False hands the evidence to the judge as it is, one call less."""
    knowledge_chars: int = Field(default=1500, ge=50)
    """Longest knowledge text in characters."""


class PairConfig(Section):
    """Which two responses become the pair."""

    chosen: Literal["best", "reference"] = "best"
    """`reference` takes the task's reference answer as chosen (the paper's medical setting)."""
    chosen_rank: int = Field(default=1, ge=1)
    """Rank of the chosen candidate, 1 is the best."""
    rejected_rank: int = Field(default=0, ge=0)
    """Rank of the rejected candidate, 0 is the worst."""
    min_margin: float = Field(default=1.0, gt=0, le=9)
    """Least difference of the two scores. Below 1 the difference is within a judge's rounding."""
    allow_truncated: bool = False
    """Whether a response cut off by its length limit may be the chosen one; training on it teaches to stop half way."""


class LoopConfig(Section):
    """When a pair is good enough and what happens when it is not."""

    threshold: int = Field(default=7, ge=1, le=10)
    """Least reward for acceptance (tau in the paper's algorithm 1, which gives no number)."""
    max_rounds: int = Field(default=2, ge=0, le=20)
    """Rewrites of the prompts before the best attempt is kept as `exhausted`; 0 is a single pass."""
    feedback: Feedback = "joint"
    """Which prompts a critique may rewrite (paper: tables 5 and 9). `none` ends the task after one pass."""


class Price(Section):
    """What a model costs, in US dollars per million tokens."""

    prompt_usd: float = Field(ge=0)
    """Tokens sent."""
    completion_usd: float = Field(ge=0)
    """Tokens sampled."""


class RunConfig(Section):
    """How tasks are worked through."""

    concurrency: int = Field(default=8, ge=1)
    """Tasks in progress at once. More than `max_in_flight` calls keep an endpoint busy while some tasks wait to retry."""
    max_in_flight: int = Field(default=100, ge=1)
    """Most calls at once to one model; below it the limit adapts to 429s, 503s and time-outs. An embedded model has its slots."""
    outage_seconds: float = Field(default=120.0, gt=0)
    """How long a model may fail every call before the run stops, leaving unfinished tasks for a later session."""
    max_tries: int = Field(default=3, ge=1)
    """How often a task may bring down its worker, or the whole process, before it is recorded as failed."""
    durability: Literal["sync", "async", "exit"] = "exit"
    """When LangGraph writes checkpoints. Completed calls survive in the journal in every mode, so `exit` loses nothing to a
    crash: the task is worked through again from the journal. The others write ten times as much, and show tasks as they run."""
    keep_threads: bool = False
    """Keep the checkpoints of finished tasks, so that Studio can open and fork them. With `durability = "async"` that is
    every step, 150 KB a task; with "exit" the end alone."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Start of the seeds sent with requests. Servers that batch may still differ from run to run; the journal is what makes a
    resume exact."""
    max_failed_share: float = Field(default=0.1, ge=0, le=1)
    """Share of failed records above which the command ends with exit code 1."""


class EmbeddedConfig(Section):
    """The in-house llama.cpp server behind `llamacpp:` models."""

    threads: int = Field(default=0, ge=0)
    """Compute threads per server; 0 is one per core."""
    slots: int = Field(default=5, ge=1)
    """Sequences decoded together; 5 fits one request for five candidates."""
    context_tokens: int = Field(default=4096, ge=256)
    """Context of one slot in tokens, prompt and reply together."""


class VllmConfig(Section):
    """The vLLM servers behind `vllm:` models without a `base_url`."""

    arguments: tuple[str, ...] = ()
    """Handed to `vllm serve` as they are, such as `--gpu-memory-utilization 0.4` where two models share a GPU."""
    start_seconds: float = Field(default=900.0, gt=0)
    """How long a server may take to load its weights."""


class Recipe(Section):
    """A whole run: models, tools, loop and limits."""

    name: str
    """Short name, used in logs and dataset cards."""
    description: str = ""
    """One sentence for readers of the recipe and the dataset card."""
    application: str = "text"
    """Which kind of task this is: the name of a registered application, which reads, shows, compares and exports its outputs."""
    field: str = "general knowledge"
    """The expertise that the judge and the critic are asked to bring (paper: `task_field`)."""
    examples: str = ""
    """Worked examples for the judge, inserted verbatim; optional."""
    tasks: str | None = None
    """Default task file, relative to the recipe; `--tasks` overrides it."""
    target: TargetConfig
    judge: JudgeConfig
    critic: CriticConfig = CriticConfig()
    rewriter: RoleConfig = RoleConfig()
    aggregator: AggregatorConfig = AggregatorConfig()
    sampling: SamplingConfig = SamplingConfig()
    review: ReviewConfig = ReviewConfig()
    tools: ToolsConfig = ToolsConfig()
    pair: PairConfig = PairConfig()
    loop: LoopConfig = LoopConfig()
    run: RunConfig = RunConfig()
    embedded: EmbeddedConfig = EmbeddedConfig()
    vllm: VllmConfig = VllmConfig()
    training: TrainingConfig = TrainingConfig()
    rounds: RoundsConfig = RoundsConfig()
    prices: dict[str, Price] = Field(default_factory=dict)
    """Model as the recipe names it -> its price. Embedded models cost nothing; any other needs an entry when a budget in
    dollars is set, and has no cost in records without one."""

    @model_validator(mode="after")
    def _check_across_sections(self) -> "Recipe":
        for role in ("target", "judge"):
            if not getattr(self, role).model:
                raise ValueError(f"{role}.model is empty: set it to 'openai:NAME' or 'llamacpp:NAME'")
        if (
            self.target.model.startswith("llamacpp:")
            and self.target.request_n
            and self.sampling.num_candidates > self.embedded.slots
        ):
            raise ValueError(
                f"embedded.slots = {self.embedded.slots} must be at least sampling.num_candidates = "
                f"{self.sampling.num_candidates}: the embedded server refuses requests for more samples than it has slots"
            )
        if self.pair.chosen == "best" and self.sampling.num_candidates < 2:
            raise ValueError("sampling.num_candidates must be at least 2, or pair.chosen = 'reference'")
        if not self.critic.enabled and self.loop.feedback != "none":
            raise ValueError("critic.enabled = false leaves nothing to rewrite from: set loop.feedback = 'none'")
        self._check_judge()
        lowest = self.pair.rejected_rank or self.sampling.num_candidates
        if self.pair.chosen == "best" and self.pair.chosen_rank >= lowest:
            raise ValueError(
                f"pair.chosen_rank {self.pair.chosen_rank} must be above pair.rejected_rank {lowest} (1 is the best)"
            )
        if max(self.pair.chosen_rank, self.pair.rejected_rank) > self.sampling.num_candidates:
            raise ValueError(f"pair ranks must not exceed sampling.num_candidates = {self.sampling.num_candidates}")
        return self

    def _check_judge(self) -> None:
        judge = self.judge
        if judge.model.startswith("llamacpp:") and self.tools.samples > self.embedded.slots:
            raise ValueError(
                f"embedded.slots = {self.embedded.slots} must be at least tools.samples = {self.tools.samples}: the embedded "
                "server refuses requests for more samples than it has slots"
            )
        if judge.combine == "meta" and judge.permutations * (1 + len(judge.panel)) < 2:
            raise ValueError(
                "judge.combine = 'meta' compares judgements: set judge.permutations to 2 or more, or name a judge.panel"
            )
        if any(not member.model for member in (*judge.panel, *self.sampling.generators)):
            raise ValueError("judge.panel and sampling.generators: every entry needs a model")

    def role(self, name: str) -> RoleConfig:
        """The configuration of a role; a role without a model of its own borrows the judge's connection."""
        config: RoleConfig = getattr(self, name)
        if config.model:
            return config
        borrowed = ("model", "base_url", "api_key_env", "timeout_seconds", "max_retries", "extra_body")
        return config.model_copy(update={key: getattr(self.judge, key) for key in borrowed})

    def price(self, model: str) -> Price | None:
        """The price of a model; embedded ones are free, unknown ones None."""
        if model.startswith("llamacpp:"):
            return Price(prompt_usd=0.0, completion_usd=0.0)
        return self.prices.get(model)

    def members(self) -> dict[str, RoleConfig]:
        """Every model of the recipe: the roles by name, then the judge's panel and the further generators by their place."""
        found = {name: self.role(name) for name in ROLES}
        found |= {f"judge.panel.{i}": config for i, config in enumerate(self.judge.panel)}
        return found | {f"sampling.generators.{i}": config for i, config in enumerate(self.sampling.generators)}


ROLES = ("target", "judge", "aggregator", "critic", "rewriter")
"""Every role that calls a model, in the order of the loop."""

UNTRACKED = frozenset({
    "run.concurrency", "run.max_in_flight", "run.outage_seconds", "run.max_tries", "run.durability", "run.max_failed_share",
    "run.keep_threads", "tasks", "name", "description",
})  # fmt: skip
"""Keys that change how a run goes but not what it makes; a resume may change them."""

UNTRACKED_SECTIONS = frozenset({"prices", "review", "rounds", "training"})
"""Likewise, whole tables."""

UNTRACKED_ROLE_KEYS = frozenset({"timeout_seconds", "max_retries", "api_key_env"})
"""Likewise, in every role's section."""
