"""What is asked of an endpoint before the first task: its list of models, and one small request as each role puts them."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from anyprefer.backends.asking import Ask
from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.logprobs import TOP
from anyprefer.backends.served import list_entries
from anyprefer.config import Recipe, RoleConfig
from anyprefer.errors import ModelUnavailableError
from anyprefer.redaction import quote
from anyprefer.types import Message

PROBE = (Message(role="system", content="Be brief."), Message(role="user", content="Say yes, as JSON where you can."))
"""What an endpoint is asked to see how it takes a request."""

PROBE_TOKENS = 16
"""Longest reply to it; some endpoints refuse less."""

PROBE_SCHEMA: dict[str, Any] = {
    "title": "Probe", "type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"],
    "additionalProperties": False,
}  # fmt: skip

_LIST_SECONDS = 10.0

_CONTEXT_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")
"""Names that servers have for a model's context: vLLM, OpenRouter, Groq, LM Studio, llama.cpp."""

_FULL_SCHEMAS = ("vllm", "llamacpp", "llama.cpp", "sglang")
"""Servers, as they call themselves, whose schemas may have lengths of texts."""


def probe_of(role: str, recipe: Recipe, config: RoleConfig) -> Ask:
    """A small request with every feature that a role's own have."""
    samples, schema, top = 1, PROBE_SCHEMA, 0
    if role == "target" or role.startswith("sampling.generators."):
        models = 1 + len(recipe.sampling.generators)
        samples, schema = -(-recipe.sampling.num_candidates // models), None  # type: ignore[assignment]  # free text
    elif role.startswith("judge"):
        samples = recipe.tools.samples if recipe.tools.names and recipe.tools.choose == "arguments" and role == "judge" else 1
        top = TOP if recipe.judge.expected_score else 0
    elif role == "critic":
        top = TOP if recipe.critic.method == "sides" and recipe.critic.expected_score else 0
    return Ask(
        PROBE, samples, schema, recipe.run.seed, config.temperature, config.top_p, min(PROBE_TOKENS, config.max_tokens), top,
        extra_body=config.extra_body,
    )  # fmt: skip


async def describe_endpoint(
    http: httpx2.AsyncClient, role: str, config: RoleConfig, base_url: str, key: str | None, known: Capabilities
) -> Capabilities:  # fmt: skip
    """What an endpoint's list of models says; any HTTP answer will do, since some servers have none.

    Raises:
        ModelUnavailableError: It does not answer.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        reply = await http.get(f"{base_url.rstrip('/')}/models", headers=headers, timeout=_LIST_SECONDS)
    except httpx2.HTTPError as error:
        what = f"endpoint {base_url!r} does not answer ({type(error).__name__}: {quote(str(error))})"
        found = ModelUnavailableError(f"{what}: start the server or correct {role}.base_url", "unreachable")
        found.cause = what
        raise found from error
    entry = _entry(list_entries(reply.content) or [], config.name_at_provider)
    changes: dict[str, Any] = {}
    if known.context_tokens is None and (context := _context(entry)):
        changes["context_tokens"] = context
    if str(entry.get("owned_by", "")).lower() in _FULL_SCHEMAS:
        changes["full_schemas"] = True
    return known.model_copy(update=changes)


def _entry(entries: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """What is said of a model; where but one is listed, it is that one under another name."""
    named = [entry for entry in entries if entry.get("id") == name]
    return next(iter(named or (entries if len(entries) == 1 else [])), {})


def _context(entry: Mapping[str, Any]) -> int | None:
    places = (entry, entry.get("meta"), entry.get("top_provider"))
    numbers = (place.get(key) for place in places if isinstance(place, Mapping) for key in _CONTEXT_KEYS)
    return next((number for number in numbers if isinstance(number, int) and number >= 256), None)
