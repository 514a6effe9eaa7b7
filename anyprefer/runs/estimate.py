"""What a run will take, before it is paid for: from records that the folder has already, else from the recipe alone."""

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from anyprefer.agents.judges.base import JudgeSetup
from anyprefer.agents.judges.builder import build_judge
from anyprefer.agents.library import load_prompts
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends, check_models
from anyprefer.config import Recipe
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.summary import earlier_seconds
from anyprefer.tools.registry import ADAPTERS, load_tool_class
from anyprefer.types import RoleUsage

LEAST_SPREAD = 0.05
"""Half the width of every range, as a share of what is expected."""


class Estimate(BaseModel):
    """Expected totals of what is left to do; None where nothing is known."""

    model_config = ConfigDict(frozen=True)

    basis: int
    """Finished tasks that the figures come from; 0: the recipe alone."""
    tasks: int
    """Tasks that are left, or that the wanted number of accepted records will take."""
    enough_tasks: bool
    """Whether there are that many."""
    calls: tuple[float, float]
    """Fewest and most; without records the most that the recipe allows."""
    tokens: tuple[float, float] | None = None
    cost_usd: tuple[float, float] | None = None
    seconds: float | None = None
    acceptance: float | None = None
    """Accepted tasks over finished ones."""

    def lines(self) -> list[str]:
        """The estimate for a person."""
        basis = f"from {self.basis} finished tasks of this run" if self.basis else "from the recipe alone, nothing has run yet"
        lines = [f"{self.tasks} tasks to do ({basis})"]
        if not self.enough_tasks:
            lines.append("that is more than the task file has left: give more tasks")
        if self.acceptance is not None:
            lines.append(f"acceptance: {self.acceptance:.0%}")
        lines.append(f"calls: {_span(self.calls)}")
        if self.tokens is not None:
            lines.append(f"tokens: {_span(self.tokens)}")
        if self.cost_usd is not None:
            lines.append(f"cost: {self.cost_usd[0]:.2f} to {self.cost_usd[1]:.2f} USD")
        if self.seconds is not None:
            lines.append(f"time: about {self.seconds / 60:.0f} minutes at the pace so far")
        if not self.basis:
            lines.append("for tokens, cost and time, run a few tasks first: --dry-run --pilot 5 (their records are kept)")
        return lines


