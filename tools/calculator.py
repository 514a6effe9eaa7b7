"""Check the arithmetic that a response states, exactly.

The tool reads every equation out of the response, computes both sides with rational numbers and reports the wrong ones with
the right value. Equations with variables are checked where that is safe: as identities, and by putting a stated solution
into an equation that stands before it.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.arithmetic import MAX_VARIABLES, ArithmeticSyntaxError, Node, evaluate, names_of, operations_of
from anyprefer.tools.base import Scope, ToolArgs, ToolOptions
from anyprefer.tools.equations import MAX_EQUATIONS, Equation, Judgement, find_equations, judge_equation
from anyprefer.types import Candidate, Task

MAX_CHARS = 100_000
"""Characters of a response that are read; far beyond any reply's token limit."""
MAX_LINES = 20
"""Findings of one kind that are listed."""
MAX_SOLVED = 50
"""Equations with one unknown that are held for the stated solutions."""

_HYPOTHETICAL = frozenset("if suppose try assume let when for at test where say choose set using with".split())


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

    async def run(self, args: ToolArgs, task: Task, candidate: Candidate | None) -> str:
        """Report on the response's equations, computing in a thread.

        Raises:
            ToolError: There is no response to read.
        """
        if candidate is None:
            raise ToolError("the calculator reads a response and got none: call it once per candidate")
        return await asyncio.to_thread(check_arithmetic, candidate.text)

    async def aclose(self) -> None:
        """Nothing is held."""


def check_arithmetic(text: str) -> str:
    """Report on the equations of a text.

    Example:
        check_arithmetic("3 * 7 = 22") == "wrong: 3 * 7 = 22 (3 * 7 = 21)\\n0 equations are right, 1 is wrong."
    """
    equations = list(find_equations(text[:MAX_CHARS]))
    judgements = [judge_equation(equation) for equation in equations if not equation.names]
    symbolic = [equation for equation in equations if equation.names]
    return "\n".join(_report_lines(judgements, [*_check_identities(symbolic), *_check_solutions(symbolic)], len(text)))


def _report_lines(judgements: list[Judgement], algebra: list["_Finding"], num_chars: int) -> Iterator[str]:
    """Yield wrong findings first, then rounded ones, then the count."""
    wrong = [_describe_wrong(judgement) for judgement in judgements if judgement.status == "wrong"]
    wrong = _unique([*wrong, *(finding.text for finding in algebra if finding.is_wrong)])
    rounded = [f"{_quote(item)} is rounded: the exact value is {show(item.value)}" for item in judgements if _needs_note(item)]
    notes = _unique([*rounded, *(finding.text for finding in algebra if not finding.is_wrong)])
    for lines in (wrong, notes):
        yield from lines[:MAX_LINES]
        if len(lines) > MAX_LINES:
            yield f"({len(lines) - MAX_LINES} more like these)"
    num_right = len(_unique(_quote(item) for item in judgements if item.status in ("right", "rounded", "running")))
    if num_right:
        yield f"{num_right} {'equation is' if num_right == 1 else 'equations are'} right."
    elif not wrong and not notes:
        yield "no equation to check"
    if num_chars > MAX_CHARS:
        yield f"(only the first {MAX_CHARS:,} of {num_chars:,} characters were read)"
    if len(judgements) >= MAX_EQUATIONS:
        yield f"(only the first {MAX_EQUATIONS} equations were read)"
