"""The decisions of the loop, as pure functions of state and team."""

from dataclasses import dataclass
from typing import Literal

from anyprefer.agents.outcome import best_of, is_accepted, is_beyond_mending, reasons_for_review
from anyprefer.agents.pairing import findings_decide
from anyprefer.agents.team import Team
from anyprefer.graph.pool import pool_of, whole_candidates
from anyprefer.graph.state import SynthesisState


@dataclass(frozen=True)
class Routes:
    """Routing for one team."""

    team: Team

    def after_sample_candidates(self, state: SynthesisState) -> Literal["select_tools", "score_candidates", "form_pair"]:
        """Skip judging where nothing can be paired, and tools where there are none or the reference decides."""
        recipe = self.team.recipe
        if len(whole_candidates(self.team, state)) < (2 if recipe.pair.chosen == "best" else 1):
            return "form_pair"
        has_reference = recipe.judge.reference and state["task"].answer.strip() and recipe.judge.ask == "undecided"
        return "select_tools" if recipe.tools.names and not has_reference else "score_candidates"

    def after_gather_evidence(self, state: SynthesisState) -> Literal["aggregate_knowledge", "form_pair"]:
        """Ask no judge where findings decide the pair, or that there is none."""
        if self.team.recipe.judge.ask == "undecided" and findings_decide(pool_of(self.team, state), self.team.pair):
            return "form_pair"
        return "aggregate_knowledge"

    def after_critique_pair(self, state: SynthesisState) -> Literal["record_preference", "review_pair", "rewrite_prompts"]:
        """Accept, stop after the last round, or try again with better prompts; at the end a person may have to look."""
        recipe, attempts = self.team.recipe, state["attempts"]
        may_mend = not is_accepted(recipe, attempts[-1]) and not is_beyond_mending(attempts[-1])
        if may_mend and recipe.rewrites and state["round"] < recipe.loop.max_rounds:
            return "rewrite_prompts"
        best = attempts[best_of(attempts)]
        asked = reasons_for_review(recipe, state["task"].id, best, self.team.verifiers)
        return "review_pair" if asked else "record_preference"
