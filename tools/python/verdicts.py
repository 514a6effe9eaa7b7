"""What the outcome of a program says about a response, in words and as a verdict.

Programs vote. One program that works out another answer may be wrong itself, so there is a result only where more than half of
all that were asked for print the same one; those that fail count, since an answer that most programs do not reach is known by
none. A response that states the result is supported, one that states another answer contradicted, and without a result nothing
is decided. A response without a final answer, or with one of another kind, gives nothing to vote on. Tests do not vote: one that
fails decides, and so does a limit that they run into. Code without tests is wrong where it raises an exception, and not where
the sandbox forbids what it does or cuts it short.
"""

import re
import signal
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from anyprefer.errors import ToolError
from anyprefer.tools.answers import answer_like, choice_of, same_answer
from anyprefer.tools.python.sandbox_process import Limits, Outcome
from anyprefer.tools.quoting import quote, quote_value
from anyprefer.types import Finding

_DENIED = re.compile(r"Errno (?:1|13|30|101)\]")
_DECIMAL = re.compile(r"(?<![\w.])-?[0-9]+\.[0-9]+(?![\w.])")
_FEWEST_PLACES, _MANY_PLACES = 2, 6
"""Of a rounded answer, as of money; and of a program's result that no one would write out."""
_UNCAUGHT = 1
"""Python's exit code after an exception; any other is the program's own."""


class Failure(NamedTuple):
    """Why a program failed."""

    text: str
    is_own: bool = True
    """Whether the program may be blamed; False where the sandbox forbids what it does or gives it no input."""


def compare_results(printed: Sequence[str], stated: str | None, count: int, prompt: str = "") -> Finding:
    """Compare what programs printed with a response's final answer; votes are the programs that agree with it.

    Args:
        printed: A result for each program that gave one, at least one.
        stated: The response's final answer; None where it states none.
        count: Programs that were run, those that gave no result included.
        prompt: The task, for the options that it may list: "12" and "B" are the same where B is 12.
    """
    groups = _group_results(printed, prompt)
    found = _describe_results(groups, count)
    if stated is None:
        return Finding(content=f"{found} This response states no final answer.")
    option, result = choice_of(stated, prompt), choice_of(groups[0][0], prompt)
    answer = answer_like(stated, result or groups[0][0]) if option is None else option if result else None
    said = f"{found} The final answer of this response is {quote(stated)}"
    if answer is None:
        return Finding(content=f"{said}, which cannot be compared with that.")
    votes = next((number for result, number in groups if _is_same(answer, _as_option(result, prompt))), 0)
    is_decided = 2 * groups[0][1] > count
    return Finding(
        content=f"{said}: {_describe_votes(votes, count)}.",
        supports=2 * votes > count if is_decided else None,
        votes=(votes, count),
    )


def judge_run(outcome: Outcome, limits: Limits, *, is_python: bool) -> Finding:
    """Report on code that ran without tests: that it runs does not make it right, an exception makes it wrong.

    Args:
        outcome: How it ended.
        limits: What it was allowed.
        is_python: Whether it is meant as Python; a block that does not say so may be a table or a sum.

    Raises:
        ToolError: It needs a module that is not installed.
    """
    failure, printed = describe_failure(outcome, limits), outcome.stdout.strip()
    if failure is not None:
        _refuse_missing_module(failure.text)
        is_wrong = is_python and failure.is_own and outcome.reason == "finished" and outcome.exit_code == _UNCAUGHT
        return Finding(content=f"This response's code fails: {failure.text}.", supports=False if is_wrong else None)
    return Finding(content=f"This response's code runs and prints {quote_value(printed) if printed else 'nothing'}.")


def judge_tests(outcome: Outcome, limits: Limits, marker: str) -> Finding:
    """Report on tested code; votes are the tests, where all pass.

    Args:
        outcome: How the harness ended.
        limits: What it was allowed.
        marker: What the line of the harness' verdict begins with.

    Raises:
        ToolError: The tests are not valid Python, or a module is not installed here.
    """
    lines = [line for line in outcome.stdout.split("\n") if line.startswith(f"{marker}\t")]
    if lines:
        return _read_verdict(lines[0].split("\t")[1:])
    failure = describe_failure(outcome, limits) or Failure("it ends the program before the tests are done")
    return _failed("fails the tests: ", failure)


def join_findings(findings: Sequence[Finding]) -> Finding:
    """Several findings about one response as one; where they contradict each other, it takes no side.

    Where any of them votes, each of the others that takes a side is one vote.
    """
    verdicts = {finding.supports for finding in findings} - {None}
    any_votes = any(finding.votes for finding in findings)
    votes = [
        finding.votes or (int(bool(finding.supports)), 1)
        for finding in findings
        if any_votes and (finding.votes or finding.supports is not None)
    ]
    return Finding(
        content=" ".join(finding.text for finding in findings),
        supports=verdicts.pop() if len(verdicts) == 1 else None,
        votes=(sum(k for k, _ in votes), sum(n for _, n in votes)) if votes else None,
    )


