"""The whole measurement of a critic: read the pairs, have them scored in every arm, report as tables and as JSON."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, cast

from pydantic import BaseModel

from anyprefer.config import Recipe
from anyprefer.errors import ConfigError
from anyprefer.evaluation.critic import CRITIC_ARMS, KINDS, ArmResult, Kind, Outcome, ProblemSet, load_problems, measure_critic
from anyprefer.evaluation.intervals import bootstrap_auc
from anyprefer.evaluation.judging import Arm, arm_recipe
from anyprefer.evaluation.measuring import Say, open_journal


class Separation(BaseModel):
    """How well rewards tell right/wrong pairs from those of another kind."""

    auc: float
    """The chance that a right/wrong pair has the higher reward, a tie counting half."""
    low: float
    high: float
    """Ends of the 95 % bootstrap interval over problems."""
    pairs: int
    """Pairs of the other kind."""


class CriticArm(BaseModel):
    """One arm's numbers."""

    arm: str
    against: dict[Kind, Separation]
    """Kind -> how right/wrong pairs are told from it; without kinds that no problem has."""
    rewards: dict[Kind, float]
    """Kind -> mean reward."""
    pairs: dict[Kind, int]
    """Kind -> scored pairs."""
    failed: int
    """Problems that an error ended; their pairs are left out."""
    calls: int
    tokens: int
    seconds: float
    """Sum of the calls' durations, shared calls included; wall time is shorter."""


class CriticReport(BaseModel):
    """The result of `anyprefer evaluate critic`."""

    recipe: str
    critic: str
    method: str
    data: str
    problems: int
    arms: list[CriticArm]
    unused: dict[str, int]
    """Reason -> rows that gave no pair."""
    outcomes: dict[str, list[dict[str, Any]]]
    """Arm -> one entry for each problem, for reading single cases."""

    def table(self) -> str:
        """The arms as Markdown: what is told apart, and what it costs."""
        head = ("arm", *(f"AUC against {kind}" for kind in KINDS[1:]), *(f"reward of {kind}" for kind in KINDS))
        rows = [
            (
                row.arm, *(_separation(row.against.get(kind)) for kind in KINDS[1:]),
                *(f"{row.rewards[kind]:.2f} (n = {row.pairs[kind]})" if kind in row.rewards else "-" for kind in KINDS),
                str(row.failed), str(row.calls), str(row.tokens), f"{row.seconds:.0f}",
            )
            for row in self.arms
        ]  # fmt: skip
        lines = [
            f"critic {self.critic}, method {self.method}, {self.problems} problems of {self.data}", "",
            *_markdown((*head, "failed", "calls", "tokens", "s"), rows),
        ]  # fmt: skip
        return "\n".join((*lines, *(f"not used: {number} x {reason}" for reason, number in self.unused.items())))


def _separation(found: Separation | None) -> str:
    return "-" if found is None else f"{found.auc:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


async def run_critic_evaluation(
    recipe: Recipe, data: Path, out: Path, arms: Sequence[str], limit: int | None, say: Say = lambda line: None
) -> CriticReport:
    """Measure a recipe's critic on a labelled file and write `report.json` into `out`; also one that the recipe leaves out.

    Raises:
        ConfigError: An arm does not exist, or the recipe cannot work in it.
        DataError: The file gives no pairs.
        StopRunError: An endpoint is down.
    """
    if unknown := [arm for arm in arms if arm not in CRITIC_ARMS]:
        raise ConfigError(f"there is no arm {unknown[0]!r}: choose from {', '.join(CRITIC_ARMS)}")
    chosen = cast("list[Arm]", list(dict.fromkeys(arms)))
    for arm in chosen:
        arm_recipe(recipe, arm)
    recipe = recipe.model_copy(update={"critic": recipe.critic.model_copy(update={"enabled": True})})
    found = load_problems(data, recipe, limit)
    journal = open_journal(out)
    try:
        results = await measure_critic(recipe, found.problems, chosen, journal, _progress(len(found.problems), say))
    finally:
        journal.close()
    report = summarize(recipe, data, found, results)
    (out / "report.json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
    return report


def _progress(number: int, say: Say) -> Callable[[Arm, int], None]:
    step = max(1, number // 20)
    return lambda arm, done: say(f"{arm}: {done} of {number} problems") if done % step == 0 else None


def summarize(recipe: Recipe, data: Path, found: ProblemSet, results: Sequence[ArmResult]) -> CriticReport:
    """Turn outcomes into areas with intervals."""
    return CriticReport(
        recipe=recipe.name, critic=recipe.role("critic").model, method=recipe.critic.method, data=data.name,
        problems=len(found.problems), arms=[_report_arm(result) for result in results],
        unused=dict(Counter(found.unused).most_common()),
        outcomes={result.arm: [_case(outcome) for outcome in result.outcomes] for result in results},
    )  # fmt: skip


def _case(outcome: Outcome) -> dict[str, Any]:
    said = {kind: critique.model_dump(mode="json") for kind, critique in outcome.critiques.items()}
    return {"task_id": outcome.task_id, "critiques": said, "error": outcome.error}


def _report_arm(result: ArmResult) -> CriticArm:
    usage, rewards, against = result.usage, {kind: _rewards(result, kind) for kind in KINDS}, {}
    for kind in KINDS[1:]:
        items = list(zip(rewards["right/wrong"], rewards[kind], strict=True))
        if area := bootstrap_auc(items):
            number = sum(map(len, rewards[kind]))
            against[kind] = Separation(auc=area.mean, low=area.low, high=area.high, pairs=number)
    flat = {kind: [value for values in found for value in values] for kind, found in rewards.items()}
    return CriticArm(
        arm=result.arm, against=against, rewards={kind: fmean(values) for kind, values in flat.items() if values},
        pairs={kind: len(values) for kind, values in flat.items()},
        failed=sum(bool(outcome.error) for outcome in result.outcomes),
        calls=usage.calls, tokens=usage.prompt_tokens + usage.completion_tokens, seconds=usage.seconds,
    )  # fmt: skip


def _rewards(result: ArmResult, kind: Kind) -> list[list[float]]:
    """Of each problem the reward of its pair of a kind; none where it has no such pair."""
    return [[reward] if (reward := outcome.reward(kind)) is not None else [] for outcome in result.outcomes]
