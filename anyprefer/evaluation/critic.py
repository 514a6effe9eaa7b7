"""Measure a critic: how well its reward tells pairs of a right and a wrong response from pairs that teach nothing true.

The pairs are made of responses that are known to be right or wrong. What tools find is gathered once a problem, for all of its
responses, as in the loop; the critic then scores every pair. A response that stands in several pairs is graded once, where the
critic grades sides by themselves: the journal has the grade.
"""

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from anyprefer.agents.standing import Standings, find_standings
from anyprefer.agents.team import Team, build_team
from anyprefer.backends.calls import CallStore
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.errors import DataError, ModelError, ToolError
from anyprefer.evaluation.judging import Arm, arm_recipe
from anyprefer.evaluation.measuring import Meter, measure_all
from anyprefer.evaluation.pairs import LabelledTask, label_rows
from anyprefer.types import (
    Candidate,
    Critique,
    Evidence,
    Knowledge,
    Origin,
    PreferencePair,
    Reply,
    RoleUsage,
    Side,
    Task,
    same_output,
)

Kind = Literal["right/wrong", "flipped", "right/right", "wrong/wrong"]
KINDS: tuple[Kind, ...] = ("right/wrong", "flipped", "right/right", "wrong/wrong")
"""What the chosen and the rejected response of a pair are; only the first kind should be rewarded. "flipped" is wrong/right."""

CRITIC_ARMS: tuple[Arm, ...] = ("none", "tools")
"""Without findings, and with those of the recipe's tools."""


@dataclass(frozen=True)
class Problem:
    """A task with its responses, and the pairs that they make."""

    task: Task
    candidates: tuple[Candidate, ...]
    """All of them, in an order that does not tell which are right."""
    pairs: Mapping[Kind, PreferencePair]


@dataclass
class ProblemSet:
    """The problems of a file, and why other rows gave none."""

    problems: list[Problem] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    """A reason for each such row."""


@dataclass(frozen=True)
class Outcome:
    """What the critic said of one problem's pairs in one arm."""

    task_id: str
    critiques: Mapping[Kind, Critique] = field(default_factory=dict)
    error: str = ""
    """Why there are none."""

    def reward(self, kind: Kind) -> float | None:
        """Of the pair of this kind, where there is one."""
        found = self.critiques.get(kind)
        return None if found is None else found.score


@dataclass
class ArmResult:
    """All outcomes of one arm and what they cost."""

    arm: Arm
    outcomes: list[Outcome]
    usage: RoleUsage


def load_problems(path: Path, recipe: Recipe, limit: int | None = None) -> ProblemSet:
    """Read a labelled file, as `load_pairs` does, and make at most one pair of each kind out of a row.

    Args:
        path: The file.
        recipe: Its columns say how to read, its seed which responses are taken.
        limit: Most problems.

    Raises:
        DataError: The file cannot be read, a task has pictures, or no row makes a pair.
    """
    found = ProblemSet()
    for _, labelled in label_rows(path, columns=recipe.columns):
        if isinstance(labelled, LabelledTask) and (problem := make_problem(labelled, recipe.run.seed)).pairs:
            found.problems.append(problem)
        elif isinstance(labelled, LabelledTask):
            found.unused.append("only one response")
        else:
            found.unused.append(labelled or "no responses")
        if limit is not None and len(found.problems) >= limit:
            break
    if not found.problems:
        raise DataError(
            f"{str(path)!r} gives no pair ({len(found.unused)} rows, such as one with {next(iter(found.unused), 'nothing')!r}): "
            "give rows with chosen and rejected, with choices and answerKey, or with a reference and responses"
        )
    return found


def make_problem(labelled: LabelledTask, seed: int) -> Problem:
    """Draw the pairs; the same for the same seed and task."""
    rng = random.Random(f"{seed}\0{labelled.task.id}")  # noqa: S311 - a repeatable draw, not a secret
    right, wrong = (_different(rng.sample(texts, len(texts))) for texts in (labelled.right, labelled.wrong))
    texts = [*right, *wrong]
    rng.shuffle(texts)
    candidates = tuple(Candidate(index=i, output=Reply.of(text), round=0) for i, text in enumerate(texts))
    sides = {one.text: Side(origin=Origin(kind="given", candidate=one.index, round=0), output=one.output) for one in candidates}
    drawn: dict[Kind, Sequence[str]] = {"right/right": right[:2], "wrong/wrong": wrong[:2]}
    drawn |= {"right/wrong": [*right[:1], *wrong[:1]], "flipped": [*wrong[:1], *right[:1]]}
    pairs = {
        kind: PreferencePair(chosen=sides[drawn[kind][0]], rejected=sides[drawn[kind][1]])
        for kind in KINDS
        if len(drawn[kind]) == 2
    }
    return Problem(labelled.task, candidates, pairs)


def _different(texts: Sequence[str]) -> list[str]:
    """Texts without those that are equal to an earlier one, as outputs are."""
    found: list[str] = []
    for text in texts:
        if text.strip() and not any(same_output(Reply.of(text), Reply.of(other)) for other in found):
            found.append(text)
    return found


async def measure_critic(
    recipe: Recipe, problems: Sequence[Problem], arms: Sequence[Arm], calls: CallStore,
    progress: Callable[[Arm, int], None] = lambda arm, done: None,
) -> list[ArmResult]:  # fmt: skip
    """Have every pair scored in every arm, `recipe.run.concurrency` problems at a time.

    Raises:
        ConfigError: The recipe cannot work here.
        StopRunError: An endpoint is down.
    """
    recipes = {arm: arm_recipe(recipe, arm) for arm in arms}
    results = []
    async with Backends(recipe) as backends:
        for arm in arms:
            meter = Meter(calls)
            async with _arm_team(recipes[arm], backends, meter) as team:
                score = partial(_score_problem, team)
                outcomes = await measure_all(problems, score, recipe.run.concurrency, partial(progress, arm))
            results.append(ArmResult(arm, outcomes, meter.total))
    return results


@asynccontextmanager
async def _arm_team(recipe: Recipe, backends: Backends, calls: CallStore) -> AsyncIterator[Team]:
    team = build_team(recipe, backends, calls)
    try:
        yield team
    finally:
        await team.toolbox.aclose()


async def _score_problem(team: Team, problem: Problem) -> Outcome:
    """Gather findings once, then ask about one pair after the other, so that what they share is asked once."""
    try:
        evidence, knowledge, standings = await _find_out(team, problem)
        critiques: dict[Kind, Critique] = {}
        for kind, pair in problem.pairs.items():
            critiques[kind] = await team.critic.critique(
                problem.task, pair, 0, evidence=evidence, knowledge=knowledge, standings=standings
            )
    except (ModelError, DataError, ToolError) as error:
        return Outcome(problem.task.id, error=str(error))
    return Outcome(problem.task.id, critiques)


async def _find_out(team: Team, problem: Problem) -> tuple[tuple[Evidence, ...], Knowledge | None, Standings]:
    if not team.recipe.tools.names:
        return (), None, {}
    task, candidates = problem.task, problem.candidates
    calls = await team.chooser.choose_tools(task, candidates, 0)
    evidence = await team.toolbox.gather(calls, task, candidates, 0)
    knowledge = await team.aggregator.aggregate(task, candidates, evidence, None, 0)
    return evidence, knowledge, find_standings(candidates, evidence, (), team.verifiers)
