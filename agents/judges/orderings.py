"""Several orders of the candidates, against position bias."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from anyprefer.agents.judges.base import Judge, Judgement, Material, Wrapper, ask_all, merge_judgements, sort_verdicts
from anyprefer.errors import ConfigError
from anyprefer.types import Candidate


@dataclass(frozen=True)
class Orderings(Wrapper):
    """Shows the candidates in several orders and averages.

    Raises:
        ConfigError: The judge sees one candidate at a time, so that there is nothing to order.
    """

    count: int
    """At most so many orders; fewer where the candidates have no more."""

    def __post_init__(self) -> None:
        if not self.judge.compares:
            raise ConfigError(
                "judge.permutations orders responses that are shown together: set it to 1 or judge.method = 'listwise'"
            )

    def num_looks(self, num_candidates: int) -> int:
        """Those of every order."""
        return sum(voice.num_looks(num_candidates) for voice in self.voices(num_candidates))

    def voices(self, num_candidates: int) -> Sequence[Judge]:
        """The inner judge's, once for each order."""
        inner = self.judge.voices(num_candidates)
        return [InOrder(voice, tuple(order)) for order in orderings(num_candidates, self.count) for voice in inner]

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`; every verdict keeps the score of each order."""
        judgements = await ask_all(self.voices(len(candidates)), material, candidates)
        return merge_judgements(judgements, judgements)


@dataclass(frozen=True)
class InOrder(Wrapper):
    """Shows the candidates in one order."""

    order: tuple[int, ...]
    """The candidates' places, in the order shown."""

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`; the verdicts stand in the candidates' own order."""
        return sort_verdicts(await self.judge.score(material, [candidates[place] for place in self.order]), candidates)


def orderings(num_candidates: int, count: int) -> list[list[int]]:
    """Different orders of the candidates: as they are, reversed, then shuffles from a fixed seed.

    Returns:
        At most `count` permutations of `range(num_candidates)`, fewer where there are no more.
    """
    plain = list(range(num_candidates))
    orders = [plain]
    if count > 1 and num_candidates > 1:
        orders.append(plain[::-1])
    shuffler = random.Random(num_candidates)  # noqa: S311 - an ordering, not a secret
    for _ in range(200 * count):
        if len(orders) >= count:
            break
        order = shuffler.sample(plain, num_candidates)
        if order not in orders:
            orders.append(order)
    return orders[:count]
