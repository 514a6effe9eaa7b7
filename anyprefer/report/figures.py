"""The charts of a run's own numbers."""

import math
from collections.abc import Iterator
from statistics import fmean

from anyprefer.charts.chart import Chart
from anyprefer.charts.drawing import Plan, bar_chart, histogram
from anyprefer.report.facts import RunFacts
from anyprefer.report.tool_effects import Leaning

SCORES = tuple(range(1, 11))
"""Bins of one point for scores from 1 to 10."""
MOST_MARGIN = 9
"""Points between the best and the worst score."""


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
    """Scores of chosen, rejected and other responses, and margins; none for a run without scored pairs."""
    groups = {name: values for name, values in (("chosen", facts.chosen), ("rejected", facts.rejected)) if values}
    if groups:
        means = " and ".join(f"{fmean(values):.1f} for {name}" for name, values in groups.items())
        unseen = f" Sides without a score, which no judge saw: {facts.unscored:,}." if facts.unscored else ""
        plan = Plan(
            "scores", "Scores of responses", f"The mean score is {means} responses.{unseen}", "Judge's score",
            "% of the responses", 1,
        )  # fmt: skip
        others = {"in no pair": facts.others} if facts.others else {}
        yield histogram(plan, SCORES, {**groups, **others}, share=True)
    if facts.margins:
        yield _margin_chart(facts)


def _margin_chart(facts: RunFacts) -> Chart:
    median = sorted(facts.margins)[len(facts.margins) // 2]
    below = sum(margin < 0 for margin in facts.margins)
    swapped = f" Below 0, where the chosen response has the lower score: {below:,}." if below else ""
    plan = Plan(
        "margins", "Margins of pairs", f"Half of the margins are below {median:.1f} points.{swapped}", "Margin in points", "Pairs"
    )
    return histogram(plan, range(min(0, math.floor(min(facts.margins))), MOST_MARGIN + 1), {"pairs": facts.margins})


def tool_charts(facts: RunFacts) -> Iterator[Chart]:
    """How scores went with what candidate tools found."""
    tools = {name: effect for name, effect in facts.tools.tools.items() if {"for", "against"} & effect.by_leaning.keys()}
    if tools:
        plan = Plan(
            "leanings", "Score by what the tool found", "Mean score of the responses that a tool spoke for, spoke against, or "
            "was silent on.", "Tool", "Mean score", 2, top=10,
        )  # fmt: skip
        names: dict[Leaning, str] = {
            "for": "finding speaks for",
            "silent": "finding is silent",
            "against": "finding speaks against",
        }
        series = {
            name: [effect.by_leaning[side].value if side in effect.by_leaning else None for effect in tools.values()]
            for side, name in names.items()
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
