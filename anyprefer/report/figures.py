"""The charts of a run's own numbers."""

from collections.abc import Iterator
from statistics import fmean

from anyprefer.charts.chart import Chart
from anyprefer.charts.drawing import Plan, bar_chart, histogram
from anyprefer.report.facts import RunFacts

SCORES = tuple(range(1, 11))
"""Bins of one point for scores from 1 to 10."""
MARGINS = tuple(range(10))


def round_charts(facts: RunFacts) -> Iterator[Chart]:
    """Acceptance and reward by round; none for a run without attempts."""
    rounds = dict(sorted(facts.rounds.items()))
    if not rounds:
        return
    labels = [f"round {number + 1}" for number in rounds]
    first = next(iter(rounds.values()))
    plan = Plan(
        "rounds", "Attempts by round", f"{first.accepted} of {first.attempts} attempts were accepted in the first round; the "
        "later rounds are those of the other tasks.", "Round", "Attempts",
    )  # fmt: skip
    parts = {
        "accepted": [one.accepted for one in rounds.values()],
        "below the threshold": [one.attempts - one.accepted - one.without_pair for one in rounds.values()],
        "without a pair": [one.without_pair for one in rounds.values()],
    }
    yield bar_chart(plan, labels, parts, stacked=True)
    rewards = {label: one.rewards for label, one in zip(labels, rounds.values(), strict=True) if one.rewards}
    if rewards:
        means = ", ".join(f"{fmean(values):.1f} in {label}" for label, values in rewards.items())
        plan = Plan(
            "rewards", "Reward by round", f"The mean reward is {means}.", "Reward of the pair", "% of the round's pairs", 1
        )
        yield histogram(plan, _around(range(1, 11)), rewards, share=True)


def score_charts(facts: RunFacts) -> Iterator[Chart]:
    """Scores of chosen, rejected and other responses, and margins; none for a run without pairs."""
    if not facts.margins:
        return
    means = f"The mean score is {fmean(facts.chosen):.1f} for chosen and {fmean(facts.rejected):.1f} for rejected responses."
    plan = Plan("scores", "Scores of responses", means, "Judge's score", "% of the responses", 1)
    groups = {"chosen": facts.chosen, "rejected": facts.rejected, "in no pair": facts.others}
    yield histogram(plan, SCORES, {name: values for name, values in groups.items() if values}, share=True)
    median = sorted(facts.margins)[len(facts.margins) // 2]
    plan = Plan("margins", "Margins of pairs", f"Half of the margins are below {median:.1f} points.", "Margin in points", "Pairs")
    yield histogram(plan, MARGINS, {"pairs": facts.margins})


def tool_charts(facts: RunFacts) -> Iterator[Chart]:
    """How scores went with what candidate tools found."""
    tools = {name: effect for name, effect in facts.tools.tools.items() if effect.by_leaning}
    if tools:
        plan = Plan(
            "leanings", "Score by what the tool found", "Mean score of the responses that a tool spoke for, against, or neither, "
            "read from its words.", "Tool", "Mean score", 2, top=10,
        )  # fmt: skip
        series = {
            f"finding {'is neutral' if side == 'neither' else f'speaks {side}'}": [
                effect.by_leaning[side].value if side in effect.by_leaning else None for effect in tools.values()
            ]
            for side in ("for", "neither", "against")
        }
        yield bar_chart(plan, list(tools), series)


def rewrite_charts(facts: RunFacts) -> Iterator[Chart]:
    """How the reward moved from a round to the next."""
    gains = facts.rewrites.gains
    if gains:
        rose, fell = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
        counts = f"Of {len(gains):,} rewrites {rose:,} raised the reward and {fell:,} lowered it"
        says = f"{counts}; the mean change is {fmean(gains):+.2f}."
        plan = Plan("gains", "Reward after a rewrite", says, "Reward after minus before (no pair counts as 0)", "Rewrites")
        yield histogram(plan, _around(range(round(min(gains)), round(max(gains)) + 1)), {"rewrites": gains})


def _around(numbers: range) -> list[float]:
    """Edges of bins around whole numbers."""
    return [number - 0.5 for number in (*numbers, numbers.stop)]
