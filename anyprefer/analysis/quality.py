"""How good a random sample of the pairs is as training data, 1 to 10, in the eyes of a model (paper: section 3.7, figure 7b).

The critic of the loop is asked, in the way that its recipe says, without findings, since a dataset has none: is the chosen
response right, and is the rejected one not? A model other than the run's own judge should answer, or it agrees with itself.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from pydantic import ValidationError

from anyprefer.agents.critic import RewardCritic, build_critic
from anyprefer.agents.library import load_prompts
from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.findings import Finding, correlate_ranks
from anyprefer.backends.calls import CallStore
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.errors import ConfigError, ModelError
from anyprefer.evaluation.intervals import bootstrap
from anyprefer.types import Origin, PreferencePair, Reply, Side, Task

SAMPLE = 50
"""Pairs by default: a mean within about half a point, for fifty calls; the paper took 200."""
LOW = 5
"""A pair with a score up to this is worth a look."""
MAX_FAILED = 0.1
"""Share of failed requests above which the mean may be of the easy pairs only."""


class PairScore(Finding):
    """What the model says about one pair."""

    id: str
    """The pair's id."""
    score: float
    """1 (useless or harmful) to 10 (excellent)."""
    analysis: str
    """Its reasons."""
    reward: float | None
    """The run's own reward of the pair, where there is one."""


class QualitySample(Finding):
    """What `score_quality` found."""

    model: str
    """Who scored."""
    pairs: int
    """Pairs of the data."""
    sampled: int
    """Pairs drawn at random."""
    seed: int
    """Of the draw."""
    mean: float | None
    """Mean score, 1 to 10; None where every request failed."""
    low: float | None
    """Lower end of its 95 % bootstrap interval."""
    high: float | None
    """Upper end."""
    histogram: dict[int, int]
    """Score, rounded -> pairs; all ten."""
    scores: tuple[PairScore, ...]
    """Every scored pair, worst first."""
    failed: dict[str, str]
    """Pair id -> why it has no score: a reply that cannot be read is a failure, never a score."""
    reward_correlation: float | None
    """Rank correlation with the run's rewards, -1 to 1; None for fewer than three pairs that have both, or constant ones."""
    margin_correlation: float | None
    """Likewise with the margins."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """A low mean, bad pairs, failures."""
        found = []
        bad = [score.id for score in self.scores if score.score <= LOW]
        if self.mean is not None and len(bad) > 0.25 * len(self.scores):
            found.append(
                f"{len(bad)} of {len(self.scores)} sampled pairs score {LOW} or less ({', '.join(bad[:3])}; mean "
                f"{self.mean:.1f}): read their analyses, and raise loop.threshold or pair.min_margin"
            )
        if len(self.failed) > MAX_FAILED * self.sampled:
            found.append(
                f"{len(self.failed)} of {self.sampled} sampled pairs could not be scored ({next(iter(self.failed.values()))}): "
                "the mean is of the others only; use a model that keeps to the reply's schema"
            )
        return tuple(found)

    def line(self) -> str:
        """The mean for a person."""
        if self.mean is None:
            return f"no pair of {self.sampled} could be scored by {self.model}"
        span = f"{self.mean:.1f} [{self.low:.1f}, {self.high:.1f}] of 10"
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{span} by {self.model} ({len(self.scores)} of {self.pairs:,} pairs{failed})"


async def score_quality(data: Dataset, recipe: Recipe, calls: CallStore, *, sample: int = SAMPLE, seed: int = 0) -> QualitySample:
    """Have the recipe's critic score a random sample, `recipe.run.concurrency` pairs at a time.

    Args:
        data: The pairs.
        recipe: Its critic scores (the judge's model, unless `critic.model` names another).
        calls: Journal.
        sample: Pairs to draw; all where the data has fewer.
        seed: Of the draw.

    Raises:
        ConfigError: The sample is empty, or the recipe cannot work here.
        StopRunError: The endpoint is down.
    """
    if sample < 1:
        raise ConfigError(f"quality sample = {sample!r}: give the number of pairs to score, such as {SAMPLE}")
    rows = random.Random(seed).sample(range(len(data)), min(sample, len(data)))  # noqa: S311 - a repeatable draw, not a secret
    drawn = [data.pairs[row] for row in sorted(rows)]
    gate = asyncio.Semaphore(recipe.run.concurrency)

    async def ask(critic: RewardCritic, pair: TextPair) -> PairScore | str:
        async with gate:
            return await _score(critic, pair)

    async with Backends(recipe) as backends:
        critic = build_critic(
            config=recipe.critic, model=backends.client("critic", calls), prompts=load_prompts(recipe), field=recipe.field,
            examples=recipe.examples,
        )  # fmt: skip
        answers = await asyncio.gather(*(ask(critic, pair) for pair in drawn))
        return _report(critic.model.model_id, len(data), seed, drawn, answers)


def _side(index: int, text: str) -> Side:
    """A text of the data, as if it were a candidate: who wrote it is not known, and the critic is not told."""
    return Side(origin=Origin(kind="candidate", candidate=index, round=0), output=Reply.of(text))


async def _score(critic: RewardCritic, pair: TextPair) -> PairScore | str:
    """The score, or why there is none."""
    if pair.has_images:
        return "not sent: it has pictures, which no critic can be shown"
    try:
        task = Task(id=pair.id, prompt=pair.prompt)
        sides = PreferencePair(chosen=_side(0, pair.chosen), rejected=_side(1, pair.rejected))
    except ValidationError as error:
        return f"not sent: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
    try:
        critique = await critic.critique(task, sides, 0)
    except ModelError as error:
        return str(error)
    if critique.score is None:
        return "the reply has no score"
    return PairScore(id=pair.id, score=critique.score, analysis=critique.analysis, reward=pair.reward)


def _report(model: str, pairs: int, seed: int, drawn: Sequence[TextPair], answers: Sequence[PairScore | str]) -> QualitySample:
    scored = [(pair, answer) for pair, answer in zip(drawn, answers, strict=True) if isinstance(answer, PairScore)]
    values = [answer.score for _, answer in scored]
    interval, counts = bootstrap(values) if values else None, Counter(map(round, values))
    rewarded = [(pair.reward, answer.score) for pair, answer in scored if pair.reward is not None]
    margins = [(pair.margin, answer.score) for pair, answer in scored if pair.margin is not None]
    return QualitySample(
        model=model, pairs=pairs, sampled=len(drawn), seed=seed, mean=interval.mean if interval else None,
        low=interval.low if interval else None, high=interval.high if interval else None,
        histogram={score: counts[score] for score in range(1, 11)},
        scores=tuple(sorted((answer for _, answer in scored), key=lambda answer: answer.score)),
        failed={pair.id: answer for pair, answer in zip(drawn, answers, strict=True) if isinstance(answer, str)},
        reward_correlation=correlate_ranks([a for a, _ in rewarded], [float(b) for _, b in rewarded]),
        margin_correlation=correlate_ranks([a for a, _ in margins], [float(b) for _, b in margins]),
    )  # fmt: skip
