"""Judge equations exactly, giving every doubt to their author.

A false alarm misleads the judge more than a miss does, so an equation counts as wrong only where no other reading makes it
right: rounding, a running total ("5 * 3 = 15 + 2 = 17"), a percent sign used as a label. Where the text around it casts
doubt (ranges, unit conversions, "3 + 4 is not = 8"), it is skipped.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from anyprefer.tools.arithmetic.equations import Equation
from anyprefer.tools.arithmetic.expressions import ComputeError, Expression

Status = Literal["right", "rounded", "running", "wrong", "skipped"]

_RELATIONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
    "≈": lambda left, right: abs(left - right) * 20 <= abs(left),
}  # fmt: skip
_HYPOTHESES = frozenset("if suppose try assume let when for at test where say choose set using with".split())


@dataclass(frozen=True, slots=True)
class Judgement:
    """What exact arithmetic says about an equation without variables."""

    equation: Equation
    status: Status
    """"rounded" and "running" are right in the way in which people write."""
    left: Fraction = Fraction(0)
    right: Fraction = Fraction(0)


def judge_equation(equation: Equation) -> Judgement:
    """Compare both sides exactly."""
    if equation.is_cut_off or not (equation.left.is_calculation or equation.right.is_calculation):
        return Judgement(equation, "skipped")
    try:
        lefts, rights = equation.left.values(), equation.right.values()
        return Judgement(equation, _compare(equation, lefts, rights), lefts[0], rights[0])
    except ComputeError:
        return Judgement(equation, "skipped")


def _compare(equation: Equation, lefts: list[Fraction], rights: list[Fraction]) -> Status:
    if any(_RELATIONS[equation.relation](left, right) for left in lefts for right in rights):
        return "right"
    if equation.relation in ("=", "≈"):
        if any(_is_rounding(equation, left, right) for left in lefts for right in rights):
            return "rounded"
        if _is_running_total(equation, lefts):
            return "running"
    return "skipped" if equation.is_doubtful else "wrong"


def _is_rounding(equation: Equation, left: Fraction, right: Fraction) -> bool:
    """Whether one side is the other, rounded or cut to the decimals that it shows, or both carry rounded numbers."""
    for side, stated, exact in ((equation.right, right, left), (equation.left, left, right)):
        if not side.is_calculation:
            return abs(stated - exact) < _last_place(side, stated)
    return equation.has_decimals and abs(left - right) * 500 <= abs(left)


def _last_place(side: Expression, value: Fraction) -> Fraction:
    """One unit in the last decimal of a lone number, a hundredth of it where the number is read as a percentage."""
    label = side.values()[-1]
    return Fraction(1, 10 ** len(side.numbers[0][0].partition(".")[2])) * (value / label if label else 1)


def _is_running_total(equation: Equation, lefts: list[Fraction]) -> bool:
    """Whether the right side begins with the left side's value, as in "5 * 3 = 15 + 2 = 17" or "= 15 - that is enough"."""
    lead = equation.right.code
    while equation.left.is_calculation and isinstance(lead, ast.BinOp):
        lead = lead.left
        value = equation.right.compute(lead)
        if any(abs(value - left) * 500 <= abs(left) for left in lefts):
            return True
    return False


def check_solutions(equations: Sequence[Equation]) -> Iterator[str]:
    """Yield a sentence for each equation that the solution stated behind it does not satisfy: "2x + 3 = 11, so x = 5".

    A variable with several stated values is left alone: the text solves a quadratic, tries values or has several problems.
    """
    for name in sorted({name for equation in equations for name in equation.names}):
        own = [equation for equation in equations if equation.names == {name} and not equation.is_cut_off]
        stated = [(index, value) for index, equation in enumerate(own) if (value := _read_solution(equation)) is not None]
        if len({value for _, value in stated}) == 1:
            last, value = stated[-1]
            for equation in own[:last]:
                if equation.relation == "=" and _stated_side(equation) is None:
                    yield from _try_solution(equation, own[last], value)


def _stated_side(equation: Equation) -> Expression | None:
    """The value's side of "x = 4" or "4 = x", None for any other equation."""
    for side, other in ((equation.left, equation.right), (equation.right, equation.left)):
        if isinstance(side.code, ast.Name) and side.names and not other.names:
            return other
    return None


def _read_solution(equation: Equation) -> Fraction | None:
    """The value of "x = 4" unless the text only supposes it."""
    side = _stated_side(equation)
    if side is None or equation.relation != "=" or not _HYPOTHESES.isdisjoint(equation.before.lower().split()[-2:]):
        return None
    try:
        return side.values()[0]
    except ComputeError:
        return None


def _try_solution(equation: Equation, solution: Equation, value: Fraction) -> Iterator[str]:
    """Yield where the sides differ, by more than half a per cent where decimals, which may be rounded, are in play."""
    try:
        lefts, rights = equation.left.values(value), equation.right.values(value)
    except ComputeError:
        return
    margin = Fraction(equation.has_decimals or solution.has_decimals, 200)
    if all(abs(left - right) > margin * abs(left) for left in lefts for right in rights) and not equation.is_doubtful:
        yield f"{solution.text} does not satisfy {equation.text}: the sides are {show(lefts[0])} and {show(rights[0])}"


def show(value: Fraction) -> str:
    """Write a number briefly: exactly where few digits do, else its first digits and dots."""
    if max(abs(value.numerator), value.denominator) >= 10**15:
        return f"about {Decimal(value.numerator) / Decimal(value.denominator):.6g}"
    if value.denominator == 1:
        return str(value)
    short = f"{float(value):.6f}".rstrip("0") if 10**6 % value.denominator == 0 else ""
    return short or f"{float(value):.6g}..."
