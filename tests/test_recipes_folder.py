"""Every shipped recipe loads, names what exists and stays runnable."""

import hashlib
import json
from pathlib import Path

import pytest

from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.backends.catalogue import find_entry
from anyprefer.config import ROLES
from anyprefer.data.tasks import check_tasks
from anyprefer.recipes import digest_of, load_recipe, tracked_values
from anyprefer.tools.registry import available_tools

RECIPES = sorted((Path(__file__).parents[1] / "recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recipe_is_whole(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name
    assert recipe.description
    assert recipe.tasks is not None
    assert check_tasks(recipe.tasks, None) > 0
    assert set(recipe.tools.options) <= set(recipe.tools.names) <= set(available_tools())
    assert load_prompts(recipe)
    for role in ROLES:
        provider, _, name = recipe.role(role).model.partition(":")
        assert provider != "llamacpp" or find_entry(name).chat


def test_there_are_recipes() -> None:
    assert {"quickstart", "gsm8k"} <= {path.stem for path in RECIPES}


def test_methods_differ_from_the_base_in_values_only() -> None:
    methods = {path.stem: load_recipe(path) for path in RECIPES if path.parent.name == "methods"}
    base = methods.pop("anyprefer")
    assert {"self_rewarding", "self_rewarding_reference", "meta_rewarding", "ultrafeedback"} <= set(methods)
    digests = {name: digest_of(recipe) for name, recipe in methods.items()}
    assert digests.pop("feedback_joint") == digest_of(base)
    assert len({*digests.values(), digest_of(base)}) == len(digests) + 1
    for name, recipe in methods.items():
        assert recipe.tasks == base.tasks
        assert recipe.target == base.target, name
        if "rewarding" in name:
            assert recipe.role("judge").model == recipe.target.model


ADDED_SINCE: frozenset[str] = frozenset()
"""Keys that are younger than the digests below."""

GONE_SINCE: dict[str, object] = {}
"""Keys that the digests below still have; the locks of that time are read without them."""


@pytest.mark.parametrize(
    ("name", "values", "with_prompts"),
    [
        (
            "gsm8k",
            "e3f4d4c13f9abe354451f8c133ef9fc6c883eae77fe8427d3f938755b2575339",
            "86e833cdbae22dedc888a2d3bb4d92fb98057e8ce294426f6bf7b91cebe1e406",
        ),
        (
            "quickstart",
            "6b31ac487274fa7c5aba504f1cebb3a789476c7f1e28b11e91da98d3134dadda",
            "4f24e19d09542a7efa77533446b1751dc499a97236b4d859a49551361c9e34a5",
        ),
    ],
)
def test_what_a_digest_covers_changes_only_on_purpose(name: str, values: str, with_prompts: str) -> None:
    """Run folders are compared by what their recipes say: a key or value that changes here shuts the folders made before."""
    recipe = load_recipe(next(path for path in RECIPES if path.stem == name))
    known = {**GONE_SINCE, **{key: value for key, value in tracked_values(recipe).items() if key not in ADDED_SINCE}}
    for extra, wanted in (({}, values), ({"prompts": prompt_hashes(load_prompts(recipe))}, with_prompts)):
        content = json.dumps({**known, **extra}, sort_keys=True, ensure_ascii=False)
        assert hashlib.sha256(content.encode()).hexdigest() == wanted
