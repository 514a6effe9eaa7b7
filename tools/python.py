"""Check a response by running Python: a program that works out the answer, or tests of the response's own code.

Both run in the sandbox of `sandbox`. A program is written by the judge and says what the answer is; it runs once, however many
responses are compared with it. Tests run in one process with the response's code, which gets neither the tests nor the marker
of the verdict before it is done; ending early, printing the verdict and replacing builtins do not pass. What remains forgeable
is what shares a process: code that searches the interpreter's frames or memory for the marker, objects that claim to equal
everything, a top-level name of the response that shadows a builtin which the tests call, and code that recognises test inputs.
"""

import ast
import asyncio
import re
import secrets
import signal
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from anyprefer.errors import ToolError
from anyprefer.tools.answers import final_answer, same_answer
from anyprefer.tools.base import Case, Example, Scope, ToolArgs, ToolOptions
from anyprefer.tools.sandbox import Sandbox
from anyprefer.tools.sandbox_process import Limits, Outcome
from anyprefer.types import Candidate, Task

MAX_CHARS = 100_000
"""Characters of a response that are read, from its end; far beyond any reply's token limit."""
MAX_PROGRAMS = 256
"""Results of programs that are kept for other responses."""
MAX_VOTES = 8
"""Programs of one call."""
MAX_QUOTE = 200
"""Characters of foreign text that one sentence of evidence quotes."""

_HARNESS = Path(__file__).with_name("python_harness.py")
_CODE_SIGN = re.compile(r"^(?:async def|def|class|import|from|for|while|print|assert)\b", re.MULTILINE)
_DENIED = re.compile(r"Errno (?:1|13|30|101)\]")


_Source = Annotated[str, Field(max_length=20_000)]


