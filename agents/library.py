"""The agents' prompt files: which exist, which placeholders each must have, and what a recipe overrides."""

from collections.abc import Mapping
from pathlib import Path

from anyprefer.agents.judges.base import PromptFile
from anyprefer.agents.judges.registry import find_judge
from anyprefer.config import ROLES, Recipe
from anyprefer.errors import ConfigError
from anyprefer.prompts import Prompt, load_prompt

FOLDER = Path(__file__).parent / "prompts"

_SCORE = frozenset({"field", "lowest", "highest", "analysis", "rules", "examples", "task", "knowledge", "responses"})

PLACEHOLDERS: dict[str, dict[str, frozenset[str]]] = {
    "target": {"sample": frozenset({"guidance", "system"})},
    "judge": {
        "choose_tools": frozenset({"field", "tools", "max_calls", "task", "responses", "guidance"}),
        "fill_in_arguments": frozenset({"field", "tools", "task", "guidance"}),
        "score": _SCORE | {"num_candidates"},
        "score_one": _SCORE,
        "rubric": frozenset({"field", "num_criteria", "rules", "task"}),
        "rule_on": frozenset({"field", "analysis", "rules", "examples", "task", "knowledge", "criteria", "responses"}),
        "answer": frozenset({"field", "task"}),
        "meta": frozenset({"task", "responses", "judgement_a", "judgement_b"}),
    },
    "aggregator": {
        "aggregate": frozenset({"field", "knowledge_chars", "task", "responses", "evidence", "history", "guidance"}),
    },
    "critic": {
        "critique_side": frozenset({"field", "lowest", "highest", "analysis", "task", "knowledge", "response"}),
        "critique": frozenset({"field", "analysis", "examples", "context", "task", "chosen", "rejected"}),
    },
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
        ConfigError: A file is missing or malformed, or the recipe overrides a prompt, or names a judge, that does not exist.
    """
    prompts: dict[str, Prompt] = {}
    for role in ROLES:
        known, overrides = known_prompts(recipe, role), recipe.role(role).prompts
        if unknown := sorted(set(overrides) - set(known)):
            raise ConfigError(f"{role}.prompts.{unknown[0]}: there is no such prompt; the {role} has {', '.join(known)}")
        for name, file in known.items():
            prompts[name] = load_prompt(overrides.get(name, file.path), file.placeholders)
    return prompts


def known_prompts(recipe: Recipe, role: str) -> dict[str, PromptFile]:
    """The prompts that a role has, by name; a judge of another package brings its own.

    Raises:
        ConfigError: There is no such judge, or its prompt has the name of another.
    """
    known = {name: PromptFile(FOLDER / f"{name}.md", placeholders) for name, placeholders in PLACEHOLDERS[role].items()}
    if role != "judge":
        return known
    built_in = {name for names in PLACEHOLDERS.values() for name in names}
    for key, method in recipe.judge.methods.items():
        brought: Mapping[str, PromptFile] = getattr(find_judge(method, key), "prompts", {})
        if taken := sorted(name for name, file in brought.items() if name in built_in or known.get(name, file) != file):
            raise ConfigError(f"{key} = {method!r} brings a prompt {taken[0]!r}, which there is already: rename it")
        known |= brought
    return known


def prompt_hashes(prompts: Mapping[str, Prompt]) -> dict[str, str]:
    """Name -> SHA-256, as every record keeps it."""
    return {name: prompt.sha256 for name, prompt in prompts.items()}
