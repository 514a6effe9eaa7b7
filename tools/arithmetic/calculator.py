"""Check the arithmetic that a response states, exactly.

The tool reads every equation out of the response, computes both sides with fractions and reports the wrong ones with the right
value. A stated solution is put into the equations with that unknown which stand before it.
"""

import asyncio
from collections.abc import Iterable

from anyprefer.tools.arithmetic.equations import MAX_EQUATIONS, find_equations
from anyprefer.tools.arithmetic.judgement import Judgement, check_solutions, judge_equation, show
from anyprefer.tools.base import Case, NoOptions, Tool, ToolArgs
from anyprefer.types import Finding

MAX_CHARS = 100_000
"""Characters of a response that are read; far beyond any reply's token limit."""
MAX_LINES = 20
"""Sentences of one kind that are listed."""


class Calculator(Tool["Calculator.Args", NoOptions]):
    """A candidate tool that recomputes the equations of one response."""

    name = "calculator"
    description = "Recomputes every equation that a response states and reports the wrong ones; use it when responses calculate."
    scope = "candidate"

    class Args(ToolArgs):
        """The calculator needs no arguments: it reads the response."""

    async def run(self, args: Args, case: Case) -> Finding:
        """Report on the response's equations, computing in a thread."""
        return await asyncio.to_thread(check_arithmetic, case.response(self.name).text)


def check_arithmetic(text: str) -> Finding:
    """Report on the equations of a text: the wrong ones, the rounded ones, and how many are right.

    A wrong equation speaks against a response. Right ones do not speak for it, since a wrong approach calculates as well as a
    right one does; nor do they make votes, since the equations of a text hang together.
    """
    equations = list(find_equations(text[:MAX_CHARS]))
    judgements = [judge_equation(equation) for equation in equations if not equation.names]
    errors = _unique(
        [
            *(_describe_wrong(judgement) for judgement in judgements if judgement.status == "wrong"),
            *check_solutions([equation for equation in equations if equation.names]),
        ]
    )
    rounded = _unique(_describe_rounded(judgement) for judgement in judgements if judgement.status == "rounded")
    lines = [*_cut(errors), *_cut(rounded)]
    if right := len(_unique(item.equation.text for item in judgements if item.status not in ("wrong", "skipped"))):
        lines.append(f"{right} {'equation is' if right == 1 else 'equations are'} right.")
    lines = lines or ["no equation to check"]
    if len(text) > MAX_CHARS:
        lines.append(f"(only the first {MAX_CHARS:,} of {len(text):,} characters were read)")
    if len(equations) >= MAX_EQUATIONS:
        lines.append(f"(only the first {MAX_EQUATIONS} equations were read)")
    return Finding(content="\n".join(lines), supports=False if errors else None)


def _describe_wrong(judgement: Judgement) -> str:
    equation = judgement.equation
    if equation.left.is_calculation and equation.right.is_calculation:
        return f"{equation.text} is wrong: {show(judgement.left)} and {show(judgement.right)}"
    side, value = (equation.left, judgement.left) if equation.left.is_calculation else (equation.right, judgement.right)
    return f"{equation.text} is wrong: {side.text} = {show(value)}"


def _describe_rounded(judgement: Judgement) -> str:
    exact = judgement.left if judgement.equation.left.is_calculation else judgement.right
    return f"{judgement.equation.text} is right as rounded: {show(exact)}"


def _unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))


def _cut(lines: list[str]) -> list[str]:
    """At most `MAX_LINES`, and how many more there are."""
    more = [f"({len(lines) - MAX_LINES} more like these)"] if len(lines) > MAX_LINES else []
    return [*lines[:MAX_LINES], *more]
