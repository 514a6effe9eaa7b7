"""The nodes: each calls one agent and returns what changed."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from langgraph.errors import NodeError
from langgraph.types import Command, interrupt
from pydantic import ValidationError

from anyprefer.agents.judges.base import Material
from anyprefer.agents.outcome import best_of, form_pair, is_accepted, reasons_for_review
from anyprefer.agents.team import Team
from anyprefer.errors import DataError, ModelError, ToolError
from anyprefer.graph.state import SynthesisState
from anyprefer.types import Attempt, Critique, Failure, PreferencePair, Prompts, Review

Update = dict[str, Any]


@dataclass(frozen=True)
class Nodes:
    """The loop's nodes over one team."""

    team: Team

    async def sample_candidates(self, state: SynthesisState) -> Update:
        """Draw candidates under the current prompts and clear what the last round left."""
        task, prompts, round_ = state["task"], state.get("prompts", Prompts()), state.get("round", 0)
        candidates = await self.team.sampler.sample(task, prompts, round_)
        return {
            "candidates": candidates, "prompts": prompts, "round": round_, "tool_calls": (), "evidence": (), "knowledge": None,
            "verdicts": (), "pair": None, "no_contrast": "", "critique": None, "review": None, "record": None,
        }  # fmt: skip

    async def select_tools(self, state: SynthesisState) -> Update:
        """Let the judge choose tool calls."""
        return {"tool_calls": await self.team.chooser.choose_tools(state["task"], state["candidates"], state["round"])}

    async def gather_evidence(self, state: SynthesisState) -> Update:
        """Run the chosen calls side by side."""
        calls, task, candidates = state["tool_calls"], state["task"], state["candidates"]
        return {"evidence": await self.team.toolbox.gather(calls, task, candidates, state["round"])}

    async def aggregate_knowledge(self, state: SynthesisState) -> Update:
        """Distil the evidence, given the last round's scores."""
        previous = state["attempts"][-1] if state["attempts"] else None
        knowledge = await self.team.aggregator.aggregate(
            state["task"], state["candidates"], state["evidence"], previous, state["round"]
        )
        return {"knowledge": knowledge}

    async def score_candidates(self, state: SynthesisState) -> Update:
        """Let the judge score every candidate."""
        material = Material(
            task=state["task"], evidence=state["evidence"], knowledge=state["knowledge"], guidance=state["prompts"].judge,
            round=state["round"],
        )  # fmt: skip
        return {"verdicts": await self.team.judge.score(material, state["candidates"])}

    async def form_pair(self, state: SynthesisState) -> Update:
        """Pick the pair by rank, or note why there is none."""
        config, same = self.team.recipe.pair, self.team.application.same
        pair, why_not = form_pair(state["task"], state["candidates"], state["verdicts"], config, state["round"], same)
        return {"pair": pair, "no_contrast": why_not}

    async def critique_pair(self, state: SynthesisState) -> Update:
        """Let the reward critic score the pair, and close the attempt; no pair needs no opinion."""
        if state["pair"] is None:
            critique = Critique(analysis=state["no_contrast"])
        elif not self.team.recipe.critic.enabled:
            critique = Critique(analysis="the recipe asks no critic")
        else:
            critique = await self.team.critic.critique(state["task"], state["pair"], state["round"])
        return {"critique": critique, "attempts": [_attempt(state, critique)]}

    async def rewrite_prompts(self, state: SynthesisState) -> Update:
        """Turn the critique into the next round's prompts."""
        prompts = await self.team.rewriter.rewrite(state["task"], state["attempts"][-1])
        return {"prompts": prompts, "round": state["round"] + 1}

    async def review_pair(self, state: SynthesisState) -> Update:
        """Wait for a person; runs again from its start when the decision is there.

        The interrupt's value is a dict with `task_id`, `reasons`, `reward`, `chosen`, `rejected` and their scores; the graph
        resumes with a `Review` as a dict. One that does not fit is asked for again, with its `problem`.
        """
        attempt, recipe, task_id = state["attempts"][best_of(state["attempts"])], self.team.recipe, state["task"].id
        pair = cast(PreferencePair, attempt.pair)  # the route leads here with a pair alone
        reasons = reasons_for_review(recipe, task_id, attempt)
        request: dict[str, Any] = {
            "task_id": task_id, "reasons": reasons, "reward": attempt.reward, "chosen": pair.chosen.text,
            "rejected": pair.rejected.text, "chosen_score": pair.chosen.score, "rejected_score": pair.rejected.score,
        }  # fmt: skip
        while True:
            try:
                review = Review.model_validate(interrupt(request))
                review.apply(pair)
            except ValidationError as error:
                request = {**request, "problem": "; ".join(str(one["msg"]) for one in error.errors())}
            else:
                return {"review": review}

    async def record_preference(self, state: SynthesisState) -> Update:
        """Keep the accepted attempt, or the best one of an exhausted task; a reviewer has the last word."""
        attempts, review = state["attempts"], state.get("review")
        best = best_of(attempts)
        status = "accepted" if review or is_accepted(self.team.recipe, attempts[best]) else "exhausted"
        if review is not None and review.decision == "reject":
            status = "rejected"
        place = None if attempts[best].pair is None else best
        record = await self.team.record(state["task"], tuple(attempts), status=status, best_attempt=place, review=review)
        return {"record": record}

    async def record_failure(self, state: SynthesisState, error: NodeError) -> Command[Literal["__end__"]]:
        """Turn the failure of a model into a failed record; what stops the run, or is a fault of ours, goes up.

        Raises:
            BaseException: The node's own exception, where it does not concern this task alone.
        """
        if not isinstance(error.error, ModelError | DataError | ToolError):
            raise error.error
        failure = Failure(kind=type(error.error).__name__, message=str(error.error), node=error.node)
        attempts = tuple(state.get("attempts", ()))
        return Command(
            update={"record": await self.team.record(state["task"], attempts, status="failed", error=failure)}, goto="__end__"
        )


def _attempt(state: SynthesisState, critique: Critique) -> Attempt:
    parts = ("round", "prompts", "candidates", "tool_calls", "evidence", "knowledge", "verdicts", "pair")
    return Attempt(critique=critique, **{name: state[name] for name in parts})  # type: ignore[literal-required]
