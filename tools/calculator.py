"""Check the arithmetic that a response states, exactly.

The tool reads every equation out of the response, computes both sides with rational numbers and reports the wrong ones with
the right value. Equations with variables are checked where that is safe: as identities, and by putting a stated solution
into an equation that stands before it.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import ClassVar

from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.algebra import Finding, check_identities, check_solutions
from anyprefer.tools.arithmetic import operations_of
from anyprefer.tools.base import Case, Scope, ToolArgs, ToolOptions
from anyprefer.tools.equations import MAX_EQUATIONS, Judgement, find_equations, judge_equation, show
from anyprefer.types import Task

MAX_CHARS = 100_000
"""Characters of a response that are read; far beyond any reply's token limit."""
MAX_LINES = 20
"""Findings of one kind that are listed."""


class Calculator:
    """A candidate tool that recomputes the equations of one response."""

    name: ClassVar[str] = "calculator"
    description: ClassVar[str] = (
        "Recomputes every equation that a response states and reports the wrong ones; use it when responses calculate."
    )
    scope: ClassVar[Scope] = "candidate"

    class Args(ToolArgs):
        """The calculator needs no arguments: it reads the response."""

    class Options(ToolOptions):
        """The calculator has no settings."""

    def __init__(self, options: ToolOptions) -> None:
        """Check that sympy is installed.

        Raises:
            ConfigError: sympy is missing.
        """
        try:
            import sympy  # noqa: F401
        except ImportError as error:
            raise ConfigError(f"the tool 'calculator' needs sympy ({error}): pip install 'anyprefer[tools]'") from error

    def default_args(self, task: Task) -> ToolArgs:
        """The only arguments there are."""
        return self.Args()

    async def run(self, args: ToolArgs, case: Case) -> str:
        """Report on the response's equations, computing in a thread.

        Raises:
            ToolError: There is no response to read.
        """
        if case.candidate is None:
            raise ToolError("the calculator reads a response and got none: call it once per candidate")
        return await asyncio.to_thread(check_arithmetic, case.candidate.text)

    async def aclose(self) -> None:
        """Nothing is held."""


def check_arithmetic(text: str) -> str:
    """Report on the equations of a text: the wrong ones, remarks, and how many are right."""
    equations = list(find_equations(text[:MAX_CHARS]))
    symbolic = [equation for equation in equations if equation.names]
    judgements = [judge_equation(equation) for equation in equations if not equation.names]
    lines = list(_report_lines(judgements, [*check_solutions(symbolic), *check_identities(symbolic)]))
    if len(text) > MAX_CHARS:
        lines.append(f"(only the first {MAX_CHARS:,} of {len(text):,} characters were read)")
    if len(equations) >= MAX_EQUATIONS:
        lines.append(f"(only the first {MAX_EQUATIONS} equations were read)")
    return "\n".join(lines)


def _report_lines(judgements: list[Judgement], findings: list[Finding]) -> Iterator[str]:
    """Yield the wrong equations first, then the remarks, then the count."""
    errors = [_describe_wrong(judgement) for judgement in judgements if judgement.status == "wrong"]
    remarks = [_describe_rounded(judgement) for judgement in judgements if judgement.status == "rounded"]
    errors = _unique([*errors, *(finding.text for finding in findings if finding.is_wrong)])
    remarks = _unique([*remarks, *(finding.text for finding in findings if not finding.is_wrong)])
    for lines in (errors, remarks):
        yield from lines[:MAX_LINES]
        if len(lines) > MAX_LINES:
            yield f"({len(lines) - MAX_LINES} more like these)"
    num_right = len(_unique(item.equation.quotation for item in judgements if item.status not in ("wrong", "skipped")))
    if num_right:
        yield f"{num_right} {'equation is' if num_right == 1 else 'equations are'} right."
    elif not errors and not remarks:
        yield "no equation to check"


def _describe_wrong(judgement: Judgement) -> str:
    equation = judgement.equation
    if operations_of(equation.left.node) and operations_of(equation.right.node):
        return f"{equation.quotation} is wrong: {show(judgement.left)} and {show(judgement.right)}"
    side = equation.left if operations_of(equation.left.node) else equation.right
    value = judgement.left if side is equation.left else judgement.right
    return f"{equation.quotation} is wrong: {equation.quote(side)} = {show(value)}"


def _describe_rounded(judgement: Judgement) -> str:
    exact = judgement.left if operations_of(judgement.equation.left.node) else judgement.right
    return f"{judgement.equation.quotation} is right as rounded: {show(exact)}"


def _unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
