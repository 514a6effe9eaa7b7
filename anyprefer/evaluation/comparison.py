"""Two models on the same items: the difference with its interval, and whether it could be luck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, exp, tanh

from anyprefer.errors import DataError
from anyprefer.evaluation.intervals import Interval, bootstrap


@dataclass(frozen=True)
class Comparison:
    """Model A against model B.

    Attributes:
        items: Items that both answered.
        first: Score of A.
        second: Score of B.
        difference: A minus B, paired.
        p_value: Exact McNemar test over items that one got right and the other wrong; None where scores are not 0 or 1.
        only_first: Items that A alone got right.
        only_second: Items that B alone got right.
    """

    items: int
    first: Interval
    second: Interval
    difference: Interval
    p_value: float | None
    only_first: int
    only_second: int

    def lines(self) -> list[str]:
        """For a person, in per cent."""
        test = "" if self.p_value is None else f", p = {self.p_value:.3g} (exact McNemar test)"
        return [
            f"{self.items} items: first {self.first}, second {self.second}",
            f"difference {self.difference}{test}; only the first right: {self.only_first}, only the second: {self.only_second}",
        ]


def compare(first: Mapping[str, float], second: Mapping[str, float]) -> Comparison:
    """Compare scores by item id.

    Raises:
        DataError: The two have no item in common.
    """
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise DataError("the two evaluations have no item in common: evaluate both models on the same file")
    a, b = [first[key] for key in shared], [second[key] for key in shared]
    binary = all(value in (0.0, 1.0) for value in (*a, *b))
    only_first = sum(x > y for x, y in zip(a, b, strict=True))
    only_second = sum(x < y for x, y in zip(a, b, strict=True))
    return Comparison(
        items=len(shared), first=bootstrap(a), second=bootstrap(b),
        difference=bootstrap([x - y for x, y in zip(a, b, strict=True)]),
        p_value=mcnemar(only_first, only_second) if binary else None, only_first=only_first, only_second=only_second,
    )  # fmt: skip


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact test that both kinds of disagreement are equally likely (McNemar, 1947)."""
    count = only_first + only_second
    tail = sum(comb(count, k) for k in range(min(only_first, only_second) + 1))
    return float(min(1.0, 2 * tail / 2**count))


@dataclass(frozen=True)
class WinRate:
    """A judge's preferences between two models.

    Attributes:
        plain: Share of wins of the first model, ties half.
        controlled: Likewise, had all answers had the same length; None where the fit does not settle.
        length_effect: Weight of the length difference in the fit; above 0 the judge likes longer answers.
    """

    plain: Interval
    controlled: float | None
    length_effect: float | None


def win_rate(preferences: Sequence[float], length_differences: Sequence[float]) -> WinRate:
    """Win rate with and without the influence of length.

    A logistic regression of the preference on the difference in length, as in length-controlled AlpacaEval (Dubois et al.,
    2024, eq. 1), without its term for the instruction's difficulty, which takes the outputs of many models.

    Args:
        preferences: 1 where the judge prefers the first model's answer, 0 the second's, 0.5 for a tie.
        length_differences: Characters of the first answer minus those of the second.
    """
    plain = bootstrap(preferences)
    mean_square = sum(value * value for value in length_differences) / len(length_differences)
    if mean_square == 0:
        return WinRate(plain, plain.mean, 0.0)
    features = [tanh(value / mean_square**0.5) for value in length_differences]
    fit = _fit_logistic(features, preferences)
    return WinRate(plain, None if fit is None else 1 / (1 + exp(-fit[0])), None if fit is None else fit[1])


def _fit_logistic(features: Sequence[float], targets: Sequence[float], ridge: float = 1e-3) -> tuple[float, float] | None:
    """Intercept and slope by Newton's method with a little ridge; None where it does not settle."""
    intercept = slope = 0.0
    for _ in range(100):
        gradient, curve = [-ridge * intercept, -ridge * slope], [ridge, 0.0, ridge]
        for x, y in zip(features, targets, strict=True):
            chance = 1 / (1 + exp(-max(-30.0, min(30.0, intercept + slope * x))))
            weight = chance * (1 - chance)
            gradient[0] += y - chance
            gradient[1] += (y - chance) * x
            curve[0] += weight
            curve[1] += weight * x
            curve[2] += weight * x * x
        determinant = curve[0] * curve[2] - curve[1] ** 2
        if determinant <= 0:
            return None
        step = (
            (curve[2] * gradient[0] - curve[1] * gradient[1]) / determinant,
            (curve[0] * gradient[1] - curve[1] * gradient[0]) / determinant,
        )
        intercept, slope = intercept + step[0], slope + step[1]
        if max(map(abs, step)) < 1e-10:
            return intercept, slope
    return None
