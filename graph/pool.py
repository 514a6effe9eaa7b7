"""The candidates of a task over all its rounds, and how they stand."""

from collections.abc import Sequence

from anyprefer.agents.pairing import Pool, whole_ones
from anyprefer.agents.pooling import pool_evidence
from anyprefer.agents.standing import find_standings
from anyprefer.agents.team import Team
from anyprefer.graph.state import SynthesisState
from anyprefer.types import Candidate, Evidence, Verdict


def earlier_candidates(state: SynthesisState) -> tuple[Candidate, ...]:
    """Those of the rounds before the current one."""
    return tuple(candidate for attempt in state.get("attempts", ()) for candidate in attempt.candidates)


def all_candidates(state: SynthesisState) -> tuple[Candidate, ...]:
    """Those of all rounds, the current one included."""
    return (*earlier_candidates(state), *state["candidates"])


def whole_candidates(team: Team, state: SynthesisState) -> tuple[Candidate, ...]:
    """Those of all rounds that may stand in a pair: what is judged."""
    return whole_ones(all_candidates(state), team.pair)


def all_evidence(state: SynthesisState) -> tuple[Evidence, ...]:
    """What tools found about the task and the candidates in any round; see `pool_evidence`."""
    before = [attempt for attempt in state.get("attempts", ()) if attempt.round < state["round"]]
    return pool_evidence(before, state["evidence"])


def pool_of(team: Team, state: SynthesisState, verdicts: Sequence[Verdict] = ()) -> Pool:
    """The candidates with what is known about them.

    Args:
        team: Knows which tools verify, and when outputs are equal.
        state: Has the candidates and the findings.
        verdicts: The judge's, as far as there are any yet.
    """
    candidates = all_candidates(state)
    return Pool(
        task=state["task"],
        candidates=candidates,
        verdicts=verdicts,
        standings=find_standings(candidates, all_evidence(state), verdicts, team.verifiers),
        round=state["round"],
        same=team.application.same,
    )
