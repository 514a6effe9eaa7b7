"""Which model plays a role, how it is reached and what it costs."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from anyprefer.config.base import Section, Untracked


class ModelName(NamedTuple):
    """A model as a recipe names it: `provider:name`."""

    provider: str
    name: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


def split_model(model: str) -> ModelName | None:
    """Read `provider:name`; None where a part is missing."""
    provider, _, name = model.partition(":")
    return ModelName(provider, name) if provider and name else None


ReplyFormat = Literal["json_schema", "json_object", "text"]
"""How an endpoint is held to a schema: it enforces it, it enforces JSON, or the prompt asks for it."""

LengthField = Literal["max_completion_tokens", "max_tokens"]
"""What an endpoint calls the longest reply."""

OptionalField = Literal["temperature", "top_p", "seed", "n", "logprobs", "max_tokens"]
"""A field of a request that can be left out; the last stands for the longest reply, whatever the endpoint calls it."""


class RoleConfig(Section):
    """How one role reaches its model."""

    model: str = ""
    """`provider:name`: `openai:NAME` (any compatible endpoint), `chat:PROVIDER:NAME` (any chat model of LangChain),
    `llamacpp:NAME` (embedded) or `vllm:NAME` (a model, or the folder of an adapter). Empty: the judge's model. `target`: the
    target's model and how it is reached, in every round of training the one that samples (the self-rewarding methods)."""
    base_url: str | None = None
    """Endpoint of an `openai:` or `vllm:` model, ending in `/v1`; None is OpenAI's own, or a vLLM server that is started here."""
    api_key_env: Untracked[str] = "OPENAI_API_KEY"
    """Environment variable that holds the key of an `openai:` model; a loopback endpoint needs none. A `chat:` model's key is
    looked for where its provider does, unless this names another variable."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """0 for every role that judges: a verdict should not depend on luck. The target has its own default."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Share of probability mass to sample from; 1 leaves the distribution as trained."""
    max_tokens: int = Field(default=1024, ge=1)
    """Tokens per reply. 1,024 holds analyses of five candidates at the default lengths."""
    timeout_seconds: Untracked[float] = Field(default=120.0, gt=0)
    """One request's limit; a request that hangs is cut and counts as unavailable."""
    max_retries: Untracked[int] = Field(default=8, ge=0)
    """Retries of one request on 429, 5xx, timeouts and lost connections, with exponential backoff, honouring Retry-After."""
    reply_format: Untracked[Literal["auto", ReplyFormat]] = "auto"
    """How replies are held to their schema; `auto` takes the first of `json_schema`, `json_object` and `text` that the endpoint
    accepts. `text` puts the schema into the prompt."""
    omit: Untracked[tuple[OptionalField, ...]] = ()
    """Fields that are never sent. What an endpoint refuses is left out without being listed here. Without `n`, several samples
    are several requests."""
    system_role: Untracked[Literal["auto", "system", "user"]] = "auto"
    """Where system text goes: a message of its own, or the start of the first user message (`user`)."""
    length_field: Untracked[Literal["auto", LengthField]] = "auto"
    """What the endpoint calls `max_tokens`."""
    context_tokens: int | None = Field(default=None, ge=256)
    """Context of the model in tokens, prompt and reply together; None asks the endpoint. Long texts are shortened to fit."""
    requests_per_minute: Untracked[int | None] = Field(default=None, ge=1)
    """Most requests to the model in a minute, over all roles that use it; None is no limit."""
    tokens_per_minute: Untracked[int | None] = Field(default=None, ge=1)
    """Most tokens, prompt and reply, likewise."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent as it is with every request, for server-specific options such as `top_k`."""
    prompts: dict[str, Path] = Field(default_factory=dict)
    """Prompt name -> path of a Markdown file that replaces it, relative to the recipe."""

    @property
    def name_at_provider(self) -> str:
        """The part of `model` after the prefix; empty where there is none."""
        name = split_model(self.model)
        return name.name if name else ""


AS_TARGET = "target"
"""The `model` of a role that is the target."""

CONNECTION = (
    "model", "base_url", "api_key_env", "timeout_seconds", "max_retries", "extra_body", "reply_format", "omit", "system_role",
    "length_field", "context_tokens", "requests_per_minute", "tokens_per_minute",
)  # fmt: skip
"""What a role without a model of its own borrows, from the judge or from the target."""


class Price(Section):
    """What a model costs, in US dollars per million tokens."""

    prompt_usd: float = Field(ge=0)
    """Tokens sent."""
    completion_usd: float = Field(ge=0)
    """Tokens sampled."""


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
