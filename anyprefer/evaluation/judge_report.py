"""The whole measurement of a judge: read or sample the pairs, judge them in every arm, report as a table and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import CallStore
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.errors import AnypreferError, ConfigError, DataError
from anyprefer.evaluation.intervals import bootstrap
from anyprefer.evaluation.judging import ARMS, Arm, ArmResult, arm_recipe, measure_judge
from anyprefer.evaluation.measuring import Say, open_journal
from anyprefer.evaluation.pairs import PairSet, load_pairs, save_pairs
from anyprefer.types import Prompts, Task


class ArmReport(BaseModel):
    """One arm's numbers; shares are of all pairs."""

    arm: str
    pairs: int
    accuracy: float
    low: float
    high: float
    """Ends of the 95 % bootstrap interval of the accuracy."""
    tie_rate: float
    failed: int
    flip_rate: float | None
    """Share of pairs on which single judgements disagree; None where there is one judgement for each pair."""
    mean_rounds: float
    calls: int
    tokens: int
    seconds: float
    """Sum of the calls' durations, shared calls included; wall time is shorter."""


class JudgeReport(BaseModel):
    """The result of `anyprefer evaluate judge`."""

    recipe: str
    judge: str
    data: str
    arms: list[ArmReport]
    gains: dict[str, tuple[float, float, float]]
    """Arm -> accuracy gained over `none`, pair by pair: mean, low, high."""
    unused: dict[str, int]
    """Reason -> rows that gave no pair."""
    outcomes: dict[str, list[dict[str, Any]]]
    """Arm -> one entry for each pair, for reading single cases."""

    def table(self) -> str:
        """The arms as Markdown."""
        lines = [
            f"judge {self.judge}, {self.arms[0].pairs} pairs of {self.data}", "",
            "| arm | accuracy % [95 % interval] | gain over none | ties % | flips % | failed | rounds | calls | tokens | s |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for row in self.arms:
            gain = self.gains.get(row.arm)
            cells = [
                row.arm, f"{100 * row.accuracy:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]",
                "" if gain is None else f"{100 * gain[0]:+.1f} [{100 * gain[1]:+.1f}, {100 * gain[2]:+.1f}]",
                f"{100 * row.tie_rate:.1f}", "-" if row.flip_rate is None else f"{100 * row.flip_rate:.1f}", str(row.failed),
                f"{row.mean_rounds:.2f}", str(row.calls), str(row.tokens), f"{row.seconds:.0f}",
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
        lines += [f"not used: {number} x {reason}" for reason, number in self.unused.items()]
        return "\n".join(lines)


async def run_evaluation(
    recipe: Recipe, data: Path, out: Path, arms: Sequence[str], limit: int | None, say: Say = lambda line: None
) -> JudgeReport:
    """Measure a recipe's judge on a file and write `pairs.jsonl` and `report.json` into `out`.

    Raises:
        ConfigError: An arm does not exist, or the recipe cannot work in it.
        DataError: The file gives no pairs.
    """
    if unknown := [arm for arm in arms if arm not in ARMS]:
        raise ConfigError(f"there is no arm {unknown[0]!r}: choose from {', '.join(ARMS)}")
    chosen = cast("list[Arm]", list(dict.fromkeys(arms)))
    for arm in chosen:
        arm_recipe(recipe, arm)
    found = load_pairs(data, limit, columns=recipe.columns)
    journal = open_journal(out)
    try:
        if found.unsampled and (limit is None or len(found.pairs) < limit):
            found = await _sample_missing(recipe, data, found, limit, journal, say)
        save_pairs(out / "pairs.jsonl", found.pairs)
        for reason, number in found.reasons().items():
            say(f"not used: {number} x {reason}")
        step = max(1, len(found.pairs) // 20)
        results = await measure_judge(
            recipe, found.pairs, chosen, journal,
            lambda arm, done: say(f"{arm}: {done} of {len(found.pairs)} pairs") if done % step == 0 else None,
        )  # fmt: skip
    finally:
        journal.close()
    report = summarize(recipe, data, found, results)
    (out / "report.json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
    return report


def summarize(recipe: Recipe, data: Path, found: PairSet, results: Sequence[ArmResult]) -> JudgeReport:
    """Turn outcomes into shares with intervals."""
    base = next((result.right() for result in results if result.arm == "none"), None)
    gains: dict[str, tuple[float, float, float]] = {}
    for result in results:
        if base is not None and result.arm != "none":
            gain = bootstrap([a - b for a, b in zip(result.right(), base, strict=True)])
            gains[result.arm] = (gain.mean, gain.low, gain.high)
    return JudgeReport(
        recipe=recipe.name, judge=recipe.role("judge").model, data=data.name, arms=[_report_arm(result) for result in results],
        gains=gains, unused=found.reasons(),
        outcomes={result.arm: [vars(outcome) for outcome in result.outcomes] for result in results},
    )  # fmt: skip


def _report_arm(result: ArmResult) -> ArmReport:
    outcomes, usage, share = result.outcomes, result.usage, bootstrap(result.right())
    flips = [outcome.flipped for outcome in outcomes if outcome.flipped is not None]
    return ArmReport(
        arm=result.arm, pairs=len(outcomes), accuracy=share.mean, low=share.low, high=share.high,
        tie_rate=sum(outcome.margin == 0 for outcome in outcomes) / len(outcomes),
        failed=sum(outcome.margin is None for outcome in outcomes),
        flip_rate=sum(flips) / len(flips) if flips else None,
        mean_rounds=sum(outcome.rounds for outcome in outcomes) / len(outcomes),
        calls=usage.calls, tokens=usage.prompt_tokens + usage.completion_tokens, seconds=usage.seconds,
    )  # fmt: skip


async def _sample_missing(recipe: Recipe, data: Path, found: PairSet, limit: int | None, calls: CallStore, say: Say) -> PairSet:
    """Let the recipe's target answer the tasks that have a reference but no responses, until there are enough pairs."""
    sampled: dict[str, list[str]] = {}
    async with Backends(recipe) as backends:
        team = build_team(recipe, backends, calls)
        try:
            for task in found.unsampled:
                sampled[task.id] = await _sample(team.sampler, task, say)
                now = load_pairs(data, limit, sampled, recipe.columns) if limit is not None else None
                if now is not None and len(now.pairs) >= (limit or 0):
                    break
        finally:
            await team.toolbox.aclose()
    done = load_pairs(data, limit, sampled, recipe.columns)
    if not done.pairs:
        raise DataError(
            f"no task of {str(data)!r} got both a right and a wrong response ({done.reasons()}): sample more with "
            "sampling.num_candidates, or give responses or chosen and rejected in the file"
        )
    return done


async def _sample(sampler: Any, task: Task, say: Say) -> list[str]:
    try:
        candidates = await sampler.sample(task, Prompts(), 0)
    except AnypreferError as error:
        say(f"task {task.id}: {error}")
        return []
    say(f"sampled {len(candidates)} responses to task {task.id}")
    return [candidate.text for candidate in candidates if candidate.is_whole()]
