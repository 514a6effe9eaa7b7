"""Every shipped recipe loads, names what exists and stays runnable."""

from pathlib import Path

import pytest

from anyprefer.agents.library import load_prompts
from anyprefer.backends.catalogue import find_entry
from anyprefer.config import ROLES
from anyprefer.data.tasks import check_tasks
from anyprefer.recipes import load_recipe
from anyprefer.tools.registry import available_tools

RECIPES = sorted((Path(__file__).parents[1] / "recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_is_whole(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name
    assert recipe.description
    assert recipe.tasks is not None
    assert check_tasks(recipe.tasks, None) > 0
    assert set(recipe.tools.names) <= set(available_tools())
    assert load_prompts(recipe)
    for role in ROLES:
        provider, _, name = recipe.role(role).model.partition(":")
        assert provider != "llamacpp" or find_entry(name).chat


def test_there_are_recipes() -> None:
    assert {"quickstart", "gsm8k"} <= {path.stem for path in RECIPES}