class PythonTool:
    """A candidate tool that runs a program of the judge, or the response's code with tests."""

    name: ClassVar[str] = "python"
    description: ClassVar[str] = (
        "Runs a program that works out the answer and compares it with the response's, or tests the response's Python code; "
        "use it when the answer can be computed or is code."
    )
    scope: ClassVar[Scope] = "candidate"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "A shop sells pens at $3 each. Tom buys 4 pens and pays with a $20 note. How much change does he get?",
            {
                "programs": ["price = 3\nnum_pens = 4\npaid = 20\ncost = price * num_pens\nchange = paid - cost\nprint(change)"],
                "tests": "",
            },
        ),
        Example(
            "A baker has 60 loaves. He sells half of them in the morning and 12 in the afternoon. Each loaf costs $2.50. "
            "How much money would the remaining loaves bring?",
            {
                "programs": [
                    "loaves = 60\nearly = loaves / 2\nlate = 12\nleft = loaves - early - late\nprice = 2.5\nprint(left * price)"
                ],
                "tests": "",
            },
        ),
    )

    class Args(ToolArgs):
        """What to run; with neither, the response's own code runs as it is."""

        programs: tuple[_Source, ...] = Field(default=(), max_length=MAX_VOTES)
        """Python programs that each work out the task's answer: a program puts the task's numbers into variables with telling
        names, computes step by step, one statement per line, and prints only the answer."""
        tests: _Source = ""
        """Assertions to run against the Python code in the response, one per line."""

    class Options(ToolOptions):
        """What a program may use before it is stopped."""

        cpu_seconds: int = Field(default=5, ge=1, le=600)
        """Processor seconds of one process; an answer that takes longer is searched for by brute force."""
        wall_seconds: float = Field(default=10.0, gt=0, le=600)
        """Seconds a run may take; below `tools.timeout_seconds`, so that the evidence names this limit."""
        memory_mb: int = Field(default=512, ge=64, le=65_536)
        """Memory of one process in MB; numpy and sympy fit in the default, torch does not."""
        max_output_chars: int = Field(default=10_000, ge=100, le=1_000_000)
        """Characters a program may print before it is stopped; an answer is short."""
        max_concurrent: int = Field(default=2, ge=1, le=64)
        """Programs that run at the same time; each may keep a core busy, and the models need the others."""

    def __init__(self, options: ToolOptions) -> None:
        """Find an isolation that holds, which takes a tenth of a second.

        Raises:
            ConfigError: This machine offers none; names the fix.
        """
        chosen = self.Options.model_validate(options.model_dump())
        self._limits = Limits(
            cpu_seconds=chosen.cpu_seconds,
            wall_seconds=chosen.wall_seconds,
            memory_mb=chosen.memory_mb,
            output_bytes=4 * chosen.max_output_chars,
        )
        self._sandbox = Sandbox(chosen.max_concurrent)
        self._programs: OrderedDict[str, asyncio.Task[Outcome]] = OrderedDict()

    def default_args(self, task: Task) -> ToolArgs:
        """No program and no tests: those of the task, or else the response's code as it is."""
        return self.Args()

    async def run(self, args: ToolArgs, case: Case) -> str:
        """Run what is to be run and report on it.

        Raises:
            ToolError: There is nothing to run, or the program or the tests are at fault, not the response.
        """
        if case.candidate is None:
            raise ToolError("the tool 'python' reads a response and got none: call it once per candidate")
        chosen = self.Args.model_validate(args.model_dump())
        tests = chosen.tests.strip() or _tests_of(case.task)
        sentences = []
        if programs := [program for program in chosen.programs if program.strip()]:
            sentences.append(await self._compare(programs, case.candidate))
        text = case.candidate.text[-MAX_CHARS:]
        if not sentences or (tests and extract_code(text)):
            sentences.append(await self._check_code(text, tests))
        return " ".join(sentences)

    async def aclose(self) -> None:
        """Stop the programs that still run."""
        running = list(self._programs.values())
        self._programs.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._sandbox.close()

    async def _compare(self, programs: Sequence[str], candidate: Candidate) -> str:
        """Compare what the programs print with the response's final answer.

        Raises:
            ToolError: Every program failed or printed nothing.
        """
        outcomes = await asyncio.gather(*(self._run_once(print_result(extract_code(text) or text)) for text in programs))
        printed = [result for outcome in outcomes if (result := self._result(outcome)) is not None]
        if not printed:
            failure = _describe_failure(outcomes[0], self._limits)
            raise ToolError(
                f"the program written for this task fails: {failure}"
                if failure
                else "the program written for this task prints nothing: it must print the answer"
            )
        is_complete = candidate.finish_reason != "length"
        stated = await asyncio.to_thread(final_answer, candidate.text[-MAX_CHARS:], is_complete=is_complete)
        found = _describe_results(printed)
        if stated is None:
            return f"{found} This response states no final answer."
        votes = sum(same_answer(stated, result) for result in printed)
        return f"{found} The final answer of this response is {_quote(stated)}: {_describe_votes(votes, len(printed))}."

    def _result(self, outcome: Outcome) -> str | None:
        """What a program printed last; None where it failed or printed nothing."""
        lines = [line.strip() for line in outcome.stdout.splitlines() if line.strip()]
        return None if _describe_failure(outcome, self._limits) or not lines else lines[-1]

    async def _run_once(self, program: str) -> Outcome:
        """Run a program, or share the run of the same text; one caller's end does not end it for the others."""
        if program not in self._programs:
            self._programs[program] = asyncio.create_task(self._sandbox.run_program(program, self._limits))
            if len(self._programs) > MAX_PROGRAMS:
                self._programs.popitem(last=False)
        task = self._programs[program]
        try:
            return await asyncio.shield(task)
        except ToolError:  # the sandbox failed, not the program: another try may succeed
            self._programs.pop(program, None)
            raise

    async def _check_code(self, text: str, tests: str) -> str:
        """Run the response's code, with tests or as it is.

        Raises:
            ToolError: There is no code, or it cannot be judged here.
        """
        fenced = extract_code(text)
        code = fenced if fenced is not None else text if _CODE_SIGN.search(text) else ""
        if not code.strip():
            if tests:
                return "This response contains no Python code to test."
            raise ToolError("nothing to run: no program, no tests and no Python code in the response")
        if tests:
            return await self._test_code(code, tests)
        outcome = await self._sandbox.run_program(code, self._limits)
        failure = _describe_failure(outcome, self._limits)
        if fenced is None and failure.startswith(("SyntaxError", "IndentationError")):
            raise ToolError("nothing to run: no program, no tests and no Python code in the response")
        return _describe_run(outcome.stdout.strip(), failure)

    async def _test_code(self, code: str, tests: str) -> str:
        """Run tests against code and read the verdict behind this run's marker.

        Raises:
            ToolError: The tests are not valid Python, or a module is not installed here.
        """
        marker = secrets.token_hex(16)
        files = {"marker.txt": marker, "tests.py": tests, "response.py": code}
        outcome = await self._sandbox.run_program(_HARNESS.read_text(encoding="utf-8"), self._limits, files)
        lines = [line for line in outcome.stdout.split("\n") if line.startswith(f"{marker}\t")]
        if lines:
            return _describe_verdict(lines[0].split("\t")[1:])
        failure = "" if outcome.exit_code == 0 else _describe_failure(outcome, self._limits)
        return f"This response's code fails the tests: {failure or 'it ends the program before the tests are done'}."


def _describe_results(printed: Sequence[str]) -> str:
    if len(printed) == 1:
        return f"A program written for this task prints {_quote(printed[0])}."
    quoted = [_quote(result) for result in printed]
    return f"Programs written for this task print {', '.join(quoted[:-1])} and {quoted[-1]}."