def estimate_run(recipe: Recipe, folder: Path, num_tasks: int, accept: int | None = None) -> Estimate:
    """Estimate what is left of a run.

    Args:
        recipe: Of the run.
        folder: The run folder; need not exist.
        num_tasks: Tasks in the task file, finished ones included.
        accept: Accepted records wanted in the end.
    """
    usages: list[RoleUsage] = []
    accepted = 0
    files = RunDir(folder)
    for record in RecordFile(files.records):
        usages.append(sum(record.usage.values(), RoleUsage()))
        accepted += record.status == "accepted"
    left = max(0, num_tasks - len(usages))
    acceptance = accepted / len(usages) if usages else None
    needed: float = left
    if accept is not None:
        missing = max(0, accept - accepted)
        needed = min(left, missing) if not acceptance else -(-missing // acceptance)
    tasks = int(needed)
    if not usages:
        low, high = calls_per_task(recipe)
        return Estimate(basis=0, tasks=tasks, enough_tasks=tasks <= left, calls=(tasks * low, tasks * high))
    costs = [usage.cost_usd for usage in usages]
    seconds = earlier_seconds(files.summary, files.live)
    return Estimate(
        basis=len(usages), tasks=tasks, enough_tasks=tasks <= left, acceptance=acceptance,
        calls=_total([usage.calls for usage in usages], tasks),
        tokens=_total([usage.prompt_tokens + usage.completion_tokens for usage in usages], tasks),
        cost_usd=None if None in costs else _total([cost for cost in costs if cost is not None], tasks),
        seconds=seconds / len(usages) * tasks if seconds else None,
    )  # fmt: skip


async def estimate_session(session: Session, pilot: int, progress: Progress, *, signals: bool = False) -> Estimate:
    """Estimate a session, after running `pilot` of its tasks where that is above 0; see `run_session`.

    Raises:
        ConfigError: The recipe's models cannot do what it asks of them.
        ModelError: An endpoint does not answer, or takes no request as this recipe puts it.
        StopRunError: An endpoint knows neither the key nor the model.
    """
    num_tasks = session.count_tasks()
    check_models(session.recipe)
    async with Backends(session.recipe, budget=session.budget) as backends:
        backends.known.remember(RunDir(session.out).capabilities)
        await backends.start(remote_only=True)
    if pilot:
        await run_session(replace(session, limit=min(pilot, num_tasks), accept=None), progress, signals=signals)
    return estimate_run(session.recipe, session.out, num_tasks, session.accept)


def calls_per_task(recipe: Recipe) -> tuple[int, int]:
    """Fewest and most model calls of one task: one round, or all rounds with a rewrite between them; repairs are not counted."""
    sampling, tools = recipe.sampling, recipe.tools
    rounds = 1 + recipe.loop.max_rounds if recipe.rewrites else 1
    fewest, most = map(sum, zip(_judging_calls(recipe, rounds), _critic_calls(recipe, rounds), strict=True))
    models = 1 + len(sampling.generators)
    drawing = sampling.num_candidates if "n" in recipe.target.omit else models
    drawing = 0 if sampling.existing else drawing
    choosing = int(bool(tools.names) and tools.choose != "always")
    one = drawing + choosing
    aggregating = int(bool(tools.names) and recipe.aggregator.enabled)
    rewrites = 2 if recipe.loop.feedback == "independent" else 1
    resamples = drawing * sampling.max_resamples
    return one + fewest, most + rounds * (one + aggregating + resamples) + (rounds - 1) * rewrites


def _judging_calls(recipe: Recipe, rounds: int) -> tuple[int, int]:
    """Fewest and most model calls for scores, as the recipe's own judge counts them.

    Later rounds score the responses of earlier ones again.
    """
    backends, calls = Backends(recipe), MemoryCalls()
    setup = JudgeSetup(
        model=backends.client("judge", calls), prompts=load_prompts(recipe), config=recipe.judge, field=recipe.field
    )
    judge = build_judge(setup, backends.panel(calls), backends.stronger_judge(calls))
    count = 2 if recipe.sampling.existing else recipe.sampling.num_candidates
    fewest = 0 if recipe.judge.ask == "undecided" and _may_be_decided(recipe) else judge.num_calls(count)[0]
    return fewest, sum(judge.num_calls(count * number)[1] for number in range(1, rounds + 1))


def _critic_calls(recipe: Recipe, rounds: int) -> tuple[int, int]:
    """Fewest and most model calls for rewards."""
    critic = recipe.critic
    if not critic.enabled or critic.method == "paper":
        return int(critic.enabled), rounds * int(critic.enabled)
    sides = 1 if recipe.pair.chosen == "reference" else 2  # a reference is not graded
    return 0 if critic.evidence_weight == 1 and _may_be_decided(recipe) else sides, rounds * sides


def _may_be_decided(recipe: Recipe) -> bool:
    """Whether findings, or a reference, may show which responses are right, so that no model is asked about them."""
    return bool(recipe.judge.reference) or (recipe.pair.require != "none" and any(map(_verifies, recipe.tools.names)))


def _verifies(name: str) -> bool:
    """Whether a tool can show a response to be right; those of other frameworks cannot."""
    return name.partition(":")[0] not in ADAPTERS and load_tool_class(name).verifies


def _total(values: list[float] | list[int], tasks: int) -> tuple[float, float]:
    """Where the sum over so many tasks will likely lie: two standard errors around the mean of those seen."""
    count = len(values)
    mean = sum(values) / count
    variance = sum((value - mean) ** 2 for value in values) / max(1, count - 1)
    # The mean's own uncertainty and the scatter of the tasks to come, but never less than the drift that any task file has.
    spread = max(2 * (variance / count * tasks**2 + variance * tasks) ** 0.5, LEAST_SPREAD * mean * tasks)
    return max(0.0, mean * tasks - spread), mean * tasks + spread


def _span(values: tuple[float, float]) -> str:
    return f"{values[0]:,.0f} to {values[1]:,.0f}"
