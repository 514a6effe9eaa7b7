"""Measure a judge: how often it prefers the right response, without help, with tools, with feedback, with both.

Paper: section 3.5 and figure 4. The candidates are given, so only the judge, its tools, the critic and the rewriter work. The
arms share one journal: what an arm has in common with another is paid for once, though each arm's cost counts all it needs.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from anyprefer.agents.pooling import evidence_behind
from anyprefer.agents.standing import find_standings
from anyprefer.agents.team import Team, build_team
from anyprefer.backends.calls import CallStore
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.errors import ConfigError
from anyprefer.evaluation.measuring import Meter, measure_all
from anyprefer.evaluation.pairs import LabelledPair
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.types import Attempt, Candidate, Evidence, Prompts, Reply, RoleUsage, Task, Verdict, disagree

Arm = Literal["none", "tools", "feedback", "both"]
ARMS: tuple[Arm, ...] = ("none", "tools", "feedback", "both")


@dataclass(frozen=True)
class Outcome:
    """How one pair was judged in one arm."""

    task_id: str
    margin: float | None
    """Score of the right response minus that of the wrong one, or, where findings decide, the same for their shares of the votes
    on a scale of 1 to 10; None where judging failed."""
    flipped: bool | None
    """Whether single judgements (orderings, panel members) disagree on the better response; None where there is but one."""
    rounds: int
    error: str = ""


@dataclass
class ArmResult:
    """All outcomes of one arm and what they cost."""

    arm: Arm
    outcomes: list[Outcome] = field(default_factory=list)
    usage: RoleUsage = field(default_factory=RoleUsage)

    def right(self) -> list[float]:
        """1 where the judge prefers the right response, 0 where it ties, errs or fails; in the order of the pairs."""
        return [float(outcome.margin is not None and outcome.margin > 0) for outcome in self.outcomes]


@dataclass(frozen=True)
class _GivenCandidates:
    """Stands where the target sampler stands: the responses of a labelled pair, in an order that the task's id decides."""

    pairs: dict[str, LabelledPair]

    async def sample(self, task: Task, prompts: Prompts, round_: int, earlier: Sequence[Candidate] = ()) -> tuple[Candidate, ...]:
        pair = self.pairs[task.id]
        texts = (pair.right, pair.wrong) if right_first(task.id) else (pair.wrong, pair.right)
        return () if earlier else tuple(Candidate(index=i, output=Reply.of(text), round=round_) for i, text in enumerate(texts))


def right_first(task_id: str) -> bool:
    """Whether the right response stands first: a coin toss that is the same in every run."""
    return hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 0


def arm_recipe(recipe: Recipe, arm: Arm) -> Recipe:
    """The recipe with tools and feedback as the arm has them.

    Raises:
        ConfigError: The arm needs tools or rounds and the recipe has none.
    """
    tools, feedback = arm in ("tools", "both"), arm in ("feedback", "both")
    if tools and not recipe.tools.names:
        raise ConfigError(f"arm {arm!r} needs tools: name some in tools.names, or leave the arm out")
    if feedback and recipe.loop.max_rounds == 0:
        raise ConfigError(f"arm {arm!r} needs rewrites: set loop.max_rounds to 1 or more, or leave the arm out")
    return recipe.model_copy(update={
        "tools": recipe.tools if tools else recipe.tools.model_copy(update={"names": (), "options": {}}),
        "loop": recipe.loop.model_copy(update={"feedback": "judge_only" if feedback else "none"}),
        "pair": type(recipe.pair)(min_margin=recipe.pair.min_margin, require="consistent"),
        "judge": recipe.judge.model_copy(update={"ask": "always"}),
        "sampling": recipe.sampling.model_copy(update={"num_candidates": 2}),
    })  # fmt: skip


async def measure_judge(
    recipe: Recipe,
    pairs: Sequence[LabelledPair],
    arms: Sequence[Arm],
    calls: CallStore,
    progress: Callable[[Arm, int], None] = lambda arm, done: None,
) -> list[ArmResult]:
    """Judge every pair in every arm, `recipe.run.concurrency` pairs at a time.

    Raises:
        ConfigError: The recipe cannot work here.
    """  # fmt: skip
    recipes = {arm: arm_recipe(recipe, arm) for arm in arms}
    results = []
    async with Backends(recipe) as backends:
        for arm in arms:
            result, meter = ArmResult(arm), Meter(calls)
            async with _arm_team(recipes[arm], backends, meter, pairs) as team:
                judge = partial(_judge_pair, team, feedback=arm in ("feedback", "both"))
                result.outcomes = await measure_all(pairs, judge, recipe.run.concurrency, partial(progress, arm))
            result.usage = meter.total
            results.append(result)
    return results


@asynccontextmanager
async def _arm_team(recipe: Recipe, backends: Backends, calls: CallStore, pairs: Sequence[LabelledPair]) -> AsyncIterator[Team]:
    team = build_team(recipe, backends, calls)
    try:
        yield replace(team, sampler=_GivenCandidates({pair.task.id: pair for pair in pairs}))
    finally:
        await team.toolbox.aclose()


async def _judge_pair(team: Team, pair: LabelledPair, *, feedback: bool) -> Outcome:
    """Run the loop on one pair; without feedback it may stop where the candidates are ranked, and the critic is never asked."""
    graph = build_graph(team).compile()
    config: Any = {"recursion_limit": recursion_limit(team.recipe)}
    state: dict[str, Any] = {"attempts": []}
    async for update in graph.astream({"task": pair.task}, config, stream_mode="updates"):
        for node, change in update.items():
            state |= change or {}
            if node == "form_pair" and not feedback:
                return _outcome(team, pair, state["evidence"], state["verdicts"], 0)
    record = state.get("record")
    if record is None or record.error is not None:
        return Outcome(pair.task.id, None, None, 0, record.error.message if record and record.error else "no record")
    attempt = record.best or max(record.attempts, key=_contrast)
    return _outcome(team, pair, evidence_behind(record.attempts, attempt), attempt.verdicts, len(record.attempts) - 1)


def _contrast(attempt: Attempt) -> float:
    """How far apart the scores are: where no round made a pair, the clearest judgement counts."""
    scores = [verdict.score for verdict in attempt.verdicts]
    return max(scores, default=0.0) - min(scores, default=0.0)


def _outcome(team: Team, pair: LabelledPair, evidence: Sequence[Evidence], verdicts: Sequence[Verdict], rounds: int) -> Outcome:
    """Order the two as the loop does: by what findings say, then by the scores."""
    right, wrong = (0, 1) if right_first(pair.task.id) else (1, 0)
    candidates = [Candidate(index=i, output=Reply.of("")) for i in range(2)]
    standings = find_standings(candidates, evidence, verdicts, team.verifiers)
    by_index = {verdict.candidate: verdict for verdict in verdicts}
    flipped = disagree(by_index[right], by_index[wrong]) if len(by_index) == 2 else None
    ranks = standings[right].rank, standings[wrong].rank
    if ranks[0] != ranks[1]:
        apart = max(1.0, 9 * abs(ranks[0][1] - ranks[1][1]))
        return Outcome(pair.task.id, apart if ranks[0] > ranks[1] else -apart, flipped, rounds)
    margin = by_index[right].score - by_index[wrong].score if len(by_index) == 2 else 0.0
    return Outcome(pair.task.id, margin, flipped, rounds)