def _describe_votes(votes: int, count: int) -> str:
    """In words that a judge who sees one response alone can place: how many agree, and whether that is many."""
    if votes in (0, count):
        return "they agree" if votes else "they differ"
    return f"most agree ({votes} of {count})" if 2 * votes > count else f"only {votes} of {count} agree"


def print_result(program: str) -> str:
    """Let a program that prints nothing print its last value, as a notebook does: models forget the last line."""
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program
    if any(isinstance(node, ast.Name) and node.id == "print" for part in body for node in ast.walk(part)):
        return program
    last = body[-1] if body else None
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
        return f"{program}\nprint({last.targets[0].id})"
    if isinstance(last, ast.Expr):
        return f"{program}\nprint({ast.unparse(last.value)})"
    return program


def extract_code(text: str) -> str | None:
    """The fenced Python blocks of a text, joined; those without a language where none says Python; None where there are none."""
    blocks: dict[str, list[str]] = {"python": [], "": [], "other": []}
    kind: str | None = None
    for line in text.split("\n"):
        mark = line.strip()
        if not mark.startswith("```"):
            if kind is not None:
                blocks[kind].append(line)
        elif kind is not None:
            kind = None
        else:
            language = mark.strip("`").strip().lower()
            kind = "python" if language in ("python", "python3", "py") else "other" if language else ""
    found = blocks["python"] or blocks[""]
    return "\n".join(found) if found else None


def _tests_of(task: Task) -> str:
    """The assertions that the task brings along.

    Raises:
        ToolError: They are not text.
    """
    found = task.metadata.get("tests", "")
    tests = "\n".join(found) if isinstance(found, list | tuple) and all(isinstance(item, str) for item in found) else found
    if not isinstance(tests, str):
        raise ToolError(f"metadata.tests of the task is a {type(found).__name__}: make it a string or a list of strings")
    return tests.strip()


def _describe_failure(outcome: Outcome, limits: Limits) -> str:
    """Why a program failed, in a few words; empty where it did not."""
    if outcome.reason == "signal":
        names = {item.value: item.name for item in signal.Signals}
        return f"it was ended by {names.get(outcome.signal or 0, 'a signal')}"
    if outcome.reason != "finished":
        return {
            "timeout": f"it ran longer than {limits.wall_seconds:g} seconds",
            "cpu": f"it used more than {limits.cpu_seconds} seconds of processor time",
            "memory": f"it needed more than {limits.memory_mb} MB of memory",
            "output": f"it printed more than {limits.output_bytes // 4} characters",
        }.get(outcome.reason, "it was stopped")
    if outcome.exit_code == 0:
        return ""
    last = outcome.stderr.rstrip().rpartition("\n")[2].strip()
    return _explain(_quote(last)) if last else f"it ended with exit code {outcome.exit_code}"


def _describe_run(printed: str, failure: str) -> str:
    """Report on code that ran without tests.

    Raises:
        ToolError: It needs a module that is not installed.
    """
    if failure:
        _refuse_missing_module(failure)
        return f"This response's code fails: {failure}."
    return (
        f"This response's code runs and prints {_quote(printed)}." if printed else "This response's code runs and prints nothing."
    )


def _describe_verdict(verdict: list[str]) -> str:
    """Put the harness' verdict into words.

    Raises:
        ToolError: The tests are not valid Python, or a module is not installed here.
    """
    kind, *details = verdict
    if kind == "bad tests":
        raise ToolError(f"the tests are not valid Python: {_quote(details[0])}")
    if kind in ("no code", "broken"):
        _refuse_missing_module(details[0])
        return f"This response's code fails before the first test: {_explain(_quote(details[0]))}."
    num_tests, num_failed = int(details[0]), int(details[1])
    if kind == "passed":
        return f"This response's code passes {'the test' if num_tests == 1 else f'all {num_tests} tests'}."
    _refuse_missing_module(details[3])
    first = f"{_quote(details[2])} raises {_explain(_quote(details[3]))}"
    return f"This response's code fails {num_failed} of {max(num_tests, num_failed)} tests; the first: {first}."


def _refuse_missing_module(failure: str) -> None:
    if failure.startswith("ModuleNotFoundError"):
        raise ToolError(f"this response's code cannot be checked here: {_quote(failure)}")


def _explain(failure: str) -> str:
    """Add what the sandbox has to do with a failure, so that it is not held against the code."""
    if _DENIED.search(failure):
        return f"{failure} (the sandbox has no network and only a scratch folder)"
    return f"{failure} (no input was given)" if failure.startswith("EOFError") else failure


def _quote(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= MAX_QUOTE else f"{shown[:MAX_QUOTE]}..."
