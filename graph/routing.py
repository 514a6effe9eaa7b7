"""The two decisions of the loop, as pure functions of state and recipe."""

from dataclasses import dataclass
from typing import Literal

from anyprefer.config import Recipe
from anyprefer.graph.state import SynthesisState
from anyprefer.types import Attempt


def is_accepted(recipe: Recipe, attempt: Attempt) -> bool:
    """Whether an attempt made a pair and its reward reaches the threshold; without a critic every pair does."""
    return attempt.pair is not None and (not recipe.critic.enabled or attempt.reward >= recipe.loop.threshold)


@dataclass(frozen=True)
class Routes:
    """Routing under one recipe."""

    recipe: Recipe

    def after_sample_candidates(self, state: SynthesisState) -> Literal["select_tools", "score_candidates", "form_pair"]:
        """Skip judging where nothing can be ranked, and tools where the recipe has none."""
        if len(state["candidates"]) < 2 and self.recipe.pair.chosen == "best":
            return "form_pair"
        return "select_tools" if self.recipe.tools.names else "score_candidates"

    def after_critique_pair(self, state: SynthesisState) -> Literal["record_preference", "rewrite_prompts"]:
        """Accept, stop after the last round, or try again with better prompts."""
        loop = self.recipe.loop
        if is_accepted(self.recipe, state["attempts"][-1]) or loop.feedback == "none" or state["round"] >= loop.max_rounds:
            return "record_preference"
        return "rewrite_prompts"
