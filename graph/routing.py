"""The two decisions of the loop, as pure functions of state and recipe."""

from dataclasses import dataclass
from typing import Literal

from anyprefer.agents.outcome import best_of, is_accepted, reasons_for_review, whole_ones
from anyprefer.config import Recipe
from anyprefer.graph.state import SynthesisState


@dataclass(frozen=True)
class Routes:
    """Routing under one recipe."""

    recipe: Recipe

    def after_sample_candidates(self, state: SynthesisState) -> Literal["select_tools", "score_candidates", "form_pair"]:
        """Skip judging where nothing can be paired, and tools where the recipe has none."""
        pair = self.recipe.pair
        if len(whole_ones(state["candidates"], pair)) < (2 if pair.chosen == "best" else 1):
            return "form_pair"
        return "select_tools" if self.recipe.tools.names else "score_candidates"

    def after_critique_pair(self, state: SynthesisState) -> Literal["record_preference", "review_pair", "rewrite_prompts"]:
        """Accept, stop after the last round, or try again with better prompts; at the end a person may have to look."""
        loop, attempts = self.recipe.loop, state["attempts"]
        accepted = is_accepted(self.recipe, attempts[-1])
        if not accepted and self.recipe.rewrites and state["round"] < loop.max_rounds:
            return "rewrite_prompts"
        best = attempts[best_of(attempts)]
        return "review_pair" if reasons_for_review(self.recipe, state["task"].id, best) else "record_preference"
