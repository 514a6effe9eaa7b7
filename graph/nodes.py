"""The nodes: each calls one agent and returns what changed."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Literal, cast

from langgraph.errors import NodeError
from langgraph.types import Command, interrupt
from pydantic import ValidationError

from anyprefer.agents.judges.base import Material
from anyprefer.agents.judges.criteria import frozen_rubric
from anyprefer.agents.outcome import best_of, best_pair_of, fall_short, is_accepted, reasons_for_review
from anyprefer.agents.pairing import form_pair
from anyprefer.agents.team import Team
from anyprefer.backends.troubles import failure_of
from anyprefer.errors import AnypreferError, DataError, ModelError, ToolError
from anyprefer.graph.pool import all_evidence, earlier_candidates, pool_of, whole_candidates
from anyprefer.graph.state import SynthesisState
from anyprefer.shortening import watch_cuts
from anyprefer.types import Attempt, Candidate, Critique, Cut, PreferencePair, Prompts, Review

Update = dict[str, Any]
Node = Callable[["Nodes", SynthesisState], Awaitable[Update]]


class NodeCrashedError(Exception):
    """Raised when a node ends in an error that nobody foresaw.

    Attributes:
        node: Its name.
        error: What it raised.
        attempts: What the task had come to.
    """

    def __init__(self, node: str, error: Exception, attempts: tuple[Attempt, ...]) -> None:
        super().__init__(f"{node}: {type(error).__name__}: {error}")
        self.node = node
        self.error = self.__cause__ = error
        self.attempts = attempts


def _noting_cuts(role: str) -> Callable[[Node], Node]:
    """Make a node add to the round's cuts what was shortened for its model."""

    def decorate(node: Node) -> Node:
        @wraps(node)
        async def work(self: "Nodes", state: SynthesisState) -> Update:
            with watch_cuts(role) as cuts:
                update = await node(self, state)
            return {**update, "cuts": _join_cuts(state, cuts)} if cuts else update

        return work

    return decorate