def describe_failure(outcome: Outcome, limits: Limits) -> Failure | None:
    """Why a program failed, in a few words; None where it did not."""
    if outcome.reason == "signal":
        names = {item.value: item.name for item in signal.Signals}
        return Failure(f"it was ended by {names.get(outcome.signal or 0, 'a signal')}")
    if outcome.reason != "finished":
        reached = {
            "timeout": f"it ran longer than {limits.wall_seconds:g} seconds",
            "cpu": f"it used more than {limits.cpu_seconds} seconds of processor time",
            "memory": f"it needed more than {limits.memory_mb} MB of memory",
            "output": f"it printed more than {limits.output_bytes // 4} characters",
        }
        return Failure(reached.get(outcome.reason, "it was stopped"))
    if outcome.exit_code == 0:
        return None
    last = outcome.stderr.rstrip().rpartition("\n")[2].strip()
    return _explain(quote(last)) if last else Failure(f"it ended with exit code {outcome.exit_code}")


def _group_results(printed: Sequence[str], prompt: str) -> list[tuple[str, int]]:
    """Each different result with the number of programs that print it, the most frequent first."""
    counts: dict[str, int] = {}
    for result in printed:
        alike = (other for other in counts if _is_same(_as_option(other, prompt), _as_option(result, prompt)))
        known = next(alike, result)
        counts[known] = counts.get(known, 0) + 1
    return sorted(counts.items(), key=lambda item: -item[1])


def _as_option(result: str, prompt: str) -> str:
    return choice_of(result, prompt) or result


def _is_same(first: str, second: str) -> bool:
    """Whether two answers are the same, or one is the other's long fraction, rounded to two places or more as people write it."""
    if same_answer(first, second):
        return True
    short, long = sorted((first, second), key=_num_places)
    places = _num_places(short)
    if places < _FEWEST_PLACES or _num_places(long) < _MANY_PLACES:
        return False
    return abs(Fraction(_decimal(short)) - Fraction(_decimal(long))) <= Fraction(1, 2 * 10**places)


def _decimal(answer: str) -> str:
    return found[0] if (found := _DECIMAL.search(answer.replace(",", ""))) else ""


def _num_places(answer: str) -> int:
    """Digits behind the point of a decimal; 0 of anything else."""
    return len(_decimal(answer).partition(".")[2])


def _describe_results(groups: Sequence[tuple[str, int]], count: int) -> str:
    if count == 1:
        return f"A program written for this task prints {quote_value(groups[0][0])}."
    (first, most), *rest = groups
    told = [f"{most} of {count} programs written for this task {'prints' if most == 1 else 'print'} {quote_value(first)}"]
    told += [f"{number} {'prints' if number == 1 else 'print'} {quote_value(result)}" for result, number in rest]
    failed = count - sum(number for _, number in groups)
    told += [f"{failed} {'gives' if failed == 1 else 'give'} no result"] * (failed > 0)
    return f"{', '.join(told)}."


def _describe_votes(votes: int, count: int) -> str:
    """In words that a judge who sees one response alone can place: how many agree, and whether that is many."""
    if votes in (0, count):
        return "they agree" if votes else "they differ"
    return f"most agree ({votes} of {count})" if 2 * votes > count else f"only {votes} of {count} agree"


def _read_verdict(verdict: list[str]) -> Finding:
    """Put the harness' verdict into words."""
    kind, *details = verdict
    if kind == "bad tests":
        raise ToolError(f"the tests are not valid Python: {quote(details[0])}")
    if kind in ("no code", "broken"):
        _refuse_missing_module(details[0])
        return _failed("fails before the first test: ", _explain(quote(details[0])))
    num_tests, num_failed = int(details[0]), int(details[1])
    if kind == "passed":
        content = f"This response's code passes {'the test' if num_tests == 1 else f'all {num_tests} tests'}."
        return Finding(content=content, supports=True, votes=(num_tests, num_tests)) if num_tests else Finding(content=content)
    _refuse_missing_module(details[3])
    count = f"fails {num_failed} of {max(num_tests, num_failed)} tests"
    return _failed(f"{count}; the first: {quote(details[2])} raises ", _explain(quote(details[3])))


def _failed(how: str, failure: Failure) -> Finding:
    return Finding(content=f"This response's code {how}{failure.text}.", supports=False if failure.is_own else None)


def _refuse_missing_module(failure: str) -> None:
    if failure.startswith("ModuleNotFoundError"):
        raise ToolError(f"this response's code cannot be checked here: {quote(failure)}")


def _explain(text: str) -> Failure:
    """Add what the sandbox has to do with a failure, so that it is not held against the code."""
    if _DENIED.search(text):
        return Failure(f"{text} (the sandbox has no network and only a scratch folder)", is_own=False)
    return Failure(f"{text} (no input was given)", is_own=False) if text.startswith("EOFError") else Failure(text)
