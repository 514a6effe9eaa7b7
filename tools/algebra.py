"""Check equations with variables, where that is safe without knowing what the author means.

Two checks: an equation of two polynomials may hold always, never or sometimes, which is a remark and no reproach; and a
stated solution must satisfy the equations with that one unknown which stand before it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anyprefer.tools.arithmetic import ArithmeticSyntaxError, Node, evaluate, names_of, operations_of
from anyprefer.tools.equations import Equation, is_cut_off, is_doubtful, show

MAX_HELD = 50
"""Equations that are checked as identities, and for each unknown."""

_HYPOTHETICAL = frozenset("if suppose try assume let when for at test where say choose set using with".split())


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark about an equation with variables."""

    text: str
    is_wrong: bool = False


@dataclass(frozen=True, slots=True)
class _Solution:
    """A value of the variable as the text states it: "x = 4"."""

    index: int
    quotation: str
    values: tuple[Any, ...]
    """Exact values; two where a percent sign may be a label."""
    margin: Any
    """Half a unit in the last decimal that is shown, 0 for integers and calculations."""


def check_identities(equations: Sequence[Equation]) -> Iterator[Finding]:
    """Yield a remark for each equation of two polynomials in the same variables."""
    for equation in equations[:MAX_HELD]:
        left, right = equation.left.node, equation.right.node
        is_comparable = names_of(left) == names_of(right) and operations_of(left) and operations_of(right)
        if equation.relation == "=" and is_comparable and not is_cut_off(equation) and not is_doubtful(equation):
            yield from _describe_identity(equation)


def _describe_identity(equation: Equation) -> Iterator[Finding]:
    """Yield when the sides agree; an ordinary linear equation, which one value solves, is not worth a remark."""
    difference = _difference(equation, 100)
    if difference is None:
        return
    variables = " and ".join(equation.names)
    if difference.is_zero:
        yield Finding(f"{equation.quotation} holds for every {variables}")
    elif difference.is_ground:
        gap = show(abs(difference.as_expr()))
        yield Finding(f"{equation.quotation} holds for no {variables}: the sides differ by {gap}")
    elif len(difference.terms()) == 1:
        yield Finding(f"{equation.quotation} is not an identity: it holds only where a variable is 0")
    elif difference.total_degree() > 1 or len(equation.names) > 1:
        yield Finding(f"{equation.quotation} is not an identity: it holds only for some {variables}")


def check_solutions(equations: Sequence[Equation]) -> Iterator[Finding]:
    """Yield, for each equation before a stated solution, whether the solution satisfies it.

    A variable with several stated values is left alone: the text solves a quadratic, tries values or has several problems.
    """
    for name in sorted({name for equation in equations for name in equation.names}):
        own = [(index, equation) for index, equation in enumerate(equations) if equation.names == (name,)]
        solutions = [solution for index, equation in own if (solution := _read_solution(index, equation)) is not None]
        if not solutions or any(not _agrees(solutions[0], other) for other in solutions):
            continue
        last = solutions[-1]
        for index, equation in own[:MAX_HELD]:
            is_claim = equation.relation == "=" and _stated_side(equation) is None
            if index < last.index and is_claim and not is_cut_off(equation) and not is_doubtful(equation):
                yield from _compare_solution(equation, name, solutions)


def _compare_solution(equation: Equation, name: str, solutions: Sequence[_Solution]) -> Iterator[Finding]:
    """Yield whether one of the stated forms of the solution satisfies the equation, rounding included."""
    differences = [difference for percent in (100, 1) if (difference := _difference(equation, percent)) is not None]
    if not differences:
        return
    for solution in solutions:
        if any(_satisfies(difference, equation, solution) for difference in differences):
            yield Finding(f"{solution.quotation} satisfies {equation.quotation}")
            return
    sides = [evaluate(side.node, (name,)).eval(solutions[-1].values[0]) for side in (equation.left, equation.right)]
    shown = f"the sides are {show(sides[0])} and {show(sides[1])}"
    yield Finding(f"{solutions[-1].quotation} does not satisfy {equation.quotation}: {shown}", is_wrong=True)


def _satisfies(difference: Any, equation: Equation, solution: _Solution) -> bool:
    """Whether the difference of the sides has a root within the solution's rounding."""
    tolerance = _tolerance(equation, solution)
    for value in solution.values:
        if abs(difference.eval(value)) <= tolerance:
            return True
        low, high = difference.eval(value - solution.margin), difference.eval(value + solution.margin)
        if solution.margin and low * high <= 0:
            return True
    return False


def _tolerance(equation: Equation, solution: _Solution) -> Any:
    """Half a per cent of the left side where the equation itself has decimals, which may be rounded; else 0."""
    spelt = equation.tokens[equation.left.start : equation.right.end]
    if not any(token.kind == "number" and "." in token.text for token in spelt):
        return 0
    return abs(evaluate(equation.left.node, equation.names).eval(solution.values[0])) / 200


def _difference(equation: Equation, percent: int) -> Any:
    """Left minus right as a polynomial, None where a side is none or exceeds a limit."""
    try:
        left, right = (evaluate(side.node, equation.names, percent) for side in (equation.left, equation.right))
    except ArithmeticSyntaxError:
        return None
    return left - right


def _stated_side(equation: Equation) -> Node | None:
    """The value's side of "x = 4" or "4 = x", None for any other equation."""
    left, right = equation.left.node, equation.right.node
    if left.op == "name" and not names_of(right):
        return right
    return left if right.op == "name" and not names_of(left) else None


def _read_solution(index: int, equation: Equation) -> _Solution | None:
    """Read "x = 4" as a solution unless the text only supposes it."""
    import sympy

    node = _stated_side(equation)
    if node is None or equation.relation not in ("=", "≈") or is_cut_off(equation):
        return None
    before = equation.tokens[max(0, equation.left.start - 2) : equation.left.start]
    if any(token.text.lower() in _HYPOTHETICAL for token in before):
        return None
    try:
        values = tuple(dict.fromkeys(evaluate(node, percent=percent) for percent in (100, 1)))
    except ArithmeticSyntaxError:
        return None
    decimals = len(node.text.partition(".")[2])
    is_rounded = node.op == "number" and (decimals > 0 or equation.relation == "≈")
    return _Solution(index, equation.quotation, values, sympy.Rational(1, 2 * 10**decimals) if is_rounded else 0)


def _agrees(first: _Solution, second: _Solution) -> bool:
    """Whether two statements of a solution name the same value, rounding apart."""
    return any(abs(a - b) * 200 <= abs(a) for a in first.values for b in second.values)
