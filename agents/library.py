"""The agents' prompt files: which exist, which placeholders each must have, and what a recipe overrides."""

from collections.abc import Mapping
from pathlib import Path

from anyprefer.config import ROLES, Recipe
from anyprefer.errors import ConfigError
from anyprefer.prompts import Prompt, load_prompt

FOLDER = Path(__file__).parent / "prompts"

_SCORE = frozenset({"field", "lowest", "highest", "analysis", "rules", "examples", "task", "knowledge", "responses"})

PLACEHOLDERS: dict[str, dict[str, frozenset[str]]] = {
    "target": {"sample": frozenset({"guidance", "system"})},
    "judge": {
        "choose_tools": frozenset({"field", "tools", "max_calls", "task", "responses"}),
        "fill_in_arguments": frozenset({"field", "tools", "task"}),
        "score": _SCORE | {"num_candidates"},
        "score_one": _SCORE,
        "answer": frozenset({"field", "task"}),
        "meta": frozenset({"task", "responses", "judgement_a", "judgement_b"}),
    },
    "aggregator": {"aggregate": frozenset({"field", "knowledge_chars", "task", "responses", "evidence", "history"})},
    "critic": {"critique": frozenset({"field", "examples", "task", "chosen", "rejected"})},
    "rewriter": {
        "rewrite_both": frozenset({"task", "critique", "outcome", "target_guidance", "judge_guidance"}),
        "rewrite_target": frozenset({"task", "critique", "outcome", "target_guidance"}),
        "rewrite_judge": frozenset({"task", "critique", "outcome", "judge_guidance"}),
    },
}
"""Role -> prompt name -> placeholders; the name is the file's stem and the key under `[ROLE.prompts]`."""


def load_prompts(recipe: Recipe) -> dict[str, Prompt]:
    """Load every prompt, taking the recipe's files where it names some.

    Raises:
        ConfigError: A file is missing or malformed, or the recipe overrides a prompt that does not exist.
    """
    prompts: dict[str, Prompt] = {}
    for role in ROLES:
        known, overrides = PLACEHOLDERS[role], recipe.role(role).prompts
        if unknown := sorted(set(overrides) - set(known)):
            raise ConfigError(f"{role}.prompts.{unknown[0]}: there is no such prompt; the {role} has {', '.join(known)}")
        for name, placeholders in known.items():
            prompts[name] = load_prompt(overrides.get(name, FOLDER / f"{name}.md"), placeholders)
    return prompts


def prompt_hashes(prompts: Mapping[str, Prompt]) -> dict[str, str]:
    """Name -> SHA-256, as every record keeps it."""
    return {name: prompt.sha256 for name, prompt in prompts.items()}