@dataclass(frozen=True)
class Nodes:
    """The loop's nodes over one team."""

    team: Team

    async def sample_candidates(self, state: SynthesisState) -> Update:
        """Draw candidates under the current prompts and clear what the last round left."""
        task, prompts, round_ = state["task"], state.get("prompts", Prompts()), state.get("round", 0)
        candidates = await self.team.sampler.sample(task, prompts, round_, earlier_candidates(state))
        return {
            "candidates": candidates, "prompts": prompts, "round": round_, "tool_calls": (), "evidence": (), "knowledge": None,
            "verdicts": (), "pair": None, "shortfall": None, "critique": None, "review": None, "failure": None,
            "record": None, "cuts": state.get("cuts", ()) if round_ else (),
        }  # fmt: skip

    @_noting_cuts("judge")
    async def select_tools(self, state: SynthesisState) -> Update:
        """Let the judge choose tool calls about the candidates of all rounds; what earlier rounds asked for still counts."""
        earlier = state["attempts"][-1].tool_calls if state["attempts"] else ()
        calls = await self.team.chooser.choose_tools(
            state["task"], self._whole(state), state["round"], guidance=state["prompts"].judge, earlier=earlier
        )
        return {"tool_calls": calls}

    @_noting_cuts("tools")
    async def gather_evidence(self, state: SynthesisState) -> Update:
        """Run the chosen calls side by side."""
        calls, task, candidates = state["tool_calls"], state["task"], self._whole(state)
        return {"evidence": await self.team.toolbox.gather(calls, task, candidates, state["round"])}

    @_noting_cuts("aggregator")
    async def aggregate_knowledge(self, state: SynthesisState) -> Update:
        """Distil the evidence of all rounds, given the last round's scores."""
        previous = state["attempts"][-1] if state["attempts"] else None
        knowledge = await self.team.aggregator.aggregate(
            state["task"], self._whole(state), all_evidence(state), previous, state["round"], guidance=state["prompts"].judge
        )
        return {"knowledge": knowledge}

    @_noting_cuts("judge")
    async def score_candidates(self, state: SynthesisState) -> Update:
        """Let the judge score every candidate that may stand in a pair."""
        material = Material(
            task=state["task"], evidence=all_evidence(state), knowledge=state["knowledge"], guidance=state["prompts"].judge,
            round=state["round"], rubric=frozen_rubric(state["attempts"]),
        )  # fmt: skip
        return {"verdicts": await self.team.judge.score(material, self._whole(state))}

    def _whole(self, state: SynthesisState) -> tuple[Candidate, ...]:
        return whole_candidates(self.team, state)

    async def form_pair(self, state: SynthesisState) -> Update:
        """Pick the pair by findings and rank, or note why there is none."""
        team, pool = self.team, pool_of(self.team, state, state["verdicts"])
        find_unseen = partial(
            team.find_unseen, state["task"], state.get("cuts", ()), evidence=all_evidence(state), knowledge=state["knowledge"],
            standings=pool.standings,
        )  # fmt: skip
        must_agree = team.recipe.judge.require_agreement is not None
        pair, shortfall = form_pair(pool, team.pair, find_unseen, must_agree=must_agree)
        return {"pair": pair, "shortfall": shortfall}

    async def critique_pair(self, state: SynthesisState) -> Update:
        """Let the reward critic score the pair, and close the attempt; no pair needs no opinion."""
        pair, why = state["pair"], state["shortfall"]
        with watch_cuts() as cuts:
            if pair is None:
                critique = Critique(analysis=why.text if why else "")
            elif not self.team.recipe.critic.enabled:
                critique = Critique(analysis="the recipe asks no critic")
            else:
                critique = await self.team.critic.critique(
                    state["task"], pair, state["round"], evidence=all_evidence(state), knowledge=state["knowledge"],
                    standings=pool_of(self.team, state, state["verdicts"]).standings,
                )  # fmt: skip
        attempt = _attempt(state, critique, cuts)
        shortfall = fall_short(self.team.recipe, attempt, why)
        return {"critique": critique, "attempts": [attempt.model_copy(update={"shortfall": shortfall})]}

    async def rewrite_prompts(self, state: SynthesisState) -> Update:
        """Turn the critique, and the findings of all rounds, into the next round's prompts.

        What was shortened for it belongs to that round.
        """
        with watch_cuts() as cuts:
            *before, last = state["attempts"]
            earlier = [candidate for attempt in before for candidate in attempt.candidates]
            known = last.model_copy(update={"evidence": all_evidence(state)})
            prompts = await self.team.rewriter.rewrite(state["task"], known, earlier=earlier)
        return {"prompts": prompts, "round": state["round"] + 1, "cuts": tuple(cuts)}

    async def review_pair(self, state: SynthesisState) -> Update:
        """Wait for a person; runs again from its start when the decision is there.

        The interrupt's value is a dict with `task_id`, `reasons`, `reward`, `chosen`, `rejected` and their scores; the graph
        resumes with a `Review` as a dict. One that does not fit is asked for again, with its `problem`.
        """
        attempt, recipe, task_id = state["attempts"][best_of(state["attempts"])], self.team.recipe, state["task"].id
        pair = cast(PreferencePair, attempt.pair)  # the route leads here with a pair alone
        reasons = reasons_for_review(recipe, task_id, attempt, self.team.verifiers)
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
        """Keep the accepted attempt, or the best one of a task that ended without; a reviewer has the last word."""
        attempts, review, failure = state.get("attempts", []), state.get("review"), state.get("failure")
        best = best_pair_of(attempts)
        status = "exhausted" if best is not None or failure is None else "failed"
        if review or (best is not None and is_accepted(self.team.recipe, attempts[best])):
            status = "rejected" if review and review.decision == "reject" else "accepted"
        record = await self.team.record(
            state["task"], tuple(attempts), status=status, best_attempt=best, review=review, error=failure
        )
        return {"record": record}

    async def record_failure(
        self, state: SynthesisState, error: NodeError
    ) -> Command[Literal["review_pair", "record_preference"]]:
        """End the task where a model failed, with the best pair made so far; what stops the run, or is a fault of ours, goes up.

        Raises:
            NodeCrashedError: An unexpected error, with the attempts made so far.
            BaseException: The node's own exception, where it does not concern this task alone.
        """
        left = _left_open(state)
        attempts = (*state.get("attempts", ()), *left)
        if not isinstance(error.error, ModelError | DataError | ToolError):
            if isinstance(error.error, AnypreferError) or not isinstance(error.error, Exception):
                raise error.error
            raise NodeCrashedError(error.node, error.error, attempts)
        failure = failure_of(error.error, error.node)
        best = best_pair_of(attempts)
        asked = best is not None and reasons_for_review(self.team.recipe, state["task"].id, attempts[best], self.team.verifiers)
        return Command(update={"attempts": left, "failure": failure}, goto="review_pair" if asked else "record_preference")


def _attempt(state: SynthesisState, critique: Critique, cuts: Iterable[Cut] = ()) -> Attempt:
    parts = ("round", "prompts", "candidates", "tool_calls", "evidence", "knowledge", "verdicts", "pair")
    return Attempt(
        critique=critique,
        cuts=_join_cuts(state, cuts),
        **{name: state[name] for name in parts},  # type: ignore[literal-required]
    )


def _join_cuts(state: SynthesisState, cuts: Iterable[Cut]) -> tuple[Cut, ...]:
    return tuple(dict.fromkeys((*state.get("cuts", ()), *cuts)))


def _left_open(state: SynthesisState) -> list[Attempt]:
    """The attempt of a pair that the critic could not score; none where no pair waits for its score."""
    if state.get("pair") is None or state["critique"] is not None:
        return []
    return [_attempt(state, Critique(analysis="The critic failed, so the pair has no reward."))]
